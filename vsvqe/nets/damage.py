"""A tiny network that tells how badly a luma plane was damaged by compression."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.blocks import NEGATIVE_SLOPE

BEST_PSNR = 50.0
WORST_PSNR = 25.0

BLOCK = 4
# Keeps logarithms of details finite: half a code of 8-bit video.
LEAST_DETAIL = 0.5 / 219.0
# Bring logarithms of details, and decibels, to about mean 0 and deviation 1.
DETAIL_SCALE, DETAIL_OFFSET = 0.5, 1.5
PSNR_SCALE, PSNR_OFFSET = 5.0, 38.0


class DamageNet(nn.Module):
    """Estimates PSNR-Y against the unknown original.

    Compression shows in which details are missing, over orders of magnitude: so the network looks
    at the logarithms of the cosine transform of every block, and averages over the picture.
    """

    def __init__(self, channels: int = 32) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
        """
        super().__init__()
        self.first = nn.Conv2d(BLOCK * BLOCK - 1, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.third = nn.Linear(channels, channels)
        self.last = nn.Linear(channels, 1)

    @property
    def receptive_field(self) -> int:
        """Luma pixels on one side that a feature depends on, before averaging."""
        return BLOCK * 2

    def estimate(self, y: Tensor) -> Tensor:
        """Returns the estimated PSNR `[N]` in decibels, without bounds.

        Args:
            y: Luma in [0, 1], `[N, 1, H, W]`; what exceeds whole blocks is ignored.
        """
        details = functional.conv2d(y, cosine_transform(), stride=BLOCK).abs()
        features = DETAIL_SCALE * (details + LEAST_DETAIL).log() + DETAIL_OFFSET
        features = functional.leaky_relu(self.first(features), NEGATIVE_SLOPE)
        features = functional.leaky_relu(self.second(features), NEGATIVE_SLOPE)
        hidden = functional.leaky_relu(self.third(features.mean(dim=(2, 3))), NEGATIVE_SLOPE)
        estimate: Tensor = self.last(hidden)[:, 0]
        return PSNR_SCALE * estimate + PSNR_OFFSET

    def forward(self, y: Tensor) -> Tensor:
        """Returns the estimated PSNR `[N]` in decibels, within what it was trained for."""
        return self.estimate(y).clamp(WORST_PSNR, BEST_PSNR)


def cosine_transform() -> Tensor:
    """Returns the kernels of the cosine transform of a block, but for its mean."""
    rows = torch.arange(BLOCK, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi * rows * (2 * rows.T + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2.0)
    kernels = torch.einsum("ai,bj->abij", basis, basis).reshape(-1, 1, BLOCK, BLOCK)
    return kernels[1:].float()
