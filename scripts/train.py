"""Trains the shipped models: prepare the cache, train, export.

The trainings resume from the checkpoint in `--out`. With glibc, keeping freed memory makes them
a fifth faster: set MALLOC_MMAP_THRESHOLD_=1073741824 and MALLOC_TRIM_THRESHOLD_=2147483648.

Example:
    python scripts/train.py prepare --data data --cache cache
    python scripts/train.py deblock --cache cache --out out/deblock --minutes 167
    python scripts/train.py superres --cache cache --out out/superres --minutes 138
    python scripts/train.py damage --cache cache --out out/damage --minutes 8
    python scripts/train.py detail --cache cache --out out/detail --minutes 25 --start
        out/superres/checkpoint.pt --weights squeezenet1_1.pth
    python scripts/train.py export --out out/deblock --models models --name deblock-planes-v1
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.nets.damage import DamageNet
from vsvqe.nets.planes import PlanesNet
from vsvqe.training import tasks
from vsvqe.training.export import export
from vsvqe.training.pairs import Pairs
from vsvqe.training.prepare import prepare
from vsvqe.training.store import Store
from vsvqe.training.trainer import Settings, Trainer

RATES = {"deblock": 6e-4, "superres": 1e-3, "damage": 2e-3, "detail": 2e-4}
DESCRIPTIONS = {
    "deblock": "Removes compression artifacts of H.264, HEVC and MPEG-4, from QP 20 to 42.",
    "superres": "Doubles the size, of clean and of moderately compressed video.",
    "detail": "Doubles the size with crisper texture, at some cost in PSNR.",
    "damage": "Estimates the PSNR-Y of a compressed frame against its unknown original.",
}


def train(options: argparse.Namespace) -> None:
    """Runs one of the trainings."""
    name = options.command
    torch.manual_seed(options.seed)
    valid = Store(options.cache, "valid-*")
    store = Store(options.cache, "[st]*")
    settings = Settings(
        options.out,
        options.minutes * 60.0,
        options.rate or RATES[name],
        options.seed,
        options.threads,
        # The damage network works with exponentials, which bfloat16 is too coarse for.
        bfloat16_share=0.0 if name == "damage" else 0.85,
        pause=options.pause,
    )
    options.out.mkdir(parents=True, exist_ok=True)
    earlier = record(options.start.parent) if options.start is not None else None
    run = {"task": name, "command": command_line(options), "seed": options.seed}
    (options.out / "run.json").write_text(json.dumps(run | {"earlier": earlier}))
    if name == "damage":
        damage = tasks.Damage(DamageNet(), Pairs(store, 1, clean_share=0.25), valid)
        if options.start is not None:
            tasks.start_from(damage.net, options.start)
        Trainer(damage, settings).run()
    else:
        task = restoration(options, store, valid)
        if options.start is not None:
            tasks.start_from(task.net, options.start)
        Trainer(task, settings).run()


def restoration(options: argparse.Namespace, store: Store, valid: Store) -> tasks.Restoration:
    """Returns the training of Deblock or SuperRes; without single frames on a warm start."""
    if options.command == "detail":
        return tasks.detail(Pairs(store, 2), valid, options.weights)
    single_share = 0.0 if options.start is not None else 0.2
    if options.command == "deblock":
        return tasks.deblock(Pairs(store, 1), valid, single_share)
    return tasks.superres(Pairs(store, 2), valid, single_share)


def command_line(options: argparse.Namespace) -> str:
    """Returns the command for a model card: everything but the paths of one machine."""
    words = ["python", "scripts/train.py", options.command]
    for name, value in vars(options).items():
        if name not in ("command", "threads", "pause") and value is not None:
            words += [f"--{name}", name.upper() if isinstance(value, Path) else str(value)]
    return shlex.join(words)


def record(out: Path) -> dict[str, Any]:
    """Returns what a card tells of a training, those it started from included."""
    run = json.loads((out / "run.json").read_text())
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    earlier = run.get("earlier") or {"command": "", "hours": 0.0, "steps": 0}
    return {
        "command": "; ".join(filter(None, (earlier["command"], run["command"]))),
        "seed": run["seed"],
        "hours": round(earlier["hours"] + state["elapsed"] / 3600.0, 2),
        "steps": earlier["steps"] + state["step"],
    }


def write(options: argparse.Namespace) -> None:
    """Exports the averaged weights of a checkpoint."""
    name = json.loads((options.out / "run.json").read_text())["task"]
    nets = {"damage": DamageNet, "deblock": PlanesNet}
    net = nets[name]() if name in nets else PlanesNet(scale=2)
    tasks.start_from(net, options.out / "checkpoint.pt")
    export(net, options.models, options.name, DESCRIPTIONS[name], record(options.out))


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Trains the shipped models.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prepare", help="decode, film and damage everything")
    command.add_argument("--data", type=Path, required=True, help="folder with the sources")
    command.add_argument("--cache", type=Path, required=True, help="folder for the shards")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--passes", type=int, default=2)
    command.add_argument("--processes", type=int, default=2)
    for name in RATES:
        command = commands.add_parser(name, help=f"train {name}")
        command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
        command.add_argument("--out", type=Path, required=True, help="checkpoint and log")
        command.add_argument("--minutes", type=float, default=150.0)
        command.add_argument("--rate", type=float, help=f"learning rate, else {RATES[name]}")
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--pause", type=float, default=180.0, help="seconds per checkpoint")
        needed = name == "detail"
        command.add_argument("--start", type=Path, required=needed, help="begin with this")
        if name == "detail":
            command.add_argument("--weights", type=Path, required=True, help="SqueezeNet")
    command = commands.add_parser("export", help="write a model and its card")
    command.add_argument("--out", type=Path, required=True, help="folder of the training")
    command.add_argument("--models", type=Path, required=True, help="folder to write to")
    command.add_argument("--name", required=True, help="name of the model")
    return parser.parse_args()


def main() -> None:
    """Runs the sub-command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options = arguments()
    if options.command == "prepare":
        prepare(options.data, options.cache, options.seed, options.passes, options.processes)
    elif options.command == "export":
        write(options)
    else:
        train(options)


if __name__ == "__main__":
    main()
