"""Measures how fast checkpoints run on every engine: as they are in PyTorch, and converted.

    pip install ".[torch,openvino]"
    python scripts/checkpoint_speed.py --size 160x96

The engines take turns, so that what else the machine does falls on all of them alike; ratios are
medians of the ratios of each turn. Weights are random, which does not matter for speed.
"""

import argparse
import hashlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vsvqe.checkpoints.models import load
from vsvqe.inference.session import SessionRequest, open_session
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


def row(name: str, path: Path, size: tuple[int, int], frames: int, turns: int) -> str:
    """Measures one network and returns its row of the table.

    Args:
        name: Of the network.
        path: The checkpoint.
        size: Width and height of the input.
        frames: Length of a run for recurrent networks; 0 for image networks.
        turns: How often each engine is measured.
    """
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    checkpoint = load(path, sha256)
    width, height = size
    shape = (1, frames, 3, height, width) if frames else (1, checkpoint.channels, height, width)
    request = SessionRequest(model=path, sha256=sha256, shapes=(("input", shape),), half=False)
    picture = np.random.default_rng(0).random(shape, np.float32)
    large = (*shape[:-2], height * checkpoint.scale, width * checkpoint.scale)
    result = np.empty(large, np.float32)
    engines = ENGINES[:1] if frames else ENGINES
    sessions = {engine: open_session(request, engine)[0] for engine in engines}
    times: dict[str, list[float]] = {engine: [] for engine in engines}
    for turn in range(turns + 1):
        for engine, session in sessions.items():
            began = time.perf_counter()
            session.run([picture], [result])
            if turn:  # the first one allocates
                times[engine].append(time.perf_counter() - began)
    cells = [f"{max(frames, 1) / statistics.median(times['torch']):.2f} fps"]
    for engine in ENGINES[1:]:
        pairs = zip(times["torch"], times.get(engine, []), strict=False)
        ratios = [pytorch / taken for pytorch, taken in pairs]
        cells.append(f"{statistics.median(ratios):.1f}" if ratios else "-")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", default="160x96", help="of the input, WIDTHxHEIGHT")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--frames", type=int, default=5, help="of a run, for recurrent networks")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    width, height = map(int, arguments.size.split("x"))
    print("| network | PyTorch | ONNX Runtime / PyTorch | OpenVINO / PyTorch |")
    print("|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (IMAGE | RECURRENT).items():
            path = Path(folder) / f"{name.split()[0]}.pth"
            torch.save(make().state_dict(), path)
            frames = arguments.frames if name in RECURRENT else 0
            print(row(name, path, (width, height), frames, arguments.turns), flush=True)


if __name__ == "__main__":
    main()
