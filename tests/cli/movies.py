"""Short films with all that a file may hold, made with PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TIME_BASE = Fraction(1, 1000)


def stamps(frames: int, *, variable: bool) -> list[int]:
    """Times in milliseconds: 25 frames a second, or a wild mixture of 10 to 50."""
    if not variable:
        return list(range(0, 40 * frames, 40))
    steps = [(20, 100, 40, 40, 60, 20)[(n // 3) % 6] for n in range(frames - 1)]
    return [0, *np.cumsum(steps).tolist()]


def movie(
    path: Path,
    frames: int = 60,
    *,
    size: tuple[int, int] = (64, 48),
    variable: bool = False,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    aspect: Fraction = Fraction(1),
    colours: Sequence[int] = (1, 1, 1, 1),
    beside: bool = True,
) -> Path:
    """Writes a moving pattern with sound, subtitles, chapters and titles.

    Args:
        path: ``.mkv`` or ``.mp4``; subtitles are SubRip, or MPEG-4 timed text.
        frames: Of the picture.
        size: Width and height.
        variable: Whether the frame rate varies.
        codec: FFmpeg's name of the encoder.
        options: Of the encoder.
        pixel_format: FFmpeg's name.
        aspect: Of a pixel.
        colours: Matrix, transfer, primaries and range by FFmpeg's numbers.
        beside: Whether there is more than the picture.
    """
    times = stamps(frames, variable=variable)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options or {"preset": "ultrafast"})
        context = video.codec_context
        video.width, video.height = size
        video.pix_fmt = pixel_format
        context.time_base = TIME_BASE
        context.sample_aspect_ratio = aspect
        context.colorspace, context.color_trc, context.color_primaries, range_ = colours
        context.color_range = range_
        if beside:
            container.metadata["title"] = "The film"
            sound = container.add_stream("aac", rate=48000, layout="mono")
            sound.metadata["language"] = "deu"
            written = "mov_text" if path.suffix == ".mp4" else "subrip"
            words = container.add_stream(written)
            words.metadata["language"] = "fra"
            header = (
                b"[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Text\n"
            )
            words.codec_context.subtitle_header = header
            words.codec_context.time_base = TIME_BASE
            half = times[-1] // 2
            container.set_chapters(
                [
                    {
                        "id": number,
                        "start": start,
                        "end": end,
                        "time_base": TIME_BASE,
                        "metadata": {"title": f"Part {number}"},
                    }
                    for number, start, end in ((1, 0, half), (2, half, times[-1] + 40))
                ]
            )
        rows, columns = np.mgrid[: size[1], : size[0]]
        for number, stamp in enumerate(times):
            rgb = np.stack(
                [
                    np.uint8(127 + 100 * np.sin((columns + 2 * number) / 9)),
                    np.uint8(127 + 100 * np.cos((rows + number) / 7)),
                    np.uint8((rows * 3 + columns + number) % 256),
                ],
                axis=-1,
            )
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = stamp, TIME_BASE
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if beside:
            for start in range(0, 48 * (times[-1] + 40) - 1024, 1024):
                wave = np.sin(np.arange(start, start + 1024) * 0.05).astype(np.float32)[None]
                piece = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                piece.sample_rate, piece.pts = 48000, start
                container.mux(sound.encode(piece))
            container.mux(sound.encode())
            for number, start in enumerate((100, 900)):
                line = f"{number},0,Default,,0,0,0,,Line {number}".encode()
                packet = words.codec_context.encode_subtitle(
                    av.subtitles.subtitle.SubtitleSet.create(line, 0, 500)
                )
                packet.stream = words
                packet.time_base = TIME_BASE
                packet.pts = packet.dts = start
                packet.duration = 500
                container.mux(packet)
    return path


def times_of(path: Path, kind: str = "video") -> list[float]:
    """When packets of the first stream of a kind are shown, in seconds, in order."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        found = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None
        ]
    return sorted(found)


def texts_of(path: Path) -> list[tuple[float, float, str]]:
    """Start, length and text of the subtitles."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        return [
            (
                float(packet.pts * packet.time_base),
                float(packet.duration * packet.time_base),
                subtitle.dialogue.decode(),
            )
            for packet in container.demux(stream)
            if packet.size
            for subtitle in packet.decode()
            if subtitle.dialogue
        ]
