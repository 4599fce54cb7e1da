"""Fitting motions to pairs of points: see ``fit.c``."""

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .library import address, function

type Floats = NDArray[np.float64]

MODELS = {None: 0, "translation": 1, "similarity": 2, "affine": 3, "homography": 4}
"""What a motion may be; ``None``: nothing moves."""

_SIMPLEST = (
    *[ctypes.c_int, ctypes.c_void_p, ctypes.c_int],
    *[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64],
    *[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int],
    *[ctypes.c_double] * 4,
    *[ctypes.c_void_p] * 2,
)
_SPREAD = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


def simplest[Name: str | None](
    models: Sequence[Name],
    before: Floats,
    after: Floats,
    weights: Floats,
    begin: Floats,
    *,
    passes: int,
    half: float,
    beyond: float,
    independent: float,
    level: float,
) -> tuple[Floats, Name]:
    """Fits the most complex motion by least squares, and takes a simpler one if it is as good.

    Args:
        models: Some of ``MODELS``, from the simplest.
        before: N x 2.
        after: N x 2.
        weights: N.
        begin: Weights to begin with.
        passes: How many times the most complex one is fitted again with less weight on what is
            far from it. Others are fitted with the last weights.
        half: So many robust deviations weigh half.
        beyond: What is so many times as far off does not count.
        independent: How many pairs one counts for in the F test.
        level: Of the test.

    Returns:
        The motion, 3 x 3, and which it is.
    """
    before, after, weights = map(_rows, (before, after, weights))
    scratch, matrix = np.empty((2, len(before))), np.empty((3, 3))
    scratch[0] = begin
    *simpler, most = (MODELS[model] for model in models)
    kind = function("simplest", _SIMPLEST, ctypes.c_int, quick=True)(
        *(most, (ctypes.c_int * len(simpler))(*simpler), len(simpler)),
        *(address(before), address(after), len(before)),
        *(address(weights), address(scratch), passes, half, beyond, independent, level),
        *(address(scratch[1]), address(matrix)),
    )
    return matrix, next(model for model in models if MODELS[model] == kind)


def spread(points: Floats) -> tuple[float, float]:
    """Returns the deviations of N x 2 points across and along the line that fits them best."""
    points = _rows(points)
    deviations = (ctypes.c_double * 2)()
    function("spread", _SPREAD, quick=True)(address(points), len(points), deviations)
    across, along = deviations
    return across, along


def _rows(numbers: Floats) -> Floats:
    return np.ascontiguousarray(numbers, np.float64)
