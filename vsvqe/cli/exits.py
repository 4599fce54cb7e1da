"""Exit codes, and the sentence that goes with them."""

import _thread
import signal
import sys
import threading
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


@contextmanager
def insistent() -> Iterator[None]:
    """Sends an interrupt again that was lost.

    It is raised wherever the interpreter is. In a finaliser or a weak reference's callback nobody
    can catch it: Python prints it and goes on as if there had been none.
    """

    def again(lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        number = signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT
        # Later: this hook, too, is a place where it would be lost.
        timer = threading.Timer(0.02, _send, (number,))
        timer.daemon = True
        timer.start()

    before = sys.unraisablehook
    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


def _send(number: int) -> None:
    """Sends a signal to the main thread, and wakes it where it waits."""
    if sys.platform == "win32":
        _thread.interrupt_main(number)
    else:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, number)
