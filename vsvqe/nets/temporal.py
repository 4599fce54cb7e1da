"""Other ways to look at several frames, which ``PlanesNet`` was compared with.

Same planes in and out, same blocks, same calls; only how neighbours come in differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.blocks import NEGATIVE_SLOPE, ResidualBlock, conv3x3
from vsvqe.nets.planes import FRAME_CHANNELS, RESIDUAL_SCALE, WindowNet
from vsvqe.nets.window import Window


class _OverFrames(WindowNet):
    """What the networks here share: planes to channels and back, at scale 1."""

    def __init__(self, window: Window, channels: int) -> None:
        super().__init__()
        self.window = window
        self.scale = 1
        self.tail = conv3x3(channels, FRAME_CHANNELS)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def windows(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the residuals of centre frames, see ``PlanesNet.windows``."""
        luma = functional.pixel_unshuffle(y.flatten(0, 1).unsqueeze(1) - 0.5, 2)
        frames = torch.cat((luma.reshape(*y.shape[:2], *luma.shape[1:]), uv), dim=2)
        residual = RESIDUAL_SCALE * self.tail(self(frames)).float()
        return functional.pixel_shuffle(residual[:, :4], 2), residual[:, 4:]


class TwoStageNet(_OverFrames):
    """Triplets of frames first, then their results: nothing is aligned but what is learned.

    A stream computes the first stage once for a frame, though a window takes it three times.

    Source: Tassano, Delon and Veit, "FastDVDnet", CVPR 2020, with the blocks of ``PlanesNet``
    instead of two U-Nets.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        """Builds both stages.

        Args:
            channels: Feature channels.
            blocks: Residual blocks of each stage.
        """
        super().__init__(Window((-2, -1, 0, 1, 2), aligned=False), channels)
        self.first = nn.Sequential(
            conv3x3(3 * FRAME_CHANNELS, channels), *_blocks(channels, blocks)
        )
        self.join = conv3x3(3 * channels, channels)
        self.second = nn.Sequential(*_blocks(channels, blocks))

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the features of the centre frames.

        Args:
            frames: `[N, 5, 6, h, w]`.
        """
        stages = [self.triplet(frames[:, k : k + 3]) for k in range(3)]
        return self.fused(torch.cat(stages, dim=1))

    def triplet(self, frames: Tensor) -> Tensor:
        """Runs the first stage on three frames, `[N, 3, 6, h, w]`."""
        features: Tensor = self.first(_channels_last(frames.flatten(1, 2)))
        return features

    def fused(self, features: Tensor) -> Tensor:
        """Runs the second stage on the features of three triplets."""
        joined = functional.leaky_relu(self.join(features), NEGATIVE_SLOPE)
        result: Tensor = self.second(joined)
        return result


class RecurrentNet(_OverFrames):
    """A state that passes through the frames from the last to the first, and is not aligned.

    Later frames tell more about a frame than earlier ones: encoders refine what they repeat. A
    stream computes one step for a frame; a window goes through all of them.

    Source: the hidden state of Isobe et al., "Revisiting temporal modeling for video
    super-resolution", BMVC 2020 (RRN), backwards in time.
    """

    def __init__(self, channels: int, blocks: int, length: int) -> None:
        """Builds the cell.

        Args:
            channels: Feature channels, and those of the state.
            blocks: Residual blocks of the cell.
            length: Frames of a window.
        """
        super().__init__(Window(tuple(range(length)), aligned=False), channels)
        self.channels = channels
        self.enter = conv3x3(FRAME_CHANNELS + channels, channels)
        self.body = nn.Sequential(*_blocks(channels, blocks))

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the state at the first frames.

        Args:
            frames: `[N, K, 6, h, w]`.
        """
        count, _, _, height, width = frames.shape
        state = frames.new_zeros(count, self.channels, height, width)
        for frame in reversed(frames.unbind(1)):
            state = self.step(frame, state)
        return state

    def step(self, frame: Tensor, state: Tensor) -> Tensor:
        """Takes a frame in, `[N, 6, h, w]`."""
        entered = self.enter(_channels_last(torch.cat((frame, state), dim=1)))
        result: Tensor = self.body(functional.leaky_relu(entered, NEGATIVE_SLOPE))
        return result


def _blocks(channels: int, count: int) -> list[ResidualBlock]:
    return [ResidualBlock(channels) for _ in range(count)]


def _channels_last(features: Tensor) -> Tensor:
    return features.contiguous(memory_format=torch.channels_last)
