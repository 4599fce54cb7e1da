"""A video in which a line wipes from one clip to the other and back."""

import math

import cv2
import numpy as np
import vapoursynth as vs

from .clips import Named, as_rgb

_LINE = 2
_MARGIN = 12


def line_at(seconds: float, sweep: float, pause: float) -> float:
    """Returns where the line is, as a part of the width.

    It rests at the right edge (all is the first clip), moves to the left in ``sweep`` seconds,
    rests, and comes back; it starts and stops softly.

    Args:
        seconds: Since the beginning.
        sweep: How long it moves, in seconds.
        pause: How long it rests at either edge, in seconds.
    """
    period = 2 * (sweep + pause)
    phase = seconds % period
    if phase < pause:
        return 1.0
    if phase < pause + sweep:
        return _soft(1 - (phase - pause) / sweep)
    if phase < 2 * pause + sweep:
        return 0.0
    return _soft((phase - 2 * pause - sweep) / sweep)


def _soft(part: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * part)


def wipe(first: Named, second: Named, sweep: float, pause: float) -> vs.VideoNode:
    """Returns the video: 8-bit RGB, of the size of the clips.

    Clips that are over before the line is back are repeated until it is.

    Args:
        first: Seen on the left of the line.
        second: Of the same size, length and rate; seen on its right.
        sweep: See ``line_at``.
        pause: See ``line_at``.
    """
    one, two = as_rgb(first.clip), as_rgb(second.clip)
    rate = float(first.clip.fps)
    times = math.ceil(2 * (sweep + pause) * rate / one.num_frames)
    if times > 1:
        one, two = one.std.Loop(times), two.std.Loop(times)
    width, height = one.width, one.height
    stamps = [_stamp(named.label, width, height) for named in (first, second)]

    def draw(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        frame = f[0].copy()
        place = round(line_at(n / rate, sweep, pause) * width)
        for plane in range(3):
            target = np.asarray(frame[plane])
            target[:, place:] = np.asarray(f[1][plane])[:, place:]
            _write(target[:, :place], stamps[0], left=True)
            _write(target[:, place:], stamps[1], left=False)
            if 0 < place < width:
                target[:, max(0, place - _LINE) : place + _LINE] = 255
        return frame

    return one.std.ModifyFrame([one, two], draw)


def _stamp(text: str, width: int, height: int) -> np.ndarray:
    """Draws a label: white on black, as a plane."""
    scale = max(0.4, height / 900)
    thick = max(1, round(1.6 * scale))
    (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    plane = np.zeros((high + below + _MARGIN, wide + _MARGIN), np.uint8)
    origin = (_MARGIN // 2, high + _MARGIN // 2)
    cv2.putText(plane, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    return plane[: height // 2, : width // 2]


def _write(part: np.ndarray, stamp: np.ndarray, *, left: bool) -> None:
    """Puts a label into the outer top corner of a part, as far as there is room."""
    rows = slice(_MARGIN, _MARGIN + stamp.shape[0])
    room = max(0, part.shape[1] - _MARGIN)
    wide = min(room, stamp.shape[1])
    if wide == 0:
        return
    if left:
        part[rows, _MARGIN : _MARGIN + wide] = stamp[: part[rows].shape[0], :wide]
    else:
        start = part.shape[1] - _MARGIN - wide
        part[rows, start : start + wide] = stamp[: part[rows].shape[0], -wide:]
