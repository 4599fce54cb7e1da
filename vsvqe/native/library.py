"""The library of compiled code, in the variant for this processor."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .variants import path, variants


@cache
def library() -> ctypes.CDLL | None:
    """Returns the library, or ``None`` where there is none that this processor can run.

    What uses it has another, slower way then.
    """
    for variant in variants():
        if path(variant).is_file():
            found = ctypes.CDLL(str(path(variant)))
            if found.runs_here():
                return found
    return None


_SUFFIXES = {np.dtype(np.uint8): "8", np.dtype(np.uint16): "16", np.dtype(np.float32): "float"}


def available(plane: NDArray[Any]) -> bool:
    """Whether there is compiled code for the samples of a plane."""
    return library() is not None and plane.dtype in _SUFFIXES and plane.strides[1] == plane.itemsize


@cache
def function(name: str, dtype: np.dtype[Any], arguments: tuple[Any, ...]) -> Callable[..., None]:
    """Returns a function of the library, for samples of a type."""
    found = getattr(library(), f"{name}_{_SUFFIXES[dtype]}")
    found.argtypes = arguments
    found.restype = None
    return found  # type: ignore[no-any-return]
