"""Blending other frames into planes: see ``fill.c``."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .library import for_samples, function, placed

_ARGUMENTS = (
    *[ctypes.c_void_p] * 4,
    ctypes.c_int,
    *[ctypes.c_int64] * 2,
    *[ctypes.c_void_p] * 3,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int64,
    *[ctypes.c_void_p] * 2,
    *[ctypes.c_float] * 4,
    ctypes.c_void_p,
    ctypes.c_int,
)


def fill(
    out: Sequence[NDArray[Any]],
    own: Sequence[NDArray[Any]],
    lent: Sequence[Sequence[NDArray[Any]]],
    matrices: Sequence[NDArray[np.float64]],
    regions: Sequence[tuple[int, int, int, int]],
    points: NDArray[np.float64],
    *,
    steps: tuple[int, int],
    feather: float,
    peak: float,
) -> None:
    """Blends neighbours into planes where their own frame ends; see ``motion.borders.filled``.

    Args:
        out: P planes of one size and siting, uint8, uint16 or float32, with the corrected frame,
            mirrored beyond its edge.
        own: The same planes of the frame as it was.
        lent: Those of N neighbours, the best first.
        matrices: 3 x 3 each, of the frame and of the neighbours: maps a sample of the result to
            one of theirs.
        regions: Left, top, right and bottom of what may be missing.
        points: K x 2, samples of the result, where it is compared how bright frames are.
        steps: Pixels of the luma from sample to sample, across and down.
        feather: Over how many pixels of the luma frames are blended.
        peak: The highest code; float samples are not clamped.
    """
    height, width = out[0].shape
    numbers = np.stack(matrices).astype(np.float64)
    places = np.array(regions, np.int64)
    points = np.ascontiguousarray(points, np.float64)
    scratch, shifts = np.empty(len(points)), np.empty((len(lent), len(out)), np.float32)
    targets, target_pitches = _addresses(out)
    owned, own_pitches = _addresses(own)
    others, pitches = _addresses([plane for planes in lent for plane in planes])
    function(for_samples("fill", out[0]), _ARGUMENTS)(
        *(targets.ctypes.data, target_pitches.ctypes.data),
        *(owned.ctypes.data, own_pitches.ctypes.data, len(out), width, height),
        *(numbers.ctypes.data, others.ctypes.data, pitches.ctypes.data, len(lent)),
        *(points.ctypes.data, len(points), scratch.ctypes.data, shifts.ctypes.data),
        *(*steps, feather, peak, places.ctypes.data, len(regions)),
    )


def _addresses(planes: Sequence[NDArray[Any]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Returns where planes lie, and how many samples a row of each is from the next."""
    addresses, pitches = zip(*map(placed, planes), strict=True)
    return np.array(addresses, np.uint64), np.array(pitches, np.int64)
