"""The library of compiled code, in the variant for this processor."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .variants import path, variants


@cache
def variant() -> str | None:
    """Returns which variant of the compiled code runs here; ``None`` if there is none.

    What uses it has another, slower way then.
    """
    runs = (name for name in variants() if path(name).is_file() and _opened(name).runs_here())
    return next(runs, None)


@cache
def library() -> ctypes.CDLL | None:
    """Returns the library of ``variant``."""
    name = variant()
    return None if name is None else _opened(name)


def _opened(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(path(name)))


_SUFFIXES = {np.dtype(np.uint8): "8", np.dtype(np.uint16): "16", np.dtype(np.float32): "float"}


def compiled() -> bool:
    """Whether there is compiled code here."""
    return library() is not None


def available(plane: NDArray[Any]) -> bool:
    """Whether there is compiled code for the samples of a plane."""
    return compiled() and plane.dtype in _SUFFIXES and plane.strides[1] == plane.itemsize


def address(array: NDArray[Any]) -> int:
    """Returns where an array lies, in half of the time that ``array.ctypes.data`` takes."""
    found: int = array.__array_interface__["data"][0]
    return found


def placed(plane: NDArray[Any]) -> tuple[int, int]:
    """Returns where a plane lies, and how many samples a row of it is from the next."""
    return address(plane), plane.strides[0] // plane.itemsize


def for_samples(name: str, plane: NDArray[Any]) -> str:
    """Returns the name of what does something to samples of the type of a plane."""
    return f"{name}_{_SUFFIXES[plane.dtype]}"


@cache
def function(
    name: str,
    arguments: tuple[Any, ...],
    result: type[ctypes.c_int | ctypes.c_double] | None = None,
    *,
    quick: bool = False,
) -> Callable[..., Any]:
    """Returns a function of the library.

    Args:
        name: Its name.
        arguments: Types of its arguments.
        result: Type of its result, if it has one.
        quick: Whether other threads of Python wait while it runs: that takes less than to let them
            go on, if it is done in a few tens of microseconds.
    """
    opened: Any = library()
    if quick:
        opened = ctypes.PyDLL(opened._name, handle=opened._handle)
    found = getattr(opened, name)
    found.argtypes, found.restype = arguments, result
    return found  # type: ignore[no-any-return]
