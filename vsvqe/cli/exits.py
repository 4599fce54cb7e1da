"""Exit codes, and the sentence that goes with them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import NoReturn

from ..inference.errors import InferenceError
from ..transcode.errors import (
    EncoderError,
    FilterError,
    SourceError,
    StorageError,
    TranscodeError,
)


class Exit(IntEnum):
    """What the command returns to the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOURCE = 3
    FILTER = 4
    ENCODER = 5
    STORAGE = 6
    INTERRUPTED = 130
    TERMINATED = 143


_CODES: dict[type[Exception], Exit] = {
    SourceError: Exit.SOURCE,
    FilterError: Exit.FILTER,
    InferenceError: Exit.FILTER,
    EncoderError: Exit.ENCODER,
    StorageError: Exit.STORAGE,
}

EXPECTED = (TranscodeError, InferenceError)
"""Errors that are sentences for the user."""


class Terminated(KeyboardInterrupt):
    """The system asked the process to end."""


def code_of(error: BaseException) -> Exit:
    """Returns the exit code for an error."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    if isinstance(error, Terminated):
        return Exit.TERMINATED
    return Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.FAILED


@contextmanager
def terminable() -> Iterator[None]:
    """Lets SIGTERM end the work as Ctrl-C does, so that what is finished is kept."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
