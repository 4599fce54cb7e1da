"""Measures how fast checkpoints run on every engine: as they are in PyTorch, and converted.

    pip install ".[torch,openvino]"
    python scripts/checkpoint_speed.py --size 320x180 --page docs/checkpoint-speed.md
        --compile fsrcnn_x4 compact

The engines take turns, so that what else the machine does falls on all of them alike; ratios are
medians of the ratios of each turn. Weights are random, which does not matter for speed. Rows that
were measured once are kept in the work folder, and so are the converted networks.
"""

import argparse
import hashlib
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What was compiled before would be found again, and the time of compiling would be that of loading.
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"

import numpy as np
import torch
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR
from torch import nn

from vsvqe.checkpoints.models import load
from vsvqe.evaluation.kept import Kept
from vsvqe.inference.errors import BackendUnavailable
from vsvqe.inference.session import Session, SessionRequest, open_session
from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
from vsvqe.nets.fsrcnn import FSRCNN
from vsvqe.nets.iconvsr import IconVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.recurrent import ResidualStack
from vsvqe.nets.srcnn import SRCNN
from vsvqe.nets.srresnet import MSRResNet, SRResNet

ENGINES = {"torch": "PyTorch", "cpu": "ONNX Runtime", "openvino": "OpenVINO"}
# Seconds of PyTorch's first run from which on one turn has to do, and the first one counts: what
# allocating takes is little of it.
LONG = 10.0


@dataclass(frozen=True)
class Entry:
    """A network of the table.

    Attributes:
        name: For people.
        file: Name of the checkpoint; that of some networks tells their scale.
        make: Makes it in its published size.
        recurrent: Whether it takes runs of frames.
    """

    name: str
    file: str
    make: Callable[[], nn.Module]
    recurrent: bool = False


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


def light_swinir() -> nn.Module:
    """Returns the lightweight SwinIR of its paper, x4."""
    network: nn.Module = SwinIR(
        upscale=4,
        window_size=8,
        depths=[6, 6, 6, 6],
        embed_dim=60,
        num_heads=[6, 6, 6, 6],
        mlp_ratio=2,
        upsampler="pixelshuffledirect",
    )
    return network


ENTRIES = (
    Entry("SRCNN x4, luma", "srcnn_x4", lambda: SRCNN(4, 1)),
    Entry("FSRCNN x4, luma", "fsrcnn_x4", lambda: FSRCNN(4)),
    Entry("DnCNN, luma, x1", "dncnn", dncnn),
    Entry("SPAN x4, 48 channels", "span", lambda: SPAN(num_in_ch=3, num_out_ch=3)),
    Entry("Compact x4, 16 layers", "compact", compact),
    Entry("MSRResNet x4", "msrresnet", MSRResNet),
    Entry("SRResNet x4, of SRGAN", "srresnet", SRResNet),
    Entry("SwinIR x4, light", "swinir", light_swinir),
    Entry("ESRGAN x4", "esrgan", lambda: ESRGAN(num_blocks=23)),
    Entry("BasicVSR", "BasicVSR", BasicVSR, recurrent=True),
    Entry("IconVSR", "IconVSR", IconVSR, recurrent=True),
    Entry("BasicVSR++", "BasicVSRPlusPlus", BasicVSRPlusPlus, recurrent=True),
    Entry("RealBasicVSR", "RealBasicVSR", RealBasicVSR, recurrent=True),
)


class Compiled:
    """A network through ``torch.compile``, as a session."""

    description = "PyTorch, compiled"

    def __init__(self, network: nn.Module, picture: np.ndarray) -> None:
        """Compiles it for pictures of a size, and takes the time of that.

        Of a recurrent network its stacks are compiled, in which nearly all of its time is spent:
        all of it would be unrolled for as many frames as a run has.
        """
        began = time.perf_counter()
        self._network = network.to(memory_format=torch.channels_last)
        stacks = [part for part in network.modules() if isinstance(part, ResidualStack)]
        for part in stacks or [network]:
            part.compile()
        with torch.inference_mode():
            self._network(torch.from_numpy(picture))
        self.seconds = time.perf_counter() - began

    def run(self, arrays: Sequence[np.ndarray], out: Sequence[np.ndarray]) -> None:
        """See ``Session.run``."""
        with torch.inference_mode():
            out[0][...] = self._network(torch.from_numpy(arrays[0])).numpy()


def row(entry: Entry, path: Path, options: argparse.Namespace) -> str:
    """Measures one network and returns its row of the table.

    Args:
        entry: The network.
        path: Its checkpoint.
        options: Of the command line.
    """
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    checkpoint = load(path, sha256)
    width, height = map(int, options.size.split("x"))
    wide, high = (-(-side // checkpoint.multiple) * checkpoint.multiple for side in (width, height))
    lead = (1, options.frames, 3) if entry.recurrent else (1, checkpoint.channels)
    picture = np.random.default_rng(0).random((*lead, high, wide), np.float32)
    result = np.empty((*lead, high * checkpoint.scale, wide * checkpoint.scale), np.float32)
    request = SessionRequest(
        model=path,
        sha256=sha256,
        shapes=(("input", picture.shape),),
        half=False,
        engine_folder=options.work,
    )
    sessions: dict[str, Session] = {}
    for engine in ENGINES:
        try:
            sessions[engine] = open_session(request, engine)[0]
        except BackendUnavailable as error:
            print(error, file=sys.stderr)
    compiled = None
    if entry.file in options.compile:
        sessions["compiled"] = compiled = Compiled(checkpoint.network, picture)
    times: dict[str, list[float]] = {engine: [] for engine in sessions}
    while len(times["torch"]) < options.turns + 1:
        for engine, session in sessions.items():
            began = time.perf_counter()
            session.run([picture], [result])
            times[engine].append(time.perf_counter() - began)
        if times["torch"][0] > LONG:
            break
    else:
        for taken in times.values():
            del taken[0]  # the first one allocates
    frames = options.frames if entry.recurrent else 1
    millions = sum(parameter.numel() for parameter in checkpoint.network.parameters()) / 1e6
    cells = [f"{millions:.3g}M", f"{frames / statistics.median(times['torch']):.3g} fps"]
    for engine in [*ENGINES, "compiled"][1:]:
        pairs = zip(times["torch"], times.get(engine, []), strict=False)
        ratios = [pytorch / taken for pytorch, taken in pairs]
        cells.append(f"{statistics.median(ratios):.2f}" if ratios else "-")
    if compiled is not None:
        cells[-1] += f", after {compiled.seconds:.0f} s"
    return f"| {entry.name} | {' | '.join(cells)} | {len(times['torch'])} |"


def page(table: Sequence[str], options: argparse.Namespace) -> str:
    """Returns the table as a page that says how it was measured."""
    words = ["python", "scripts/checkpoint_speed.py", "--size", options.size]
    words += ["--turns", str(options.turns), "--frames", str(options.frames)]
    words += ["--compile", *options.compile] if options.compile else []
    words += ["--networks", *options.networks] if options.networks else []
    command = shlex.join([*words, "--page", str(options.page)])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "\n".join(
        [
            "# Speed of checkpoints",
            "",
            "Generated; do not edit. To measure again:",
            "",
            f"```sh\n{command}\n```",
            "",
            f"Networks in their published size, random weights, {options.size} in, single "
            f"precision; recurrent ones over runs of {options.frames} frames. Measured on "
            f"{cores} cores of {platform.machine()} with PyTorch {torch.__version__}. The engines "
            "took turns, and ratios are medians of the turns; of what takes long there was one. "
            "PyTorch is the network as the `torch` backend runs it (channels last, inference "
            "mode); *compiled* is the same through `torch.compile`, after the time that takes, of "
            "recurrent networks the stacks of residual blocks alone; a dash: not tried.",
            "",
            *table,
            "",
        ]
    )


def main() -> None:
    """Measures, prints the table, and writes the page if one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", default="320x180", help="of the input, WIDTHxHEIGHT")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--frames", type=int, default=5, help="of a run, for recurrent networks")
    parser.add_argument(
        "--compile", nargs="+", default=[], help="these through torch.compile too, by their file"
    )
    parser.add_argument("--networks", nargs="+", help="only these, by the name of their file")
    parser.add_argument("--work", type=Path, default=Path("build/checkpoint-speed"))
    parser.add_argument("--page", type=Path, help="Markdown page to write")
    options = parser.parse_args()
    titles = ["network", "parameters", "PyTorch"]
    titles += [f"{name} / PyTorch" for name in [*ENGINES.values()][1:]]
    titles += ["compiled / PyTorch", "turns"]
    table = [f"| {' | '.join(titles)} |", f"|---|{'--:|' * (len(titles) - 1)}"]
    print(*table, sep="\n", flush=True)
    options.work.mkdir(parents=True, exist_ok=True)
    kept = Kept(options.work)
    with tempfile.TemporaryDirectory() as folder:
        for entry in ENTRIES:
            if options.networks and entry.file not in options.networks:
                continue
            compiled = entry.file in options.compile
            key = [torch.__version__, options.size, options.turns, options.frames, compiled]
            found = kept.read(entry.file, key)
            if not found:
                path = Path(folder) / f"{entry.file}.pth"
                torch.manual_seed(0)  # the same again is converted already
                torch.save(entry.make().state_dict(), path)
                found = {"row": row(entry, path, options)}
                kept.write(entry.file, key, found)
            table.append(found["row"])
            print(table[-1], flush=True)
    if options.page:
        options.page.write_text(page(table, options), encoding="utf-8")


if __name__ == "__main__":
    main()
