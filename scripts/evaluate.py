"""Measures models and chains of filters on clips that were not trained on, beside other filters.

Everything runs through the real filters. Without ``--methods`` the shipped models are measured,
at what the tables are about.

The folder of clips has `valid/*.mp4` (clean, 8-bit 4:2:0, BT.709) and
`weights/alexnet_features_torchvision_layout.pth` (torchvision's AlexNet features, for LPIPS).
What was encoded and measured once is kept in the work folder. Speed is not: it is measured anew
for ``--plots``, on the first of the clips.

Examples:
    python scripts/evaluate.py --data data --recipes hevc37 x2avc --out docs/evaluation.md
    python scripts/evaluate.py --data data --recipes hevc32 hevc37 hevc42 --plots docs/plots
    python scripts/evaluate.py --data data --recipes hevc37 --add
        --methods "deblock-fast-v9, strength=1"
    python scripts/evaluate.py --data data --recipes x2avc --out build/mine.md --methods
        Lanczos "Deblock('auto') + SuperRes(model='mine.onnx')" "SuperRes(detail=0.5)"
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

# The checkout's own code and models are measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation import report, sections, selection
from vsvqe.evaluation.coverage import gaps
from vsvqe.evaluation.methods import methods
from vsvqe.evaluation.recipes import RECIPES
from vsvqe.evaluation.scores import Score, Scorer
from vsvqe.evaluation.selection import clips, compared
from vsvqe.evaluation.speed import Speed, measure
from vsvqe.metrics.lpips import Lpips

MODELS = Path(__file__).resolve().parents[1] / "models"
DEFAULT = [name for name in RECIPES if not name.startswith("x4")]

log = logging.getLogger("evaluate")


def evaluate(options: argparse.Namespace) -> list[Score]:
    """Scores every method on every clip and recipe."""
    weights = options.data / "weights" / "alexnet_features_torchvision_layout.pth"
    scorer = Scorer(options.work, Lpips(weights), options.every)
    wanted = [(clip, RECIPES[name]) for clip in clips(options) for name in options.recipes]
    # Neighbours of one size share what was computed of the original.
    wanted.sort(key=lambda pair: (pair[0], pair[1].scale))
    scores = []
    for number, (clip, recipe) in enumerate(wanted, 1):
        for method in compared(recipe, options):
            scores.append(scorer.score(clip, recipe, method))
        log.info("%d/%d: %s, %s", number, len(wanted), clip.stem, recipe.name)
    return scores


def speeds(options: argparse.Namespace, scores: Sequence[Score]) -> list[Speed]:
    """Measures the speed of every method, on the recipe of each scale that has the most."""
    clip = clips(options)[0]
    chosen = [RECIPES[name] for name in options.recipes]
    damaging = [recipe for recipe in chosen if recipe.encoder or recipe.scale > 1]
    found = []
    for scale in sorted({recipe.scale for recipe in damaging}):
        own = {r.name: compared(r, options) for r in damaging if r.scale == scale}
        name = max(own, key=lambda name: len(own[name]))
        found += measure(clip, RECIPES[name], own[name], scores, options.work)
        log.info("speed on %s, %s", clip.stem, name)
    return found


def with_older(scores: Sequence[Score], options: argparse.Namespace) -> list[Score]:
    """Returns the scores and those of the page that were not measured now."""
    older = report.read_csv(options.out.with_suffix(".csv"))
    measured = {score.recipe for score in (*older, *scores)}
    order = {}
    for name in [name for name in RECIPES if name in measured]:
        usual = [method.name for method in methods(RECIPES[name], options.backend)]
        now = [score.method for score in scores if score.recipe == name]
        order[name] = list(dict.fromkeys([*usual, *now]))
    return report.added(older, scores, order)


def command(options: argparse.Namespace, recipes: Sequence[str]) -> str:
    """Returns the command line that measures the same again, on anyone's machine."""
    words = ["python", "scripts/evaluate.py", "--data", "data", "--recipes", *recipes]
    # A page that grew by parts has all there is.
    words += [] if options.add else selection.words(options)
    if options.every != 4:
        words += ["--every", str(options.every)]
    if options.plots:
        words += ["--plots", str(options.plots)]
    return shlex.join([*words, "--out", str(options.out)])


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Measures models and chains of filters.")
    selection.add_arguments(parser)
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=DEFAULT)
    parser.add_argument("--every", type=int, default=4, help="step of LPIPS, MS-SSIM and tOF")
    parser.add_argument("--plots", type=Path, help="folder for plots, of speed too")
    parser.add_argument("--out", type=Path, default=Path("docs/evaluation.md"))
    parser.add_argument(
        "--add",
        action="store_true",
        help="leave what --out has of other recipes and methods as it is",
    )
    parser.add_argument("--readme", type=Path, help="file whose figures section is filled")
    parser.add_argument("--update-cards", action="store_true", help="write gains into the cards")
    return selection.parsed(parser, compared)


def main() -> None:
    """Measures and writes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    scores = evaluate(options)
    if options.add:
        scores = with_older(scores, options)
        for recipe, clip in report.mixed(scores):
            log.warning("%s, %s: not all methods saw the same encode; measure all", recipe, clip)
    measured_by = command(options, list(dict.fromkeys(score.recipe for score in scores)))
    drawn: list[Path] = []
    if options.plots:
        # Only who wants plots needs matplotlib.
        from vsvqe.evaluation.plots import write_plots

        drawn = write_plots(scores, speeds(options, scores), options.plots)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    shown = [Path(os.path.relpath(plot, options.out.parent)) for plot in drawn]
    page = report.markdown(scores, measured_by, options.every, shown)
    options.out.write_text(page, encoding="utf-8")
    report.write_csv(scores, options.out.with_suffix(".csv"))
    written = [options.out, options.out.with_suffix(".csv"), *drawn]
    if options.readme:
        sections.fill_section(options.readme, "figures", report.summary(scores, measured_by))
        written.append(options.readme)
    if options.update_cards:
        written += report.update_cards(scores, measured_by, MODELS)
        for name, lacking in gaps(MODELS).items():
            log.warning("%s has no figures on %s yet", name, ", ".join(lacking))
    log.info("written: %s", ", ".join(map(str, written)))


if __name__ == "__main__":
    main()
