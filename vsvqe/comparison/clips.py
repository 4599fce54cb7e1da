"""Opens clips that are to be compared, and brings them to one size and format."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import vapoursynth as vs

from ..evaluation import traditional
from ..transcode import images
from ..transcode.errors import SourceError
from ..transcode.script import reason, refusals


@dataclass(frozen=True)
class Named:
    """A clip and what it is called."""

    label: str
    clip: vs.VideoNode


def opened(paths: Sequence[str], labels: Sequence[str]) -> list[Named]:
    """Opens video files or numbered images.

    Args:
        paths: Files, or patterns such as ``frames/%05d.png``.
        labels: What they are called; missing ones are named after their file.

    Raises:
        SourceError: One can't be opened, or their lengths differ.
    """
    found = []
    for number, path in enumerate(paths):
        if images.is_pattern(path):
            extra = {"start_number": images.numbers(path)[0]}
        elif Path(path).is_file():
            extra = {}
        else:
            raise SourceError(f"there is no file {path}")
        try:
            clip = vs.core.bs.VideoSource(path, **extra)
        except vs.Error as error:
            raise SourceError(f"{path} can't be opened as video: {reason(error)}") from error
        label = labels[number] if number < len(labels) else Path(path).stem
        found.append(Named(label, clip))
    lengths = {named.clip.num_frames for named in found}
    if len(lengths) > 1:
        told = ", ".join(f"{named.label} {named.clip.num_frames}" for named in found)
        raise SourceError(f"the clips have different numbers of frames: {told}")
    return found


def treated(named: Named, method: str, amount: Sequence[float]) -> Named:
    """Runs a traditional method on a clip; the label says so.

    Args:
        named: The clip.
        method: One of ``traditional.METHODS``.
        amount: Of the method, or nothing for its own.

    Raises:
        FilterError: The amount is out of range.
    """
    with refusals(method):
        clip = traditional.METHODS[method](named.clip, *amount)
    words = " ".join([method, *(f"{value:g}" for value in amount)])
    return Named(f"{named.label}, {words}", clip)


def matrix_of(clip: vs.VideoNode) -> int:
    """Returns the matrix of a clip: what its first frame says, or the usual one for its size."""
    with clip.get_frame(0) as frame:
        said = int(frame.props.get("_Matrix", vs.MATRIX_UNSPECIFIED))
    if said != vs.MATRIX_UNSPECIFIED:
        return said
    large = clip.width > 1024 or clip.height > 576
    return int(vs.MATRIX_BT709 if large else vs.MATRIX_ST170_M)


def at_size(named: Named, width: int, height: int) -> Named:
    """Enlarges or reduces a clip with bicubic interpolation; the label says so."""
    clip = named.clip
    if (clip.width, clip.height) == (width, height):
        return named
    resized = clip.resize.Bicubic(width, height)
    return Named(f"{named.label} ({clip.width}x{clip.height}, bicubic)", resized)


def same_size(clips: Sequence[Named]) -> list[Named]:
    """Brings all clips to the size of the largest."""
    largest = max((named.clip for named in clips), key=lambda clip: clip.width * clip.height)
    return [at_size(named, largest.width, largest.height) for named in clips]


def as_rgb(clip: vs.VideoNode) -> vs.VideoNode:
    """Converts to 8-bit RGB by the clip's own colours."""
    if clip.format.color_family == vs.RGB:
        return clip.resize.Bicubic(format=vs.RGB24)
    if clip.format.color_family == vs.GRAY:
        return clip.resize.Bicubic(format=vs.RGB24, matrix_in=vs.MATRIX_BT709)
    return clip.resize.Bicubic(format=vs.RGB24, matrix_in=matrix_of(clip))


def as_yuv(clip: vs.VideoNode) -> vs.VideoNode:
    """Returns the clip if it is YUV or grey, and RGB as BT.709 YUV of its depth."""
    if clip.format.color_family != vs.RGB:
        return clip
    bits = clip.format.bits_per_sample
    format = vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, 0, 0)
    return clip.resize.Bicubic(format=format, matrix=vs.MATRIX_BT709)
