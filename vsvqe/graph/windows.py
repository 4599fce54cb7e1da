"""Sliding windows over the props of a clip, for what a frame needs to know of its neighbours.

The graph hands a callback the frames of a chunk and those around it; it computes the props of the
chunk's frames, which are then handed out one by one. So every prop is read a few times only,
however wide the window is, and what frame n gets depends on the clip alone.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import vapoursynth as vs

from .bundles import SIZE, Near, bundled, gathered
from .carriers import carried, carriers, handed_out
from .nodes import uncached

type Props = Mapping[str, Any]

type Compute[T] = Callable[[Sequence[T], range], Iterable[Props]]
"""Takes what consecutive frames of a scene carry, and the indices of those in question; gives the
props to set on each of them, in order. There are frames of the scene before the first of them, and
after the last, as far as their windows reach."""


def over_windows[T](
    clip: vs.VideoNode,
    radius: int,
    length: int,
    read: Callable[[Props], T],
    compute: Compute[T],
    *,
    starts_scene: Callable[[Props], bool],
    name: str,
) -> vs.VideoNode:
    """Sets props that are computed from those of the frames around.

    Args:
        clip: Small frames with props.
        radius: Frames that a window has on each side at most.
        length: Frames that are computed together.
        read: Reads the props of a frame, once for all the windows that it is in.
        compute: The work; called from the core's threads, once for the frames of a scene that are
            computed together.
        starts_scene: Whether a frame with these props begins a scene.
        name: The filter, for error messages.

    Returns:
        The same clip, with more props.
    """
    total = clip.num_frames
    radius = min(radius, total - 1)
    count = -(-total // length)
    size = math.gcd(length, SIZE)
    bundles = bundled(clip, size)
    bundles.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * (length + 2 * radius) // size)
    window = length + 2 * radius
    carrier = carriers(count)

    def run(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        first = n * length - radius
        present = range(max(0, -first), min(window, total - first))
        near = Near(f[1], -radius, 0, size)
        frames = {i: near[i - radius] for i in present}
        told = {i: read(frames[i].props) for i in present}
        carrying = f[0].copy()
        wanted = range(radius, min(radius + length, total - first))
        starts = [i for i in present if starts_scene(frames[i].props)]
        for begin, end in pairwise([present.start, *starts, present.stop]):
            shown = range(max(begin, wanted.start), min(end, wanted.stop))
            if not shown:
                continue
            begin, end = max(begin, shown.start - radius), min(end, shown.stop + radius)
            scene = [told[i] for i in range(begin, end)]
            computed = iter(compute(scene, range(shown.start - begin, shown.stop - begin)))
            for i in shown:
                try:
                    props = next(computed)
                except Exception as error:
                    raise vs.Error(f"{name}: frame {first + i}: {error}") from error
                result = frames[i].copy()
                for key, value in props.items():
                    result.props[key] = value
                carrying.props[carried(i - radius)] = result
        return carrying

    around = gathered(bundles, length, -radius, length - 1 + radius, size)
    computed = carrier.std.ModifyFrame([carrier, uncached(around)], run)
    computed.std.SetVideoCache(mode=1, fixedsize=1, maxsize=4)
    # While a chunk is computed, on one thread, others wait for it, unless it is begun ahead.
    return handed_out(computed, clip, length, total, ahead_at=length // 2)
