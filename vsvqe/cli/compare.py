"""``vsvqe compare``: clips beside each other, as a page or as a video."""

import os
from collections.abc import Sequence
from pathlib import Path

import rich_click as click
import vapoursynth as vs

from ..comparison import clips
from ..comparison.clips import Named
from ..comparison.measured import measure
from ..comparison.page import page, spread
from ..comparison.video import wipe
from ..evaluation import traditional
from ..evaluation.encode import encode_clip
from ..graph.clips import padded_to_even
from ..metrics.ssim import SIDE
from ..transcode import timeline
from ..transcode.errors import FilterError, SourceError, StorageError
from ..transcode.script import reason
from ..transcode.storage import place, written
from . import console
from .filters import traditional_method


@click.command(no_args_is_help=True)
@click.argument("paths", nargs=-1, required=True, metavar="A [B...]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write. [compare.html, or compare.mp4 with --video]",
)
@click.option("--label", "labels", multiple=True, help="Names of A, B, ... one after another.")
@click.option(
    "--traditional",
    "methods",
    multiple=True,
    metavar="METHOD[:AMOUNT]",
    help="Show too what this makes of the last clip but one, or of the only one; may be repeated: "
    f"{', '.join(traditional.METHODS)}.",
)
@click.option("--preview", metavar="LENGTH[@START]", help="Only a part: 10s@1:23, 48f@100f.")
@click.option(
    "--frames", default=12, type=click.IntRange(1), help="Pictures in the page, of each clip. [12]"
)
@click.option(
    "--quality",
    default=100,
    type=click.IntRange(1, 100),
    help="Of the pictures: 100 is exact, 90 a fifth of the size. [100]",
)
@click.option("--video", is_flag=True, help="A video in which a line wipes from A to B and back.")
@click.option(
    "--sweep",
    default=4.0,
    type=click.FloatRange(0.1),
    help="Of --video: seconds from edge to edge.",
)
@click.option(
    "--pause", default=1.0, type=click.FloatRange(0.0), help="Of --video: seconds at an edge. [1]"
)
@click.option("--crf", default=16.0, type=click.FloatRange(0, 51), help="Of --video. [16]")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def compare(
    paths: tuple[str, ...],
    out: Path | None,
    labels: tuple[str, ...],
    methods: tuple[str, ...],
    preview: str | None,
    frames: int,
    quality: int,
    video: bool,
    sweep: float,
    pause: float,
    crf: float,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Show clips beside each other.

    One HTML file that needs nothing else: a slider, side by side, flicker, zoom to the pixels, a
    heat map of the difference, and PSNR and SSIM of every frame against A. Clips of another size
    are brought to that of the largest.

    \u0008
    vsvqe compare original.mkv compressed.mp4 restored.mkv
    vsvqe compare before.mp4 after.mkv --preview 10s@1:23 --video --out look.mp4
    vsvqe compare before.mp4 after.mkv --traditional unsharp --traditional gaussian:0.7
    """
    console.show_log(False)
    added = [traditional_method(text) for text in methods]
    if len(paths) + len(added) < 2:
        raise click.UsageError("name two clips at least")
    if video and len(paths) + len(added) > 2:
        raise click.UsageError("--video compares two clips")
    target = out or Path("compare.mp4" if video else "compare.html")
    if target.exists() and not overwrite:
        raise StorageError(f"{target} exists; --overwrite replaces it")
    found = clips.opened(paths, labels)
    before = found[-2] if len(found) > 1 else found[0]
    found += [clips.treated(before, method, amount) for method, amount in added]
    found, first = _part(paths, found, preview)
    found = clips.same_size(found)
    if video:
        _write_video(found, target, sweep, pause, crf)
    else:
        _write_page(found, target, frames, quality, first, quiet)
    console.say(f"wrote {target}", "green")


def _part(paths: Sequence[str], found: list[Named], preview: str | None) -> tuple[list[Named], int]:
    """Returns the part of the clips that is wanted, and the number of its first frame."""
    if preview is None:
        return found, 0
    clip = found[0].clip
    path = Path(paths[0])
    if path.is_file():
        times = timeline.of_file(path, clip)
    else:
        times = timeline.constant(clip.num_frames, clip.fps)
    try:
        begin, end = timeline.excerpt(preview).frames(times)
    except ValueError as error:
        raise SourceError(str(error)) from error
    return [Named(named.label, named.clip[begin:end]) for named in found], begin


def _write_page(
    found: list[Named], target: Path, frames: int, quality: int, first: int, quiet: bool
) -> None:
    length = found[0].clip.num_frames
    shown = spread(length, frames)
    small = min(found[0].clip.width, found[0].clip.height) < SIDE
    with console.progress_bar(quiet) as bar:
        bar.begin("measuring", length)
        names = ["psnr_y"] if small else ["psnr_y", "ssim_y"]
        figures = measure(found[0], found[1:], names, bar.advance)
        bar.begin("drawing", len(shown) * len(found))
        title = " | ".join(named.label for named in found)
        text = page(title, found, shown, figures, quality, first, bar.advance)
    unfinished = target.with_name(f".{os.getpid()}-{target.name}")
    with written(target):
        unfinished.write_text(text, encoding="utf-8")
        place(unfinished, target)


def _write_video(found: list[Named], target: Path, sweep: float, pause: float, crf: float) -> None:
    wiped = wipe(found[0], found[1], sweep, pause)
    wiped = wiped.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709)
    options = {"crf": f"{crf:g}", "preset": "medium"}
    try:
        with written(target):
            encode_clip(padded_to_even(wiped), target, "libx264", options)
    except vs.Error as error:
        raise FilterError(f"a frame can't be had: {reason(error)}") from error
