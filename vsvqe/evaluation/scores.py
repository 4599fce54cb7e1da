"""Scores of a result against the original, kept for the next time."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..inference.session import engines_noted
from ..metrics.lpips import Lpips
from . import recipes
from .encode import bit_rate
from .kept import Kept, content_hash
from .measures import MEASURES, Measure, Original, Sample
from .methods import Method, best
from .recipes import Recipe

logger = logging.getLogger(__name__)

# Changes when the way to measure does, so that no older score is taken for a new one.
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one method reached on one damaged clip: means over its frames."""

    recipe: str
    clip: str
    method: str
    card: str | None
    setting: str
    """The best of the settings, where the method has several."""
    engine: str
    """What the models ran on."""
    kbps: float | None
    """Rate of the damaged clip in kbit/s; none if it was not compressed."""
    psnr_y: float
    psnr_u: float
    psnr_v: float
    ssim_y: float
    ms_ssim_y: float
    lpips: float
    tof: float
    flicker: float
    blockiness: float


class Scorer:
    """Runs methods and measures what they return."""

    def __init__(self, work: Path, lpips: Lpips, every: int) -> None:
        """Remembers where to keep scores.

        Args:
            work: Folder for encoded clips and scores.
            lpips: The metric, loaded.
            every: See ``Original``.
        """
        self._work = work
        self._kept = Kept(work / "scores")
        self._lpips = lpips
        self._every = every
        self._original: tuple[tuple[Path, int], Original] | None = None

    def score(self, path: Path, recipe: Recipe, method: Method) -> Score:
        """Returns the score of a method on a clip, as far as possible from the work folder.

        A figure that the kept score does not have, because it was not measured yet at that time,
        is measured and added to it.

        Args:
            path: The clean clip.
            recipe: What is done to it.
            method: What repairs it.

        Raises:
            ValueError: The method's result has not the size and length of the original.
        """
        key = [_VERSION, content_hash(path), recipe.about, dict(recipe.options), method.name]
        key += [method.version, self._every]
        label = f"{recipe.name}-{path.stem}"
        kept = self._kept.read(label, key)
        if not kept.keys() >= {field.name for field in fields(Score)}:
            kept |= self._measured(path, recipe, method, kept)
            self._kept.write(label, key, kept)
        return Score(**kept)

    def _measured(
        self, path: Path, recipe: Recipe, method: Method, kept: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns everything that the kept score lacks."""
        original = self._opened(path, recipe.scale)
        damaged = recipes.damaged(path, recipe, self._work)
        candidates = method.run(damaged)
        if "setting" in kept:
            candidates = ((words, clip) for words, clip in candidates if words == kept["setting"])
        try:
            with engines_noted() as engines:
                setting, planes, clip = best(candidates, original.luma)
        except ValueError as error:
            raise ValueError(f"{method.name} on {recipe.name}: {error}") from error
        sample = Sample(original, planes, clip, recipe.scale, self._lpips)
        missing = [measure for measure in MEASURES.values() if measure.name not in kept]
        figures = {measure.name: measure.of(sample) for measure in missing}
        shown = ", ".join(_told(measure, figures[measure.name]) for measure in missing)
        logger.info("%s, %s, %s: %s", recipe.name, path.stem, method.name, shown)
        return {
            "recipe": recipe.name,
            "clip": path.stem,
            "method": method.name,
            "card": method.card,
            "setting": setting,
            "engine": "; ".join(sorted(engines)),
            "kbps": None
            if recipe.encoder is None
            else bit_rate(recipes.encoded_file(path, recipe, self._work)),
            **figures,
        }

    def _opened(self, path: Path, scale: int) -> Original:
        """Returns the original; one is kept, as its neighbours in the work ask for the same."""
        if self._original is None or self._original[0] != (path, scale):
            self._original = ((path, scale), Original(recipes.clean(path, scale), self._every))
        return self._original[1]


def _told(measure: Measure, figure: float) -> str:
    return f"{measure.title} {figure:.{measure.digits}f}"
