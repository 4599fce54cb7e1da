"""Bicubic resampling of planes: see ``resample.c``."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .library import for_samples, function, placed

EDGES = {"mirror": 0, "replicate": 1, "wrap": 2, "black": 3}
"""What may lie beyond a plane."""

_PLANE = [ctypes.c_void_p, *[ctypes.c_int64] * 3]
_BEYOND = [ctypes.c_int, ctypes.c_float, ctypes.c_float]
_WARP = (*_PLANE, ctypes.c_void_p, *_BEYOND, *_PLANE)
_GATHER = (*_PLANE, *[ctypes.c_void_p] * 2, ctypes.c_int64, *_BEYOND, *_PLANE)


def warp(
    plane: NDArray[Any],
    matrix: NDArray[np.float64],
    out: NDArray[Any],
    *,
    edge: str,
    black: float,
    peak: float,
) -> None:
    """Samples a plane where a homography maps the samples of the result.

    Args:
        plane: H x W of uint8, uint16 or float32; samples of a row one after the other.
        matrix: 3 x 3; maps (x, y, 1) of a sample of the result to one of the plane.
        out: Takes the result; the same type.
        edge: One of ``EDGES``.
        black: The sample beyond, for ``edge="black"``.
        peak: The highest code; float samples are not clamped.
    """
    numbers = np.ascontiguousarray(matrix, np.float64)
    function(for_samples("warp", plane), _WARP)(
        *_of(plane), numbers.ctypes.data, *_beyond(plane, edge, black, peak), *_of(out)
    )


def gather(
    plane: NDArray[Any],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    out: NDArray[Any],
    *,
    edge: str,
    black: float,
    peak: float,
) -> None:
    """Samples a plane at given positions.

    Args:
        plane: As for ``warp``.
        x: Of the size of ``out``; positions one after the other at equal distances, as in C
            order, or in one channel of it.
        y: Laid out like ``x``.
        out: As for ``warp``.
        edge: As for ``warp``.
        black: As for ``warp``.
        peak: As for ``warp``.
    """
    function(for_samples("gather", plane), _GATHER)(
        *_of(plane),
        x.ctypes.data,
        y.ctypes.data,
        x.strides[1] // x.itemsize,
        *_beyond(plane, edge, black, peak),
        *_of(out),
    )


def _of(plane: NDArray[Any]) -> tuple[int, int, int, int]:
    height, width = plane.shape
    return *placed(plane), width, height


def _beyond(plane: NDArray[Any], edge: str, black: float, peak: float) -> tuple[int, float, float]:
    most = np.iinfo(plane.dtype).max if plane.dtype.kind == "u" else np.inf
    return EDGES[edge], black, min(peak, most)
