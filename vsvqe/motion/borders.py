"""What is seen where a corrected frame has no picture of its own."""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..native.correct import Alike, Planes, correct
from ..native.lenders import lenders as best_lenders
from ..native.library import available, compiled
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
    units_of,
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

    @cached_property
    def alike(self) -> dict[Siting, list[int]]:
        """The planes of each siting, which share their positions."""
        groups: dict[Siting, list[int]] = {}
        for plane, siting in enumerate(self.sitings):
            groups.setdefault(siting, []).append(plane)
        return groups

    @property
    def feather(self) -> float:
        """Over how many pixels of the luma other frames are blended in."""
        return max(4.0, self.height / 60)

    @cached_property
    def described(self) -> Planes:
        """The planes, as compiled code is told of them."""
        groups = []
        for siting, planes in self.alike.items():
            width = -(-self.width // siting.step_x)
            height = -(-self.height // siting.step_y)
            units, points = units_of(self.width, self.height, siting), _spread_out(width, height)
            steps = siting.step_x, siting.step_y
            groups.append(Alike(planes, width, height, units, points, steps))
        return Planes(groups, self.blacks, self.feather)


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
    if _compiled([layer], out, kernel):
        _at_once([layer], layout, out, edge)
        return
    for siting, planes in layout.alike.items():
        (piece,) = _pieces([layer], layout, siting, planes)
        _warped(piece, layout, planes, [out[plane] for plane in planes], edge, kernel)


def _warped(
    piece: "_Piece",
    layout: Layout,
    planes: Sequence[int],
    out: Sequence[Samples],
    edge: Edge,
    kernel: Kernel,
) -> None:
    """Corrects planes that lie alike."""
    options = [_options(layout, plane, edge, kernel) for plane in planes]
    whole = Region.of(out[0])
    if piece.bend is None:
        for plane, target, its in zip(piece.planes, out, options, strict=True):
            sample_region(plane, piece.matrix, whole, target, **its)
        return
    for region in _bands(out[0]):
        positions = piece.positions(region)
        for plane, target, its in zip(piece.planes, out, options, strict=True):
            sample(plane, positions, target[region.within], **its)


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
    layers = [own, *neighbours]
    if _compiled(layers, out, kernel):
        _at_once(layers, layout, out, "mirror")
        return
    for siting, planes in layout.alike.items():
        pieces = _pieces(layers, layout, siting, planes)
        targets = [out[plane] for plane in planes]
        _warped(pieces[0], layout, planes, targets, "mirror", kernel)
        rim = _Rim(pieces[0], layout.feather)
        if rim.regions:
            _fill(rim, pieces, targets, layout.peak)


def _compiled(layers: Sequence[Layer], out: Sequence[Samples], kernel: Kernel) -> bool:
    """Whether there is compiled code for all that is to be done."""
    straight = all(layer.bend is None for layer in layers)
    return kernel == "bicubic" and straight and available(out[0])


def _at_once(layers: Sequence[Layer], layout: Layout, out: Sequence[Samples], edge: Edge) -> None:
    """Corrects a frame, and shows its neighbours beyond its edge, in compiled code."""
    planes, corrections, _ = zip(*layers, strict=True)
    correct(layout.described, out, planes, corrections, edge=edge, peak=layout.peak)


class _Piece(NamedTuple):
    """Planes of a frame that lie alike, and how they are corrected."""

    planes: Sequence[Samples]
    siting: Siting
    matrix: Matrix
    bend: Bend | None

    def positions(self, region: Region) -> Grid:
        """Returns where a region of the output is to be taken from."""
        return grid(self.matrix, region, self.bend)


def _pieces(
    layers: Sequence[Layer], layout: Layout, siting: Siting, planes: Sequence[int]
) -> list[_Piece]:
    """Returns those planes of frames that have this siting."""
    size = layout.width, layout.height
    matrices = for_plane(np.array([layer.correction for layer in layers]), *size, siting)
    return [
        _Piece(
            [layer.planes[plane] for plane in planes],
            siting,
            matrix,
            None if layer.bend is None else bend_for_plane(layer.bend, *size, siting),
        )
        for layer, matrix in zip(layers, matrices, strict=True)
    ]


def _fill(rim: "_Rim", pieces: Sequence[_Piece], out: Sequence[Samples], peak: float) -> None:
    """Blends neighbours into the rim of planes that hold the corrected frame, mirrored."""
    own, *neighbours = pieces
    pictures, seen, total, lent, weight, left_over = rim.tables(len(out), out[0].dtype)
    rim.gather(out, pictures)
    rim.weigh(own, rim.positions(own), weight)
    np.multiply(weight, pictures, out=total)
    np.subtract(1.0, weight, out=left_over)
    for neighbour, added in zip(neighbours, _brightness_shifts(pieces), strict=True):
        positions = rim.positions(neighbour)
        rim.weigh(neighbour, positions, weight)
        weight *= left_over
        left_over -= weight
        for plane, table in zip(neighbour.planes, seen, strict=True):
            sample(plane, positions, table, peak=peak)
        np.add(seen, added[:, None, None], out=lent, dtype=np.float32)
        lent *= weight
        total += lent
    # Where somebody has the picture, however close to the edge, it is preferred to the mirror.
    mirrored, lent_by_others = weight, lent[0]
    np.copyto(mirrored, left_over)
    for _ in range(_MIRROR_SQUARINGS):
        np.square(mirrored, out=mirrored)
    np.subtract(1.0, left_over, out=left_over)
    np.maximum(left_over, np.float32(1e-6), out=left_over)
    np.subtract(1.0, mirrored, out=lent_by_others)
    lent_by_others /= left_over
    total *= lent_by_others
    total += np.multiply(mirrored, pictures, out=lent)
    if pictures.dtype.kind == "u":
        np.rint(total, out=total)
        np.clip(total, 0.0, min(peak, np.iinfo(pictures.dtype).max), out=total)
    rim.scatter(total, out)


def lenders(correction: Matrix, chain: Mapping[int, Matrix], aspect: float) -> list[int]:
    """Chooses the neighbours that ``filled`` should take the missing picture from.

    Args:
        correction: Of the frame.
        chain: By distance in frames (negative before): the motion from the frame to the neighbour.
        aspect: Width over height of the frame.

    Returns:
        The distances of at most four neighbours, the most useful first; none if nothing is missing.
    """
    if not chain:
        return []
    distances, points = list(chain), _points(aspect)
    matrices = np.array(list(chain.values())) @ correction
    worth = np.array([_PER_FRAME_AWAY ** abs(distance) for distance in distances])
    best = best_lenders if compiled() else _lenders
    chosen = best(correction, matrices, worth, points, aspect / 2, _MOST_NEIGHBOURS)
    return [distances[neighbour] for neighbour in chosen]


def _lenders(
    correction: Matrix, matrices: Floats, worth: Floats, points: Floats, half: float, most: int
) -> list[int]:
    """Does what ``native.lenders`` does where there is no compiled code."""
    missing = ~_inside(apply(correction, points), half)
    places = np.column_stack([points, np.ones(len(points))]) @ matrices.transpose(0, 2, 1)
    covered = _inside(places[..., :2] / places[..., 2:], half)
    chosen: list[int] = []
    while len(chosen) < most:
        gains = worth * (covered & missing).sum(axis=1)
        best = int(gains.argmax())
        if not gains[best]:
            break
        chosen.append(best)
        missing &= ~covered[best]
    return chosen


def invented(
    correction: Matrix,
    layout: Layout,
    out: NDArray[np.bool_],
    bend: Mesh | None = None,
    *,
    lent: bool = False,
) -> None:
    """Marks which pixels of a corrected frame are not, or not wholly, of the frame itself.

    Args:
        correction: Of the frame.
        layout: Of its planes.
        out: Takes the mask; the size of the luma.
        bend: See ``Layer``.
        lent: Whether other frames lend their picture, which is blended in inside the edge, too.
    """
    (piece,) = _pieces([Layer((out,), correction, bend)], layout, Siting(), (0,))
    depth = _depth(piece.positions(Region.of(out)), out, Siting())
    # Half a pixel of the result, in those of the frame.
    half = 0.5 * math.sqrt(abs(float(np.linalg.det(piece.matrix[:2, :2]))))
    np.less(depth, half - _ROUNDING, out=out)
    if lent:
        feather = layout.feather
        for region in _Rim(piece, feather).regions:
            # The weights are interpolated, so they end half a pixel further in.
            out[region.within] |= depth[region.within] < feather + 0.5


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
    # |x| <= half the width and |y| <= 1/2, which is linear in 1/z. In plain numbers: for four
    # points NumPy would take several times as long.
    across, down = (0.0, 0.0) if bend is None else _reach(bend)
    halves = aspect / 2 - across, 0.5 - down
    shown = (corners(aspect) * part).tolist()
    *places, (g, h, i) = correction.tolist()
    most = 1.0
    for (a, b, c), half in zip(places, halves, strict=True):
        for sign in (1.0, -1.0):
            room = half * i - sign * c
            if room <= 0:
                return math.inf
            for x, y in shown:
                reach = sign * (a * x + b * y) - half * (g * x + h * y)
                if reach * most > room:
                    most = room / reach
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


# Samples in each row of a table at least: any number will do.
_COLUMNS = 128
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


class _Rim:
    """The regions at those sides of planes where something of a frame is missing.

    In the rest of the plane all is at least ``feather`` inside the frame. The samples of all
    regions are handled together, in rows of equal length that have nothing to do with those of the
    frame: they are few, and a call for each region would take longer than the work.
    """

    def __init__(self, own: _Piece, feather: float) -> None:
        """Finds the regions.

        Args:
            own: The planes of the frame.
            feather: In pixels of the luma.
        """
        self.feather = feather
        height, width = own.planes[0].shape
        siting, matrix = own.siting, own.matrix
        across, down = (0.0, 0.0) if own.bend is None else _reach(own.bend.shifts)
        first, last = _run(matrix, 0, (width, height), feather / siting.step_x, across)
        top, bottom = _run(matrix, 1, (width, height), feather / siting.step_y, down)
        sides = [
            Region(0, 0, width, top),
            Region(0, bottom, width, height),
            Region(0, top, first, bottom),
            Region(last, top, width, bottom),
        ]
        self.regions = [side for side in sides if side.left < side.right and side.top < side.bottom]
        self._ends = list(accumulate(math.prod(region.shape) for region in self.regions))

    def tables(self, count: int, dtype: np.dtype[Any]) -> "_Tables":
        """Returns memory for the samples of P planes; the next caller of this thread gets it too.

        Args:
            count: P.
            dtype: Of the planes.
        """
        rows, columns = self._shape
        size = rows * columns
        flat = _scratch.floats((2 + 4 * count) * size)
        alone, of_planes = flat[: 2 * size], flat[2 * size :].reshape(4, -1)
        samples = [table.view(dtype)[: count * size] for table in of_planes[:2]]
        pictures, seen, total, lent = (
            table.reshape(count, rows, columns) for table in (*samples, *of_planes[2:])
        )
        return _Tables(pictures, seen, total, lent, *alone.reshape(2, rows, columns))

    def gather(self, planes: Sequence[Samples], samples: Samples) -> None:
        """Reads the samples of P planes of the output, P x rows x columns."""
        for plane, table in zip(planes, samples, strict=True):
            for region, part in self._parts(table):
                part[...] = plane[region.within]
            # What is over is computed with too, and may have been anything.
            table.reshape(-1)[self._ends[-1] :] = 0

    def scatter(self, samples: Samples, planes: Sequence[Samples]) -> None:
        """Writes what ``gather`` read, or what was made of it, to planes of the output."""
        for plane, table in zip(planes, samples, strict=True):
            for region, part in self._parts(table):
                plane[region.within] = part

    def positions(self, piece: _Piece) -> NDArray[np.float32]:
        """Returns where the samples are to be taken from in the planes of a frame."""
        if piece.bend is None:
            return np.asarray(cv2.perspectiveTransform(self._places, piece.matrix), np.float32)
        positions = np.zeros_like(self._places)
        for region, part in self._parts(positions):
            part[..., 0], part[..., 1] = piece.positions(region)
        return positions

    def weigh(self, piece: _Piece, positions: NDArray[np.float32], weight: Samples) -> None:
        """Computes 0 outside of a frame, 1 from ``feather`` inside on; rows x columns."""
        places = Grid(positions[..., 0], positions[..., 1])
        depth = _depth(places, piece.planes[0], piece.siting)
        np.clip(depth / np.float32(self.feather), 0.0, 1.0, out=weight)

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Rows and columns of the tables; what is over at their end is nothing."""
        # OpenCV takes sides of less than 32767 samples: longer rims have longer rows.
        size = self._ends[-1]
        columns = max(_COLUMNS, math.isqrt(size) + 1)
        return -(-size // columns), columns

    @cached_property
    def _places(self) -> NDArray[np.float32]:
        """Where the samples are in the output: rows x columns x 2; (0, 0) where there is none."""
        places = np.zeros((*self._shape, 2), np.float32)
        for region, part in self._parts(places):
            part[..., 0] = np.arange(region.left, region.right)
            part[..., 1] = np.arange(region.top, region.bottom)[:, None]
        return places

    def _parts(self, table: NDArray[Any]) -> Iterator[tuple[Region, NDArray[Any]]]:
        """Returns each region, and its part of a table as a rectangle."""
        depth = table.shape[2:]
        samples = table.reshape(-1, *depth)
        for region, begin, end in zip(self.regions, [0, *self._ends], self._ends, strict=False):
            yield region, samples[begin:end].reshape(*region.shape, *depth)


class _Tables(NamedTuple):
    """What a fill works on: four times P x rows x columns, twice rows x columns."""

    pictures: Samples
    seen: Samples
    total: NDArray[np.float32]
    lent: NDArray[np.float32]
    weight: NDArray[np.float32]
    left_over: NDArray[np.float32]


class _Scratch(threading.local):
    """Memory of a thread that is used again and again: fresh memory costs a fault every page."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.float32)

    def floats(self, count: int) -> NDArray[np.float32]:
        """Returns so many numbers, with what was left in them."""
        if count > _MOST_KEPT:
            return np.empty(count, np.float32)
        if count > self._kept.size:
            self._kept = np.empty(count, np.float32)
        return self._kept[:count]


# 8 MiB: rims are larger where most of a large frame is missing.
_MOST_KEPT = 1 << 21
_scratch = _Scratch()


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
    rows = matrix.tolist()
    place, scale = rows[axis], rows[2]
    edges = [
        (
            place[axis],
            place[2] + place[1 - axis] * end,
            scale[axis],
            scale[2] + scale[1 - axis] * end,
        )
        for end in (0, sides[1 - axis] - 1)
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


def _brightness_shifts(pieces: Sequence[_Piece]) -> NDArray[np.float32]:
    """Returns what to add to the planes of neighbours: the median differences to the first, K x P.

    The median is the upper one; without common points, 0.
    """
    height, width = pieces[0].planes[0].shape
    points = _spread_out(width, height)
    places = np.stack([apply(piece.matrix, points) for piece in pieces])
    inside = ((places >= 0) & (places <= (width - 1, height - 1))).all(axis=-1)
    columns, rows = np.clip(np.rint(places), 0, (width - 1, height - 1)).astype(np.intp).T
    own, *lent = (
        np.stack([plane[rows[:, k], columns[:, k]] for plane in piece.planes]).astype(np.float32)
        for k, piece in enumerate(pieces)
    )
    both = inside[0] & inside[1:]
    differences = np.where(both[:, None], own - np.stack(lent), np.float32(np.inf))
    differences.sort(axis=-1)
    counts = both.sum(axis=-1)
    medians = differences[np.arange(len(lent)), :, np.minimum(counts // 2, len(points) - 1)]
    return np.where(counts[:, None] > 0, medians, np.float32(0))


@lru_cache(maxsize=8)
def _spread_out(width: int, height: int) -> Floats:
    """Returns points all over a plane, in its samples, N x 2."""
    x, y = np.meshgrid(np.linspace(0, width - 1, 25), np.linspace(0, height - 1, 14))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


@lru_cache(maxsize=8)
def _points(aspect: float) -> Floats:
    """Returns points all over a frame, closer together where picture is likely to be missing."""
    side = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 25)) / 2
    return np.stack([axis.ravel() for axis in np.meshgrid(side * aspect, side)], axis=-1)


def _inside(points: Floats, half: float) -> NDArray[np.bool_]:
    """Returns which points, in centred units, are in a frame of twice this width."""
    return np.asarray((np.abs(points) <= (half, 0.5)).all(axis=-1))
