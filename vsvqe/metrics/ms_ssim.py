"""Multi-scale structural similarity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framewise import framewise
from .ssim import SIDE, Floats, normalised, similarity

# The five scales' exponents, as found by the authors in experiments with viewers.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

LEAST_SIDE = (SIDE - 1) * 2 ** (len(_WEIGHTS) - 1) + 1
"""Smallest side of a frame whose coarsest scale still holds the window."""


def ms_ssim(
    reference: NDArray[Any], picture: NDArray[Any], peak: float = 255.0
) -> NDArray[np.float64]:
    """Returns the MS-SSIM of every frame.

    After Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality
    assessment", Asilomar Conference on Signals, Systems and Computers, 2003: contrast and structure
    are compared at five scales, each half the size of the one before (means of 2x2 pixels), the
    luminance at the coarsest only, and the means are multiplied with the exponents 0.0448, 0.2856,
    0.3001, 0.2363 and 0.1333. The window is that of ``ssim``. A mean below zero (pictures that
    are opposites) counts as zero, which has no real power otherwise.

    Args:
        reference: One plane of the original, frames x height x width, at least 161x161.
        picture: The same plane of what is judged, of the same shape.
        peak: Largest code.

    Returns:
        One value per frame, 1 where the frames are equal.

    Raises:
        ValueError: The shapes differ, or the frames are too small for five scales.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.ms_ssim import ms_ssim
        >>> picture = np.arange(192 * 192, dtype=np.float32).reshape(1, 192, 192) % 251
        >>> ms_ssim(picture, picture).round(3)
        array([1.])
    """
    return framewise(lambda a, b: _ms_ssim(*normalised(a, b, peak)), reference, picture, LEAST_SIDE)


def _ms_ssim(x: Floats, y: Floats) -> float:
    product = 1.0
    for weight in _WEIGHTS[:-1]:
        _, structure = similarity(x, y)
        product *= max(structure, 0.0) ** weight
        x, y = _halved(x), _halved(y)
    whole, _ = similarity(x, y)
    return float(product * max(whole, 0.0) ** _WEIGHTS[-1])


def _halved(plane: Floats) -> Floats:
    """Averages 2x2 pixels; of an odd side the last pixel counts twice."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    rows = even[::2] + even[1::2]
    return np.asarray((rows[:, ::2] + rows[:, 1::2]) / 4, np.float32)
