"""Trains the shipped models: all of it for one of them, or step by step.

The trainings resume from the checkpoint in `--out`; with more `--steps` than before, a finished one
goes on, from where its learning rate began to fall. With glibc, keeping freed memory makes them a
fifth faster: set MALLOC_MMAP_THRESHOLD_=1073741824 and MALLOC_TRIM_THRESHOLD_=2147483648.

Example:
    python scripts/train.py make superres-x4-balanced --data data --work work
    python scripts/train.py prepare --data data --cache cache
    python scripts/train.py pack --cache cache --parcel parcel.zip --scale 1
    python scripts/train.py train deblock-balanced --cache cache --out out/deblock --steps 60000
    python scripts/train.py plot --out out/deblock --picture curves.png
    python scripts/train.py export --out out/deblock --models models --name deblock-balanced-v7
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.cards import list_models, newest
from vsvqe.inference.bfloat16 import has_bfloat16
from vsvqe.nets.planes import PlanesNet, WindowNet
from vsvqe.training import plans
from vsvqe.training.beginnings import interpolated, start_from
from vsvqe.training.designs import DESIGNS, Design, Material
from vsvqe.training.export import export
from vsvqe.training.pairs import DAMAGED, REAL
from vsvqe.training.parcel import pack, unpack
from vsvqe.training.store import Store
from vsvqe.training.tasks import Distillation, Restoration
from vsvqe.training.trainer import Settings, Trainer


def train(options: argparse.Namespace) -> None:
    """Runs one of the trainings."""
    design = DESIGNS[options.design]
    net = begun(design, options.seed, options.start)
    earlier = None if options.start is None else history(options.start)
    settings = Settings(
        options.out,
        options.steps,
        options.rate or design.rate,
        options.seed,
        options.threads,
        options.workers,
        options.device,
        design.low_precision and has_bfloat16(torch.device(options.device)),
        options.pause,
    )
    options.out.mkdir(parents=True, exist_ok=True)
    run = {"design": options.design, "command": command_line(options), "seed": options.seed}
    (options.out / "run.json").write_text(json.dumps(run | {"earlier": earlier}))
    store, valid = Store(options.cache, "[st]*"), Store(options.cache, "valid-*")
    task = design.task(net, Material(store, valid, options.weights))
    if options.teacher is not None:
        task = taught(task, options.teacher)
    Trainer(task, settings).run()


def make(options: argparse.Namespace) -> None:
    """Makes one of the shipped models from data: prepares, trains all it takes, and exports."""
    # Needs encoders, which the training itself does not.
    from vsvqe.training.prepare import prepare

    cache, chain = options.work / "cache", plans.stages(options.model)
    if any(DESIGNS[stage.design].perceptual for stage in chain) and options.weights is None:
        raise SystemExit(f"{options.model} is trained by LPIPS: give --weights, SqueezeNet 1.1")
    prepare(options.data, cache, options.seed, options.passes, options.processes)
    for stage in chain:
        start = None if stage.start is None else options.work / stage.start / "checkpoint.pt"
        train(
            argparse.Namespace(
                command="train",
                design=stage.design,
                cache=cache,
                out=options.work / stage.design,
                steps=max(1, round(options.part * stage.steps)),
                rate=stage.rate,
                seed=options.seed,
                start=start,
                weights=options.weights if DESIGNS[stage.design].perceptual else None,
                teacher=None,
                device=options.device,
                threads=options.threads,
                workers=options.workers,
                pause=options.pause,
            )
        )
    finish = plans.finish(options.model)
    write(
        argparse.Namespace(
            command="export",
            out=options.work / chain[-1].design,
            models=options.models,
            name=options.model,
            calm=None if finish.calm is None else options.work / finish.calm,
            share=finish.share,
            told_at_most=finish.told_at_most,
            leniency=finish.leniency,
        )
    )


def begun(design: Design, seed: int, start: Path | None) -> nn.Module:
    """Returns the network that a training begins with: the seed decides what is new in it."""
    torch.manual_seed(seed)
    net = design.net()
    if start is not None:
        start_from(net, start, seen(start))
    return net


def designed(path: Path) -> str | None:
    """Returns the design of an exported model, or of a checkpoint as far as that is known."""
    if path.suffix == ".onnx":
        return plans.family(path.stem)
    run = path.parent / "run.json"
    return json.loads(run.read_text())["design"] if run.is_file() else None


def seen(start: Path) -> Sequence[int] | None:
    """Returns which frames the network of a checkpoint sees; the card of a model tells its own."""
    name = None if start.suffix == ".onnx" else designed(start)
    net = None if name is None else DESIGNS[name].net()
    return net.window.offsets if isinstance(net, PlanesNet) else None


def taught(task: Any, teacher: Path) -> Distillation:
    """Returns the same training with a teacher.

    Raises:
        SystemExit: It is none that a teacher helps, or the teacher does not see the same frames.
    """
    if type(task) is not Restoration:
        raise SystemExit("--teacher is for Deblock and SuperRes without a perceptual loss")
    name = designed(teacher)
    if name is None:
        raise SystemExit(f"nobody knows what {teacher} is: there is no run.json beside it")
    net = DESIGNS[name].net()
    start_from(net, teacher)
    assert isinstance(net, WindowNet)
    if net.scale != task.net.scale or set(task.net.window.offsets) - set(net.window.offsets):
        raise SystemExit(f"{teacher} can't teach this: another scale, or frames it does not see")
    given = {field.name: getattr(task, field.name) for field in fields(Restoration)}
    return Distillation(**given, teacher=net.eval().requires_grad_(False))


def command_line(options: argparse.Namespace) -> str:
    """Returns the command for a model card: everything but the paths and speed of one machine."""
    words = ["python", "scripts/train.py", options.command]
    words += [options.design] if options.command == "train" else []
    for name, value in vars(options).items():
        local = name in ("command", "design", "models", "threads", "workers", "pause", "device")
        if not local and value is not None:
            option = name.replace("_", "-")
            words += [f"--{option}", placed(name, value)]
    return shlex.join(words)


def placed(name: str, value: Any) -> str:
    """Returns the value of an option as a card tells it: of a path, the name of a model alone."""
    if not isinstance(value, Path):
        return str(value)
    return value.name if value.suffix == ".onnx" else name.upper()


def history(start: Path) -> dict[str, Any]:
    """Returns what is known of the training that made a checkpoint or an exported model."""
    if start.suffix != ".onnx":
        return record(start.parent)
    training = json.loads(start.with_suffix(".json").read_text())["training"]
    return {name: training[name] for name in ("command", "seed", "hours", "steps")}


def record(out: Path) -> dict[str, Any]:
    """Returns what a card tells of a training, those it started from included."""
    run = json.loads((out / "run.json").read_text())
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    earlier = run.get("earlier") or {"command": "", "hours": 0.0, "steps": 0}
    return {
        "command": "; ".join(filter(None, (earlier["command"], run["command"]))),
        "seed": run["seed"],
        "hours": round(earlier["hours"] + state["seconds"] / 3600.0, 2),
        "steps": earlier["steps"] + state["step"],
    }


def write(options: argparse.Namespace) -> None:
    """Exports the averaged weights of a checkpoint, or what lies between two.

    Raises:
        SystemExit: Nobody knows what was trained.
    """
    vivid = weights_in(options.out)
    name = designed(vivid)
    if name is None:
        raise SystemExit(f"nobody knows what {vivid} is: there is no run.json beside it")
    design = DESIGNS[name]
    net = begun(design, 0, vivid)
    # An exported model has a card of its own, so that of what lies between tells of the other one.
    between = options.calm is not None and options.out.suffix == ".onnx"
    training = history(weights_in(options.calm) if between else vivid)
    if options.calm is not None:
        calm = begun(design, 0, weights_in(options.calm))
        net.load_state_dict(interpolated(calm.state_dict(), net.state_dict(), options.share))
    use = {
        name: vars(options)[name]
        for name in ("told_at_most", "leniency")
        if vars(options)[name] is not None
    }
    if options.calm is not None or use:
        training["command"] += f"; {command_line(options)}"
    use["detail"] = sibling(options.name)
    export(net, options.models, options.name, described(options.name, design), training, use)


def weights_in(path: Path) -> Path:
    """Returns the file of the weights of a training's folder, or the exported model itself."""
    return path if path.suffix == ".onnx" else path / "checkpoint.pt"


def sibling(name: str) -> str | None:
    """Returns the shipped model that ``detail=`` moves a model towards, as its name tells."""
    try:
        family = plans.finish(name).sibling
    except ValueError:
        return None
    shipped = (card.name for card in newest(list_models()))
    return next((name for name in shipped if plans.family(name) == family), None)


def described(name: str, design: Design) -> str:
    """Returns the sentence of a model's card: that of the design which is named as the model is."""
    try:
        return DESIGNS[plans.family(name)].description
    except ValueError:
        return design.description


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Trains the shipped models.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make", help="make a shipped model anew, from data to file")
    command.add_argument("model", help="its name, with or without the version")
    command.add_argument("--data", type=Path, required=True, help="folder with the sources")
    command.add_argument("--work", type=Path, required=True, help="cache, checkpoints and logs")
    command.add_argument("--models", type=Path, default=Path("."), help="folder to write to")
    command.add_argument("--weights", type=Path, help="SqueezeNet 1.1, for perceptual designs")
    command.add_argument("--part", type=float, default=1.0, help="of all steps, for a trial")
    command.add_argument("--passes", type=int, default=2)
    command.add_argument("--processes", type=int, default=2, help="that prepare")
    _add_running(command)
    command = commands.add_parser("prepare", help="decode, film and damage everything")
    command.add_argument("--data", type=Path, required=True, help="folder with the sources")
    command.add_argument("--cache", type=Path, required=True, help="folder for the shards")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--passes", type=int, default=2)
    command.add_argument("--processes", type=int, default=2)
    command = commands.add_parser("pack", help="cut a small part out of a cache, to carry")
    command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    command.add_argument("--parcel", type=Path, required=True, help="file to write")
    command.add_argument("--scale", type=int, choices=list(DAMAGED), required=True)
    command.add_argument("--real", action="store_true", help="for video of unknown history")
    command.add_argument("--megabytes", type=float, default=32.0, help="that it may have")
    command.add_argument("--seed", type=int, default=1)
    command = commands.add_parser("unpack", help="make a cache of what was packed")
    command.add_argument("--parcel", type=Path, required=True, help="file of `pack`")
    command.add_argument("--cache", type=Path, required=True, help="folder for the shards")
    command = commands.add_parser("train", help="train a design, or go on with it")
    command.add_argument("design", choices=DESIGNS)
    command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    command.add_argument("--out", type=Path, required=True, help="checkpoints and log")
    command.add_argument("--steps", type=int, required=True, help="length of the training")
    command.add_argument("--rate", type=float, help="learning rate, else that of the design")
    command.add_argument(
        "--start", type=Path, help="begin with the weights of this checkpoint or exported model"
    )
    command.add_argument(
        "--teacher", type=Path, help="learn from what this checkpoint or exported model gives, too"
    )
    command.add_argument("--weights", type=Path, help="SqueezeNet 1.1, for perceptual designs")
    _add_running(command)
    command = commands.add_parser("export", help="write a model and its card")
    command.add_argument(
        "--out", type=Path, required=True, help="folder of the training, or an exported model"
    )
    command.add_argument("--models", type=Path, required=True, help="folder to write to")
    command.add_argument("--name", required=True, help="name of the model")
    command.add_argument(
        "--calm",
        type=Path,
        help="of two trainings (folders, or exported models), the one with less texture",
    )
    command.add_argument("--share", type=float, default=1.0, help="of this one's weights, 0 to 1")
    command.add_argument(
        "--told-at-most", type=float, help="coarsest quantiser that the model is to be told"
    )
    command.add_argument(
        "--leniency", type=float, help="by how much finer what it refines is told the quantiser"
    )
    command = commands.add_parser("plot", help="draw learning curves")
    command.add_argument("--out", type=Path, required=True, nargs="+", help="training folders")
    command.add_argument("--picture", type=Path, required=True, help="file to write")
    return parser.parse_args()


def _add_running(command: argparse.ArgumentParser) -> None:
    """Adds how a training runs."""
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--device", default="cpu", help="cpu or cuda")
    command.add_argument("--threads", type=int, default=1, help="of the training itself")
    command.add_argument("--workers", type=int, default=0, help="processes that draw batches")
    command.add_argument("--pause", type=float, default=180.0, help="seconds per checkpoint")


def main() -> None:
    """Runs the sub-command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options = arguments()
    if options.command == "prepare":
        from vsvqe.training.prepare import prepare

        prepare(options.data, options.cache, options.seed, options.passes, options.processes)
    elif options.command == "pack":
        kinds = (REAL if options.real else DAMAGED)[options.scale]
        limit = round(options.megabytes * 2**20)
        packed = pack(options.cache, options.parcel, options.scale, kinds, limit, options.seed)
        logging.info("%s", packed)
    elif options.command == "unpack":
        logging.info("%d clips", unpack(options.parcel, options.cache))
    elif options.command == "make":
        make(options)
    elif options.command == "export":
        write(options)
    elif options.command == "plot":
        # Needs matplotlib, which the training does not.
        from vsvqe.training.curves import draw

        draw(options.out, options.picture)
    else:
        train(options)


if __name__ == "__main__":
    main()
