"""Blockiness: how much more a picture changes across the borders of coding blocks."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def blockiness(picture: NDArray[Any], block: int = 8) -> NDArray[np.float64]:
    """Returns the blocking effect factor of every frame.

    The factor behind PSNR-B, after Yim and Bovik, "Quality assessment of deblocked images", IEEE
    TIP 20(1), 2011: the mean squared difference of neighbours across the borders of blocks, less
    that of all other neighbours, times ``log2(block) / log2(smaller side)``; zero where borders
    stand out less than the rest. No original is needed. PSNR-B is
    ``10 * log10(255^2 / (MSE + factor))``.

    Args:
        picture: One plane, frames x height x width.
        block: Side of the blocks in pixels; the grid starts at the top left corner.

    Returns:
        One value per frame in squared codes; 0 without visible blocks, smaller is better.

    Raises:
        ValueError: The array isn't of that shape, or no border of blocks is inside the frame.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.blockiness import blockiness
        >>> step = np.repeat([[100, 104]], 8, axis=1).repeat(16, axis=0)[None]
        >>> blockiness(step)
        array([6.])
    """
    if picture.ndim != 3 or min(picture.shape[1:]) <= block:
        raise ValueError(f"a T x H x W array larger than {block} is needed, not {picture.shape}")
    return np.array([_factor(frame.astype(np.float32), block) for frame in picture], np.float64)


def _factor(frame: NDArray[np.float32], block: int) -> float:
    across = np.square(np.diff(frame, axis=1))
    down = np.square(np.diff(frame, axis=0))
    borders = (across[:, block - 1 :: block], down[block - 1 :: block])
    border_sum = sum(float(part.sum(dtype=np.float64)) for part in borders)
    border_count = sum(part.size for part in borders)
    inner_sum = float(across.sum(dtype=np.float64) + down.sum(dtype=np.float64)) - border_sum
    inner_count = across.size + down.size - border_count
    excess = border_sum / border_count - inner_sum / inner_count
    return max(excess, 0.0) * math.log2(block) / math.log2(min(frame.shape))
