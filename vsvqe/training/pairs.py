"""Random crops of damaged and clean clips as training batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsvqe.cards import CLEAN_QUANTISER
from vsvqe.motion.alignment import UNITS, Box, Field, samplings
from vsvqe.nets.window import Window
from vsvqe.training.recipes import quantiser
from vsvqe.training.resample import bicubic_matrix, chroma_shift
from vsvqe.training.store import Bytes, Entry, Planes, Store

# Bicubic upscaling looks two samples far, in chroma too: that is four luma pixels.
MARGIN = 4
DAMAGED = {1: ("coded",), 2: ("half", "half-coded"), 4: ("quarter", "quarter-coded")}
# For models of video of unknown history. What is quartered is damaged in more ways, and its
# original at half the size is sharper than video at its own.
REAL = {2: ("quarter-coded", "quarter-real"), 4: ("quarter-coded", "quarter-real")}
# Of pairs that were not coded. SuperRes of coded clips has more to learn.
CLEAN_SHARES = {1: 0.08, 2: 0.3, 4: 0.3}
# By what a clip is smaller than the whole one: the undamaged clip of that size.
UNDAMAGED = {1: "clean", 2: "half", 4: "quarter"}


class Batch(NamedTuple):
    """Windows of damaged frames with what their residual is added to and should give.

    Attributes:
        y: Damaged luma `[N, K, h, w]`.
        uv: Damaged chroma `[N, K, 2, h / 2, w / 2]`.
        base_y: Luma that the residual is added to, `[N, 1, s * h, s * w]`.
        base_uv: The same in chroma.
        target_y: Clean luma.
        target_uv: Clean chroma.
        mse: Luma error of what the residual is added to, `[N]`; of the damaged frame itself, or of
            the enlarged clip. 0 where it is clean.
        quantiser: How coarsely they were quantised, `[N]`, see ``codecs.quantiser``; NaN where
            what damaged them was something else.
        flow: Of couples, the first half of the batch: where the content of each is in its
            companion of the second half, `[N / 2, 2, s * h, s * w]` in pixels, right before down.
    """

    y: Tensor
    uv: Tensor
    base_y: Tensor
    base_uv: Tensor
    target_y: Tensor
    target_uv: Tensor
    mse: Tensor
    quantiser: Tensor
    flow: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        moved = (t if t is None else t.to(device, non_blocking=True) for t in self)
        return Batch(*moved)  # type: ignore[arg-type]


class Crop(NamedTuple):
    """One window before normalisation."""

    damaged: Planes
    clean: Planes
    mse: float
    quantiser: float


@dataclass
class Pair:
    """A damaged clip and its undamaged original.

    Attributes:
        shard: Where both are.
        clean: The original.
        damaged: What the network sees.
        moved: The clip whose flow counts.
    """

    shard: str
    clean: Entry
    damaged: Entry
    moved: Entry
    _enlarged_mse: float | None = field(default=None, init=False)

    @property
    def quantiser(self) -> float:
        """How coarsely the damaged clip was quantised, NaN where that is unknown."""
        if self.damaged.kind in UNDAMAGED.values():
            return CLEAN_QUANTISER
        return quantiser(self.damaged.recipe) if self.damaged.kind.endswith("coded") else math.nan

    def clean_frame(self, frame: int) -> int:
        """Returns the frame of the original that a damaged one shows."""
        if self.damaged.kind.endswith("real"):
            # Forwards and then backwards.
            return min(frame, self.damaged.frames - 1 - frame)
        return frame

    def mse(self, store: Store, scale: int, frame: int) -> float:
        """Returns the luma error of what a residual is added to; see ``Batch``.

        An enlarged clip has the same for all frames, that of three of them: it is measured when it
        is asked for first, and nearly as large everywhere.

        Args:
            store: Where the clips are.
            scale: Size of the original relative to the damaged clip.
            frame: Of the damaged clip.
        """
        if scale == 1:
            return self.damaged.mse[frame] if self.damaged.mse else 0.0
        if self._enlarged_mse is None:
            damaged = store.planes(self.shard, self.damaged).y
            clean = store.planes(self.shard, self.clean).y
            height, width = (scale * side for side in damaged.shape[1:])
            frames = np.linspace(0, len(damaged) - 1, 3).astype(int)
            shown = [self.clean_frame(int(each)) for each in frames]
            base = resized(luma(damaged[frames]), scale, 0.0)
            error = base - luma(clean[shown, :height, :width])
            self._enlarged_mse = error.square().mean().item()
        return self._enlarged_mse


@dataclass
class Pairs:
    """Draws batches for one scale.

    Attributes:
        store: Where the clips are.
        scale: 1 for Deblock, 2 or 4 for SuperRes.
        kinds: Of damaged clips, see ``Entry``; those of ``DAMAGED`` by default.
        stills_share: Share of crops from filmed photographs.
        clean_share: Share of pairs that were not coded: of Deblock's, clean on both sides; of
            SuperRes', made smaller only. ``CLEAN_SHARES`` by default.
    """

    store: Store
    scale: int
    kinds: Sequence[str] = ()
    stills_share: float = 0.6
    clean_share: float | None = None
    _pairs: dict[tuple[bool, bool], list[Pair]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Lists the pairs."""
        self.kinds = self.kinds or DAMAGED[self.scale]
        self._pairs = {(stills, clean): [] for stills in (True, False) for clean in (True, False)}
        for pair in find_pairs(self.store, self.kinds, self.scale):
            stills = pair.shard.startswith("stills")
            self._pairs[stills, pair.damaged.kind in UNDAMAGED.values()].append(pair)
            if self.scale == 1:
                # Clean clips have no flow of their own; that of the damaged ones nearly fits.
                untouched = Pair(pair.shard, pair.clean, pair.clean, pair.damaged)
                self._pairs[stills, True].append(untouched)

    def batch(self, rng: np.random.Generator, count: int, size: int, window: Window) -> Batch:
        """Draws a batch.

        Args:
            rng: Source of all choices.
            count: Windows.
            size: Side of the damaged crop in luma pixels, even.
            window: Which frames a window has.
        """
        crops = [self._draw(rng, size, window, 1)[0][0] for _ in range(count)]
        return assemble(crops, self.scale, window.centre)

    def part(self, rng: np.random.Generator, window: Window, least: float) -> Crop:
        """Draws a window of a part of a frame, as it is.

        Args:
            rng: Source of all choices.
            window: As for ``batch``.
            least: Share of the frame's sides that the part has at least, up to 1.
        """
        pair = self._pair(rng)
        height, width = (
            2 * int(side * rng.uniform(least, 1.0) / 2)
            for side in (pair.damaged.height, pair.damaged.width)
        )
        top = 2 * int(rng.integers((pair.damaged.height - height) // 2 + 1))
        left = 2 * int(rng.integers((pair.damaged.width - width) // 2 + 1))
        frame = int(rng.integers(pair.damaged.frames))
        return cut(self.store, pair, self.scale, frame, window, Box(top, left, height, width))

    def couples(self, rng: np.random.Generator, count: int, size: int, window: Window) -> Batch:
        """Draws windows of consecutive frames of the same places.

        Args:
            rng: Source of all choices.
            count: Couples: half of the windows.
            size: As for ``batch``.
            window: As for ``batch``.

        Returns:
            The windows of all first frames, then those of all second ones, and the flow between.
        """
        drawn = [self._draw(rng, size, window, 2) for _ in range(count)]
        crops = [couple[n] for n in range(2) for couple, _ in drawn]
        flow = torch.stack([enlarged(between, self.scale) for _, between in drawn])
        return assemble(crops, self.scale, window.centre)._replace(flow=flow)

    def _draw(
        self, rng: np.random.Generator, size: int, window: Window, frames: int
    ) -> tuple[list[Crop], Field]:
        """Draws windows of one place in consecutive frames, and the flow from the first onward."""
        pair = self._pair(rng)
        margin = 0 if self.scale == 1 else MARGIN
        side = size + 2 * margin
        first = int(rng.integers(pair.damaged.frames - frames + 1))
        top = 2 * int(rng.integers((pair.damaged.height - side) // 2 + 1))
        left = 2 * int(rng.integers((pair.damaged.width - side) // 2 + 1))
        box = Box(top, left, side, side)
        crops = [
            cut(self.store, pair, self.scale, frame, window, box)
            for frame in range(first, first + frames)
        ]
        inner = Box(top + margin, left + margin, size, size)
        flow = _onward(self.store, pair, first, inner)
        # Left-sited chroma is symmetric from top to bottom only.
        if rng.random() < 0.5:
            crops = [_flip_vertically(crop) for crop in crops]
            flow = flow[::-1] * np.array((1, -1), np.int16)
        return crops, flow

    def _pair(self, rng: np.random.Generator) -> Pair:
        """Draws a pair."""
        stills = bool(rng.random() < self.stills_share)
        share = CLEAN_SHARES[self.scale] if self.clean_share is None else self.clean_share
        clean = bool(rng.random() < share)
        # Video of unknown history is damaged always.
        pairs = self._pairs[stills, clean] or self._pairs[stills, not clean]
        return pairs[int(rng.integers(len(pairs)))]


def find_pairs(store: Store, kinds: Sequence[str], scale: int) -> list[Pair]:
    """Lists all pairs of a clip damaged in one of some ways and its original.

    Args:
        store: Where the clips are.
        kinds: Of damaged clips, see ``Entry``.
        scale: Size of the originals relative to them; an original may be larger by what was cut
            off at the right and at the bottom before the damaged clip was made smaller.

    Raises:
        ValueError: If there is no original of that size for a kind.
    """
    clips = {(shard, entry.source, entry.kind): entry for shard, entry in store.clips}
    originals = {kind: _original(kind, scale) for kind in kinds}
    return [
        Pair(shard, clips[shard, entry.source, originals[entry.kind]], entry, entry)
        for shard, entry in store.clips
        if entry.kind in originals
    ]


def _original(kind: str, scale: int) -> str:
    """Returns the kind of the undamaged clips that are so many times as large."""
    own = {name: factor for factor, name in UNDAMAGED.items()}.get(kind.partition("-")[0], 1)
    if own % scale:
        raise ValueError(f"{kind} clips have no original of {scale} times their size")
    return UNDAMAGED[own // scale]


def cut(store: Store, pair: Pair, scale: int, frame: int, window: Window, box: Box) -> Crop:
    """Cuts the window around a frame.

    Beyond the ends of the clip, its first or last frame stands in, as in the filters.

    Args:
        store: Where the clips are.
        pair: Which clips.
        scale: Size of the clean clip relative to the damaged one.
        frame: The centre frame.
        window: Which frames, and whether the neighbours are brought to where the content of the
            centre frame is.
        box: Part of the damaged clip.
    """
    damaged = store.planes(pair.shard, pair.damaged)
    clean = store.planes(pair.shard, pair.clean)
    scaled = Box(*(scale * side for side in box))
    if window.aligned:
        cuts = _aligned(damaged, store.flows(pair.shard, pair.moved), frame, window, box)
    else:
        frames = np.clip(frame + np.array(window.offsets), 0, pair.damaged.frames - 1)
        cuts = _cut(damaged, frames, box)
    original = _cut(clean, np.array([pair.clean_frame(frame)]), scaled)
    return Crop(cuts, original, pair.mse(store, scale, frame), pair.quantiser)


def _aligned(
    damaged: Planes, flows: NDArray[np.int16], frame: int, window: Window, box: Box
) -> Planes:
    """Cuts the same content out of all frames of a window."""
    last = len(damaged.y) - 1
    ahead = range(frame, frame + max(window.offsets))
    behind = range(frame - 1, frame - 1 + min(window.offsets), -1)
    placed = samplings(
        [flows[n, 0] if n < last else None for n in ahead],
        [flows[n, 1] if n >= 0 else None for n in behind],
        window.offsets,
        box,
        window.kernel,
    )
    own = _cut(damaged, np.array([frame]), box)
    pictures = []
    for offset, sampling in zip(window.offsets, placed, strict=True):
        if sampling is None:
            pictures.append(own)
            continue
        other = min(max(frame + offset, 0), last)
        y = sampling.luma(damaged.y[other])
        u, v = sampling.chroma((damaged.u[other], damaged.v[other]))
        pictures.append(Planes(y[None], u[None], v[None]))
    return Planes(*(np.concatenate(plane) for plane in zip(*pictures, strict=True)))


def _onward(store: Store, pair: Pair, frame: int, box: Box) -> Field:
    """Cuts the flow to the next frame out of the damaged clip's; zero in the last frame."""
    top, left, height, width = (side // 2 for side in box)
    flows = store.flows(pair.shard, pair.moved)
    if frame >= len(flows):
        return np.zeros((height, width, 2), np.int16)
    return flows[frame, 0, top : top + height, left : left + width]


def enlarged(flow: Field, scale: int) -> Tensor:
    """Returns the flow of a damaged crop as that of the clean one, `[2, H, W]`, in its pixels."""
    pixels = torch.from_numpy(flow.astype(np.float32)).movedim(-1, 0) * (scale / UNITS)
    wide = functional.interpolate(pixels[None], scale_factor=2 * scale, mode="bilinear")
    return wide[0]


def assemble(crops: list[Crop], scale: int, centre: int) -> Batch:
    """Normalises windows and adds the base of the residual, made of the centre frame."""
    y = luma(np.stack([crop.damaged.y for crop in crops]))
    uv = chroma([crop.damaged for crop in crops])
    target_y = luma(np.stack([crop.clean.y for crop in crops]))
    target_uv = chroma([crop.clean for crop in crops])[:, 0]
    mse = torch.tensor([crop.mse for crop in crops])
    quantisers = torch.tensor([crop.quantiser for crop in crops])
    base_y, base_uv = y[:, centre : centre + 1], uv[:, centre]
    if scale == 1:
        return Batch(y, uv, base_y, base_uv, target_y, target_uv, mse, quantisers)
    inner, half = slice(MARGIN, -MARGIN), slice(MARGIN // 2, -MARGIN // 2)
    large, small = scale * MARGIN, scale * MARGIN // 2
    outer, outer_half = slice(large, -large), slice(small, -small)
    return Batch(
        y[..., inner, inner],
        uv[..., half, half],
        resized(base_y, scale, 0.0)[..., outer, outer],
        resized(base_uv, scale, chroma_shift(scale))[..., outer_half, outer_half],
        target_y[..., outer, outer],
        target_uv[..., outer_half, outer_half],
        mse,
        quantisers,
    )


def resized(planes: Tensor, scale: float, shift: float) -> Tensor:
    """Resamples planes bicubically, as zimg does; see ``resample.bicubic_matrix``."""
    height, width = planes.shape[-2:]
    rows = torch.from_numpy(bicubic_matrix(height, round(scale * height)))
    columns = torch.from_numpy(bicubic_matrix(width, round(scale * width), shift))
    return rows.to(planes.device) @ planes @ columns.T.to(planes.device)


def luma(codes: Bytes) -> Tensor:
    """Normalises 8-bit limited-range luma to [0, 1]."""
    return torch.from_numpy(codes).float().sub_(16.0).div_(219.0)


def chroma(clips: list[Planes]) -> Tensor:
    """Normalises 8-bit chroma to [-0.5, 0.5], the two planes side by side."""
    codes = np.stack([np.stack((planes.u, planes.v), axis=1) for planes in clips])
    return torch.from_numpy(codes).float().sub_(128.0).div_(224.0)


def _cut(planes: Planes, frames: NDArray[np.int64], box: Box) -> Planes:
    """Cuts a box out of some frames."""
    top, left, height, width = box
    high, low = slice(top, top + height), slice(top // 2, (top + height) // 2)
    wide, narrow = slice(left, left + width), slice(left // 2, (left + width) // 2)
    # Frames last: indexing all axes at once would return planes in a slow memory order.
    return Planes(
        planes.y[:, high, wide][frames],
        planes.u[:, low, narrow][frames],
        planes.v[:, low, narrow][frames],
    )


def _flip_vertically(crop: Crop) -> Crop:
    """Turns a window upside down."""
    damaged, clean = (
        Planes(*(plane[:, ::-1] for plane in planes)) for planes in (crop.damaged, crop.clean)
    )
    return crop._replace(damaged=damaged, clean=clean)
