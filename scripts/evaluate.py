"""Measures the shipped models on clips that they were not trained on, beside other filters.

The folder of clips has `valid/*.mp4` (clean, 8-bit 4:2:0, BT.709) and
`weights/alexnet_features_torchvision_layout.pth` (torchvision's AlexNet features, for LPIPS).
What was encoded and measured once is kept in the work folder.

Example:
    python scripts/evaluate.py --data data --recipes hevc37 x2avc --out docs/evaluation.md
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from pathlib import Path

# The checkout's own code and models are measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation import report
from vsvqe.evaluation.methods import methods
from vsvqe.evaluation.recipes import RECIPES
from vsvqe.evaluation.scores import Score, Scorer
from vsvqe.inference import session
from vsvqe.metrics.lpips import Lpips

MODELS = Path(__file__).resolve().parents[1] / "models"
DEFAULT = [name for name in RECIPES if not name.startswith("x4")]

log = logging.getLogger("evaluate")


class Engines(logging.Handler):
    """Takes from the log which engine each model runs on."""

    def __init__(self) -> None:
        """Starts with none."""
        super().__init__(logging.INFO)
        self.seen: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Remembers the engine that a session was opened on."""
        model, _, engine = record.getMessage().partition(" runs on ")
        if engine:
            self.seen[model] = engine


def evaluate(options: argparse.Namespace) -> list[Score]:
    """Scores every method on every clip and recipe."""
    engines = Engines()
    session.logger.addHandler(engines)
    session.logger.setLevel(logging.INFO)
    session.logger.propagate = False
    weights = options.data / "weights" / "alexnet_features_torchvision_layout.pth"
    scorer = Scorer(options.work, Lpips(weights), options.every, engines.seen)
    clips = sorted((options.data / "valid").glob("*.mp4"))
    if options.clips:
        clips = [clip for clip in clips if clip.stem in options.clips]
    wanted = [(clip, RECIPES[name]) for clip in clips for name in options.recipes]
    # Neighbours of one size share what was computed of the original.
    wanted.sort(key=lambda pair: (pair[0], pair[1].scale))
    scores = []
    for number, (clip, recipe) in enumerate(wanted, 1):
        for method in methods(recipe, options.backend):
            scores.append(scorer.score(clip, recipe, method))
        log.info("%d/%d: %s, %s", number, len(wanted), clip.stem, recipe.name)
    return scores


def command(options: argparse.Namespace) -> str:
    """Returns the command line that measures the same again, on anyone's machine."""
    words = ["python", "scripts/evaluate.py", "--data", "data", "--recipes", *options.recipes]
    if options.clips:
        words += ["--clips", *options.clips]
    if options.backend != "auto":
        words += ["--backend", options.backend]
    if options.every != 4:
        words += ["--every", str(options.every)]
    return shlex.join([*words, "--out", str(options.out)])


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Measures the shipped models.")
    parser.add_argument("--data", type=Path, required=True, help="folder with valid/ and weights/")
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=DEFAULT)
    parser.add_argument("--clips", nargs="+", help="only these, by name without suffix")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--every", type=int, default=4, help="frames between those LPIPS sees")
    parser.add_argument("--work", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--out", type=Path, default=Path("docs/evaluation.md"))
    parser.add_argument("--readme", type=Path, help="file whose figures section is filled")
    parser.add_argument("--update-cards", action="store_true", help="write gains into the cards")
    return parser.parse_args()


def main() -> None:
    """Measures and writes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    scores = evaluate(options)
    measured_by = command(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report.markdown(scores, measured_by, options.every), encoding="utf-8")
    report.write_csv(scores, options.out.with_suffix(".csv"))
    written = [options.out, options.out.with_suffix(".csv")]
    if options.readme:
        report.fill_section(options.readme, "figures", report.summary(scores, measured_by))
        written.append(options.readme)
    if options.update_cards:
        written += report.update_cards(scores, measured_by, MODELS)
    log.info("written: %s", ", ".join(map(str, written)))


if __name__ == "__main__":
    main()
