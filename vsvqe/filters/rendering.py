"""Rendering: corrected frames, and the mask of what is not their own picture."""

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np
import vapoursynth as vs

from ..graph import memory
from ..graph.bundles import Near, bundled, unbundled, with_near
from ..graph.clips import ClipFacts, like
from ..motion import borders, warp
from ..motion.mesh import Mesh
from ..motion.transform import Matrix
from .corrections import bend_of, correction_of, lenders_of

# Small frames need no trim: memory levels off without. Of large ones their bytes decide.
_BETWEEN_TRIMS = 400


def rendered(
    held: vs.VideoNode,
    corrected: vs.VideoNode,
    layout: borders.Layout,
    border: str,
    kernel: warp.Kernel,
) -> vs.VideoNode:
    """Returns the clip with every frame moved as its correction says.

    Args:
        held: The clip, with a cache for frames from when they are measured.
        corrected: From ``CorrectionPlan.corrected``.
        layout: Of the clip's planes.
        border: See ``Stabilize``.
        kernel: See ``warp.sample``.
    """
    edge: warp.Edge = border if border in _EDGES else "mirror"  # type: ignore[assignment]
    # All frames that may lend their picture are asked for.
    reach = borders.FILL_RADIUS if border == "fill" else 0
    # Each time that a node or a frame is asked for its format, a new one is made.
    format, width, height = held.format, held.width, held.height
    planes = range(format.num_planes)

    def layer(frame: vs.VideoFrame, correction: Matrix, bend: Mesh | None) -> borders.Layer:
        return borders.Layer([np.asarray(frame[p]) for p in planes], correction, bend)

    def render(n: int, f: Sequence[vs.VideoFrame], near: Near) -> vs.VideoFrame:
        props = f[0].props
        correction, bend = correction_of(props), bend_of(props)
        if not warp.moves(correction, width, height, bend):
            return near[0]
        own = layer(near[0], correction, bend)
        lent = [layer(near[away], matrix, bend) for away, matrix in lenders_of(props)]
        result = vs.core.create_video_frame(format, width, height)
        out = [np.asarray(result[p]) for p in planes]
        try:
            if lent:
                borders.filled(own, lent, layout, out, kernel)
            else:
                borders.warped(own, layout, out, edge, kernel)
        except Exception as error:
            raise vs.Error(f"Stabilize: frame {n}: {error}") from error
        memory.produced(1, sum(plane.nbytes for plane in out), most=_BETWEEN_TRIMS)
        return result

    bundles = bundled(held)
    result = with_near(held, bundles, reach, reach, render, others=[corrected])
    # Not of the clip itself: what its cache was asked for last stays in it longest.
    return result.std.CopyFrameProps(unbundled(bundles, held))


_EDGES = get_args(warp.Edge.__value__)


def masked(clip: vs.VideoNode, clip_facts: ClipFacts, corrected: vs.VideoNode) -> vs.VideoNode:
    """Returns the clip that is white where the picture is not wholly of the frame itself."""
    layout = layout_of(clip, clip_facts)
    format = like(clip.format, color_family=vs.GRAY, subsampling_w=0, subsampling_h=0)
    white = 1.0 if math.isinf(layout.peak) else layout.peak
    blank = vs.core.std.BlankClip(
        clip, format=format.id, color=0.0 if format.sample_type == vs.FLOAT else 0, keep=True
    ).std.SetFrameProps(_Range=vs.RANGE_FULL)

    def draw(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        correction = correction_of(f[1].props)
        bend = bend_of(f[1].props)
        if not warp.moves(correction, clip.width, clip.height, bend):
            return f[0]
        result = f[0].copy()
        outside = np.empty((clip.height, clip.width), np.bool_)
        lent = bool(lenders_of(f[1].props))
        borders.invented(correction, layout, outside, bend, lent=lent)
        np.asarray(result[0])[outside] = white
        return result

    drawn = blank.std.ModifyFrame([blank, corrected], draw)
    return drawn.std.CopyFrameProps(clip, props=["_DurationNum", "_DurationDen"])


def layout_of(clip: vs.VideoNode, clip_facts: ClipFacts) -> borders.Layout:
    """Returns what the planes of a clip are like."""
    format = clip.format
    planes = range(format.num_planes)
    floating = format.sample_type == vs.FLOAT
    unit = 1 << (format.bits_per_sample - 8) if not floating else 0
    black = 0 if clip_facts.full_range else 16 * unit
    middle = 128 * unit
    chroma = [plane > 0 and format.color_family == vs.YUV for plane in planes]
    return borders.Layout(
        width=clip.width,
        height=clip.height,
        sitings=tuple(_siting(format, clip_facts) if c else warp.Siting() for c in chroma),
        blacks=tuple(float(middle if c else black) for c in chroma),
        peak=math.inf if floating else (1 << format.bits_per_sample) - 1,
    )


def _siting(format: vs.VideoFormat, clip_facts: ClipFacts) -> warp.Siting:
    """Returns where the chroma samples of a YUV format lie."""
    step_x, step_y = 1 << format.subsampling_w, 1 << format.subsampling_h
    location = clip_facts.chroma_location
    left = location in (vs.CHROMA_LEFT, vs.CHROMA_TOP_LEFT, vs.CHROMA_BOTTOM_LEFT)
    top = location in (vs.CHROMA_TOP_LEFT, vs.CHROMA_TOP)
    bottom = location in (vs.CHROMA_BOTTOM_LEFT, vs.CHROMA_BOTTOM)
    middle_x, middle_y = (step_x - 1) / 2, (step_y - 1) / 2
    return warp.Siting(
        step_x,
        step_y,
        0.0 if left else middle_x,
        0.0 if top else (step_y - 1.0 if bottom else middle_y),
    )


def cropped(clip: vs.VideoNode, part: tuple[float, float]) -> vs.VideoNode:
    """Returns the middle of a clip: ``part`` says its width and height, as parts of the clip's."""
    width, height = (
        round(side * of) for side, of in zip((clip.width, clip.height), part, strict=True)
    )
    if (width, height) == (clip.width, clip.height):
        return clip
    return clip.std.CropAbs(
        width=width, height=height, left=(clip.width - width) // 2, top=(clip.height - height) // 2
    )
