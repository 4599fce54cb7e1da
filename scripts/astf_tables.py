"""Measures ASTF: both stages, the fusion, and what other masks give, as tables and a picture.

The tables fill the section of the page that has the name of the model.

The folder of clips is that of `scripts/evaluate.py`, and so is the work folder with the encoded
clips.

Example:
    python scripts/astf_tables.py --data data --out docs/astf.md
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import vapoursynth as vs

# The checkout's own code and models are measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vsvqe
from vsvqe.evaluation import fusions, recipes
from vsvqe.evaluation.crops import interesting
from vsvqe.evaluation.fusions import COLUMNS, Judge
from vsvqe.evaluation.recipes import RECIPES
from vsvqe.evaluation.sections import fill_section
from vsvqe.evaluation.sheet import Column, draw
from vsvqe.filters.astf import card_of
from vsvqe.metrics.lpips import Lpips

type Rows = dict[str, dict[str, dict[str, float]]]
"""By name of the version and clip, the figures."""

# The figures of the table of other masks.
MASK_FIGURES = ("psnr_y", "lpips", "flicker")

# A page that is not there yet.
EMPTY = "# ASTF\n\n<!-- {model}: begin -->\n<!-- {model}: end -->\n"

log = logging.getLogger("astf_tables")


def measure(options: argparse.Namespace) -> tuple[Rows, Rows, Rows]:
    """Returns the figures of the main rows, of the other masks, and of the normalisations."""
    tables: tuple[Rows, Rows, Rows] = {}, {}, {}
    lpips = Lpips(options.data / "weights" / "alexnet_features_torchvision_layout.pth")
    paths = clips(options)
    for number, path in enumerate(paths, 1):
        for table, rows in zip(tables, measure_clip(path, lpips, options), strict=True):
            for name, row in rows.items():
                table.setdefault(name, {})[path.stem] = row
        log.info("%d/%d: %s", number, len(paths), path.stem)
    return tables


def measure_clip(
    path: Path, lpips: Lpips, options: argparse.Namespace
) -> list[dict[str, dict[str, float]]]:
    """Returns the rows of all three tables for one clip, by name."""
    clean, damaged = opened(path, options)
    judge = Judge(clean, lpips, options.every)
    made = fusions.versions(damaged, options.model, options.backend)
    rows = fusions.main_rows(damaged, made, options.model, options.backend, options.sharpen)
    main = {name: judge.all_figures(version) for name, version in rows.items()}
    masks = {
        name: judge.figures(version, MASK_FIGURES) | {"share": fusions.share(mask)}
        for name, (version, mask) in fusions.ablations(made).items()
    }
    return [main, masks, fusions.scale_flicker(made)]


def clips(options: argparse.Namespace) -> list[Path]:
    """Returns the clean clips that are asked for."""
    found = sorted((options.data / "valid").glob("*.mp4"))
    return [clip for clip in found if not options.clips or clip.stem in options.clips]


def opened(path: Path, options: argparse.Namespace) -> tuple[vs.VideoNode, vs.VideoNode]:
    """Returns a clean clip and what the recipe leaves of it."""
    recipe = RECIPES[options.recipe]
    both = recipes.clean(path, recipe.scale), recipes.damaged(path, recipe, options.work)
    return tuple(clip[: options.frames] for clip in both)  # type: ignore[return-value]


def mean(rows: dict[str, dict[str, float]], figure: str) -> float:
    """Returns the mean of a figure over the clips that have it."""
    return float(np.nanmean([figures[figure] for figures in rows.values()]))


def main_table(rows: Rows) -> list[str]:
    """Returns the table of all figures, means over the clips."""
    lines = [f"| | {' | '.join(column.title for column in COLUMNS)} |"]
    lines.append("|---|" + "--:|" * len(COLUMNS))
    for name, by_clip in rows.items():
        cells = [f"{mean(by_clip, column.name):.{column.digits}f}" for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def clip_table(rows: Rows, figure: str, digits: int) -> list[str]:
    """Returns the table of one figure, clip by clip."""
    names = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for name, by_clip in rows.items():
        cells = [f"{by_clip[clip][figure]:.{digits}f}" for clip in names]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def mask_table(rows: Rows) -> list[str]:
    """Returns the table of other masks."""
    shown = [column for column in COLUMNS if column.name in MASK_FIGURES]
    lines = [f"| | {' | '.join(column.title for column in shown)} | mean of the mask |"]
    lines.append("|---|" + "--:|" * (len(shown) + 1))
    for name, by_clip in rows.items():
        # Their differences are smaller than those of the main table.
        cells = [f"{mean(by_clip, c.name):.{c.digits + (c.name == 'psnr_y')}f}" for c in shown]
        lines.append(f"| {name} | {' | '.join(cells)} | {mean(by_clip, 'share'):.2f} |")
    return lines


def scale_table(rows: Rows) -> list[str]:
    """Returns the table of normalisations."""
    lines = [
        "| scale of the mask | mean of the mask | change of the scale | by it alone | in all |"
    ]
    lines.append("|---|" + "--:|" * 4)
    for name, by_clip in rows.items():
        share, change, alone, mask = (
            mean(by_clip, figure) for figure in ("share", "change", "alone", "mask")
        )
        lines.append(f"| {name} | {share:.2f} | {change:.2f} % | {alone:.4f} | {mask:.4f} |")
    return lines


def figure(options: argparse.Namespace) -> None:
    """Draws the input, every version, the mask and the original side by side."""
    path = next(clip for clip in clips(options) if clip.stem == options.shown)
    clean, damaged = opened(path, options)

    def shown(title: str, **arguments: object) -> Column:
        arguments = {"backend": options.backend, **arguments}
        return Column(title, vsvqe.ASTF(damaged, options.model, **arguments))  # type: ignore[arg-type]

    mask = vsvqe.ASTF(damaged, options.model, show="mask", backend=options.backend)
    columns = [
        Column(f"input, {options.recipe}", damaged),
        *(shown(name, show=name) for name in ("stage1", "texture", "smooth")),
        shown("fused"),
        shown(f"sharpen={options.sharpen:g}", sharpen=options.sharpen),
        Column("mask", fusions.mask_picture(mask, damaged), judged=False),
        Column("original", clean),
    ]
    middle = clean.num_frames // 2
    with clean.get_frame(middle) as frame:
        crops = interesting(np.array(frame[0]))
    draw(columns, crops, middle, zoom=2, consecutive=1).save(options.figure, optimize=True)


def section(main: Rows, masks: Rows, scales: Rows, options: argparse.Namespace) -> str:
    """Returns the section of the Markdown page."""
    text = [
        "Measured by:",
        "",
        "```sh",
        command(options),
        "```",
        "",
        f"Recipe {options.recipe}: {RECIPES[options.recipe].about}; model `{options.model}`. Means "
        f"over {_frames(options)} of the clips of `valid/`, LPIPS and tOF of one in "
        f"{options.every}; PSNR-Y, SSIM, tOF, flicker and acutance of the luma, as in "
        "[evaluation.md](evaluation.md). LPIPS is that with AlexNet; training saw that with "
        "SqueezeNet. The kernel distance (times 1000) is a squared maximum mean discrepancy with "
        "the kernel of KID, but between AlexNet's features of 64x64 patches: not KID or FID, for "
        "which no weights were at hand. Acutance is the mean length of the gradient relative to "
        "the original's. Lower is better but for PSNR, SSIM and acutance.",
        "",
        "### Versions",
        "",
        *main_table(main),
        "",
        "PSNR-Y in dB by clip:",
        "",
        *clip_table(main, "psnr_y", 2),
        "",
        "LPIPS by clip:",
        "",
        *clip_table(main, "lpips", 4),
        "",
        "Flicker by clip, in 8-bit codes where the original is flat:",
        "",
        *clip_table(main, "flicker", 3),
    ]
    if options.figure:
        text += [
            "",
            f"![Crops of every version of {options.shown}]({options.figure.name})",
        ]
    text += [
        "",
        "### Other masks",
        "",
        "The same clips, fused by other masks; the first row is the default.",
        "",
        *mask_table(masks),
        "",
        "### Flicker of the normalisation",
        "",
        "By how much the scale that the variance is divided by changes from frame to frame; by how "
        "many 8-bit codes that alone changes the fused luma; and by how many the mask does in all, "
        "as what it lies on changes and moves. Means over all pixels.",
        "",
        *scale_table(scales),
    ]
    return "\n".join(text)


def _frames(options: argparse.Namespace) -> str:
    """Tells which frames were measured."""
    return "all frames" if options.frames is None else f"the first {options.frames} frames"


def update_card(main: Rows, options: argparse.Namespace) -> Path:
    """Writes what the fused clip gains over the input into the model's card."""
    card = card_of(options.model)
    before, after = main["input"], main["fused"]
    gains = {}
    for column in COLUMNS:
        name = column.name
        by_clip = {clip: after[clip][name] - before[clip][name] for clip in before}
        rounded = {clip: round(gain, column.digits + 1) for clip, gain in by_clip.items()}
        mean_gain = round(float(np.nanmean(list(by_clip.values()))), column.digits + 1)
        gains[name] = {"mean": mean_gain, "clips": rounded}
    path = card.path.with_suffix(".json")
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["gains"][options.recipe] = {
        "recipe": RECIPES[options.recipe].about,
        "command": command(options),
        "over input": gains,
    }
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    return path


def command(options: argparse.Namespace) -> str:
    """Returns the command line that measures the same again, on anyone's machine."""
    words = ["python", "scripts/astf_tables.py", "--data", "data", "--out", str(options.out)]
    if options.figure:
        words += ["--figure", str(options.figure), "--shown", options.shown]
    if options.clips:
        words += ["--clips", *options.clips]
    defaults = {"model": "fast", "recipe": "hevc37", "backend": "auto", "frames": None, "every": 4}
    for name, default in defaults.items():
        if getattr(options, name) != default:
            words += [f"--{name}", str(getattr(options, name))]
    return shlex.join(words)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Writes the tables and the figure of ASTF.")
    parser.add_argument("--data", type=Path, required=True, help="folder with valid/ and weights/")
    parser.add_argument("--recipe", choices=list(RECIPES), default="hevc37")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--clips", nargs="+", help="only these, by name without suffix")
    parser.add_argument("--frames", type=int, help="only the first of each clip")
    parser.add_argument("--sharpen", type=float, default=0.5)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--every", type=int, default=4, help="step of LPIPS and tOF")
    parser.add_argument("--work", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--out", type=Path, default=Path("docs/astf.md"))
    parser.add_argument("--figure", type=Path, help="picture to draw, beside the page")
    parser.add_argument("--update-card", action="store_true", help="write gains into the card")
    parser.add_argument("--shown", default="street", help="the clip of the picture")
    options = parser.parse_args(words)
    names = [clip.stem for clip in clips(options)]
    if not names:
        parser.error(f"no such clips in {options.data / 'valid'}")
    if options.figure and options.shown not in names:
        parser.error(f"--shown {options.shown}: there are {', '.join(names)}")
    return options


def main() -> None:
    """Measures and writes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    measured = measure(options)
    if options.figure:
        figure(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if not options.out.is_file():
        options.out.write_text(EMPTY.format(model=options.model), encoding="utf-8")
    fill_section(options.out, options.model, section(*measured, options))
    log.info("written: %s", options.out)
    if options.update_card:
        log.info("written: %s", update_card(measured[0], options))


if __name__ == "__main__":
    main()
