"""Frames that can't be worked on are an error by their own number, wherever in a clip they are."""

import math
from collections.abc import Sequence

import vapoursynth as vs

from .carriers import carriers
from .clips import interlaced
from .nodes import NONE, shared


def guarded(clip: vs.VideoNode, name: str, *, finite: bool = True) -> vs.VideoNode:
    """Returns the same clip, of which interlaced frames, and those that hold NaN, are an error.

    The first frame is looked at when a filter is called; a clip may change after that.

    Args:
        clip: From ``clips.checked``.
        name: The filter, for the message.
        finite: Whether samples are looked at, of float formats: NaN or infinity would be spread by
            a network.
    """
    clip = shared(clip)
    pixel = carriers(clip.num_frames)
    floating = finite and clip.format.sample_type == vs.FLOAT
    looked_at = (
        [clip.std.PlaneStats(plane=plane) for plane in range(clip.format.num_planes)]
        if floating
        else [clip]
    )
    told = [pixel.std.CopyFrameProps(plane) for plane in looked_at]

    def check(n: int, f: vs.VideoFrame | Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        frames = [f] if isinstance(f, vs.VideoFrame) else f
        if frames[0].props.get("_FieldBased", 0):
            raise vs.Error(f"{name}: frame {n}: {interlaced()}")
        if floating:
            for plane, frame in enumerate(frames):
                if not math.isfinite(frame.props["PlaneStatsAverage"]):
                    raise vs.Error(f"{name}: frame {n}: {not_finite(plane)}")
        return frames[0]

    # Takes nothing over but the error.
    return clip.std.CopyFrameProps(pixel.std.ModifyFrame(told, check), props=[NONE])


def not_finite(plane: int) -> ValueError:
    """Returns the error about NaN or infinity in a clip, which a network would spread."""
    return ValueError(
        f"plane {plane} of the clip holds NaN or infinity; repair the source, for example "
        "with clip.std.Limiter() or akarin.Expr"
    )
