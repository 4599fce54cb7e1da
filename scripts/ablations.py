"""Measures what recurrent networks gain by long runs and by cleaning, and the borders of chunks.

`train` makes a light BasicVSR on the cache of `train.py prepare`, and `train --real` one that
cleans first, as RealBasicVSR does, from the weights of the former; see `light_networks.py`.
`measure` takes both, or any checkpoint of BasicVSR, IconVSR, BasicVSR++ or RealBasicVSR.

Example:
    python scripts/ablations.py train --cache cache --out out/light --steps 1600
    python scripts/ablations.py train --cache cache --out out/real --steps 1600 --real out/light
    python scripts/ablations.py measure --cache cache --light out/light --real out/real
        --page docs/ablations.md
    python scripts/ablations.py measure --cache cache --checkpoint RealBasicVSR_x4.pth
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# The checkout's own code is measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from demo_scenes import SCENE_FRAMES, frames
from light_networks import (
    REAL,
    Light,
    LightReal,
    LightRealVSR,
    LightVSR,
    Network,
    Run,
    errors_of,
    psnr,
    runs,
)
from vsvqe.checkpoints.models import load
from vsvqe.nets.basicvsr import SCALE
from vsvqe.nets.realbasicvsr import MOST_PASSES, RealBasicVSR
from vsvqe.training.beginnings import start_from
from vsvqe.training.degrade import degrade, mirrored
from vsvqe.training.store import Store
from vsvqe.training.trainer import Settings, Trainer

LENGTHS = (1, 5, 10, 30)
OVERLAPS = (0, 1, 2, 3, 4, 6, 8, 10)
# Of the chunks whose borders are looked at.
CHUNK = 12
# By how much the error at borders may exceed the error inside, for borders that can't be seen.
INVISIBLE = 1.05
PASSES = (0, 1, 2, 3, 5)
# Of dynamic refinement, in 255ths, from where a pass is always enough to where all are run. Its
# authors name 5 for weights trained with a GAN, and 1.5 for others.
THRESHOLDS = (6.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.5)
# Of those, the ones that are shown.
SHOWN_THRESHOLDS = (3.0, 2.0)
# What the pictures show: a part of the wall of the drawn clip, and the frame.
SHOWN = (424, 96, 160, 96)
# Around it, for what a light network sees beyond.
MARGIN = 48
FRAME = 12
DAMAGE_SEED = 4


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


def cleaned(network: RealBasicVSR, passes: int) -> Network:
    """Returns the network with a fixed number of cleaning passes."""

    def run(frames: Tensor) -> Tensor:
        for _ in range(passes):
            frames = frames + network.image_cleaning(frames[0])[None]
        enlarged: Tensor = network.basicvsr(frames)
        return enlarged

    return run


def counted(network: RealBasicVSR, frames: Tensor, threshold: float) -> int:
    """Returns how many passes dynamic refinement runs."""
    network.threshold = threshold
    return network.cleaned(frames)[1]


def change(network: RealBasicVSR, frames: Tensor, passes: int) -> float:
    """Returns by how many 255ths the last of so many passes changes a run."""
    residue = torch.zeros(())
    for _ in range(passes):
        residue = network.image_cleaning(frames[0])[None]
        frames = frames + residue
    return 255.0 * residue.abs().mean().item()


def lengths(clips: Sequence[Run], network: Network) -> list[str]:
    """Returns the table of runs of several lengths."""
    rows = ["| frames of a run | PSNR-Y dB |", "|--:|--:|"]
    for length in LENGTHS:
        errors = [errors_of(clip, chunked(network, length, 0)) for clip in clips]
        rows.append(f"| {length} | {np.mean([psnr(error) for error in errors]):.3f} |")
    return rows


def borders(clips: Sequence[Run], network: Network) -> list[str]:
    """Returns the table of overlaps: squared errors relative to those of the clip in one run."""
    whole = [errors_of(clip, network) for clip in clips]
    inner = np.arange(clips[0].damaged.shape[1])
    at = [n for n in inner[1:-1] if n % CHUNK in (0, CHUNK - 1)]
    inside = [n for n in inner if CHUNK // 3 <= n % CHUNK < 2 * CHUNK // 3]
    rows = [
        "| overlap | error at borders | error inside | borders / inside | frames computed per "
        "frame |",
        "|--:|--:|--:|--:|--:|",
    ]
    enough = None
    for overlap in OVERLAPS:
        ratios = [
            errors_of(clip, chunked(network, CHUNK, overlap)) / own
            for clip, own in zip(clips, whole, strict=True)
        ]
        mean = np.mean(ratios, axis=0)
        border, centre = mean[at].mean(), mean[inside].mean()
        if enough is None and border <= INVISIBLE * centre:
            enough = overlap
        cells = [f"{overlap}", f"{border:.4f}", f"{centre:.4f}", f"{border / centre:.4f}"]
        cells.append(f"{(CHUNK + 2 * overlap) / CHUNK:.2f}")
        rows.append(f"| {' | '.join(cells)} |")
    told = (
        f"from an overlap of {enough} on" if enough is not None else "with none of these overlaps"
    )
    limit = f"{100 * (INVISIBLE - 1):.0f} %"
    return [*rows, "", f"The error at borders is within {limit} of the error inside {told}."]


def cleaning(clips: Sequence[Run], network: RealBasicVSR) -> list[str]:
    """Returns the tables of cleaning passes: as many for all clips, and as many as each needs."""
    decibels = {
        passes: [psnr(errors_of(clip, cleaned(network, passes))) for clip in clips]
        for passes in PASSES
    }
    rows = [
        "| cleaning passes | PSNR-Y dB | change of the last one, 255ths: mean | least | most |",
        "|--:|--:|--:|--:|--:|",
    ]
    for passes, own in decibels.items():
        told = ["-"] * 3
        if passes:
            changes = [change(network, clip.damaged, passes) for clip in clips]
            told = [f"{value:.2f}" for value in (np.mean(changes), min(changes), max(changes))]
        rows.append(f"| {' | '.join([f'{passes}', f'{np.mean(own):.3f}', *told])} |")
    once = np.mean(decibels[1])
    each = [max(range(MOST_PASSES + 1), key=lambda n: decibels[n][i]) for i in range(len(clips))]
    kinds = {f"{t:g}": [counted(network, clip.damaged, t) for clip in clips] for t in THRESHOLDS}
    rows += [
        "",
        "Dynamic refinement repeats the cleaning, three times at most, while a pass changes the "
        "clip by the threshold or more:",
        "",
        "| threshold, 255ths | passes on average | clips with 1, 2, 3 passes | PSNR-Y dB | "
        "against one pass |",
        "|--:|--:|--:|--:|--:|",
    ]
    for name, counts in {**kinds, "best for each clip, 0 to 3": each}.items():
        mean = np.mean([decibels[count][i] for i, count in enumerate(counts)])
        shares = ", ".join(str(counts.count(n)) for n in range(1, MOST_PASSES + 1))
        cells = [name, f"{np.mean(counts):.2f}", shares, f"{mean:.3f}", f"{mean - once:+.3f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def drawn() -> Run:
    """Returns a part of the wall that `demo_scenes.py` draws, as it is and a quarter as large."""
    left, top, width, height = SHOWN
    rows = slice(top - MARGIN, top + height + MARGIN)
    columns = slice(left - MARGIN, left + width + MARGIN)
    scene = np.stack([frame[rows, columns] for frame in frames()][SCENE_FRAMES:])
    clean = scene.astype(np.float32) / 255
    count, high, wide, _ = clean.shape
    blocks = clean.reshape(count, high // SCALE, SCALE, wide // SCALE, SCALE, 3)
    return Run(_tensor(blocks.mean((2, 4))), _tensor(clean))


def damaged(run: Run) -> Run:
    """Returns the first frames of a run and the same backwards, damaged as the real world does."""
    clean = mirrored(run.clean[0, : FRAME + 1].permute(0, 2, 3, 1).numpy())
    return Run(_tensor(degrade(clean, SCALE, np.random.default_rng(DAMAGE_SEED))), _tensor(clean))


def picture(light: Network, real: RealBasicVSR | None) -> Image.Image:
    """Draws what runs of several lengths, and cleaning, make of the drawn clip.

    Args:
        light: Enlarges.
        real: Cleans and enlarges; without it there is one row.
    """
    run = drawn()
    longest = run.damaged.shape[1]
    row = {"input": run.damaged.repeat_interleave(SCALE, 3).repeat_interleave(SCALE, 4)}
    for length in (*LENGTHS[:-1], longest):
        row[f"runs of {length}"] = chunked(light, length, 0)(run.damaged)
    rows = [row | {"original": run.clean}]
    if real is not None:
        run = damaged(run)
        row = {"input": run.damaged.repeat_interleave(SCALE, 3).repeat_interleave(SCALE, 4)}
        for passes in PASSES:
            name = f"{passes} pass" if passes == 1 else f"{passes} passes"
            row[name] = cleaned(real, passes)(run.damaged)
        for threshold in SHOWN_THRESHOLDS:
            passes = counted(real, run.damaged, threshold)
            row[f"below {threshold:g}: {passes}"] = cleaned(real, passes)(run.damaged)
        rows.append(row | {"original": run.clean})
    return _sheet([{name: _shown(clip) for name, clip in row.items()} for row in rows])


def _tensor(clip: np.ndarray) -> Tensor:
    return torch.from_numpy(clip).permute(0, 3, 1, 2)[None].contiguous().float()


def _shown(clip: Tensor) -> np.ndarray:
    frame = clip[0, FRAME, :, MARGIN:-MARGIN, MARGIN:-MARGIN].clamp(0.0, 1.0)
    codes: np.ndarray = (255.0 * frame.permute(1, 2, 0)).round().to(torch.uint8).numpy()
    return codes


def _sheet(rows: Sequence[Mapping[str, np.ndarray]]) -> Image.Image:
    gap, caption = 6, 20
    _, _, width, height = SHOWN
    columns = max(len(row) for row in rows)
    size = (columns * (width + gap) + gap, len(rows) * (height + caption + gap) + gap)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, row in enumerate(rows):
        top = gap + number * (height + caption + gap)
        for column, (name, crop) in enumerate(row.items()):
            left = gap + column * (width + gap)
            pen.text((left, top), name, "black", font)
            sheet.paste(Image.fromarray(crop), (left, top + caption))
    return sheet


def train(options: argparse.Namespace) -> None:
    """Trains a light network."""
    torch.manual_seed(options.seed)
    store, valid = Store(options.cache, "[st]*"), Store(options.cache, "valid-*")
    settings = Settings(options.out, options.steps, 1e-3, options.seed, options.threads)
    if options.real is None:
        Trainer(Light(LightVSR(), store, valid), settings).run()
        return
    network = LightRealVSR()
    start_from(network.basicvsr, options.real / "checkpoint.pt")
    Trainer(LightReal(network, store, valid), settings).run()


def measure(options: argparse.Namespace) -> None:
    """Prints the tables, and writes them and a picture to the page if one is named."""
    network: nn.Module
    real: RealBasicVSR | None = None
    if options.light is not None:
        network = LightVSR()
        start_from(network, options.light / "checkpoint.pt")
        name = f"a light BasicVSR (32 channels, 3 blocks, searched flow; {told(options.light)})"
        if options.real is not None:
            real = LightRealVSR()
            start_from(real, options.real / "checkpoint.pt")
            name += f" and one that cleans first (4 blocks; {told(options.real)} more)"
    else:
        content = options.checkpoint.read_bytes()
        found = load(options.checkpoint, hashlib.sha256(content).hexdigest())
        network, name = found.network, f"{found.architecture} of `{options.checkpoint.name}`"
        real = network if isinstance(network, RealBasicVSR) else None
    store = Store(options.cache, "valid-*")
    with torch.inference_mode():
        clips = list(runs(store, ("quarter",), options.side, max(LENGTHS)))
        tables = {
            "Length of runs": lengths(clips, network.eval()),
            "Borders of chunks": borders(clips, network),
        }
        if real is not None:
            bad = list(runs(store, REAL, options.side, max(LENGTHS)))
            tables["Cleaning"] = cleaning(bad, real.eval())
        text = "\n\n".join(f"## {title}\n\n" + "\n".join(rows) for title, rows in tables.items())
        print(f"{name}\n\n{text}")
        if options.page:
            shown = options.page.with_suffix(".png")
            picture(network, real).save(shown, optimize=True)
            options.page.write_text(page(name, text, shown.name), encoding="utf-8")


def told(folder: Path) -> str:
    """Returns in words how long a training was."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    return f"{state['step']} steps"


def page(name: str, text: str, shown: str) -> str:
    """Returns the page of the tables.

    Args:
        name: Of the network, in words.
        text: The tables.
        shown: Name of the picture.
    """
    shown_thresholds = " or ".join(f"{threshold:g}" for threshold in SHOWN_THRESHOLDS)
    return f"""# Runs of recurrent networks

Generated by `scripts/ablations.py`; do not edit.

Measured with {name} on six clips never trained on: made a quarter as large and not coded for the
first two tables, and damaged as the real world does it (in two rounds, with a codec in each, see
[training.md](training.md)) for cleaning. Borders are those of chunks of {CHUNK} frames; errors are
squared, of luma, and relative to what the same frame has when the clip is one run.

![Runs of several lengths, and passes of cleaning]({shown})

*The wall that `scripts/demo.py` draws, made a quarter as large and enlarged again in runs of so
many frames; below, damaged, then cleaned so many times, or until a pass changes it by less than
{shown_thresholds} 255ths (the number of passes follows), and enlarged.*

{text}
"""


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train", help="train a light network")
    command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    command.add_argument("--out", type=Path, required=True, help="checkpoints and log")
    command.add_argument("--steps", type=int, default=3000)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--threads", type=int, default=1)
    command.add_argument(
        "--real", type=Path, help="train the one that cleans, from this folder of the other"
    )
    command = commands.add_parser("measure", help="print the tables")
    command.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    network = command.add_mutually_exclusive_group(required=True)
    network.add_argument("--light", type=Path, help="folder of a training of the light network")
    network.add_argument("--checkpoint", type=Path, help="of a recurrent network, x4")
    command.add_argument("--real", type=Path, help="with --light: of the one that cleans")
    command.add_argument("--side", type=int, default=96, help="of the middle that is looked at")
    command.add_argument("--page", type=Path, help="Markdown page to write, with a picture")
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
