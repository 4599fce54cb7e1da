"""Where points of one picture are in the next: three ways, checked forward and backward."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..native import corners, track
from ..native.library import available
from ..native.match import Choice
from ..native.match import match as compiled_match
from ..native.pictures import Picture, Points

type FlowName = Literal["lk", "dis", "farneback"]

FLOWS: tuple[FlowName, ...] = ("lk", "dis", "farneback")

# One corner is taken of every cell of the half-size picture: points that are spread evenly keep a
# textured object in front from outvoting the scene behind it. Small pictures have smaller cells.
_CELL = 18
_SMALLEST_CELL = 4
_ROWS = 10
# Pictures with a side of fewer pixels can't be followed.
_SMALLEST = 32
# Nearer to the edge, half of what a point is known by is outside the picture.
_MARGIN = 3
# Smallest eigenvalue of the structure tensor, in cv2.cornerMinEigenVal's own scale. Below, there
# is nothing but noise to hold on to.
_FLAT = 2e-5
# From here on texture is as good as any.
_TEXTURED = 1e-3

# Forward and back again must end where it began, up to this many pixels.
_RETURN = 0.7


# There is an answer where nothing matches, too, in noise above all, and a way back from there. So
# what is around a point must look the same: normalised cross-correlation of so many pixels to each
# side.
_ALIKE = 0.5
_AROUND = 4

# OpenCV's vector code takes eight columns at a time, and one is left: 15 take twice as long.
_WINDOW = (17, 17)
# Steps of the pyramid, each half the size; and when a step is done: so many turns, or less change.
_LEVELS = 4
_THERE = (8, 0.03)
# The way back begins where it should end: if that is no match, it leads away from there. It takes
# a quarter of the time. A few points may agree by chance: they are followed all the way.
_BACK = (5, 0.03)
_FEW = 60


class Matches(NamedTuple):
    """Points of one picture and where they are in another, in pixels."""

    before: Points
    """N x 2."""
    after: Points
    """N x 2."""
    weights: NDArray[np.float64]
    """N, from 0 to 1: how well each is known."""
    candidates: int
    """Number of points that were looked for."""


def match(previous: Picture, current: Picture, flow: FlowName) -> Matches:
    """Returns where textured points of one picture are in the next.

    Points are the best corner of each cell of a grid (Shi and Tomasi, "Good features to track",
    CVPR 1994). Those that do not come back when they are followed backwards are left out.

    Args:
        previous: Luma, 8 bits.
        current: Luma of the same size.
        flow: ``"lk"`` follows each point with pyramidal Lucas-Kanade; ``"dis"`` and
            ``"farneback"`` compute the flow of the whole picture and read it at the points.
    """
    if min(previous.shape) < _SMALLEST:
        nowhere = np.empty((0, 2), np.float32)
        return Matches(nowhere, nowhere, np.empty(0), 0)
    if flow == "lk" and available(previous) and available(current):
        return Matches(*compiled_match(previous, current, _choice(*previous.shape)))
    points, texture = _textured_points(previous)
    if len(points) == 0:
        return Matches(points, points, texture, 0)
    there, back = _FLOWS[flow](previous, current, points)
    back[_correlation(previous, current, points, there) < _ALIKE] = np.inf
    error = np.linalg.norm(back - points, axis=1)
    height, width = previous.shape
    inside = ((there >= 0) & (there <= (width - 1, height - 1))).all(axis=1)
    kept = inside & (error < _RETURN)
    weights = texture / (1 + np.square(error / (_RETURN / 2)))
    return Matches(points[kept], there[kept], weights[kept], len(points))


class _Cells(NamedTuple):
    """The grid of the half-size picture, a corner of each cell of which is taken."""

    left: int
    top: int
    cell: int
    columns: int
    rows: int


def _cells(height: int, width: int) -> _Cells:
    """Returns the grid of a picture."""
    sides = height // 2, width // 2
    cell = min(_CELL, max(_SMALLEST_CELL, min(sides) // _ROWS))
    rows, columns = ((side - 2 * _MARGIN) // cell for side in sides)
    top, left = ((side - n * cell) // 2 for side, n in zip(sides, (rows, columns), strict=True))
    return _Cells(left, top, cell, columns, rows)


@lru_cache(maxsize=8)
def _choice(height: int, width: int) -> Choice:
    """Returns what compiled code has to know of the points of a picture."""
    (turns, enough), (turns_back, enough_back) = _THERE, _BACK
    return Choice(
        **_cells(height, width)._asdict(),
        levels=_levels(height, width),
        **{"turns": turns, "enough": enough, "turns_back": turns_back, "enough_back": enough_back},
        **{"few": _FEW, "flat": _FLAT, "textured": _TEXTURED, "away": _RETURN, "alike": _ALIKE},
    )


def _textured_points(picture: Picture) -> tuple[Points, NDArray[np.float64]]:
    """Returns the best corner of each cell, and how textured it is, from 0 to 1."""
    # At half the size corners are as good, noise is less, and it takes a quarter of the time.
    height, width = picture.shape
    even = picture[: height // 2 * 2, : width // 2 * 2]
    halved = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    small = np.asarray(halved, np.uint8)
    best = corners.corners if available(small) else _corners_by_opencv
    places, strengths = best(small, *_cells(height, width))
    textured = strengths > _FLAT
    points = places[textured].astype(np.float32) * 2 + np.float32(0.5)
    return points, np.minimum(strengths[textured] / _TEXTURED, 1.0).astype(np.float64)


def _corners_by_opencv(
    small: Picture, left: int, top: int, cell: int, columns: int, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Does what ``native.corners`` does where there is no compiled code."""
    strength = cv2.cornerMinEigenVal(small, 3)
    inner = strength[top : top + rows * cell, left : left + columns * cell]
    split = inner.reshape(rows, cell, columns, cell).transpose(0, 2, 1, 3)
    cells = split.reshape(rows * columns, cell * cell)
    best = cells.argmax(axis=1)
    row, column = np.divmod(np.arange(rows * columns), columns)
    places = np.stack([left + column * cell + best % cell, top + row * cell + best // cell], axis=1)
    strengths = np.take_along_axis(cells, best[:, None], axis=1)[:, 0]
    return places.astype(np.int64), strengths.astype(np.float32)


def _levels(height: int, width: int) -> int:
    """Returns in how many sizes it is looked at: none is smaller than what a point is known by."""
    levels, side = 1, min(height, width)
    while levels <= _LEVELS and side > 2 * max(_WINDOW):
        levels, side = levels + 1, (side + 1) // 2
    return levels


def _lucas_kanade(previous: Picture, current: Picture, points: Points) -> tuple[Points, Points]:
    """Bouguet's pyramidal Lucas-Kanade, there and back, where there is no compiled code."""

    def followed(
        first: Picture,
        second: Picture,
        points: Points,
        guess: Points,
        levels: int,
        until: tuple[int, float],
    ) -> tuple[Points, NDArray[np.bool_]]:
        places, found, _ = cv2.calcOpticalFlowPyrLK(
            first,
            second,
            points,
            guess.copy(),
            winSize=_WINDOW,
            maxLevel=levels - 1,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, *until),
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )
        return np.asarray(places, np.float32), np.asarray(found).ravel() != 0

    levels = _levels(*previous.shape)
    found, held = followed(previous, current, points, points, levels, _THERE)
    if len(points) < _FEW:
        returned, held_too = followed(current, previous, found, found, levels, _THERE)
    else:
        returned, held_too = followed(current, previous, found, points, 1, _BACK)
    returned[~(held & held_too)] = np.inf
    return found, returned


def _dis(previous: Picture, current: Picture, points: Points) -> tuple[Points, Points]:
    """Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016."""
    # Rows of the core's frames lie apart, which it does not take.
    previous, current = map(np.ascontiguousarray, (previous, current))
    # Made anew each time: it keeps buffers, so threads can't share it.
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    blank = np.zeros((*previous.shape, 2), np.float32)
    forward = method.calc(previous, current, blank.copy())
    backward = method.calc(current, previous, blank)
    return _read(forward, backward, points)


def _farneback(previous: Picture, current: Picture, points: Points) -> tuple[Points, Points]:
    """Farneback, "Two-frame motion estimation based on polynomial expansion", SCIA 2003."""
    forward, backward = (
        cv2.calcOpticalFlowFarneback(first, second, np.zeros(()), 0.5, 3, 15, 3, 5, 1.2, 0)
        for first, second in ((previous, current), (current, previous))
    )
    return _read(forward, backward, points)


def _read(forward: NDArray[Any], backward: NDArray[Any], points: Points) -> tuple[Points, Points]:
    """Follows points by a dense flow, there and back."""
    there = points + _sample(forward, points[None])[0]
    return there, there + _sample(backward, there[None])[0]


def _correlation(
    previous: Picture, current: Picture, points: Points, there: Points
) -> NDArray[np.float32]:
    """Returns how much the surroundings of points look alike: -1 to 1; brightness is left out."""
    if available(previous):
        return track.correlation(previous, current, points, there)
    own, other = (
        _sample(picture, places[:, None] + _PATCH).astype(np.float32)
        for picture, places in ((previous, points), (current, there))
    )
    count = np.float32(own.shape[1])
    means = own.mean(axis=1), other.mean(axis=1)
    # As sums: of whole numbers up to 255, single precision has enough.
    products = [np.einsum("ij,ij->i", *pair) for pair in ((own, own), (other, other), (own, other))]
    own_power, other_power, common = (
        product - count * one * two
        for product, one, two in zip(
            products, (means[0], means[1], means[0]), (means[0], means[1], means[1]), strict=True
        )
    )
    power = np.sqrt(np.maximum(own_power, 1e-3) * np.maximum(other_power, 1e-3))
    return np.asarray(common / power)


_PATCH = np.stack(
    np.meshgrid(*[np.arange(-_AROUND, _AROUND + 1, dtype=np.float32)] * 2), axis=-1
).reshape(1, -1, 2)


def _sample(plane: NDArray[Any], places: Points) -> NDArray[Any]:
    """Reads a picture or a flow between its pixels, at H x W x 2 places."""
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


_FLOWS: dict[str, Callable[[Picture, Picture, Points], tuple[Points, Points]]] = {
    "lk": _lucas_kanade,
    "dis": _dis,
    "farneback": _farneback,
}
