"""Copying what models take and give: see ``clamp.c``."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from .library import function, placed

_ARGUMENTS = (*[ctypes.c_void_p, ctypes.c_int64] * 2, *[ctypes.c_int64] * 2)


def clamp(samples: NDArray[np.float32], out: NDArray[np.float32]) -> bool:
    """Copies a plane, clamped to [0, 1].

    Args:
        samples: H x W; samples of a row one after the other.
        out: Takes them; as ``samples``.

    Returns:
        Whether all samples were finite; otherwise ``out`` is of no use.
    """
    height, width = samples.shape
    finite = function("clamp", _ARGUMENTS, ctypes.c_int)(
        *placed(samples), *placed(out), width, height
    )
    return bool(finite)
