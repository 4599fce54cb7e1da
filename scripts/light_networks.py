"""Light recurrent networks, small enough to be trained on a CPU, for `ablations.py`.

Flow is searched for as the filters do it, in place of SPyNet, for which there is no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.motion.alignment import UNITS, flow
from vsvqe.nets.basicvsr import SCALE, BasicVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.recurrent import ResidualStack, convolution
from vsvqe.training.losses import charbonnier
from vsvqe.training.pairs import DAMAGED, Pair, chroma, find_pairs, luma
from vsvqe.training.perceptual import to_rgb
from vsvqe.training.store import Planes, Store
from vsvqe.training.trainer import Unopposed

LUMA = (0.2126, 0.7152, 0.0722)
# Forwards and then backwards, as the degradation of RealBasicVSR has them.
REAL = ("quarter-real",)
# Runs that are looked at while a network is trained: side of the middle, and frames.
VALIDATION = (64, 12)

type Network = Callable[[Tensor], Tensor]


class SearchedFlow(nn.Module):
    """Flow as the filters find it for aligned windows, see ``vsvqe.motion.alignment``."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Returns the flow `[N, 2, H, W]` in pixels between RGB pictures of even sides."""
        weights = torch.tensor(LUMA).view(1, 3, 1, 1)
        codes = [
            (16.0 + 219.0 * (p.detach().float() * weights).sum(1)).round().to(torch.uint8).numpy()
            for p in (first, second)
        ]
        fields = np.stack([flow(a, b) for a, b in zip(*codes, strict=True)])
        found = torch.from_numpy(fields.astype(np.float32) / np.float32(UNITS)).permute(0, 3, 1, 2)
        return functional.interpolate(found, scale_factor=2.0, mode="bilinear")


class LightVSR(BasicVSR):
    """BasicVSR of 32 channels and three blocks a direction, with a single sub-pixel convolution."""

    def __init__(self) -> None:
        """Builds the network."""
        super().__init__(channels=32, blocks=3)
        for unused in ("upsample1", "upsample2", "conv_hr", "conv_last"):
            delattr(self, unused)
        self.spynet = SearchedFlow()  # type: ignore[assignment]
        self.tail = convolution(32, 3 * SCALE**2)
        nn.init.zeros_(self.tail.weight)

    def residual(self, features: Tensor) -> Tensor:
        """Returns the residual picture of features."""
        return functional.pixel_shuffle(self.tail(features), SCALE)


class Run(NamedTuple):
    """Runs of damaged frames `[N, T, 3, H, W]`, and the clean ones, four times as large."""

    damaged: Tensor
    clean: Tensor

    def to(self, device: torch.device) -> Run:
        """Returns the runs on a device."""
        return Run(self.damaged.to(device), self.clean.to(device))


class LightRealVSR(RealBasicVSR):
    """RealBasicVSR with the light network, and four blocks of 32 channels that clean."""

    def __init__(self) -> None:
        """Builds the network; at first it cleans nothing."""
        super().__init__(channels=32, blocks=1, cleaning_blocks=1)
        last = convolution(32, 3)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.image_cleaning = nn.Sequential(ResidualStack(3, 32, 4), last)
        self.basicvsr = LightVSR()

    def both(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Returns frames `[N, T, 3, H, W]` cleaned once, and these enlarged."""
        residue = self.image_cleaning(frames.flatten(0, 1)).view_as(frames)
        cleaner = frames + residue
        return cleaner, self.basicvsr(cleaner)


@dataclass
class Light(Unopposed):
    """The training of the light network.

    Attributes:
        net: The network.
        store: Clips to train on.
        valid: Clips never trained on.
        kinds: Of damaged clips.
        count: Runs in a batch.
        length: Frames of a run.
        size: Side of the crops.
    """

    net: nn.Module
    store: Store
    valid: Store
    kinds: Sequence[str] = DAMAGED[SCALE]
    count: int = 2
    length: int = 8
    size: int = 40

    def __post_init__(self) -> None:
        """Lists the pairs."""
        self._pairs = [
            pair
            for pair in find_pairs(self.store, self.kinds, SCALE)
            if pair.damaged.frames >= self.length
        ]

    def batch(self, rng: np.random.Generator) -> Run:
        """Draws a batch."""
        runs = []
        for _ in range(self.count):
            pair = self._pairs[int(rng.integers(len(self._pairs)))]
            first = int(rng.integers(pair.damaged.frames - self.length + 1))
            top = 2 * int(rng.integers((pair.damaged.height - self.size) // 2 + 1))
            left = 2 * int(rng.integers((pair.damaged.width - self.size) // 2 + 1))
            frames = range(first, first + self.length)
            runs.append(cut(self.store, pair, frames, (top, left), self.size))
        return Run(torch.cat([r.damaged for r in runs]), torch.cat([r.clean for r in runs]))

    def loss(self, batch: Run) -> Tensor:
        """Returns the error of all frames."""
        return charbonnier(self.net(batch.damaged), batch.clean)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns the mean PSNR-Y of the clips, not coded."""
        with torch.no_grad():
            errors = [errors_of(run, net) for run in runs(self.valid, ("quarter",), *VALIDATION)]
        return {"psnr": float(np.mean([psnr(error) for error in errors]))}


@dataclass
class LightReal(Light):
    """The training of the light network that cleans first, with RealBasicVSR's cleaning loss."""

    kinds: Sequence[str] = REAL

    def loss(self, batch: Run) -> Tensor:
        """Returns the error of all frames, and that of the cleaned ones."""
        assert isinstance(self.net, LightRealVSR)
        cleaner, enlarged = self.net.both(batch.damaged)
        small = functional.avg_pool2d(batch.clean.flatten(0, 1), SCALE).view_as(cleaner)
        return charbonnier(enlarged, batch.clean) + charbonnier(cleaner, small)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns the mean PSNR-Y of the clips, damaged as the real world does it."""
        with torch.no_grad():
            errors = [errors_of(run, net) for run in runs(self.valid, REAL, *VALIDATION)]
        return {"psnr": float(np.mean([psnr(error) for error in errors]))}


def cut(store: Store, pair: Pair, frames: Sequence[int], corner: tuple[int, int], side: int) -> Run:
    """Returns a run of frames as RGB, cut to a square."""
    parts = []
    clean = [pair.clean_frame(frame) for frame in frames]
    for entry, shown, scale in ((pair.damaged, list(frames), 1), (pair.clean, clean, SCALE)):
        top, left, size = (scale * n for n in (*corner, side))
        planes = store.planes(pair.shard, entry)
        high, wide = slice(top, top + size), slice(left, left + size)
        low, narrow = slice(top // 2, (top + size) // 2), slice(left // 2, (left + size) // 2)
        # Frames last: indexing all axes at once would read whole frames.
        clip = Planes(
            planes.y[:, high, wide][shown],
            planes.u[:, low, narrow][shown],
            planes.v[:, low, narrow][shown],
        )
        parts.append(to_rgb(luma(clip.y)[:, None], chroma([clip])[0])[None])
    return Run(*parts)


def runs(store: Store, kinds: Sequence[str], side: int, length: int) -> Iterator[Run]:
    """Yields the middle of the first frames of every clip.

    Args:
        store: Where they are.
        kinds: Of damaged clips.
        side: Of the middle, at most.
        length: Frames, at most.
    """
    for pair in find_pairs(store, kinds, SCALE):
        height, width = pair.damaged.height, pair.damaged.width
        size = min(side, height // 2 * 2, width // 2 * 2)
        top, left = ((n - size) // 4 * 2 for n in (height, width))
        frames = range(min(length, pair.damaged.frames))
        yield cut(store, pair, frames, (top, left), size)


def errors_of(run: Run, network: Network) -> np.ndarray:
    """Returns the squared luma error of every frame."""
    weights = torch.tensor(LUMA).view(1, 1, 3, 1, 1)
    difference = ((network(run.damaged).clamp(0.0, 1.0) - run.clean) * weights).sum(2)
    result: np.ndarray = difference.square().mean((0, 2, 3)).numpy()
    return result


def psnr(errors: np.ndarray) -> float:
    """Returns the mean of the frames' PSNR in decibels."""
    return float(np.mean(-10.0 * np.log10(errors)))
