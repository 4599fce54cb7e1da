"""Samples the planes of a frame where a homography says: one resampling, at the plane's own depth.

The bicubic kernel is that of Keys with a = -0.75. It is evaluated at the exact position of each
sample, by compiled code of our own or, where there is none for the processor or the type, by
OpenCV, which takes twice as long or more: from version 5 on, it no longer rounds the positions to
1/32 of a pixel. Those of the Lanczos kernel it does: on photographs the result is 68 dB from the
exact one, which is less than rounding to 8 bits takes.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..native import resample
from ..native.library import available
from .mesh import COLUMNS, ROWS, Mesh, hats
from .transform import Matrix, farthest, normalised, pixel_units

type Samples = NDArray[Any]
"""A plane: uint8, uint16, float16 or float32."""

type Edge = Literal["mirror", "replicate", "wrap", "black"]
"""What lies beyond the edge of a frame."""

type Kernel = Literal["bicubic", "lanczos"]
"""What samples of pictures are weighted by: see ``sample``."""

_EDGES = {
    "mirror": cv2.BORDER_REFLECT,
    "replicate": cv2.BORDER_REPLICATE,
    "wrap": cv2.BORDER_WRAP,
    "black": cv2.BORDER_CONSTANT,
}

_KERNELS = {
    "linear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}

# A picture that is shifted by less than this, in pixels, can't be told from itself.
_IMPERCEPTIBLE = 1 / 64


class Siting(NamedTuple):
    """Where the samples of a plane lie: sample i at luma position ``step * i + offset``.

    Luma positions count from the centre of the leftmost or topmost pixel.
    """

    step_x: int = 1
    step_y: int = 1
    offset_x: float = 0.0
    offset_y: float = 0.0


class Grid(NamedTuple):
    """Positions to sample a plane at, in its own samples: two H x W arrays of float32."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


class Region(NamedTuple):
    """A rectangle of a plane; ``right`` and ``bottom`` are the first column and row beyond."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, plane: Samples) -> "Region":
        """Returns the whole of a plane."""
        return cls(0, 0, plane.shape[1], plane.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Its height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def within(self) -> tuple[slice, slice]:
        """What cuts the region out of a plane."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def moves(correction: Matrix, width: int, height: int, bend: Mesh | None = None) -> bool:
    """Whether a correction, and what it is bent by, shifts pixels of a frame perceptibly."""
    if bend is not None and np.abs(bend).max() * height > _IMPERCEPTIBLE:
        return True
    return farthest(correction, width / height) * height > _IMPERCEPTIBLE


def for_plane(correction: Matrix, width: int, height: int, siting: Siting) -> Matrix:
    """Returns a correction, or N of them, for the samples of a plane.

    Args:
        correction: In centred units; maps a point of the output to the point of the input that
            is to be seen there.
        width: Of the frame's luma.
        height: Of the frame's luma.
        siting: Of the plane.
    """
    units = units_of(width, height, siting)
    return normalised(np.linalg.inv(units) @ correction @ units)


def units_of(width: int, height: int, siting: Siting) -> Matrix:
    """Returns what maps the samples of a plane to centred units.

    Args:
        width: Of the frame's luma.
        height: Of the frame's luma.
        siting: Of the plane.
    """
    step_x, step_y, offset_x, offset_y = siting
    to_luma = np.array([[step_x, 0.0, offset_x], [0.0, step_y, offset_y], [0.0, 0.0, 1.0]])
    return np.asarray(pixel_units(width, height) @ to_luma)


class Bend(NamedTuple):
    """How far from where a homography maps them samples of a plane are to be taken."""

    shifts: NDArray[np.float32]
    """In samples, ROWS x COLUMNS x 2; see ``mesh``."""
    columns: tuple[float, float]
    """What sample i of a row is multiplied by and has added, to give its part of the width."""
    rows: tuple[float, float]
    """The same from the top to the bottom."""


def bend_for_plane(mesh: Mesh, width: int, height: int, siting: Siting) -> Bend:
    """Returns a mesh for the samples of a plane.

    Args:
        mesh: In centred units.
        width: Of the frame's luma.
        height: Of the frame's luma.
        siting: Of the plane.
    """
    step_x, step_y, offset_x, offset_y = siting
    return Bend(
        (mesh * (height / step_x, height / step_y)).astype(np.float32),
        (step_x / width, (offset_x + 0.5) / width),
        (step_y / height, (offset_y + 0.5) / height),
    )


def grid(matrix: Matrix, region: Region, bend: Bend | None = None) -> Grid:
    """Returns where a homography of a plane's samples maps those of a region, and a bend shifts."""
    x = np.arange(region.left, region.right, dtype=np.float64)
    y = np.arange(region.top, region.bottom, dtype=np.float64)[:, None]
    columns = matrix[:, :1] * x
    rows = matrix[:, 1:2] * y.T + matrix[:, 2:]
    positions = [
        columns[i].astype(np.float32) + rows[i].astype(np.float32)[:, None] for i in range(2)
    ]
    if matrix[2, 0] or matrix[2, 1]:
        scale = 1 / (columns[2].astype(np.float32) + rows[2].astype(np.float32)[:, None])
        positions = [position * scale for position in positions]
    if bend is not None:
        across = hats(bend.columns[0] * x + bend.columns[1], COLUMNS).astype(np.float32)
        down = hats(bend.rows[0] * y[:, 0] + bend.rows[1], ROWS).astype(np.float32)
        for i, position in enumerate(positions):
            position += down @ bend.shifts[..., i] @ across.T
    return Grid(*positions)


def sample(
    plane: Samples,
    positions: Grid | NDArray[np.float32],
    out: Samples,
    *,
    kernel: Kernel | Literal["linear"] = "bicubic",
    edge: Edge = "mirror",
    black: float = 0.0,
    peak: float = np.inf,
) -> None:
    """Resamples a plane.

    Args:
        plane: The input.
        positions: Where to sample it, in its own samples; x and y may be those of an array of
            H x W x 2 too.
        out: Takes the result; the same type as ``plane``, the size of ``positions``.
        kernel: ``"bicubic"`` (Keys, a = -0.75), ``"lanczos"`` (four lobes) or ``"linear"`` (for
            what is no picture).
        edge: What lies beyond the plane.
        black: The sample that is black, for ``edge="black"``.
        peak: The highest code of the format; the kernel overshoots.

    Source:
        R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions
        on Acoustics, Speech, and Signal Processing 29(6), 1981.

    Example:
        >>> import numpy as np
        >>> from vsvqe.motion.warp import Region, grid, sample
        >>> plane = np.tile(np.arange(8, dtype=np.float32), (8, 1))
        >>> shift = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> out = np.empty((1, 2), np.float32)
        >>> sample(plane, grid(shift, Region(3, 3, 5, 4)), out)
        >>> out.tolist()
        [[3.5, 4.5]]
    """
    if kernel == "bicubic" and available(plane):
        x, y = positions if isinstance(positions, Grid) else np.moveaxis(positions, -1, 0)
        resample.gather(plane, x, y, out, edge=edge, black=black, peak=peak)
        return
    maps: tuple[Any, Any] = positions if isinstance(positions, Grid) else (positions, None)
    _resampled(
        plane,
        out,
        peak,
        lambda source, target: cv2.remap(
            source, *maps, dst=target, **_options(kernel, edge, black)
        ),
    )


def sample_region(
    plane: Samples,
    matrix: Matrix,
    region: Region,
    out: Samples,
    *,
    kernel: Kernel | Literal["linear"] = "bicubic",
    edge: Edge = "mirror",
    black: float = 0.0,
    peak: float = np.inf,
) -> None:
    """Resamples a plane where a homography says; it is quicker than ``sample`` for that.

    Args:
        plane: The input.
        matrix: From ``for_plane``.
        region: The part of the result that is wanted.
        out: Takes it; the same type as ``plane``.
        kernel: As for ``sample``.
        edge: As for ``sample``.
        black: As for ``sample``.
        peak: As for ``sample``.
    """
    if region.left or region.top:
        matrix = matrix.copy()
        matrix[:, 2] += matrix[:, 0] * region.left + matrix[:, 1] * region.top
    if kernel == "bicubic" and available(plane):
        resample.warp(plane, matrix, out, edge=edge, black=black, peak=peak)
        return
    options = _options(kernel, edge, black)
    options["flags"] = options.pop("interpolation") | cv2.WARP_INVERSE_MAP
    options["dsize"] = out.shape[::-1]
    projective = bool(matrix[2, 0] or matrix[2, 1])
    function, shape = (cv2.warpPerspective, matrix) if projective else (cv2.warpAffine, matrix[:2])
    _resampled(
        plane, out, peak, lambda source, target: function(source, shape, dst=target, **options)
    )


def _options(kernel: Kernel | Literal["linear"], edge: Edge, black: float) -> dict[str, Any]:
    return {
        "interpolation": _KERNELS[kernel],
        "borderMode": _EDGES[edge],
        "borderValue": (black,) * 4,
    }


def _resampled(
    plane: Samples, out: Samples, peak: float, moved: Callable[[Samples, Samples], object]
) -> None:
    """Resamples in a type that OpenCV knows, and keeps the result within the format."""
    if plane.dtype == np.float16:
        single = np.empty(out.shape, np.float32)
        moved(plane.astype(np.float32), single)
        out[...] = single
        return
    moved(plane, out)
    if out.dtype == np.uint16 and peak < np.iinfo(np.uint16).max:
        np.minimum(out, np.uint16(peak), out=out)
