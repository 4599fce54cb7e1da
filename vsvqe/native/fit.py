"""Fitting motions to pairs of points: see ``fit.c``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import function

type Floats = NDArray[np.float64]

MODELS = {None: 0, "translation": 1, "similarity": 2, "affine": 3, "homography": 4}
"""What a motion may be; ``None``: nothing moves."""

_POINTS = [ctypes.c_int, *[ctypes.c_void_p] * 2, ctypes.c_int64]
_FIT = (*_POINTS, *[ctypes.c_void_p] * 2)
_ROBUSTLY = (
    *_POINTS,
    *[ctypes.c_void_p] * 2,
    ctypes.c_int,
    *[ctypes.c_double] * 2,
    *[ctypes.c_void_p] * 2,
)


def fit(model: str | None, before: Floats, after: Floats, weights: Floats) -> tuple[Floats, float]:
    """Fits a motion by least squares.

    Args:
        model: One of ``MODELS``.
        before: N x 2.
        after: N x 2.
        weights: N.

    Returns:
        The motion, 3 x 3, and the weighted sum of squares that it leaves.
    """
    before, after, weights = map(_rows, (before, after, weights))
    matrix = np.empty((3, 3))
    error = function("fit", _FIT, ctypes.c_double, quick=True)(
        *(MODELS[model], before.ctypes.data, after.ctypes.data, len(before)),
        *(weights.ctypes.data, matrix.ctypes.data),
    )
    return matrix, error


def fit_robustly(
    model: str,
    before: Floats,
    after: Floats,
    weights: Floats,
    begin: Floats,
    *,
    passes: int,
    half: float,
    beyond: float,
) -> tuple[Floats, Floats, float]:
    """Fits a motion, and again with less weight on what is far from it.

    Args:
        model: As for ``fit``.
        before: As for ``fit``.
        after: As for ``fit``.
        weights: As for ``fit``.
        begin: Weights to begin with.
        passes: How many times weights are changed.
        half: So many robust deviations weigh half.
        beyond: What is so many times as far off does not count.

    Returns:
        The motion, the weights that it was fitted with, and the weighted sum of squares.
    """
    before, after, weights = map(_rows, (before, after, weights))
    used = np.array(begin, np.float64, order="C")
    scratch, matrix = np.empty(len(before)), np.empty((3, 3))
    error = function("fit_robustly", _ROBUSTLY, ctypes.c_double, quick=True)(
        *(MODELS[model], before.ctypes.data, after.ctypes.data, len(before)),
        *(weights.ctypes.data, used.ctypes.data, passes, half, beyond),
        *(scratch.ctypes.data, matrix.ctypes.data),
    )
    return matrix, used, error


def _rows(numbers: Floats) -> Floats:
    return np.ascontiguousarray(numbers, np.float64)
