"""The modulated deformable convolution, also in words that ONNX has.

Zhu, Hu, Lin and Dai, "Deformable ConvNets v2: more deformable, better results", CVPR 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import deform_conv2d

_SIDE = 3
TAPS = _SIDE**2
"""Of a kernel: every group has two offsets and a mask for each."""


def deformed(
    features: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor
) -> Tensor:
    """Applies a 3x3 convolution whose every tap looks elsewhere, by its own weight.

    Args:
        features: `[N, C, H, W]`, zero outside.
        offset: For each group of channels and each tap of it where to look, in pixels beside the
            tap's own place, vertical first: `[N, 18 * groups, H, W]`.
        weight: `[D, C, 3, 3]`.
        bias: `[D]`.
        mask: Factor on what each tap of each group finds, `[N, 9 * groups, H, W]`.

    Returns:
        Features `[N, D, H, W]`.
    """
    if torch.onnx.is_in_onnx_export():
        return _sampled(features, offset, weight, bias, mask)
    # In single precision: places do not fit half, and on a CPU torchvision has no other.
    inputs = (tensor.float() for tensor in (features, offset, weight, bias))
    result: Tensor = deform_conv2d(*inputs, padding=_SIDE // 2, mask=mask.float())
    return result.to(features.dtype)


def _sampled(
    features: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor
) -> Tensor:
    """Does the same as a sampling for all taps, and a convolution of 1x1 over what they found."""
    count, channels, height, width = features.shape
    groups = mask.shape[1] // TAPS
    parts = features.reshape(count * groups, channels // groups, height, width)
    # The taps lie below each other, as one tall picture.
    offset = offset.view(count * groups, TAPS, 2, height, width)
    tap = torch.arange(TAPS).view(1, TAPS, 1, 1)
    y = torch.arange(height).view(1, 1, height, 1) + (tap // _SIDE - _SIDE // 2)
    x = torch.arange(width).view(1, 1, 1, width) + (tap % _SIDE - _SIDE // 2)
    down = 2.0 * (offset[:, :, 0] + y.to(offset)) / max(height - 1, 1) - 1.0
    across = 2.0 * (offset[:, :, 1] + x.to(offset)) / max(width - 1, 1) - 1.0
    places = torch.stack((across, down), dim=4).view(count * groups, TAPS * height, width, 2)
    found = functional.grid_sample(
        parts, places, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    shares = mask.reshape(count * groups, 1, TAPS * height, width)
    found = (found * shares).view(count, channels * TAPS, height, width)
    return functional.conv2d(found, weight.reshape(len(weight), channels * TAPS, 1, 1), bias)
