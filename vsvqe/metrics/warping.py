"""Warping error: what changes from frame to frame beyond what moves."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .tof import Flow, flows


class Motion(NamedTuple):
    """The motion of pairs of neighbouring frames."""

    forward: Flow
    """From the first frame of each pair to the second, in pixels, pairs x height x width x 2."""
    backward: Flow
    """From the second to the first."""


def motion(clip: NDArray[Any], every: int = 1) -> Motion:
    """Returns the motion of a clip, both ways.

    Args:
        clip: Luma, frames x height x width, 8 bits; at least two frames.
        every: Takes only every so many pairs of neighbours, to save time.
    """
    pairs = [clip[t : t + 2] for t in range(0, len(clip) - 1, every)]
    return Motion(
        np.concatenate([flows(pair) for pair in pairs]),
        np.concatenate([flows(pair[::-1]) for pair in pairs]),
    )


def warping_error(clip: NDArray[Any], moved: Motion, every: int = 1) -> NDArray[np.float64]:
    """Returns the warping error of pairs of neighbouring frames.

    After Lai, Huang, Wang, Shechtman, Yumer and Yang, "Learning blind video temporal consistency",
    ECCV 2018: the second frame of a pair is brought to the first along the motion, and compared
    with it where both show the same. What is hidden in one of the two is told by the motion forth
    and back not leading back to the same place, as in Ruder, Dosovitskiy and Brox, "Artistic style
    transfer for videos", GCPR 2016, equation 6. Here it is the root of the mean square, in codes.

    All results of one clip must be measured along the same motion: take that of the input. Blurring
    lowers the error as well, so it says something only of results that are equally sharp.

    Args:
        clip: Luma, frames x height x width, 8 bits; the input's size or a multiple of it.
        moved: What ``motion`` found, of the input.
        every: As it was given there.

    Returns:
        One value per pair, smaller is better; NaN where nothing can be seen twice.

    Raises:
        ValueError: The size is no multiple of the motion's, or there are not as many pairs.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.warping import motion, warping_error
        >>> still = np.random.default_rng(1).integers(0, 255, (1, 64, 64), np.uint8)
        >>> still = still.repeat(3, axis=0)
        >>> warping_error(still, motion(still))
        array([0., 0.])
    """
    pairs = range(0, len(clip) - 1, every)
    count, height, width, _ = moved.forward.shape
    scale = clip.shape[-1] // width
    if clip.ndim != 3 or clip.shape[1:] != (scale * height, scale * width) or len(pairs) != count:
        raise ValueError(
            f"{count} pairs of {width}x{height} times a whole number are needed, not {clip.shape}"
        )
    return np.array(
        [
            _error(clip[t], clip[t + 1], _enlarged(forth, scale), _enlarged(back, scale))
            for t, forth, back in zip(pairs, *moved, strict=True)
        ]
    )


def _error(first: NDArray[Any], second: NDArray[Any], forth: Flow, back: Flow) -> float:
    height, width = first.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    to_x, to_y = x + forth[..., 0], y + forth[..., 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    returned = forth + cv2.remap(back, to_x, to_y, cv2.INTER_LINEAR)
    lengths = np.square(forth).sum(-1) + np.square(returned - forth).sum(-1)
    seen = inside & (np.square(returned).sum(-1) <= 0.01 * lengths + 0.5)
    if not seen.any():
        return float("nan")
    brought = cv2.remap(second.astype(np.float32), to_x, to_y, cv2.INTER_LINEAR)
    return float(np.sqrt(np.square(brought - first)[seen].mean(dtype=np.float64)))


def _enlarged(flow: Flow, scale: int) -> Flow:
    if scale == 1:
        return flow
    height, width, _ = flow.shape
    size = (scale * width, scale * height)
    return np.asarray(scale * cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR), np.float32)
