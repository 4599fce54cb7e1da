"""One HTML file that compares clips, with nothing beside it and no network."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..transcode.errors import FilterError, StorageError
from ..transcode.script import reason
from .clips import Named, as_rgb
from .measured import METRICS, Measured

LOSSLESS = 100
"""Quality at which the images are exact."""

# OpenCV takes WebP qualities above 100 for lossless.
_WEBP_LOSSLESS = 101


def spread(length: int, wanted: int) -> list[int]:
    """Returns the numbers of some frames, evenly spread over a clip, both ends included."""
    return sorted({int(n) for n in np.linspace(0, length - 1, min(wanted, length)).round()})


def page(
    title: str,
    clips: Sequence[Named],
    frames: Sequence[int],
    measured: Sequence[Measured],
    quality: int,
    first: int,
    advance: Callable[[int], None],
) -> str:
    """Returns the page.

    Args:
        title: Of the page.
        clips: Two or more, of one size; the first is what the others are measured against.
        frames: Which frames can be looked at.
        measured: Figures of all frames of the clips but the first.
        quality: Of the images, 1 to 100: WebP, lossless at 100.
        first: Number of the first frame in the film, for what is shown.
        advance: Is told of every image.

    Raises:
        FilterError: A frame can't be had.
        StorageError: The pictures are larger than WebP allows.
    """
    pictures = []
    for named in clips:
        rgb = as_rgb(named.clip)
        of_clip = []
        for number in frames:
            of_clip.append(_inlined(_frame(rgb, number), quality))
            advance(1)
        pictures.append(of_clip)
    data = {
        "labels": [named.label for named in clips],
        "frames": list(frames),
        "first": first,
        "width": clips[0].clip.width,
        "height": clips[0].clip.height,
        "images": pictures,
        "metrics": [_plot(name, measured) for name in measured[0].values],
    }
    environment = Environment(
        loader=PackageLoader("vsvqe.comparison"), autoescape=True, undefined=StrictUndefined
    )
    text: str = environment.get_template("page.html.j2").render(title=title, data=data)
    return text


def _plot(name: str, measured: Sequence[Measured]) -> dict[str, Any]:
    metric = METRICS[name]
    values = [
        [float(v) if np.isfinite(v) else None for v in one.values[name].round(4)]
        for one in measured
    ]
    return {"title": metric.title, "digits": metric.digits, "values": values}


def _frame(clip: vs.VideoNode, number: int) -> np.ndarray:
    try:
        with clip.get_frame(number) as frame:
            return np.stack([np.asarray(frame[plane]) for plane in (2, 1, 0)], axis=-1)
    except vs.Error as error:
        raise FilterError(f"frame {number} can't be had: {reason(error)}") from error


def _inlined(picture: np.ndarray, quality: int) -> str:
    setting = _WEBP_LOSSLESS if quality >= LOSSLESS else quality
    try:
        done, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, setting])
    except cv2.error:
        done = False
    if not done:
        height, width = picture.shape[:2]
        raise StorageError(
            f"a picture of {width}x{height} can't be stored in a page; sides up to 16383 can"
        )
    return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
