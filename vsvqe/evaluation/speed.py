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


def measure(
    path: Path, recipe: Recipe, methods: Sequence[Method], scores: Sequence[Score], work: Path
) -> list[Speed]:
    """Returns the speed of every method.

    The methods take turns, so that whatever else the machine does slows all of them; the first
    turn, in which models are compiled, does not count.

    Args:
        path: The clean clip.
        recipe: What is done to it.
        methods: What repairs it.
        scores: These methods' scores on the clip, for the settings that count.
        work: Folder of the encoded clips.
    """
    clip = _in_memory(recipes.damaged(path, recipe, work))
    settings = {
        score.method: score.setting
        for score in scores
        if (score.recipe, score.clip) == (recipe.name, path.stem)
    }
    turns = [
        {method.name: _seconds(method, settings[method.name], clip) for method in methods}
        for _ in range(1 + _TURNS)
    ]
    return [
        Speed(recipe.name, name, clip.num_frames / statistics.median(t[name] for t in turns[1:]))
        for name in turns[0]
    ]


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
