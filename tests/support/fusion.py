"""ASTF's mask, fusion and sharpening in NumPy and SciPy, in float64."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

type Plane = NDArray[np.float64]

FULL_DEVIATION = 4 / 219


def windows(count: int, window: int, cuts: Sequence[int]) -> list[list[int]]:
    """The frames of the window of each frame; those of other scenes are replaced by itself."""
    scene = np.searchsorted(np.array(cuts), np.arange(count), side="right")
    half = window // 2
    return [
        [t if 0 <= t < count and scene[t] == scene[n] else n for t in range(n - half, n + half + 1)]
        for n in range(count)
    ]


def variances(
    lumas: Sequence[NDArray[Any]], radius: int, window: int, cuts: Sequence[int] = ()
) -> list[Plane]:
    """The variance of all samples around each one; edges are mirrored."""
    side = 2 * radius + 1
    padded = [np.pad(luma.astype(np.float64), radius, mode="symmetric") for luma in lumas]
    result = []
    for frames in windows(len(lumas), window, cuts):
        block = np.stack([padded[t] for t in frames])
        around = np.lib.stride_tricks.sliding_window_view(block, (side, side), axis=(1, 2))
        result.append(around.var(axis=(0, 3, 4)))
    return result


def masks(
    lumas: Sequence[NDArray[Any]],
    radius: int = 1,
    window: int = 3,
    normalize: str = "window",
    cuts: Sequence[int] = (),
) -> list[Plane]:
    """The weight of the texture at every sample of the luma (0 to 1)."""
    found = variances(lumas, radius, window, cuts)
    scales = [FULL_DEVIATION**2] * len(found)
    if normalize == "window":
        means = [plane.mean() for plane in found]
        around = windows(len(lumas), window, cuts)
        scales = [
            max(np.mean([means[t] for t in frames]) / 9, FULL_DEVIATION**2) for frames in around
        ]
    return [np.minimum(plane / scale, 1.0) for plane, scale in zip(found, scales, strict=True)]


def subsampled(mask: Plane, across: int, down: int, left: bool, top: bool) -> Plane:
    """The mask where the chroma lies: a triangle as wide as two chroma samples around each.

    Args:
        mask: At the luma's size.
        across: Luma samples of a chroma sample.
        down: The same for rows.
        left: Whether chroma lies on the left one of them, not in their middle.
        top: The same for rows.
    """
    for axis, step, first in ((1, across, left), (0, down, top)):
        if step == 1:
            continue
        taps = np.arange(-step, step + 1) if first else np.arange(-step, step) + 0.5
        weights = np.maximum(1 - np.abs(taps) / step, 0)
        # Positions of the kernel's middle: on a sample, or between two.
        filtered = scipy.ndimage.correlate1d(
            mask, weights / weights.sum(), axis, mode="reflect", origin=0
        )
        start = 0 if first else step // 2
        mask = np.take(filtered, np.arange(start, mask.shape[axis], step), axis=axis)
    return mask


def blurred(plane: NDArray[Any]) -> Plane:
    """The Gaussian of size 3, edges mirrored."""
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    return np.asarray(scipy.ndimage.correlate(plane.astype(np.float64), kernel, mode="reflect"))
