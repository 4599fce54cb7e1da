"""``vsvqe bench``: what is fastest on this machine."""

import json
import os
import re
from pathlib import Path

import rich_click as click
import vapoursynth as vs
from rich.table import Table

from ..evaluation import tuning
from ..evaluation.pattern import moving
from ..evaluation.tuning import Timed
from ..inference.session import has_nvidia_driver
from ..transcode.errors import SourceError
from ..transcode.script import reason
from ..transcode.storage import place, written
from . import console
from .filters import ENTRIES

_LENGTH = 1_000_000
_NOISY = 1.1
_TRIED = {entry.option: entry for entry in ENTRIES if entry.option in ("deblock", "superres")}


@click.command(no_args_is_help=True)
@click.argument("what", metavar="SIZE|FILE")
@click.option("--filter", "name", type=click.Choice(list(_TRIED)), default="deblock")
@click.option("--model", help="balanced, fast, or the path of an .onnx file. [the filter's]")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(("cpu", "openvino", "cuda", "tensorrt")),
    help="May be repeated. [all that may run here, but TensorRT, which builds for minutes]",
)
@click.option("--seconds", default=2.0, type=click.FloatRange(0.01), help="Of each turn. [2]")
@click.option(
    "--turns",
    default=tuning.TURNS,
    type=click.IntRange(3),
    help=f"Of each candidate; more find smaller differences. [{tuning.TURNS}]",
)
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the figures too.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def bench(
    what: str,
    name: str,
    model: str | None,
    backends: tuple[str, ...],
    seconds: float,
    turns: int,
    path: Path | None,
    quiet: bool,
) -> None:
    """Find the backend, length and tile that are fastest here.

    SIZE is a clip's, such as 1920x1080; of a FILE the first frames are taken. Candidates take
    turns, and the recommendation is printed for scripts and for `vsvqe run`; nothing is
    remembered. What could be chance is not recommended.

    \u0008
    vsvqe bench 1280x720
    vsvqe bench in.mp4 --filter superres --model fast
    """
    console.show_log(False)
    clip = _clip(what)
    entry = _TRIED[name]
    named = {}
    if model is not None:
        task = next((s.type for s in entry.settings if s.parameter == "model"), entry.value)
        try:
            named["model"] = task(model)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    tried = tuning.candidates(clip, backends or _plausible())

    def call(source: vs.VideoNode, **settings: object) -> vs.VideoNode:
        result: vs.VideoNode = entry.filter(source, **named, **settings)
        return result

    with console.progress_bar(quiet) as bar:
        bar.begin("measuring", tuning.steps(tried, turns))
        found = tuning.timed(call, clip, tried, seconds, turns, bar.advance)
    best = tuning.recommended(found)
    console.out.print(_table(found))
    margin = tuning.worth(found)
    hint = " A quieter machine, or more --turns, would tell more." if margin > _NOISY else ""
    console.out.print(f"\nLess than {margin - 1:.0%} is no difference here.{hint}")
    arguments = ", ".join(
        filter(None, [*(f"{key}={value!r}" for key, value in named.items()), best.candidate.words])
    )
    console.out.print(f"vqe.{entry.filter.__name__}(clip{', ' if arguments else ''}{arguments})")
    console.out.print(f'vsvqe run IN OUT --filter "{entry.filter.__name__}({arguments})"')
    if path is not None:
        _write(path, clip, found, best, margin)


def _plausible() -> tuple[str, ...]:
    return ("cpu", "openvino", "cuda") if has_nvidia_driver() else ("cpu", "openvino")


def _clip(what: str) -> vs.VideoNode:
    """Returns an endless clip: a moving pattern, or the beginning of a file over and over."""
    size = re.fullmatch(r"(\d+)x(\d+)", what)
    if size is None:
        if not Path(what).is_file():
            raise SourceError(f"{what} is neither a size, such as 1920x1080, nor a file")
        try:
            source = vs.core.bs.VideoSource(what)[:48]
            return source.std.Loop(_LENGTH // source.num_frames)
        except vs.Error as error:
            raise SourceError(f"{what} can't be opened as video: {reason(error)}") from error
    width, height = int(size[1]), int(size[2])
    if width % 2 or height % 2 or min(width, height) < 16 or max(width, height) > 16384:
        raise click.UsageError(f"{what}: both sides must be even, 16 to 16384")
    pattern = moving(width, height)
    return pattern.std.Loop(_LENGTH // pattern.num_frames)


def _table(found: list[Timed]) -> Table:
    table = Table(box=None)
    table.add_column("settings", no_wrap=True)
    table.add_column("frames/s", justify="right")
    table.add_column("least to most", justify="right")
    table.add_column("")
    for one in found:
        fps = "-" if one.fps is None else f"{one.fps:.2f}"
        span = f"{min(one.turns):.2f} to {max(one.turns):.2f}" if one.turns else ""
        words = one.candidate.words or "the filter's own choice"
        table.add_row(words, fps, span, one.reason.partition(";")[0])
    return table


def _write(path: Path, clip: vs.VideoNode, found: list[Timed], best: Timed, margin: float) -> None:
    tree = {
        "size": [clip.width, clip.height],
        "recommended": dict(best.candidate.settings),
        "margin": margin,
        "measured": [
            {
                "settings": dict(one.candidate.settings),
                "fps": one.fps,
                "turns": list(one.turns),
                "reason": one.reason,
            }
            for one in found
        ],
    }
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")
    with written(path):
        unfinished.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
        place(unfinished, path)
