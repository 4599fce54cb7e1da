"""Interrupts that wait until it is safe to be interrupted."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

type Handler = Callable[[int, FrameType | None], object]


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Lets SIGINT and SIGTERM wait for what is given, which raises what they raise.

    By itself, Python raises wherever it is: also where a lock was taken, and nobody would know yet
    that it is to be given back. A thread of the core that delivers a frame then waits for it for
    ever. A second interrupt of the same kind is not held: who sends it does not want to wait.

    Interrupts that nobody handles in Python are left alone, and so are those of threads, which get
    none.
    """
    before: dict[int, Handler] = {}
    waiting: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number in waiting:
            before[number](number, frame)
        waiting.append(number)

    def check() -> None:
        if waiting:
            number = waiting.pop(0)
            before[number](number, None)

    if threading.current_thread() is threading.main_thread():
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, note)
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    check()
