"""SPyNet: optical flow by a pyramid of small networks, each adding to the flow of the coarser one.

Ranjan and Black, "Optical flow estimation using a spatial pyramid network", CVPR 2017. The
version that video super-resolution uses: six levels of five 7x7 convolutions, 1,440,300 parameters.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.recurrent import warped

LEVELS = 6
_COARSEST = 2 ** (LEVELS - 1)
_CHANNELS = (8, 32, 64, 32, 16, 2)
# Of the photographs of ImageNet, by which pictures are normalised.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class Level(nn.Module):
    """The network of one level: 7x7 convolutions with ReLU between them."""

    def __init__(self) -> None:
        """Builds the level."""
        super().__init__()
        layers = []
        for inputs, outputs in pairwise(_CHANNELS):
            layers.append(nn.ModuleDict({"conv": nn.Conv2d(inputs, outputs, 7, padding=3)}))
        self.basic_module = nn.ModuleList(layers)

    def forward(self, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        """Returns what is to be added to the flow.

        Args:
            first: Normalised picture `[N, 3, H, W]`.
            second: The other picture, warped by the flow.
            flow: `[N, 2, H, W]`.
        """
        features = torch.cat((first, second, flow), dim=1)
        for index, layer in enumerate(self.basic_module):
            features = layer.get_submodule("conv")(features)
            if index < len(self.basic_module) - 1:
                features = functional.relu(features)
        return features


class SPyNet(nn.Module):
    """Flow from one picture to another.

    Example:
        >>> import torch
        >>> from vsvqe.nets.spynet import SPyNet
        >>> SPyNet()(torch.rand(1, 3, 40, 50), torch.rand(1, 3, 40, 50)).shape
        torch.Size([1, 2, 40, 50])
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        """Builds the pyramid."""
        super().__init__()
        self.basic_module = nn.ModuleList(Level() for _ in range(LEVELS))
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_DEVIATION).reshape(1, 3, 1, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Returns the flow `[N, 2, H, W]` in pixels, horizontal first.

        Args:
            first: RGB in [0, 1], `[N, 3, H, W]`, any size.
            second: The picture in which its content is looked for.
        """
        height, width = first.shape[-2:]
        # Every level must halve evenly.
        size = (_whole(height), _whole(width))
        flow = self._pyramid(_resized(first, size), _resized(second, size))
        flow = _resized(flow, (height, width))
        ratio = torch.tensor([width / size[1], height / size[0]]).to(flow)
        return flow * ratio.reshape(1, 2, 1, 1)

    def _pyramid(self, first: Tensor, second: Tensor) -> Tensor:
        pairs = [((first - self.mean) / self.std, (second - self.mean) / self.std)]
        for _ in range(LEVELS - 1):
            pairs.append(
                (functional.avg_pool2d(pairs[-1][0], 2), functional.avg_pool2d(pairs[-1][1], 2))
            )
        count, _, height, width = pairs[-1][0].shape
        flow = first.new_zeros(count, 2, height, width)
        for level, (one, other) in zip(self.basic_module, reversed(pairs), strict=True):
            if flow.shape[-2:] != one.shape[-2:]:
                flow = 2.0 * functional.interpolate(
                    flow, scale_factor=2, mode="bilinear", align_corners=True
                )
            flow = flow + level(one, warped(other, flow, border=True), flow)
        return flow


def _whole(side: int) -> int:
    """Returns the next multiple of the coarsest level's pixels."""
    # Of positive numbers: tracing rounds quotients of negative ones the other way.
    whole: int = (side + _COARSEST - 1) // _COARSEST * _COARSEST
    return whole


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    if pictures.shape[-2:] == size:
        return pictures
    return functional.interpolate(pictures, size=size, mode="bilinear", align_corners=False)


def flows(net: SPyNet, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Measures the motion of a run of frames.

    Args:
        net: The network.
        frames: `[N, T, 3, H, W]`.

    Returns:
        Flow from each frame but the first to the one before, which aligns the past to it
        (``forward``), and from each but the last to the one after, which aligns the future
        (``backward``); both `[N, T - 1, 2, H, W]`.
    """
    count, length, _, height, width = frames.shape
    from_past = frames.new_empty(count, length - 1, 2, height, width)
    from_future = torch.empty_like(from_past)
    # Pair by pair: at full size all pairs together would need gigabytes.
    for t, (earlier, later) in enumerate(pairwise(frames.unbind(dim=1))):
        both = net(torch.cat((later, earlier)), torch.cat((earlier, later)))
        from_past[:, t], from_future[:, t] = both.chunk(2)
    return from_past, from_future
