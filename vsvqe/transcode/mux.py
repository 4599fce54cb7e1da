"""Joins the segments and what travels beside the picture into the result."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av

from . import companions
from .companions import Keep
from .encoder import GRID, Encoding, Picture, open_encoder
from .errors import EncoderError, SourceError
from .journal import Entry
from .storage import Unbuffered, written
from .timeline import Timeline

logger = logging.getLogger(__name__)

CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
"""FFmpeg's names of the containers that can be written, by suffix."""

# With their index in front they can be played while they are being fetched.
_INDEX_IN_FRONT = {"movflags": "faststart"}
_OPTIONS = {"mp4": _INDEX_IN_FRONT, "mov": _INDEX_IN_FRONT}


def rehearse(
    container: str, settings: Encoding, picture: Picture, source: Path | None, keep: Keep
) -> None:
    """Begins a result in memory: what can't be done shows before hours of work, not after.

    Args:
        container: FFmpeg's name of its format.
        settings: The encoder.
        picture: What it is told.
        source: See ``mux``.
        keep: See ``mux``.

    Raises:
        EncoderError: The encoder refuses its settings.
        SourceError: The container can't hold a stream of the source.
    """
    with ExitStack() as stack:
        result = stack.enter_context(av.open(io.BytesIO(), "w", container))
        stream = open_encoder(result, settings, picture)
        try:
            stream.codec_context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise EncoderError(
                f"the encoder {settings.codec} refuses {dict(settings.options)}: {error}"
            ) from error
        if source is not None:
            opened = stack.enter_context(av.open(str(source)))
            found = companions.add(opened, result, keep, Fraction(0), None)
            for name in found.left_out:
                logger.warning("%s is left out: a %s file can't hold it", name, container)
        try:
            result.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            raise SourceError(_refused(container, error)) from error


def _refused(container: str, error: Exception) -> str:
    return (
        f"the streams of the source and the encoder's can't be put into one {container} file "
        f"({error}); name the result .mkv, or leave streams out with --no-audio and "
        "--no-subtitles"
    )


def mux(
    path: Path,
    container: str,
    segments: Sequence[Path],
    entries: Sequence[Entry],
    timeline: Timeline,
    source: Path | None,
    keep: Keep,
    *,
    excerpt: bool,
) -> None:
    """Writes the result under a preliminary name.

    Args:
        path: The file.
        container: FFmpeg's name of its format.
        segments: Files of the encoded picture.
        entries: The journal's entries of them.
        timeline: Of all their frames, in times of the source.
        source: Where sound and the rest come from; ``None`` where there is none.
        keep: What of it is wanted.
        excerpt: Whether only what belongs to these frames is wanted.

    Raises:
        SourceError: The container can't hold a stream of the source, or the source can't be read.
        StorageError: The file can't be written.
        EncoderError: The segments don't fit together.
    """
    options = _OPTIONS.get(container, {})
    with (
        written(path),
        Unbuffered(path) as file,
        file.failures(),
        av.open(file, "w", container, options=options) as result,
    ):
        # Otherwise files hold random numbers and never are the same twice.
        result.flags |= av.container.Flags.bitexact.value
        with av.open(str(segments[0])) as first:
            # The decoder's parameters are kept as they are; the name of some decoders is of no
            # encoder, which PyAV would look for otherwise.
            target = result.add_stream_from_template(first.streams.video[0], opaque=True)
        target.time_base = timeline.time_base
        target.codec_context.framerate = timeline.rate
        if source is None:
            begins = timeline.start
            for packet in _picture(segments, entries, timeline, target, begins):
                result.mux(packet[1])
            return
        with av.open(str(source)) as opened:
            begins = timeline.start if excerpt else companions.start_of(opened)
            end = timeline.end if excerpt else None
            beside = companions.add(opened, result, keep, begins, end)
            picture = _picture(segments, entries, timeline, target, begins)
            try:
                for one in companions.merged(picture, beside.packets()):
                    result.mux(one)
            except OSError:
                raise
            except av.error.FFmpegError as error:
                raise SourceError(_refused(container, error)) from error


def _picture(
    segments: Sequence[Path],
    entries: Sequence[Entry],
    timeline: Timeline,
    target: av.VideoStream,
    start: Fraction,
) -> Iterator[tuple[Fraction, av.Packet]]:
    """Gives the packets of the picture with their decode times in seconds.

    Decode times are the display times, in order, that as many frames earlier as some picture is
    decoded after its turn: so they grow across segments too, however frames are timed.
    """
    base = timeline.time_base
    offset = round(start / base)
    stamps = [stamp - offset for stamp in timeline.stamps]
    late = max(number - shown for entry in entries for number, shown in enumerate(entry.order))
    before = [stamps[0] - step * timeline.duration(0) for step in range(late, 0, -1)]
    decoded_at = iter([*before, *stamps])
    extradata = None
    for number, (path, entry) in enumerate(zip(segments, entries, strict=True)):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if number and stream.codec_context.extradata != extradata:
                raise EncoderError(
                    f"segment {number} begins with another header than the first; start over "
                    "with --restart"
                )
            extradata = stream.codec_context.extradata
            packets = (packet for packet in container.demux(stream) if packet.size)
            for packet, shown in zip(packets, entry.order, strict=True):
                frame = number * GRID + shown
                packet.time_base = base
                packet.pts, packet.dts = stamps[frame], next(decoded_at)
                packet.duration = timeline.duration(frame)
                packet.stream = target
                yield packet.dts * base, packet
