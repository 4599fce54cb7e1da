"""What a homography does not say of a motion: how far points on a grid over the frame are off it.

A mesh holds the displacements at ``ROWS`` x ``COLUMNS`` vertices, in centred units (see
``transform``); the outermost lie on the edge of the frame. Between them it is bilinear, beyond the
edge it goes on as at the edge.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .transform import Floats, Matrix, apply

type Mesh = Floats
"""Displacements, ``ROWS`` x ``COLUMNS`` x 2."""

ROWS, COLUMNS = 5, 7
"""Vertices from the top to the bottom, and from the left to the right."""

# How much a vertex is held by its neighbours, and to no displacement at all, in points of full
# weight. There are four for each vertex where there is texture.
_SMOOTHNESS = 0.3
_RESTRAINT = 0.02


def fitted(basis: Floats, displacements: Floats, weights: Floats) -> Mesh:
    """Fits a smooth mesh to displacements.

    Args:
        basis: From ``bilinear``, for the places where the displacements are known.
        displacements: N x 2.
        weights: N.
    """
    weighted = basis.T * weights
    values = np.linalg.solve(weighted @ basis + _held(), weighted @ displacements)
    return np.asarray(values.reshape(ROWS, COLUMNS, 2))


def freedom(basis: Floats, weights: Floats) -> float:
    """Returns how many free parameters a fitted mesh is worth.

    That is the trace of what maps the displacements to those of the fit: far less than a mesh has
    numbers, because it is smooth.
    """
    normal = (basis.T * weights) @ basis
    return 2 * float(np.trace(np.linalg.solve(normal + _held(), normal)))


def bilinear(places: Floats, aspect: float) -> Floats:
    """Returns the weight of every vertex at each of N places, N x (ROWS * COLUMNS).

    Times a mesh of (ROWS * COLUMNS) x 2 it gives the displacements there.

    Args:
        places: N x 2, centred units.
        aspect: Ratio of the frame's width to its height.
    """
    across = hats(places[:, 0] / aspect + 0.5, COLUMNS)
    down = hats(places[:, 1] + 0.5, ROWS)
    return np.asarray((down[:, :, None] * across[:, None]).reshape(len(places), -1))


def moved(matrix: Matrix, mesh: Mesh | None, places: Floats, aspect: float) -> Floats:
    """Returns where a homography and a mesh, if there is one, put N places, N x 2."""
    there = apply(matrix, places)
    return there if mesh is None else there + bilinear(places, aspect) @ mesh.reshape(-1, 2)


def hats(parts: Floats, count: int) -> Floats:
    """Returns the weights of evenly spaced vertices along one direction, N x ``count``.

    Args:
        parts: N places, from 0 at the first vertex to 1 at the last.
        count: Of vertices.
    """
    places = np.clip(parts, 0.0, 1.0) * (count - 1)
    return np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(count)))


def vertices(aspect: float) -> Floats:
    """Returns where the vertices are, ROWS x COLUMNS x 2."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, COLUMNS) * aspect, np.linspace(-0.5, 0.5, ROWS))
    return np.stack([x, y], axis=-1)


def from_numbers(values: Sequence[float]) -> Mesh:
    """Returns the mesh of so many numbers, row by row, x and y of each vertex.

    Raises:
        ValueError: They are not as many as a mesh has, or not finite.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size != ROWS * COLUMNS * 2 or not np.isfinite(numbers).all():
        raise ValueError(
            f"a mesh has {ROWS * COLUMNS * 2} finite numbers, x and y of {ROWS} rows of {COLUMNS} "
            f"vertices; here are {numbers.size}"
        )
    return numbers.reshape(ROWS, COLUMNS, 2)


def enlarged(mesh: Mesh, zoom: float) -> Mesh:
    """Returns the mesh whose displacement at a point is that at the point divided by ``zoom``."""
    down, across = (
        hats(0.5 + np.linspace(-0.5, 0.5, count) / zoom, count) for count in (ROWS, COLUMNS)
    )
    return np.asarray(np.einsum("ri,cj,ijk->rck", down, across, mesh))


@lru_cache(maxsize=1)
def _held() -> Floats:
    """Returns the normal equations that hold neighbouring vertices together, and all to 0."""
    count = ROWS * COLUMNS
    numbers = np.arange(count).reshape(ROWS, COLUMNS)
    ones = np.concatenate([numbers[1:].ravel(), numbers[:, 1:].ravel()])
    others = np.concatenate([numbers[:-1].ravel(), numbers[:, :-1].ravel()])
    differences = np.eye(count)[ones] - np.eye(count)[others]
    held: Floats = _SMOOTHNESS * differences.T @ differences + _RESTRAINT * np.eye(count)
    held.flags.writeable = False
    return held
