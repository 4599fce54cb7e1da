"""Finds the settings of a filter that are fastest on this machine, for one size of clip."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vapoursynth as vs

from ..inference.errors import InferenceError

type Filter = Callable[..., vs.VideoNode]

_TURNS = 3
_TILED = 2
"""Frames are tried whole, and in so many tiles each way."""
_LENGTHS = (1, 2, 4, 8)
_WORTH = 1.03
"""What is less than so much faster than the filter's own choice is not worth writing down."""


@dataclass(frozen=True)
class Candidate:
    """One way to call a filter."""

    settings: Mapping[str, Any]
    """Arguments; empty for what the filter chooses itself."""

    @property
    def words(self) -> str:
        """The arguments as Python writes them."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


@dataclass(frozen=True)
class Timed:
    """How fast a candidate is."""

    candidate: Candidate
    fps: float | None
    """Median of some turns; ``None`` if it does not run here."""
    reason: str = ""
    """Why not."""


def candidates(clip: vs.VideoNode, backends: Sequence[str]) -> list[Candidate]:
    """Returns what is worth trying on a clip: first the filter's own choice.

    Args:
        clip: Of the size that counts.
        backends: Names of backends.
    """
    half = tuple(-(-side // (2 * _TILED)) * 2 for side in (clip.width, clip.height))
    found = [Candidate({})]
    for backend in backends:
        found += [Candidate({"backend": backend, "length": length}) for length in _LENGTHS]
        if min(half) >= 64:
            found.append(Candidate({"backend": backend, "tile": half}))
    return found


def timed(
    filter: Filter,
    clip: vs.VideoNode,
    tried: Sequence[Candidate],
    seconds: float,
    advance: Callable[[int], None],
) -> list[Timed]:
    """Measures candidates, which take turns: what else the machine does slows all of them.

    Args:
        filter: Called with the clip and a candidate's settings.
        clip: Long enough that no turn reaches its end.
        tried: What to measure.
        seconds: How long a turn takes, about.
        advance: Is told of every turn.

    Returns:
        The candidates, the fastest first, those that do not run last.
    """
    runs: dict[int, tuple[vs.VideoNode, int]] = {}
    failed: list[Timed] = []
    for number, candidate in enumerate(tried):
        try:
            runs[number] = _prepared(filter(clip, **candidate.settings), seconds)
        except (vs.Error, InferenceError) as error:
            failed.append(Timed(candidate, None, str(error)))
        advance(1)
    speeds: dict[int, list[float]] = {number: [] for number in runs}
    for turn in range(_TURNS):
        for number, (result, frames) in runs.items():
            start = (turn + 1) * frames
            speeds[number].append(frames / _seconds(result[start : start + frames]))
            advance(1)
    found = [Timed(tried[n], statistics.median(fps)) for n, fps in speeds.items()]
    return sorted(found, key=lambda one: -(one.fps or 0.0)) + failed


def turns(tried: Sequence[Candidate]) -> int:
    """Returns how often ``timed`` tells of progress at most."""
    return len(tried) * (1 + _TURNS)


def recommended(found: Sequence[Timed]) -> Timed:
    """Returns what to use: the fastest, or the filter's own choice if that is as good.

    Raises:
        InferenceError: Nothing runs here.
    """
    best = found[0]
    if best.fps is None:
        raise InferenceError(f"nothing runs here: {best.reason}")
    own = next((one for one in found if not one.candidate.settings), None)
    if own is not None and own.fps is not None and best.fps < _WORTH * own.fps:
        return own
    return best


def _prepared(result: vs.VideoNode, seconds: float) -> tuple[vs.VideoNode, int]:
    """Warms a filter up; returns it and how many frames take about so long."""
    frames = 8  # a chunk of the longest kind
    _seconds(result[:frames])
    per_frame = _seconds(result[frames : 2 * frames]) / frames
    return result, max(frames, round(seconds / per_frame / frames) * frames)


def _seconds(clip: vs.VideoNode) -> float:
    began = time.perf_counter()
    for _ in clip.frames(close=True):
        pass
    return time.perf_counter() - began
