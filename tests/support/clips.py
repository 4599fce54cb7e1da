"""Small clips of real structure (moving sharp patterns and text, colour bars) and their frames."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Planes = list[NDArray[Any]]

core = vs.core

# ST 2086 and CTA-861.3 as BestSource writes them, and props that nobody knows.
HDR_PROPS: dict[str, Any] = {
    "MasteringDisplayPrimariesX": [0.708, 0.17, 0.131],
    "MasteringDisplayPrimariesY": [0.292, 0.797, 0.046],
    "MasteringDisplayWhitePointX": 0.3127,
    "MasteringDisplayWhitePointY": 0.329,
    "MasteringDisplayMinLuminance": 0.005,
    "MasteringDisplayMaxLuminance": 1000.0,
    "ContentLightLevelMax": 1000,
    "ContentLightLevelAverage": 400,
}
CUSTOM_PROPS: dict[str, Any] = {
    "_SARNum": 40,
    "_SARDen": 33,
    "_Transfer": 16,
    "_Primaries": 9,
    "_FieldBased": 0,
    "Custom": [1, 2, 3],
    "CustomFloat": 0.1,
    "CustomData": b"\x00\xffbytes",
}


@cache
def _canvas(seed: int) -> NDArray[np.float32]:
    """A large RGB picture, 3 x 400 x 400: discs, stripes, fine texture and lines of text."""
    rng = np.random.default_rng(seed)
    side = 400
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    brightness = 0.2 + 0.5 * (seed % 3) / 2
    picture = np.full((3, side, side), brightness, np.float32)
    picture += 0.15 * np.sin(x / 37 + seed) * np.cos(y / 23)
    for _ in range(60):
        cx, cy = rng.uniform(0, side, 2)
        radius = rng.uniform(4, 40)
        inside = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        angle = rng.uniform(0, np.pi)
        stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0.3, 2.0)) > 0
        colours = rng.uniform(0.05, 0.95, (2, 3)).astype(np.float32)
        for channel in range(3):
            filled = np.where(stripes, colours[0, channel], colours[1, channel])
            picture[channel] = np.where(inside, filled, picture[channel])
    picture += rng.normal(0, 0.01, (1, side, side)).astype(np.float32)
    blank = core.std.BlankClip(format=vs.GRAY8, width=side, height=side, length=1)
    lines = "\n".join(f"scene {seed} the quick brown fox {i}" for i in range(30))
    written = np.asarray(blank.text.Text(lines).get_frame(0)[0])
    picture[:, (written > 200) & (x % 128 < 100)] = 0.95
    picture = np.clip(picture, 0.0, 1.0)
    picture.flags.writeable = False
    return picture


def from_arrays(
    arrays: Sequence[Sequence[NDArray[Any]]], format: int, **props: Any
) -> vs.VideoNode:
    """A clip of given samples: one list of planes for every frame."""
    luma = arrays[0][0]
    blank = core.std.BlankClip(
        format=format,
        width=luma.shape[1],
        height=luma.shape[0],
        length=len(arrays),
        fpsnum=24000,
        fpsden=1001,
        keep=True,
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane, samples in enumerate(arrays[n]):
            np.copyto(np.asarray(frame[plane]), samples, casting="unsafe")
        return frame

    clip = blank.std.ModifyFrame(blank, fill)
    return clip.std.SetFrameProps(**props) if props else clip


def scene(
    width: int = 64,
    height: int = 48,
    length: int = 12,
    format: int = vs.YUV420P8,
    seed: int = 0,
    *,
    speed: tuple[int, int] = (2, 1),
    full_range: bool = False,
    matrix: int = vs.MATRIX_BT709,
    chroma_location: int = vs.CHROMA_LEFT,
) -> vs.VideoNode:
    """A sharp picture that moves by whole pixels; every frame, and every seed, is another.

    Args:
        width: Of the clip.
        height: Of the clip.
        length: In frames.
        format: Any.
        seed: Another seed is another scene.
        speed: Pixels a frame.
        full_range: Of integer formats.
        matrix: One that the resizer can convert; 0 is right for RGB only.
        chroma_location: Of subsampled formats.
    """
    canvas = _canvas(seed)
    frames = []
    for n in range(length):
        x, y = (7 + n * speed[0]) % (400 - width), (5 + n * speed[1]) % (400 - height)
        frames.append(list(canvas[:, y : y + height, x : x + width]))
    rgb = from_arrays(frames, vs.RGBS)
    target = core.get_video_format(format)
    common = {"format": format, "range": int(full_range), "dither_type": "none"}
    if target.color_family == vs.RGB:
        clip = rgb.resize.Bicubic(**common)
        return clip.std.SetFrameProps(_Matrix=0, _Range=int(full_range))
    clip = rgb.resize.Bicubic(
        matrix=matrix,
        **common,
        **({"chromaloc": chroma_location} if target.color_family == vs.YUV else {}),
    )
    clip = clip.std.SetFrameProps(_Matrix=int(matrix), _Range=int(full_range))
    return clip.std.SetFrameProps(_ChromaLocation=int(chroma_location))


def bars(width: int = 128, height: int = 64, length: int = 8) -> vs.VideoNode:
    """75% colour bars with a black and a white field, 8-bit limited BT.709 4:2:0."""
    colours = [
        (1, 1, 1),
        (1, 1, 0),
        (0, 1, 1),
        (0, 1, 0),
        (1, 0, 1),
        (1, 0, 0),
        (0, 0, 1),
        (0,) * 3,
    ]
    picture = np.zeros((3, height, width), np.float32)
    step = width // len(colours)
    for i, colour in enumerate(colours):
        picture[:, :, i * step : (i + 1) * step] = 0.75 * np.array(colour)[:, None, None]
    picture[:, -height // 4 :, : width // 2] = 1.0
    rgb = from_arrays([list(picture)] * length, vs.RGBS)
    return rgb.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709, range=0)


def planes_of(frame: vs.VideoFrame) -> Planes:
    """Copies of a frame's planes."""
    return [np.array(frame[plane]) for plane in range(frame.format.num_planes)]


def picture(clip: vs.VideoNode, n: int = 0) -> Planes:
    """The planes of one frame."""
    with clip.get_frame(n) as frame:
        return planes_of(frame)


def pictures(clip: vs.VideoNode) -> list[Planes]:
    """The planes of all frames, in order."""
    return [planes_of(frame) for frame in clip.frames(close=True)]


def props_of(clip: vs.VideoNode, n: int = 0) -> dict[str, Any]:
    """The props of one frame."""
    with clip.get_frame(n) as frame:
        return dict(frame.props)


def same(first: Planes, second: Planes) -> bool:
    """Whether two frames have equal samples, bit for bit."""
    return len(first) == len(second) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(first, second, strict=True)
    )


def all_same(first: vs.VideoNode, second: vs.VideoNode) -> bool:
    """Whether two clips show the same, bit for bit."""
    return first.num_frames == second.num_frames and all(
        same(a, b) for a, b in zip(pictures(first), pictures(second), strict=True)
    )


def difference(first: Planes, second: Planes) -> float:
    """The largest difference of two frames, in codes (or in units of a float format)."""
    return max(
        float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
        for a, b in zip(first, second, strict=True)
    )


def raising_at(clip: vs.VideoNode, bad: int) -> vs.VideoNode:
    """The same clip, one frame of which can't be had."""

    def choose(n: int) -> vs.VideoNode:
        if n == bad:
            raise RuntimeError("the disc has a scratch")
        return clip

    return clip.std.FrameEval(choose)


def largest_difference(first: vs.VideoNode, second: vs.VideoNode) -> float:
    """The largest difference of two clips, in codes (or in units of a float format)."""
    pairs: Iterator[tuple[Planes, Planes]] = zip(pictures(first), pictures(second), strict=True)
    return max(difference(a, b) for a, b in pairs)


def psnr(first: vs.VideoNode, second: vs.VideoNode, plane: int = 0) -> float:
    """PSNR of a plane of two 8-bit clips in dB, mean over the frames."""
    values = []
    for a, b in zip(pictures(first), pictures(second), strict=True):
        error = np.mean((a[plane].astype(np.float64) - b[plane].astype(np.float64)) ** 2)
        values.append(10 * np.log10(255**2 / max(error, 1e-9)))
    return float(np.mean(values))
