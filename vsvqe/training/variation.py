"""Clips made unlike themselves before they are damaged: backwards, faster, in another light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsvqe.training.store import Bytes, Planes

_BACKWARDS_SHARE = 0.3
_FASTER_SHARE = 0.2
_LIT_SHARE = 0.4
# Of what is twice as fast, so many frames are left at least: the largest window, and some more.
_LEAST_FRAMES = 15


def varied(planes: Planes, rng: np.random.Generator) -> Planes:
    """Plays a clip backwards, at twice its speed, or in another light; or all or nothing of it.

    Codecs see it afterwards: what they do to a frame depends on which come before.

    Args:
        planes: The clean pictures.
        rng: Source of all choices.

    Returns:
        Pictures of the same size, at most as many.
    """
    backwards, faster, lit = rng.random(3) < (_BACKWARDS_SHARE, _FASTER_SHARE, _LIT_SHARE)
    if faster and len(planes.y) >= 2 * _LEAST_FRAMES:
        planes = Planes(*(plane[::2] for plane in planes))
    if backwards:
        planes = Planes(*(plane[::-1] for plane in planes))
    if lit:
        planes = exposed(planes, float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.8, 1.25)))
    return planes


def exposed(planes: Planes, gain: float, gamma: float) -> Planes:
    """Changes the light of a clip: ``gain * luma ** gamma``, and the chroma by the gain.

    Args:
        planes: 8-bit, limited range.
        gain: Up to 1, so that nothing is clipped.
        gamma: Above 1 darkens the middle.
    """
    light = np.clip((np.arange(256) - 16.0) / 219.0, 0.0, 1.0)
    curve = _codes(16.0 + 219.0 * gain * light**gamma)
    fade = _codes(128.0 + gain * (np.arange(256) - 128.0))
    return Planes(curve[planes.y], fade[planes.u], fade[planes.v])


def _codes(values: NDArray[np.floating]) -> Bytes:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
