"""A tiny network that tells how coarsely video was quantised when it was compressed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.blocks import NEGATIVE_SLOPE
from vsvqe.nets.window import Window

FINEST = 8.0
COARSEST = 51.0
"""Quantisers that it may tell, on the scale of H.264 and HEVC."""

BLOCK = 4
# Keeps logarithms of details finite: half a code of 8-bit video.
LEAST_DETAIL = 0.5 / 219.0
# Bring logarithms of details, and quantisers, to about mean 0 and deviation 1.
DETAIL_SCALE, DETAIL_OFFSET = 0.5, 1.5
QUANTISER_SCALE, QUANTISER_OFFSET = 9.0, 28.0


class QuantiserNet(nn.Module):
    """Estimates the quantiser of the encoder.

    Compression shows in which details are missing, over orders of magnitude, and in how much of a
    frame is taken over unchanged into the next: so the network looks at the logarithms of the
    cosine transform of every block of a frame and of its difference to the next one, brought to
    where its content is, and averages over the picture.
    """

    window = Window((0, 1), aligned=True)

    def __init__(self, channels: int = 32) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
        """
        super().__init__()
        pictures = len(self.window.offsets)
        self.first = nn.Conv2d(pictures * (BLOCK * BLOCK - 1), channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.third = nn.Linear(channels, channels)
        self.last = nn.Linear(channels, 1)

    @property
    def receptive_field(self) -> int:
        """Luma pixels on one side that a feature depends on, before averaging."""
        return BLOCK * 2

    def estimate(self, y: Tensor) -> Tensor:
        """Returns the estimated quantiser `[N]`, without bounds.

        Args:
            y: Luma in [0, 1], `[N, 2, H, W]`; what exceeds whole blocks is ignored.
        """
        own, following = y[:, :1], y[:, 1:]
        details = torch.cat(
            [
                functional.conv2d(picture, cosine_transform(), stride=BLOCK).abs()
                for picture in (own, following - own)
            ],
            dim=1,
        )
        features = DETAIL_SCALE * (details + LEAST_DETAIL).log() + DETAIL_OFFSET
        features = functional.leaky_relu(self.first(features), NEGATIVE_SLOPE)
        features = functional.leaky_relu(self.second(features), NEGATIVE_SLOPE)
        hidden = functional.leaky_relu(self.third(features.mean(dim=(2, 3))), NEGATIVE_SLOPE)
        estimate: Tensor = self.last(hidden)[:, 0]
        return QUANTISER_SCALE * estimate + QUANTISER_OFFSET

    def forward(self, y: Tensor) -> Tensor:
        """Returns the estimated quantiser `[N]`, within what it may tell."""
        return self.estimate(y).clamp(FINEST, COARSEST)


def cosine_transform() -> Tensor:
    """Returns the kernels of the cosine transform of a block, but for its mean."""
    rows = torch.arange(BLOCK, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi * rows * (2 * rows.T + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2.0)
    kernels = torch.einsum("ai,bj->abij", basis, basis).reshape(-1, 1, BLOCK, BLOCK)
    return kernels[1:].float()
