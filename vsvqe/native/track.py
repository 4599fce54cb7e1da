"""Following points from one picture to another: see ``track.c``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import function, placed

type Picture = NDArray[np.uint8]
type Points = NDArray[np.float32]

_POINTER = ctypes.c_void_p
_FOLLOW = (
    *[_POINTER] * 2,
    ctypes.c_int,
    _POINTER,
    ctypes.c_int64,
    *[ctypes.c_int, ctypes.c_float] * 2,
    ctypes.c_int64,
    *[_POINTER] * 3,
)
_CORRELATE = (*[_POINTER] * 5, ctypes.c_int64)

MOST_LEVELS = 8


def follow(
    previous: Picture,
    current: Picture,
    points: Points,
    *,
    levels: int,
    there: tuple[int, float],
    back: tuple[int, float],
    few: int,
) -> tuple[Points, Points]:
    """Follows points from one picture to another, and back again.

    Args:
        previous: The picture.
        current: The other one, of the same size.
        points: N x 2.
        levels: In how many sizes pictures are looked at, each half as large as the one before; up
            to ``MOST_LEVELS``.
        there: Steps in each size at most, and which step in pixels is small enough to be the last.
        back: The same of the way back, which is in the full size only and begins where it should
            end.
        few: Of fewer points than this, the way back is like the way there instead.

    Returns:
        Where they are in the other picture, and where they are when they are back: infinitely far
        away if they were lost.

    Raises:
        MemoryError: There is not enough.
    """
    points = _rows(points)
    found, returned = np.empty_like(points), np.empty_like(points)
    lost = np.empty(len(points), np.uint8)
    before, after = _described(previous), _described(current)
    done = function("there_and_back", _FOLLOW, ctypes.c_int)(
        *(before.ctypes.data, after.ctypes.data, min(levels, MOST_LEVELS)),
        *(points.ctypes.data, len(points), *there, *back, few),
        *(found.ctypes.data, returned.ctypes.data, lost.ctypes.data),
    )
    if not done:
        raise MemoryError
    returned[lost != 0] = np.inf
    return found, returned


def correlation(previous: Picture, current: Picture, points: Points, places: Points) -> Points:
    """Returns how much the 9 x 9 pixels around points look alike, N, from -1 to 1.

    Args:
        previous: A picture.
        current: Another one.
        points: In the first, N x 2.
        places: In the other, N x 2.
    """
    points, places = _rows(points), _rows(places)
    alike = np.empty(len(points), np.float32)
    before, after = _described(previous), _described(current)
    function("correlate", _CORRELATE, quick=True)(
        *(before.ctypes.data, after.ctypes.data),
        *(points.ctypes.data, places.ctypes.data, alike.ctypes.data, len(points)),
    )
    return alike


def _rows(points: Points) -> Points:
    return np.ascontiguousarray(points, np.float32)


def _described(picture: Picture) -> NDArray[np.int64]:
    """Returns where a picture lies, how far its rows are apart, its width and its height."""
    return np.array([*placed(picture), *picture.shape[::-1]], np.int64)
