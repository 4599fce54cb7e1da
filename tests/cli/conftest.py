"""The command as a process, and films to give it."""

import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from vsvqe.cli import app

from .movies import movie

type Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def started(environment: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Starts ``python -m vsvqe`` with arguments; ``limit`` is called in the process first."""

    def start(
        *arguments: object, limit: Callable[[], None] | None = None, **more: object
    ) -> subprocess.Popen[str]:
        def begin() -> None:
            # Shells have programs in the background ignore interrupts.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if limit is not None:
                limit()

        return subprocess.Popen(
            [sys.executable, "-m", "vsvqe", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "COLUMNS": "200"},
            preexec_fn=None if sys.platform == "win32" else begin,
            **more,  # type: ignore[call-overload]
        )

    return start


@pytest.fixture(scope="session")
def vsvqe(started: Callable[..., subprocess.Popen[str]]) -> Command:
    """Runs it to its end."""

    def run(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
        with started(*arguments, **more) as process:
            try:
                output, errors = process.communicate(timeout=200)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    return run


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs it in this process, which is quicker where nothing is encoded."""
    monkeypatch.setenv("COLUMNS", "200")
    # What the command changes of its process.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["vsvqe", *words])
        code: object = 0
        try:
            app.run()
        except SystemExit as end:
            code = end.code
        output, errors = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(code or 0), output, errors)  # type: ignore[call-overload]

    yield run
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 540 frames of varying length, wide pixels, with all that travels beside."""
    return movie(
        tmp_path_factory.mktemp("film") / "film.mkv",
        540,
        variable=True,
        aspect=Fraction(4, 3),
        colours=(6, 6, 6, 1),
    )
