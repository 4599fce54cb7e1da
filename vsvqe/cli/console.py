"""Standard error for people, standard output for results."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

err = Console(stderr=True, highlight=False)
"""What is going on, and errors."""

out = Console(highlight=False)
"""What was asked for."""


def say(text: str, style: str | None = None) -> None:
    """Prints a line on standard error; nothing in it is markup."""
    err.print(Text(text, style=style or ""), soft_wrap=True)


def complain(text: str) -> None:
    """Prints an error."""
    err.print(Text.assemble(("vsvqe: ", "bold red"), text), soft_wrap=True)


def show_log(verbose: bool) -> None:
    """Sends what the package logs to standard error: warnings, or everything."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[_Handler()],
        force=True,
    )


class _Handler(logging.Handler):
    """Prints a line for each message; rich's own handler breaks long ones."""

    def emit(self, record: logging.LogRecord) -> None:
        bad = record.levelno >= logging.WARNING
        style = "yellow" if bad else ""
        mark = (f"{record.levelname.lower()}: ", style) if bad else ""
        err.print(Text.assemble(mark, self.format(record)), soft_wrap=True)


class Bar:
    """A job's progress: a bar on a terminal, a line at the end of each elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, visible=False)

    def begin(self, text: str, total: int) -> None:
        """Begins a bar of its own for a job."""
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=total, done=0)

    def advance(self, steps: int, *, found: bool = False) -> None:
        """Goes on; what an earlier run did does not count for the speed."""
        task = self._progress.tasks[-1]
        done = task.fields["done"] + (0 if found else steps)
        self._progress.update(self._task, advance=steps, done=done)


class _Speed(ProgressColumn):
    """Frames a second of this run."""

    def render(self, task: Task) -> Text:
        if not task.elapsed or not task.fields.get("done"):
            return Text("- fps")
        return Text(f"{task.fields['done'] / task.elapsed:.1f} fps")


class _Left(TimeRemainingColumn):
    """Time left at the speed of this run."""

    def render(self, task: Task) -> Text:
        done = task.fields.get("done")
        if not done or not task.elapsed or task.remaining is None:
            return Text("-:--:-- left")
        seconds = int(task.remaining * task.elapsed / done)
        return Text(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left")


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Bar]:
    """Shows progress on standard error while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        _Left(),
    )
    with Progress(*columns, console=err, disable=quiet) as progress:
        yield Bar(progress)
