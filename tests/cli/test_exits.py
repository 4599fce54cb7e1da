"""Interrupts end the work wherever they arrive."""

import signal
import time

import pytest

from vsvqe.cli.exits import Terminated, insistent, terminable


class _Interrupted:
    """Is interrupted where nobody can catch it: in its finaliser."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)
        time.sleep(0)


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_an_interrupt_in_a_finaliser_is_not_lost(number, kind, capsys):
    with pytest.raises(kind) as caught, terminable(), insistent():
        _Interrupted(number)
        time.sleep(10)
    assert caught.type is kind
    assert capsys.readouterr().err == ""


def test_other_errors_of_finalisers_are_reported_as_ever(capsys, monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    class Broken:
        def __del__(self) -> None:
            raise ValueError("here")

    with insistent():
        Broken()
    assert [one.exc_type for one in told] == [ValueError]
