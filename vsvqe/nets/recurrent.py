"""What the recurrent networks share: residual blocks, sub-pixel enlargement, warping, propagation.

Flow is in pixels, horizontal first. Frames are RGB in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NEGATIVE_SLOPE = 0.1


def activated(features: Tensor) -> Tensor:
    """Returns the leaky ReLU of the features."""
    return functional.leaky_relu(features, NEGATIVE_SLOPE)


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """Returns a convolution padded by half its kernel."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a ReLU, added to the input."""

    def __init__(self, channels: int) -> None:
        """Builds the block."""
        super().__init__()
        self.conv1 = convolution(channels, channels)
        self.conv2 = convolution(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the refined features."""
        refined: Tensor = features + self.conv2(functional.relu(self.conv1(features)))
        return refined


class ResidualStack(nn.Module):
    """A convolution, a leaky ReLU, and residual blocks."""

    def __init__(self, inputs: int, channels: int, blocks: int) -> None:
        """Builds the stack.

        Args:
            inputs: Channels that come in.
            channels: Channels that come out.
            blocks: Number of residual blocks.
        """
        super().__init__()
        self.main = nn.Sequential(
            convolution(inputs, channels),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks))),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns the features after all blocks."""
        refined: Tensor = self.main(features)
        return refined


class SubPixel(nn.Module):
    """Doubles the size: a convolution to four times the channels, then a pixel shuffle."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Builds the layer."""
        super().__init__()
        self.upsample_conv = convolution(inputs, 4 * outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Returns features of twice the width and height."""
        return functional.pixel_shuffle(self.upsample_conv(features), 2)


class Tail(nn.Module):
    """The end of all networks of the family: x4 in two steps, then two convolutions to RGB.

    Attributes:
        scale: Size of the residual relative to the features: 4 or, without the two steps, 1.
    """

    def __init__(self, channels: int, *, enlarges: bool = True) -> None:
        """Builds the layers; the last steps have 64 channels whatever the network has.

        Args:
            channels: Of the features that come in.
            enlarges: Whether the two steps are there.
        """
        super().__init__()
        self.scale = 4 if enlarges else 1
        if enlarges:
            self.upsample1 = SubPixel(channels, channels)
            self.upsample2 = SubPixel(channels, 64)
        self.conv_hr = convolution(64 if enlarges else channels, 64)
        self.conv_last = convolution(64, 3)

    def residual(self, features: Tensor) -> Tensor:
        """Returns the residual picture `[N, 3, s * H, s * W]` of features `[N, C, H, W]`."""
        if self.scale > 1:
            features = activated(self.upsample1(features))
            features = activated(self.upsample2(features))
        residual: Tensor = self.conv_last(activated(self.conv_hr(features)))
        return residual


def room(frames: Tensor, scale: int) -> Tensor:
    """Returns room for results of frames `[N, T, 3, H, W]`, so that none is held twice."""
    count, length, channels, height, width = frames.shape
    return frames.new_empty(count, length, channels, scale * height, scale * width)


def bilinear(pictures: Tensor, factor: float) -> Tensor:
    """Returns pictures resized by a factor, pixel edges aligned."""
    return functional.interpolate(
        pictures, scale_factor=factor, mode="bilinear", align_corners=False
    )


def warped(features: Tensor, flow: Tensor, *, border: bool = False) -> Tensor:
    """Samples features where a flow points to, bilinearly.

    Args:
        features: `[N, C, H, W]`.
        flow: `[N, 2, H, W]`, in pixels, horizontal first: the result at (x, y) is taken from
            (x + u, y + v).
        border: Whether the nearest sample stands in outside the picture; otherwise zero does.
    """
    height, width = features.shape[-2:]
    # Coordinates of many thousand pixels do not fit half precision.
    flow = flow.float()
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)[None, :]
    across = 2.0 * (flow[:, 0] + x) / max(width - 1, 1) - 1.0
    down = 2.0 * (flow[:, 1] + y) / max(height - 1, 1) - 1.0
    return functional.grid_sample(
        features.float(),
        torch.stack((across, down), dim=3),
        mode="bilinear",
        padding_mode="border" if border else "zeros",
        align_corners=True,
    ).to(features.dtype)
