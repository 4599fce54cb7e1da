"""Frames that are moved, with others blended in where they end: see ``correct.c``."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .library import address, for_samples, function, placed
from .resample import EDGES

type Floats = NDArray[np.float64]

MOST_PLANES = 3
"""Of a frame."""

MOST_NEIGHBOURS = 8
"""That a frame is filled from."""


class _Alike(ctypes.Structure):
    """The structure ``alike`` of ``correct.c``."""

    _fields_ = (
        *[(name, ctypes.c_int64) for name in ("width", "height")],
        *[(name, ctypes.c_double * 9) for name in ("units", "back")],
        ("points", ctypes.c_void_p),
        ("point_count", ctypes.c_int64),
        *[(name, ctypes.c_float) for name in ("step_x", "step_y", "feather")],
        ("count", ctypes.c_int32),
        ("which", ctypes.c_int32 * MOST_PLANES),
    )


class Alike(NamedTuple):
    """Planes of a frame that lie alike."""

    planes: Sequence[int]
    """Which of the frame's they are."""
    width: int
    """Of each, in samples."""
    height: int
    """Of each, in samples."""
    units: Floats
    """Maps their samples to centred units, 3 x 3."""
    points: Floats
    """K x 2, samples all over them, where it is compared how bright frames are."""
    steps: tuple[int, int]
    """Pixels of the luma from sample to sample, across and down."""


class Planes:
    """All planes of a frame, as compiled code is told of them."""

    def __init__(self, groups: Sequence[Alike], blacks: Sequence[float], feather: float) -> None:
        """Describes them.

        Args:
            groups: Those that lie alike together.
            blacks: The sample of each that is black.
            feather: Over how many pixels of the luma frames are blended.
        """
        self.count = len(blacks)
        self.groups = (_Alike * len(groups))()
        # What the structures point to lives as long as they do.
        self._points = [np.ascontiguousarray(group.points, np.float64) for group in groups]
        self.most_points = max(map(len, self._points))
        self.blacks = (ctypes.c_float * self.count)(*blacks)
        for told, group, points in zip(self.groups, groups, self._points, strict=True):
            told.width, told.height = group.width, group.height
            told.units[:] = group.units.ravel().tolist()
            told.back[:] = np.linalg.inv(group.units).ravel().tolist()
            told.points, told.point_count = address(points), len(points)
            told.step_x, told.step_y = group.steps
            told.feather, told.count = feather, len(group.planes)
            told.which[: told.count] = group.planes


_CORRECT = (
    *[ctypes.c_void_p, ctypes.c_int, ctypes.c_int],
    *[ctypes.c_void_p] * 3,
    *[ctypes.c_int] * 2,
    *[ctypes.c_void_p, ctypes.c_float, ctypes.c_void_p],
)


def correct(
    planes: Planes,
    out: Sequence[NDArray[Any]],
    frames: Sequence[Sequence[NDArray[Any]]],
    corrections: Sequence[Floats],
    *,
    edge: str,
    peak: float,
) -> None:
    """Corrects a frame; see ``motion.borders.filled`` and ``motion.borders.warped``.

    Args:
        planes: Of the frame.
        out: Takes them, uint8, uint16 or float32.
        frames: The planes of the frame as it was, and of up to ``MOST_NEIGHBOURS`` neighbours, the
            best first.
        corrections: Of each, 3 x 3: maps a point of the result to one of theirs, centred units.
        edge: One of ``resample.EDGES``: what is seen where the frame ends, if there are no
            neighbours; with some it must be ``"mirror"``.
        peak: The highest code; float samples are not clamped.

    Raises:
        ValueError: There are too many neighbours.
    """
    targets = np.array([placed(plane) for plane in out])
    sources = np.array([placed(plane) for frame in frames for plane in frame])
    numbers, scratch = np.array(corrections, np.float64), np.empty(planes.most_points)
    most = np.iinfo(out[0].dtype).max if out[0].dtype.kind == "u" else np.inf
    failed = function(for_samples("correct", out[0]), _CORRECT, ctypes.c_int)(
        *(planes.groups, len(planes.groups), planes.count),
        *(address(targets), address(sources), address(numbers), len(frames) - 1),
        *(EDGES[edge], planes.blacks, min(peak, most), address(scratch)),
    )
    if failed:
        raise ValueError(f"{len(frames) - 1} neighbours are more than {MOST_NEIGHBOURS}")
