"""Flow between consecutive frames: once per pair, kept by the core's cache, carried as a prop."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import vapoursynth as vs

from ..motion.alignment import Step, flow
from .clips import ClipFacts, bare
from .nodes import concurrently

_FLOW = "_VQEFlow"
_NUMBER = "_VQENumber"


def annotated(clip: vs.VideoNode, facts: ClipFacts, *, back: bool) -> vs.VideoNode:
    """Gives every frame a prop with the flow from it to the next frame and back.

    Args:
        clip: From ``planes.for_model``.
        facts: Its colour facts.
        back: Whether the flow back is wanted; it is zero otherwise.
    """
    # The models were trained with the flow of 8-bit codes of limited range.
    luma = bare(clip.std.ShufflePlanes(0, vs.GRAY)).resize.Point(
        format=vs.GRAY8, range_in=int(facts.full_range), range=vs.RANGE_LIMITED
    )
    following = luma[1:] + luma[-1] if luma.num_frames > 1 else luma
    carrier = vs.core.std.BlankClip(luma, format=vs.GRAY16, keep=True)
    flows = concurrently(carrier, [luma, following], partial(_measured, back))
    return clip.std.ClipToProp(flows, prop=_FLOW)


def cleaned(clip: vs.VideoNode) -> vs.VideoNode:
    """Takes the prop off again."""
    return clip.std.RemoveFrameProps(_FLOW)


def steps(frames: Sequence[vs.VideoFrame]) -> list[Step | None]:
    """Reads the flow from each frame of a run to the next, and back.

    Args:
        frames: Of an ``annotated`` clip; the same frame may come several times.

    Returns:
        One step less than frames; ``None`` where a frame is repeated.
    """
    flows = [frame.props[_FLOW] for frame in frames]
    numbers = [carrier.props[_NUMBER] for carrier in flows]
    result: list[Step | None] = []
    for carrier, (number, following) in zip(flows, pairwise(numbers), strict=False):
        codes = np.asarray(carrier[0]).view(np.int16)
        height, width = codes.shape
        both = codes.reshape(2, height // 2, width // 2, 2)
        result.append(None if number == following else Step(both[0], both[1]))
    return result


def _measured(back: bool, n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
    """Returns the flow onward above the flow back, as the codes of a grey frame."""
    first, second = (np.ascontiguousarray(frame[0]) for frame in f)
    height, width = first.shape
    result = vs.core.create_video_frame(vs.core.get_video_format(vs.GRAY16), width, height)
    codes = np.asarray(result[0]).view(np.int16)
    codes[: height // 2] = flow(first, second).reshape(height // 2, width)
    codes[height // 2 :] = flow(second, first).reshape(height // 2, width) if back else 0
    result.props[_NUMBER] = n
    return result
