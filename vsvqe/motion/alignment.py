"""Neighbouring frames brought to where the content of a frame is.

What a frame lost in compression, its neighbours often kept, but elsewhere: things move. Dense flow
between consecutive frames is estimated once per pair, chained over longer distances, and the planes
of the neighbours are resampled along it. Training and filters share this module, so a network sees
the same errors of the flow in both.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .warp import sample

type Plane = NDArray[Any]
type Field = NDArray[np.int16]
"""Flow of a pair of frames: H / 2 x W / 2 x (right, down), in 1/64 luma pixels."""
type Kernel = Literal["bicubic", "bilinear"]
"""By which planes are resampled: Keys' with a = -0.75, or what takes a third of its time."""

KERNELS: dict[Kernel, Literal["bicubic", "linear"]] = {"bicubic": "bicubic", "bilinear": "linear"}
"""What ``warp.sample`` calls them."""


class Step(NamedTuple):
    """Flow between a frame and the next one."""

    onward: Field
    back: Field


UNITS = 64.0
_LARGEST = 500.0
# DIS refuses pictures of less than 12 x 12, here of half the size.
_SMALLEST = 24
# Standard deviation, in pixels of half the size.
_BLUR = 2.0


class Box(NamedTuple):
    """A part of a frame, in luma pixels, all even."""

    top: int
    left: int
    height: int
    width: int


def flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Field:
    """Estimates where the content of one frame is in another.

    Dense inverse search (Kroeger et al., 2016) at half the resolution. In place of its variational
    refinement the flow is blurred: it then takes a third of the time, and what a network gains from
    the aligned frames is 2 % less.

    Args:
        first: Luma, 8 bits, H x W, both even.
        second: The same of the other frame.

    Returns:
        For every 2 x 2 pixels of the first frame, the displacement to the second; zero everywhere
        if a side of the frames is less than 24.

    Example:
        >>> picture = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
        >>> picture = cv2.GaussianBlur(picture, (0, 0), 2.0)
        >>> field = flow(picture, np.roll(picture, 2, axis=1))
        >>> (np.median(field[8:-8, 8:-8], axis=(0, 1)) / UNITS).round().tolist()
        [2.0, 0.0]
    """
    height, width = first.shape
    half = (width // 2, height // 2)
    if min(height, width) < _SMALLEST or np.array_equal(first, second):
        return np.zeros((half[1], half[0], 2), np.int16)
    try:
        search = _idle.get_nowait()
    except queue.Empty:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # Every time: small frames make OpenCV change the settings of a search for good.
    search.setFinestScale(0)
    search.setPatchSize(8)
    search.setPatchStride(6)
    search.setGradientDescentIterations(4)
    search.setVariationalRefinementIterations(0)
    halves = (cv2.resize(luma, half, interpolation=cv2.INTER_AREA) for luma in (first, second))
    dense: NDArray[np.float32] = search.calc(*halves, None)
    _idle.put(search)
    # In place, without an array for each of these.
    cv2.GaussianBlur(dense, (0, 0), _BLUR, dst=dense)
    dense *= np.float32(2.0)  # of half pixels
    np.clip(dense, -_LARGEST, _LARGEST, out=dense)
    dense *= np.float32(UNITS)
    return np.rint(dense, out=dense).astype(np.int16)


def displacements(
    steps: Sequence[Field | None], box: Box | None = None
) -> list[NDArray[np.float32] | None]:
    """Chains the flows of consecutive frames.

    Args:
        steps: From the frame to its neighbour, from there to the next, and so on; ``None`` where a
            clip or scene ends, so that the same frame comes again.
        box: Part of the frame that is wanted; everything by default.

    Returns:
        To each of those neighbours, h / 2 x w / 2 x (right, down), in luma pixels; ``None`` to the
        frame itself.
    """
    chain: list[NDArray[np.float32] | None] = []
    total: NDArray[np.float32] | None = None
    for step in steps:
        if step is not None:
            part = box or Box(0, 0, 2 * step.shape[0], 2 * step.shape[1])
            top, left, height, width = (side // 2 for side in part)
            if total is None:
                own = step[top : top + height, left : left + width]
                total = own.astype(np.float32) / np.float32(UNITS)
            else:
                points = total * np.float32(0.5)
                points += _grid(top, left, height, width)
                onward = _read(step, points)
                onward *= np.float32(1 / UNITS)
                total = total + onward
        chain.append(total)
    return chain


class Sampling:
    """Where the content of a part of a frame is in a neighbour, for its 4:2:0 planes."""

    def __init__(
        self, moved: NDArray[np.float32], box: Box | None = None, kernel: Kernel = "bicubic"
    ) -> None:
        """Remembers where to sample.

        Args:
            moved: One of ``displacements``.
            box: The same as there.
            kernel: By which planes are resampled.
        """
        self._moved = moved
        self._kernel = KERNELS[kernel]
        self._top, self._left = (box.top, box.left) if box else (0, 0)

    def luma(self, plane: Plane, out: Plane | None = None) -> Plane:
        """Resamples the luma of the neighbour.

        Args:
            plane: H x W, 8 bits or float32; its edge samples stand in for what lies outside.
            out: Takes the result, if given: as large as the part, C-contiguous.

        Returns:
            The content of the part.
        """
        height, width = self._moved.shape[:2]
        out = np.empty((2 * height, 2 * width), plane.dtype) if out is None else out
        for top, bottom in _bands(height, 2 * width):
            self._band(plane, top, bottom, out[2 * top : 2 * bottom])
        return out

    def stripes(self, plane: Plane, stripes: Sequence[slice]) -> Plane:
        """Resamples some rows of the luma, as ``luma`` does all.

        Args:
            plane: As there.
            stripes: Runs of rows, from an even one to an even one.

        Returns:
            These rows of the content, one run below the other.
        """
        rows = sum(stripe.stop - stripe.start for stripe in stripes)
        out = np.empty((rows, 2 * self._moved.shape[1]), plane.dtype)
        done = 0
        for stripe in stripes:
            more = done + stripe.stop - stripe.start
            self._band(plane, stripe.start // 2, stripe.stop // 2, out[done:more])
            done = more
        return out

    def _band(self, plane: Plane, top: int, bottom: int, out: Plane) -> None:
        """Resamples the luma at some rows of the flow."""
        height, width = self._moved.shape[:2]
        # A row more at each side, so that bands meet as if they were one.
        above, below = max(top - 1, 0), min(bottom + 1, height)
        wide = (2 * width, 2 * (below - above))
        rows = cv2.resize(self._moved[above:below], wide, interpolation=cv2.INTER_LINEAR)
        points = np.asarray(rows, np.float32)[2 * (top - above) : 2 * (bottom - above)]
        # Of the whole part, so that there is one grid for all its bands.
        points += _grid(self._top, self._left, 2 * height, 2 * width)[2 * top : 2 * bottom]
        sample(plane, points, out, kernel=self._kernel, edge="replicate")

    def chroma(self, planes: Sequence[Plane], out: Plane | None = None) -> Plane:
        """Does the same to chroma planes, each H / 2 x W / 2; gives one array of all of them."""
        height, width = self._moved.shape[:2]
        out = np.empty((len(planes), height, width), planes[0].dtype) if out is None else out
        for top, bottom in _bands(height, width):
            # The chroma's siting moves the point where the flow is read by half a luma pixel at
            # most.
            points = self._moved[top:bottom] * np.float32(0.5)
            points += _grid(self._top // 2, self._left // 2, height, width)[top:bottom]
            for plane, result in zip(planes, out, strict=True):
                sample(*(plane, points, result[top:bottom]), kernel=self._kernel, edge="replicate")
        return out


# Positions are worked out for so many samples at a time: of more, the memory would be new every
# time, whose pages cost more than the work; for fewer, threads would wait for the interpreter's
# lock more often.
_AT_A_TIME = 1 << 17


def _bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Cuts rows of the flow into bands of as many as are worked out together."""
    rows = max(1, _AT_A_TIME // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def samplings(
    ahead: Sequence[Field | None],
    behind: Sequence[Field | None],
    offsets: Sequence[int],
    box: Box | None = None,
    kernel: Kernel = "bicubic",
) -> list[Sampling | None]:
    """Works out where the content of a frame, or of a part of it, is in the frames of a window.

    Args:
        ahead: Flow from the frame to the next, from there to the one after it, and so on; see
            ``displacements``.
        behind: Flow from the frame to the previous one, and so on.
        offsets: Of the K frames of the window.
        box: Part of the frame that is wanted; everything by default.
        kernel: By which they are resampled.

    Returns:
        For each frame of the window where to sample it; ``None`` where the frame itself is meant.
    """
    onward, back = displacements(ahead, box), displacements(behind, box)
    moved = (
        onward[offset - 1] if offset > 0 else back[-offset - 1] if offset else None
        for offset in offsets
    )
    return [None if field is None else Sampling(field, box, kernel) for field in moved]


def _read(step: Field, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reads a flow at places between those that it is known at."""
    read = cv2.remap(  # type: ignore[call-overload]
        step, points, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(read, np.float32)


# Grids are kept in few sizes: parts of planes lie anywhere in them.
_GRID_STEP = 512


@lru_cache(maxsize=8)
def _whole_grid(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack((x, y), axis=2)


def _grid(top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
    """Returns the (x, y) of every sample of a part of a plane."""
    bottom, right = top + height, left + width
    sides = (-(-side // _GRID_STEP) * _GRID_STEP for side in (bottom, right))
    return _whole_grid(*sides)[top:bottom, left:right]


def alignment(
    y: NDArray[np.float32],
    uv: NDArray[np.float32],
    steps: Sequence[Step | None],
    centre: int,
    offsets: Sequence[int],
    kernel: Kernel,
    out_y: NDArray[np.float32],
    out_uv: NDArray[np.float32],
) -> list[Callable[[], None]]:
    """Prepares to fill the window of one frame with its neighbours, brought to its content.

    Args:
        y: Luma of a run of frames, T x H x W.
        uv: Chroma, T x 2 x H / 2 x W / 2.
        steps: From each frame of the run to the next, T - 1 of them.
        centre: Index of the frame.
        offsets: Of the K frames of the window.
        kernel: By which the neighbours are resampled.
        out_y: Takes the luma, K x H x W.
        out_uv: Takes the chroma, 2 K x H / 2 x W / 2.

    Returns:
        The work: one job for every frame of the window, which can be done in any order, or at the
        same time.
    """
    ahead, behind = steps[centre:], steps[:centre][::-1]
    placed = samplings(
        [step and step.onward for step in ahead[: max(offsets)]],
        [step and step.back for step in behind[: -min(offsets)]],
        offsets,
        kernel=kernel,
    )

    def fill(k: int) -> None:
        sampling, other = placed[k], centre + offsets[k]
        if sampling is None:
            np.copyto(out_y[k], y[centre])
            np.copyto(out_uv[2 * k : 2 * k + 2], uv[centre])
            return
        sampling.luma(y[other], out_y[k])
        sampling.chroma(uv[other], out_uv[2 * k : 2 * k + 2])

    return [partial(fill, k) for k in range(len(offsets))]


# Searches keep scratch memory and serve one call at a time.
_idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
