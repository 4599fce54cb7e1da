"""zimg's bicubic (Catmull-Rom) resampling of whole planes, as matrices.

A plane is resampled as `rows @ plane @ columns.T`; the same matrices serve NumPy and PyTorch.
Filter, phases and the mirrored border are those of zimg, so that what a network learns to add
fits on what VapourSynth's `resize.Bicubic` returns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vsvqe.training.store import Bytes, Planes

Floats = NDArray[np.float32]


def catmull_rom(distance: NDArray[np.floating]) -> NDArray[np.floating]:
    """Returns the bicubic kernel with b = 0 and c = 0.5."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=256)
def bicubic_matrix(size: int, new_size: int, shift: float = 0.0) -> Floats:
    """Returns the `[new_size, size]` matrix that resamples one dimension.

    Args:
        size: Samples before.
        new_size: Samples after.
        shift: Offset of the sampling positions, in samples before.
    """
    scale = new_size / size
    step = min(scale, 1.0)
    reach = int(np.ceil(2.0 / step)) + 1
    matrix = np.zeros((new_size, size))
    for row in range(new_size):
        position = (row + 0.5) / scale - 0.5 + shift
        taps = np.arange(int(np.floor(position)) - reach, int(np.floor(position)) + reach + 1)
        weights = catmull_rom((taps - position) * step)
        mirrored = np.where(taps < 0, -taps - 1, taps)
        mirrored = np.where(mirrored >= size, 2 * size - 1 - mirrored, mirrored)
        np.add.at(matrix[row], np.clip(mirrored, 0, size - 1), weights / weights.sum())
    return matrix.astype(np.float32)


def chroma_shift(scale: float) -> float:
    """Returns the horizontal shift that keeps left-sited chroma in place when scaling.

    Left-sited chroma shares the position of every other luma column, so it lies a quarter of
    a chroma sample left of where a resampler that aligns the picture's edges would put it.
    """
    return 0.25 * (1.0 - 1.0 / scale)


def reduced(planes: Planes, factor: int) -> Planes:
    """Downscales a clip by a whole number, as zimg's bicubic does.

    Args:
        planes: Sides of the luma are multiples of twice the factor.
        factor: Size before over size after.
    """
    scale = 1.0 / factor
    return Planes(
        _resample(planes.y, scale, 0.0),
        _resample(planes.u, scale, chroma_shift(scale)),
        _resample(planes.v, scale, chroma_shift(scale)),
    )


def _resample(plane: Bytes, scale: float, shift: float) -> Bytes:
    """Resamples a stack of 8-bit planes."""
    height, width = plane.shape[1:]
    rows = bicubic_matrix(height, int(height * scale))
    columns = bicubic_matrix(width, int(width * scale), shift)
    out = rows @ (plane.astype(np.float32) @ columns.T)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)
