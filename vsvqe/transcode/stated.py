"""What an encoder wrote into its stream about how it was set."""

import re
from pathlib import Path

import av

# x264 and x265 put a text into the first picture or the headers: who they are, and all their
# options. Other encoders don't.
_OPTIONS = re.compile(rb"x26[45][ -~\s]*?options: ([ -~]*)")
# By how the rate was controlled, the option that says how coarsely.
_QUANTISERS = {"crf": "crf", "cqp": "qp"}


def quantiser(path: Path) -> float | None:
    """Returns the CRF or QP that a file says its video was encoded at.

    Args:
        path: A video file.

    Returns:
        That of x264 and x265, 0 to 51; ``None`` if there is none: another encoder, another control
        of the rate, a file that tells nothing, or no file that can be read.

    Example:
        >>> from pathlib import Path
        >>> from vsvqe.transcode.stated import quantiser
        >>> quantiser(Path("input.mp4"))  # doctest: +SKIP
        23.0
    """
    try:
        with av.open(str(path)) as source:
            (stream, *_) = source.streams.video
            headers = stream.codec_context.extradata or b""
            first = next((bytes(packet) for packet in source.demux(stream)), b"")
    except (av.error.FFmpegError, ValueError):
        # Who opens it for its pictures says what is wrong with it.
        return None
    found = _OPTIONS.search(headers) or _OPTIONS.search(first)
    if found is None:
        return None
    options = dict(re.findall(r"(\S+?)=(\S+)", found[1].decode()))
    stated = options.get(_QUANTISERS.get(options.get("rc", ""), ""), "")
    # Written so by both; anything else is no number that they would write.
    return min(float(stated), 51.0) if re.fullmatch(r"\d+(\.\d+)?", stated) else None
