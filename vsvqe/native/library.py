"""The library of compiled code, in the variant for this processor."""

import ctypes
from functools import cache

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
