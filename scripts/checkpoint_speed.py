"""Measures how fast checkpoints run: the filter on every engine against the bare network.

    pip install ".[torch,openvino]"
    python scripts/checkpoint_speed.py --size 160x96

The contestants of a row take turns, so that what else the machine does falls on all of them alike;
ratios are medians of the ratios of each turn. Weights are random, which does not matter for speed.
"""

import argparse
import hashlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import vapoursynth as vs
from torch import nn

import vsvqe as vqe
from vsvqe.checkpoints.models import load
from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
from vsvqe.nets.iconvsr import IconVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.srresnet import MSRResNet

ENGINES = ("torch", "cpu", "openvino")
RECURRENT: dict[str, Callable[[], nn.Module]] = {
    "BasicVSR": BasicVSR,
    "IconVSR": IconVSR,
    "BasicVSR++": BasicVSRPlusPlus,
    "RealBasicVSR": RealBasicVSR,
}


def compact() -> nn.Module:
    """Returns SRVGGNetCompact as in Real-ESRGAN's animevideov3: 64 channels, 16 layers, x4."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1), nn.PReLU(64)]
    for _ in range(16):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.PReLU(64)]
    layers.append(nn.Conv2d(64, 48, 3, padding=1))
    return nn.ModuleDict({"body": nn.Sequential(*layers)})


def dncnn() -> nn.Module:
    """Returns DnCNN without normalisation: 17 layers of 64 channels, luma."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, 3, padding=1), nn.ReLU()]
    for _ in range(15):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    layers.append(nn.Conv2d(64, 1, 3, padding=1))
    return nn.ModuleDict({"model": nn.Sequential(*layers)})


IMAGE = {"Compact x4 (621K)": compact, "DnCNN (556K)": dncnn, "MSRResNet x4 (1.5M)": MSRResNet}


def source(width: int, height: int, length: int) -> vs.VideoNode:
    """Returns a clip that costs nothing to read."""
    format, color = vs.RGBS, [0.4, 0.5, 0.6]
    return vs.core.std.BlankClip(None, width, height, format, length, color=color, keep=True)


def seconds(clip: vs.VideoNode) -> float:
    """Runs through a clip."""
    began = time.perf_counter()
    for frame in clip.frames(close=True):
        frame.close()
    return time.perf_counter() - began


def bare(network: nn.Module, shape: tuple[int, ...]) -> float:
    """Runs a network once, as it is."""
    inputs = torch.rand(shape)
    began = time.perf_counter()
    with torch.inference_mode():
        network(inputs)
    return time.perf_counter() - began


def row(name: str, path: Path, size: tuple[int, int], recurrent: bool, turns: int) -> str:
    """Measures one network and returns its row of the table."""
    checkpoint = load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    length = 8 if recurrent else 1
    width, height = size
    shape = (height, width)
    shape = (1, length, 3, *shape) if recurrent else (1, checkpoint.channels, *shape)
    contestants: dict[str, Callable[[], float]] = {"bare": lambda: bare(checkpoint.network, shape)}
    for engine in ENGINES[:1] if recurrent else ENGINES:
        clip = source(width, height, length)
        # A new node for every turn: the core would keep the frames of an old one.
        contestants[engine] = lambda clip=clip, engine=engine: seconds(
            vqe.SuperRes(clip, model=path, backend=engine)
        )
    times: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for turn in range(turns + 1):
        for contestant, run in contestants.items():
            taken = run()
            if turn:  # the first one compiles
                times[contestant].append(taken)
    cells = [f"{length / statistics.median(times['bare']):.2f} fps"]
    for engine in ENGINES:
        if engine in times:
            ratios = [b / t for b, t in zip(times["bare"], times[engine], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f}")
        else:
            cells.append("-")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", default="160x96", help="of the input, WIDTHxHEIGHT")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    width, height = map(int, arguments.size.split("x"))
    print("| network | PyTorch, bare | filter, `torch` | filter, `cpu` | filter, `openvino` |")
    print("|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (IMAGE | RECURRENT).items():
            path = Path(folder) / f"{len(name)}.pth"
            torch.save(make().state_dict(), path)
            print(row(name, path, (width, height), name in RECURRENT, arguments.turns), flush=True)


if __name__ == "__main__":
    main()
