"""Choosing who lends what is missing of a frame: see ``lenders.c``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import address, function

type Floats = NDArray[np.float64]

_LENDERS = (
    *[ctypes.c_void_p] * 3,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_double,
    ctypes.c_int,
    ctypes.c_void_p,
)


def lenders(
    correction: Floats, matrices: Floats, worth: Floats, points: Floats, half: float, most: int
) -> list[int]:
    """Chooses neighbours that have most of what is missing, one after the other.

    Args:
        correction: Of the frame, 3 x 3.
        matrices: Map points of the result to those of each neighbour, N x 3 x 3.
        worth: Of a point that each of them has, N.
        points: All over the result, K x 2, in centred units.
        half: Of the frame's width, in heights.
        most: How many are chosen at most.

    Returns:
        Numbers of neighbours, the best first; none if nothing is missing.

    Raises:
        MemoryError: There is not enough.
    """
    correction, matrices, worth, points = (
        np.ascontiguousarray(each, np.float64) for each in (correction, matrices, worth, points)
    )
    chosen = (ctypes.c_int32 * most)()
    found = function("lenders", _LENDERS, ctypes.c_int, quick=True)(
        *(address(correction), address(matrices), address(worth), len(matrices)),
        *(address(points), len(points), half, most, chosen),
    )
    if found < 0:
        raise MemoryError
    return chosen[:found]
