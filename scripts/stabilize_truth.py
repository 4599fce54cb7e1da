"""Measures estimated motion and smoothed paths on shots whose camera is known.

The folder of clips has `stills` (photographs) and `valid/dog.mp4` (filmed from a tripod): a
synthetic camera films them by hand. See `vsvqe/evaluation/shake.py` for what it does.

Example:
    python scripts/stabilize_truth.py --data data --out docs/stabilize-truth.md
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

# The checkout's own code is measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av
import cv2
import numpy as np

from vsvqe.evaluation.shake import CameraPath, Shake, Shot, film
from vsvqe.evaluation.truth import bends, corrections, estimated, motion_errors, path_score
from vsvqe.motion.estimate import MODELS, Motion, MotionSettings
from vsvqe.motion.flow import FLOWS
from vsvqe.motion.mesh import Mesh
from vsvqe.motion.path import METHODS, PathSettings, radius
from vsvqe.motion.transform import compose, similarities

WIDTH, HEIGHT = 640, 360
ASPECT = WIDTH / HEIGHT

PLAIN = Shake(frames=21)
CASES = {
    "clean": PLAIN,
    "perspective": replace(PLAIN, perspective=0.004),
    "rolling shutter": replace(PLAIN, rolling_shutter=0.6),
    "something in front": replace(PLAIN, passer=0.35),
    "noise 10": replace(PLAIN, noise=10),
    "x264 crf 33": replace(PLAIN, crf=33),
    "all of these": replace(
        PLAIN, perspective=0.004, rolling_shutter=0.6, passer=0.3, noise=6, crf=33
    ),
}
LONG = {name: replace(CASES[name], frames=90) for name in ("clean", "all of these")}
RATIOS = (0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)

log = logging.getLogger("stabilize_truth")


def stills(folder: Path, count: int) -> list[np.ndarray]:
    """Returns the first photographs that are large enough to be filmed, as luma."""
    found = []
    for path in sorted(folder.glob("*.webp")):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is not None and picture.shape[0] >= 600 and picture.shape[1] >= 1000:
            found.append(picture.astype(np.uint8))
        if len(found) == count:
            return found
    raise SystemExit(f"{folder} has fewer than {count} photographs of 1000x600 or more")


def clip(path: Path) -> np.ndarray:
    """Returns the luma of all frames."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def motion_table(scenes: list[np.ndarray], tripod: np.ndarray) -> list[str]:
    """Measures the estimated motion."""
    settings = [MotionSettings(flow=flow) for flow in FLOWS]
    settings += [MotionSettings(model=model) for model in MODELS if model != "homography"]
    names = [f"{s.flow}, {s.model}" for s in settings]
    rows = [f"| filmed | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    times: list[list[float]] = [[] for _ in settings]
    for name, shake in CASES.items():
        shots = [film(scene, WIDTH, HEIGHT, shake, seed) for seed, scene in enumerate(scenes)]
        rows.append(motion_row(name, shots, settings, times))
    # The clip is no larger than the frames of the others, so these are smaller.
    shots = [film(tripod, WIDTH * 3 // 4, HEIGHT * 3 // 4, replace(PLAIN, pan=(0.1, 0.02)), 1)]
    rows.append(motion_row("a clip, clean", shots, settings, times))
    cells = [f"{1000 * float(np.median(each)):.1f}" for each in times]
    return [*rows, f"| *CPU time a pair, ms* | {' | '.join(cells)} |"]


def motion_row(
    name: str, shots: list[Shot], settings: list[MotionSettings], times: list[list[float]]
) -> str:
    """Measures one row, and adds the time that each estimate took."""
    cells = []
    for each, taken in zip(settings, times, strict=True):
        errors = []
        for shot in shots:
            start = time.process_time()
            motions = estimated(shot, each)
            taken.append((time.process_time() - start) / len(motions))
            errors.append(motion_errors(shot, motions))
        values = np.concatenate(errors)
        cells.append(f"{values.mean():.3f} ({np.percentile(values, 95):.2f})")
    log.info("%s: %s", name, cells)
    return f"| {name} | {' | '.join(cells)} |"


def path_table(scenes: list[np.ndarray], smoothing: int) -> list[str]:
    """Measures smoothed paths, on true and on estimated motion."""
    rows = [
        "| filmed | motion | path | jitter, px | distance, px | lag, frames |",
        "|---|---|---|--:|--:|--:|",
    ]
    for name, shake in LONG.items():
        shots = [film(scene, WIDTH, HEIGHT, shake, seed) for seed, scene in enumerate(scenes[:2])]
        still = [[np.eye(3)] * shake.frames] * len(shots)
        rows.append(path_row(name, "", "as filmed", shots, still))
        sources = {"true": [[Motion(matrix, 1.0) for matrix in shot.motions] for shot in shots]}
        for flow in FLOWS:
            sources[flow] = [estimated(shot, MotionSettings(flow=flow)) for shot in shots]
        for source, motions in sources.items():
            for method in METHODS:
                settings = PathSettings(method=method, smoothing=smoothing)
                corrected = [corrections(each, settings) for each in motions]
                rows.append(path_row(name, source, method, shots, corrected))
    return rows


def path_row(
    name: str, source: str, method: str, shots: list[Shot], corrected: list[list[np.ndarray]]
) -> str:
    """Formats the means over the shots."""
    scores = [
        path_score(shot.path, each, ASPECT) for shot, each in zip(shots, corrected, strict=True)
    ]
    jitter, distance, lag = np.mean(scores, axis=0)
    log.info("%s, %s, %s: %.3f %.2f %.2f", name, source, method, jitter, distance, lag)
    return f"| {name} | {source} | {method} | {jitter:.3f} | {distance:.2f} | {lag:+.2f} |"


def window_table(smoothing: int) -> list[str]:
    """Measures what the ends of the windows do: the same path with windows of other lengths."""
    path = CameraPath(Shake(frames=300), 0)
    poses = np.stack([path.pose(n) for n in range(300)])
    motions = [Motion(matrix, 1.0) for matrix in np.linalg.inv(poses[1:]) @ poses[:-1]]
    rows = [
        "| path | frames on each side / smoothing | jitter, px | largest error, px "
        "| its largest step, px |",
        "|---|--:|--:|--:|--:|",
    ]
    for method in METHODS[:2]:
        settings = PathSettings(method=method, smoothing=smoothing)
        whole = corrections(motions, settings, 6 * smoothing)
        for ratio in RATIOS:
            short = corrections(motions, settings, round(ratio * smoothing))
            score = path_score(path, short, ASPECT)
            errors = [s - w for s, w in zip(short, whole, strict=True)]
            largest, step = (
                float(np.abs(values)[:, :2, 2].max()) * HEIGHT
                for values in (np.stack(errors), np.diff(errors, axis=0))
            )
            rows.append(f"| {method} | {ratio} | {score.jitter:.4f} | {largest:.3f} | {step:.3f} |")
    return rows


def shutter_table(scenes: list[np.ndarray], smoothing: int) -> list[str]:
    """Compares ways to deal with a rolling shutter."""
    rows = ["| correction | jitter, px | distance, px |", "|---|--:|--:|"]
    shake = replace(LONG["clean"], rolling_shutter=0.6)
    shots = [film(scene, WIDTH, HEIGHT, shake, seed) for seed, scene in enumerate(scenes[:2])]
    settings = PathSettings(smoothing=smoothing)
    ways: dict[str, list[list[np.ndarray]]] = {"none": [[np.eye(3)] * shake.frames] * len(shots)}
    bent: dict[str, list[list[Mesh | None]]] = {}
    for model in MODELS[1:]:
        motions = [estimated(shot, MotionSettings(model=model)) for shot in shots]
        ways[f"lk, {model}"] = [corrections(each, settings) for each in motions]
        bent[f"lk, {model}"] = [bends(each, settings) for each in motions]
        if model == "similarity":
            ways["lk, similarity, rows moved by the known shutter and the estimated speed"] = [
                [
                    rectified(motions[i], n, shake.rolling_shutter) @ matrix
                    for n, matrix in enumerate(ways[f"lk, {model}"][i])
                ]
                for i in range(len(shots))
            ]
    for name, corrected in ways.items():
        meshes = bent.get(name, [None] * len(shots))
        scores = [
            path_score(shot.path, each, ASPECT, mesh)
            for shot, each, mesh in zip(shots, corrected, meshes, strict=True)
        ]
        jitter, distance, _ = np.mean(scores, axis=0)
        log.info("shutter, %s: %.3f %.2f", name, jitter, distance)
        rows.append(f"| {name} | {jitter:.3f} | {distance:.2f} |")
    return rows


def rectified(motions: list[Motion], frame: int, readout: float) -> np.ndarray:
    """Returns what maps a frame without a rolling shutter to the one that has it.

    Args:
        motions: All motions of the scene.
        frame: Its number.
        readout: Time from the first row to the last, in frames.
    """
    around = motions[max(0, frame - 1) : frame + 1]
    dx, dy, rotation, log_scale = similarities(np.stack([m.matrix for m in around])).mean(axis=0)
    speed = compose(dx, dy, rotation, log_scale) - np.eye(3)
    # To first order: a row is late by its height, and what is on it has moved on by then.
    sheared = np.eye(3)
    sheared[:2, 1] += readout * speed[:2, 2]
    return sheared


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Measures motion and paths on synthetic shots.")
    parser.add_argument("--data", type=Path, required=True, help="folder with stills/ and valid/")
    parser.add_argument("--stills", type=int, default=2, help="photographs to film")
    parser.add_argument("--smoothing", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("docs/stabilize-truth.md"))
    return parser.parse_args()


def page(options: argparse.Namespace) -> list[str]:
    """Measures everything."""
    scenes = stills(options.data / "stills", options.stills)
    tripod = clip(options.data / "valid" / "dog.mp4")
    smoothing = options.smoothing
    taken = {
        method: radius(PathSettings(method=method, smoothing=smoothing)) / smoothing
        for method in METHODS
    }
    return [
        "# Stabilisation: motion and path on shots whose camera is known",
        "",
        "Generated; do not edit. To measure again:",
        "",
        "```sh",
        f"python scripts/stabilize_truth.py --data data --stills {options.stills} "
        f"--smoothing {smoothing} --out {options.out}",
        "```",
        "",
        f"{options.stills} photographs and a clip from a tripod are filmed at {WIDTH}x{HEIGHT} by "
        "a synthetic hand: a pan and a zoom that set in and end, and a jitter of rotation, scale "
        "and translation with most of its power at 0.6 to 2 Hz and a tremor at 9 Hz. All figures "
        "are in pixels at 360 lines.",
        "",
        "## Motion",
        "",
        "Mean distance, over the frame, between where the estimated motion puts a point of the "
        "scene and where it is; in brackets the 95th percentile over the pairs. With a rolling "
        "shutter, too: the truth is that of each row. CPU time is that of one thread, on a machine "
        "that did other work as well.",
        "",
        *motion_table(scenes, tripod),
        "",
        "## Path",
        "",
        f"`smoothing={smoothing}`. What the steadied frames show of the scene: *jitter* is the "
        "root mean square of the change of motion from frame to frame, *distance* that of the "
        "distance from the intended path, *lag* the delay behind the intended pan. A shake that "
        "is slower than the smoothing stays.",
        "",
        *path_table(scenes, smoothing),
        "",
        "## Length of the window",
        "",
        "The correction of each frame is computed from its own window. Against windows of six "
        "times the smoothing on each side: the largest difference of a correction, and the "
        "largest step of that difference from one frame to the next, which could be seen as "
        f"jitter. The filter takes {taken['kalman']:g} for `kalman` and {taken['gaussian']:g} for "
        "`gaussian`; the paths of `l1` mix overlapping windows.",
        "",
        *window_table(smoothing),
        "",
        "## Rolling shutter",
        "",
        "Rows are read out over 0.6 of the time between frames. To first order it shears and "
        "stretches the picture in proportion to its speed, which affine motions and homographies "
        'measure and the path smooths. `model="rolling"` has what a turning camera adds, too, '
        "and needs not know the shutter: it takes the wobble, and leaves the lean of what a steady "
        "pan passes. Moving the rows by the speed of a similarity, even with the readout time "
        "known, does less.",
        "",
        *shutter_table(scenes, smoothing),
    ]


def main() -> None:
    """Measures and writes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    cv2.setNumThreads(1)
    options.out.write_text("\n".join(page(options)) + "\n", encoding="utf-8")
    log.info("written: %s", options.out)


if __name__ == "__main__":
    main()
