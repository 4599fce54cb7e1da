"""What is seen where a corrected frame has no picture of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .transform import Floats, Matrix, apply, corners
from .warp import Edge, Grid, Region, Samples, Siting, for_plane, grid, sample

FILL_RADIUS = 24
"""How many frames away a neighbour may be that lends its picture."""

# More layers than this add seams rather than picture.
_MOST_NEIGHBOURS = 4
# Of two neighbours that cover as much, the one nearer in time shows less that has moved.
_PER_FRAME_AWAY = 0.97


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the planes of a clip's frames are like."""

    width: int
    """Of the luma."""
    height: int
    """Of the luma."""
    sitings: tuple[Siting, ...]
    """Of each plane."""
    blacks: tuple[float, ...]
    """The sample of each plane that makes black."""
    peak: float
    """The highest code; infinity for float formats."""

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height


class Layer(NamedTuple):
    """A frame, and where it goes."""

    planes: Sequence[Samples]
    """All of its planes."""
    correction: Matrix
    """Maps a point of the output to the point of this frame that is to be seen there."""


def warped(layer: Layer, layout: Layout, out: Sequence[Samples], edge: Edge) -> None:
    """Corrects a frame; beyond its edge lies what ``edge`` says.

    Args:
        layer: The frame.
        layout: Of its planes.
        out: Takes the planes of the corrected frame.
        edge: See ``warp.sample``.
    """
    for index, (plane, target) in enumerate(zip(layer.planes, out, strict=True)):
        matrix = for_plane(layer.correction, layout.width, layout.height, layout.sitings[index])
        sample(
            plane,
            grid(matrix, _whole(target)),
            target,
            edge=edge,
            black=layout.blacks[index],
            peak=layout.peak,
        )


def filled(
    own: Layer, neighbours: Sequence[Layer], layout: Layout, out: Sequence[Samples]
) -> None:
    """Corrects a frame, and shows other frames of the scene beyond its edge.

    Each neighbour is brought to the frame's brightness and colour, and blended in over a few
    pixels on both sides; what none of them has is mirrored.

    Args:
        own: The frame.
        neighbours: The frames to take the rest from, the best first.
        layout: Of all their planes.
        out: Takes the planes of the corrected frame.
    """
    warped(own, layout, out, "mirror")
    feather = max(4.0, layout.height / 60)
    layers = [own, *neighbours]
    for index, (target, siting) in enumerate(zip(out, layout.sitings, strict=True)):
        matrices = [
            for_plane(layer.correction, layout.width, layout.height, siting) for layer in layers
        ]
        planes = [layer.planes[index] for layer in layers]
        shifts = [
            _brightness_shift(planes[0], matrices[0], planes[i], matrices[i])
            for i in range(1, len(layers))
        ]
        for region in _rim(matrices[0], target, siting, feather):
            own_picture = target[region.within].astype(np.float32)
            own_depth = _depth(grid(matrices[0], region), target, siting)
            left_over = 1.0 - np.clip(own_depth / feather, 0.0, 1.0)
            total = (1.0 - left_over) * own_picture
            for plane, matrix, shift in zip(planes[1:], matrices[1:], shifts, strict=True):
                positions = grid(matrix, region)
                weight = left_over * np.clip(_depth(positions, target, siting) / feather, 0.0, 1.0)
                if not weight.any():
                    continue
                lent = np.empty(own_picture.shape, plane.dtype)
                sample(plane, positions, lent, peak=layout.peak)
                total += weight * (lent.astype(np.float32) + shift)
                left_over -= weight
            total += left_over * own_picture
            if target.dtype.kind == "u":
                total = np.clip(np.rint(total), 0.0, min(layout.peak, np.iinfo(target.dtype).max))
            target[region.within] = total


def lenders(correction: Matrix, chain: Mapping[int, Matrix], aspect: float) -> list[int]:
    """Chooses the neighbours that ``filled`` should take the missing picture from.

    Args:
        correction: Of the frame.
        chain: By distance in frames (negative before): the motion from the frame to the neighbour.
        aspect: Width over height of the frame.

    Returns:
        The distances of at most four neighbours, the most useful first; none if nothing is missing.
    """
    points = _points(aspect)
    points = points[~_inside(apply(correction, points), aspect)]
    missing = np.ones(len(points), np.bool_)
    covered = {
        distance: _inside(apply(motion @ correction, points), aspect)
        for distance, motion in chain.items()
    }
    chosen: list[int] = []
    while missing.any() and len(chosen) < _MOST_NEIGHBOURS and covered:
        worth = {
            distance: np.count_nonzero(inside & missing) * _PER_FRAME_AWAY ** abs(distance)
            for distance, inside in covered.items()
        }
        best = max(worth, key=lambda distance: worth[distance])
        if not worth[best]:
            break
        chosen.append(best)
        missing &= ~covered.pop(best)
    return chosen


def invented(correction: Matrix, layout: Layout, out: NDArray[np.bool_]) -> None:
    """Marks which pixels of a corrected frame are not of the frame itself.

    Args:
        correction: Of the frame.
        layout: Of its planes.
        out: Takes the mask; the size of the luma.
    """
    matrix = for_plane(correction, layout.width, layout.height, Siting())
    np.less(_depth(grid(matrix, _whole(out)), out, Siting()), -_ROUNDING, out=out)


def zoom_needed(
    correction: Matrix, aspect: float, part: tuple[float, float] = (1.0, 1.0)
) -> float:
    """Returns how much a corrected frame must be enlarged for its edge to lie outside.

    Args:
        correction: Of the frame.
        aspect: Width over height of the frame.
        part: Width and height of the middle that has to be covered, as parts of the frame's.

    Returns:
        1 if nothing is missing; infinity if no enlargement helps.
    """
    # A point p of the output, seen at zoom z, is at C(p / z) of the input. Inside means
    # |x| <= half the width and |y| <= 1/2, which is linear in 1/z.
    half = np.array([aspect / 2, 0.5])
    corner = corners(aspect) * part
    slopes, centre = corner @ correction[:, :2].T, correction[:, 2]
    most = 1.0
    for sign in (1.0, -1.0):
        room = half * centre[2] - sign * centre[:2]
        if (room <= 0).any():
            return np.inf
        reach = sign * slopes[:, :2] - half * slopes[:, 2:]
        with np.errstate(divide="ignore"):
            limits = np.where(reach > 0, room / reach, np.inf)
        most = min(most, float(limits.min()))
    return 1 / most


def zoomed(correction: Matrix, zoom: float) -> Matrix:
    """Returns a correction that also enlarges about the centre of the output."""
    return correction @ np.diag([1 / zoom, 1 / zoom, 1.0])


def guaranteed(
    aspect: float, dxmax: float, dymax: float, rotmax: float, zoommax: float
) -> tuple[float, float]:
    """Returns the largest rectangle that no correction within these limits takes off the frame.

    Args:
        aspect: Width over height of the frame.
        dxmax: Largest shift to a side, in heights of the frame.
        dymax: Largest shift up or down, in heights of the frame.
        rotmax: Largest rotation, in radians.
        zoommax: Largest change of scale, a factor.

    Returns:
        Width and height as parts of the frame's; not above 0 where nothing is left.
    """
    # A rectangle w x h, turned by r and enlarged by z, is z (w cos r + h sin r) wide.
    sin = np.sin(min(rotmax, np.pi / 2))
    room = np.array([aspect - 2 * dxmax, 1.0 - 2 * dymax]) / zoommax
    width, height = np.linalg.solve(np.array([[1.0, sin], [sin, 1.0]]), room) if sin < 1 else (0, 0)
    return float(width / aspect), float(height)


# Positions that differ from the edge by no more are on it.
_ROUNDING = 1e-3


def _whole(plane: NDArray[np.generic]) -> Region:
    return Region(0, 0, plane.shape[1], plane.shape[0])


def _depth(positions: Grid, plane: NDArray[np.generic], siting: Siting) -> NDArray[np.float32]:
    """Returns how deep inside the frame positions are, in pixels of the luma; negative outside.

    The edge of the frame is that of its outermost pixels, half a pixel beyond their centres.
    """
    height, width = plane.shape
    half = np.float32(0.5)
    x = np.minimum(positions.x + half, np.float32(width) - half - positions.x)
    y = np.minimum(positions.y + half, np.float32(height) - half - positions.y)
    return np.minimum(x * np.float32(siting.step_x), y * np.float32(siting.step_y), out=x)


def _rim(matrix: Matrix, plane: Samples, siting: Siting, feather: float) -> list[Region]:
    """Returns the regions of a plane in which anything is less deep inside than ``feather``."""
    height, width = plane.shape
    # Along a line of the output, positions change monotonously: its ends are the extremes.
    left, right = (grid(matrix, Region(x, 0, x + 1, height)).y[:, 0] for x in (0, width - 1))
    above, below = (grid(matrix, Region(0, y, width, y + 1)).x[0] for y in (0, height - 1))
    top, bottom = _run(left, right, height, feather / siting.step_y)
    first, last = _run(above, below, width, feather / siting.step_x)
    regions = [
        Region(0, 0, width, top),
        Region(0, bottom, width, height),
        Region(0, top, first, bottom),
        Region(last, top, width, bottom),
    ]
    return [region for region in regions if region.left < region.right and region.top < region.bottom]


def _run(
    one: NDArray[np.float32], other: NDArray[np.float32], size: int, feather: float
) -> tuple[int, int]:
    """Returns the largest range that is ``feather`` inside at both ends of its lines."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    inside = np.flatnonzero((low >= feather) & (high <= size - 1 - feather))
    return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (size, size)


def _brightness_shift(own: Samples, own_matrix: Matrix, lent: Samples, matrix: Matrix) -> float:
    """Returns what has to be added to a neighbour's plane: the median difference where both are."""
    height, width = own.shape
    x, y = (np.linspace(0, size - 1, count) for size, count in ((width, 49), (height, 28)))
    points = np.stack([axis.ravel() for axis in np.meshgrid(x, y)], axis=-1)
    values, inside = [], np.ones(len(points), np.bool_)
    for plane, homography in ((own, own_matrix), (lent, matrix)):
        at = apply(homography, points)
        inside &= ((at >= 0) & (at <= (width - 1, height - 1))).all(axis=1)
        near = np.clip(np.rint(at), 0, (width - 1, height - 1)).astype(np.intp)
        values.append(plane[near[:, 1], near[:, 0]].astype(np.float32))
    return float(np.median((values[0] - values[1])[inside])) if inside.any() else 0.0


def _points(aspect: float) -> Floats:
    """Returns points all over a frame, closer together where picture is likely to be missing."""
    side = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 25)) / 2
    return np.stack([axis.ravel() for axis in np.meshgrid(side * aspect, side)], axis=-1)


def _inside(points: Floats, aspect: float) -> NDArray[np.bool_]:
    return np.asarray((np.abs(points) <= (aspect / 2, 0.5)).all(axis=1))
