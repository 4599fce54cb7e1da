"""Compares Stabilize with what people use today, on the same clips and in the same run.

Beside the input: ffmpeg's vidstabdetect and vidstabtransform (defaults, and smoothing=30) and
MVTools' DepanEstimate and DepanStabilise (defaults). Needs ffmpeg with libvidstab, and
`pip install ".[test]"`; `plot` also matplotlib.

Examples:
    python scripts/stabilize_compare.py quality data/shaky/* --out docs/stabilize.md
    python scripts/stabilize_compare.py speed data/shaky/gopro_max_heromode.mp4
    python scripts/stabilize_compare.py plot data/shaky/meshflow_video1.m4v --out path.png
    python scripts/stabilize_compare.py video data/shaky/meshflow_video1.m4v --out beside.mp4
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

# The checkout's own code is measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vsvqe as vqe
from vsvqe.evaluation.sections import fill_section
from vsvqe.metrics import stability as measures
from vsvqe.motion.transform import similarities

type Lumas = NDArray[np.uint8]

core = vs.core

ROOT = Path(__file__).resolve().parents[1]

# Left out on each side when frames are compared: where borders are.
ITF_CROP = 0.15
# Dense flow takes long: of so many frames only.
FLOW_FRAMES = 60
# Where the picture went is looked up in every so many frames.
REGISTERED = 25


class Scores(NamedTuple):
    """What is measured of a stabilised clip."""

    jitter: float
    stability: float
    cropping: float
    distortion: float
    itf: float
    residual_flow: float


COLUMNS = {
    "jitter": ("jitter px", "{:.2f}"),
    "stability": ("stability", "{:.3f}"),
    "cropping": ("cropping", "{:.3f}"),
    "distortion": ("distortion", "{:.3f}"),
    "itf": ("ITF dB", "{:.2f}"),
    "residual_flow": ("residual flow px", "{:.2f}"),
}


def source(path: Path) -> vs.VideoNode:
    """Opens a file."""
    return core.bs.VideoSource(str(path), cachemode=0)


def lumas(clip: vs.VideoNode) -> Lumas:
    """Returns the luma of all frames of an 8-bit clip."""
    return np.stack([np.array(frame[0]) for frame in clip.frames(close=True)])


def vidstab(path: Path, options: str) -> Lumas:
    """Returns what ffmpeg's two passes make of a clip."""
    clip = source(path)
    with tempfile.TemporaryDirectory() as folder:
        detect, transform = vidstab_passes(path, options, Path(folder) / "transforms.trf")
        subprocess.run([*detect, "-f", "null", "-"], check=True, stdin=subprocess.DEVNULL)
        raw = subprocess.run(
            [
                *transform[:-1],
                f"{transform[-1]},extractplanes=y",
                *("-f", "rawvideo", "-pix_fmt", "gray", "-"),
            ],
            check=True,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, clip.height, clip.width)


def vidstab_passes(path: Path, options: str, transforms: Path) -> tuple[list[str], list[str]]:
    """Returns the command lines of the two passes, up to their filter."""
    read = ["ffmpeg", "-v", "fatal", "-i", str(path), "-an", "-fps_mode", "passthrough", "-vf"]
    return (
        [*read, f"vidstabdetect=result={transforms}"],
        [*read, f"vidstabtransform=input={transforms}{options}"],
    )


def mvtools(path: Path) -> Lumas:
    """Returns what MVTools makes of a clip, with its defaults."""
    clip = source(path)
    return lumas(clip.mv.DepanStabilise(data=clip.mv.DepanEstimate()))


METHODS: dict[str, Callable[[Path], Lumas]] = {
    "input": lambda path: lumas(source(path)),
    "vidstab": lambda path: vidstab(path, ""),
    "vidstab, smoothing=30": lambda path: vidstab(path, ":smoothing=30"),
    "MVTools": mvtools,
    "Stabilize": lambda path: lumas(vqe.Stabilize(source(path))),
}
PEERS = ["vidstab", "vidstab, smoothing=30", "MVTools"]


def scored(original: Lumas, result: Lumas) -> Scores:
    """Measures a stabilised clip."""
    moved = measures.motions(result)
    registered = measures.registrations(original, result, REGISTERED)
    height, width = result.shape[1:]
    return Scores(
        jitter=measures.jitter(moved, width / height),
        stability=measures.stability(moved).score,
        cropping=measures.cropping_ratio(registered),
        distortion=measures.distortion(registered),
        itf=measures.itf(result, ITF_CROP),
        residual_flow=measures.residual_flow(result[:FLOW_FRAMES]),
    )


def quality(paths: Sequence[Path], jobs: int) -> dict[str, dict[str, Scores]]:
    """Measures every method on every clip; by clip, then by method."""
    # Each in a process of its own, so that none inherits the core's threads.
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        scores = pool.map(clip_quality, paths)
        return {path.stem: one for path, one in zip(paths, scores, strict=True)}


def clip_quality(path: Path) -> dict[str, Scores]:
    """Measures every method on a clip."""
    original = METHODS["input"](path)
    results = {}
    for name, method in METHODS.items():
        results[name] = scored(original, method(path))
        print(path.stem, name, results[name], file=sys.stderr, flush=True)
    return results


def quality_text(results: dict[str, dict[str, Scores]]) -> str:
    """Returns tables of all measures, clip by clip, and against the better of the peers."""
    head = [title for title, _ in COLUMNS.values()]
    lines = []
    for clip, methods in results.items():
        lines += [f"**{clip}**", "", row(["", *head]), row(["---"] + ["--:"] * len(head))]
        for name, scores in methods.items():
            cells = [COLUMNS[key][1].format(value) for key, value in scores._asdict().items()]
            lines.append(row([name, *cells]))
        lines.append("")
    lines += [
        "Against the better of the three others on each clip:",
        "",
        row(["clip", "jitter", "1 - stability", "cropping: ours", "of the steadiest other"]),
        row(["---"] + ["--:"] * 4),
    ]
    ratios = []
    for clip, methods in results.items():
        ours = methods["Stabilize"]
        peers = [methods[name] for name in PEERS]
        jitter = ours.jitter / min(peer.jitter for peer in peers)
        wander = (1 - ours.stability) / (1 - max(peer.stability for peer in peers))
        ratios.append((jitter, wander))
        steadiest = min(peers, key=lambda peer: peer.jitter)
        cells = [f"{jitter:.2f}", f"{wander:.2f}", f"{ours.cropping:.3f}"]
        lines.append(row([clip, *cells, f"{steadiest.cropping:.3f}"]))
    means = [
        math.exp(statistics.fmean(map(math.log, column))) for column in zip(*ratios, strict=True)
    ]
    lines.append(row(["geometric mean", *(f"{mean:.2f}" for mean in means), "", ""]))
    return "\n".join(lines)


# BestSource reads a file through when it is opened for the first time, and keeps what it finds in
# its index. Its modes: 0 keeps nothing, 4 keeps it in the folder that is given.
SPEED_OPTIONS = {
    "Stabilize": ("", 4),
    "Stabilize, and the file is new": ("", 0),
    'Stabilize, border="mirror"': (", border='mirror'", 4),
}
# Its own default is bilinear, which Stabilize does not offer: pictures get softer by it.
VIDSTAB_OPTIONS = {
    "vidstab, two passes": "",
    "vidstab, two passes, bicubic": ":interpol=bicubic",
}
SCRIPT = """\
import vapoursynth as vs
import vsvqe as vqe
clip = vs.core.bs.VideoSource({path!r}, cachemode={mode}, cachepath={folder!r})
vqe.Stabilize(clip{options}).set_output()
"""


class Cost(NamedTuple):
    """What a contestant took, in seconds."""

    wall: float
    processor: float


def cost(commands: Sequence[Sequence[str]]) -> Cost:
    """Runs commands one after the other and returns what they took."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # An installed package has its bytecode.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        subprocess.run(
            command,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return Cost(wall, user + system)


def speed(path: Path, heights: Sequence[int], frames: int, turns: int) -> list[str]:
    """Measures whole processes that take turns; returns the rows of a table."""
    lines = [
        row(["height", "frames", "", "frames/s", "ratio", "processor, ms a frame", "ratio"]),
        row(["---"] + ["--:"] * 6),
    ]
    vspipe = Path(sys.executable).with_name("vspipe")
    with tempfile.TemporaryDirectory() as folder:
        for height in heights:
            clip = at_height(path, height, frames, Path(folder) / f"{height}.mp4")
            contestants = {}
            for name, options in VIDSTAB_OPTIONS.items():
                passes = vidstab_passes(clip, options, Path(folder) / "transforms.trf")
                contestants[name] = [[*one, "-f", "null", "-"] for one in passes]
            count = core.bs.VideoSource(str(clip), cachemode=4, cachepath=folder).num_frames
            for name, (options, mode) in SPEED_OPTIONS.items():
                script = Path(folder) / f"{height}-{len(contestants)}.vpy"
                values = {"path": str(clip), "folder": folder, "options": options, "mode": mode}
                script.write_text(SCRIPT.format(**values))
                contestants[name] = [[str(vspipe), str(script), "--"]]
            costs: dict[str, list[Cost]] = {name: [] for name in contestants}
            for _ in range(turns):
                for name, commands in contestants.items():
                    costs[name].append(cost(commands))
                    print(height, name, costs[name][-1], file=sys.stderr, flush=True)
            first = next(iter(costs.values()))
            for name, taken in costs.items():
                cells = [str(height), str(count), name]
                for kind, field in enumerate(Cost._fields):
                    median = statistics.median(one[kind] for one in taken)
                    shown = count / median if field == "wall" else 1000 * median / count
                    cells.append(f"{shown:.1f}")
                    ratios = [a[kind] / b[kind] for a, b in zip(first, taken, strict=True)]
                    cells.append(f"{statistics.median(ratios):.2f}")
                lines.append(row(cells))
    return lines


def at_height(path: Path, height: int, frames: int, result: Path) -> Path:
    """Writes the beginning of a clip at a height."""
    subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-i", str(path), "-an", "-frames:v", str(frames)),
            *("-vf", f"scale=-2:{height}:flags=bicubic,format=yuv420p"),
            *("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", str(result)),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return result


def paths_of(
    clip: vs.VideoNode, **arguments: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the camera's path before and after: frames x (x, y, rotation), pixels and degrees."""
    moved = [measures.motions(lumas(c)) for c in (clip, vqe.Stabilize(clip, **arguments))]
    before, after = (np.cumsum(similarities(m)[:, :3], axis=0) for m in moved)
    unit = np.array([clip.height, clip.height, 180 / math.pi])
    return before * unit, after * unit


def plot(path: Path, out: Path) -> None:
    """Draws the path: as it was, smoothed, and the difference that was applied."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    clip = source(path).resize.Point(format=vs.YUV420P8)
    before, after = paths_of(clip)
    figure, axes = pyplot.subplots(3, 1, figsize=(11, 9), sharex=True)
    for axis, name, raw, smooth in zip(
        axes, ("x, pixels", "y, pixels", "rotation, degrees"), before.T, after.T, strict=True
    ):
        axis.plot(raw, label="raw", linewidth=0.8)
        axis.plot(smooth, label="smoothed", linewidth=1.6)
        axis.plot(raw - smooth, label="applied", linewidth=0.8)
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    axes[0].legend(ncols=3)
    axes[0].set_title(path.name)
    axes[-1].set_xlabel("frame")
    figure.tight_layout()
    figure.savefig(out, dpi=100)


def video(path: Path, out: Path) -> None:
    """Writes the clip before and after, side by side."""
    clip = source(path)
    beside = core.std.StackHorizontal(
        [
            one.text.Text(name, 8)
            for one, name in ((clip, "input"), (vqe.Stabilize(clip), "Stabilize"))
        ]
    )
    # Sizes of encoders are even.
    beside = beside.std.Crop(right=beside.width % 4, bottom=beside.height % 2)
    with subprocess.Popen(
        [
            *("ffmpeg", "-v", "error", "-y", "-f", "yuv4mpegpipe", "-i", "-"),
            *("-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", str(out)),
        ],
        stdin=subprocess.PIPE,
    ) as encoder:
        assert encoder.stdin is not None
        beside.output(encoder.stdin, y4m=True)
        encoder.stdin.close()
    if encoder.returncode:
        raise SystemExit("ffmpeg failed")


def row(cells: Sequence[str]) -> str:
    """Returns a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def measured_by(options: argparse.Namespace) -> str:
    """Returns the command line that measures the same again, on anyone's machine."""
    words = ["python", "scripts/stabilize_compare.py", options.action]
    words += [f"data/shaky/{path.name}" for path in options.clips]
    if options.action == "speed":
        words += ["--heights", *map(str, options.heights), "--turns", str(options.turns)]
        words += ["--frames", str(options.frames)]
    return f"Measured by `{shlex.join(words)} --out docs/stabilize.md`."


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description="Compares Stabilize with other stabilisers.")
    parser.add_argument("action", choices=["quality", "speed", "plot", "video"])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="file to write, or whose section is filled")
    parser.add_argument("--heights", nargs="+", type=int, default=[480, 1080], help="of speed")
    parser.add_argument("--jobs", type=int, default=1, help="clips at a time, of quality")
    parser.add_argument("--frames", type=int, default=100_000, help="most of them, of speed")
    parser.add_argument("--turns", type=int, default=5, help="of speed")
    options = parser.parse_args()
    if options.action in ("plot", "video"):
        if options.out is None or len(options.clips) != 1:
            parser.error(f"{options.action} takes one clip, and --out")
        {"plot": plot, "video": video}[options.action](options.clips[0], options.out)
        return
    if options.action == "quality":
        text = quality_text(quality(options.clips, options.jobs))
    else:
        text = "\n".join(speed(options.clips[0], options.heights, options.frames, options.turns))
    text += "\n\n" + measured_by(options)
    if options.out is None:
        print(text)
    else:
        fill_section(options.out, options.action, text)


if __name__ == "__main__":
    main()
