"""What a script measures or shows: the clips, recipes and methods that its command line names."""

import argparse
from collections.abc import Callable
from pathlib import Path

from .methods import Method, methods, select
from .recipes import RECIPES, Recipe

type Compared = Callable[[Recipe, argparse.Namespace], list[Method]]
"""Takes a recipe and the command line; returns what is compared on it."""


def add_arguments(parser: argparse.ArgumentParser, folder: str = "valid") -> None:
    """Adds the arguments that choose clips and methods, and what they run on.

    Args:
        parser: Gets ``--data``, ``--clips``, ``--methods``, ``--backend`` and ``--work``.
        folder: Where in the data the clips are.
    """
    data = f"folder with {folder}/ and weights/"
    parser.add_argument("--data", type=Path, required=True, help=data)
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


def compared(recipe: Recipe, options: argparse.Namespace) -> list[Method]:
    """Returns what is compared on a recipe: all there is, or the first and what is asked for."""
    every = methods(recipe, options.backend)
    if not options.methods:
        return every
    wanted = select(recipe, options.backend, options.methods)
    return [every[0], *(method for method in wanted if method.name != every[0].name)]


def words(options: argparse.Namespace) -> list[str]:
    """Returns the arguments of a command line that chooses the same clips, methods and backend."""
    chosen: list[str] = []
    if options.clips:
        chosen += ["--clips", *options.clips]
    if options.methods:
        chosen += ["--methods", *options.methods]
    if options.backend != "auto":
        chosen += ["--backend", options.backend]
    return chosen


def clips(options: argparse.Namespace) -> list[Path]:
    """Returns the clean clips that are asked for."""
    found = sorted((options.data / "valid").glob("*.mp4"))
    return [clip for clip in found if not options.clips or clip.stem in options.clips]
