"""The script that a command stands for, line by line as it is run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import vapoursynth as vs

from ..evaluation import chains
from .errors import FilterError, SourceError


@dataclass(frozen=True)
class Call:
    """One filter and its arguments, but for the clip."""

    function: str
    """As the script writes it: ``vqe.Deblock``, ``traditional.unsharp`` or ``std.Median``."""
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The statement that applies it to ``clip``."""
        module, _, name = self.function.partition(".")
        imported = module in _IMPORTS
        shown = self.function if imported else f"clip.{module}.{name}"
        arguments = [
            *(["clip"] if imported else []),
            *(repr(value) for value in self.positional),
            *(f"{name}={value!r}" for name, value in self.named.items()),
        ]
        return f"clip = {shown}({', '.join(arguments)})"

    @property
    def files(self) -> tuple[str, ...]:
        """Arguments that may name files, such as models."""
        return tuple(v for v in (*self.positional, *self.named.values()) if isinstance(v, str))


_IMPORTS = {
    "vqe": "import vsvqe as vqe",
    "traditional": "from vsvqe.evaluation import traditional",
}


def calls(chain: str, defaults: Mapping[str, Any]) -> list[Call]:
    """Reads a chain of filters in words.

    Args:
        chain: See ``vsvqe.evaluation.chains.parse``.
        defaults: Arguments for our filters that take them and do not name them, such as
            ``backend``.

    Raises:
        ValueError: It is no chain.
    """
    return [
        Call(
            f"vqe.{step.name}" if step.is_ours else step.name,
            step.positional,
            {**{k: v for k, v in defaults.items() if step.accepts(k)}, **step.named},
        )
        for step in chains.parse(chain)
    ]


class Script:
    """A script that grows by the lines that have been run: its text is what it did.

    Example:
        >>> from vsvqe.transcode.script import Script
        >>> script = Script([])
        >>> script.run("clip = vs.core.std.BlankClip(length=5)")
        >>> script.clip.num_frames
        5
    """

    def __init__(self, filters: Sequence[Call]) -> None:
        """Runs the imports.

        Args:
            filters: Those that will be run, for the modules that they need.
        """
        self._filters = filters
        self._lines: list[str] = []
        self._names: dict[str, Any] = {"__name__": "__vapoursynth__"}
        needed = {call.function.partition(".")[0] for call in filters}
        self.run("import vapoursynth as vs")
        for module, line in _IMPORTS.items():
            if module in needed:
                self.run(line)
        self._lines.append("")

    @property
    def clip(self) -> vs.VideoNode:
        """What the lines so far made."""
        clip: vs.VideoNode = self._names["clip"]
        return clip

    @property
    def text(self) -> str:
        """The whole script, for a ``.vpy`` file."""
        return "\n".join([*self._lines, "clip.set_output()"]) + "\n"

    def run(self, line: str) -> None:
        """Runs one statement and appends it."""
        exec(line, self._names)
        self._lines.append(line)

    def open(self, path: str, start_number: int | None) -> None:
        """Opens a video file or a numbered sequence of images.

        Args:
            path: A file, or a pattern such as ``frames/%05d.png``.
            start_number: The first image's number.

        Raises:
            SourceError: It can't be opened; says why.
        """
        extra = "" if start_number is None else f", start_number={start_number}"
        try:
            self.run(f"clip = vs.core.bs.VideoSource({path!r}{extra})")
        except vs.Error as error:
            raise SourceError(f"{path} can't be opened as video: {reason(error)}") from error

    def filter(self) -> None:
        """Runs the filters.

        Raises:
            FilterError: One refuses; says why.
        """
        for call in self._filters:
            with refusals(call.function):
                self.run(call.line)


@contextmanager
def refusals(function: str) -> Iterator[None]:
    """Turns what a filter raises into ``FilterError``."""
    try:
        yield
    except vs.Error as error:
        raise FilterError(reason(error)) from error
    except (TypeError, ValueError) as error:
        raise FilterError(f"{function}: {error}") from error


def reason(error: BaseException) -> str:
    """Returns what an error says: of a traceback, which callbacks raise, the last line."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
