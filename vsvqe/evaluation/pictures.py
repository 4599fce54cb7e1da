"""Clips as arrays, and arrays as clips."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Bytes = NDArray[np.uint8]


class Planes(NamedTuple):
    """An 8-bit YUV clip: each plane is frames x height x width."""

    y: Bytes
    u: Bytes
    v: Bytes


def read(clip: vs.VideoNode) -> Planes:
    """Returns all frames of an 8-bit YUV clip."""
    return Planes(*_stacked(clip))


def rgb(clip: vs.VideoNode) -> Bytes:
    """Returns all frames of a BT.709 clip as 8-bit RGB, frames x height x width x 3."""
    picture = clip.resize.Bicubic(format=vs.RGB24, matrix_in=vs.MATRIX_BT709)
    return np.stack(_stacked(picture), axis=-1)


def as_clip(planes: Sequence[NDArray[Any]], like: vs.VideoNode) -> vs.VideoNode:
    """Returns a clip of the pictures, with the props and the frame rate of another.

    Args:
        planes: One array per plane, each frames x height x width.
        like: Says format, length, frame rate and props; its size does not matter.
    """
    _, height, width = planes[0].shape
    blank = vs.core.std.BlankClip(like, width=width, height=height, keep=True)

    def fill(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        frame = f[0].copy()
        for plane, array in enumerate(planes):
            np.asarray(frame[plane])[...] = array[n]
        return frame

    return blank.std.ModifyFrame([blank, like], fill).std.CopyFrameProps(like)


def _stacked(clip: vs.VideoNode) -> list[Bytes]:
    frames = [
        [np.array(frame[plane]) for plane in range(clip.format.num_planes)]
        for frame in clip.frames(close=True)
    ]
    return [np.stack(plane) for plane in zip(*frames, strict=True)]
