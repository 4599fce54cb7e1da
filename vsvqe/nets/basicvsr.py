"""BasicVSR: bidirectional propagation with flow alignment, x4 or at the size of the input.

Chan, Wang, Yu, Dong and Loy, "BasicVSR: the search for essential components in video
super-resolution and beyond", CVPR 2021. 6,291,311 parameters with 64 channels and 30 blocks a
direction, SPyNet included. Without the enlargement, with 5,995,887 parameters, it is the
EnhanceNet of the VUE team in the NTIRE 2021 challenge on compressed video: see ``ASTF``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvqe.nets.recurrent import ResidualStack, Tail, activated, bilinear, room, warped
from vsvqe.nets.spynet import SPyNet, flows

SCALE = 4


class BasicVSR(Tail):
    """Enlarges a run of frames by four, or restores it; each frame gets something of all others."""

    def __init__(self, channels: int = 64, blocks: int = 30, *, enlarges: bool = True) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
            blocks: Residual blocks of each direction.
            enlarges: Whether the output is four times as large; otherwise it has the size of the
                input.
        """
        super().__init__(channels, enlarges=enlarges)
        self.spynet = SPyNet()
        self.backward_resblocks = ResidualStack(channels + 3, channels, blocks)
        self.forward_resblocks = ResidualStack(channels + 3, channels, blocks)
        self.fusion = nn.Conv2d(2 * channels, channels, 1)
        self.channels = channels

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the enlarged (or restored) frames `[N, T, 3, s * H, s * W]`.

        Args:
            frames: A run of one scene, RGB in [0, 1], `[N, T, 3, H, W]`; any T, and H and W.

        Example:
            >>> import torch
            >>> from vsvqe.nets.basicvsr import BasicVSR
            >>> BasicVSR(channels=8, blocks=1)(torch.rand(1, 3, 3, 16, 24)).shape
            torch.Size([1, 3, 3, 64, 96])
        """
        from_past, from_future = flows(self.spynet, frames)
        features: list[Tensor] = []
        state = _blank(frames, self.channels)
        for t in reversed(range(frames.shape[1])):
            if t < frames.shape[1] - 1:
                state = warped(state, from_future[:, t])
            state = self.back(frames[:, t], state)
            features.append(state)
        features.reverse()

        results = room(frames, self.scale)
        state = torch.zeros_like(state)
        for t, later in enumerate(features):
            if t > 0:
                state = warped(state, from_past[:, t - 1])
            results[:, t], state = self.onward(frames[:, t], later, state)
        return results

    def back(self, frame: Tensor, state: Tensor) -> Tensor:
        """Returns the state of a frame `[N, 3, H, W]` from that of the next, brought to it."""
        found: Tensor = self.backward_resblocks(torch.cat((frame, state), dim=1))
        return found

    def onward(self, frame: Tensor, later: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the enlarged (or restored) frame and its state.

        Args:
            frame: `[N, 3, H, W]`.
            later: What ``back`` gave for it.
            state: Of the frame before, brought to it.
        """
        state = self.forward_resblocks(torch.cat((frame, state), dim=1))
        fused = activated(self.fusion(torch.cat((later, state), dim=1)))
        base = bilinear(frame, self.scale) if self.scale > 1 else frame
        return self.residual(fused) + base, state


def _blank(frames: Tensor, channels: int) -> Tensor:
    """Returns the state before the first frame."""
    count, _, _, height, width = frames.shape
    return frames.new_zeros(count, channels, height, width)
