"""The command with its sub-commands."""

import sys
from importlib import import_module
from importlib.metadata import version

import rich_click as click

from . import console
from .exits import EXPECTED, Exit, code_of, insistent

_COMMANDS = {
    "run": ("run", "run"),
    "script": ("run", "script"),
    "compare": ("compare", "compare"),
    "metrics": ("metrics", "metrics"),
    "models": ("models", "models"),
    "bench": ("bench", "bench"),
    "doctor": ("doctor", "doctor"),
}


class _Lazy(click.RichGroup):
    """Imports a sub-command when it is asked for: `--help` and shell completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"{__package__}.{module}"), name)
        return command


@click.rich_config(
    help_config={
        "text_paragraph_linebreaks": "\n\n",
        "padding_helptext_first_line": (0, 0, 1, 0),
    }
)
@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("vsvqe"), message="vsvqe %(version)s")
def main() -> None:
    """Enhance video: remove compression artefacts, enlarge, steady.

    Exit codes: 0 done, 1 failed, 2 the command is wrong, 3 the source can't be used, 4 a filter or
    model can't, 5 the encoder failed, 6 the result can't be written, 130 Ctrl-C, 143 terminated.

    \u0008
    vsvqe run in.mp4 out.mkv --deblock --superres 2
    vsvqe compare in.mp4 out.mkv
    vsvqe doctor
    """


def run() -> None:
    """Runs the command and leaves the process with its exit code."""
    try:
        with insistent():
            main.main(prog_name="vsvqe", standalone_mode=True)
    except EXPECTED as error:
        console.complain(str(error))
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
