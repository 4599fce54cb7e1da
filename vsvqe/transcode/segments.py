"""Encodes a clip in segments on a fixed grid, each by a fresh encoder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Protocol

import av
import vapoursynth as vs

from .encoder import GRID, Encoding, Picture, open_encoder, to_av
from .errors import EncoderError, FilterError, StorageError
from .interrupts import held
from .journal import Entry, Journal
from .script import reason
from .storage import Unbuffered, written
from .timeline import Timeline


class Advance(Protocol):
    """Is told of frames that are finished."""

    def __call__(self, frames: int, /, *, found: bool = False) -> None:
        """So many more are; ``found``: since an earlier run."""


# Segments carry frame numbers; that they play at 25 frames a second is for who looks into one.
_STEP = 40
_MILLISECOND = Fraction(1, 1000)
# No codec decodes more pictures ahead of their turn.
_MOST_REORDERED = 32


def segment_path(journal: Journal, segment: int) -> Path:
    """Returns where the file of a segment is, or is to be."""
    return journal.folder / f"{segment:06}.mkv"


def count(frames: int, grid: int) -> int:
    """Returns how many segments a clip has."""
    return -(-frames // grid)


def encode_missing(
    clip: vs.VideoNode,
    picture: Picture,
    settings: Encoding,
    timeline: Timeline,
    journal: Journal,
    advance: Advance,
) -> list[Entry]:
    """Encodes the segments that the journal does not have.

    A segment depends on its frames only: its encoder is new, and begins with a key frame. So it
    comes out the same whether or not the segments before it were made by the same process.

    Args:
        clip: What to encode.
        picture: What the encoder is told of it.
        settings: The encoder.
        timeline: Of the clip.
        journal: Of the result.
        advance: Is told of progress, of segments that are there already too.

    Returns:
        The journal's entries of all segments.

    Raises:
        FilterError: A frame can't be had.
        EncoderError: The encoder fails.
        StorageError: A segment can't be written.
    """

    def write(segment: int, frames: Iterator[vs.VideoFrame]) -> None:
        part = timeline.cut(segment * GRID, (segment + 1) * GRID)
        unfinished = journal.folder / "unfinished.mkv"
        order = _encode(frames, unfinished, picture, settings, part, advance)
        with written(unfinished):
            journal.finish(segment, [unfinished], [segment_path(journal, segment)], order)

    return fill(
        clip, journal, GRID, lambda segment: [segment_path(journal, segment)], write, advance
    )


def fill(
    clip: vs.VideoNode,
    journal: Journal,
    grid: int,
    paths: Callable[[int], Sequence[Path]],
    write: Callable[[int, Iterator[vs.VideoFrame]], None],
    advance: Advance,
) -> list[Entry]:
    """Makes the segments that the journal does not have.

    Args:
        clip: What to write.
        journal: Of the result.
        grid: Frames of a segment.
        paths: The files of a segment.
        write: Makes a segment of its frames, and tells the journal.
        advance: Is told of the segments that are there already.
    """
    total = count(clip.num_frames, grid)
    missing = []
    for segment in range(total):
        if journal.finished(segment, paths(segment)) is None:
            missing.append(segment)
        else:
            advance(min(grid, clip.num_frames - segment * grid), found=True)
    # Segments in a row are asked for in one go, so that the filters are never idle between them.
    for _, row in groupby(enumerate(missing), key=lambda pair: pair[1] - pair[0]):
        run = [segment for _, segment in row]
        wanted = clip[run[0] * grid : (run[-1] + 1) * grid]
        with held() as check, closing(wanted.frames(close=True)) as frames:
            for segment in run:
                length = min(grid, clip.num_frames - segment * grid)
                write(segment, _taken(frames, length, segment * grid, check))
    found = [journal.finished(segment, paths(segment)) for segment in range(total)]
    if None in found:
        raise StorageError(
            f"what was written to {journal.folder} can't be read back; check the disk"
        )
    return [entry for entry in found if entry is not None]


def _taken(
    frames: Iterator[vs.VideoFrame], length: int, first: int, check: Callable[[], None]
) -> Iterator[vs.VideoFrame]:
    """Takes frames of an iterator, and does ``check``; what a filter raises names the frame."""
    for number in range(length):
        try:
            frame = next(frames)
        except vs.Error as error:
            raise FilterError(f"frame {first + number} can't be had: {reason(error)}") from error
        check()
        yield frame


def _encode(
    frames: Iterator[vs.VideoFrame],
    path: Path,
    picture: Picture,
    settings: Encoding,
    timeline: Timeline,
    advance: Advance,
) -> list[int]:
    """Encodes one segment; returns the order of its packets."""
    number_of = {stamp: number for number, stamp in enumerate(timeline.stamps)}
    order: list[int] = []
    with (
        written(path),
        Unbuffered(path) as file,
        file.failures(),
        av.open(file, "w", "matroska") as container,
    ):
        container.flags |= av.container.Flags.bitexact.value
        stream = open_encoder(container, settings, picture)

        def mux(packets: Sequence[av.Packet]) -> None:
            for packet in packets:
                order.append(number_of[packet.pts])
                packet.time_base = _MILLISECOND
                packet.pts, packet.duration = _STEP * order[-1], _STEP
                packet.dts = _STEP * (len(order) - 1 - _MOST_REORDERED)
                container.mux(packet)

        try:
            for number, frame in enumerate(frames):
                coded = to_av(frame, picture.pixel_format)
                coded.pts, coded.time_base = timeline.stamps[number], timeline.time_base
                coded.duration = timeline.duration(number)
                mux(stream.encode(coded))
                advance(1)
            mux(stream.encode(None))
        except OSError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            raise EncoderError(f"the encoder {settings.codec} failed: {error}") from error
    if sorted(order) != list(range(len(timeline))):
        raise EncoderError(
            f"the encoder {settings.codec} returned {len(order)} pictures for {len(timeline)} "
            "frames; options that drop frames can't be used"
        )
    return order
