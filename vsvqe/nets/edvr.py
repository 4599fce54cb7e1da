"""EDVR's feature extractor: five frames brought to the middle one at three sizes, and weighed.

Wang, Chan, Yu, Dong and Loy, "EDVR: video restoration with enhanced deformable convolutional
networks", CVPR workshops 2019. IconVSR uses its first half, without the reconstruction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.deformable import TAPS, deformed
from vsvqe.nets.recurrent import ResidualBlock, activated, bilinear, convolution

GROUPS = 8
_SIZES = 3


class Convolution(nn.Module):
    """A convolution and a leaky ReLU, or the convolution alone."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, active: bool = True
    ) -> None:
        """Builds the layer."""
        super().__init__()
        self.conv = convolution(inputs, outputs, kernel, stride)
        self.active = active

    def forward(self, features: Tensor) -> Tensor:
        """Returns the features."""
        features = self.conv(features)
        return activated(features) if self.active else features


class Deformable(nn.Module):
    """A modulated deformable 3x3 convolution whose offsets come from other features."""

    def __init__(self, channels: int) -> None:
        """Builds the layer."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        self.conv_offset = convolution(channels, 3 * TAPS * GROUPS)
        # Training starts without offsets.
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """Returns the features, sampled where the guide says."""
        found = self.conv_offset(guide)
        offset = found[:, : 2 * TAPS * GROUPS]
        mask = torch.sigmoid(found[:, 2 * TAPS * GROUPS :])
        return deformed(features, offset, self.weight, self.bias, mask)


class PyramidAlignment(nn.Module):
    """Pyramid, cascading and deformable alignment of one frame's features to another's."""

    def __init__(self, channels: int) -> None:
        """Builds the layers of the three sizes, ``l1`` the largest."""
        super().__init__()
        sizes = range(1, _SIZES + 1)
        self.offset_conv1 = nn.ModuleDict(
            {f"l{i}": Convolution(2 * channels, channels) for i in sizes}
        )
        self.offset_conv2 = nn.ModuleDict(
            {f"l{i}": Convolution((1 if i == _SIZES else 2) * channels, channels) for i in sizes}
        )
        self.offset_conv3 = nn.ModuleDict(
            {f"l{i}": Convolution(channels, channels) for i in sizes if i < _SIZES}
        )
        self.dcn_pack = nn.ModuleDict({f"l{i}": Deformable(channels) for i in sizes})
        self.feat_conv = nn.ModuleDict(
            {
                f"l{i}": Convolution(2 * channels, channels, active=i > 1)
                for i in sizes
                if i < _SIZES
            }
        )
        self.cas_offset_conv1 = Convolution(2 * channels, channels)
        self.cas_offset_conv2 = Convolution(channels, channels)
        self.cas_dcnpack = Deformable(channels)

    def forward(self, neighbour: list[Tensor], centre: list[Tensor]) -> Tensor:
        """Returns the neighbour's features, aligned.

        Args:
            neighbour: Its features at three sizes, the largest first.
            centre: Those of the frame that it is to be aligned to.
        """
        offset = features = centre[0]
        for i in range(_SIZES, 0, -1):
            level = f"l{i}"
            coarser_offset, coarser = offset, features
            offset = self.offset_conv1[level](torch.cat((neighbour[i - 1], centre[i - 1]), dim=1))
            if i == _SIZES:
                offset = self.offset_conv2[level](offset)
                features = activated(self.dcn_pack[level](neighbour[i - 1], offset))
                continue
            # Offsets are in pixels of their size.
            grown = 2.0 * bilinear(coarser_offset, 2)
            offset = self.offset_conv2[level](torch.cat((offset, grown), dim=1))
            offset = self.offset_conv3[level](offset)
            features = self.dcn_pack[level](neighbour[i - 1], offset)
            features = self.feat_conv[level](torch.cat((features, bilinear(coarser, 2)), dim=1))
        offset = self.cas_offset_conv1(torch.cat((features, centre[0]), dim=1))
        return activated(self.cas_dcnpack(features, self.cas_offset_conv2(offset)))


class AttentionFusion(nn.Module):
    """Temporal and spatial attention: aligned frames are weighed by likeness, then fused."""

    def __init__(self, channels: int, frames: int, centre: int) -> None:
        """Builds the layers.

        Args:
            channels: Of each frame.
            frames: How many there are.
            centre: Index of the one that the others were aligned to.
        """
        super().__init__()
        self.centre = centre
        self.temporal_attn1 = convolution(channels, channels)
        self.temporal_attn2 = convolution(channels, channels)
        self.feat_fusion = Convolution(frames * channels, channels, 1)
        self.spatial_attn1 = Convolution(frames * channels, channels, 1)
        self.spatial_attn2 = Convolution(2 * channels, channels, 1)
        self.spatial_attn3 = Convolution(channels, channels)
        self.spatial_attn4 = Convolution(channels, channels, 1)
        self.spatial_attn5 = convolution(channels, channels)
        self.spatial_attn_l1 = Convolution(channels, channels, 1)
        self.spatial_attn_l2 = Convolution(2 * channels, channels)
        self.spatial_attn_l3 = Convolution(channels, channels)
        self.spatial_attn_add1 = Convolution(channels, channels, 1)
        self.spatial_attn_add2 = convolution(channels, channels, 1)

    def forward(self, aligned: Tensor) -> Tensor:
        """Returns the fused features `[N, C, H, W]` of frames `[N, T, C, H, W]`."""
        count, frames, channels, height, width = aligned.shape
        of_centre = self.temporal_attn1(aligned[:, self.centre])
        of_all = self.temporal_attn2(aligned.flatten(0, 1)).view(aligned.shape)
        likeness = torch.sigmoid((of_all * of_centre[:, None]).sum(dim=2, keepdim=True))
        weighed = (aligned * likeness).view(count, frames * channels, height, width)
        features = self.feat_fusion(weighed)

        attention = self.spatial_attn2(_halved(self.spatial_attn1(weighed)))
        coarse = self.spatial_attn_l2(_halved(self.spatial_attn_l1(attention)))
        coarse = bilinear(self.spatial_attn_l3(coarse), 2)
        attention = self.spatial_attn4(self.spatial_attn3(attention) + coarse)
        attention = self.spatial_attn5(bilinear(attention, 2))
        added = self.spatial_attn_add2(self.spatial_attn_add1(attention))
        fused: Tensor = 2.0 * features * torch.sigmoid(attention) + added
        return fused


def _halved(features: Tensor) -> Tensor:
    """Returns the largest and the mean of each neighbourhood, at half the size."""
    largest = functional.max_pool2d(features, 3, stride=2, padding=1)
    mean = functional.avg_pool2d(features, 3, stride=2, padding=1)
    return torch.cat((largest, mean), dim=1)


class FeatureExtractor(nn.Module):
    """Features of the middle one of a few frames, with what the others know of it."""

    def __init__(self, channels: int = 64, frames: int = 5, blocks: int = 5) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
            frames: Frames that it sees; an odd number.
            blocks: Residual blocks before the alignment.
        """
        super().__init__()
        self.centre = frames // 2
        self.conv_first = convolution(3, channels)
        self.feature_extraction = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.feat_l2_conv1 = Convolution(channels, channels, stride=2)
        self.feat_l2_conv2 = Convolution(channels, channels)
        self.feat_l3_conv1 = Convolution(channels, channels, stride=2)
        self.feat_l3_conv2 = Convolution(channels, channels)
        self.pcd_alignment = PyramidAlignment(channels)
        self.fusion = AttentionFusion(channels, frames, self.centre)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns features `[N, C, H, W]`.

        Args:
            frames: RGB in [0, 1], `[N, T, 3, H, W]`, H and W multiples of 4.
        """
        count, length = frames.shape[:2]
        first = self.feature_extraction(activated(self.conv_first(frames.flatten(0, 1))))
        second = self.feat_l2_conv2(self.feat_l2_conv1(first))
        third = self.feat_l3_conv2(self.feat_l3_conv1(second))
        sizes = [level.view(count, length, *level.shape[1:]) for level in (first, second, third)]
        centre = [level[:, self.centre] for level in sizes]
        aligned = [
            self.pcd_alignment([level[:, t] for level in sizes], centre) for t in range(length)
        ]
        fused: Tensor = self.fusion(torch.stack(aligned, dim=1))
        return fused
