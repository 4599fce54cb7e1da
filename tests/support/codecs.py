"""Real encoders and decoders, by PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import vapoursynth as vs

from .clips import Planes

X264 = ("libx264", {"preset": "veryfast", "crf": "28"})
X265 = ("libx265", {"preset": "ultrafast", "x265-params": "qp=37:bframes=0:log-level=none"})


def encode(
    clip: vs.VideoNode,
    path: Path,
    codec: tuple[str, dict[str, str]] = X264,
    *,
    audio: bool = False,
) -> Path:
    """Compresses an 8-bit 4:2:0 clip, with a second of sound for every 24 frames if wanted."""
    name, options = codec
    rate = Fraction(24000, 1001)
    with av.open(str(path), "w") as container:
        video = container.add_stream(name, rate=rate, options=options)
        video.width, video.height, video.pix_fmt = clip.width, clip.height, "yuv420p"
        video.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
        sound = container.add_stream("aac", rate=48000, layout="mono") if audio else None
        for n, frame in enumerate(clip.frames(close=True)):
            picture = av.VideoFrame(clip.width, clip.height, "yuv420p")
            for plane in range(3):
                target = np.frombuffer(picture.planes[plane], np.uint8)
                target = target.reshape(-1, picture.planes[plane].line_size)
                samples = np.asarray(frame[plane])
                target[: samples.shape[0], : samples.shape[1]] = samples
            picture.pts, picture.time_base = n, 1 / rate
            container.mux(video.encode(picture))
        container.mux(video.encode())
        if sound is not None:
            count = 48000 * clip.num_frames // 24
            wave = np.sin(np.arange(count, dtype=np.float32) * 0.05)[None]
            for start in range(0, count - 1024, 1024):
                piece = av.AudioFrame.from_ndarray(
                    wave[:, start : start + 1024].copy(), format="fltp", layout="mono"
                )
                piece.sample_rate, piece.pts = 48000, start
                container.mux(sound.encode(piece))
            container.mux(sound.encode())
    return path


def decode(path: Path) -> list[Planes]:
    """The planes of every frame of a file, planar YUV of 8 bits or more."""
    with av.open(str(path)) as container:
        return [planes_of(frame) for frame in container.decode(video=0)]


def planes_of(frame: av.VideoFrame) -> Planes:
    planes: Planes = []
    for component, plane in zip(frame.format.components, frame.planes, strict=True):
        dtype = np.uint8 if component.bits == 8 else np.uint16
        samples = np.frombuffer(plane, dtype).reshape(plane.height, -1)
        planes.append(samples[:, : plane.width].copy())
    return planes


def video_facts(path: Path) -> tuple[int, int, str, Fraction]:
    """Width, height, pixel format and frame rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height, stream.pix_fmt, stream.average_rate


def audio_packets(path: Path) -> list[bytes]:
    """The sound as it is stored."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def y4m_frames(stream: bytes) -> tuple[str, list[bytes]]:
    """Takes a YUV4MPEG2 stream apart: its header and its frames, or fails.

    Only planar formats whose size follows from the header: 4:2:0, 4:2:2 and 4:4:4, 8 to 16 bits.
    """
    header, _, rest = stream.partition(b"\n")
    words = header.decode("ascii").split()
    assert words[0] == "YUV4MPEG2"
    fields = {word[0]: word[1:] for word in reversed(words[1:])}
    width, height, colour = int(fields["W"]), int(fields["H"]), fields["C"]
    chroma = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[colour[:3]]
    depth = 2 if "p1" in colour else 1
    samples = width * height + 2 * (-(-width // chroma[0]) * -(-height // chroma[1]))
    size = len(b"FRAME\n") + samples * depth
    count, left = divmod(len(rest), size)
    assert left == 0, f"{left} bytes too many"
    frames = [rest[i * size : (i + 1) * size] for i in range(count)]
    assert all(frame[:6] == b"FRAME\n" for frame in frames)
    return header.decode("ascii"), [frame[6:] for frame in frames]


def raw(planes: Sequence[np.ndarray]) -> bytes:
    """A frame as Y4M holds it."""
    return b"".join(plane.tobytes() for plane in planes)
