"""Flicker: changes from frame to frame that the original does not have, where it is flat."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8
_FLAT = 4.0


def flicker(reference: NDArray[Any], picture: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the flicker of every pair of neighbouring frames.

    Changes from frame to frame are noticed most where nothing else is to be seen: in skies, walls
    and skin. So only the 8x8 blocks count in which the original has a standard deviation of at
    most 4 codes, in both frames. There, flicker is the mean over the pixels of
    ``max(0, |x_t - x_t-1| - |o_t - o_t-1|)``: what changes more than in the original ``o``. Motion
    and noise of the original, kept or smoothed away, do not count.

    To count what changes in the coded video but not in the original is the idea of the measures of
    flicker in intra-coded video, see Fan, Gao, Lu and Zhao, "Flicking reduction in all intra frame
    coding", JVT-E070, 2002; the choice of the blocks is this package's own.

    Args:
        reference: Luma of the original, frames x height x width, 8 bits, at least 8x8.
        picture: Luma of what is judged, of the same shape.

    Returns:
        One value per pair, in codes; smaller is better, NaN where nothing is flat.

    Raises:
        ValueError: The shapes differ, or there are fewer than two frames.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.flicker import flicker
        >>> wall = np.full((3, 64, 64), 100, np.uint8)
        >>> pumping = wall + np.array([0, 2, 0], np.uint8)[:, None, None]
        >>> flicker(wall, pumping)
        array([2., 2.])
    """
    if reference.shape != picture.shape or reference.ndim != 3 or len(reference) < 2:
        raise ValueError(f"two T x H x W arrays are needed, not {reference.shape}, {picture.shape}")
    flat = np.stack([_flat_blocks(frame) for frame in reference])
    values = []
    for t in range(len(reference) - 1):
        excess = np.maximum(_change(picture, t) - _change(reference, t), 0)
        both = flat[t] & flat[t + 1]
        values.append(float(_blocks(excess)[both].mean()) if both.any() else np.nan)
    return np.array(values)


def _change(clip: NDArray[Any], t: int) -> NDArray[np.int16]:
    return np.asarray(np.abs(clip[t + 1].astype(np.int16) - clip[t]), np.int16)


def _flat_blocks(frame: NDArray[Any]) -> NDArray[np.bool_]:
    """Tells of every whole block whether it is flat."""
    return np.asarray(_blocks(frame.astype(np.float32)).std(axis=(2, 3)) <= _FLAT)


def _blocks(plane: NDArray[Any]) -> NDArray[Any]:
    """Cuts a plane into whole blocks: rows x columns x 8 x 8."""
    rows, columns = (side // _BLOCK for side in plane.shape)
    whole = plane[: rows * _BLOCK, : columns * _BLOCK]
    return whole.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2)
