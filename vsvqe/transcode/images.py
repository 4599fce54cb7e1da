"""Numbered images, in and out."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import vapoursynth as vs

from .errors import SourceError, StorageError
from .journal import Entry, Journal
from .segments import Advance, fill
from .storage import written

SUFFIXES = {".png": 16, ".tif": 16, ".tiff": 16, ".jpg": 8, ".jpeg": 8, ".webp": 8}
"""Formats that can be written, and the bits of a sample that they hold at most."""

_NUMBER = re.compile(r"%0?(\d*)d")
_GRID = 24


def is_pattern(path: str) -> bool:
    """Whether a path names numbered images, such as ``frames/%05d.png``."""
    return len(_NUMBER.findall(path)) == 1


def name(pattern: str, number: int) -> Path:
    """Returns the path of one image."""
    return Path(pattern % number)


def numbers(pattern: str) -> range:
    """Returns the numbers of the images that are there.

    Raises:
        SourceError: There are none, or one in between is missing.
    """
    path = Path(pattern)
    if not is_pattern(path.name):
        raise SourceError(f"the number of {pattern} must be in the name of the file")
    before, after = (re.escape(part) for part in _halves(path.name))
    shape = re.compile(f"{before}(\\d+){after}")
    matches = map(shape.fullmatch, (file.name for file in _files(path.parent)))
    found = sorted({int(match[1]) for match in matches if match})
    found = [number for number in found if name(pattern, number).is_file()]
    if not found:
        raise SourceError(f"there are no images {pattern}")
    for expected, number in enumerate(found, found[0]):
        if number != expected:
            raise SourceError(f"{name(pattern, expected)} is missing, but later images are there")
    return range(found[0], found[-1] + 1)


def _halves(text: str) -> tuple[str, str]:
    before, after = re.split(r"%0?\d*d", text)
    return before, after


def _files(folder: Path) -> Sequence[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder} can't be read: {error.strerror}") from error


def write_missing(
    clip: vs.VideoNode, pattern: str, first: int, journal: Journal, advance: Advance
) -> list[Entry]:
    """Writes the images that the journal does not have.

    Args:
        clip: RGB or grey, 8 or 16 bits.
        pattern: Where they go.
        first: Number of the first one.
        journal: Of the result.
        advance: Is told of progress.

    Raises:
        FilterError: A frame can't be had.
        StorageError: An image can't be written.
    """
    suffix = Path(pattern).suffix

    def paths(segment: int) -> list[Path]:
        start = segment * _GRID
        end = min(start + _GRID, clip.num_frames)
        return [name(pattern, first + n) for n in range(start, end)]

    def write(segment: int, frames: Iterator[vs.VideoFrame]) -> None:
        unfinished = []
        for number, frame in enumerate(frames):
            path = journal.folder / f"unfinished-{number}{suffix}"
            with written(path):
                path.write_bytes(_encoded(frame, suffix))
            unfinished.append(path)
            advance(1)
        with written(Path(pattern)):
            journal.finish(segment, unfinished, paths(segment), range(len(unfinished)))

    return fill(clip, journal, _GRID, paths, write, advance)


def target_format(clip: vs.VideoNode, suffix: str) -> int:
    """Returns the format of a clip whose frames an image of this kind holds."""
    deep = clip.format.bits_per_sample > 8 and SUFFIXES[suffix] > 8
    if clip.format.color_family == vs.GRAY and suffix != ".webp":
        return int(vs.GRAY16 if deep else vs.GRAY8)
    return int(vs.RGB48 if deep else vs.RGB24)


def _encoded(frame: vs.VideoFrame, suffix: str) -> bytes:
    planes = [np.asarray(frame[plane]) for plane in range(frame.format.num_planes)]
    picture = planes[0] if len(planes) == 1 else np.stack(planes[::-1], axis=-1)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 98] if suffix in (".jpg", ".jpeg") else []
    done, data = cv2.imencode(suffix, picture, quality)
    if not done:
        raise StorageError(f"a frame of {frame.width}x{frame.height} can't be stored as {suffix}")
    return bytes(data)
