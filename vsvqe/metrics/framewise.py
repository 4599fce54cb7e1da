"""Metrics of single frames, over all frames of a clip."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def framewise(
    measure: Callable[[NDArray[Any], NDArray[Any]], float],
    reference: NDArray[Any],
    picture: NDArray[Any],
    least_side: int = 1,
) -> NDArray[np.float64]:
    """Measures every frame.

    Args:
        measure: Takes a plane of the original and the same plane of what is judged.
        reference: One plane of the original, frames x height x width.
        picture: The same plane of what is judged, of the same shape.
        least_side: Smallest width and height that can be measured.

    Returns:
        One value per frame.

    Raises:
        ValueError: The shapes differ, or the frames are too small.
    """
    if reference.shape != picture.shape or reference.ndim != 3:
        raise ValueError(f"two T x H x W arrays are needed, not {reference.shape}, {picture.shape}")
    if min(reference.shape[1:]) < least_side:
        raise ValueError(f"frames must be at least {least_side}x{least_side}")
    return np.array([measure(a, b) for a, b in zip(reference, picture, strict=True)], np.float64)
