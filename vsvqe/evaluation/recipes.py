"""What is done to a clean clip before a filter may repair it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import vapoursynth as vs

from .encode import encode_clip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One kind of damage."""

    name: str
    """As the command line takes it."""
    about: str
    """In words."""
    scale: int = 1
    """By how much the clip is made smaller first, with zimg's bicubic filter."""
    encoder: str | None = None
    """FFmpeg's name of the encoder; ``None`` leaves the clip uncompressed."""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of the encoder."""


def _x265(qp: int) -> Recipe:
    # Frame threads depend on the machine and change the result; one is what small machines take.
    parameters = f"qp={qp}:bframes=0:frame-threads=1:log-level=none"
    return Recipe(
        name=f"hevc{qp}",
        about=f"x265 medium, qp={qp}:bframes=0",
        encoder="libx265",
        options={"preset": "medium", "x265-params": parameters},
    )


def _x264(name: str, crf: int, scale: int = 1) -> Recipe:
    smaller = f"bicubic to 1/{scale}, " if scale > 1 else ""
    # What is quickest on one processor rounds differently than what is on another.
    same_everywhere = "cpu-independent=1"
    return Recipe(
        name=name,
        about=f"{smaller}x264 medium, crf {crf}",
        scale=scale,
        encoder="libx264",
        options={"preset": "medium", "crf": str(crf), "x264-params": same_everywhere},
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        _x265(22),
        _x265(32),
        _x265(37),
        _x265(42),
        _x264("avc23", 23),
        _x264("avc35", 35),
        Recipe(
            name="av1-55",
            about="SVT-AV1 preset 8, crf 55",
            encoder="libsvtav1",
            options={"preset": "8", "crf": "55"},
        ),
        Recipe(
            name="vp9-50",
            about="libvpx-vp9, crf 50, b 0",
            encoder="libvpx-vp9",
            options={"crf": "50", "b": "0"},
        ),
        Recipe(
            name="mpeg2-20",
            about="mpeg2video, qscale 20",
            encoder="mpeg2video",
            # What `-qscale:v 20` of the ffmpeg tool comes to; that itself is no encoder option.
            options={"qmin": "20", "qmax": "20"},
        ),
        Recipe(name="uncompressed", about="the clip itself"),
        Recipe(name="x2clean", about="bicubic to 1/2, not compressed", scale=2),
        _x264("x2avc", 28, 2),
        Recipe(name="x4clean", about="bicubic to 1/4, not compressed", scale=4),
        _x264("x4avc", 28, 4),
    )
}


def source(path: Path) -> vs.VideoNode:
    """Opens a video file, without leaving an index file anywhere."""
    return vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False)


def clean(path: Path, scale: int) -> vs.VideoNode:
    """Opens a clean clip, cropped so that it stays 4:2:0 when it is made smaller."""
    clip = source(path)
    step = 2 * scale
    return clip.std.Crop(right=clip.width % step, bottom=clip.height % step)


def encoded_file(path: Path, recipe: Recipe, work: Path) -> Path:
    """Returns where the work folder keeps a clip encoded by a recipe."""
    return work / recipe.name / f"{path.stem}.mkv"


def damaged(path: Path, recipe: Recipe, work: Path) -> vs.VideoNode:
    """Returns what the filter gets.

    Args:
        path: The clean clip.
        recipe: What to do to it.
        work: Folder in which encoded clips are kept for the next time.

    Raises:
        RuntimeError: The encoder returned another number of frames.
    """
    clip = clean(path, recipe.scale)
    if recipe.scale > 1:
        clip = clip.resize.Bicubic(clip.width // recipe.scale, clip.height // recipe.scale)
    if recipe.encoder is None:
        return clip
    encoded = encoded_file(path, recipe, work)
    if not encoded.is_file():
        encoded.parent.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes errors only
        encode_clip(clip, encoded, recipe.encoder, recipe.options)
    result = source(encoded)
    if result.num_frames != clip.num_frames:
        raise RuntimeError(f"{encoded}: {clip.num_frames} frames in, {result.num_frames} out")
    return result
