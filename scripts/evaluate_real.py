"""Measures enlargements of real clips, of which there is no original, and draws them side by side.

The folder of data has `lowq/` (clips as they were found, 8-bit 4:2:0) and
`weights/niqe_pris_params.npz` (the model of pristine photographs of NIQE's authors, as BasicSR has
it). What was measured once is kept in the work folder.

Example:
    python scripts/evaluate_real.py --data data --out docs/evaluation-real.md --methods
        Lanczos "Real-ESRGAN: SuperRes(4, 'data/weights/realesr.pth')" superres-x4-real-v3
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from pathlib import Path

# The checkout's own code and models are measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation import pictures, recipes, selection, unreferenced
from vsvqe.evaluation.crops import interesting
from vsvqe.evaluation.selection import compared
from vsvqe.evaluation.sheet import Column, draw
from vsvqe.evaluation.unreferenced import FOUND, SCALE, Unreferenced, UnreferencedScorer
from vsvqe.metrics.niqe import Niqe

log = logging.getLogger("evaluate_real")


def clips(options: argparse.Namespace) -> list[Path]:
    """Returns the clips that are asked for."""
    found = sorted(path for path in (options.data / "lowq").iterdir() if path.is_file())
    return [clip for clip in found if not options.clips or clip.stem in options.clips]


def evaluate(options: argparse.Namespace) -> list[Unreferenced]:
    """Scores every method on every clip."""
    niqe = Niqe.load(options.data / "weights" / "niqe_pris_params.npz")
    scorer = UnreferencedScorer(options.work, niqe, options.frames, options.every)
    scores = []
    for number, path in enumerate(clips(options), 1):
        scores += [scorer.score(path, method) for method in compared(FOUND, options)]
        log.info("%d/%d: %s", number, len(clips(options)), path.stem)
    return scores


def sheet(path: Path, options: argparse.Namespace) -> Path:
    """Draws what the methods make of the middle of the frames that were measured."""
    clip = recipes.source(path)[: options.frames]
    shown = [Column("input", clip, judged=False)]
    for method in compared(FOUND, options):
        ((_, result),) = method.run(clip)
        shown.append(Column(method.name, result, judged=False))
    middle = clip.num_frames // 2
    seen = clip[middle].resize.Bicubic(SCALE * clip.width, SCALE * clip.height)
    crops = interesting(pictures.read(seen).y[0], width=176, height=132)
    file: Path = options.sheets / f"{path.stem}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(shown, crops, middle, zoom=2, consecutive=1).save(file, optimize=True)
    return file


def command(options: argparse.Namespace) -> str:
    """Returns the command line that measures the same again, on anyone's machine."""
    words = ["python", "scripts/evaluate_real.py", "--data", "data"]
    words += selection.words(options)
    words += ["--frames", str(options.frames), "--every", str(options.every)]
    return shlex.join([*words, "--out", str(options.out)])


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Measures enlargements of real clips.")
    selection.add_arguments(parser, "lowq")
    parser.add_argument("--frames", type=int, default=8, help="of each clip, the first ones")
    parser.add_argument("--every", type=int, default=4, help="step of NIQE and warping error")
    parser.add_argument("--sheets", type=Path, help="folder for pictures to look at")
    parser.add_argument("--out", type=Path, default=Path("docs/evaluation-real.md"))
    options = parser.parse_args()
    if not (options.data / "lowq").is_dir() or not clips(options):
        parser.error(f"no such clips in {options.data / 'lowq'}")
    try:
        compared(FOUND, options)
    except ValueError as error:
        parser.error(str(error))
    return options


def main() -> None:
    """Measures, writes the page, and draws what there is to look at."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    scores = evaluate(options)
    page = unreferenced.markdown(scores, command(options), options.frames, options.every)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page, encoding="utf-8")
    log.info("written: %s", options.out)
    for path in clips(options) if options.sheets else []:
        log.info("drawn: %s", sheet(path, options))


if __name__ == "__main__":
    main()
