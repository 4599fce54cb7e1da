"""Structural similarity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framewise import framewise

SIDE = 11
"""Of the window, in pixels."""

_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03

type Floats = NDArray[np.float32]


def ssim(
    reference: NDArray[Any], picture: NDArray[Any], peak: float = 255.0
) -> NDArray[np.float64]:
    """Returns the SSIM of every frame.

    After Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE TIP 13(4), 2004: an 11x11 Gaussian window of sigma 1.5, K1 = 0.01
    and K2 = 0.03, averaged over the positions where the whole window is inside the picture.

    Args:
        reference: One plane of the original, frames x height x width, at least 11x11.
        picture: The same plane of what is judged, of the same shape.
        peak: Largest code.

    Returns:
        One value per frame, 1 where the frames are equal.

    Raises:
        ValueError: The shapes differ, or the frames are smaller than the window.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.ssim import ssim
        >>> picture = np.arange(32 * 32, dtype=np.float32).reshape(1, 32, 32) % 251
        >>> ssim(picture, picture).round(3)
        array([1.])
    """
    return framewise(lambda a, b: similarity(*normalised(a, b, peak))[0], reference, picture, SIDE)


def normalised(
    reference: NDArray[Any], picture: NDArray[Any], peak: float
) -> tuple[Floats, Floats]:
    """Scales the codes of two planes to [0, 1]."""
    return (reference / peak).astype(np.float32), (picture / peak).astype(np.float32)


def similarity(x: Floats, y: Floats) -> tuple[float, float]:
    """Returns the SSIM of two planes, and its part without the comparison of the means.

    Args:
        x: One plane, height x width, in [0, 1], at least 11x11.
        y: The other.

    Returns:
        The mean of ``luminance * contrast * structure`` and that of ``contrast * structure``.
    """
    mean_x, mean_y = _blurred(x), _blurred(y)
    # Only the sum of the two variances is needed, so one filter serves both.
    variances = _blurred(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    covariance = _blurred(x * y) - mean_x * mean_y
    c1, c2 = _K1**2, _K2**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return (
        float(np.mean(luminance * structure, dtype=np.float64)),
        float(np.mean(structure, dtype=np.float64)),
    )


def _blurred(plane: Floats) -> Floats:
    """Filters with the window, where it is inside the plane."""
    kernel = np.exp(-0.5 * np.square((np.arange(SIDE) - SIDE // 2) / _SIGMA))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    rows = plane.shape[0] - SIDE + 1
    columns = plane.shape[1] - SIDE + 1
    down = kernel[0] * plane[:rows]
    for i in range(1, SIDE):
        down += kernel[i] * plane[i : i + rows]
    across = kernel[0] * down[:, :columns]
    for i in range(1, SIDE):
        across += kernel[i] * down[:, i : i + columns]
    return np.asarray(across, np.float32)
