"""Acutance: how steep edges and fine texture are, compared with the original."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def acutance(reference: NDArray[Any], picture: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the mean length of the gradient of every frame, relative to the original's.

    The gradient is Sobel's, edges mirrored. Blurring lowers the value; sharpening, noise and
    invented texture raise it, so that more is not better in itself: 1 is as sharp as the original.

    Args:
        reference: Luma of the original, frames x height x width, 8 bits, not flat everywhere.
        picture: Luma of what is judged, of the same shape.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.acutance import acutance
        >>> clip = np.random.default_rng(1).integers(100, 120, (1, 64, 64), np.uint8)
        >>> acutance(clip, 100 + 2 * (clip - 100))
        array([2.])
    """
    if reference.shape != picture.shape or reference.ndim != 3:
        raise ValueError(f"two T x H x W arrays are needed, not {reference.shape}, {picture.shape}")
    return np.array(
        [_steepness(b) / _steepness(a) for a, b in zip(reference, picture, strict=True)]
    )


def _steepness(luma: NDArray[Any]) -> float:
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return float(np.mean(np.hypot(across, down), dtype=np.float64))
