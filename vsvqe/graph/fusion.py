"""The fusion of ASTF, of native filters: a mask of where texture is, the blend, the sharpening.

All clips here are float32 with their nominal range from 0 to 1, as ``planes.resized`` gives them.
"""

from typing import Literal, get_args

import vapoursynth as vs

from .clips import ClipFacts, like
from .nodes import shared, uncached

type Normalize = Literal["window", "fixed"]
NORMALIZE = get_args(Normalize.__value__)

# The standard deviation of luma that is full texture: 4 codes of 8 bits and limited range.
FULL_DEVIATION = 4.0 / 219.0
# And the part of the mean variance of busy pictures that is: a third of the deviation.
FULL_SHARE = 1.0 / 9.0

# What `std.Convolution` takes in one direction, and `std.AverageFrames` in time.
MOST_RADIUS = 12
MOST_WINDOW = 31


def variance(luma: vs.VideoNode, marks: vs.VideoNode, radius: int, window: int) -> vs.VideoNode:
    """Returns the variance of the samples around every sample, in space and time.

    Edges are mirrored, the samples at the edge included. A frame of another scene, or beyond the
    ends of the clip, is replaced by the frame in question.

    Args:
        luma: ``GRAYS``.
        marks: From ``scenes.marked``.
        radius: Samples to each side.
        window: Frames, odd.
    """
    # Around the middle of the range, the squares lose the least to rounding.
    centred = luma.std.Expr("x 0.5 -")
    # Each frame is asked for by as many frames as a window has.
    centred.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * window)
    moments = [_over_time(centred, marks, window)]
    moments.append(_over_time(uncached(centred.std.Expr("x x *")), marks, window))
    if radius:
        moments = [m.std.Convolution([1] * (2 * radius + 1), mode="hv") for m in moments]
    return vs.core.std.Expr(moments, "y x x * - 0 max")


def mask(
    luma: vs.VideoNode, marks: vs.VideoNode, radius: int, window: int, normalize: Normalize
) -> vs.VideoNode:
    """Returns how much texture there is around every sample, from 0 to 1.

    The variance relative to a scale, at most 1. The scale is either fixed, or, where there is more
    texture than that, a ninth of the mean variance of the frames of the window.

    Args:
        luma: See ``variance``.
        marks: See ``variance``.
        radius: See ``variance``.
        window: See ``variance``.
        normalize: ``"window"`` or ``"fixed"``.
    """
    local = shared(variance(luma, marks, radius, window), 0)
    if normalize == "fixed":
        return local.std.Expr(f"x {FULL_DEVIATION**2!r} / 1 min")
    # Down to one sample, bilinear is the plain mean: the resizer mirrors what is beyond the edges.
    mean = local.resize.Bilinear(1, 1)
    mean.std.SetVideoCache(mode=1, fixedsize=1, maxsize=4 * window)
    scale = _over_time(mean, marks, window).std.Expr(
        f"x {FULL_SHARE!r} * {FULL_DEVIATION**2!r} max"
    )
    # In two steps, as the resizer takes long to widen a column of its own making.
    wide = scale.resize.Point(1, luma.height).resize.Point(luma.width, luma.height)
    return vs.core.std.Expr([local, wide], "x y / 1 min")


def fused(texture: vs.VideoNode, smooth: vs.VideoNode, weights: vs.VideoNode) -> vs.VideoNode:
    """Returns ``weights * texture + (1 - weights) * smooth``.

    Args:
        texture: What is wanted where the weights are 1.
        smooth: What is wanted where they are 0.
        weights: From ``for_planes``, of the same format.
    """
    return vs.core.std.Expr([texture, smooth, weights], "x y - z * y +")


def for_planes(weights: vs.VideoNode, format: vs.VideoFormat, facts: ClipFacts) -> vs.VideoNode:
    """Returns the mask in the format of a clip, each plane as the samples of it lie.

    Args:
        weights: From ``mask``.
        format: A float32 format.
        facts: Of the clip: where its chroma lies.
    """
    if format.color_family == vs.GRAY:
        return weights
    weights = shared(weights, 0)
    planes = vs.core.std.ShufflePlanes([weights] * 3, [0] * 3, format.color_family)
    if (format.subsampling_w, format.subsampling_h) == (0, 0):
        return planes
    return planes.resize.Bilinear(format=format.id, chromaloc=facts.chroma_location)


def sharpened(clip: vs.VideoNode, amount: float) -> vs.VideoNode:
    """Returns an unsharp masking: ``x + amount * (x - blurred)``, of luma alone, or of R, G and B.

    The blur is Gaussian of size 3: 1, 2, 1 in both directions, edges mirrored.

    Args:
        clip: What to sharpen.
        amount: 0 changes nothing.
    """
    clip = shared(clip, 0)
    chosen = [0, 1, 2] if clip.format.color_family == vs.RGB else [0]
    blurred = clip.std.Convolution([1, 2, 1], mode="hv", planes=chosen)
    expression = f"x x y - {amount!r} * +"
    every = range(clip.format.num_planes)
    return vs.core.std.Expr([clip, blurred], [expression if p in chosen else "" for p in every])


def full_range(weights: vs.VideoNode, format: vs.VideoFormat) -> vs.VideoNode:
    """Returns a mask as a grey clip of a format's depth, of full range."""
    grey = like(format, color_family=vs.GRAY, subsampling_w=0, subsampling_h=0)
    return weights.resize.Point(format=grey.id, range=vs.RANGE_FULL)


def _over_time(clip: vs.VideoNode, marks: vs.VideoNode, window: int) -> vs.VideoNode:
    """Averages the frames of a window, as far as they are of one scene."""
    if window == 1:
        return clip
    marked = uncached(clip.std.CopyFrameProps(marks))
    return marked.std.AverageFrames([1] * window, scenechange=True)
