"""Measures what recurrent networks gain by long runs, and what chunks cost at their borders.

`train` makes a light BasicVSR on the cache of `train.py prepare`, with the flow that the package
searches for in place of SPyNet, for which there is no time. `measure` takes that one, or any
checkpoint of BasicVSR, IconVSR, BasicVSR++ or RealBasicVSR; of the last it tries the number of
cleaning passes too.

Example:
    python scripts/ablations.py train --cache cache --out out/light --steps 3000
    python scripts/ablations.py measure --cache cache --light out/light --page docs/ablations.md
    python scripts/ablations.py measure --cache cache --checkpoint RealBasicVSR_x4.pth
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.checkpoints.models import load
from vsvqe.motion.alignment import UNITS, flow
from vsvqe.nets.basicvsr import SCALE, BasicVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.recurrent import convolution
from vsvqe.training.losses import charbonnier
from vsvqe.training.pairs import DAMAGED, Pair, chroma, find_pairs, luma
from vsvqe.training.perceptual import to_rgb
from vsvqe.training.store import Planes, Store
from vsvqe.training.tasks import start_from
from vsvqe.training.trainer import Settings, Trainer

LENGTHS = (1, 5, 10, 30)
OVERLAPS = (0, 1, 2, 3, 4, 6, 8, 10)
# Of the chunks whose borders are looked at.
CHUNK = 12
PASSES = (0, 1, 3, 5)
THRESHOLD = 5.0

type Network = Callable[[Tensor], Tensor]


class SearchedFlow(nn.Module):
    """Flow as the filters find it for aligned windows, see ``vsvqe.motion.alignment``."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Returns the flow `[N, 2, H, W]` in pixels between RGB pictures of even sides."""
        weights = torch.tensor((0.2126, 0.7152, 0.0722)).view(1, 3, 1, 1)
        codes = [
            (16.0 + 219.0 * (p.detach().float() * weights).sum(1)).round().to(torch.uint8).numpy()
            for p in (first, second)
        ]
        fields = np.stack([flow(a, b) for a, b in zip(*codes, strict=True)])
        found = torch.from_numpy(fields.astype(np.float32) / np.float32(UNITS)).permute(0, 3, 1, 2)
        return functional.interpolate(found, scale_factor=2.0, mode="bilinear")


class LightVSR(BasicVSR):
    """BasicVSR of 32 channels and three blocks a direction, with a single sub-pixel convolution."""

    def __init__(self) -> None:
        """Builds the network."""
        super().__init__(channels=32, blocks=3)
        for unused in ("upsample1", "upsample2", "conv_hr", "conv_last"):
            delattr(self, unused)
        self.spynet = SearchedFlow()  # type: ignore[assignment]
        self.tail = convolution(32, 3 * SCALE**2)
        nn.init.zeros_(self.tail.weight)

    def enlarged(self, features: Tensor) -> Tensor:
        """Returns the residual picture of features."""
        return functional.pixel_shuffle(self.tail(features), SCALE)


class Run(NamedTuple):
    """Runs of damaged frames `[N, T, 3, H, W]`, and the clean ones, four times as large."""

    damaged: Tensor
    clean: Tensor

    def to(self, device: torch.device) -> Run:
        """Returns the runs on a device."""
        return Run(self.damaged.to(device), self.clean.to(device))


@dataclass
class Light:
    """The training of the light network.

    Attributes:
        net: The network.
        store: Clips to train on.
        valid: Clips never trained on.
        count: Runs in a batch.
        length: Frames of a run.
        size: Side of the crops.
    """

    net: LightVSR
    store: Store
    valid: Store
    count: int = 2
    length: int = 8
    size: int = 40

    def __post_init__(self) -> None:
        """Lists the pairs."""
        self._pairs = [
            pair
            for pair in find_pairs(self.store, DAMAGED[SCALE])
            if pair.damaged.frames >= self.length
        ]

    def batch(self, rng: np.random.Generator) -> Run:
        """Draws a batch."""
        runs = []
        for _ in range(self.count):
            pair = self._pairs[int(rng.integers(len(self._pairs)))]
            first = int(rng.integers(pair.damaged.frames - self.length + 1))
            top = 2 * int(rng.integers((pair.damaged.height - self.size) // 2 + 1))
            left = 2 * int(rng.integers((pair.damaged.width - self.size) // 2 + 1))
            frames = slice(first, first + self.length)
            runs.append(cut(self.store, pair, frames, (top, left), self.size))
        return Run(torch.cat([r.damaged for r in runs]), torch.cat([r.clean for r in runs]))

    def loss(self, batch: Run) -> Tensor:
        """Returns the error of all frames."""
        return charbonnier(self.net(batch.damaged), batch.clean)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns the mean PSNR-Y of the clips."""
        with torch.no_grad():
            errors = [errors_of(run, net) for run in runs(self.valid, 64, 12)]
        return {"psnr": float(np.mean([psnr(error) for error in errors]))}


def cut(store: Store, pair: Pair, frames: slice, corner: tuple[int, int], side: int) -> Run:
    """Returns a run of frames as RGB, cut to a square."""
    parts = []
    for entry, scale in ((pair.damaged, 1), (pair.clean, SCALE)):
        top, left, size = (scale * n for n in (*corner, side))
        planes = store.planes(pair.shard, entry)
        high, wide = slice(top, top + size), slice(left, left + size)
        low, narrow = slice(top // 2, (top + size) // 2), slice(left // 2, (left + size) // 2)
        clip = Planes(
            planes.y[frames, high, wide],
            planes.u[frames, low, narrow],
            planes.v[frames, low, narrow],
        )
        parts.append(to_rgb(luma(clip.y.copy())[:, None], chroma([clip])[0])[None])
    return Run(*parts)


def runs(store: Store, side: int, length: int) -> Iterator[Run]:
    """Yields the middle of every clip, made small and not coded."""
    for pair in find_pairs(store, ("quarter",)):
        size = min(side, pair.damaged.height // 2 * 2, pair.damaged.width // 2 * 2)
        corner = tuple((n - size) // 4 * 2 for n in (pair.damaged.height, pair.damaged.width))
        yield cut(store, pair, slice(0, length), corner, size)  # type: ignore[arg-type]


def errors_of(run: Run, network: Network) -> np.ndarray:
    """Returns the squared luma error of every frame."""
    weights = torch.tensor((0.2126, 0.7152, 0.0722)).view(1, 1, 3, 1, 1)
    difference = ((network(run.damaged).clamp(0.0, 1.0) - run.clean) * weights).sum(2)
    result: np.ndarray = difference.square().mean((0, 2, 3)).numpy()
    return result


def psnr(errors: np.ndarray) -> float:
    """Returns the mean of the frames' PSNR in decibels."""
    return float(np.mean(-10.0 * np.log10(errors)))


def chunked(network: Network, length: int, overlap: int) -> Network:
    """Returns the network run over chunks, as the filters do it."""

    def run(frames: Tensor) -> Tensor:
        results = []
        for begin in range(0, frames.shape[1], length):
            start = max(begin - overlap, 0)
            part = network(frames[:, start : begin + length + overlap])
            results.append(part[:, begin - start : begin - start + length])
        return torch.cat(results, dim=1)

    return run


def cleaned(network: RealBasicVSR, passes: int | None) -> Network:
    """Returns the network with a fixed number of cleaning passes, or as many as it decides on."""

    def run(frames: Tensor) -> Tensor:
        if passes is None:
            network.threshold = THRESHOLD
            result: Tensor = network(frames)
            return result
        for _ in range(passes):
            frames = frames + network.image_cleaning(frames[0])[None]
        enlarged: Tensor = network.basicvsr(frames)
        return enlarged

    return run


def lengths(clips: list[Run], network: Network) -> list[str]:
    """Returns the table of runs of several lengths."""
    rows = ["| frames of a run | PSNR-Y dB |", "|--:|--:|"]
    for length in LENGTHS:
        errors = [errors_of(clip, chunked(network, length, 0)) for clip in clips]
        rows.append(f"| {length} | {np.mean([psnr(error) for error in errors]):.3f} |")
    return rows


def borders(clips: list[Run], network: Network) -> list[str]:
    """Returns the table of overlaps: squared errors relative to those of the clip in one run."""
    whole = [errors_of(clip, network) for clip in clips]
    inner = np.arange(clips[0].damaged.shape[1])
    at = [n for n in inner[1:-1] if n % CHUNK in (0, CHUNK - 1)]
    inside = [n for n in inner if CHUNK // 3 <= n % CHUNK < 2 * CHUNK // 3]
    rows = [
        "| overlap | error at borders | error inside | frames computed per frame |",
        "|--:|--:|--:|--:|",
    ]
    for overlap in OVERLAPS:
        ratios = [
            errors_of(clip, chunked(network, CHUNK, overlap)) / own
            for clip, own in zip(clips, whole, strict=True)
        ]
        mean = np.mean(ratios, axis=0)
        cost = (CHUNK + 2 * overlap) / CHUNK
        rows.append(
            f"| {overlap} | {mean[at].mean():.4f} | {mean[inside].mean():.4f} | {cost:.2f} |"
        )
    return rows


def cleaning(clips: list[Run], network: RealBasicVSR) -> list[str]:
    """Returns the table of cleaning passes."""
    rows = ["| cleaning passes | PSNR-Y dB |", "|--:|--:|"]
    for passes in (*PASSES, None):
        errors = [errors_of(clip, cleaned(network, passes)) for clip in clips]
        name = f"dynamic, {THRESHOLD:g}/255" if passes is None else passes
        rows.append(f"| {name} | {np.mean([psnr(error) for error in errors]):.3f} |")
    return rows


def train(options: argparse.Namespace) -> None:
    """Trains the light network."""
    torch.manual_seed(options.seed)
    store, valid = Store(options.cache, "[st]*"), Store(options.cache, "valid-*")
    settings = Settings(options.out, options.steps, 1e-3, options.seed, options.threads)
    Trainer(Light(LightVSR(), store, valid), settings).run()


def measure(options: argparse.Namespace) -> None:
    """Prints the tables, and writes them to the page if one is named."""
    network: nn.Module
    if options.light is not None:
        network, name = LightVSR(), "a light BasicVSR (32 channels, 3 blocks, searched flow)"
        start_from(network, options.light / "checkpoint.pt")
    else:
        content = options.checkpoint.read_bytes()
        found = load(options.checkpoint, hashlib.sha256(content).hexdigest())
        network, name = found.network, f"{found.architecture} of `{options.checkpoint.name}`"
    with torch.inference_mode():
        clips = list(runs(Store(options.cache, "valid-*"), options.side, 30))
        tables = {
            "Length of runs": lengths(clips, network.eval()),
            "Borders of chunks": borders(clips, network),
        }
        if isinstance(network, RealBasicVSR):
            tables["Cleaning"] = cleaning(clips, network)
    text = "\n\n".join(f"## {title}\n\n" + "\n".join(rows) for title, rows in tables.items())
    print(f"{name}\n\n{text}")
    if options.page:
        options.page.write_text(page(name, text), encoding="utf-8")


def page(name: str, text: str) -> str:
    """Returns the page of the tables."""
    return (
        "# Runs of recurrent networks\n\nGenerated by `scripts/ablations.py`; do not edit.\n\n"
        f"Measured with {name} on clips never trained on, made a quarter as large and not coded. "
        f"Borders are those of chunks of {CHUNK} frames; errors are squared, of luma, and relative "
        f"to what the same frame has when the clip is one run.\n\n{text}\n"
    )


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train", help="train the light network")
    command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    command.add_argument("--out", type=Path, required=True, help="checkpoints and log")
    command.add_argument("--steps", type=int, default=3000)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--threads", type=int, default=1)
    command = commands.add_parser("measure", help="print the tables")
    command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    network = command.add_mutually_exclusive_group(required=True)
    network.add_argument("--light", type=Path, help="folder of a training of the light network")
    network.add_argument("--checkpoint", type=Path, help="of a recurrent network, x4")
    command.add_argument("--side", type=int, default=96, help="of the middle that is looked at")
    command.add_argument("--page", type=Path, help="Markdown page to write")
    return parser.parse_args()


def main() -> None:
    """Runs the sub-command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options = arguments()
    if options.command == "train":
        train(options)
    else:
        measure(options)


if __name__ == "__main__":
    main()
