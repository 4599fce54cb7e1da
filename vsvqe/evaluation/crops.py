"""Parts of a picture that are worth looking at: chosen by what can be measured, or given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .pictures import Bytes

# Pixels of the border that automatic crops keep away from, and the grid they lie on.
_MARGIN = 16
_STEP = 8
# Standard deviation in codes below which a crop shows nothing at all.
_EMPTY = 1.0
# By how many codes both chroma planes of leaves are below grey, and of how much of a crop.
_GREEN, _GREEN_SHARE = 3.0, 0.5
# By how many codes U of the sky is above V, of how much of a crop, and how bright that is.
_BLUE, _BLUE_SHARE = 4.0, 0.9
_BRIGHT = 90.0
# Root of an eigenvalue of the structure tensor, at most of what is flat, at least of texture.
_FLAT = 4.0
_RICH = 10.0
SIZE = (96, 72)

type _Floats = NDArray[np.float32]
type _Wish = tuple[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Crop:
    """A part of the picture, in pixels of the original."""

    left: int
    top: int
    width: int
    height: int
    label: str


def parse_crop(text: str) -> Crop:
    """Reads ``left,top,width,height`` or ``left,top,width,height,label``.

    Raises:
        ValueError: The text has another form, or a side is not positive.
    """
    left, top, width, height, *label = text.split(",", 4)
    crop = Crop(int(left), int(top), int(width), int(height), label[0] if label else "given")
    if min(crop.left, crop.top) < 0 or min(crop.width, crop.height) <= 0:
        raise ValueError(f"{text!r} is no part of a picture")
    return crop


def parse_place(text: str) -> tuple[str, Crop]:
    """Reads ``clip:left,top,label``: a crop of the usual size, of one of several clips.

    Example:
        >>> from vsvqe.evaluation.crops import parse_place
        >>> parse_place("dog:170,56,face")
        ('dog', Crop(left=170, top=56, width=96, height=72, label='face'))

    Raises:
        ValueError: The text has another form.
    """
    clip, _, place = text.partition(":")
    left, top, label = place.split(",", 2)
    return clip, parse_crop(f"{left},{top},{SIZE[0]},{SIZE[1]},{label}")


def interesting(
    luma: Bytes,
    chroma: tuple[Bytes, Bytes] | None = None,
    width: int = SIZE[0],
    height: int = SIZE[1],
) -> list[Crop]:
    """Chooses crops that show what filters do: rich texture, a flat area, and strong edges.

    Texture is where the structure tensor has two large eigenvalues, an edge where it has one; the
    flat crop has the least gradient of all that aren't empty, so that banding and blocks show. By
    colour as well: texture that is green, as foliage is, and what is bright, flat and blue in the
    upper half, as the sky is. Faces and text nothing here can find: those are given by hand.

    Args:
        luma: One frame of the original, height x width.
        chroma: Its chroma planes, U and V; without them nothing is chosen by colour.
        width: Of the crops.
        height: Of the crops.

    Returns:
        Crops that do not overlap; of kinds that the frame shows, and has room for.
    """
    smooth = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)
    # The tensor of small neighbourhoods, so that an edge counts wherever it bends.
    xx, yy, xy = (cv2.GaussianBlur(p, (0, 0), 3.0) for p in (across**2, down**2, across * down))
    root = np.sqrt(np.square(xx - yy) + 4 * np.square(xy))
    large, small = (xx + yy + root) / 2, (xx + yy - root) / 2
    mean = _windows(smooth, width, height)
    empty = _windows(np.square(smooth), width, height) - np.square(mean) < _EMPTY**2
    texture = np.sqrt(np.maximum(small, 0))
    gradient = _windows(np.sqrt(large), width, height)
    wishes: list[_Wish] = [
        ("texture", _windows(texture, width, height)),
        ("edges", _windows(np.sqrt(large) - texture, width, height)),
    ]
    if chroma is not None:
        wishes += _by_colour(luma, chroma, texture, gradient, mean, width, height)
    wishes.append(("flat", np.where(empty, -np.inf, -gradient)))
    crops: list[Crop] = []
    for label, wish in wishes:
        free = _free(wish, crops)
        if not np.isfinite(free).any():
            continue
        row, column = np.unravel_index(np.argmax(free), free.shape)
        left, top = _MARGIN + _STEP * int(column), _MARGIN + _STEP * int(row)
        crops.append(Crop(left, top, width, height, label))
    return crops


def _by_colour(
    luma: Bytes,
    chroma: tuple[Bytes, Bytes],
    texture: _Floats,
    gradient: _Floats,
    mean: _Floats,
    width: int,
    height: int,
) -> list[_Wish]:
    """Returns where texture is green, as foliage is, and what is flat blue, as the sky."""
    blue, red = (
        cv2.resize(plane, luma.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.float32)
        for plane in chroma
    )
    green = np.maximum(blue, red) < 128.0 - _GREEN
    leaves = _windows(texture * green, width, height)
    share = _windows(green.astype(np.float32), width, height)
    bluer = _windows((blue - red > _BLUE).astype(np.float32), width, height)
    tops = _MARGIN + _STEP * np.arange(len(mean))[:, None]
    sky = (tops + height / 2 < luma.shape[0] / 2) & (mean > _BRIGHT)
    sky &= (bluer > _BLUE_SHARE) & (gradient < _FLAT)
    return [
        ("green texture", np.where((share > _GREEN_SHARE) & (leaves > _RICH), leaves, -np.inf)),
        ("flat blue", np.where(sky, -gradient, -np.inf)),
    ]


def _windows(plane: NDArray[Any], width: int, height: int) -> _Floats:
    """Averages a plane over all windows of a size on a coarse grid."""
    mean = cv2.blur(plane, (width, height), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    bottom = max(plane.shape[0] - height - _MARGIN + 1, 0)
    right = max(plane.shape[1] - width - _MARGIN + 1, 0)
    return np.asarray(mean[_MARGIN:bottom:_STEP, _MARGIN:right:_STEP], np.float32)


def _free(wish: NDArray[np.floating], taken: Sequence[Crop]) -> NDArray[np.floating]:
    """Forbids the places that overlap a crop."""
    free = wish.copy()
    for crop in taken:
        row, column = (crop.top - _MARGIN) // _STEP, (crop.left - _MARGIN) // _STEP
        high, wide = -(-crop.height // _STEP), -(-crop.width // _STEP)
        free[
            max(row - high + 1, 0) : row + high, max(column - wide + 1, 0) : column + wide
        ] = -np.inf
    return free
