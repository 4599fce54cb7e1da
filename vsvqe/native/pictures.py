"""What compiled code is told of pictures: the structure of ``picture.h``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import placed

type Picture = NDArray[np.uint8]
type Points = NDArray[np.float32]


class Described(ctypes.Structure):
    """Where a picture lies, how far its rows are apart, its width and its height."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        *[(name, ctypes.c_int64) for name in ("pitch", "width", "height")],
    )

    @classmethod
    def of(cls, picture: Picture) -> "Described":
        """Describes a picture, which must stay where it is."""
        return cls(*placed(picture), *picture.shape[::-1])
