"""Runs a session over overlapping tiles, blends them, and shrinks them when memory runs out."""

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from .errors import OutOfMemory
from .session import Array, Session

logger = logging.getLogger(__name__)

type Size = tuple[int, int]
"""Width and height, in cells."""


@dataclass(frozen=True)
class Geometry:
    """How a model's tensors relate in space.

    A *cell* is the smallest piece that the model's input can grow by: two luma pixels and one
    chroma sample for the planes layout, the size multiple that an image model demands.
    """

    inputs: tuple[int, ...]
    """Samples per cell of each input, along each axis."""
    outputs: tuple[int, ...]
    """Samples per cell of each output."""


@dataclass(frozen=True)
class _Span:
    """One tile along one axis: where it starts, and the weight of each of its cells' samples."""

    start: int
    first: int
    last: int
    rise: tuple[int, int]
    """Cells of the tile between which its weight grows from 0 to 1."""
    fall: tuple[int, int]


def spans(length: int, tile: int, pad: int, reach: int | None = None) -> list[_Span]:
    """Covers ``length`` cells with equal tiles that overlap by at least ``2 * pad``.

    Neighbours are cross-faded over the middle of their overlap, away from the ends of the tiles,
    where the model lacks context.

    Args:
        length: Cells along the axis.
        tile: Cells of one tile, more than ``2 * pad`` unless it covers all.
        pad: Cells of context on each inner side.
        reach: Cells at the ends of a tile that differ from the same cells of the whole picture.
            None of them counts if ``pad`` is as large; ``None``: not known, half of ``pad``.
    """
    reach = pad // 2 if reach is None or reach > pad else reach
    if tile >= length:
        return [_Span(0, 0, length, (0, 0), (length, length))]
    count = 1 + math.ceil((length - tile) / (tile - 2 * pad))
    starts = [round(i * (length - tile) / (count - 1)) for i in range(count)]
    # Between two neighbours, and not so wide that it meets the next cross-fade.
    shortest_step = min(b - a for a, b in pairwise(starts))
    fades = []
    for first, second in pairwise(starts):
        half = min((first + tile - second) // 2 - reach, pad, shortest_step // 2)
        middle = (first + second + tile) // 2
        fades.append((middle - half, middle + half))
    result = []
    for i, start in enumerate(starts):
        rise, fall = (0, 0), (tile, tile)
        if i > 0:
            rise = (fades[i - 1][0] - start, fades[i - 1][1] - start)
        if i < count - 1:
            fall = (fades[i][0] - start, fades[i][1] - start)
        result.append(_Span(start, rise[0], fall[1], rise, fall))
    return result


def _weights(span: _Span, factor: int) -> NDArray[np.float32]:
    """Returns the weight of each sample from ``span.first`` to ``span.last``."""
    position = np.arange(span.first * factor, span.last * factor) + 0.5
    up = _ramp(position, span.rise, factor)
    down = 1.0 - _ramp(position, span.fall, factor)
    return np.asarray(up * down, dtype=np.float32)


def _ramp(position: Array, ends: tuple[int, int], factor: int) -> Array:
    begin, end = ends[0] * factor, ends[1] * factor
    if begin == end:
        return (position >= begin).astype(np.float64)
    return np.clip((position - begin) / (end - begin), 0.0, 1.0)


class TiledRunner:
    """Runs a model on frames of one size, whole or in tiles.

    When the device runs out of memory the tiles are halved, down to the least that the overlap
    allows; this is said once in the log.
    """

    def __init__(
        self,
        open_session: Callable[[Size], Session],
        geometry: Geometry,
        size: Size,
        tile: Size | None,
        pad: int,
        *,
        reach: int | None = None,
        fixed: bool = False,
    ) -> None:
        """Opens the session for the first tile size.

        Args:
            open_session: Opens a session for a tile of a size in cells.
            geometry: Samples per cell of the model's tensors.
            size: The frame in cells.
            tile: The tile in cells, ``None`` for the whole frame at once.
            pad: Overlap in cells on each side of a tile.
            reach: The model's receptive field in cells, if it is known.
            fixed: Whether the model runs at this tile size only.

        Raises:
            OutOfMemory: Not even the smallest tile fits.
            ValueError: The tile has no room for its overlap.
        """
        if not fixed:
            tile = size if tile is None else (min(tile[0], size[0]), min(tile[1], size[1]))
        assert tile is not None
        for axis in (0, 1):
            if tile[axis] < size[axis] and tile[axis] <= 2 * pad:
                raise ValueError("a tile must be larger than twice its padding")
        self._open = open_session
        self._geometry = geometry
        self._size = size
        self._pad = pad
        self._reach = reach
        self._fixed = fixed
        self._lock = threading.Lock()
        self._warned = False
        # One attribute, so that no thread ever takes the one without the other.
        self._current = self._opened(tile)

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """Runs the model on whole frames; see ``Session.run``."""
        while True:
            tile, session = current = self._current
            try:
                if tile == self._size:
                    session.run(arrays, out)
                else:
                    self._run_tiles(session, tile, arrays, out)
                return
            except OutOfMemory as error:
                # Never waits for a frame: the lock is held while a session is opened, no longer.
                with self._lock:
                    if self._current is current:
                        self._current = self._opened(self._smaller(tile, error))

    def _opened(self, tile: Size) -> tuple[Size, Session]:
        """Opens a session for a tile, or for the largest one that fits."""
        while True:
            try:
                return tile, self._open(tile)
            except OutOfMemory as error:
                tile = self._smaller(tile, error)

    def _run_tiles(
        self,
        session: Session,
        tile: Size,
        arrays: Sequence[Array],
        out: Sequence[NDArray[np.float32]],
    ) -> None:
        """Runs tile by tile; a frame smaller than a fixed tile is grown to it."""
        inputs, outputs = self._geometry.inputs, self._geometry.outputs
        width, height = max(self._size[0], tile[0]), max(self._size[1], tile[1])
        if (width, height) != self._size:
            arrays = [
                _grown(array, width * factor, height * factor)
                for array, factor in zip(arrays, inputs, strict=True)
            ]
        blended = [
            np.zeros((*target.shape[:-2], height * factor, width * factor), np.float32)
            for target, factor in zip(out, outputs, strict=True)
        ]
        pieces = [
            np.empty((*target.shape[:-2], tile[1] * factor, tile[0] * factor), np.float32)
            for target, factor in zip(out, outputs, strict=True)
        ]
        for across, down in product(
            spans(width, tile[0], self._pad, self._reach),
            spans(height, tile[1], self._pad, self._reach),
        ):
            cut = [
                np.ascontiguousarray(
                    array[
                        ...,
                        down.start * factor : (down.start + tile[1]) * factor,
                        across.start * factor : (across.start + tile[0]) * factor,
                    ]
                )
                for array, factor in zip(arrays, inputs, strict=True)
            ]
            session.run(cut, pieces)
            for whole, piece, factor in zip(blended, pieces, outputs, strict=True):
                _blend(whole, piece, across, down, factor)
        for target, whole in zip(out, blended, strict=True):
            np.copyto(target, whole[..., : target.shape[-2], : target.shape[-1]])

    def _smaller(self, tile: Size, error: OutOfMemory) -> Size:
        """Halves the longer side, or gives up where little but overlap would be left."""
        axis = 0 if tile[0] >= tile[1] else 1
        halved = list(tile)
        halved[axis] = (tile[axis] + 1) // 2 + self._pad
        least = 2 * self._pad + max(self._pad // 2, 1)
        if self._fixed or halved[axis] < least or halved[axis] >= tile[axis]:
            raise OutOfMemory(
                f"{error}; no smaller tile than {self._pixels(tile)} makes sense: free memory, "
                "or choose a smaller tile_pad, length or num_streams, or backend='cpu'"
            ) from error
        logger.log(
            logging.INFO if self._warned else logging.WARNING,
            "%s; going on with tiles of %s instead of %s, and smaller ones if need be (tile= sets "
            "this from the start)",
            error,
            self._pixels((halved[0], halved[1])),
            self._pixels(tile),
        )
        self._warned = True
        return halved[0], halved[1]

    def _pixels(self, tile: Size) -> str:
        factor = self._geometry.inputs[0]
        return f"{tile[0] * factor}x{tile[1] * factor}"


def _grown(array: Array, width: int, height: int) -> Array:
    """Repeats the last column and row until the array has a size."""
    grow = [(0, 0)] * (array.ndim - 2)
    grow += [(0, height - array.shape[-2]), (0, width - array.shape[-1])]
    return np.pad(array, grow, mode="edge")


def _blend(output: Array, piece: Array, across: _Span, down: _Span, factor: int) -> None:
    rows = slice(down.first * factor, down.last * factor)
    columns = slice(across.first * factor, across.last * factor)
    weight = _weights(down, factor)[:, None] * _weights(across, factor)[None, :]
    y, x = down.start * factor, across.start * factor
    output[..., y + rows.start : y + rows.stop, x + columns.start : x + columns.stop] += (
        piece[..., rows, columns] * weight
    )
