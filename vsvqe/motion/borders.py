"""What is seen where a corrected frame has no picture of its own."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .mesh import Mesh
from .transform import Floats, Matrix, apply, corners
from .warp import (
    Bend,
    Edge,
    Grid,
    Kernel,
    Region,
    Samples,
    Siting,
    bend_for_plane,
    for_plane,
    grid,
    sample,
    sample_region,
)

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

    def alike(self) -> dict[Siting, list[int]]:
        """Returns the planes of each siting, which share their positions."""
        groups: dict[Siting, list[int]] = {}
        for plane, siting in enumerate(self.sitings):
            groups.setdefault(siting, []).append(plane)
        return groups


class Layer(NamedTuple):
    """A frame, and where it goes."""

    planes: Sequence[Samples]
    """All of its planes."""
    correction: Matrix
    """Maps a point of the output to the point of this frame that is to be seen there."""
    bend: Mesh | None = None
    """How far off that point it is to be taken from."""


def warped(
    layer: Layer,
    layout: Layout,
    out: Sequence[Samples],
    edge: Edge,
    kernel: Kernel = "bicubic",
) -> None:
    """Corrects a frame; beyond its edge lies what ``edge`` says.

    Args:
        layer: The frame.
        layout: Of its planes.
        out: Takes the planes of the corrected frame.
        edge: See ``warp.sample``.
        kernel: See ``warp.sample``.
    """
    for siting, planes in layout.alike().items():
        piece = _piece(layer, layout, siting, planes)
        if piece.bend is None:
            for plane in planes:
                options = _options(layout, plane, edge, kernel)
                whole = Region.of(out[plane])
                sample_region(layer.planes[plane], piece.matrix, whole, out[plane], **options)
            continue
        for region in _bands(out[planes[0]]):
            positions = piece.positions(region)
            for plane in planes:
                options = _options(layout, plane, edge, kernel)
                sample(layer.planes[plane], positions, out[plane][region.within], **options)


def _options(layout: Layout, plane: int, edge: Edge, kernel: Kernel) -> dict[str, Any]:
    black, peak = layout.blacks[plane], layout.peak
    return {"kernel": kernel, "edge": edge, "black": black, "peak": peak}


def filled(
    own: Layer,
    neighbours: Sequence[Layer],
    layout: Layout,
    out: Sequence[Samples],
    kernel: Kernel = "bicubic",
) -> None:
    """Corrects a frame, and shows other frames of the scene beyond its edge.

    Each neighbour is brought to the frame's brightness and colour, and blended in over a few
    pixels inside the edge; what none of them has is mirrored.

    Args:
        own: The frame.
        neighbours: The frames to take the rest from, the best first.
        layout: Of all their planes.
        out: Takes the planes of the corrected frame.
        kernel: See ``warp.sample``.
    """
    warped(own, layout, out, "mirror", kernel)
    feather = max(4.0, layout.height / 60)
    for siting, planes in layout.alike().items():
        pieces = [_piece(layer, layout, siting, planes) for layer in (own, *neighbours)]
        shifts = _brightness_shifts(pieces)
        for region in _rim(pieces[0], feather):
            _fill(region, pieces, shifts, feather, [out[plane] for plane in planes], layout.peak)


class _Piece(NamedTuple):
    """Planes of a frame that lie alike, and how they are corrected."""

    planes: Sequence[Samples]
    siting: Siting
    matrix: Matrix
    bend: Bend | None

    def positions(self, region: Region) -> Grid:
        """Returns where a region of the output is to be taken from."""
        return grid(self.matrix, region, self.bend)

    def seen(self, plane: Samples, region: Region, **options: Any) -> Samples:
        """Returns a region of the output; ``options`` are those of ``warp.sample``."""
        out = np.empty(region.shape, plane.dtype)
        if self.bend is None:
            sample_region(plane, self.matrix, region, out, **options)
        else:
            sample(plane, self.positions(region), out, **options)
        return out

    def weight(self, region: Region, feather: float) -> NDArray[np.float32]:
        """Returns 0 outside the frame, 1 from ``feather`` inside on, what is between in between."""
        inset = _inset(self.planes[0].shape, self.siting, feather)
        beyond = -0.5 * max(self.siting.step_x, self.siting.step_y) / feather
        weight = self.seen(inset, region, kernel="linear", edge="black", black=beyond)
        return np.maximum(weight, 0.0, out=weight)


@lru_cache(maxsize=8)
def _inset(shape: tuple[int, int], siting: Siting, feather: float) -> NDArray[np.float32]:
    """Returns how deep inside the frame the samples of a plane lie, in feathers; 1 at most."""
    plane = np.empty(shape, np.float32)
    depth = _depth(grid(np.eye(3), Region.of(plane)), plane, siting)
    np.multiply(depth, np.float32(1 / feather), out=plane)
    return np.minimum(plane, 1.0, out=plane)


def _piece(layer: Layer, layout: Layout, siting: Siting, planes: Sequence[int]) -> _Piece:
    """Returns those planes of a frame that have this siting."""
    size = layout.width, layout.height
    return _Piece(
        [layer.planes[plane] for plane in planes],
        siting,
        for_plane(layer.correction, *size, siting),
        None if layer.bend is None else bend_for_plane(layer.bend, *size, siting),
    )


def _fill(
    region: Region,
    pieces: Sequence[_Piece],
    shifts: Sequence[Sequence[float]],
    feather: float,
    out: Sequence[Samples],
    peak: float,
) -> None:
    """Blends neighbours into a region of planes that hold the corrected frame, mirrored."""
    own, *neighbours = pieces
    pictures = [target[region.within] for target in out]
    weight = own.weight(region, feather)
    totals = [weight * picture for picture in pictures]
    left_over = 1.0 - weight
    for neighbour, shift in zip(neighbours, shifts, strict=True):
        weight = neighbour.weight(region, feather)
        weight *= left_over
        if not weight.any():
            continue
        left_over -= weight
        for plane, total, plane_shift in zip(neighbour.planes, totals, shift, strict=True):
            lent = np.add(
                neighbour.seen(plane, region, peak=peak), np.float32(plane_shift), dtype=np.float32
            )
            lent *= weight
            total += lent
    # Where somebody has the picture, however close to the edge, it is preferred to the mirror.
    mirrored = left_over.copy()
    for _ in range(_MIRROR_SQUARINGS):
        np.square(mirrored, out=mirrored)
    share = (1.0 - mirrored) / np.maximum(1.0 - left_over, np.float32(1e-6))
    for picture, total in zip(pictures, totals, strict=True):
        total *= share
        total += mirrored * picture
        if picture.dtype.kind == "u":
            np.rint(total, out=total)
            np.clip(total, 0.0, min(peak, np.iinfo(picture.dtype).max), out=total)
        picture[...] = total


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
    if not chain or not len(points):
        return []
    distances = list(chain)
    places = np.column_stack([points, np.ones(len(points))]) @ correction.T
    lent = places @ np.stack([chain[distance] for distance in distances]).transpose(0, 2, 1)
    covered = _inside(lent[..., :2] / lent[..., 2:], aspect)
    worth = np.array([_PER_FRAME_AWAY ** abs(distance) for distance in distances])
    missing = np.ones(len(points), np.bool_)
    chosen: list[int] = []
    while len(chosen) < _MOST_NEIGHBOURS:
        gains = worth * (covered & missing).sum(axis=1)
        best = int(gains.argmax())
        if not gains[best]:
            break
        chosen.append(distances[best])
        missing &= ~covered[best]
    return chosen


def invented(
    correction: Matrix, layout: Layout, out: NDArray[np.bool_], bend: Mesh | None = None
) -> None:
    """Marks which pixels of a corrected frame are not of the frame itself.

    Args:
        correction: Of the frame.
        layout: Of its planes.
        out: Takes the mask; the size of the luma.
        bend: See ``Layer``.
    """
    piece = _piece(Layer((), correction, bend), layout, Siting(), ())
    np.less(_depth(piece.positions(Region.of(out)), out, Siting()), -_ROUNDING, out=out)


def zoom_needed(
    correction: Matrix,
    aspect: float,
    part: tuple[float, float] = (1.0, 1.0),
    bend: Mesh | None = None,
) -> float:
    """Returns how much a corrected frame must be enlarged for its edge to lie outside.

    Args:
        correction: Of the frame.
        aspect: Width over height of the frame.
        part: Width and height of the middle that has to be covered, as parts of the frame's.
        bend: See ``Layer``; with one, the answer is on the safe side.

    Returns:
        1 if nothing is missing; infinity if no enlargement helps.
    """
    # A point p of the output, seen at zoom z, is at C(p / z) of the input. Inside means
    # |x| <= half the width and |y| <= 1/2, which is linear in 1/z.
    half = np.array([aspect / 2, 0.5])
    if bend is not None:
        half -= _reach(bend)
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


# The mirrored picture fades in where all others together weigh a tenth and less: the share that
# they leave, to the power of 16.
_MIRROR_SQUARINGS = 4
# Positions that differ from the edge by no more are on it.
_ROUNDING = 1e-3


# Positions are computed for so many samples at a time: more would leave the processor's caches, and
# the allocator would ask the system for memory again and again.
_AT_A_TIME = 24576


def _bands(plane: Samples) -> Iterator[Region]:
    """Returns regions of whole rows that make up a plane."""
    height, width = plane.shape
    rows = max(1, _AT_A_TIME // width)
    for top in range(0, height, rows):
        yield Region(0, top, width, min(top + rows, height))


def _depth(positions: Grid, plane: Samples, siting: Siting) -> NDArray[np.float32]:
    """Returns how deep inside the frame positions are, in pixels of the luma; negative outside.

    The edge of the frame is that of its outermost pixels, half a pixel beyond their centres.
    """
    height, width = plane.shape
    half = np.float32(0.5)
    x = np.minimum(positions.x + half, np.float32(width) - half - positions.x)
    y = np.minimum(positions.y + half, np.float32(height) - half - positions.y)
    x *= np.float32(siting.step_x)
    y *= np.float32(siting.step_y)
    return np.asarray(np.minimum(x, y, out=x))


def _rim(piece: _Piece, feather: float) -> list[Region]:
    """Returns the regions at those sides of a plane where something is missing.

    In the rest of the plane all is at least ``feather`` inside the frame.
    """
    height, width = piece.planes[0].shape
    across, down = (0.0, 0.0) if piece.bend is None else _reach(piece.bend.shifts)
    first, last = _run(piece.matrix, 0, (width, height), feather / piece.siting.step_x, across)
    top, bottom = _run(piece.matrix, 1, (width, height), feather / piece.siting.step_y, down)
    regions = [
        Region(0, 0, width, top),
        Region(0, bottom, width, height),
        Region(0, top, first, bottom),
        Region(last, top, width, bottom),
    ]
    return [part for part in regions if part.left < part.right and part.top < part.bottom]


def _run(
    matrix: Matrix, axis: int, sides: tuple[int, int], feather: float, bend: float
) -> tuple[int, int]:
    """Returns the largest range of columns or rows that is ``feather`` inside at both ends.

    On a side where nothing is missing, it goes up to the edge.

    Args:
        matrix: Of a plane's samples.
        axis: 0 for the columns, 1 for the rows.
        sides: Width and height of the plane.
        feather: In samples.
        bend: How far positions may be off those of the matrix.
    """
    size, last = sides[axis], sides[axis] - 1
    # Along a line of the output positions change monotonously: its ends are the extremes. The
    # position of sample t of an edge is (p t + q) / (r t + s).
    edges = [
        (matrix[[axis, 2]][:, [axis, 2]] + [[0.0, along], [0.0, swing]]).ravel().tolist()
        for along, swing in (matrix[[axis, 2], 1 - axis] * end for end in (0, sides[1 - axis] - 1))
    ]
    near, far = feather + bend, last - feather - bend
    if any(min(p - near * r, p - far * r, s, r * last + s) <= 0 for p, _, r, s in edges):
        return size, size
    begin = max(0, *(math.ceil((near * s - q) / (p - near * r)) for p, q, r, s in edges))
    end = min(last, *(math.floor((far * s - q) / (p - far * r)) for p, q, r, s in edges)) + 1
    if begin >= end:
        return size, size
    if all(q >= (bend - 0.5) * s for _, q, _, s in edges):
        begin = 0
    if all(p * last + q <= (last + 0.5 - bend) * (r * last + s) for p, q, r, s in edges):
        end = size
    return begin, end


def _reach(shifts: Floats | NDArray[np.float32]) -> tuple[float, float]:
    """Returns how far a mesh shifts points at most, sideways and up or down."""
    across, down = np.abs(shifts).max(axis=(0, 1)).tolist()
    return across, down


def _brightness_shifts(pieces: Sequence[_Piece]) -> list[list[float]]:
    """Returns what to add to the planes of each neighbour: the median difference to the first."""
    height, width = pieces[0].planes[0].shape
    points = _spread_out(width, height)
    places = np.stack([apply(piece.matrix, points) for piece in pieces])
    inside = ((places >= 0) & (places <= (width - 1, height - 1))).all(axis=-1)
    near = np.clip(np.rint(places), 0, (width - 1, height - 1)).astype(np.intp)
    shifts = []
    for piece, seen, (x, y) in zip(
        pieces[1:], inside[1:], near[1:].transpose(0, 2, 1), strict=True
    ):
        both = seen & inside[0]
        own_x, own_y = near[0].T
        shifts.append(
            [
                _median(own[own_y, own_x].astype(np.float32) - lent[y, x], both)
                for own, lent in zip(pieces[0].planes, piece.planes, strict=True)
            ]
        )
    return shifts


def _median(values: NDArray[np.float32], chosen: NDArray[np.bool_]) -> float:
    """Returns the (upper) median of some values, 0 of none."""
    found = np.sort(values[chosen])
    return float(found[len(found) // 2]) if len(found) else 0.0


@lru_cache(maxsize=8)
def _spread_out(width: int, height: int) -> Floats:
    """Returns points all over a plane, in its samples."""
    x, y = np.linspace(0, width - 1, 25), np.linspace(0, height - 1, 14)
    return np.stack([axis.ravel() for axis in np.meshgrid(x, y)], axis=-1)


@lru_cache(maxsize=8)
def _points(aspect: float) -> Floats:
    """Returns points all over a frame, closer together where picture is likely to be missing."""
    side = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 25)) / 2
    return np.stack([axis.ravel() for axis in np.meshgrid(side * aspect, side)], axis=-1)


def _inside(points: Floats, aspect: float) -> NDArray[np.bool_]:
    return np.asarray((np.abs(points) <= (aspect / 2, 0.5)).all(axis=-1))
