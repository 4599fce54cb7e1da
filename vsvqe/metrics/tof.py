"""tOF: how far the motion of a clip is from that of the original."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

type Flow = NDArray[np.float32]
"""Motion in pixels, ... x height x width x 2."""


def flows(clip: NDArray[Any], every: int = 1) -> Flow:
    """Returns the optical flow from each frame to the next.

    Farneback's method, with the parameters of the tOF of the literature.

    Args:
        clip: Luma, frames x height x width, 8 bits.
        every: Takes only every so many pairs of neighbours, to save time.
    """
    return np.stack(
        [
            cv2.calcOpticalFlowFarneback(
                clip[t], clip[t + 1], np.zeros(()), 0.5, 3, 15, 3, 5, 1.2, 0
            )
            for t in range(0, len(clip) - 1, every)
        ]
    ).astype(np.float32, copy=False)


def flow_difference(reference: Flow, judged: Flow) -> NDArray[np.float64]:
    """Returns the mean length of the difference of two flows, for each pair of frames."""
    distance = np.linalg.norm(reference - judged, axis=-1)
    return np.asarray(distance.mean(axis=(1, 2), dtype=np.float64))


def tof(reference: NDArray[Any], picture: NDArray[Any], every: int = 1) -> NDArray[np.float64]:
    """Returns tOF of every pair of neighbouring frames, in pixels; smaller is better.

    After Chu et al., "Learning temporal coherence via self-supervision for GAN-based video
    generation" (TecoGAN), ACM TOG 39(4), 2020: the difference between the optical flow of the
    original and that of the clip, here as the mean L2 norm over the pixels.

    Args:
        reference: Luma of the original, frames x height x width, 8 bits.
        picture: Luma of what is judged, of the same shape.
        every: Takes only every so many pairs, to save time.

    Returns:
        One value per pair.

    Raises:
        ValueError: The shapes differ, or there are fewer than two frames.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.tof import tof
        >>> clip = np.random.default_rng(1).integers(0, 255, (3, 64, 64), np.uint8)
        >>> tof(clip, clip)
        array([0., 0.])
    """
    if reference.shape != picture.shape or reference.ndim != 3 or len(reference) < 2:
        raise ValueError(f"two T x H x W arrays are needed, not {reference.shape}, {picture.shape}")
    return flow_difference(flows(reference, every), flows(picture, every))
