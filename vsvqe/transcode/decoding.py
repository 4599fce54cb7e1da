"""A program that decodes the picture of a file and tells what goes wrong.

It runs in a process of its own: most of what FFmpeg finds it says on standard error only, and
PyAV's way to listen locks up with decoders that have threads. On standard error, between FFmpeg's
lines, are lines that begin with a mark of ``Mark``.

Usage: ``python decoding.py FILE START END``, in seconds of the file; ``END`` may be ``inf``.
"""

import signal
import sys
from enum import StrEnum

import av

_EVERY = 24


class Mark(StrEnum):
    """What the program itself says."""

    AT = "@"
    """Followed by the time in seconds, and how many frames there were so far."""
    BAD = "!"
    """A frame is damaged, or a packet gives none."""
    BEGINNING = "~"
    """The stream begins between key frames: the first frames can't be whole."""
    GOOD = "="
    """The first whole frame of such a stream."""


def main(path: str, start: float, end: float) -> None:
    """Decodes from the key frame at or before ``start`` until ``end``."""
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.ERROR)
    with av.open(path) as source:
        stream = source.streams.video[0]
        stream.thread_type = "AUTO"
        # Check sums, where the codec has them.
        stream.codec_context.options = {"err_detect": "crccheck"}
        if start > 0:
            source.seek(int(start * av.time_base))
        frames, settled = 0, True
        for number, packet in enumerate(source.demux(stream)):
            time = None if packet.pts is None else float(packet.pts * packet.time_base)
            if time is not None and time >= end:
                break
            if number == 0 and not packet.is_keyframe:
                settled = False
                _say(Mark.BEGINNING)
            if number % _EVERY == 0 and time is not None:
                _say(f"{Mark.AT}{time:.3f} {frames}")
            try:
                found = packet.decode()
            except av.error.FFmpegError:
                _say(Mark.BAD)
                continue
            frames += len(found)
            for frame in found:
                if frame.is_corrupt:
                    _say(Mark.BAD)
                elif not settled:
                    settled = True
                    _say(Mark.GOOD)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    # An interrupt is for the command, which ends this process then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
