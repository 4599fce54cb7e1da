"""How much what is around points looks alike: see ``track.c``."""

import ctypes

import numpy as np

from .library import address, function
from .pictures import Described, Picture, Points

_CORRELATE = (*[ctypes.c_void_p] * 5, ctypes.c_int64)


def correlation(previous: Picture, current: Picture, points: Points, places: Points) -> Points:
    """Returns how much the 9 x 9 pixels around points look alike, N, from -1 to 1.

    Args:
        previous: A picture.
        current: Another one.
        points: In the first, N x 2.
        places: In the other, N x 2.
    """
    points, places = (np.ascontiguousarray(each, np.float32) for each in (points, places))
    alike = np.empty(len(points), np.float32)
    function("correlate", _CORRELATE)(
        *(ctypes.byref(Described.of(previous)), ctypes.byref(Described.of(current))),
        *(address(points), address(places), address(alike), len(points)),
    )
    return alike
