"""Small pieces that graphs are made of: views, and callbacks side by side."""

from collections.abc import Callable, Sequence

import vapoursynth as vs

NONE = "_VQENone"
"""The name of a prop that no frame has."""

# Frames that chunks ask for at a time.
_AHEAD = 20

type Callback = Callable[[int, list[vs.VideoFrame]], vs.VideoFrame]
"""Takes the number of a frame and the frames of all inputs, returns a frame."""


def uncached(clip: vs.VideoNode) -> vs.VideoNode:
    """Switches a node's cache off: its frames are views that cost nothing to make again."""
    clip.std.SetVideoCache(mode=0)
    return clip


def own_node(clip: vs.VideoNode) -> vs.VideoNode:
    """Returns the same frames from a node of our own, whose cache may be set."""
    return clip.std.RemoveFrameProps([NONE])


def shared(clip: vs.VideoNode, more: int = _AHEAD) -> vs.VideoNode:
    """Returns the same frames from a node that keeps those that were asked for last.

    For what is asked for several times. The core would keep them by itself, but where several
    threads ask, its caches that grow and shrink by themselves keep a note of every frame for ever
    (64 bytes in version 81, each of which pins a page of memory).

    Args:
        clip: The frames.
        more: How many to keep, beside two for each thread.
    """
    own = own_node(clip)
    own.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * vs.core.num_threads + more)
    return own


def every(clip: vs.VideoNode, cycle: int, nth: int = 0) -> vs.VideoNode:
    """Returns the first frame, or another, of each run of ``cycle`` frames."""
    if cycle == 1:
        return clip
    return uncached(clip.std.SelectEvery(cycle, [nth], modify_duration=False))


def extended(clip: vs.VideoNode, before: int, after: int) -> vs.VideoNode:
    """Repeats the first and the last frame."""
    parts = [clip]
    if before:
        parts.insert(0, uncached(clip[0] * before))
    if after:
        parts.append(uncached(clip[-1] * after))
    return uncached(vs.core.std.Splice(parts)) if len(parts) > 1 else clip


def shifted(clip: vs.VideoNode, distance: int) -> vs.VideoNode:
    """Returns the clip with frame n + distance in the place of frame n; its ends repeat."""
    total = clip.num_frames
    distance = max(1 - total, min(total - 1, distance))
    if distance < 0:
        return uncached(uncached(clip[0] * -distance + clip)[:total])
    return uncached(clip[distance:] + clip[-1] * distance) if distance else clip


def in_turns(inputs: Sequence[vs.VideoNode], callback: Callback, streams: int) -> vs.VideoNode:
    """Does what ``ModifyFrame`` does, for so many frames at a time and no more.

    Args:
        inputs: The callback gets a frame of each of them; two at least. The result is like the
            first.
        callback: The work; called from the core's threads.
        streams: How many.
    """
    # The core runs one callback of a node at a time.
    cycle = min(streams, inputs[0].num_frames)
    if cycle == 1:
        return inputs[0].std.ModifyFrame(inputs, callback)
    turns = [_every(inputs, callback, cycle, first) for first in range(cycle)]
    return vs.core.std.Interleave(turns, modify_duration=False)


def _every(
    inputs: Sequence[vs.VideoNode], callback: Callback, cycle: int, first: int
) -> vs.VideoNode:
    """Calls back for one frame of each run of ``cycle`` frames."""
    taken = [every(clip, cycle, first) for clip in inputs]
    called = taken[0].std.ModifyFrame(taken, lambda n, f: callback(n * cycle + first, f))
    return uncached(called)
