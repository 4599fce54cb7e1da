"""Peak signal-to-noise ratio."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framewise import framewise


def psnr(
    reference: NDArray[Any], picture: NDArray[Any], peak: float = 255.0
) -> NDArray[np.float64]:
    """Returns the PSNR of every frame in dB.

    ``10 * log10(peak^2 / MSE)``, as ffmpeg's ``psnr`` filter computes it for each plane. For a
    clip take the mean of the frames' values.

    Args:
        reference: One plane of the original, frames x height x width.
        picture: The same plane of what is judged, of the same shape.
        peak: Largest code; 255 for 8 bits, limited range or not.

    Returns:
        One value per frame; infinity where the frames are equal.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.psnr import psnr
        >>> black = np.zeros((1, 16, 16), np.uint8)
        >>> psnr(black, black + np.uint8(1)).round(2)
        array([48.13])
    """
    with np.errstate(divide="ignore"):
        return framewise(lambda a, b: _psnr(a, b, peak), reference, picture)


def _psnr(reference: NDArray[Any], picture: NDArray[Any], peak: float) -> float:
    error = np.mean(np.square(reference.astype(np.float64) - picture))
    return float(10.0 * np.log10(peak**2 / error))
