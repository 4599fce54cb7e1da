"""Video quality enhancement for VapourSynth.

``Deblock`` removes compression artefacts, ``SuperRes`` enlarges, ``Stabilize`` steadies and
``ASTF`` brings texture back; any clip comes in, the same clip comes out, better. ``list_models``
lists what is shipped, ``Backend`` names the engines.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .graph.memory import limit_heaps

if TYPE_CHECKING:
    from .cards import Card, list_models
    from .filters.astf import ASTF
    from .filters.deblock import Deblock
    from .filters.stabilize import Stabilize
    from .filters.superres import SuperRes
    from .inference.backends import Backend

__all__ = ["ASTF", "Backend", "Card", "Deblock", "Stabilize", "SuperRes", "list_models"]

_HOMES = {
    "ASTF": "filters.astf",
    "Backend": "inference.backends",
    "Card": "cards",
    "Deblock": "filters.deblock",
    "Stabilize": "filters.stabilize",
    "SuperRes": "filters.superres",
    "list_models": "cards",
}


# Now: sources and engines start threads.
limit_heaps()


def __getattr__(name: str) -> Any:
    """Imports what is asked for: training and metrics go without VapourSynth."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
