"""IconVSR: BasicVSR with information refill at key frames and coupled propagation, x4.

Chan, Wang, Yu, Dong and Loy, "BasicVSR: the search for essential components in video
super-resolution and beyond", CVPR 2021. 8,694,991 parameters with 64 channels and 30 blocks a
direction, SPyNet and EDVR's feature extractor included.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vsvqe.nets.basicvsr import SCALE
from vsvqe.nets.edvr import FeatureExtractor
from vsvqe.nets.recurrent import ResidualStack, Tail, bilinear, convolution, room, warped
from vsvqe.nets.spynet import SPyNet, flows

KEY_INTERVAL = 5
MULTIPLE = 4


class IconVSR(Tail):
    """Enlarges a run of frames by four."""

    def __init__(
        self,
        channels: int = 64,
        blocks: int = 30,
        *,
        radius: int = 2,
        interval: int = KEY_INTERVAL,
    ) -> None:
        """Builds the network.

        Args:
            channels: Feature channels.
            blocks: Residual blocks of each direction.
            radius: Frames on each side that the features of a key frame are made of.
            interval: Frames from one key frame to the next; the last of a run always is one.
        """
        super().__init__(channels)
        self.channels = channels
        self.radius = radius
        self.interval = interval
        self.edvr = FeatureExtractor(channels, 2 * radius + 1)
        self.spynet = SPyNet()
        self.backward_fusion = convolution(2 * channels, channels)
        self.forward_fusion = convolution(2 * channels, channels)
        self.backward_resblocks = ResidualStack(channels + 3, channels, blocks)
        self.forward_resblocks = ResidualStack(2 * channels + 3, channels, blocks)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the enlarged frames `[N, T, 3, 4H, 4W]`.

        Args:
            frames: A run of one scene, RGB in [0, 1], `[N, T, 3, H, W]`; any T, and H and W.

        Example:
            >>> import torch
            >>> from vsvqe.nets.iconvsr import IconVSR
            >>> IconVSR(channels=16, blocks=1)(torch.rand(1, 3, 3, 16, 24)).shape
            torch.Size([1, 3, 3, 64, 96])
        """
        height, width = frames.shape[-2:]
        frames = _grown(frames)
        length = frames.shape[1]
        refill = self._refill(frames)
        from_past, from_future = flows(self.spynet, frames)

        features: list[Tensor] = []
        state = frames.new_zeros(len(frames), self.channels, *frames.shape[-2:])
        blank = state
        for t in reversed(range(length)):
            if t < length - 1:
                state = warped(state, from_future[:, t])
            if t in refill:
                state = self.backward_fusion(torch.cat((state, refill[t]), dim=1))
            state = self.back(frames[:, t], state)
            features.append(state)
        features.reverse()

        results = room(frames, SCALE)
        state = blank
        for t, later in enumerate(features):
            if t > 0:
                state = warped(state, from_past[:, t - 1])
            if t in refill:
                state = self.forward_fusion(torch.cat((state, refill[t]), dim=1))
            results[:, t], state = self.onward(frames[:, t], later, state)
        return results[..., : SCALE * height, : SCALE * width]

    def back(self, frame: Tensor, state: Tensor) -> Tensor:
        """Returns the state of a frame `[N, 3, H, W]` from that of the next, brought to it."""
        found: Tensor = self.backward_resblocks(torch.cat((frame, state), dim=1))
        return found

    def onward(self, frame: Tensor, later: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the enlarged frame and its state; see ``BasicVSR.onward``."""
        # Coupled: the forward branch sees what the backward one found.
        state = self.forward_resblocks(torch.cat((frame, later, state), dim=1))
        return self.residual(state) + bilinear(frame, SCALE), state

    def _refill(self, frames: Tensor) -> dict[int, Tensor]:
        """Returns the features of the key frames, by index."""
        windows = key_windows(frames.shape[1], self.interval, self.radius)
        return {t: self.edvr(frames[:, seen].contiguous()) for t, seen in windows.items()}


def key_windows(length: int, interval: int, radius: int) -> dict[int, list[int]]:
    """Returns the key frames of a run, the last one always among them, and what each sees."""
    keys = sorted({*range(0, length, interval), length - 1})
    return {t: _around(t, length, radius) for t in keys}


def _around(centre: int, length: int, radius: int) -> list[int]:
    """Returns the frames around one; beyond the ends, those on the other side of the window.

    Before the first frame stand frames that no other place of its window has, so that none is
    seen twice: with a radius of two, frames 4 and 3. Runs too short for that repeat their ends.
    """
    wanted = range(centre - radius, centre + radius + 1)
    last = length - 1
    if length <= 2 * radius:
        return [min(max(t, 0), last) for t in wanted]
    return [radius - t if t < 0 else 2 * last - radius - t if t > last else t for t in wanted]


def _grown(frames: Tensor) -> Tensor:
    """Mirrors the right and lower edge until the alignment's smaller sizes are whole."""
    across, down = -frames.shape[-1] % MULTIPLE, -frames.shape[-2] % MULTIPLE
    if not across and not down:
        return frames
    grown = functional.pad(frames.flatten(0, 1), (0, across, 0, down), mode="reflect")
    return grown.view(*frames.shape[:2], *grown.shape[1:])
