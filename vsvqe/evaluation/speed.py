"""How fast methods are, measured side by side."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import vapoursynth as vs

from . import pictures, recipes
from .methods import Method
from .recipes import Recipe
from .scores import Score

_TURNS = 3


@dataclass(frozen=True)
class Speed:
    """What one method needs on one damaged clip."""

    recipe: str
    method: str
    fps: float
    """Frames per second, of the clip as it lies in memory: the median of some turns over it."""


class Stopwatch:
    """Measures methods, each once for every size of a clip."""

    def __init__(self, work: Path) -> None:
        """Starts without any measurement.

        Args:
            work: Folder of the encoded clips.
        """
        self._work = work
        self._known: dict[tuple[str, str, str, int], float] = {}

    def speeds(
        self, path: Path, recipe: Recipe, methods: Sequence[Method], scores: Sequence[Score]
    ) -> list[Speed]:
        """Returns the speed of every method.

        The methods take turns, so that whatever else the machine does slows all of them; the
        first turn, in which models are compiled, does not count.

        Args:
            path: The clean clip.
            recipe: What is done to it.
            methods: What repairs it.
            scores: These methods' scores on the clip, for the settings that count.
        """
        clip = _in_memory(recipes.damaged(path, recipe, self._work))
        settings = {
            score.method: score.setting
            for score in scores
            if (score.recipe, score.clip) == (recipe.name, path.stem)
        }
        keys = {
            method.name: (method.name, method.version, settings[method.name], clip.width)
            for method in methods
        }
        new = [method for method in methods if keys[method.name] not in self._known]
        turns = [
            {method.name: _seconds(method, settings[method.name], clip) for method in new}
            for _ in range(1 + _TURNS)
        ]
        for method in new:
            median = statistics.median(turn[method.name] for turn in turns[1:])
            self._known[keys[method.name]] = clip.num_frames / median
        return [Speed(recipe.name, name, self._known[key]) for name, key in keys.items()]


def _in_memory(clip: vs.VideoNode) -> vs.VideoNode:
    """Decodes a clip, so that nothing but the methods takes time."""
    blank = vs.core.std.BlankClip(clip, keep=True).std.SetFrameProps(_Matrix=1, _Range=0)
    return pictures.as_clip(pictures.read(clip), blank)


def _seconds(method: Method, setting: str, clip: vs.VideoNode) -> float:
    """Runs a method over a clip, at one of its settings."""
    candidates = method.run(clip)
    while True:
        began = time.perf_counter()
        words, result = next(candidates)
        if words == setting:
            for frame in result.frames(close=True):
                frame.close()
            return time.perf_counter() - began
