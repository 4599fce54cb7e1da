"""SRResNet, the generator of SRGAN, as published and as later toolboxes changed it.

Ledig et al., "Photo-realistic single image super-resolution using a generative adversarial
network", CVPR 2017: residual blocks with batch normalisation between 9x9 convolutions, 1,549,462
parameters with 16 blocks and x4. The later one (`MSRResNet`) has no batch normalisation, 3x3
convolutions and adds a bilinear enlargement: 1,517,571 parameters with 16 blocks and x4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.recurrent import ResidualBlock, activated, bilinear, convolution


class NormalisedBlock(nn.Module):
    """Two 3x3 convolutions, normalised, around a parametric ReLU; added to the input."""

    def __init__(self, channels: int) -> None:
        """Builds the block."""
        super().__init__()
        self.conv1 = convolution(channels, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU()
        self.conv2 = convolution(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the refined features."""
        hidden = self.prelu(self.bn1(self.conv1(features)))
        refined: Tensor = features + self.bn2(self.conv2(hidden))
        return refined


class Doubling(nn.Module):
    """A convolution, a pixel shuffle and a parametric ReLU: twice the size."""

    def __init__(self, channels: int) -> None:
        """Builds the layer."""
        super().__init__()
        self.conv = convolution(channels, 4 * channels)
        self.prelu = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Returns features of twice the width and height."""
        enlarged: Tensor = self.prelu(functional.pixel_shuffle(self.conv(features), 2))
        return enlarged


class SRResNet(nn.Module):
    """Enlarges pictures by a power of two."""

    def __init__(
        self, scale: int = 4, channels: int = 64, blocks: int = 16, *, normalised: bool = True
    ) -> None:
        """Builds the network.

        Args:
            scale: 2, 4 or 8.
            channels: Feature channels.
            blocks: Residual blocks.
            normalised: Whether batch normalisation follows the convolution after the blocks, as
                published; some checkpoints have a parametric ReLU there.
        """
        super().__init__()
        self.blocks = blocks
        head = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())
        last = nn.BatchNorm2d(channels) if normalised else nn.PReLU()
        after = nn.Sequential(convolution(channels, channels), last)
        tail = nn.Sequential(
            *(Doubling(channels) for _ in range(round(math.log2(scale)))),
            nn.Conv2d(channels, 3, 9, padding=4),
        )
        stages = [head, *(NormalisedBlock(channels) for _ in range(blocks)), after, tail]
        for index, stage in enumerate(stages, 1):
            self.add_module(f"block{index}", stage)

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns RGB in [0, 1], `[N, 3, s * H, s * W]`, of RGB `[N, 3, H, W]` in [0, 1]."""
        stages = list(self.children())
        head = stages[0](pictures)
        features = head
        for stage in stages[1:-1]:
            features = stage(features)
        enlarged: Tensor = stages[-1](head + features)
        return (torch.tanh(enlarged) + 1.0) / 2.0


class MSRResNet(nn.Module):
    """Enlarges pictures by two, three or four."""

    def __init__(self, scale: int = 4, channels: int = 64, blocks: int = 16) -> None:
        """Builds the network.

        Args:
            scale: 2, 3 or 4.
            channels: Feature channels.
            blocks: Residual blocks.
        """
        super().__init__()
        self.scale = scale
        self.steps = (2, 2) if scale == 4 else (scale,)
        self.conv_first = convolution(3, channels)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        for index, step in enumerate(self.steps, 1):
            self.add_module(f"upconv{index}", convolution(channels, channels * step**2))
        self.conv_hr = convolution(channels, channels)
        self.conv_last = convolution(channels, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns RGB `[N, 3, s * H, s * W]` of RGB `[N, 3, H, W]` in [0, 1]."""
        features = self.body(activated(self.conv_first(pictures)))
        for index, step in enumerate(self.steps, 1):
            wide = self.get_submodule(f"upconv{index}")(features)
            features = activated(functional.pixel_shuffle(wide, step))
        enlarged: Tensor = self.conv_last(activated(self.conv_hr(features)))
        return enlarged + bilinear(pictures, self.scale)
