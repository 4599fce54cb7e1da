"""Real encoders in process: clean planes in, damaged planes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np

from vsvqe.training.decoding import stack
from vsvqe.training.recipes import RATE, THEN, Recipe
from vsvqe.training.store import Planes

# FFmpeg's names of the encoders, and of what decodes what they made.
DECODERS = {
    "libx264": "h264",
    "libx265": "hevc",
    "mpeg4": "mpeg4",
    "mpeg2video": "mpeg2video",
    "libvpx-vp9": "vp9",
    "libsvtav1": "libdav1d",
}
# Of a quantiser in the statistics that encoders leave on their packets (FF_QP2LAMBDA).
_LAMBDA = 118.0
# Keeps x265 from logging to stderr and from starting a pool of threads per encoder.
_QUIET = "log-level=none:pools=1:frame-threads=1"


def coded(planes: Planes, history: Sequence[Recipe]) -> tuple[Planes, str]:
    """Encodes and decodes a clip, once or several times.

    Args:
        planes: The clean pictures.
        history: What to do to them, one after the other.

    Returns:
        As many pictures, and in words what was done to them. Of what was coded in a rate of bits
        that tells the mean quantiser that the encoder took.
    """
    told = []
    for recipe in history:
        packets = list(_encode(planes, recipe))
        planes = _decoded(packets, recipe, len(planes.y))
        rate = dict(recipe.options).get("b", "0")
        told.append(str(recipe) + ("" if rate == "0" else f" {_spent(packets, recipe)}"))
    return planes, THEN.join(told)


def _spent(packets: Sequence[av.Packet], recipe: Recipe) -> str:
    """Returns the mean quantiser of the packets of a clip, as a recipe tells it."""
    told = [
        int.from_bytes(bytes(data)[:4], "little") / _LAMBDA
        for packet in packets
        for data in packet.iter_sidedata()
        if data.data_type == "quality_stats"
    ]
    # x264 goes beyond the scale where bits don't suffice.
    mean = min(float(np.mean(told)), 51.0)
    return f"qmin={mean:.2f}" if recipe.encoder.startswith("mpeg") else f"qp={mean:.2f}"


def transcode(planes: Planes, recipe: Recipe) -> Planes:
    """Encodes and decodes a clip.

    Args:
        planes: The clean pictures.
        recipe: What to do to them.

    Returns:
        As many pictures, in the same order.

    Raises:
        RuntimeError: If the codec returned another number of pictures.
    """
    return coded(planes, (recipe,))[0]


def _decoded(packets: Sequence[av.Packet], recipe: Recipe, frames: int) -> Planes:
    """Decodes the packets of a clip."""
    decoder = av.CodecContext.create(DECODERS[recipe.encoder], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    decoded += decoder.decode(None)
    if len(decoded) != frames:
        raise RuntimeError(f"{recipe}: {frames} frames in, {len(decoded)} out")
    return stack(decoded)


def _encode(planes: Planes, recipe: Recipe) -> Iterator[av.Packet]:
    """Yields the packets of a clip."""
    options = dict(recipe.options)
    encoder = av.CodecContext.create(recipe.encoder, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    _, encoder.height, encoder.width = planes.y.shape
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, RATE)
    encoder.framerate = Fraction(RATE)
    encoder.thread_count = 1
    if recipe.encoder == "libx265":
        options["x265-params"] = ":".join(filter(None, (options.get("x265-params"), _QUIET)))
    encoder.options = options
    for number, (y, u, v) in enumerate(zip(*planes, strict=True)):
        picture = np.concatenate((y.ravel(), u.ravel(), v.ravel())).reshape(-1, y.shape[1])
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        yield from encoder.encode(frame)
    yield from encoder.encode(None)
