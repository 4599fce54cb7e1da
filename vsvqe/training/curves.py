"""Learning curves of one or several trainings, as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_COLUMNS = 4
_NOT_FIGURES = ("step", "seconds", "rate", "loss", "norm")


def draw(folders: Sequence[Path], path: Path) -> Path:
    """Draws the loss and every validation figure over the steps, a line for each training.

    Args:
        folders: The trainings' folders, with ``log.csv``.
        path: Picture to write, of any type that matplotlib knows.

    Returns:
        The path.

    Raises:
        FileNotFoundError: A folder has no log.
        ValueError: There is nothing to draw.

    Example:
        >>> draw([Path("out/deblock")], Path("curves.png"))  # doctest: +SKIP
    """
    logs = {folder.name: _read(folder / "log.csv") for folder in folders}
    names = list(dict.fromkeys(name for log in logs.values() for name in log))
    figures = ["loss", *(name for name in names if name not in _NOT_FIGURES)]
    if not any(logs.values()):
        raise ValueError("the logs are empty: nothing was validated yet")
    columns = min(len(figures), _COLUMNS)
    rows = -(-len(figures) // columns)
    page, axes = plt.subplots(rows, columns, figsize=(5 * columns, 4 * rows), squeeze=False)
    for axis in axes.flat[len(figures) :]:
        axis.remove()
    for axis, figure in zip(axes.flat, figures, strict=False):
        # A training has its colour everywhere, whatever figures the others have.
        for number, (name, log) in enumerate(logs.items()):
            if figure in log:
                # A line is not drawn from the end of a training to where a longer one went on.
                anew = np.flatnonzero(np.diff(log["step"]) < 0) + 1
                axis.plot(
                    np.insert(log["step"], anew, np.nan),
                    np.insert(log[figure], anew, np.nan),
                    label=name,
                    color=f"C{number}",
                )
        axis.set_title(figure)
        axis.set_xlabel("steps")
        axis.grid(alpha=0.3)
    axes[0][0].legend()
    page.tight_layout()
    page.savefig(path)
    plt.close(page)
    return path


def _read(path: Path) -> dict[str, list[float]]:
    """Returns the columns of a log."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
