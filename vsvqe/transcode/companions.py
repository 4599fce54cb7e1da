"""What travels beside the picture: sound, subtitles, attachments, chapters and metadata."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from .errors import SourceError

_SECOND = Fraction(1, 1_000_000)
# What containers write of themselves, or of the picture as it was.
_OWN_TAGS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}
_PICTURE_TAGS = {"bps", "number_of_frames", "number_of_bytes", "rotate", "vendor_id", "encoder"}
# Text subtitles that can be rewritten, and what a container takes instead.
_TEXT = {"subrip", "srt", "mov_text", "webvtt", "text", "ass", "ssa"}
_COVERS = {"mjpeg": "jpeg", "png": "png"}
_TEXT_OF = {"matroska": "subrip", "mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}


@dataclass(frozen=True)
class Keep:
    """What of the source is carried over."""

    audio: bool = True
    subtitles: bool = True
    metadata: bool = True
    """Chapters, attachments and cover pictures too."""


@dataclass
class Companions:
    """The streams of a source beside the picture, and where they go in the result."""

    source: av.container.InputContainer
    start: Fraction
    """What becomes time 0, in seconds."""
    end: Fraction | None
    """What is not carried over any more."""
    copied: dict[int, av.stream.Stream] = field(default_factory=dict)
    rewritten: dict[int, "_Subtitles"] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """Names of fonts and covers that the container can't hold."""

    def packets(self) -> Iterator[tuple[Fraction, av.Packet]]:
        """Gives the packets, rewritten where need be, with their time in seconds."""
        wanted = [*self.copied, *self.rewritten]
        if not wanted:
            return
        for packet in self.source.demux(*wanted):
            if not packet.size:
                continue
            if packet.stream.disposition & av.stream.Disposition.attached_pic:
                packet.pts = packet.dts = 0
            elif packet.pts is None or not self._shown(packet):
                continue
            else:
                self._move(packet)
            subtitles = self.rewritten.get(packet.stream_index)
            if subtitles:
                packet = subtitles.rewrite(packet)
                if packet is None:
                    continue
            else:
                packet.stream = self.copied[packet.stream_index]
            moment = packet.pts if packet.dts is None else packet.dts
            yield moment * packet.time_base, packet

    def _shown(self, packet: av.Packet) -> bool:
        """Whether a packet is in the result; a subtitle may have begun before."""
        if self.end is None:
            return True
        begins, ends = _span(packet)
        lasting = packet.stream.type == "subtitle"
        return begins < self.end and (ends > self.start if lasting else begins >= self.start)

    def _move(self, packet: av.Packet) -> None:
        """Moves a packet to where it is in the result; a subtitle may be cut at both ends."""
        base = Fraction(packet.time_base)
        if self.end is not None and packet.stream.type == "subtitle":
            begins, ends = _span(packet)
            begins, ends = max(begins, self.start), min(ends, self.end)
            packet.pts = packet.dts = round(begins / base)
            packet.duration = round((ends - begins) / base)
        offset = round(self.start / base)
        packet.pts -= offset
        if packet.dts is not None:
            packet.dts -= offset


def _span(packet: av.Packet) -> tuple[Fraction, Fraction]:
    """Returns when a packet is shown, from and to, in seconds."""
    begins = packet.pts * Fraction(packet.time_base)
    return begins, begins + (packet.duration or 0) * Fraction(packet.time_base)


class _Subtitles:
    """Rewrites text subtitles for a container that does not take them as they are."""

    def __init__(self, source: av.stream.Stream, target: av.stream.Stream) -> None:
        self._target = target
        self._decoder = source.codec_context
        self._encoder = target.codec_context
        # The decoder writes the header, which the encoder needs, when it is opened.
        self._decoder.open(strict=False)
        self._encoder.subtitle_header = self._decoder.subtitle_header
        self._encoder.time_base = Fraction(1, 1000)

    def rewrite(self, packet: av.Packet) -> av.Packet | None:
        decoded = self._decoder.decode2(packet)
        if decoded is None or not len(decoded):
            return None
        encoded = self._encoder.encode_subtitle(decoded)
        encoded.stream = self._target
        encoded.time_base = packet.time_base
        encoded.pts = encoded.dts = packet.pts
        encoded.duration = packet.duration
        return encoded


def add(
    source: av.container.InputContainer,
    result: av.container.OutputContainer,
    keep: Keep,
    start: Fraction,
    end: Fraction | None,
) -> Companions:
    """Adds the streams, chapters and metadata of a source to a result.

    Args:
        source: The source.
        result: What is being written; its picture stream has been added.
        keep: What is wanted.
        start: What becomes time 0, in seconds of the source.
        end: Where the excerpt ends, or ``None`` for the end of the source.

    Raises:
        SourceError: The container of the result can't hold a stream.
    """
    found = Companions(source, start, end)
    (picture, *_) = result.streams.video
    main = source.streams.video[0]
    if keep.metadata:
        result.metadata.update(_without(source.metadata, _OWN_TAGS))
        picture.metadata.update(_without(main.metadata, _OWN_TAGS | _PICTURE_TAGS))
        result.set_chapters(_chapters(source, start, end))
    picture.disposition = main.disposition
    for stream in source.streams:
        if stream.index == main.index or not _wanted(stream, keep):
            continue
        if stream.type in ("attachment", "video"):
            _attach(stream, result, found)
            continue
        target = _target(stream, result, found)
        target.metadata.update(_without(stream.metadata, _OWN_TAGS))
        target.disposition = stream.disposition
    return found


def _wanted(stream: av.stream.Stream, keep: Keep) -> bool:
    cover = bool(stream.disposition & av.stream.Disposition.attached_pic)
    return (
        (stream.type == "audio" and keep.audio)
        or (stream.type == "subtitle" and keep.subtitles)
        or (stream.type == "attachment" and keep.metadata)
        or (stream.type == "video" and cover and keep.metadata)
    )


def _attach(
    stream: av.stream.Stream, result: av.container.OutputContainer, found: Companions
) -> None:
    """Takes fonts and covers along, as far as the container knows such things."""
    matroska = result.format.name == "matroska"
    if stream.type == "attachment" and matroska:
        result.add_attachment(stream.name or "attached", stream.mimetype or "", stream.data)
        return
    codec = "" if stream.type == "attachment" else stream.codec_context.codec.canonical_name
    if matroska and codec in _COVERS:
        data = _first_packet(Path(found.source.name), stream.index)
        result.add_attachment(f"cover.{_COVERS[codec]}", f"image/{codec}", data)
    elif codec and codec in result.supported_codecs:
        target = result.add_stream_from_template(stream, opaque=True)
        target.disposition = stream.disposition
        found.copied[stream.index] = target
    else:
        found.left_out.append(stream.name or codec)


def _first_packet(path: Path, index: int) -> bytes:
    with av.open(str(path)) as source:
        return bytes(next(packet for packet in source.demux(index) if packet.size))


def _target(
    stream: av.stream.Stream, result: av.container.OutputContainer, found: Companions
) -> av.stream.Stream:
    codec = stream.codec_context.codec.canonical_name
    container = result.format.name
    if codec in result.supported_codecs:
        found.copied[stream.index] = target = result.add_stream_from_template(stream)
        return target
    if codec in _TEXT and container in _TEXT_OF:
        target = result.add_stream(_TEXT_OF[container])
        found.rewritten[stream.index] = _Subtitles(stream, target)
        return target
    without = "--no-audio" if stream.type == "audio" else "--no-subtitles"
    raise SourceError(
        f"stream {stream.index} of the source ({stream.type}, {codec}) can't be stored in a "
        f"{container} file; name the result .mkv, or leave such streams out with {without}"
    )


def _without(tags: dict[str, str], names: set[str]) -> dict[str, str]:
    def own(tag: str) -> bool:
        bare = tag.lower().partition("-")[0]
        return bare in names or bare.startswith("_statistics")

    return {tag: value for tag, value in tags.items() if not own(tag)}


def _chapters(
    source: av.container.InputContainer, start: Fraction, end: Fraction | None
) -> list[Any]:
    """Returns the chapters that are (partly) in the result, moved to where they are there."""
    found = []
    for chapter in source.chapters():
        base = Fraction(chapter["time_base"])
        begins = max(chapter["start"] - round(start / base), 0)
        ends = chapter["end"] - round(start / base)
        if end is not None:
            ends = min(ends, round((end - start) / base))
        if begins < ends:
            found.append({**chapter, "start": begins, "end": ends})
    return found


def start_of(source: av.container.InputContainer) -> Fraction:
    """Returns the time at which a file begins, in seconds; transport streams begin late."""
    return (source.start_time or 0) * _SECOND


def merged(
    *sources: Iterator[tuple[Fraction, av.Packet]],
) -> Iterator[av.Packet]:
    """Gives the packets of several sources in the order of their times."""
    for _, packet in heapq.merge(*sources, key=lambda pair: pair[0]):
        yield packet
