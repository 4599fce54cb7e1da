"""Contact sheets: crops of the input, of every method and of the original, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

from . import pictures
from .crops import Crop

_GAP = 6
_HEAD = 38
_CAPTION = 18


@dataclass(frozen=True)
class Column:
    """One clip of a sheet, of the original's size and length, or smaller by a whole factor."""

    title: str
    clip: vs.VideoNode
    judged: bool = True
    """Whether the captions tell how far it is from the original."""


def draw(
    columns: Sequence[Column],
    crops: Sequence[Crop],
    frame: int,
    zoom: int = 3,
    consecutive: int = 3,
) -> Image.Image:
    """Draws a sheet: a column for each clip, a row for each crop, the first at several frames.

    Args:
        columns: The clips; the last one is the original, which says the size.
        crops: What to show; the first one at consecutive frames.
        frame: The frame to look at; the consecutive ones are around it.
        zoom: Factor of the enlargement, without interpolation.
        consecutive: How many frames show the first crop.

    Raises:
        ValueError: A crop is not inside the picture, there is none, or the clip has not as many
            frames.
    """
    original = columns[-1].clip
    _check(original, crops, frame, consecutive)
    first = min(max(frame - consecutive // 2, 0), original.num_frames - consecutive)
    around = range(first, first + consecutive)
    seen = [{n: _picture(column.clip[n], original) for n in around} for column in columns]
    rows = [(crops[0], n, f"{crops[0].label}, frame {n}") for n in around]
    rows += [(crop, frame, crop.label) for crop in crops[1:]]
    wide = zoom * max(crop.width for crop, _, _ in rows) + _GAP
    high = sum(zoom * crop.height + _CAPTION + _GAP for crop, _, _ in rows)
    sheet = Image.new("RGB", (wide * len(columns) + _GAP, high + _HEAD + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, column in enumerate(columns):
        title = _wrapped(column.title, font, wide - _GAP)
        pen.multiline_text((_GAP + wide * number, 2), title, "black", font)
    y = _HEAD
    for crop, n, label in rows:
        reference = _cut(seen[-1][n], crop)
        for number, frames in enumerate(seen):
            part = _cut(frames[n], crop)
            x = _GAP + wide * number
            judged = columns[number].judged
            caption = _caption(label, part, reference) if judged else label
            pen.text((x, y + 1), caption, "black", font)
            large = part.repeat(zoom, axis=0).repeat(zoom, axis=1)
            sheet.paste(Image.fromarray(large), (x, y + _CAPTION))
        y += zoom * crop.height + _CAPTION + _GAP
    return sheet


def _wrapped(title: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Breaks a title between its words, so that it stays above its column."""
    lines = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def _check(original: vs.VideoNode, crops: Sequence[Crop], frame: int, consecutive: int) -> None:
    if not crops:
        raise ValueError("there is nothing to show: give a crop")
    if not 0 <= frame < original.num_frames or not 1 <= consecutive <= original.num_frames:
        raise ValueError(f"frame {frame}, {consecutive} in a row: there are {original.num_frames}")
    for crop in crops:
        right, bottom = crop.left + crop.width, crop.top + crop.height
        if right > original.width or bottom > original.height:
            size = f"{original.width}x{original.height}"
            raise ValueError(f"crop {crop} is not inside the picture of {size}")


def _picture(clip: vs.VideoNode, original: vs.VideoNode) -> pictures.Bytes:
    """Returns one frame as RGB at the original's size, small pixels repeated."""
    rgb: pictures.Bytes = pictures.rgb(clip)[0]
    if rgb.shape[:2] == (original.height, original.width):
        return rgb
    size = (original.width, original.height)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _cut(picture: pictures.Bytes, crop: Crop) -> pictures.Bytes:
    part: pictures.Bytes = picture[crop.top :, crop.left :][: crop.height, : crop.width]
    return part


def _caption(label: str, part: pictures.Bytes, reference: pictures.Bytes) -> str:
    error = np.mean(np.square(part.astype(np.float64) - reference))
    return f"{label}: {10 * np.log10(255**2 / error):.2f} dB" if error else label
