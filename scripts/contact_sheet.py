"""Draws contact sheets: what a recipe leaves of a clip, what methods make of it, the original.

One PNG file for every recipe and clip: a column for the input (its pixels repeated), for each
method, and for the original; rows for crops of the middle frame, chosen or given, the first one at
three consecutive frames. Each crop is enlarged three times without interpolation. Chosen are, by
what can be measured: texture, edges, green texture, flat blue and a flat part, as far as there are
such. Where faces and text are has to be told.

Examples:
    python scripts/contact_sheet.py --data data --recipes hevc37 x2avc --out build/sheets
    python scripts/contact_sheet.py --data data --recipes hevc37 --out build/sheets
        --crop dog:170,56,face street:775,386,text
    python scripts/contact_sheet.py --data data --recipes hevc37 --clips dog --methods
        "ffmpeg spp" "Deblock(strength=0.5)" --crops 300,80,96,72,face --out build/sheets
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import vapoursynth as vs

# The checkout's own code and models are shown, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation import pictures, recipes, selection
from vsvqe.evaluation.crops import interesting, parse_crop, parse_place
from vsvqe.evaluation.methods import Method, best, methods, select
from vsvqe.evaluation.recipes import RECIPES, Recipe
from vsvqe.evaluation.selection import clips
from vsvqe.evaluation.sheet import Column, draw

log = logging.getLogger("contact_sheet")


def columns(path: Path, recipe: Recipe, options: argparse.Namespace) -> list[Column]:
    """Returns the input, the result of every method at its best setting, and the original."""
    clean = recipes.clean(path, recipe.scale)
    damaged = recipes.damaged(path, recipe, options.work)
    shown = [method for method in compared(recipe, options) if method.name != "input"]
    results = [result(method, damaged, clean) for method in shown]
    return [Column(f"input, {recipe.name}", damaged), *results, Column("original", clean)]


def compared(recipe: Recipe, options: argparse.Namespace) -> list[Method]:
    """Returns what is compared on a recipe: all there is, or what is asked for."""
    if options.methods:
        return select(recipe, options.backend, options.methods)
    return methods(recipe, options.backend)


def result(method: Method, damaged: vs.VideoNode, clean: vs.VideoNode) -> Column:
    """Returns what a method makes of a clip, at its best setting."""
    candidates = list(method.run(damaged))
    if len(candidates) == 1:
        # The few frames that are shown are computed then.
        return Column(method.name, candidates[0][1])
    setting, planes, clip = best(iter(candidates), pictures.read(clean).y)
    return Column(f"{method.name}, {setting}", pictures.as_clip(planes, clip))


def sheet(path: Path, recipe: Recipe, options: argparse.Namespace) -> Path:
    """Draws one sheet and returns its file."""
    shown = columns(path, recipe, options)
    original = shown[-1].clip
    frame = original.num_frames // 2 if options.frame is None else options.frame
    seen = pictures.read(original[frame])
    chosen = options.crops or interesting(seen.y[0], (seen.u[0], seen.v[0]))
    crops = [*chosen, *(crop for clip, crop in options.crop if clip == path.stem)]
    file: Path = options.out / f"{recipe.name}-{path.stem}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(shown, crops, frame, options.zoom).save(file, optimize=True)
    return file


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Draws contact sheets.")
    selection.add_arguments(parser)
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), required=True)
    parser.add_argument(
        "--crops", nargs="+", type=parse_crop, help="left,top,width,height[,label] of the original"
    )
    parser.add_argument(
        "--crop",
        nargs="+",
        type=parse_place,
        default=[],
        help="clip:left,top,label of what is shown of that clip as well, such as a face",
    )
    parser.add_argument("--frame", type=int, help="to look at, else the middle one")
    parser.add_argument("--zoom", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="folder for the sheets")
    return selection.parsed(parser, compared)


def main() -> None:
    """Draws all sheets."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    for path in clips(options):
        for name in options.recipes:
            log.info("%s", sheet(path, RECIPES[name], options))


if __name__ == "__main__":
    main()
