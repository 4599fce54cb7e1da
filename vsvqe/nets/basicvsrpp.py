"""BasicVSR++: second-order grid propagation with flow-guided deformable alignment.

Chan, Zhou, Xu and Loy, "BasicVSR++: improving video super-resolution with enhanced propagation
and alignment", CVPR 2022. 7,322,927 parameters with 64 channels and 7 blocks, SPyNet included.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import deform_conv2d

from vsvqe.nets.recurrent import (
    NEGATIVE_SLOPE,
    Enlargement,
    ResidualStack,
    bilinear,
    convolution,
    room,
    warped,
)
from vsvqe.nets.spynet import SPyNet, flows

BRANCHES = ("backward_1", "forward_1", "backward_2", "forward_2")
GROUPS = 16
MOST_RESIDUE = 10.0
_TAPS = 9


class Alignment(nn.Module):
    """Brings two earlier states to a frame by a modulated deformable 3x3 convolution.

    The offsets are the flow plus what a small network adds to it; the mask weighs each tap.
    """

    def __init__(self, channels: int, most: float = MOST_RESIDUE) -> None:
        """Builds the layer.

        Args:
            channels: Of each state.
            most: Pixels that the network may add to the flow.
        """
        super().__init__()
        self.most = most
        self.weight = nn.Parameter(torch.empty(channels, 2 * channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        self.conv_offset = nn.Sequential(
            convolution(3 * channels + 4, channels),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            convolution(channels, channels),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            convolution(channels, channels),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            convolution(channels, 3 * _TAPS * GROUPS),
        )
        # Training starts from the flow alone.
        last = self.conv_offset[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, states: Tensor, condition: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Returns the aligned state `[N, C, H, W]`.

        Args:
            states: The states one and two frames away, `[N, 2C, H, W]`.
            condition: Both after warping, and the frame's own features between them,
                `[N, 3C, H, W]`.
            first: Flow to the frame next to this one, `[N, 2, H, W]`.
            second: Flow to the one after that.
        """
        found = self.conv_offset(torch.cat((condition, first, second), dim=1))
        residue = self.most * torch.tanh(found[:, : 2 * _TAPS * GROUPS])
        mask = torch.sigmoid(found[:, 2 * _TAPS * GROUPS :])
        # Offsets are (vertical, horizontal) for each tap; half of the groups see either state.
        taps = _TAPS * GROUPS // 2
        flow = torch.cat(
            (first.flip(1).repeat(1, taps, 1, 1), second.flip(1).repeat(1, taps, 1, 1)), dim=1
        )
        aligned: Tensor = deform_conv2d(
            states, residue + flow, self.weight, self.bias, padding=1, mask=mask
        )
        return aligned


class BasicVSRPlusPlus(Enlargement):
    """Enlarges a run of frames by four, or restores it at its size."""

    def __init__(
        self,
        channels: int = 64,
        blocks: int = 7,
        *,
        enlarges: bool = True,
        most: float = MOST_RESIDUE,
    ) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
            blocks: Residual blocks of each of the four branches.
            enlarges: Whether the output is four times as large; otherwise it has the size of the
                input, and the network works at a quarter of it.
            most: Pixels that alignment may add to the flow.
        """
        super().__init__(channels)
        self.channels = channels
        self.enlarges = enlarges
        self.spynet = SPyNet()
        if enlarges:
            self.feat_extract: nn.Module = ResidualStack(3, channels, 5)
        else:
            self.feat_extract = nn.Sequential(
                convolution(3, channels, stride=2),
                nn.LeakyReLU(NEGATIVE_SLOPE),
                convolution(channels, channels, stride=2),
                nn.LeakyReLU(NEGATIVE_SLOPE),
                ResidualStack(channels, channels, 5),
            )
        self.deform_align = nn.ModuleDict({name: Alignment(channels, most) for name in BRANCHES})
        self.backbone = nn.ModuleDict(
            {
                name: ResidualStack((2 + i) * channels, channels, blocks)
                for i, name in enumerate(BRANCHES)
            }
        )
        self.reconstruction = ResidualStack(5 * channels, channels, 5)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the enlarged (or restored) frames.

        Args:
            frames: A run of one scene, RGB in [0, 1], `[N, T, 3, H, W]`; H and W multiples of 4
                if the network does not enlarge.

        Example:
            >>> import torch
            >>> from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
            >>> BasicVSRPlusPlus(channels=16, blocks=1)(torch.rand(1, 3, 3, 16, 24)).shape
            torch.Size([1, 3, 3, 64, 96])
        """
        count, length, _, height, width = frames.shape
        seen = frames
        if not self.enlarges:
            seen = functional.interpolate(
                frames.flatten(0, 1), scale_factor=0.25, mode="bicubic", align_corners=False
            ).view(count, length, 3, height // 4, width // 4)
        from_past, from_future = flows(self.spynet, seen)
        columns = [[self.feat_extract(frame)] for frame in frames.unbind(dim=1)]
        for name in BRANCHES:
            if name.startswith("backward"):
                self._propagate(name, columns[::-1], from_future.flip(1))
            else:
                self._propagate(name, columns, from_past)
        results = room(frames, 4 if self.enlarges else 1)
        for t, features in enumerate(columns):
            picture = self.enlarged(self.reconstruction(torch.cat(features, dim=1)))
            base = bilinear(frames[:, t], 4) if self.enlarges else frames[:, t]
            results[:, t] = picture + base
        return results

    def _propagate(self, name: str, columns: list[list[Tensor]], flow: Tensor) -> None:
        """Runs one branch and appends its state to the features of every frame.

        Args:
            name: Of the branch.
            columns: The features of each frame so far, in the order of propagation.
            flow: From each frame to the one before it in that order.
        """
        align, backbone = self.deform_align[name], self.backbone[name]
        blank = torch.zeros_like(columns[0][0])
        states: list[Tensor] = []
        for i, features in enumerate(columns):
            state = blank
            if i > 0:
                first = flow[:, i - 1]
                second = torch.zeros_like(first)
                older, condition = blank, blank
                if i > 1:
                    second = first + warped(flow[:, i - 2], first)
                    older = states[-2]
                    condition = warped(older, second)
                condition = torch.cat((warped(states[-1], first), features[0], condition), dim=1)
                state = align(torch.cat((states[-1], older), dim=1), condition, first, second)
            state = state + backbone(torch.cat((*features, state), dim=1))
            states.append(state)
        for features, state in zip(columns, states, strict=True):
            features.append(state)
