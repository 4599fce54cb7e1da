"""Whether a source is whole: it goes on as long as its header says, and its pictures decode."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from . import decoding
from .companions import start_of
from .decoding import Mark
from .errors import SourceError

_SECOND = Fraction(1, 1_000_000)

# A reference frame is not there to be let go: where frames are really lost, more is said.
_HARMLESS = "mmco: unref short failure"
# Places that are told of.
_TOLD = 3


def check_length(path: Path) -> None:
    """Reads a file from end to end and compares it with what its header says.

    Raises:
        SourceError: It can't be read to its end, or ends early.
    """
    last = Fraction(0)
    counts: dict[int, int] = {}
    try:
        with av.open(str(path)) as source:
            promised = None if source.duration is None else source.duration * _SECOND
            frames = {stream.index: stream.frames for stream in source.streams}
            for packet in source.demux():
                if packet.size and packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    last = max(last, Fraction(end))
                    counts[packet.stream_index] = counts.get(packet.stream_index, 0) + 1
                    if packet.is_corrupt:
                        raise SourceError(_cut_off(path, float(last), promised))
    except av.error.FFmpegError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}; is it whole?") from error
    short = promised is not None and last < promised - max(1, promised / 50)
    lost = any(counts.get(index, 0) < count for index, count in frames.items() if count > 1)
    if short or lost:
        raise SourceError(_cut_off(path, float(last), promised))


def _cut_off(path: Path, seconds: float, promised: Fraction | None) -> str:
    header = "" if promised is None else f" of the {float(promised):.1f} s that its header says"
    return f"{path} seems to be cut off or damaged: it can be read to {seconds:.1f} s{header}"


def check_pictures(
    path: Path, start: Fraction, end: Fraction | None, advance: Callable[[int], None]
) -> None:
    """Decodes the picture of a file, and listens to what FFmpeg says.

    Decoders hide what they can't decode: they patch it up, repeat a frame, or leave one out.
    What no decoder can notice, as most codecs have no check sums, is not found.

    Args:
        path: The file.
        start: Where to begin, in seconds of the file.
        end: Where to stop; ``None``: at the end.
        advance: Is told of every frame.

    Raises:
        SourceError: Frames are damaged; says where.
    """
    until = "inf" if end is None else str(float(end))
    with _decoding(path, str(float(start)), until) as process:
        assert process.stderr is not None
        places: list[float] = []
        now, done, settled = float(start), 0, True
        for line in process.stderr:
            match line[:1]:
                case Mark.AT:
                    time, frames = line[1:].split()
                    now = float(time)
                    advance(int(frames) - done)
                    done = int(frames)
                case Mark.BEGINNING:
                    # What was said before was said while the file was opened.
                    places.clear()
                    settled = False
                case Mark.GOOD:
                    settled = True
                case _ if settled and line.strip() and _HARMLESS not in line:
                    places.append(now)
        if process.wait():
            places.append(now)
    if places:
        raise SourceError(f"{path} is damaged: frames can't be decoded at {_clocks(path, places)}")


@contextmanager
def _decoding(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Starts the program, which ends with the block."""
    # Without -P the folder of the program would be searched for its imports.
    command = [sys.executable, "-P", decoding.__file__, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _clocks(path: Path, places: Sequence[float]) -> str:
    """Returns the first of some places as a player shows them."""
    with av.open(str(path)) as source:
        begins = float(start_of(source))
    seconds = dict.fromkeys(max(0, int(place - begins)) for place in places)
    words = [f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}" for s in islice(seconds, _TOLD)]
    return ", ".join([*words, "..."] if len(seconds) > _TOLD else words)
