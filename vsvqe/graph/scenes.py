"""Scene cuts, found with native filters and carried as frame props."""

from collections.abc import Mapping
from typing import Any

import vapoursynth as vs

from .clips import bare

DEFAULT_THRESHOLD = 0.10

# Mean absolute difference of the luma of frames (n-2, n-1), (n-1, n) and (n, n+1).
_BEFORE, _HERE, _AFTER = "_VQEBefore", "_VQEHere", "_VQEAfter"
_SIDE = 64


def annotated(clip: vs.VideoNode, *, detect: bool) -> vs.VideoNode:
    """Returns the clip with what ``is_cut`` needs to know on every frame.

    Only the core's native filters run per frame.

    Args:
        clip: Any constant format.
        detect: Whether cuts are wanted at all.
    """
    if not detect:
        return clip.std.RemoveFrameProps([f"{_HERE}*"])
    plane = 1 if clip.format.color_family == vs.RGB else 0
    grey = bare(clip.std.ShufflePlanes(plane, vs.GRAY))
    small = grey.resize.Bilinear(
        width=min(grey.width, _SIDE),
        height=min(grey.height, _SIDE),
        format=vs.GRAY8,
        range_in=vs.RANGE_LIMITED,
        range=vs.RANGE_LIMITED,
    )

    def at(offset: int) -> vs.VideoNode:
        """The small clip, shifted so that its frame n is frame n + offset of the clip."""
        if offset < 0:
            return (small[0] * -offset + small)[: small.num_frames]
        return (small + small[-1] * offset)[offset:] if offset else small

    stats = at(0)
    for name, first, second in ((_BEFORE, -2, -1), (_HERE, -1, 0), (_AFTER, 0, 1)):
        measured = at(first).std.PlaneStats(at(second), prop=name)
        stats = stats.std.CopyFrameProps(measured, props=[f"{name}Diff"])
    return clip.std.CopyFrameProps(
        stats, props=[f"{name}Diff" for name in (_BEFORE, _HERE, _AFTER)]
    )


def cleaned(clip: vs.VideoNode) -> vs.VideoNode:
    """Takes the detector's props off again."""
    return clip.std.RemoveFrameProps([f"{name}*" for name in (_BEFORE, _HERE, _AFTER)])


def is_cut(before: Mapping[str, Any], after: Mapping[str, Any], threshold: float) -> bool:
    """Whether a new scene begins between two consecutive frames.

    ``_SceneChangeNext`` and ``_SceneChangePrev`` decide where a frame has them. Otherwise the
    frames must differ by more than the threshold and by more than twice what their neighbours
    differ: fast motion differs at every frame, a cut only once.

    Args:
        before: Props of the earlier frame, from an ``annotated`` clip.
        after: Props of the later frame.
        threshold: Mean absolute luma difference, 0 to 1.
    """
    if "_SceneChangePrev" in after or "_SceneChangeNext" in before:
        return bool(after.get("_SceneChangePrev", 0)) or bool(before.get("_SceneChangeNext", 0))
    if f"{_HERE}Diff" not in after:
        return False
    here = float(after[f"{_HERE}Diff"])
    around = max(float(after[f"{_BEFORE}Diff"]), float(after[f"{_AFTER}Diff"]))
    return here > threshold and here > 2.0 * around
