"""Video quality enhancement for VapourSynth.

``Deblock`` removes compression artefacts and ``SuperRes`` enlarges; any clip comes in, the same
clip comes out, better. ``list_models`` lists what is shipped, ``Backend`` names the engines.
"""

from .cards import Card, list_models
from .filters.deblock import Deblock
from .filters.superres import SuperRes
from .inference.backends import Backend

__all__ = ["Backend", "Card", "Deblock", "SuperRes", "list_models"]
