"""Real encoders in process: clean planes in, damaged planes out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from vsvqe.training.store import Planes, stack

# FFmpeg's names of the encoders, and of what decodes what they made.
DECODERS = {
    "libx264": "h264",
    "libx265": "hevc",
    "mpeg4": "mpeg4",
    "mpeg2video": "mpeg2video",
    "libvpx-vp9": "vp9",
    "libsvtav1": "libdav1d",
}
RATE = 25
# Of a quantiser in the statistics that encoders leave on their packets (FF_QP2LAMBDA).
_LAMBDA = 118.0
# Keeps x265 from logging to stderr and from starting a pool of threads per encoder.
_QUIET = "log-level=none:pools=1:frame-threads=1"
# Shares of what is coded in a rate of bits, and of what had been coded before.
_BY_BITRATE = 0.12
_SECOND_GENERATION = 0.12
_GOP_SHARE = 0.3
_GOPS = (12, 25, 50)


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


def at_bitrate(encoder: str, kilobits: int, preset: str = "medium") -> Recipe:
    """Returns x264, x265 or MPEG-4 in so many kilobits a second, at 25 frames a second."""
    presets = () if encoder == "mpeg4" else (("preset", preset),)
    return Recipe(encoder, (*presets, ("b", f"{kilobits}k")))


def quantiser(recipe: str) -> float:
    """Returns how coarsely a recipe quantises, on the scale of H.264 and HEVC.

    A rate factor counts as the quantiser that it is near to for most frames. The step of MPEG-2 and
    MPEG-4 is twice their scale; the one of H.264 is 1 at 4 and doubles every 6 (ITU-T H.264, table
    8-15). Of several generations the coarsest counts.

    Args:
        recipe: As ``coded`` tells it, or ``str`` of a ``Recipe``.

    Returns:
        From 0 to 51.

    Raises:
        ValueError: It doesn't say.

    Example:
        >>> from vsvqe.training.codecs import hevc, quantiser
        >>> quantiser(str(hevc(37)))
        37.0
    """
    if _THEN in recipe:
        return max(map(quantiser, recipe.split(_THEN)))
    # What VP9 and AV1 count in is none of these.
    if found := re.search(r"^(?!libvpx|libsvt).*\b(?:qp|crf)=([\d.]+)", recipe):
        return float(found[1])
    if found := re.search(r"\bqmin=([\d.]+)", recipe):
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
    return Recipe("libx264", (("preset", preset), (rate, str(rng.integers(finest, 43))), *gops))


def random_history(rng: np.random.Generator, pixels: int) -> tuple[Recipe, ...]:
    """Draws what a clip for Deblock went through.

    Most were coded once, by a ``random_recipe``; some in a rate of bits, some with keyframes every
    half second to two seconds, and some had been coded before, finely.

    Args:
        rng: Source of all choices.
        pixels: Of a frame.

    Returns:
        One recipe, or two, the last of which is the coarser one most of the time.
    """
    if rng.random() < _BY_BITRATE:
        encoder = str(rng.choice(("libx265", "libx264", "mpeg4"), p=(0.4, 0.45, 0.15)))
        # From what streams spend on a pixel to what leaves little of it; evenly in octaves.
        bits = 0.02 * 2.0 ** rng.uniform(0.0, 3.0) * (3.0 if encoder == "mpeg4" else 1.0)
        last = at_bitrate(encoder, max(8, round(bits * pixels * RATE / 1000)))
    else:
        last = random_recipe(rng)
    if rng.random() < _GOP_SHARE:
        last = _with_keyframes(last, int(rng.choice(_GOPS)))
    if rng.random() < _SECOND_GENERATION:
        return avc(int(rng.integers(16, 27)), "veryfast"), last
    return (last,)


def _with_keyframes(recipe: Recipe, every: int) -> Recipe:
    """Returns a recipe with a keyframe at least every so many frames."""
    return Recipe(recipe.encoder, (*recipe.options, ("g", str(every))))


def random_half_recipe(rng: np.random.Generator) -> Recipe:
    """Draws a recipe for the input of SuperRes: x264 as people use it."""
    return avc(int(rng.integers(18, 35)), str(rng.choice(("medium", "veryfast"))))


def random_quarter_recipe(rng: np.random.Generator) -> Recipe:
    """Draws a recipe for the input of SuperRes by four: x264, and now and then x265."""
    rate, preset = int(rng.integers(18, 33)), str(rng.choice(("medium", "veryfast")))
    if rng.random() < 0.7:
        return avc(rate, preset)
    return Recipe("libx265", (("preset", preset), ("x265-params", f"crf={rate}")))


def coded(planes: Planes, history: Sequence[Recipe]) -> tuple[Planes, str]:
    """Encodes and decodes a clip, once or several times.

    Args:
        planes: The clean pictures.
        history: What to do to them, one after the other.

    Returns:
        As many pictures, and in words what was done to them. Of what was coded in a rate of bits
        that tells the mean quantiser that the encoder took.
    """
    told = []
    for recipe in history:
        packets = list(_encode(planes, recipe))
        planes = _decoded(packets, recipe, len(planes.y))
        rate = dict(recipe.options).get("b", "0")
        told.append(str(recipe) + ("" if rate == "0" else f" {_spent(packets, recipe)}"))
    return planes, _THEN.join(told)


_THEN = ", then "


def _spent(packets: Sequence[av.Packet], recipe: Recipe) -> str:
    """Returns the mean quantiser of the packets of a clip, as a recipe tells it."""
    told = [
        int.from_bytes(bytes(data)[:4], "little") / _LAMBDA
        for packet in packets
        for data in packet.iter_sidedata()
        if data.data_type == "quality_stats"
    ]
    # x264 goes beyond the scale where bits don't suffice.
    mean = min(float(np.mean(told)), 51.0)
    return f"qmin={mean:.2f}" if recipe.encoder.startswith("mpeg") else f"qp={mean:.2f}"


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
    return coded(planes, (recipe,))[0]


def _decoded(packets: Sequence[av.Packet], recipe: Recipe, frames: int) -> Planes:
    """Decodes the packets of a clip."""
    decoder = av.CodecContext.create(DECODERS[recipe.encoder], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    decoded += decoder.decode(None)
    if len(decoded) != frames:
        raise RuntimeError(f"{recipe}: {frames} frames in, {len(decoded)} out")
    return stack(decoded)


def _encode(planes: Planes, recipe: Recipe) -> Iterator[av.Packet]:
    """Yields the packets of a clip."""
    options = dict(recipe.options)
    encoder = av.CodecContext.create(recipe.encoder, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    _, encoder.height, encoder.width = planes.y.shape
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, RATE)
    encoder.framerate = Fraction(RATE)
    encoder.thread_count = 1
    if recipe.encoder == "libx265":
        options["x265-params"] = ":".join(filter(None, (options.get("x265-params"), _QUIET)))
    encoder.options = options
    for number, (y, u, v) in enumerate(zip(*planes, strict=True)):
        picture = np.concatenate((y.ravel(), u.ravel(), v.ravel())).reshape(-1, y.shape[1])
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        yield from encoder.encode(frame)
    yield from encoder.encode(None)
