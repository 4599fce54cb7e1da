"""Scores of a result against the original, kept for the next time."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import vapoursynth as vs

from ..metrics.lpips import Lpips
from ..metrics.psnr import psnr
from ..metrics.ssim import ssim
from ..metrics.tof import Flow, flow_difference, flows
from . import pictures, recipes
from .methods import Method
from .recipes import Recipe

logger = logging.getLogger(__name__)

METRICS = ("psnr_y", "ssim_y", "lpips", "tof")
BETTER_IS_MORE = {"psnr_y": True, "ssim_y": True, "lpips": False, "tof": False}

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
    psnr_y: float
    ssim_y: float
    lpips: float
    tof: float


class Original:
    """A clean clip, and what of it all scores need."""

    def __init__(self, clip: vs.VideoNode, every: int) -> None:
        """Remembers the clip; it is read when needed.

        Args:
            clip: 8-bit 4:2:0.
            every: LPIPS takes every so many frames, tOF every so many pairs.
        """
        self.clip = clip
        self.every = every

    @cached_property
    def luma(self) -> pictures.Bytes:
        """The luma of all frames."""
        return pictures.read(self.clip).y

    @cached_property
    def rgb(self) -> pictures.Bytes:
        """The frames that LPIPS looks at."""
        return pictures.rgb(self.clip[:: self.every])

    @cached_property
    def flow(self) -> Flow:
        """The motion that tOF compares with."""
        return flows(self.luma, self.every)


class Scorer:
    """Runs methods and measures what they return."""

    def __init__(self, work: Path, lpips: Lpips, every: int, engines: Mapping[str, str]) -> None:
        """Remembers where to keep scores.

        Args:
            work: Folder for encoded clips and scores.
            lpips: The metric, loaded.
            every: See ``Original``.
            engines: Engine by model file, as far as any has been opened yet.
        """
        self._work = work
        self._lpips = lpips
        self._every = every
        self._engines = engines
        self._original: tuple[tuple[Path, int], Original] | None = None

    def score(self, path: Path, recipe: Recipe, method: Method) -> Score:
        """Returns the score of a method on a clip, from the work folder if it is there.

        Args:
            path: The clean clip.
            recipe: What is done to it.
            method: What repairs it.
        """
        key = [_VERSION, _hash(path), recipe.about, dict(recipe.options), method.name]
        key += [method.version, self._every]
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
        file = self._work / "scores" / f"{recipe.name}-{path.stem}-{name}.json"
        if file.is_file():
            return Score(**json.loads(file.read_text(encoding="utf-8")))
        score = self._measured(path, recipe, method)
        logger.info(
            "%s, %s, %s: PSNR-Y %.2f, SSIM-Y %.4f, LPIPS %.4f, tOF %.3f",
            *(score.recipe, score.clip, score.method),
            *(score.psnr_y, score.ssim_y, score.lpips, score.tof),
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(asdict(score)), encoding="utf-8")
        os.replace(unfinished, file)
        return score

    def _measured(self, path: Path, recipe: Recipe, method: Method) -> Score:
        original = self._opened(path, recipe.scale)
        damaged = recipes.damaged(path, recipe, self._work)
        setting, result, quality = "", None, -np.inf
        for words, clip in method.run(damaged):
            planes = pictures.read(clip)
            mean = psnr(original.luma, planes.y).mean()
            if mean > quality:
                setting, result, quality = words, (planes, clip), mean
        assert result is not None
        planes, clip = result
        seen = pictures.Planes(*(plane[:: original.every] for plane in planes))
        rgb = pictures.rgb(pictures.as_clip(seen, clip[:: original.every]))
        moved = flow_difference(original.flow, flows(planes.y, original.every))
        return Score(
            recipe=recipe.name,
            clip=path.stem,
            method=method.name,
            card=method.card,
            setting=setting,
            engine="; ".join(sorted(set(self._engines.values()))) if method.ours else "",
            psnr_y=float(quality),
            ssim_y=float(ssim(original.luma, planes.y).mean()),
            lpips=float(self._lpips.distance(original.rgb, rgb).mean()),
            tof=float(moved.mean()),
        )

    def _opened(self, path: Path, scale: int) -> Original:
        """Returns the original; one is kept, as its neighbours in the work ask for the same."""
        if self._original is None or self._original[0] != (path, scale):
            self._original = ((path, scale), Original(recipes.clean(path, scale), self._every))
        return self._original[1]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
