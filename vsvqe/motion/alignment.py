"""Neighbouring frames brought to where the content of a frame is.

What a frame lost in compression, its neighbours often kept, but elsewhere: things move. Dense flow
between consecutive frames is estimated once per pair, chained over longer distances, and the planes
of the neighbours are resampled along it. Training and filters share this module, so a network sees
the same errors of the flow in both.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

type Plane = NDArray[Any]
type Field = NDArray[np.int16]
"""Flow of a pair of frames: H / 2 x W / 2 x (right, down), in 1/64 luma pixels."""


class Step(NamedTuple):
    """Flow between a frame and the next one."""

    onward: Field
    back: Field


UNITS = 64.0
_LARGEST = 500.0
# DIS works on 8 x 8 patches at half the resolution and refuses less.
_SMALLEST = 16


class Box(NamedTuple):
    """A part of a frame, in luma pixels, all even."""

    top: int
    left: int
    height: int
    width: int


def flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Field:
    """Estimates where the content of one frame is in another.

    Dense inverse search (Kroeger et al., 2016) down to half the resolution, with three steps of
    variational refinement: half the time of OpenCV's medium preset, and as good for alignment.

    Args:
        first: Luma, 8 bits, H x W, both even.
        second: The same of the other frame.

    Returns:
        For every 2 x 2 pixels of the first frame, the displacement to the second; zero everywhere
        if the frames are smaller than 16 x 16.

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
    search.setFinestScale(1)
    search.setPatchSize(8)
    search.setPatchStride(5)
    search.setGradientDescentIterations(12)
    search.setVariationalRefinementIterations(3)
    dense: NDArray[np.float32] = search.calc(first, second, None)
    _idle.put(search)
    coarse = np.asarray(cv2.resize(dense, half, interpolation=cv2.INTER_AREA), np.float32)
    codes: Field = np.rint(np.clip(coarse, -_LARGEST, _LARGEST) * UNITS).astype(np.int16)
    return codes


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
                points = total / np.float32(2.0) + _grid(top, left, height, width)
                onward = _sampled(step, points, cv2.INTER_LINEAR).astype(np.float32)
                total = total + onward / np.float32(UNITS)
        chain.append(total)
    return chain


class Sampling:
    """Where the content of a part of a frame is in a neighbour, for its 4:2:0 planes."""

    def __init__(self, moved: NDArray[np.float32], box: Box | None = None) -> None:
        """Works out the points to sample at.

        Args:
            moved: One of ``displacements``.
            box: The same as there.
        """
        height, width = moved.shape[:2]
        top, left = (box.top, box.left) if box else (0, 0)
        full = cv2.resize(moved, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
        self._luma = np.asarray(full, np.float32) + _grid(top, left, 2 * height, 2 * width)
        # The chroma's siting moves the point where the flow is read by half a luma pixel at most.
        self._chroma = moved / np.float32(2.0) + _grid(top // 2, left // 2, height, width)

    def luma(self, plane: Plane, out: Plane | None = None) -> Plane:
        """Resamples the luma of the neighbour, bicubically.

        Args:
            plane: H x W, 8 bits or float32; its edge samples stand in for what lies outside.
            out: Takes the result, if given: as large as the part, C-contiguous.

        Returns:
            The content of the part.
        """
        return _sampled(plane, self._luma, cv2.INTER_CUBIC, out)

    def chroma(self, plane: Plane, out: Plane | None = None) -> Plane:
        """Does the same to a chroma plane, H / 2 x W / 2."""
        return _sampled(plane, self._chroma, cv2.INTER_CUBIC, out)


def _sampled(
    plane: Plane, points: NDArray[np.float32], kernel: int, out: Plane | None = None
) -> Plane:
    result: Plane = cv2.remap(  # type: ignore[call-overload]
        plane, points, None, kernel, dst=out, borderMode=cv2.BORDER_REPLICATE
    )
    return result


@lru_cache(maxsize=4)
def _whole_grid(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width]
    return np.stack((x, y), axis=2).astype(np.float32)


def _grid(top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
    """Returns the (x, y) of every sample of a part of a plane."""
    whole = _whole_grid(height, width)
    return whole if top == left == 0 else whole + np.array((left, top), np.float32)


def align(
    y: NDArray[np.float32],
    uv: NDArray[np.float32],
    steps: Sequence[Step | None],
    centre: int,
    offsets: Sequence[int],
    out_y: NDArray[np.float32],
    out_uv: NDArray[np.float32],
) -> None:
    """Fills the window of one frame with its neighbours, brought to where its content is.

    Args:
        y: Luma of a run of frames, T x H x W.
        uv: Chroma, T x 2 x H / 2 x W / 2.
        steps: From each frame of the run to the next, T - 1 of them.
        centre: Index of the frame.
        offsets: Of the K frames of the window.
        out_y: Takes the luma, K x H x W.
        out_uv: Takes the chroma, 2 K x H / 2 x W / 2.
    """
    ahead, behind = steps[centre:], steps[:centre][::-1]
    onward = displacements([step and step.onward for step in ahead[: max(offsets)]])
    back = displacements([step and step.back for step in behind[: -min(offsets)]])
    for k, offset in enumerate(offsets):
        moved = onward[offset - 1] if offset > 0 else back[-offset - 1] if offset else None
        if moved is None:
            np.copyto(out_y[k], y[centre])
            np.copyto(out_uv[2 * k : 2 * k + 2], uv[centre])
            continue
        sampling = Sampling(moved)
        sampling.luma(y[centre + offset], out_y[k])
        for plane in range(2):
            sampling.chroma(uv[centre + offset, plane], out_uv[2 * k + plane])


# Searches keep scratch memory and serve one call at a time.
_idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
