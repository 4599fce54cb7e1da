"""Finding corners: see ``corners.c``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import function, placed

_CORNERS = (
    ctypes.c_void_p,
    *[ctypes.c_int64] * 3,
    ctypes.c_int,
    *[ctypes.c_int64] * 2,
    *[ctypes.c_void_p] * 2,
)


def corners(
    picture: NDArray[np.uint8], left: int, top: int, cell: int, columns: int, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the strongest corner of each cell of a grid.

    Args:
        picture: H x W; three pixels of it at least are around the grid.
        left: Of the grid.
        top: Of the grid.
        cell: Columns and rows of a cell, 256 at most.
        columns: Cells beside each other.
        rows: Rows of cells.

    Returns:
        Their columns and rows in the picture, N x 2, and how strong they are: the smaller
        eigenvalue of the structure tensor, in the scale of ``cv2.cornerMinEigenVal(picture, 3)``.
    """
    places = np.empty((rows * columns, 2), np.int64)
    strengths = np.empty(rows * columns, np.float32)
    function("corners", _CORNERS)(
        *placed(picture), left, top, cell, columns, rows, places.ctypes.data, strengths.ctypes.data
    )
    return places, strengths
