"""Video quality enhancement for VapourSynth.

``Deblock`` removes compression artefacts, ``SuperRes`` enlarges, ``Stabilize`` steadies and
``ASTF`` brings texture back; any clip comes in, the same clip comes out, better. ``list_models``
lists what is shipped, ``Backend`` names the engines.
"""

from .cards import Card, list_models
from .filters.astf import ASTF
from .filters.deblock import Deblock
from .filters.stabilize import Stabilize
from .filters.superres import SuperRes
from .inference.backends import Backend

__all__ = ["ASTF", "Backend", "Card", "Deblock", "Stabilize", "SuperRes", "list_models"]
