"""Many neighbours of a frame at the cost of a few.

The core keeps a request for every frame that a callback asks for, and one more in every node on the
way to it, all in one list that its threads take turns at. For dozens of neighbours of every frame
that takes longer than what is done with them. So frames travel in bundles: as props of tiny frames,
each of which is one request.
"""

from collections.abc import Callable, Sequence

import vapoursynth as vs

from .carriers import carried, carriers, handed_out
from .nodes import every, shifted, uncached


class Near:
    """The frames near one, by how many frames they are away."""

    def __init__(self, carrying: vs.VideoFrame, first: int, own: int, size: int) -> None:
        """Takes the frame of ``gathered`` that carries them.

        Args:
            carrying: The frame.
            first: As for ``gathered``.
            own: Index of the frame that others are near, relative to the first of the run.
            size: As for ``bundled``.
        """
        self._bundles = carrying.props
        self._before, self._own, self._size = first // size, own, size
        # Each time that a prop is read, there is a new frame.
        self._read: dict[str, vs.VideoFrame] = {}
        self._known: dict[int, vs.VideoFrame] = {}

    def __getitem__(self, distance: int) -> vs.VideoFrame:
        """Returns the frame that is so many frames away: later, or, if negative, earlier."""
        if distance not in self._known:
            bundle, place = divmod(self._own + distance, self._size)
            name = carried(bundle - self._before)
            if name not in self._read:
                self._read[name] = self._bundles[name]
            self._known[distance] = self._read[name].props[carried(place)]
        return self._known[distance]


type Callback = Callable[[int, Sequence[vs.VideoFrame], Near], vs.VideoFrame]
"""Takes the number of a frame, the frames of all other inputs of that number, and what gives those
near it; returns a frame."""

SIZE = 8
"""Frames in a bundle, usually. So many less one may be asked for in vain on each side."""


def bundled(clip: vs.VideoNode, size: int = SIZE) -> vs.VideoNode:
    """Returns a tiny frame for each run of frames, that carries them.

    Args:
        clip: Of what is beyond its last frame, any frame is carried.
        size: Frames in a run.
    """
    # Frames that are asked for beyond the end of a clip are its last ones.
    parts = [every(clip, size, min(i, clip.num_frames - 1)) for i in range(size)]
    return _carrying(parts, -(-clip.num_frames // size))


def gathered(
    bundles: vs.VideoNode, cycle: int, first: int, last: int, size: int = SIZE
) -> vs.VideoNode:
    """Returns a tiny frame for each run of frames, that carries the bundles around them.

    Args:
        bundles: From ``bundled``.
        cycle: Frames in a run; a multiple of ``size``.
        first: The first of the frames that are wanted, relative to the first of a run.
        last: The last of them, relative to that.
        size: As for ``bundled``.
    """
    reach = range(first // size, last // size + 1)
    parts = [every(shifted(bundles, distance), cycle // size) for distance in reach]
    return _carrying(parts, -(-bundles.num_frames * size // cycle))


def _carrying(clips: Sequence[vs.VideoNode], length: int) -> vs.VideoNode:
    """Returns tiny frames that carry a frame of each of some clips."""
    carrier = carriers(length)

    def carry(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        carrying = f[0].copy()
        for i, frame in enumerate(f[1:]):
            carrying.props[carried(i)] = frame
        return carrying

    return carrier.std.ModifyFrame([carrier, *clips], carry)


def unbundled(bundles: vs.VideoNode, like: vs.VideoNode) -> vs.VideoNode:
    """Returns the frames that bundles carry.

    Args:
        bundles: From ``bundled``.
        like: A clip of their format, size and length.
    """
    return handed_out(bundles, like, SIZE, like.num_frames)


def with_near(
    like: vs.VideoNode,
    bundles: vs.VideoNode,
    before: int,
    after: int,
    callback: Callback,
    *,
    others: Sequence[vs.VideoNode] = (),
) -> vs.VideoNode:
    """Does what ``ModifyFrame`` does, with the frames near one, on all of the core's threads.

    Args:
        like: A clip of the format, size and length of the result.
        bundles: From ``bundled``, of a clip of that length; the callback may ask for frames of it
            that are near the one in question, but not for those beyond its ends.
        before: How many frames before.
        after: How many frames after.
        callback: The work; called from the core's threads.
        others: More clips of that length, at least one.
    """
    bundles.std.SetVideoCache(mode=1, fixedsize=1, maxsize=(before + after) // SIZE + 4)
    near = gathered(bundles, SIZE, -before, SIZE - 1 + after)
    # The core runs one callback of a node at a time.
    runs = -(-vs.core.num_threads // SIZE)
    near.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * runs)
    cycle = runs * SIZE
    turns = []
    for turn in range(min(cycle, like.num_frames)):
        run, place = divmod(turn, SIZE)
        inputs = [every(near, runs, run), *(every(other, cycle, turn) for other in others)]
        call = _call(callback, cycle, turn, -before, place)
        turns.append(uncached(every(like, cycle, turn).std.ModifyFrame(inputs, call)))
    return vs.core.std.Interleave(turns, modify_duration=False)


def _call(
    callback: Callback, cycle: int, turn: int, first: int, place: int
) -> Callable[[int, list[vs.VideoFrame]], vs.VideoFrame]:
    """Returns what ``ModifyFrame`` calls for one frame of each cycle, ``place``-th of its run."""

    def call(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        carrying, *others = f
        return callback(n * cycle + turn, others, Near(carrying, first, place, SIZE))

    return call
