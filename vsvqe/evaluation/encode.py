"""Encodes a clip into a file, in this process."""

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import vapoursynth as vs

# ITU-T H.273: BT.709 primaries, transfer and matrix; ffmpeg's 1 is limited range.
_BT709 = 1
_LIMITED = 1


def encode_clip(clip: vs.VideoNode, path: Path, encoder: str, options: Mapping[str, str]) -> None:
    """Encodes a BT.709 limited-range YUV 4:2:0 8-bit clip of even size.

    Args:
        clip: What to encode.
        path: The file; its suffix says the container. It appears whole or not at all.
        encoder: FFmpeg's name of the encoder.
        options: As FFmpeg takes them.
    """
    encode_frames(
        (_av_frame(frame) for frame in clip.frames(close=True)),
        path,
        encoder,
        options,
        Fraction(clip.fps),
    )


def encode_frames(
    frames: Iterable[av.VideoFrame],
    path: Path,
    encoder: str,
    options: Mapping[str, str],
    rate: Fraction,
) -> None:
    """Encodes frames; see ``encode_clip``."""
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")
    muxing = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(unfinished), "w", options=muxing) as container:
        stream = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream(encoder, rate=rate, options=dict(options))
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = "yuv420p"
                _say_colours(stream.codec_context)
                # The number of threads changes what encoders decide: the figures must not
                # depend on the machine.
                stream.codec_context.thread_count = 1
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    os.replace(unfinished, path)


def bit_rate(path: Path) -> float:
    """Returns the rate of the first video stream of a file in kbit/s, without the container."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
        seconds = len(sizes) / float(stream.average_rate or stream.base_rate)
    return float(8e-3 * sum(sizes) / seconds)


def _say_colours(context: av.VideoCodecContext) -> None:
    context.color_range = _LIMITED
    context.colorspace = context.color_primaries = context.color_trc = _BT709


def _av_frame(frame: vs.VideoFrame) -> av.VideoFrame:
    planes = np.concatenate([np.asarray(frame[plane]).ravel() for plane in range(3)])
    packed = planes.reshape(-1, frame.width)
    return av.VideoFrame.from_ndarray(packed, format="yuv420p")
