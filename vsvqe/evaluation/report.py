"""Scores as Markdown, CSV and model cards."""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from .measures import MEASURES
from .recipes import RECIPES
from .scores import Score
from .sections import write

# Two tables that fit a page instead of one that doesn't.
_FAITHFULNESS = ("psnr_y", "psnr_u", "psnr_v", "ssim_y", "ms_ssim_y")
_LOOK = ("lpips", "tof", "flicker", "blockiness")


@dataclass(frozen=True)
class Column:
    """A figure of a table."""

    name: str
    title: str
    digits: int


class Table:
    """The scores of one recipe, by method and clip."""

    def __init__(self, recipe: str, scores: Sequence[Score]) -> None:
        """Sorts the scores.

        Args:
            recipe: Its name.
            scores: All scores of all recipes.
        """
        own = [score for score in scores if score.recipe == recipe]
        self.recipe = recipe
        self.methods = list(dict.fromkeys(score.method for score in own))
        self.clips = sorted({score.clip for score in own})
        self._scores = {(score.method, score.clip): score for score in own}

    def score(self, method: str, clip: str) -> Score:
        """Returns one score."""
        return self._scores[method, clip]

    def values(self, method: str, metric: str) -> list[float]:
        """Returns a metric on every clip."""
        return [float(getattr(self.score(method, clip), metric)) for clip in self.clips]

    def gains(self, method: str, metric: str, over: str) -> list[float]:
        """Returns the difference of a metric to that of another method, on every clip."""
        pairs = zip(self.values(method, metric), self.values(over, metric), strict=True)
        return [a - b for a, b in pairs]

    def card(self, method: str) -> str | None:
        """Returns the shipped model that a method stands for."""
        return self.score(method, self.clips[0]).card


def tables(scores: Sequence[Score]) -> list[Table]:
    """Returns a table for every recipe, in the recipes' own order."""
    present = {score.recipe for score in scores}
    return [Table(name, scores) for name in RECIPES if name in present]


def markdown(scores: Sequence[Score], command: str, every: int, plots: Sequence[Path] = ()) -> str:
    """Returns the page with all figures.

    Args:
        scores: Of every recipe, clip and method.
        command: That measured them.
        every: LPIPS and MS-SSIM took every so many frames, tOF every so many pairs.
        plots: Pictures to show, as paths relative to the page.
    """
    engines = sorted({part for score in scores for part in score.engine.split("; ") if part})
    often = "every frame" if every == 1 else f"every {every}th frame or pair of frames"
    text = [
        "# Evaluation",
        "",
        "Generated; do not edit. To measure again:",
        "",
        f"```sh\n{command}\n```",
        "",
        "Each clip is compressed (or made smaller, or both), repaired, and compared with what it "
        "was before, in 8 bits: the luma, where no other plane is named; all figures are means "
        "over the clip, then over the clips. Higher is better for PSNR, SSIM (11x11 Gaussian) and "
        "MS-SSIM (five scales), lower for all others: LPIPS (AlexNet, BT.709 RGB), tOF (distance "
        "in pixels of the Farneback flow to that of the original), flicker (change from frame to "
        "frame beyond the original's, in 8-bit codes, where the original is flat) and blockiness "
        "(the blocking effect factor of PSNR-B, on the grid of 8x8 coded pixels). LPIPS, MS-SSIM "
        "and tOF take "
        f"{often}, the others all. In brackets the difference to the first row. A clip that comes "
        "through unchanged has no PSNR and is left out of its mean. No model was trained on these "
        "clips.",
        "",
        "Blockiness needs no original: blurring lowers it too, and the originals have some, which "
        "the row `input` of the recipe `uncompressed` shows.",
        "",
        "Filters of others with settings were run at several, and for each clip the setting with "
        "the highest PSNR counts, chosen with the original at hand.",
        "",
        f"Models ran on: {' and '.join(engines)}.",
    ]
    for plot in plots:
        text += ["", f"![{plot.stem.replace('_', ' ')}]({plot.as_posix()})"]
    for table in tables(scores):
        text += ["", f"## {table.recipe}", "", f"Recipe: {RECIPES[table.recipe].about}."]
        for metrics in (_FAITHFULNESS, _LOOK):
            text += ["", *_means(table, metrics)]
        text += ["", *_every_clip(table)]
    return "\n".join(text) + "\n"


def summary(scores: Sequence[Score], command: str) -> str:
    """Returns the short table of the README: gains of all planes and in LPIPS, and the worst clip.

    Args:
        scores: Of every recipe, clip and method.
        command: That measured them.
    """
    rows = [
        "| recipe | model | PSNR-Y dB | gain | worst clip | best other | U, V | LPIPS |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for table in tables(scores):
        first = table.methods[0]
        ours = [method for method in table.methods if table.card(method)]
        others = [m for m in table.methods[1:] if not _is_ours(table, m)]
        best = max((mean(table.gains(m, "psnr_y", first)) for m in others), default=None)
        if RECIPES[table.recipe].encoder is None and RECIPES[table.recipe].scale == 1:
            continue
        for method in ours:
            gains = table.gains(method, "psnr_y", first)
            u, v, lpips = (
                mean(table.gains(method, metric, first)) for metric in ("psnr_u", "psnr_v", "lpips")
            )
            cells = [
                RECIPES[table.recipe].about,
                f"`{table.card(method)}`",
                f"{mean(table.values(method, 'psnr_y')):.2f}",
                f"{mean(gains):+.2f}",
                f"{min(gains):+.2f}",
                "" if best is None else f"{best:+.2f}",
                f"{u:+.2f}, {v:+.2f}",
                f"{lpips:+.4f}",
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [
            *rows,
            "",
            "Mean over the clips; gains over the compressed clip (Deblock) or its bicubic "
            "enlargement (SuperRes), in luma and, *U, V*, in chroma; LPIPS: less is better. *Best "
            "other*: the best of ffmpeg's `deblock` and `spp` and `core.deblock`, each at its best "
            f"setting, or Lanczos. Measured by `{command}`.",
        ]
    )


def write_csv(scores: Sequence[Score], path: Path) -> None:
    """Writes all scores, one line each."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Score)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def read_csv(path: Path) -> list[Score]:
    """Reads scores that ``write_csv`` has written."""
    words = {"recipe", "clip", "method", "setting", "engine"}
    scores = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            cells: dict[str, Any] = {
                name: cell if name in words else float(cell)
                for name, cell in row.items()
                if name not in ("card", "kbps")
            }
            rate = float(row["kbps"]) if row["kbps"] else None
            scores.append(Score(card=row["card"] or None, kbps=rate, **cells))
    return scores


def added(
    old: Sequence[Score], new: Sequence[Score], order: Mapping[str, Sequence[str]]
) -> list[Score]:
    """Puts new scores in the place of old ones.

    Args:
        old: From ``read_csv``.
        new: Of whole recipes or of some of their methods.
        order: For each recipe the methods that its table has, in this order.

    Returns:
        Of every method in ``order`` the new scores, or else the old ones.
    """
    latest = {(score.recipe, score.method, score.clip): score for score in (*old, *new)}
    places = {
        (recipe, method): (row, number)
        for row, (recipe, methods) in enumerate(order.items())
        for number, method in enumerate(methods)
    }
    kept = [score for (recipe, method, _), score in latest.items() if (recipe, method) in places]
    return sorted(kept, key=lambda score: (score.clip, places[score.recipe, score.method]))


def mixed(scores: Iterable[Score]) -> list[tuple[str, str]]:
    """Returns the recipes and clips whose scores are of different encodes, by their rates.

    An encoder may decide otherwise on another processor, or in another version: then new scores
    can't stand beside old ones, nor gains be counted from them.
    """
    rates: dict[tuple[str, str], set[float | None]] = {}
    for score in scores:
        rates.setdefault((score.recipe, score.clip), set()).add(score.kbps)
    return sorted(pair for pair, found in rates.items() if len(found) > 1)


def update_cards(scores: Sequence[Score], command: str, folder: Path) -> list[Path]:
    """Writes the measured gains into the model cards, recipe by recipe.

    Args:
        scores: Of every recipe, clip and method.
        command: That measured them.
        folder: With the cards.

    Returns:
        The cards that were written.
    """
    gains: dict[str, dict[str, Any]] = {}
    for table in tables(scores):
        for method in table.methods:
            card = table.card(method)
            if card is not None:
                gains.setdefault(card, {})[table.recipe] = _card_entry(table, method, command)
    for name, measured in gains.items():
        path = folder / f"{name}.json"
        card_fields = json.loads(path.read_text(encoding="utf-8"))
        card_fields["gains"] = card_fields.get("gains", {}) | measured
        write(path, json.dumps(card_fields, indent=2) + "\n")
    return [folder / f"{name}.json" for name in gains]


def _card_entry(table: Table, method: str, command: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"recipe": RECIPES[table.recipe].about, "command": command}
    if RECIPES[table.recipe].encoder is None and RECIPES[table.recipe].scale == 1:
        entry["psnr_y"] = _rounded(table, table.values(method, "psnr_y"), "psnr_y")
        return entry
    for base in [m for m in table.methods if m in ("input", "bicubic", "Lanczos")]:
        entry[f"over {base}"] = {
            metric: _rounded(table, table.gains(method, metric, base), metric)
            for metric in MEASURES
        }
    return entry


def _rounded(table: Table, values: Sequence[float], metric: str) -> dict[str, Any]:
    digits = MEASURES[metric].digits + 1
    clips: Mapping[str, float] = dict(zip(table.clips, values, strict=True))
    return {
        "mean": _finite(mean(values), digits),
        "clips": {clip: _finite(value, digits) for clip, value in clips.items()},
    }


def _finite(value: float, digits: int) -> float | None:
    """Rounds; JSON has no infinity, which the PSNR of an unchanged clip is."""
    return round(value, digits) if math.isfinite(value) else None


def _means(table: Table, metrics: Sequence[str]) -> list[str]:
    titles = [MEASURES[metric].title for metric in metrics]
    rows = [f"| mean | {' | '.join(titles)} |", f"|---|{'--:|' * len(metrics)}"]
    best = {metric: _best(table, metric) for metric in metrics}
    for method in table.methods:
        cells = [_mean_cell(table, method, metric, best[metric]) for metric in metrics]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    return rows


def _mean_cell(table: Table, method: str, metric: str, best: float) -> str:
    digits = MEASURES[metric].digits
    average = mean(table.values(method, metric))
    shown = number(average, digits)
    if average == best:
        shown = f"**{shown}**"
    first = table.methods[0]
    if method == first or not math.isfinite(mean(table.values(first, metric))):
        return shown
    return f"{shown} ({mean(table.gains(method, metric, first)):+.{digits}f})"


def _best(table: Table, metric: str) -> float:
    means = [mean(table.values(method, metric)) for method in table.methods]
    return max(means) if MEASURES[metric].more_is_better else min(means)


def _every_clip(table: Table) -> list[str]:
    rows = [f"| PSNR-Y dB | {' | '.join(table.clips)} |", f"|---|{'--:|' * len(table.clips)}"]
    first = table.methods[0]
    for method in table.methods:
        cells = []
        for clip in table.clips:
            score, start = table.score(method, clip), table.score(first, clip)
            cell = number(score.psnr_y, MEASURES["psnr_y"].digits)
            if method != first and not math.isinf(start.psnr_y):
                cell += f" ({score.psnr_y - start.psnr_y:+.2f})"
            cells.append(cell)
        rows.append(f"| {method} | {' | '.join(cells)} |")
    rates = [table.score(first, clip).kbps for clip in table.clips]
    if None not in rates:
        rows.append(f"| *kbit/s* | {' | '.join(f'*{rate:.0f}*' for rate in rates)} |")
    return rows


def number(value: float, digits: int) -> str:
    """Returns a figure of a table; a dash for what is none, a word for what equals the original."""
    if math.isnan(value):
        return "-"
    return "equal" if math.isinf(value) else f"{value:.{digits}f}"


def _is_ours(table: Table, method: str) -> bool:
    return bool(table.score(method, table.clips[0]).engine)


def mean(values: Sequence[float]) -> float:
    """Returns the mean of the finite values: a clip that is unchanged has no PSNR."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite if finite else values))
