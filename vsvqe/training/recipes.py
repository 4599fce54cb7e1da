"""What real encoders are asked for: recipes, drawn or given, and how coarsely they quantise."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

RATE = 25
# Between the generations that a clip went through, in words.
THEN = ", then "
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
        recipe: As ``codecs.coded`` tells it, or ``str`` of a ``Recipe``.

    Returns:
        From 0 to 51.

    Raises:
        ValueError: It doesn't say.

    Example:
        >>> from vsvqe.training.recipes import hevc, quantiser
        >>> quantiser(str(hevc(37)))
        37.0
    """
    if THEN in recipe:
        return max(map(quantiser, recipe.split(THEN)))
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
