"""When frames are shown, and the words in which users say so."""

import bisect
import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import vapoursynth as vs

from .errors import SourceError
from .script import reason

logger = logging.getLogger(__name__)

# FFmpeg's AV_NOPTS_VALUE.
_NONE = -(2**63)


@dataclass(frozen=True)
class Timeline:
    """The time stamps of all frames of a clip, in display order."""

    stamps: Sequence[int]
    time_base: Fraction
    """Seconds of one unit."""
    rate: Fraction
    """Frames a second, on average where they vary."""

    def __len__(self) -> int:
        return len(self.stamps)

    def duration(self, frame: int) -> int:
        """Returns how long a frame is shown, in units; of the last one the usual length."""
        if frame + 1 < len(self.stamps):
            return self.stamps[frame + 1] - self.stamps[frame]
        return max(1, round(1 / (self.rate * self.time_base)))

    def cut(self, first: int, end: int) -> "Timeline":
        """Returns the frames from ``first`` to before ``end``."""
        return Timeline(self.stamps[first:end], self.time_base, self.rate)

    @property
    def start(self) -> Fraction:
        """When the first frame is shown, in seconds."""
        return self.stamps[0] * self.time_base

    @property
    def end(self) -> Fraction:
        """When the last frame is no longer shown, in seconds."""
        return (self.stamps[-1] + self.duration(len(self) - 1)) * self.time_base


def constant(frames: int, rate: Fraction) -> Timeline:
    """Returns the timeline of frames that are all shown equally long, such as images."""
    return Timeline(range(frames), 1 / rate, rate)


def of_file(path: Path, clip: vs.VideoNode) -> Timeline:
    """Returns the timeline of a video file.

    Args:
        path: The file.
        clip: What BestSource made of it.

    Raises:
        SourceError: Its time stamps can't be used.
    """
    with _without_warning():
        try:
            opened = vs.core.bs.VideoSource(str(path), exporttimestamps=True)
        except vs.Error as error:
            raise SourceError(f"{path} can't be opened as video: {reason(error)}") from error
    stamps, mended = increasing(opened["timestamps"])
    if len(stamps) != clip.num_frames or stamps[0] == _NONE:
        raise SourceError(f"{path} has no time stamps; say how fast it is with --fps")
    if mended:
        logger.warning(
            "%d of %d time stamps of %s do not grow from frame to frame; these frames were spread "
            "between their neighbours",
            mended,
            len(stamps),
            path,
        )
    base = Fraction(opened["timebasenum"], opened["timebaseden"])
    return Timeline(stamps, base, Fraction(clip.fps))


def increasing(stamps: Sequence[int]) -> tuple[list[int], int]:
    """Mends time stamps that do not grow, as badly written files have them.

    The largest number of stamps that grow are kept; the others are spread evenly between those
    around them, moving these along where there is no room.

    Args:
        stamps: In display order.

    Returns:
        Stamps that grow from one to the next, and how many are not those given.

    Example:
        >>> from vsvqe.transcode.timeline import increasing
        >>> increasing([0, 10, 40, 10, 50])
        ([0, 10, 40, 45, 50], 1)
    """
    if all(a < b for a, b in pairwise(stamps)):
        return list(stamps), 0
    kept = _longest_increasing(stamps)
    places = np.arange(len(stamps))
    spread = np.interp(places, kept, [stamps[place] for place in kept])
    found: list[int] = []
    for place in places:
        least = found[-1] + 1 if found else None
        stamp = math.floor(spread[place])
        found.append(stamp if least is None else max(stamp, least))
    return found, sum(a != b for a, b in zip(found, stamps, strict=True))


def _longest_increasing(values: Sequence[int]) -> list[int]:
    """Returns the places of a longest increasing subsequence (patience sorting)."""
    smallest: list[int] = []  # last value of the best subsequence of every length
    ends: list[int] = []  # its place
    before: list[int | None] = []
    for place, value in enumerate(values):
        length = bisect.bisect_left(smallest, value)
        before.append(ends[length - 1] if length else None)
        smallest[length : length + 1] = [value]
        ends[length : length + 1] = [place]
    found: list[int] = []
    at: int | None = ends[-1]
    while at is not None:
        found.append(at)
        at = before[at]
    return found[::-1]


@dataclass(frozen=True)
class Moment:
    """A place or a length in a clip, as the user writes it: seconds, or frames."""

    seconds: Fraction | None
    frames: int | None

    def place(self, timeline: Timeline) -> int:
        """Returns the frame that is shown at this time, counted from the first frame."""
        if self.frames is not None:
            return self.frames
        assert self.seconds is not None
        stamp = (timeline.start + self.seconds) / timeline.time_base
        return max(0, bisect.bisect_right(timeline.stamps, stamp) - 1)


@dataclass(frozen=True)
class Excerpt:
    """A part of a clip in words: ``10s@1:23``, ``48f@100f``, ``5s``."""

    length: Moment
    start: Moment

    def frames(self, timeline: Timeline) -> tuple[int, int]:
        """Returns the first frame and the one after the last.

        Raises:
            ValueError: The clip ends before the excerpt begins.
        """
        clip_seconds = float(timeline.end - timeline.start)
        first = self.start.place(timeline)
        beyond = self.start.seconds is not None and self.start.seconds >= clip_seconds
        if first >= len(timeline) or beyond:
            raise ValueError(
                f"the preview begins after the clip, which has {len(timeline)} frames "
                f"({clip_seconds:.1f} s)"
            )
        if self.length.frames is not None:
            end = first + self.length.frames
        else:
            assert self.length.seconds is not None
            until = timeline.stamps[first] + self.length.seconds / timeline.time_base
            end = bisect.bisect_left(timeline.stamps, until)
        return first, min(max(end, first + 1), len(timeline))


def excerpt(text: str) -> Excerpt:
    """Reads an excerpt: a length and, behind ``@``, where it begins.

    Args:
        text: Both as seconds (``10``, ``10s``, ``2.5s``), minutes (``1:23``), hours (``1:02:03``)
            or frames (``48f``).

    Raises:
        ValueError: It is something else.

    Example:
        >>> from vsvqe.transcode.timeline import excerpt
        >>> excerpt("10s@1:23").start.seconds
        Fraction(83, 1)
    """
    length, _, start = text.partition("@")
    try:
        found = Excerpt(_moment(length), _moment(start or "0"))
    except ValueError:
        raise ValueError(
            f"{text!r} is not an excerpt; write a length and where it begins, such as 10s@1:23 "
            "(seconds, minutes:seconds, or frames: 48f@100f)"
        ) from None
    if (found.length.seconds or found.length.frames or 0) <= 0:
        raise ValueError(f"{text!r} is empty; its length must be more than 0")
    return found


def _moment(text: str) -> Moment:
    if re.fullmatch(r"\d+f", text):
        return Moment(None, int(text[:-1]))
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?", text)
    if match is None:
        raise ValueError(text)
    hours, minutes, seconds = match.groups()
    return Moment(3600 * int(hours or 0) + 60 * int(minutes or 0) + Fraction(seconds), None)


@contextmanager
def _without_warning() -> Iterator[None]:
    """Hides that BestSource returns more than it declares, which the core warns of."""

    def keep(record: logging.LogRecord) -> bool:
        return "no return value(s) named" not in record.getMessage()

    logger = logging.getLogger("vapoursynth")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
