"""Pictures to film, and motions between them made without any code of the package."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

type Floats = NDArray[np.float64]


@cache
def wall(height: int = 620, width: int = 1000, seed: int = 2) -> NDArray[np.uint8]:
    """A still with texture at several scales and some sharp edges."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width))
    for sigma in (1.2, 3.0, 8.0, 25.0):
        noise = gaussian_filter(rng.normal(size=(height, width)), sigma)
        picture += noise / noise.std() * sigma**0.4
    for _ in range(60):
        y, x = rng.integers(height), rng.integers(width)
        side = rng.integers(15, 70)
        picture[y : y + side, x : x + side] += rng.normal(0, 2.5)
    codes = np.clip(125 + 28 * gaussian_filter(picture, 0.6), 16, 235).astype(np.uint8)
    codes.flags.writeable = False
    return codes


def seen(
    scene: NDArray[np.uint8], width: int, height: int, matrix: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """What a camera sees in the middle of a scene that has moved by an affine motion.

    Args:
        scene: Luma.
        width: Of the view.
        height: Of the view.
        matrix: Maps points of the view before the motion to where they are after it, in units of
            the height, from the centre.
    """
    # SciPy wants, for each output (row, column), where it is in the input.
    back = np.linalg.inv(matrix)
    slope = back[:2, :2][::-1, ::-1]
    shift = back[:2, 2][::-1] * height
    middle = (np.array([height, width]) - 1) / 2
    origin = (np.array(scene.shape) - 1) / 2
    offset = origin + shift - slope @ middle
    picture = affine_transform(
        scene.astype(np.float64), slope, offset, (height, width), order=3, mode="mirror"
    )
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def similar(dx: float, dy: float, rotation: float, scale: float) -> Floats:
    """The matrix of a similarity about the centre, from its definition."""
    turn = np.exp(1j * rotation) * scale
    return np.array([[turn.real, -turn.imag, dx], [turn.imag, turn.real, dy], [0.0, 0.0, 1.0]])


def grid(aspect: float) -> Floats:
    """Points all over a frame, in units of its height from its centre."""
    x, y = np.meshgrid(np.linspace(-0.48, 0.48, 9) * aspect, np.linspace(-0.48, 0.48, 7))
    return np.stack([x.ravel(), y.ravel(), np.ones(x.size)])


def distance(first: Floats, second: Floats, aspect: float, height: int) -> float:
    """Mean distance, in pixels, between where two homographies map the points of a frame."""
    a, b = (matrix @ grid(aspect) for matrix in (first, second))
    return float(np.linalg.norm(a[:2] / a[2] - b[:2] / b[2], axis=0).mean() * height)
