"""Scene cuts, found with native filters and carried as frame props."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import vapoursynth as vs

from .carriers import carriers
from .clips import grey
from .nodes import shared, shifted

DEFAULT_THRESHOLD = 0.04

# On frame n: mean absolute luma difference (0 to 1) of frames n + offset - 1 and n + offset. Two
# pairs on each side, because drawn animation often moves at every second frame only.
_PAIRS = {-2: "_VQEPairA", -1: "_VQEPairB", 0: "_VQEPairC", 1: "_VQEPairD", 2: "_VQEPairE"}
_PROPS = {offset: f"{name}Diff" for offset, name in _PAIRS.items()}
REACH = 2
"""Frames on each side whose differences tell a cut from motion."""

_SIDE = 64


def annotated(clip: vs.VideoNode, *, detect: bool) -> vs.VideoNode:
    """Returns the clip with what ``is_cut`` needs to know on every frame.

    Only the core's native filters run per frame.

    Args:
        clip: Any constant format.
        detect: Whether cuts are wanted at all.
    """
    if not detect:
        return cleaned(clip)
    clip = shared(clip)
    small = _small(clip)
    stats = small
    for offset, name in _PAIRS.items():
        measured = shifted(small, offset - 1).std.PlaneStats(shifted(small, offset), prop=name)
        stats = stats.std.CopyFrameProps(measured, props=[_PROPS[offset]])
    return clip.std.CopyFrameProps(stats, props=list(_PROPS.values()))


def stepped(clip: vs.VideoNode, *, detect: bool) -> vs.VideoNode:
    """Returns the clip with the difference of every frame from the one before it.

    It is a fifth of what ``annotated`` takes; ``is_cut`` needs those of the frames around, too.

    Args:
        clip: Any constant format.
        detect: Whether cuts are wanted at all.
    """
    if not detect:
        return cleaned(clip)
    clip = shared(clip)
    small = _small(clip)
    measured = small.std.PlaneStats(shifted(small, -1), prop=_PAIRS[0])
    return clip.std.CopyFrameProps(measured, props=[_PROPS[0]])


def _small(clip: vs.VideoNode) -> vs.VideoNode:
    """Returns what frames are compared by."""
    small = grey(clip).resize.Bilinear(
        width=min(clip.width, _SIDE),
        height=min(clip.height, _SIDE),
        format=vs.GRAY8,
        range_in=vs.RANGE_LIMITED,
        range=vs.RANGE_LIMITED,
    )
    return shared(small)


def marked(clip: vs.VideoNode, threshold: float | None) -> vs.VideoNode:
    """Returns frames that say where scenes begin and end, as the core's filters understand it.

    Args:
        clip: From ``annotated``; only the props of its frames are read.
        threshold: See ``is_cut``; ``None`` for the ends of the clip alone.

    Returns:
        Frames of one pixel, as many as the clip has, with ``_SceneChangePrev`` and
        ``_SceneChangeNext`` set on every one. The clip's own ends count as cuts.
    """
    total = clip.num_frames
    pixel = carriers(total)
    carrier = shared(pixel.std.CopyFrameProps(clip))
    before, after = shifted(carrier, -1), shifted(carrier, 1)

    def mark(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        last, own, following = (frame.props for frame in f[1:])
        result = f[0].copy()
        begins = threshold is not None and is_cut(last, own, threshold)
        ends = threshold is not None and is_cut(own, following, threshold)
        result.props["_SceneChangePrev"] = int(n == 0 or begins)
        result.props["_SceneChangeNext"] = int(n == total - 1 or ends)
        return result

    return shared(pixel.std.ModifyFrame([pixel, before, carrier, after], mark))


def cleaned(clip: vs.VideoNode) -> vs.VideoNode:
    """Takes the detector's props off again."""
    return clip.std.RemoveFrameProps(list(_PROPS.values()))


def is_cut(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    threshold: float,
    around: Callable[[], float] | None = None,
) -> bool:
    """Whether a new scene begins between two consecutive frames.

    ``_SceneChangeNext`` and ``_SceneChangePrev`` decide where a frame has them. Otherwise the
    difference of the two must exceed one and a half times the largest difference around by the
    threshold: fast motion differs at every frame, a flash twice, a cut once.

    Args:
        before: Props of the earlier frame, from an ``annotated`` clip.
        after: Props of the later frame.
        threshold: Mean absolute luma difference, 0 to 1.
        around: For frames of a ``stepped`` clip: returns the largest difference around, see
            ``largest_step``. It is asked where that matters only.
    """
    if "_SceneChangePrev" in after or "_SceneChangeNext" in before:
        return bool(after.get("_SceneChangePrev", 0)) or bool(before.get("_SceneChangeNext", 0))
    if _PROPS[0] not in after:
        return False
    step = float(after[_PROPS[0]])
    if step <= threshold:
        return False
    if around is None:
        most = max(float(after[prop]) for offset, prop in _PROPS.items() if offset)
    else:
        most = around()
    return step > 1.5 * most + threshold


def largest_step(frames: Iterable[vs.VideoFrame]) -> float:
    """Returns the largest difference of frames of a ``stepped`` clip from those before them.

    Args:
        frames: Those up to ``REACH`` around a frame, without it.
    """
    return max((float(frame.props[_PROPS[0]]) for frame in frames), default=0.0)
