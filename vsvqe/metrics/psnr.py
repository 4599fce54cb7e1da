"""Peak signal-to-noise ratio."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    if reference.shape != picture.shape or reference.ndim != 3:
        raise ValueError(f"two T x H x W arrays are needed, not {reference.shape}, {picture.shape}")
    with np.errstate(divide="ignore"):
        return np.array(
            [
                10.0 * np.log10(peak**2 / np.mean(np.square(a.astype(np.float64) - b)))
                for a, b in zip(reference, picture, strict=True)
            ]
        )
