"""Finds the settings of a filter that are fastest on this machine, for one size of clip."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vapoursynth as vs

from ..inference.errors import InferenceError

type Filter = Callable[..., vs.VideoNode]

TURNS = 5
"""How often each candidate is measured, unless told otherwise."""

_TILED = 2
"""Frames are tried whole, and in so many tiles each way."""
_LENGTHS = (1, 2, 4, 8)
_WORTH = 1.03
"""What is less than so much faster than the filter's own choice is not worth writing down."""
# Of a normal distribution: from the median absolute deviation to the standard deviation, and from
# the standard error of a mean to that of a median.
_DEVIATION = 1.4826
_MEDIAN = math.sqrt(math.pi / 2)
# Standard errors that a candidate must be ahead: it is the best of a dozen, so it was lucky too.
_ERRORS = 3


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
    turns: Sequence[float] = ()
    """Frames a second of each turn; none if it does not run here."""
    reason: str = ""
    """Why not."""

    @property
    def fps(self) -> float | None:
        """Frames a second: the median of the turns."""
        return statistics.median(self.turns) if self.turns else None


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
    turns: int,
    advance: Callable[[int], None],
) -> list[Timed]:
    """Measures candidates, which take turns: what else the machine does slows all of them.

    Args:
        filter: Called with the clip and a candidate's settings.
        clip: Long enough that no turn reaches its end.
        tried: What to measure.
        seconds: How long a turn takes, about.
        turns: How many each candidate has.
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
            failed.append(Timed(candidate, reason=str(error)))
        advance(1)
    speeds: dict[int, list[float]] = {number: [] for number in runs}
    for turn in range(turns):
        for number, (result, frames) in runs.items():
            start = (turn + 1) * frames
            speeds[number].append(frames / _seconds(result[start : start + frames]))
            advance(1)
    found = [Timed(tried[number], fps) for number, fps in speeds.items()]
    return sorted(found, key=lambda one: -(one.fps or 0.0)) + failed


def steps(tried: Sequence[Candidate], turns: int) -> int:
    """Returns how often ``timed`` tells of progress at most."""
    return len(tried) * (1 + turns)


def recommended(found: Sequence[Timed]) -> Timed:
    """Returns what to use: the fastest, or the filter's own choice if that is as good.

    Candidates are compared with the filter's own choice turn by turn, as what else the machine
    does changes from one turn to the next.

    Args:
        found: As ``timed`` returns it.

    Raises:
        InferenceError: Nothing runs here.
    """
    if not found[0].turns:
        raise InferenceError(f"nothing runs here: {found[0].reason}")
    own = _own(found)
    if own is None:
        return found[0]
    best = max((one for one in found if one.turns), key=lambda one: _lead(one, own))
    return best if _lead(best, own) > math.log(worth(found)) else own


def worth(found: Sequence[Timed]) -> float:
    """Returns by which factor a candidate must be faster than the filter's own choice to count.

    At least 1.03; more where the turns differ so much that less could be chance: three standard
    errors of the median of as many turns. The spread is that of all candidates together, since
    there are too few turns to know it of one.

    Args:
        found: As ``timed`` returns it.
    """
    own = _own(found)
    others = [one for one in found if one.turns and one is not own]
    if own is None or not others:
        return _WORTH
    turns = len(own.turns)
    apart = [abs(step - _lead(one, own)) for one in others for step in _leads(one, own)]
    # The last factor: medians of few values lie near them (Croux and Rousseeuw 1992).
    deviation = _DEVIATION * statistics.median(apart) * turns / (turns - 0.8)
    return max(_WORTH, math.exp(_ERRORS * _MEDIAN * deviation / math.sqrt(turns)))


def _own(found: Sequence[Timed]) -> Timed | None:
    """Returns the filter's own choice, if it runs here."""
    return next((one for one in found if one.turns and not one.candidate.settings), None)


def _leads(one: Timed, own: Timed) -> list[float]:
    """Returns by how much one was faster than the other in each turn, as logarithms."""
    return [math.log(fast / slow) for fast, slow in zip(one.turns, own.turns, strict=True)]


def _lead(one: Timed, own: Timed) -> float:
    return statistics.median(_leads(one, own))


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
