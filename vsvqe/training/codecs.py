"""Real encoders in process: clean planes in, damaged planes out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from vsvqe.training.store import Planes, stack

DECODERS = {"libx264": "h264", "libx265": "hevc", "mpeg4": "mpeg4"}


@dataclass(frozen=True)
class Recipe:
    """An encoder and its options.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        options: Options as FFmpeg takes them.
    """

    encoder: str
    options: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Returns the recipe on one line, for the index and for logs."""
        return " ".join((self.encoder, *(f"{key}={value}" for key, value in self.options)))


def hevc(qp: int, preset: str = "medium", bframes: int | None = 0) -> Recipe:
    """Returns x265 at a constant quantiser; `bframes=None` leaves the preset's GOP."""
    gop = "" if bframes is None else f":bframes={bframes}"
    return Recipe("libx265", (("preset", preset), ("x265-params", f"qp={qp}{gop}")))


def avc(crf: int, preset: str = "medium") -> Recipe:
    """Returns x264 at a constant rate factor."""
    return Recipe("libx264", (("preset", preset), ("crf", str(crf))))


def quantiser(recipe: str) -> float:
    """Returns how coarsely a recipe quantises, on the scale of H.264 and HEVC.

    A rate factor counts as the quantiser that it is near to for most frames. The step of MPEG-4 is
    twice its scale; the one of H.264 is 1 at 4 and doubles every 6 (ITU-T H.264, table 8-15).

    Args:
        recipe: As ``str`` of a ``Recipe`` gives it.

    Returns:
        From 0 to 51.

    Raises:
        ValueError: It doesn't say.

    Example:
        >>> from vsvqe.training.codecs import hevc, quantiser
        >>> quantiser(str(hevc(37)))
        37.0
    """
    if found := re.search(r"\b(?:qp|crf)=(\d+)", recipe):
        return float(found[1])
    if found := re.search(r"\bqmin=(\d+)", recipe):
        return 4.0 + 6.0 * math.log2(2.0 * float(found[1]))
    raise ValueError(f"{recipe!r} tells no quantiser")


def random_recipe(rng: np.random.Generator, finest: int = 20) -> Recipe:
    """Draws a recipe for Deblock: HEVC, AVC or MPEG-4, from slight to heavy damage.

    Args:
        rng: Source of all choices.
        finest: Least quantiser, or rate factor, of HEVC and AVC.
    """
    codec = rng.choice(("hevc", "avc", "mpeg4"), p=(0.5, 0.38, 0.12))
    if codec == "mpeg4":
        scale = str(rng.integers(2, 17))
        return Recipe("mpeg4", (("qmin", scale), ("qmax", scale)))
    preset = str(rng.choice(("medium", "fast", "veryfast"), p=(0.5, 0.25, 0.25)))
    bframes = int(rng.choice((0, -1), p=(0.6, 0.4)))
    if codec == "hevc":
        rate = "qp" if rng.random() < 0.6 else "crf"
        gop = ":bframes=0" if bframes == 0 else ""
        value = rng.integers(finest, 43 if rate == "qp" else 39)
        return Recipe("libx265", (("preset", preset), ("x265-params", f"{rate}={value}{gop}")))
    rate = "qp" if rng.random() < 0.4 else "crf"
    gops = (("bf", "0"),) if bframes == 0 else ()
    return Recipe("libx264", (("preset", preset), (rate, str(rng.integers(20, 43))), *gops))


def random_half_recipe(rng: np.random.Generator) -> Recipe:
    """Draws a recipe for the input of SuperRes: x264 as people use it."""
    return avc(int(rng.integers(18, 35)), str(rng.choice(("medium", "veryfast"))))


def random_quarter_recipe(rng: np.random.Generator) -> Recipe:
    """Draws a recipe for the input of SuperRes by four: x264, and now and then x265."""
    rate, preset = int(rng.integers(18, 33)), str(rng.choice(("medium", "veryfast")))
    if rng.random() < 0.7:
        return avc(rate, preset)
    return Recipe("libx265", (("preset", preset), ("x265-params", f"crf={rate}")))


def transcode(planes: Planes, recipe: Recipe) -> Planes:
    """Encodes and decodes a clip.

    Args:
        planes: The clean pictures.
        recipe: What to do to them.

    Returns:
        As many pictures, in the same order.

    Raises:
        RuntimeError: If the codec returned another number of pictures.
    """
    decoder = av.CodecContext.create(DECODERS[recipe.encoder], "r")
    decoded = [frame for packet in _encode(planes, recipe) for frame in decoder.decode(packet)]
    decoded += decoder.decode(None)
    if len(decoded) != len(planes.y):
        raise RuntimeError(f"{recipe}: {len(planes.y)} frames in, {len(decoded)} out")
    return stack(decoded)


def _encode(planes: Planes, recipe: Recipe) -> Iterator[av.Packet]:
    """Yields the packets of a clip."""
    options = dict(recipe.options)
    encoder = av.CodecContext.create(recipe.encoder, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    _, encoder.height, encoder.width = planes.y.shape
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = Fraction(25)
    encoder.thread_count = 1
    encoder.options = _quiet(options)
    for number, (y, u, v) in enumerate(zip(*planes, strict=True)):
        picture = np.concatenate((y.ravel(), u.ravel(), v.ravel())).reshape(-1, y.shape[1])
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def _quiet(options: dict[str, str]) -> dict[str, str]:
    """Keeps x265 from logging to stderr and from starting a pool of threads per encoder."""
    if "x265-params" in options:
        options["x265-params"] += ":log-level=none:pools=1:frame-threads=1"
    return options
