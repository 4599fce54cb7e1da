"""Compares ways to look at several frames, for Deblock: same time for a frame, same training.

Every design gets as many channels as fit into the time that the aligned one needs for a frame of
960x540, flow and resampling included, on one thread of PyTorch; and as many steps as fit into
`--minutes` of processor time, on the same data. Gains are those of the training's own check.

Trainings are resumed, and finished ones are not repeated.

Example:
    python scripts/compare_designs.py --cache cache --out out/compared --page docs/training.md
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation.sections import fill_section
from vsvqe.motion.alignment import flow, samplings
from vsvqe.nets.planes import FRAME_CHANNELS, PlanesNet, WindowNet
from vsvqe.nets.temporal import RecurrentNet, TwoStageNet
from vsvqe.nets.window import SINGLE, Window
from vsvqe.training.pairs import Pairs
from vsvqe.training.store import Store
from vsvqe.training.tasks import Restoration
from vsvqe.training.trainer import Settings, Trainer

HEIGHT, WIDTH = 540, 960
CHANNELS = range(16, 65, 8)
TURNS = 5
PILOT = 12
AHEAD = Window((0, 1, 2, 4), aligned=True, kernel="bilinear")
AROUND = Window((-2, -1, 0, 1, 2), aligned=False)
# The aligned design that the others must not be slower than.
REFERENCE_CHANNELS, REFERENCE_BLOCKS = 32, 3

log = logging.getLogger("compare_designs")


@dataclass(frozen=True)
class Contender:
    """A design that is compared.

    Attributes:
        words: What it is.
        net: Makes it, of a number of channels.
        frame: Given the network, returns what a stream computes for every frame.
    """

    words: str
    net: Callable[[int], WindowNet]
    frame: Callable[[WindowNet], Callable[[], object]]


def planes_frame(net: WindowNet) -> Callable[[], object]:
    """Returns the work for a frame of a network that takes a whole window for it."""
    count = len(net.window.offsets)
    y, uv = torch.rand(1, count, HEIGHT, WIDTH), torch.rand(1, count, 2, HEIGHT // 2, WIDTH // 2)
    if not net.window.aligned:
        return lambda: net.windows(y, uv)
    rng = np.random.default_rng(0)
    coarse = rng.integers(16, 236, (HEIGHT // 8, WIDTH // 8), np.uint8)
    first = np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    second = np.roll(first, 3, axis=1)
    planes = y.numpy()[0], uv.numpy()[0]

    def whole() -> object:
        field = flow(first, second)
        steps = [field] * max(net.window.offsets)
        placed = samplings(steps, [], net.window.offsets, kernel=net.window.kernel)
        for k, sampling in enumerate(placed):
            if sampling is not None:
                sampling.luma(planes[0][k])
                sampling.chroma(planes[1][k])
        return net.windows(y, uv)

    return whole


def two_stage_frame(net: WindowNet) -> Callable[[], object]:
    """Returns the work for a frame: one triplet is new, the others are there."""
    assert isinstance(net, TwoStageNet)
    size = (HEIGHT // 2, WIDTH // 2)
    frames = torch.rand(1, 3, FRAME_CHANNELS, *size)

    def stages() -> object:
        features = net.triplet(frames)
        return net.tail(net.fused(torch.cat([features] * 3, dim=1)))

    return stages


def recurrent_frame(net: WindowNet) -> Callable[[], object]:
    """Returns the work for a frame: one step."""
    assert isinstance(net, RecurrentNet)
    size = (HEIGHT // 2, WIDTH // 2)
    frame, state = torch.rand(1, FRAME_CHANNELS, *size), torch.rand(1, net.channels, *size)
    return lambda: net.tail(net.step(frame, state))


CONTENDERS = {
    "aligned": Contender(
        "four frames, aligned by optical flow",
        lambda channels: PlanesNet(AHEAD, channels=channels, blocks=REFERENCE_BLOCKS),
        planes_frame,
    ),
    "alone": Contender(
        "one frame",
        lambda channels: PlanesNet(SINGLE, channels=channels, blocks=REFERENCE_BLOCKS),
        planes_frame,
    ),
    "early": Contender(
        "five frames, early fusion",
        lambda channels: PlanesNet(AROUND, channels=channels, blocks=REFERENCE_BLOCKS),
        planes_frame,
    ),
    "stages": Contender(
        "five frames, two stages",
        lambda channels: TwoStageNet(channels, REFERENCE_BLOCKS - 1),
        two_stage_frame,
    ),
    "recurrent": Contender(
        "recurrent, from the last frame to the first",
        lambda channels: RecurrentNet(channels, REFERENCE_BLOCKS, 5),
        recurrent_frame,
    ),
}


def milliseconds(jobs: list[Callable[[], object]]) -> list[float]:
    """Times jobs that take turns; medians."""
    taken: list[list[float]] = [[] for _ in jobs]
    with torch.no_grad():
        for turn in range(TURNS + 1):
            for job, times in zip(jobs, taken, strict=True):
                began = time.perf_counter()
                job()
                if turn:
                    times.append(1e3 * (time.perf_counter() - began))
    return [statistics.median(times) for times in taken]


def chosen(options: argparse.Namespace) -> dict[str, tuple[int, float]]:
    """Returns the channels of every design, and its milliseconds; kept for the next time."""
    kept: Path = options.out / "channels.json"
    if kept.exists():
        found: dict[str, tuple[int, float]] = json.loads(kept.read_text())
        return found
    reference = CONTENDERS["aligned"]
    limit = milliseconds([reference.frame(reference.net(REFERENCE_CHANNELS))])[0]
    result = {"aligned": (REFERENCE_CHANNELS, limit)}
    for name, contender in CONTENDERS.items():
        if name in result:
            continue
        times = milliseconds([contender.frame(contender.net(count)) for count in CHANNELS])
        best = min(range(len(times)), key=lambda k: abs(times[k] - limit))
        result[name] = (CHANNELS[best], times[best])
    kept.write_text(json.dumps(result))
    return result


def trained(name: str, channels: int, options: argparse.Namespace) -> tuple[int, dict[str, float]]:
    """Trains a design for the time it has; returns its steps and gains."""
    done: Path = options.out / name / "gains.json"
    if done.exists():
        steps, gains = json.loads(done.read_text())
        return steps, gains
    store, valid = Store(options.cache, "[st]*"), Store(options.cache, "valid-*")

    def task() -> Restoration:
        torch.manual_seed(1)
        net = CONTENDERS[name].net(channels)
        return Restoration(net, Pairs(store, 1), valid, count=8, size=112)

    budget: Path = options.out / name / "steps.json"
    if not budget.exists():
        pilot = Trainer(task(), Settings(options.out / name / "pilot", PILOT, 1e-3))
        began = time.process_time()
        pilot.run()
        step = (time.process_time() - began) / PILOT
        budget.write_text(json.dumps(round(60.0 * options.minutes / step)))
    steps = json.loads(budget.read_text())
    whole = task()
    Trainer(whole, Settings(options.out / name, steps, 1e-3)).run()
    state = torch.load(options.out / name / "checkpoint.pt", weights_only=True)
    whole.net.load_state_dict(state["ema"])
    gains = whole.validate(whole.net)
    done.write_text(json.dumps((steps, gains)))
    return steps, gains


def main() -> None:
    """Trains, measures and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="of `train.py prepare`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trainings")
    parser.add_argument("--page", type=Path, required=True, help="Markdown file to fill")
    parser.add_argument("--minutes", type=float, default=8.0, help="processor time for each")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, (channels, times) in chosen(options).items():
        steps, gains = trained(name, channels, options)
        log.info("%s: %s", name, gains)
        net = CONTENDERS[name].net(channels)
        weights = sum(parameter.numel() for parameter in net.parameters())
        if not lines:
            heads = ["design", "channels", "weights", "ms", "steps", *(f"{e} dB" for e in gains)]
            lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
        cells = [
            CONTENDERS[name].words,
            str(channels),
            f"{weights:,}",
            f"{times:.0f}",
            f"{steps:,}",
        ]
        lines.append("| " + " | ".join([*cells, *(f"{g:+.3f}" for g in gains.values())]) + " |")
    fill_section(options.page, "designs", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
