"""Temporal windows without waiting: several frames in, several out, as one frame of the graph.

A callback never asks for a frame and never waits. The graph hands it all the frames of a chunk;
it writes its results under each other into one tall frame, which is cropped and interleaved into
a clip again. So the result of a frame depends on the clip and the arguments only, and the core's
own cache keeps what was computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from . import scenes

type Planes = Sequence[NDArray[np.float32]]
"""One array per plane of the output, each frames x height x width."""

type Process = Callable[[Sequence[vs.VideoFrame]], Planes]
"""Takes ``length + 2 * overlap`` consecutive frames and returns the inner ``length`` of them."""


@dataclass(frozen=True, kw_only=True)
class ChunkPlan:
    """How a clip is cut into chunks."""

    length: int
    """Frames that one call returns."""
    overlap: int
    """Frames of context on each side."""
    streams: int
    """How many chunks may be computed at the same time."""
    cut_threshold: float | None
    """See ``scenes.is_cut``; ``None`` lets windows reach across cuts."""


def in_chunks(
    clip: vs.VideoNode,
    plan: ChunkPlan,
    process: Process,
    *,
    name: str,
    format: vs.VideoFormat,
    width: int,
    height: int,
) -> vs.VideoNode:
    """Computes a clip chunk by chunk.

    At the ends of the clip and at scene cuts the nearest frame of the same scene stands in for
    the frames beyond.

    Args:
        clip: The input, from ``scenes.annotated`` if cuts are to be respected.
        plan: Lengths and streams.
        process: The work; called from the core's threads.
        name: The filter, for error messages.
        format: A float32 format of the output.
        width: Of the output.
        height: Of the output.

    Returns:
        A clip of the same length with the props of ``clip``.
    """
    length, overlap = plan.length, plan.overlap
    window = length + 2 * overlap
    total = clip.num_frames
    chunks = -(-total // length)
    # Every frame is asked for by its neighbours' chunks too: keep it until they had it.
    clip.std.SetVideoCache(mode=1, fixedsize=1, maxsize=3 * window)
    padded = clip[0] * overlap + clip if overlap else clip
    padded = _uncached(padded + clip[-1] * (chunks * length - total + overlap))
    inputs = [_uncached(padded[i:].std.SelectEvery(length, [0])[:chunks]) for i in range(window)]
    blank = vs.core.std.BlankClip(
        format=format.id, width=width, height=height * length, length=chunks, keep=True
    )

    def compute(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        frames = f[1:]
        tall = vs.core.create_video_frame(format, width, height * length)
        wanted = min(length, total - n * length)
        for first, last, window_frames in _scenes(frames, wanted, plan):
            try:
                planes = process(window_frames)
            except Exception as error:
                start = n * length
                raise vs.Error(
                    f"{name}: frames {start} to {start + wanted - 1}: {error}"
                ) from error
            for plane, array in enumerate(planes):
                target = np.asarray(tall[plane]).reshape(length, *array.shape[1:])
                target[first:last] = array[: last - first]
        return tall

    if plan.streams == 1:
        tall = blank.std.ModifyFrame([blank, *inputs], compute)
    else:
        # A node of its own for every chunk: the core runs one callback of a node at a time.
        tall = blank.std.FrameEval(
            lambda n: blank.std.ModifyFrame([blank, *inputs], compute), clip_src=inputs
        )
    tall.std.SetVideoCache(mode=1, fixedsize=1, maxsize=1 + plan.streams)
    rows = [
        _uncached(tall.std.CropAbs(width=width, height=height, left=0, top=i * height))
        for i in range(length)
    ]
    result = _uncached(vs.core.std.Interleave(rows))[:total] if length > 1 else rows[0][:total]
    return _uncached(result).std.CopyFrameProps(clip)


def _scenes(
    frames: Sequence[vs.VideoFrame], wanted: int, plan: ChunkPlan
) -> list[tuple[int, int, Sequence[vs.VideoFrame]]]:
    """Splits a chunk at scene cuts.

    Returns:
        For each scene in the chunk its first and last (exclusive) output, and a full window of
        frames that begins ``overlap`` before that first output and holds this scene alone.
    """
    if plan.cut_threshold is None:
        return [(0, wanted, frames)]
    props = [frame.props for frame in frames]
    starts = [0] + [
        i
        for i in range(1, len(frames))
        if scenes.is_cut(props[i - 1], props[i], plan.cut_threshold)
    ]
    ends = [*starts[1:], len(frames)]
    result: list[tuple[int, int, Sequence[vs.VideoFrame]]] = []
    for start, end in zip(starts, ends, strict=True):
        first = max(start - plan.overlap, 0)
        last = min(end - plan.overlap, wanted)
        if first >= last:
            continue
        window = [frames[min(max(first + i, start), end - 1)] for i in range(len(frames))]
        result.append((first, last, window))
    return result


def _uncached(clip: vs.VideoNode) -> vs.VideoNode:
    """Switches a node's cache off: its frames are views that cost nothing to make again."""
    clip.std.SetVideoCache(mode=0)
    return clip
