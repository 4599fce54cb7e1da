"""Carriers: tiny frames whose props are what counts, other frames among them."""

from fractions import Fraction

import vapoursynth as vs

from .nodes import NONE, shifted, uncached

_USUAL = Fraction(24)


def carriers(length: int, fps: Fraction = _USUAL) -> vs.VideoNode:
    """Returns tiny frames, for callbacks whose results are props."""
    return uncached(
        vs.core.std.BlankClip(
            format=vs.GRAY8,
            width=1,
            height=1,
            length=length,
            fpsnum=fps.numerator,
            fpsden=fps.denominator,
            keep=True,
        )
    )


def carried(i: int) -> str:
    """Returns the name of the prop that carries the i-th frame."""
    return f"_VQECarried{i}"


def handed_out(
    carrying: vs.VideoNode,
    like: vs.VideoNode,
    length: int,
    total: int,
    *,
    ahead_at: int | None = None,
) -> vs.VideoNode:
    """Returns the frames that carriers carry, one after the other.

    Args:
        carrying: Carriers.
        like: A clip of the format and size of what they carry.
        length: Frames that each carries; the last may have fewer.
        total: Frames in all.
        ahead_at: With which frame of a carrier the next carrier is asked for, too; ``None``: none.
    """
    blank = uncached(like.std.BlankClip(length=1, keep=True))
    parts = [_with_blank(carrying, blank, i) for i in range(length)]
    if ahead_at is not None and carrying.num_frames > 1:
        # Copies no prop; but asks for the frame that it would be of.
        following = carrying[0] + shifted(carrying, 1)
        parts[ahead_at] = uncached(parts[ahead_at].std.CopyFrameProps(following, props=[NONE]))
    interleaved = uncached(vs.core.std.Interleave(parts, modify_duration=False))
    return uncached(interleaved[length : length + total])


def _with_blank(carrying: vs.VideoNode, blank: vs.VideoNode, i: int) -> vs.VideoNode:
    """Returns a blank frame, and what each carrier carries as frame i; no copies."""
    # To know the format, it asks for a frame when it is made: for one that costs nothing.
    known = carriers(1, carrying.fps).std.ClipToProp(blank, prop=carried(i))
    return uncached(uncached(known + carrying).std.PropToClip(prop=carried(i)))
