"""Blur kernels of the second-order degradation: Gaussian, generalised, plateau-shaped and sinc.

The families of Wang, Xie, Dong and Shan, "Real-ESRGAN", ICCV workshops, 2021, section 3.1 and 3.4;
the generalised and the plateau-shaped ones are from Liu et al., "Estimating generalized Gaussian
blur kernels for out-of-focus image deblurring", IEEE TCSVT 31(3), 2021. Every kernel has a sum of
one and is symmetric about its centre, so that it moves nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Steps of the integral of a Bessel function, which is exact once they are more than its argument.
STEPS = 128


def gaussian(size: int, across: float, along: float, angle: float, beta: float = 1.0) -> Floats:
    """Returns `exp(-(r^T S^-1 r)^beta / 2)`: Gaussian for a `beta` of 1.

    Args:
        size: Side of the kernel, odd.
        across: Standard deviation along the first axis, in pixels.
        along: Standard deviation along the second axis.
        angle: Of the first axis, in radians; without effect if both are equal.
        beta: Shape: less than 1 is more pointed, more is flatter with a steeper edge.
    """
    return _normalised(np.exp(-0.5 * _distance(size, across, along, angle) ** beta))


def plateau(size: int, across: float, along: float, angle: float, beta: float) -> Floats:
    """Returns `1 / (1 + (r^T S^-1 r)^beta)`: flat in the middle.

    Args:
        size: Side of the kernel, odd.
        across: Width along the first axis, in pixels.
        along: Width along the second axis.
        angle: Of the first axis, in radians.
        beta: Shape: the more, the steeper the edge.
    """
    return _normalised(1.0 / (1.0 + _distance(size, across, along, angle) ** beta))


def sinc(size: int, cutoff: float) -> Floats:
    """Returns the circular low-pass `cutoff J1(cutoff r) / (2 pi r)`, which makes edges ring.

    Args:
        size: Side of the kernel, odd.
        cutoff: Highest frequency in radians per pixel, up to pi.
    """
    x, y = _grid(size)
    radius = np.hypot(x, y)
    # The limit at the centre is cutoff / 2.
    slope = np.where(radius > 0, _bessel(cutoff * radius) / np.maximum(radius, 1e-9), cutoff / 2)
    return _normalised(cutoff * slope / (2.0 * np.pi))


def _distance(size: int, across: float, along: float, angle: float) -> NDArray[np.float64]:
    """Returns the squared distance from the centre, in units of the widths."""
    x, y = _grid(size)
    first = np.cos(angle) * x + np.sin(angle) * y
    second = np.cos(angle) * y - np.sin(angle) * x
    return np.asarray(np.square(first / across) + np.square(second / along))


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    line = np.arange(size) - size // 2
    x, y = np.meshgrid(line, line)
    return x.astype(np.float64), y.astype(np.float64)


def _bessel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the Bessel function J1, by its integral: the mean of `cos(t - x sin(t))`."""
    angles = (np.arange(STEPS) + 0.5) * np.pi / STEPS
    return np.asarray(np.cos(angles - x[..., None] * np.sin(angles)).mean(axis=-1))


def _normalised(kernel: NDArray[np.float64]) -> Floats:
    return (kernel / kernel.sum()).astype(np.float32)
