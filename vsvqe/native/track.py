"""Following points from one picture to another: see ``track.c``."""

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .library import function, placed

type Picture = NDArray[np.uint8]
type Points = NDArray[np.float32]

_POINTER = ctypes.c_void_p
_FOLLOW = (
    *[_POINTER] * 2,
    ctypes.c_int,
    *[_POINTER] * 3,
    ctypes.c_int64,
    ctypes.c_int,
    ctypes.c_float,
)
_CORRELATE = (*[_POINTER] * 5, ctypes.c_int64)


def follow(
    previous: Sequence[Picture],
    current: Sequence[Picture],
    points: Points,
    guess: Points,
    *,
    turns: int,
    enough: float,
) -> tuple[Points, NDArray[np.bool_]]:
    """Follows points from one picture to another.

    Args:
        previous: The picture, and versions of it, each half as large as the one before.
        current: The other one, in the same way.
        points: N x 2.
        guess: Where they may be in the other, N x 2.
        turns: Steps on each level at most.
        enough: A step of fewer pixels is the last.

    Returns:
        Where they are in the other, and which were not lost.
    """
    points, places = _rows(points), np.array(guess, np.float32, order="C")
    found = np.empty(len(points), np.uint8)
    before, after = _described(previous), _described(current)
    function("follow", _FOLLOW)(
        *(before.ctypes.data, after.ctypes.data, len(previous)),
        *(points.ctypes.data, places.ctypes.data, found.ctypes.data, len(points)),
        *(turns, enough),
    )
    return places, found != 0


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
    before, after = _described([previous]), _described([current])
    function("correlate", _CORRELATE)(
        *(before.ctypes.data, after.ctypes.data),
        *(points.ctypes.data, places.ctypes.data, alike.ctypes.data, len(points)),
    )
    return alike


def _rows(points: Points) -> Points:
    return np.ascontiguousarray(points, np.float32)


def _described(pictures: Sequence[Picture]) -> NDArray[np.int64]:
    """Returns where pictures lie, how far their rows are apart, their widths and heights."""
    return np.array([(*placed(picture), *picture.shape[::-1]) for picture in pictures], np.int64)
