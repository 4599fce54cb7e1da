"""Copying what models take and give: see ``clamp.c``."""

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .library import library

_ARGUMENTS = [*[ctypes.c_void_p, ctypes.c_int64] * 2, *[ctypes.c_int64] * 2]


def clamp(samples: NDArray[np.float32], out: NDArray[np.float32]) -> bool:
    """Copies a plane, clamped to [0, 1].

    Args:
        samples: H x W; samples of a row one after the other.
        out: Takes them; as ``samples``.

    Returns:
        Whether all samples were finite; otherwise ``out`` is of no use.
    """
    height, width = samples.shape
    finite = _function()(
        *(samples.ctypes.data, samples.strides[0] // samples.itemsize),
        *(out.ctypes.data, out.strides[0] // out.itemsize),
        *(width, height),
    )
    return bool(finite)


@cache
def _function() -> Callable[..., int]:
    function = getattr(library(), "clamp")  # noqa: B009
    function.argtypes = _ARGUMENTS
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]
