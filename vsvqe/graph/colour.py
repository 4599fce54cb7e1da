"""RGB or luma pictures in [0, 1] for image models, and back to the clip's own format."""

import vapoursynth as vs

from .clips import ClipFacts, bare, like
from .nodes import shared
from .planes import enlarged


def to_picture(clip: vs.VideoNode, facts: ClipFacts, channels: int) -> vs.VideoNode:
    """Returns the picture that an image model sees.

    Args:
        clip: Any format that ``clips.checked`` lets pass.
        facts: Its colour facts.
        channels: 3 for ``RGBS``, 1 for the luma as ``GRAYS``, full range both.
    """
    family = clip.format.color_family
    clip = bare(clip)
    if family == vs.GRAY:
        luma = shared(_luma(clip, facts))
        return luma if channels == 1 else vs.core.std.ShufflePlanes([luma] * 3, [0] * 3, vs.RGB)
    if channels == 3:
        if clip.format.id == vs.RGBS:
            return clip
        if family == vs.RGB:
            return clip.resize.Point(format=vs.RGBS, range_in=int(facts.full_range))
        return clip.resize.Bicubic(
            format=vs.RGBS,
            matrix_in=facts.matrix,
            range_in=int(facts.full_range),
            chromaloc_in=facts.chroma_location,
        )
    if family == vs.RGB:
        return _rgb_to_yuv(clip, facts).std.ShufflePlanes(0, vs.GRAY)
    return _luma(clip.std.ShufflePlanes(0, vs.GRAY), facts)


def from_picture(picture: vs.VideoNode, clip: vs.VideoNode, facts: ClipFacts) -> vs.VideoNode:
    """Brings a model's picture back to the format, range and siting of a clip.

    Args:
        picture: ``RGBS`` or ``GRAYS``, of a whole multiple of the clip's size.
        clip: The clip that it was made from; for luma pictures it also gives the chroma.
        facts: The clip's colour facts.
    """
    if picture.format.id == clip.format.id:
        return picture
    family = clip.format.color_family
    picture, clip = bare(picture), bare(clip)
    limits = {"range": int(facts.full_range)}
    if picture.format.color_family == vs.RGB:
        if family == vs.YUV:
            return picture.resize.Bicubic(
                format=clip.format.id,
                matrix_in=vs.MATRIX_RGB,
                matrix=facts.matrix,
                chromaloc=facts.chroma_location,
                **limits,
            )
        if family == vs.RGB:
            return picture.resize.Point(format=clip.format.id, **limits)
        # All three channels began as the luma: their mean is the grey picture.
        picture = vs.core.std.Expr(
            shared(picture, 0).std.SplitPlanes(), "x y + z + 3 /", format=vs.GRAYS
        )
    scale = picture.width // clip.width
    if family == vs.RGB:
        chroma = enlarged(_rgb_to_yuv(clip, facts), scale, facts, "spline36")
        joined = _with_luma(picture, chroma)
        return joined.resize.Point(
            format=clip.format.id, matrix_in=vs.MATRIX_BT709, matrix=vs.MATRIX_RGB, **limits
        )
    grey = like(clip.format, color_family=vs.GRAY, subsampling_w=0, subsampling_h=0)
    luma = picture.resize.Point(format=grey.id, **limits)
    if family == vs.GRAY:
        return luma
    chroma = enlarged(clip, scale, facts, "spline36").resize.Point(
        format=clip.format.id, range_in=int(facts.full_range), **limits
    )
    return _with_luma(luma, chroma)


def _with_luma(luma: vs.VideoNode, chroma: vs.VideoNode) -> vs.VideoNode:
    chroma = shared(chroma, 0)
    return vs.core.std.ShufflePlanes([luma, chroma, chroma], [0, 1, 2], vs.YUV)


def _luma(grey: vs.VideoNode, facts: ClipFacts) -> vs.VideoNode:
    return grey.resize.Point(format=vs.GRAYS, range_in=int(facts.full_range))


def _rgb_to_yuv(clip: vs.VideoNode, facts: ClipFacts) -> vs.VideoNode:
    return clip.resize.Point(
        format=vs.YUV444PS,
        matrix_in=vs.MATRIX_RGB,
        matrix=vs.MATRIX_BT709,
        range_in=int(facts.full_range),
    )
