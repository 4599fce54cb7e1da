"""Discriminators for adversarial training: of pictures, and of what happens from frame to frame.

They return logits, one for every position, and are needed for training only.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

NEGATIVE_SLOPE = 0.2
FRAMES = 3


class UNetDiscriminator(nn.Module):
    """Tells real pictures from restored ones at every pixel.

    The U-Net with spectral normalisation of Wang, Xie, Dong and Shan, "Real-ESRGAN: training
    real-world blind super-resolution with pure synthetic data", ICCV workshops, 2021, which
    RealBasicVSR uses too: three strided 4x4 convolutions down, bilinear enlargement and 3x3
    convolutions up, with skips that add. 4,376,897 parameters as published.
    """

    def __init__(self, inputs: int = 3, channels: int = 64) -> None:
        """Builds the network.

        Args:
            inputs: Channels of the pictures: 3 for RGB, 1 for luma.
            channels: Features at full size; each step down has twice as many.
        """
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        widths = [channels, 2 * channels, 4 * channels, 8 * channels]
        self.down = nn.ModuleList(_strided(a, b) for a, b in pairwise(widths))
        widths.reverse()
        self.up = nn.ModuleList(_plain(a, b) for a, b in pairwise(widths))
        self.last = nn.Sequential(
            _plain(channels, channels),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            _plain(channels, channels),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Conv2d(channels, 1, 3, padding=1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns logits `[N, 1, H, W]`, positive where the pictures look real.

        Args:
            pictures: `[N, C, H, W]` in [0, 1]; H and W multiples of 8.

        Raises:
            ValueError: If a side is no multiple of 8.

        Example:
            >>> import torch
            >>> from vsvqe.nets.discriminators import UNetDiscriminator
            >>> UNetDiscriminator(channels=8)(torch.rand(2, 3, 32, 48)).shape
            torch.Size([2, 1, 32, 48])
        """
        if pictures.shape[-2] % 8 or pictures.shape[-1] % 8:
            raise ValueError(f"sides must be multiples of 8, not {tuple(pictures.shape[-2:])}")
        features = _activated(self.first(pictures))
        skips = []
        for down in self.down:
            skips.append(features)
            features = _activated(down(features))
        for up in self.up:
            wide = functional.interpolate(features, scale_factor=2, mode="bilinear")
            features = _activated(up(wide)) + skips.pop()
        logits: Tensor = self.last(features)
        return logits


class TemporalDiscriminator(nn.Module):
    """Tells real runs of three frames from restored ones, by what moves and what flickers.

    After the spatio-temporal discriminator of Chu, Xie, Mayer, Leal-Taixe and Thuerey, "Learning
    temporal coherence via self-supervision for GAN-based video generation" (TecoGAN), ACM TOG
    39(4), 2020: three frames as one input, a 3x3 convolution, then strided 4x4 ones. Two things
    differ: spectral normalisation stands for batch normalisation, which small batches make
    unsteady, and a convolution for the dense layer, so that every size can be judged.
    """

    def __init__(self, inputs: int = 3, channels: int = 64) -> None:
        """Builds the network.

        Args:
            inputs: Channels of one frame: 3 for RGB, 1 for luma.
            channels: Features of the first layers.
        """
        super().__init__()
        self.first = nn.Conv2d(FRAMES * inputs, channels, 3, padding=1)
        widths = [channels, channels, channels, 2 * channels, 4 * channels]
        self.down = nn.ModuleList(_strided(a, b) for a, b in pairwise(widths))
        self.last = nn.Conv2d(4 * channels, 1, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns logits `[N, 1, H / 16, W / 16]`, positive where the motion looks real.

        Args:
            frames: `[N, 3, C, H, W]` in [0, 1], in the order of time, each side at least 16; for
                the TecoGAN's way, warp the outer frames to the middle one and run both.

        Raises:
            ValueError: If there are not three frames.

        Example:
            >>> import torch
            >>> from vsvqe.nets.discriminators import TemporalDiscriminator
            >>> TemporalDiscriminator(channels=8)(torch.rand(2, 3, 3, 64, 48)).shape
            torch.Size([2, 1, 4, 3])
        """
        if frames.ndim != 5 or frames.shape[1] != FRAMES:
            raise ValueError(f"frames must be N x {FRAMES} x C x H x W, not {tuple(frames.shape)}")
        features = _activated(self.first(frames.flatten(1, 2)))
        for down in self.down:
            features = _activated(down(features))
        logits: Tensor = self.last(features)
        return logits


def _strided(inputs: int, outputs: int) -> nn.Module:
    """Returns a convolution to half the size."""
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False))


def _plain(inputs: int, outputs: int) -> nn.Module:
    """Returns a 3x3 convolution."""
    return spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))


def _activated(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, NEGATIVE_SLOPE)
