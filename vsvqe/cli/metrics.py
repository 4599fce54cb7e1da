"""``vsvqe metrics``: how near clips are to a reference."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import rich_click as click
from rich.table import Table

from ..comparison import clips
from ..comparison.measured import METRICS, Measured, measure
from ..transcode.storage import written
from . import console


@click.command(no_args_is_help=True)
@click.argument("reference", metavar="REF")
@click.argument("results", nargs=-1, required=True, metavar="DIST...")
@click.option(
    "-m",
    "--metric",
    "names",
    multiple=True,
    type=click.Choice(list(METRICS)),
    help="May be repeated. [psnr_y, ssim_y]",
)
@click.option("--label", "labels", multiple=True, help="Names of REF and DIST, one after another.")
@click.option("--resize", is_flag=True, help="Bring clips of another size to that of REF.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Every frame, as a table.")
@click.option(
    "--json", "as_json", is_flag=True, help="Everything on standard output, for programs."
)
@click.option("--plot", type=click.Path(path_type=Path), help="Every frame, as a picture.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def metrics(
    reference: str,
    results: tuple[str, ...],
    names: tuple[str, ...],
    labels: tuple[str, ...],
    resize: bool,
    csv_path: Path | None,
    as_json: bool,
    plot: Path | None,
    quiet: bool,
) -> None:
    """Measure DIST against REF: PSNR, SSIM, MS-SSIM.

    Both are video files or numbered images. For a clip the mean over its frames is shown, and the
    worst frame.

    \u0008
    vsvqe metrics original.mkv compressed.mp4 restored.mkv --plot quality.png
    vsvqe metrics original.mkv restored.mkv -m psnr_y -m ms_ssim_y --csv frames.csv
    """
    console.show_log(False)
    truth, *others = clips.opened([reference, *results], labels)
    if resize:
        others = [clips.at_size(n, truth.clip.width, truth.clip.height) for n in others]
    with console.progress_bar(quiet) as bar:
        bar.begin("measuring", truth.clip.num_frames)
        found = measure(truth, others, names or ("psnr_y", "ssim_y"), bar.advance)
    if csv_path is not None:
        with written(csv_path):
            csv_path.write_text(_csv(found), encoding="utf-8")
    if plot is not None:
        with written(plot):
            _plot(found, truth.label, plot)
    if as_json:
        click.echo(json.dumps(_tree(found), indent=2))
    else:
        console.out.print(_table(found))


def _table(found: list[Measured]) -> Table:
    table = Table("clip", box=None)
    used = [METRICS[name] for name in found[0].values]
    for metric in used:
        table.add_column(metric.title, justify="right")
        table.add_column("worst frame", justify="right")
    for one in found:
        cells = []
        for metric in used:
            values = one.values[metric.name]
            worst = int(values.argmin())
            digits = f".{metric.digits}f"
            cells += [f"{values.mean():{digits}}", f"{values[worst]:{digits}} (#{worst})"]
        table.add_row(one.label, *cells)
    return table


def _csv(found: list[Measured]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(found[0].values)
    writer.writerow(["clip", "frame", *names])
    for one in found:
        for frame, row in enumerate(zip(*one.values.values(), strict=True)):
            writer.writerow([one.label, frame, *(f"{value:.6g}" for value in row)])
    return text.getvalue()


def _tree(found: list[Measured]) -> list[dict[str, object]]:
    """Returns the figures for JSON, which knows no infinity: equal frames have ``null``."""

    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return [
        {
            "clip": one.label,
            "metrics": {
                name: {
                    "mean": number(values.mean()),
                    "min": number(values.min()),
                    "worst_frame": int(values.argmin()),
                    "frames": [number(value) for value in values],
                }
                for name, values in one.values.items()
            },
        }
        for one in found
    ]


def _plot(found: list[Measured], reference: str, path: Path) -> None:
    try:
        import matplotlib
    except ImportError as error:
        raise click.UsageError('--plot needs matplotlib: pip install "vsvqe[evaluate]"') from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    used = [METRICS[name] for name in found[0].values]
    figure, axes = pyplot.subplots(
        len(used), 1, figsize=(10, 3 * len(used)), squeeze=False, layout="constrained"
    )
    for axis, metric in zip(axes[:, 0], used, strict=True):
        for one in found:
            values = one.values[metric.name]
            shown = np.where(np.isfinite(values), values, np.nan)
            axis.plot(shown, label=f"{one.label}: {values.mean():.{metric.digits}f}")
        axis.set(xlabel="frame", ylabel=metric.title, title=f"against {reference}")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
