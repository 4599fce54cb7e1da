"""Temporal windows without waiting: several frames in, several out, as one frame of the graph.

A callback never asks for a frame and never waits. The graph hands it all the frames of a chunk; it
returns one small frame that carries the results as frame props, and those are handed out again in
order. So the result of a frame depends on the clip and the arguments only, the core's own cache
keeps what was computed, and nothing is copied.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from . import memory, scenes
from .carriers import carried, carriers, handed_out
from .nodes import every, extended, in_turns, uncached

type Picture = Sequence[NDArray[np.float32]]
"""The planes of an output frame, in the frame's own memory."""

type Process = Callable[[Sequence[vs.VideoFrame], Sequence[Picture]], None]
"""Takes ``length + 2 * overlap`` consecutive frames, computes the inner ``length`` of them, and
writes the first of those to the pictures, which may be fewer."""


# Frames for which chunks are begun ahead, at least.
_AHEAD = 16


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
    the frames beyond; it is the same object then, see ``present``.

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
    # Every frame is asked for by its neighbours' chunks too: keep it until they had it. Chunks are
    # begun for about as many frames at a time as the core has threads.
    ahead = max(_AHEAD, vs.core.num_threads * 3 // 2) if overlap else 0
    clip.std.SetVideoCache(mode=1, fixedsize=1, maxsize=window + 2 * length + ahead)
    padded = extended(clip, overlap, chunks * length - total + overlap)
    inputs = [uncached(every(padded[i:], length)[:chunks]) for i in range(window)]
    blank = uncached(
        vs.core.std.BlankClip(
            format=format.id,
            width=width,
            height=height,
            length=chunks,
            fpsnum=clip.fps.numerator,
            fpsden=clip.fps.denominator,
            keep=True,
        )
    )
    # The only result of a chunk is handed out as it is.
    like = carriers(chunks, clip.fps) if length > 1 else blank

    def compute(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        begin = n * length - overlap
        first, last = max(0, -begin), min(window, total - begin) - 1
        frames = [f[1 + min(max(i, first), last)] for i in range(window)]
        results = [
            vs.core.create_video_frame(format, width, height)
            for _ in range(min(length, total - n * length))
        ]
        pictures = [
            [np.asarray(result[plane]) for plane in range(format.num_planes)] for result in results
        ]
        for start, end, scene in _scenes(frames, len(results), plan):
            try:
                process(scene, pictures[start:end])
            except Exception as error:
                span = f"{n * length} to {n * length + len(results) - 1}"
                text = f"{name}: frames {span}: {error}"
                # The core takes UTF-8 alone, of causes too; names of files may hold other bytes.
                told = text.encode(errors="backslashreplace").decode()
                raise vs.Error(told) from (error if told == text else None)
        size = sum(array.nbytes for picture in pictures for array in picture)
        memory.produced(len(pictures), size)
        if length == 1:
            return results[0]
        carrying = f[0].copy()
        for i, result in enumerate(results):
            carrying.props[carried(i)] = result
        return carrying

    computed = in_turns([like, *inputs], compute, plan.streams)
    computed.std.SetVideoCache(mode=1, fixedsize=1, maxsize=1 + plan.streams)
    result = handed_out(computed, blank, length, total) if length > 1 else computed
    return result.std.CopyFrameProps(clip)


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


def present(frames: Sequence[vs.VideoFrame], overlap: int) -> tuple[Sequence[vs.VideoFrame], int]:
    """Takes the frames off a window that stand in for others.

    Args:
        frames: The window.
        overlap: Where in it the first wanted frame is.

    Returns:
        The frames of the scene, each once, and where among them the first wanted one is.
    """
    first, last = 0, len(frames) - 1
    while first < last and frames[first + 1] is frames[0]:
        first += 1
    while last > first and frames[last - 1] is frames[-1]:
        last -= 1
    return frames[first : last + 1], max(overlap - first, 0)
