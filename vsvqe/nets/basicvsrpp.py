"""BasicVSR++: second-order grid propagation with flow-guided deformable alignment.

Chan, Zhou, Xu and Loy, "BasicVSR++: improving video super-resolution with enhanced propagation
and alignment", CVPR 2022. 7,322,927 parameters with 64 channels and 7 blocks, SPyNet included.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.deformable import TAPS, deformed
from vsvqe.nets.recurrent import (
    NEGATIVE_SLOPE,
    ResidualStack,
    Tail,
    bilinear,
    convolution,
    room,
    warped,
)
from vsvqe.nets.spynet import SPyNet, flows

BRANCHES = ("backward_1", "forward_1", "backward_2", "forward_2")
GROUPS = 16
MOST_RESIDUE = 10.0


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
            convolution(channels, 3 * TAPS * GROUPS),
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
        residue = self.most * torch.tanh(found[:, : 2 * TAPS * GROUPS])
        mask = torch.sigmoid(found[:, 2 * TAPS * GROUPS :])
        # Offsets are (vertical, horizontal) for each tap; half of the groups see either state.
        taps = TAPS * GROUPS // 2
        flow = torch.cat(
            (first.flip(1).repeat(1, taps, 1, 1), second.flip(1).repeat(1, taps, 1, 1)), dim=1
        )
        return deformed(states, residue + flow, self.weight, self.bias, mask)


class BasicVSRPlusPlus(Tail):
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
        seen = torch.stack([self.seen(frame) for frame in frames.unbind(dim=1)], dim=1)
        from_past, from_future = flows(self.spynet, seen)
        columns = [[self.feat_extract(frame)] for frame in frames.unbind(dim=1)]
        for name in BRANCHES:
            if name.startswith("backward"):
                self._propagate(name, columns[::-1], from_future.flip(1))
            else:
                self._propagate(name, columns, from_past)
        results = room(frames, 4 if self.enlarges else 1)
        for t, features in enumerate(columns):
            results[:, t] = self.picture(frames[:, t], features)
        return results

    def seen(self, frames: Tensor) -> Tensor:
        """Returns frames `[N, 3, H, W]` at the size that motion is measured at."""
        if self.enlarges:
            return frames
        return functional.interpolate(
            frames, scale_factor=0.25, mode="bicubic", align_corners=False
        )

    def aligned(
        self, name: str, own: Tensor, states: tuple[Tensor, Tensor], flow: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Brings the states one and two frames away to a frame.

        Args:
            name: Of the branch.
            own: The frame's own features.
            states: The nearer state first; zero where there is none.
            flow: To the nearer and to the farther frame.
        """
        near, far = (warped(*pair) for pair in zip(states, flow, strict=True))
        condition = torch.cat((near, own, far), dim=1)
        found: Tensor = self.deform_align[name](torch.cat(states, dim=1), condition, *flow)
        return found

    def refined(self, name: str, features: Sequence[Tensor], state: Tensor) -> Tensor:
        """Returns a frame's state from its features so far and what was brought to it."""
        found: Tensor = state + self.backbone[name](torch.cat((*features, state), dim=1))
        return found

    def picture(self, frame: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Returns the result of a frame `[N, 3, H, W]` from all its features."""
        residual = self.residual(self.reconstruction(torch.cat(tuple(features), dim=1)))
        return residual + (bilinear(frame, 4) if self.enlarges else frame)

    def _propagate(self, name: str, columns: list[list[Tensor]], flow: Tensor) -> None:
        """Runs one branch and appends its state to the features of every frame.

        Args:
            name: Of the branch.
            columns: The features of each frame so far, in the order of propagation.
            flow: From each frame to the one before it in that order.
        """
        blank = torch.zeros_like(columns[0][0])
        states: list[Tensor] = []
        for i, features in enumerate(columns):
            state = blank
            if i > 0:
                first = flow[:, i - 1]
                second, older = torch.zeros_like(first), blank
                if i > 1:
                    second, older = first + warped(flow[:, i - 2], first), states[-2]
                state = self.aligned(name, features[0], (states[-1], older), (first, second))
            states.append(self.refined(name, features, state))
        for features, state in zip(columns, states, strict=True):
            features.append(state)
