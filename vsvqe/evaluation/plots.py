"""Scores as plots: quality against the rate of the input, and against speed."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from .measures import MEASURES
from .recipes import RECIPES
from .report import Table, mean, tables
from .scores import Score
from .speed import Speed

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_SHOWN = ("psnr_y", "lpips")


def write_plots(scores: Sequence[Score], speeds: Sequence[Speed], folder: Path) -> list[Path]:
    """Draws all plots that the scores allow.

    Args:
        scores: Of every recipe, clip and method.
        speeds: Of the methods, for the plots against speed; may be empty.
        folder: To write to.

    Returns:
        The PNG files: ``rate_quality_x<scale>.png`` for every scale with compressed recipes, and
        ``speed_quality.png``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    every_table = tables(scores)
    for scale in sorted({RECIPES[table.recipe].scale for table in every_table}):
        coded = [t for t in every_table if RECIPES[t.recipe].scale == scale and _rate(t)]
        if coded:
            path = folder / f"rate_quality_x{scale}.png"
            _save(_rate_quality(coded), path)
            written.append(path)
    timed = [t for t in every_table if any(s.recipe == t.recipe for s in speeds)]
    if timed:
        path = folder / "speed_quality.png"
        _save(_speed_quality(timed, speeds), path)
        written.append(path)
    return written


def _rate_quality(coded: Sequence[Table]) -> Figure:
    """Draws quality, and what is gained, against the rate; recipes of one encoder are joined."""
    methods = list(dict.fromkeys(method for table in coded for method in table.methods))
    encoders = list(dict.fromkeys(str(RECIPES[table.recipe].encoder) for table in coded))
    figure, axes = pyplot.subplots(1, 3, figsize=(15, 5), layout="constrained")
    for number, method in enumerate(methods):
        for encoder, marker in zip(encoders, _MARKERS, strict=False):
            own = [t for t in coded if RECIPES[t.recipe].encoder == encoder and method in t.methods]
            own.sort(key=_rate)
            rates = [_rate(table) for table in own]
            style = {"color": f"C{number}", "marker": marker, "markersize": 5, "linewidth": 1.2}
            quality = [mean(table.values(method, "psnr_y")) for table in own]
            gain = [mean(table.gains(method, "psnr_y", table.methods[0])) for table in own]
            distance = [mean(table.values(method, "lpips")) for table in own]
            for axis, values in zip(axes, (quality, gain, distance), strict=True):
                axis.plot(rates, values, **style)
    first = coded[0].methods[0]
    labels = (_label("psnr_y"), f"PSNR-Y over {first}, dB", _label("lpips"))
    for axis, label in zip(axes, labels, strict=True):
        _logarithmic(axis, "rate of the input, kbit/s (geometric mean)", label)
    by_colour = [Line2D([], [], color=f"C{n}", label=name) for n, name in enumerate(methods)]
    by_marker = [
        Line2D([], [], color="grey", marker=marker, linestyle="", label=encoder)
        for encoder, marker in zip(encoders, _MARKERS, strict=False)
    ]
    figure.legend(handles=[*by_colour, *by_marker], loc="outside lower center", ncols=4)
    return figure


def _speed_quality(timed: Sequence[Table], speeds: Sequence[Speed]) -> Figure:
    """Draws quality against speed, one row for every recipe."""
    rows = len(timed)
    figure, axes = pyplot.subplots(
        rows, len(_SHOWN), figsize=(13, 4 * rows), squeeze=False, layout="constrained"
    )
    for row, table in zip(axes, timed, strict=True):
        fps = {speed.method: speed.fps for speed in speeds if speed.recipe == table.recipe}
        # The first row of the tables does nothing or next to nothing: a line, not a point.
        first, *others = table.methods
        for axis, metric in zip(row, _SHOWN, strict=True):
            start = mean(table.values(first, metric))
            axis.axhline(start, color="grey", linestyle=":", label=first)
            for number, method in enumerate(others):
                value = mean(table.values(method, metric))
                axis.plot(fps[method], value, "o", color=f"C{number}", label=method)
            _logarithmic(axis, "frames per second", _label(metric))
            axis.set_title(table.recipe)
        row[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small")
    return figure


def _logarithmic(axis: Axes, across: str, up: str) -> None:
    axis.set(xscale="log", xlabel=across, ylabel=up)
    axis.grid(alpha=0.3, which="both")
    # The usual powers of ten say little where a plot spans less than one.
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    axis.tick_params(axis="x", which="both", rotation=45)


def _label(metric: str) -> str:
    better = "more" if MEASURES[metric].more_is_better else "less"
    return f"{MEASURES[metric].title} ({better} is better)"


def _rate(table: Table) -> float:
    """Returns the geometric mean of the clips' rates, 0 where they were not compressed."""
    rates = [table.score(table.methods[0], clip).kbps for clip in table.clips]
    known = [rate for rate in rates if rate is not None]
    return float(np.exp(np.mean(np.log(known)))) if known else 0.0


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
