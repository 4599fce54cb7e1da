"""Compares the ways to make a model of Deblock or SuperRes small and fast, and writes the table.

Trained alike from scratch, for `--steps` each: the design as it is, with few channels inside its
blocks, with separable convolutions, with convolutions that are folded after training, and taught by
a large network. Made of the finished model: pruned, before and after a short training that follows;
quantised to 8 bits; converted to half precision. Gains are those of the training's own check,
through ONNX Runtime; times those of the bare sessions for a frame of 960x540, in turns, the least
of each, because what else the machine does only adds to them.

Trainings are resumed, and finished ones are not repeated; `--steps 0` leaves them out.

Example:
    python scripts/slimming.py --cache cache --base out/deblock-fast --teacher out/deblock-balanced
        --out out/slimming --page docs/slimming.md
    python scripts/slimming.py --cache cache --base models/superres-x2-fast-v2.onnx
        --teacher models/superres-x2-best-v4.onnx --out out/slimming-superres
        --page docs/slimming.md --section slimming-superres
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from train import designed
from vsvqe.evaluation.sections import fill_section
from vsvqe.inference.session import SessionRequest, open_session
from vsvqe.nets.blocks import Convolution, ExpandedConv, conv3x3, separable3x3
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser_map import filled
from vsvqe.training.beginnings import start_from
from vsvqe.training.designs import DESIGNS, Design, Material
from vsvqe.training.export import planes_model
from vsvqe.training.pairs import Batch, Pairs
from vsvqe.training.slimming import Arrays, pruned, quantise
from vsvqe.training.store import Store
from vsvqe.training.tasks import Distillation, Restoration, gains
from vsvqe.training.trainer import Settings, Trainer

CALIBRATION = 16
# Of the calibration's crops, by scale: the smallest clips have no more.
CALIBRATION_SIDE = {1: 160, 2: 72, 4: 48}
HEIGHT, WIDTH = 540, 960
TURNS = 9
# What a pruned network needs is to settle, not to learn anew.
SETTLING_RATE = 3e-4

log = logging.getLogger("slimming")


@dataclass
class Row:
    """A model and what it is worth.

    Attributes:
        name: In words.
        path: Its ONNX file.
        parameters: Number of weights, after folding.
        gains: In decibels, by encoder.
        times: Milliseconds for a frame, by engine.
    """

    name: str
    path: Path
    parameters: int
    gains: dict[str, float]
    times: dict[str, float]


class Study:
    """The base, its data, and the rows so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Loads the base and the teacher."""
        self._options = options
        self.design, self.base = trained(options.base)
        _, self.teacher = trained(options.teacher)
        self._material = Material(Store(options.cache, "[st]*"), Store(options.cache, "valid-*"))
        self.rows: list[Row] = []

    def restoration(self, net: PlanesNet) -> Restoration:
        """Returns the usual training of a network of the base's design."""
        task = self.design.task(net, self._material)
        if type(task) is not Restoration:
            raise SystemExit("--base: Deblock and SuperRes without a perceptual loss are compared")
        return task

    def train(self, name: str, task: Restoration, steps: int, rate: float = 0.0) -> PlanesNet:
        """Runs a training to its end, by default at the design's rate; returns the averaged net."""
        rate = rate or self.design.rate
        out: Path = self._options.out / name
        settings = Settings(out, steps, rate, threads=self._options.threads)
        Trainer(task, settings).run()
        start_from(task.net, settings.checkpoint)
        return task.net

    def alike(self, hidden: int | None = None, convolution: Convolution = conv3x3) -> PlanesNet:
        """Returns an untrained network like the base, with other blocks."""
        torch.manual_seed(1)
        base = self.base
        return PlanesNet(
            base.window,
            base.scale,
            base.channels,
            len(base.blocks),
            hidden,
            convolution,
            responsive=base.response is not None,
            quantiser_map=base.quantiser_map is not None,
        )

    def add(self, name: str, net: PlanesNet) -> Path:
        """Exports a network and adds its row."""
        path: Path = self._options.out / f"{len(self.rows)}.onnx"
        onnx.save(planes_model(net.eval()), path)
        return self.add_file(name, path, net)

    def add_file(self, name: str, path: Path, net: PlanesNet) -> Path:
        """Adds the row of an ONNX file that was made of a network."""
        weights = onnx.load(path).graph.initializer
        parameters = sum(int(np.prod(w.dims)) for w in weights if len(w.dims) in (1, 4))
        kinds = Pairs(self._material.store, self.base.scale).kinds
        restored = through(path, net)
        measured = gains(self._material.valid, kinds, self.base.window, self.base.scale, restored)
        self.rows.append(Row(name, path, parameters, measured, {}))
        log.info("%s: %s", name, measured)
        return path

    def calibration(self) -> list[Arrays]:
        """Returns typical inputs."""
        pairs = Pairs(self._material.store, self.base.scale)
        batches = (
            pairs.batch(
                np.random.default_rng((7, n)), 1, CALIBRATION_SIDE[pairs.scale], self.base.window
            )
            for n in range(CALIBRATION)
        )
        return [arrays for batch in batches for arrays in inputs(batch, self.base)]


def trained(start: Path) -> tuple[Design, PlanesNet]:
    """Returns the design and the averaged network of a training's folder or an exported model."""
    path = start if start.suffix == ".onnx" else start / "checkpoint.pt"
    name = designed(path)
    if name is None:
        raise SystemExit(f"nobody knows what {start} is: there is no run.json in it")
    net = DESIGNS[name].net()
    assert isinstance(net, PlanesNet)
    start_from(net, path)
    return DESIGNS[name], net.eval()


def inputs(batch: Batch, net: PlanesNet) -> Iterator[Arrays]:
    """Yields a batch as a network's ONNX model takes it: at once, or each run of frames alone."""
    if not net.window.aligned:
        for y, uv in zip(batch.y, batch.uv, strict=True):
            yield {"y": y[:, None].numpy(), "uv": uv.numpy()}
        return
    chroma = batch.uv.flatten(1, 2)
    if net.quantiser_map is not None:
        chroma = torch.cat((chroma, filled(batch.quantiser, *chroma.shape[-2:])), dim=1)
    yield {"y": batch.y.numpy(), "uv": chroma.numpy()}


def through(path: Path, net: PlanesNet) -> Callable[[Batch], tuple[Tensor, Tensor]]:
    """Returns what an ONNX model gives for a batch, told the quantiser as its network is."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def restored(batch: Batch) -> tuple[Tensor, Tensor]:
        runs = [session.run(None, arrays) for arrays in inputs(batch, net)]
        luma, chroma = (torch.from_numpy(np.concatenate(p)) for p in zip(*runs, strict=True))
        return net.weighed((luma, chroma), batch.quantiser)

    return restored


def time_all(rows: list[Row], base: PlanesNet) -> None:
    """Times all models on both engines, in turns."""
    rng = np.random.default_rng(0)
    frames = len(base.window.offsets)
    runs, channels = (1, frames) if base.window.aligned else (frames, 1)
    shapes = {
        "y": (runs, channels, HEIGHT, WIDTH),
        "uv": (runs, base.chroma_channels, HEIGHT // 2, WIDTH // 2),
    }
    arrays = [rng.random(shape, np.float32) for shape in shapes.values()]
    height, width = base.scale * HEIGHT, base.scale * WIDTH
    out = [
        np.empty((1, 1, height, width), np.float32),
        np.empty((1, 2, height // 2, width // 2), np.float32),
    ]
    engines = {"ONNX Runtime": ("cpu", False), "OpenVINO": ("openvino", True)}
    sessions = []
    for row in rows:
        for engine, (backend, half) in engines.items():
            request = SessionRequest(
                model=row.path,
                sha256=hashlib.sha256(row.path.read_bytes()).hexdigest(),
                shapes=tuple(shapes.items()),
                half=half,
            )
            sessions.append((row, engine, open_session(request, backend)[0]))
    taken: dict[tuple[str, str], list[float]] = {}
    for turn in range(TURNS + 1):
        for row, engine, session in sessions:
            began = time.perf_counter()
            session.run(arrays, out)
            if turn:
                taken.setdefault((row.name, engine), []).append(time.perf_counter() - began)
    for row in rows:
        row.times = {e: 1e3 * min(taken[row.name, e]) for e in engines}


def table(rows: list[Row]) -> str:
    """Returns the rows in Markdown."""
    encoders, engines = list(rows[0].gains), list(rows[0].times)
    heads = [
        "model",
        "weights",
        "KB",
        *(f"{e} dB" for e in encoders),
        *(f"{e} ms" for e in engines),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for row in rows:
        cells = [row.name, f"{row.parameters:,}", f"{row.path.stat().st_size / 1000:.0f}"]
        cells += [f"{row.gains[encoder]:+.3f}" for encoder in encoders]
        cells += [f"{row.times[engine]:.1f}" for engine in engines]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="of `train.py prepare`")
    parser.add_argument("--base", type=Path, required=True, help="a finished training, or .onnx")
    parser.add_argument("--teacher", type=Path, required=True, help="that of a larger network")
    parser.add_argument("--out", type=Path, required=True, help="folder for trainings and models")
    parser.add_argument("--page", type=Path, required=True, help="Markdown file to fill")
    parser.add_argument("--section", default="slimming", help="of the page")
    parser.add_argument("--steps", type=int, default=4000, help="of trainings; 0: none")
    parser.add_argument("--threads", type=int, default=1, help="of the trainings")
    return parser.parse_args()


def main() -> None:
    """Trains, measures and writes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    study = Study(options)
    base, steps = study.base, options.steps
    half = base.channels // 2
    if steps:
        fresh = {
            "as it is": study.alike(),
            f"{half} channels inside": study.alike(half),
            "separable": study.alike(convolution=separable3x3),
            "expanded, then folded": study.alike(convolution=ExpandedConv),
        }
        for name, net in fresh.items():
            words = f"{steps} steps: {name}"
            study.add(words, study.train(name.split(",")[0], study.restoration(net), steps))
        usual = study.restoration(study.alike())
        taught = Distillation(**vars(usual), teacher=study.teacher)
        study.add(f"{steps} steps: taught by the larger one", study.train("taught", taught, steps))
    whole = study.add("finished", base)
    for hidden in (3 * half // 2, half):
        slim = pruned(base, hidden)
        study.add(f"finished, pruned to {hidden} channels inside", slim)
        if steps:
            task = study.restoration(slim)
            settled = study.train(f"pruned{hidden}", task, steps // 2, SETTLING_RATE)
            study.add(f"finished, pruned to {hidden}, {steps // 2} steps more", settled)
    eight, sixteen = options.out / "int8.onnx", options.out / "fp16.onnx"
    quantise(whole, eight, study.calibration())
    study.add_file("finished, 8 bits inside", eight, base)
    onnx.save(convert_float_to_float16(onnx.load(whole), keep_io_types=True), sixteen)
    study.add_file("finished, fp16", sixteen, base)
    time_all(study.rows, base)
    fill_section(options.page, options.section, table(study.rows))


if __name__ == "__main__":
    main()
