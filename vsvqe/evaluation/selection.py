"""What a script measures or shows: the clips, recipes and methods that its command line names."""

import argparse
from collections.abc import Callable
from pathlib import Path

from .methods import Method
from .recipes import RECIPES, Recipe

type Compared = Callable[[Recipe, argparse.Namespace], list[Method]]
"""Takes a recipe and the command line; returns what is compared on it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that choose clips and methods, and what they run on.

    Args:
        parser: Gets ``--data``, ``--clips``, ``--methods``, ``--backend`` and ``--work``.
    """
    parser.add_argument("--data", type=Path, required=True, help="folder with valid/ and weights/")
    parser.add_argument("--clips", nargs="+", help="only these, by name without suffix")
    parser.add_argument(
        "--methods", nargs="+", help="names as the tables show them, or chains: 'Deblock(0.5)'"
    )
    parser.add_argument("--backend", default="auto")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/evaluation"),
        help="folder that keeps what was encoded and measured",
    )


def parsed(parser: argparse.ArgumentParser, compared: Compared) -> argparse.Namespace:
    """Parses the command line, and ends the script with a sentence where it names what is not.

    Args:
        parser: With the arguments of ``add_arguments``, and ``--recipes``.
        compared: Of the script; raises ``ValueError`` where there is no such method.
    """
    options = parser.parse_args()
    if not clips(options):
        parser.error(f"no such clips in {options.data / 'valid'}")
    try:
        for name in options.recipes:
            compared(RECIPES[name], options)
    except ValueError as error:
        parser.error(str(error))
    return options


def clips(options: argparse.Namespace) -> list[Path]:
    """Returns the clean clips that are asked for."""
    found = sorted((options.data / "valid").glob("*.mp4"))
    return [clip for clip in found if not options.clips or clip.stem in options.clips]
