"""``vsvqe run`` and ``vsvqe script``."""

import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import rich_click as click

from ..transcode import encoder, images, mux, timeline
from ..transcode.companions import Keep
from ..transcode.errors import TranscodeError
from ..transcode.job import Job
from . import console, filters
from .exits import EXPECTED, Exit, code_of, terminable

_RUN_OPTIONS = (
    click.option(
        "--codec",
        default="libx264",
        panel="Encoder",
        help="FFmpeg's name of the encoder. [libx264]",
    ),
    click.option(
        "--crf",
        type=float,
        panel="Encoder",
        help="Quality; less is better. [18, of AV1 and VP9 25]",
    ),
    click.option("--preset", panel="Encoder", help="The encoder's: slower makes smaller files."),
    click.option(
        "-o",
        "--encoder-option",
        "encoder_options",
        multiple=True,
        metavar="NAME=VALUE",
        panel="Encoder",
        help="Any other option of the encoder, as FFmpeg takes it; may be repeated.",
    ),
    click.option(
        "--pixel-format",
        metavar="FORMAT",
        panel="Encoder",
        help="Such as yuv420p10le. [nearest to the source]",
    ),
    click.option(
        "--preview",
        metavar="LENGTH[@START]",
        help="Only a part: 10s@1:23, 48f@100f. [from the beginning]",
    ),
    click.option("--fps", help="Constant frame rate, such as 24000/1001; of images. [25]"),
    click.option("--no-audio", is_flag=True, panel="Carried over", help="Leave the sound out."),
    click.option("--no-subtitles", is_flag=True, panel="Carried over", help="Leave subtitles out."),
    click.option(
        "--no-metadata",
        is_flag=True,
        panel="Carried over",
        help="Leave titles, chapters, covers and fonts out.",
    ),
    click.option(
        "--accept-damaged", is_flag=True, help="Take what can be read of a damaged source."
    ),
    click.option("--overwrite", is_flag=True, help="Replace results that exist."),
    click.option("--restart", is_flag=True, help="Forget what an interrupted run has finished."),
)


def _with(options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(no_args_is_help=True)
@click.argument("sources", nargs=-1, required=True, metavar="IN...")
@click.argument("result", metavar="OUT")
@filters.options
@_with(_RUN_OPTIONS)
@click.option("--dry-run", is_flag=True, help="Only print the script that stands for this command.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@click.option("-v", "--verbose", is_flag=True, help="Say which backend runs, and more.")
@click.pass_context
def run(
    context: click.RichContext, /, sources: tuple[str, ...], result: str, **values: Any
) -> None:
    """Filter video files and encode them again.

    IN is a video file, or numbered images such as `frames/%05d.png`; OUT the same, or a folder for
    the results of several files. Filters run in the order in which they are written. Sound,
    subtitles, chapters, metadata, colours, aspect ratio and the times of frames stay.

    Killed at any moment, the same command goes on where it was.

    \u0008
    vsvqe run in.mp4 out.mkv --deblock --superres 2 --codec libx265 --crf 18
    vsvqe run in.mp4 look.mkv --deblock --strength auto --preview 10s@1:23
    vsvqe run *.mp4 better/ --stabilize
    vsvqe run in.mp4 frames/%05d.png --superres
    """
    console.show_log(values["verbose"])
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints its settings otherwise
    jobs = [_job(context, source, _target(source, result, sources), values) for source in sources]
    if values["dry_run"]:
        for job in jobs:
            click.echo(job.script(), nl=False)
        return
    worst = Exit.DONE
    with terminable(), console.progress_bar(values["quiet"]) as bar:
        for job in jobs:
            try:
                job.run(bar)
            except KeyboardInterrupt as error:
                kept = f"What is finished of {job.result} is kept; the same command goes on."
                console.say(f"\nStopped. {kept}")
                raise SystemExit(code_of(error)) from error
            except EXPECTED as error:
                console.complain(str(error))
                worst = worst or code_of(error)
            else:
                console.say(f"{job.source} -> {job.result}", "green")
    if worst:
        raise SystemExit(worst)


@click.command(no_args_is_help=True)
@click.argument("source", metavar="IN")
@click.argument("script", metavar="SCRIPT.VPY", type=click.Path(path_type=Path))
@filters.options
@click.option("--preview", metavar="LENGTH[@START]", help="Only a part: 10s@1:23, 48f@100f.")
@click.option("--fps", help="Constant frame rate, such as 24000/1001; of images. [25]")
@click.option("--overwrite", is_flag=True, help="Replace a script that exists.")
@click.pass_context
def script(context: click.RichContext, /, source: str, script: Path, **values: Any) -> None:
    """Write the script for VapourSynth that `vsvqe run` would run.

    Edit it, look at it in a previewer, and give it to vspipe.

    \u0008
    vsvqe script in.mp4 restore.vpy --deblock --superres 2
    vspipe -c y4m restore.vpy - | ffmpeg -i - out.mkv
    """
    if script.exists() and not values["overwrite"]:
        raise click.UsageError(f"{script} exists; --overwrite replaces it")
    job = Job(
        source=source,
        result=str(script),
        filters=filters.chosen(context, values, source),
        excerpt=_excerpt(values["preview"]),
        fps=_fps(values["fps"]),
    )
    try:
        script.write_text(job.script(), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{script} can't be written: {error.strerror}") from error
    console.say(f"wrote {script}")


def _job(context: click.RichContext, /, source: str, result: str, values: Mapping[str, Any]) -> Job:
    try:
        encoding = encoder.encoding(
            values["codec"],
            values["crf"],
            values["preset"],
            _encoder_options(values["encoder_options"]),
        )
    except TranscodeError as error:
        raise click.UsageError(str(error)) from error
    return Job(
        source=source,
        result=result,
        filters=filters.chosen(context, values, source),
        encoding=encoding,
        pixel_format=values["pixel_format"],
        excerpt=_excerpt(values["preview"]),
        fps=_fps(values["fps"]),
        keep=Keep(
            audio=not values["no_audio"],
            subtitles=not values["no_subtitles"],
            metadata=not values["no_metadata"],
        ),
        accept_damaged=values["accept_damaged"],
        overwrite=values["overwrite"],
        restart=values["restart"],
    )


def _target(source: str, result: str, sources: Sequence[str]) -> str:
    """Returns the result of one source: the one that is named, or one in the folder."""
    if images.is_pattern(result):
        if len(sources) > 1:
            raise click.UsageError("several files go to a folder, not to numbered images")
        return result
    folder = Path(result)
    if not (result.endswith(("/", "\\")) or folder.is_dir()):
        if len(sources) > 1:
            raise click.UsageError(
                f"{len(sources)} files can't become one; name a folder: {result}/"
            )
        return result
    stems = [Path(one).stem for one in sources]
    if len(set(stems)) < len(stems):
        raise click.UsageError("two of the files have the same name, and so would their results")
    suffix = Path(source).suffix.lower()
    return str(folder / (Path(source).stem + (suffix if suffix in mux.CONTAINERS else ".mkv")))


def _encoder_options(words: Sequence[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise click.UsageError(f"--encoder-option {word}: write NAME=VALUE")
    return dict(word.split("=", 1) for word in words)


def _excerpt(text: str | None) -> timeline.Excerpt | None:
    try:
        return None if text is None else timeline.excerpt(text)
    except ValueError as error:
        raise click.UsageError(f"--preview: {error}") from error


def _fps(text: str | None) -> Fraction | None:
    try:
        rate = None if text is None else Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise click.UsageError(f"--fps {text}: write a number, or 24000/1001") from error
    if rate is not None and not 0 < rate <= 1000:
        raise click.UsageError(f"--fps {text}: it must be more than 0, up to 1000")
    return rate
