"""Scores of clips that have no original: what real video is judged by, besides looking at it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import vapoursynth as vs

from ..inference.session import engines_noted
from ..metrics.flicker import flicker
from ..metrics.niqe import Niqe
from ..metrics.warping import Motion, motion, warping_error
from . import pictures, recipes
from .kept import Kept, content_hash
from .methods import Method
from .recipes import Recipe
from .report import Column, mean, number

logger = logging.getLogger(__name__)

SCALE = 4
FOUND = Recipe(name="real", about="as found", scale=SCALE)
"""What is compared on such clips: enlargements by four."""

# Changes when the way to measure does, so that no older score is taken for a new one.
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Unreferenced:
    """What one method made of one clip: means over its frames."""

    clip: str
    method: str
    engine: str
    """What the models ran on."""
    niqe: float
    warping: float
    flicker: float


COLUMNS = (
    Column("niqe", "NIQE", 2),
    Column("warping", "warping error", 2),
    Column("flicker", "added flicker", 3),
)


@dataclass(frozen=True)
class Found:
    """A clip as it was found, and what of it all scores need."""

    clip: vs.VideoNode
    every: int

    @cached_property
    def motion(self) -> Motion:
        """How it moves."""
        return motion(pictures.read(self.clip).y, self.every)

    @cached_property
    def enlarged(self) -> pictures.Bytes:
        """The luma of its bicubic enlargement."""
        size = SCALE * self.clip.width, SCALE * self.clip.height
        return pictures.read(self.clip.resize.Bicubic(*size)).y


class UnreferencedScorer:
    """Runs methods on found clips and measures what they return."""

    def __init__(self, work: Path, niqe: Niqe, frames: int, every: int) -> None:
        """Remembers where to keep scores.

        Args:
            work: Folder for scores.
            niqe: The metric, loaded.
            frames: How many of each clip are looked at, the first ones.
            every: NIQE takes every so many frames, the warping error every so many pairs.
        """
        self._kept = Kept(work / "scores")
        self._niqe = niqe
        self._frames = frames
        self._every = every
        self._found: tuple[Path, Found] | None = None

    def score(self, path: Path, method: Method) -> Unreferenced:
        """Returns the score of a method on a clip, if possible from the work folder.

        Args:
            path: The clip: 8-bit 4:2:0.
            method: What enlarges it by four.

        Raises:
            ValueError: The method's result is not four times as large, or of another length.
        """
        key = [_VERSION, content_hash(path), method.name, method.version]
        key += [self._frames, self._every]
        label = f"{FOUND.name}-{path.stem}"
        kept = self._kept.read(label, key)
        if kept.keys() != {field.name for field in fields(Unreferenced)}:
            kept = self._measured(path, method)
            self._kept.write(label, key, kept)
        return Unreferenced(**kept)

    def _measured(self, path: Path, method: Method) -> dict[str, Any]:
        found = self._opened(path)
        with engines_noted() as engines:
            ((_, result),) = method.run(found.clip)
        luma = pictures.read(result).y
        if luma.shape != found.enlarged.shape:
            raise ValueError(
                f"{method.name}: the result is {result.width}x{result.height}, "
                f"{result.num_frames} frames; the input {found.clip.width}x{found.clip.height}, "
                f"{found.clip.num_frames} frames"
            )
        figures = {
            "niqe": mean(self._niqe.distance(luma[:: self._every]).tolist()),
            "warping": mean(warping_error(luma, found.motion, self._every).tolist()),
            "flicker": mean(flicker(found.enlarged, luma).tolist()),
        }
        shown = ", ".join(f"{c.title} {figures[c.name]:.{c.digits}f}" for c in COLUMNS)
        logger.info("%s, %s: %s", path.stem, method.name, shown)
        engine = "; ".join(sorted(engines))
        return {"clip": path.stem, "method": method.name, "engine": engine, **figures}

    def _opened(self, path: Path) -> Found:
        """Returns a clip; one is kept, as its neighbours in the work ask for the same."""
        if self._found is None or self._found[0] != path:
            self._found = path, Found(recipes.source(path)[: self._frames], self._every)
        return self._found[1]


def markdown(scores: Sequence[Unreferenced], command: str, frames: int, every: int) -> str:
    """Returns the page with all figures.

    Args:
        scores: Of every clip and method.
        command: That measured them.
        frames: Of each clip that were looked at.
        every: See ``UnreferencedScorer``.
    """
    engines = sorted({part for score in scores for part in score.engine.split("; ") if part})
    often = "every frame and pair" if every == 1 else f"one frame and pair in {every}"
    by_place = {(score.method, score.clip): score for score in scores}
    methods = list(dict.fromkeys(score.method for score in scores))
    clips = list(dict.fromkeys(score.clip for score in scores))
    text = [
        "# Evaluation on real clips",
        "",
        "Generated; do not edit. To measure again:",
        "",
        f"```sh\n{command}\n```",
        "",
        f"Clips that were found as they are, enlarged by {SCALE}: nobody knows what they looked "
        f"like before, so these figures need no original. The first {frames} frames of each were "
        "looked at, some methods being slow. Less is better in all columns, but none of them "
        "replaces looking:",
        "",
        f"- **NIQE** ({often}): how far the statistics of the luma are from those of good "
        "photographs, with the model of its authors. It takes noise, ringing and made-up texture "
        "for nature as easily as the real thing, and is meant for photographs: drawings and old "
        "film have other statistics.",
        f"- **Warping error** ({often}), in 8-bit codes: what changes from frame to frame beyond "
        "what moves, along the motion of the input. Blurring lowers it too, so it says something "
        "only among rows that are equally sharp.",
        "- **Added flicker**, in 8-bit codes: change from frame to frame beyond that of the "
        "bicubic enlargement, where that is flat: texture that boils there.",
        "",
        f"Models ran on: {' and '.join(engines)}.",
        "",
        "## Mean over the clips",
        "",
        f"| mean | {' | '.join(column.title for column in COLUMNS)} |",
        f"|---|{'--:|' * len(COLUMNS)}",
    ]
    for method in methods:
        cells = []
        for column in COLUMNS:
            values = [float(getattr(by_place[method, clip], column.name)) for clip in clips]
            cells.append(number(mean(values), column.digits))
        text.append(f"| {method} | {' | '.join(cells)} |")
    for column in COLUMNS:
        text += ["", f"## {column.title.capitalize() if column.name != 'niqe' else 'NIQE'}", ""]
        text += [f"| clip | {' | '.join(methods)} |", f"|---|{'--:|' * len(methods)}"]
        for clip in clips:
            row = [float(getattr(by_place[method, clip], column.name)) for method in methods]
            shown = " | ".join(number(value, column.digits) for value in row)
            text.append(f"| {clip} | {shown} |")
    return "\n".join(text) + "\n"
