"""The modulated deformable convolution, also in words that ONNX has.

Zhu, Hu, Lin and Dai, "Deformable ConvNets v2: more deformable, better results", CVPR 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import deform_conv2d

from vsvqe.nets.recurrent import warped

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
        return _tap_by_tap(features, offset, weight, bias, mask)
    result: Tensor = deform_conv2d(features, offset, weight, bias, padding=_SIDE // 2, mask=mask)
    return result


def _tap_by_tap(
    features: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor
) -> Tensor:
    """Does the same as nine samplings, each followed by a convolution of 1x1."""
    count, channels, height, width = features.shape
    groups = mask.shape[1] // TAPS
    parts = features.reshape(count * groups, channels // groups, height, width)
    places = offset.view(count * groups, TAPS, 2, height, width)
    shares = mask.view(count * groups, TAPS, 1, height, width)
    total = bias.view(1, -1, 1, 1)
    for tap in range(TAPS):
        down, across = tap // _SIDE - _SIDE // 2, tap % _SIDE - _SIDE // 2
        place = places[:, tap].flip(1) + torch.tensor((across, down)).to(offset).view(1, 2, 1, 1)
        found = (warped(parts, place) * shares[:, tap]).view(count, channels, height, width)
        kernel = weight[:, :, tap // _SIDE, tap % _SIDE, None, None]
        total = total + functional.conv2d(found, kernel)
    return total
