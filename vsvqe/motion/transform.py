"""What a camera motion is, and how it is written down.

A camera motion is a 3x3 homography in *centred units*: the origin is the centre of the frame, x
goes right, y goes down, and the unit is the height of the frame. So it is the same at every
resolution. A motion maps a point of one frame to where the same content is in the next one.
"""

import math

import numpy as np
from numpy.typing import NDArray

type Matrix = NDArray[np.float64]
"""A homography, 3 x 3."""

type Floats = NDArray[np.float64]


def to_pixels(matrix: Matrix, width: int, height: int) -> Matrix:
    """Returns a motion for the pixels of a plane.

    Samples are taken to be square: for a plane that is subsampled in one direction only, ask for
    the size that it would have otherwise, and scale.

    Args:
        matrix: In centred units.
        width: Of the plane, in pixels.
        height: Of the plane, in pixels.

    Returns:
        The same homography for the coordinates of pixel centres: (0, 0) is the centre of the
        pixel at the top left, and its last element is 1.

    Example:
        >>> from vsvqe.motion.transform import compose, to_pixels
        >>> to_pixels(compose(dx=0.1), 640, 360)[:2, 2].round(6).tolist()
        [36.0, 0.0]
    """
    units = pixel_units(width, height)
    return normalised(np.linalg.inv(units) @ matrix @ units)


def from_pixels(matrix: Matrix, width: int, height: int) -> Matrix:
    """Returns a motion between pixels of a plane in centred units; undoes ``to_pixels``.

    Args:
        matrix: For the coordinates of pixel centres.
        width: Of the plane, in pixels.
        height: Of the plane, in pixels.
    """
    units = pixel_units(width, height)
    return normalised(units @ matrix @ np.linalg.inv(units))


def pixel_units(width: int, height: int) -> Matrix:
    """Returns what maps the coordinates of pixel centres to centred units.

    Args:
        width: Of the plane, in pixels.
        height: Of the plane, in pixels.
    """
    return np.array(
        [
            [1 / height, 0.0, -(width - 1) / (2 * height)],
            [0.0, 1 / height, -(height - 1) / (2 * height)],
            [0.0, 0.0, 1.0],
        ]
    )


def points_from_pixels(points: NDArray[np.floating], width: int, height: int) -> Floats:
    """Returns points in centred units.

    Args:
        points: N x 2, coordinates of pixel centres.
        width: Of the plane, in pixels.
        height: Of the plane, in pixels.
    """
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.asarray((points - middle) / height, np.float64)


def apply(matrix: Matrix, points: Floats) -> Floats:
    """Returns where a homography maps points, N x 2."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def corners(aspect: float) -> Floats:
    """Returns the four corners of a frame of this ratio of width to height, 4 x 2."""
    x, y = aspect / 2, 0.5
    return np.array([[-x, -y], [x, -y], [-x, y], [x, y]])


def farthest(matrix: Matrix, aspect: float) -> float:
    """Returns how far a motion moves that corner of the frame that it moves most, in heights.

    Args:
        matrix: In centred units.
        aspect: Width over height of the frame.

    Returns:
        A distance; infinity where a corner has no place, or where it is no number.

    Example:
        >>> from vsvqe.motion.transform import compose, farthest
        >>> round(farthest(compose(dx=0.3, dy=-0.4), 16 / 9), 6)
        0.5
    """
    # Plain numbers: for four points NumPy would take several times as long.
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    most = 0.0
    for x, y in corners(aspect).tolist():
        scale = g * x + h * y + i
        if not scale:
            return math.inf
        moved = math.hypot((a * x + b * y + c) / scale - x, (d * x + e * y + f) / scale - y)
        most = max(most, moved if not math.isnan(moved) else math.inf)
    return most


def decompose(matrix: Matrix) -> tuple[float, float, float, float]:
    """Returns the similarity that comes nearest to a motion at the centre of the frame.

    Args:
        matrix: In centred units.

    Returns:
        ``(dx, dy, rotation, log_scale)``: where the centre goes, in units of the frame's height;
        the rotation in radians, clockwise as seen, as y goes down; the natural logarithm of the
        enlargement. ``compose`` makes the motion of them again, if it was a similarity.

    Example:
        >>> from vsvqe.motion.transform import compose, decompose
        >>> [round(value, 6) for value in decompose(compose(0.1, -0.2, 0.05, 0.01))]
        [0.1, -0.2, 0.05, 0.01]
    """
    # Plain numbers: for a single motion NumPy would take ten times as long.
    (a, b, c), (d, e, f), (g, h, _) = normalised(matrix).tolist()
    cos, sin = a - c * g + e - f * h, d - f * g - b + c * h
    size = math.hypot(cos, sin)
    return c, f, math.atan2(sin, cos), math.log(size / 2) if size > 0 else -math.inf


def compose(
    dx: float = 0.0, dy: float = 0.0, rotation: float = 0.0, log_scale: float = 0.0
) -> Matrix:
    """Returns the motion that turns and enlarges about the centre, then shifts.

    Args:
        dx: Shift to the right, in units of the frame's height.
        dy: Shift down, in the same units.
        rotation: In radians, clockwise as seen.
        log_scale: Natural logarithm of the enlargement.
    """
    cos = np.exp(log_scale) * np.cos(rotation)
    sin = np.exp(log_scale) * np.sin(rotation)
    return np.array([[cos, -sin, dx], [sin, cos, dy], [0.0, 0.0, 1.0]])


def similarities(matrices: Floats) -> Floats:
    """Returns ``decompose`` of each of N motions, N x 4."""
    matrices = matrices / matrices[:, 2:, 2:]
    slopes = matrices[:, :2, :2] - matrices[:, :2, 2:] * matrices[:, 2:, :2]
    cos = slopes[:, 0, 0] + slopes[:, 1, 1]
    sin = slopes[:, 1, 0] - slopes[:, 0, 1]
    columns = (*matrices[:, :2, 2].T, np.arctan2(sin, cos), np.log(np.hypot(cos, sin) / 2))
    return np.stack(columns, axis=-1)


def normalised(matrix: Matrix) -> Matrix:
    """Returns the same homography, or N of them, with 1 as its last element."""
    return np.asarray(matrix / matrix[..., 2:, 2:], np.float64)
