"""Sizes between the scales of a model: ``width=`` and ``height=`` of ``SuperRes``."""

from fractions import Fraction

import vapoursynth as vs

from ..graph import planes
from ..graph.clips import ClipFacts
from ..graph.nodes import uncached

# A shape that whole chroma samples have changed by less is meant to be the same.
_ROUNDING = 0.01


def wanted_size(
    clip: vs.VideoNode, scale: object, width: object, height: object
) -> tuple[int, int] | None:
    """Returns the size that was asked for, or ``None`` if it is the scale that counts.

    Args:
        clip: The clip to be enlarged.
        scale: As the user gave it.
        width: As the user gave it, in pixels.
        height: As the user gave it, in pixels.

    Raises:
        ValueError: Both a scale and a size are given, or the size can't be had in the clip's
            format, or needs no enlargement.
    """
    if width is None and height is None:
        return None
    if scale is not None:
        given = f"width={width!r}" if width is not None else f"height={height!r}"
        raise ValueError(f"scale={scale!r} and {given} exclude each other; leave one out")
    units = (1 << clip.format.subsampling_w, 1 << clip.format.subsampling_h)
    for name, value, unit in zip(("width", "height"), (width, height), units, strict=True):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r} must be a whole number of pixels")
        if value % unit:
            raise ValueError(f"{name}={value} must be a multiple of {unit} in {clip.format.name}")
    shape = Fraction(clip.width, clip.height)
    if isinstance(width, int):
        rows = height if isinstance(height, int) else _rounded(width / shape, units[1])
        size = (width, rows)
    else:
        assert isinstance(height, int)
        size = (_rounded(height * shape, units[0]), height)
    if size[0] < clip.width or size[1] < clip.height or size == (clip.width, clip.height):
        raise ValueError(
            f"{size[0]}x{size[1]} is no enlargement of the clip's {clip.width}x{clip.height}; use "
            "clip.resize.Spline36 for that"
        )
    return size


def reduced(
    enlarged: vs.VideoNode, clip: vs.VideoNode, size: tuple[int, int], facts: ClipFacts
) -> vs.VideoNode:
    """Brings an enlarged clip to a size, its chroma at its location.

    Args:
        enlarged: At least as large as the size, and of the clip's format.
        clip: What it was enlarged from; the result has its props.
        size: Width and height.
        facts: The clip's colour facts.
    """
    if (enlarged.width, enlarged.height) == size:
        return enlarged
    result = planes.resized(enlarged, *size, facts, kernel="spline36").std.CopyFrameProps(clip)
    # Of a pixel, by which players restore the shape of the picture.
    change = Fraction(clip.width * size[1], clip.height * size[0])
    if abs(float(change) - 1.0) < _ROUNDING:
        return result
    result = uncached(result)
    return result.std.ModifyFrame(result, lambda n, f: _with_aspect(f, change))


def _with_aspect(frame: vs.VideoFrame, change: Fraction) -> vs.VideoFrame:
    before = frame.props.get("_SARNum", 1), frame.props.get("_SARDen", 1)
    if not before[0] or not before[1]:  # unknown
        return frame
    after = Fraction(*before) * change
    result = frame.copy()
    result.props["_SARNum"], result.props["_SARDen"] = after.numerator, after.denominator
    return result


def _rounded(length: Fraction, unit: int) -> int:
    """Returns the nearest multiple of a unit."""
    return max(round(length / unit), 1) * unit
