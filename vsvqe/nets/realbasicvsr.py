"""RealBasicVSR: video of unknown damage is cleaned, then enlarged by BasicVSR.

Chan, Zhou, Xu and Loy, "Investigating tradeoffs in real-world video super-resolution", CVPR 2022.
6,294,834 parameters, SPyNet included: 64 channels, 20 blocks for cleaning and for each direction.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from vsvqe.nets.basicvsr import SCALE, BasicVSR
from vsvqe.nets.recurrent import ResidualStack, convolution

MOST_PASSES = 3
# The threshold that the published x4 model is used with: no pass changes as much, so one is run.
DEFAULT_THRESHOLD = 255.0

__all__ = ["DEFAULT_THRESHOLD", "MOST_PASSES", "SCALE", "RealBasicVSR"]


class CleaningPass(nn.Module):
    """One pass of the cleaning over a run of frames."""

    def __init__(self, image_cleaning: nn.Module) -> None:
        """Takes the layers of a network."""
        super().__init__()
        self.image_cleaning = image_cleaning

    def forward(self, frames: Tensor) -> Tensor:
        """Returns cleaner frames `[N, T, 3, H, W]`."""
        # Frame by frame: all together would need gigabytes.
        cleaner = [frame + self.image_cleaning(frame) for frame in frames.unbind(dim=1)]
        return torch.stack(cleaner, dim=1)


class RealBasicVSR(nn.Module):
    """Cleans and enlarges a run of frames by four.

    Attributes:
        threshold: Dynamic refinement: cleaning is repeated until the mean absolute change of a
            pass is less than this many 255ths, three times at most.
    """

    def __init__(
        self,
        channels: int = 64,
        blocks: int = 20,
        cleaning_blocks: int = 20,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
            blocks: Residual blocks of each direction.
            cleaning_blocks: Residual blocks of the cleaning module.
            threshold: Of dynamic refinement.
        """
        super().__init__()
        self.threshold = threshold
        self.image_cleaning = nn.Sequential(
            ResidualStack(3, channels, cleaning_blocks), convolution(channels, 3)
        )
        self.basicvsr = BasicVSR(channels, blocks)

    def part(self, name: Literal["cleaning", "enlarging"]) -> nn.Module:
        """Returns what cleans frames `[N, T, 3, H, W]` once, or what enlarges cleaned ones."""
        return CleaningPass(self.image_cleaning) if name == "cleaning" else self.basicvsr

    def cleaned(self, frames: Tensor) -> tuple[Tensor, int]:
        """Returns the cleaned frames and how many passes it took.

        Args:
            frames: RGB in [0, 1], `[N, T, 3, H, W]`.
        """
        pictures = list(frames.unbind(dim=1))
        passes, change = 0, math.inf
        while passes < MOST_PASSES and change >= self.threshold / 255.0:
            passes, change = passes + 1, 0.0
            # Frame by frame: all together would need gigabytes.
            for t, picture in enumerate(pictures):
                residue = self.image_cleaning(picture)
                pictures[t] = picture + residue
                # In single precision: a mean over millions of small numbers.
                change += residue.float().abs().mean().item() / len(pictures)
        return torch.stack(pictures, dim=1), passes

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the cleaned and enlarged frames `[N, T, 3, 4H, 4W]`.

        Args:
            frames: A run of one scene, RGB in [0, 1], `[N, T, 3, H, W]`.

        Example:
            >>> import torch
            >>> from vsvqe.nets.realbasicvsr import RealBasicVSR
            >>> net = RealBasicVSR(channels=8, blocks=1, cleaning_blocks=1)
            >>> net(torch.rand(1, 3, 3, 16, 24)).shape
            torch.Size([1, 3, 3, 64, 96])
        """
        enlarged: Tensor = self.basicvsr(self.cleaned(frames)[0])
        return enlarged
