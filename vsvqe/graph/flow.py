"""Flow between consecutive frames: once per pair, kept by the core's cache, carried as a prop."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..motion.alignment import Sampling, Step, displacements, flow
from .clips import ClipFacts, bare
from .nodes import in_turns, shared, shifted, uncached

_FLOW = "_VQEFlow"
_NUMBER = "_VQENumber"
_TOLD = "_VQETold"


class Meter(Protocol):
    """Tells something about a frame."""

    @property
    def stripes(self) -> Sequence[slice]:
        """The rows that it looks at, from an even one to an even one."""

    def __call__(self, own: NDArray[np.uint8], following: NDArray[np.uint8]) -> float:
        """Tells it by the stripes of the luma, 8 bits of limited range, one below the other.

        Args:
            own: Of the frame.
            following: Of the next one, brought to where the content of the frame is.
        """


def annotated(
    clip: vs.VideoNode, facts: ClipFacts, *, back: bool, meter: Meter | None = None
) -> vs.VideoNode:
    """Gives every frame a prop with the flow from it to the next frame and back.

    Args:
        clip: From ``planes.for_model``.
        facts: Its colour facts.
        back: Whether the flow back is wanted; it is zero otherwise.
        meter: What else is to be told of every frame; called from the core's threads, several at a
            time.
    """
    # The models were trained with the flow of 8-bit codes of limited range.
    clip = shared(clip)
    luma = bare(clip.std.ShufflePlanes(0, vs.GRAY)).resize.Point(
        format=vs.GRAY8, range_in=int(facts.full_range), range=vs.RANGE_LIMITED
    )
    luma = shared(luma)
    following = shifted(luma, 1)
    carrier = uncached(vs.core.std.BlankClip(luma, format=vs.GRAY16, keep=True))
    flows = in_turns(
        [carrier, luma, following], partial(_measured, back, meter), vs.core.num_threads
    )
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


def told(frames: Sequence[vs.VideoFrame]) -> list[float | None]:
    """Reads what the meter told of each frame of a run but the last.

    Args:
        frames: As for ``steps``.

    Returns:
        ``None`` where the next frame is the same, or looks the same: that tells nothing.
    """
    flows = [frame.props[_FLOW] for frame in frames]
    return [
        None if flow.props[_NUMBER] == following.props[_NUMBER] else flow.props.get(_TOLD)
        for flow, following in pairwise(flows)
    ]


def _measured(back: bool, meter: Meter | None, n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
    """Returns the flow onward above the flow back, as the codes of a grey frame."""
    first, second = (np.ascontiguousarray(frame[0]) for frame in f[1:])
    height, width = first.shape
    result = vs.core.create_video_frame(vs.core.get_video_format(vs.GRAY16), width, height)
    codes = np.asarray(result[0]).view(np.int16)
    onward = flow(first, second)
    codes[: height // 2] = onward.reshape(height // 2, width)
    codes[height // 2 :] = flow(second, first).reshape(height // 2, width) if back else 0
    result.props[_NUMBER] = n
    if meter is not None and not np.array_equal(first, second):
        (moved,) = displacements([onward])
        assert moved is not None
        own = np.concatenate([first[stripe] for stripe in meter.stripes])
        result.props[_TOLD] = meter(own, Sampling(moved).stripes(second, meter.stripes))
    return result
