"""Following the corners of one picture to another: see ``match.c``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import address, function
from .pictures import Described, Picture, Points


class Choice(ctypes.Structure):
    """How points are chosen and followed: the structure of this name in ``match.c``."""

    _fields_ = (
        *[(name, ctypes.c_int64) for name in ("left", "top", "columns", "rows")],
        *[(name, ctypes.c_int32) for name in ("cell", "levels", "turns", "turns_back", "few")],
        *[(name, ctypes.c_float) for name in ("enough", "enough_back", "flat", "textured")],
        *[(name, ctypes.c_float) for name in ("away", "alike")],
    )


_MATCH = (*[ctypes.c_void_p] * 6, ctypes.POINTER(ctypes.c_int64))


def match(
    previous: Picture, current: Picture, choice: Choice
) -> tuple[Points, Points, NDArray[np.float64], int]:
    """Finds points of one picture in another.

    Args:
        previous: The picture.
        current: The other one, of the same size.
        choice: Of the points. Its grid must lie in the half-size picture, three pixels of which are
            around it at least; its cells have 256 pixels a side at most. Of more than eight
            levels, eight are used.

    Returns:
        Where the points are in the first picture and in the other, N x 2; how well each is known,
        N; and how many were looked for.

    Raises:
        MemoryError: There is not enough.
    """
    cells = choice.columns * choice.rows
    places, weights = np.empty((2, cells, 2), np.float32), np.empty(cells)
    before, candidates = address(places), ctypes.c_int64()
    kept = function("match", _MATCH, ctypes.c_int64)(
        *(ctypes.byref(Described.of(previous)), ctypes.byref(Described.of(current))),
        *(ctypes.byref(choice), before, before + places.nbytes // 2, address(weights)),
        ctypes.byref(candidates),
    )
    if kept < 0:
        raise MemoryError
    return places[0, :kept], places[1, :kept], weights[:kept], candidates.value
