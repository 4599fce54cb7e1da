"""Measures what bfloat16 and the channels-last layout are worth in training on the CPU.

Each design is trained for a few steps on one batch in all four ways, in turns, by one thread; the
table has steps a second of its processor time, the most of all turns, so that what else runs on the
machine counts little. Drawing batches is left out: it is the same in all of them.

Example:
    python scripts/training_speed.py --cache cache --designs deblock-fast superres-x2-best
        --page docs/training.md
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation.sections import fill_section
from vsvqe.training.designs import DESIGNS, Material
from vsvqe.training.store import Store
from vsvqe.training.trainer import Settings, Trainer, Unopposed

WAYS = tuple(itertools.product((False, True), (False, True)))
"""Whether in bfloat16, and whether with channels last."""


@dataclass
class Still(Unopposed):
    """A training that has one batch, again and again, and is not judged."""

    task: Any
    drawn: Any

    @property
    def net(self) -> nn.Module:
        """The network."""
        return self.task.net

    def batch(self, rng: np.random.Generator) -> Any:
        """Returns the batch."""
        return self.drawn

    def loss(self, batch: Any) -> Tensor:
        """Returns the loss of the training."""
        return self.task.loss(batch)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns nothing."""
        return {}


def seconds(task: Still, low: bool, last: bool, steps: int) -> float:
    """Returns the processor time of one step."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), steps, 1e-4, low_precision=low, pause=1e9)
        trainer = Trainer(task, settings)
        hooks = [] if last else channels_first(task.net)
        began = time.process_time()
        trainer.run()
        took = time.process_time() - began
    for hook in hooks:
        hook.remove()
    return took / steps


def channels_first(net: nn.Module) -> list[Any]:
    """Undoes the layout that the trainer gives a network, and that its windows have."""
    net.to(memory_format=torch.contiguous_format)
    layers = (layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
    return [
        layer.register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))
        for layer in layers
    ]


def row(name: str, options: argparse.Namespace) -> str:
    """Measures a design and returns its row in Markdown."""
    store = Store(options.cache, "[st]*")
    torch.manual_seed(1)
    design = DESIGNS[name]
    task = design.task(design.net(), Material(store, store))
    still = Still(task, task.batch(np.random.default_rng(1)))
    best = dict.fromkeys(WAYS, np.inf)
    # The first turn makes kernels, and does not count.
    for turn in range(options.turns + 1):
        for low, last in WAYS:
            took = seconds(still, low, last, options.steps)
            if turn:
                best[low, last] = min(best[low, last], took)
    usual = best[False, False]
    cells = [f"{1 / best[way]:.2f} ({usual / best[way]:.2f}x)" for way in WAYS]
    return f"| `{name}` | {' | '.join(cells)} |"


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="of `train.py prepare`")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, required=True)
    parser.add_argument("--steps", type=int, default=25, help="of every training")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--page", type=Path, required=True, help="Markdown file to fill")
    return parser.parse_args()


def main() -> None:
    """Measures and writes."""
    options = arguments()
    names = [
        ("bfloat16" if low else "float32") + (", channels last" if last else "")
        for low, last in WAYS
    ]
    lines = [f"| design | {' | '.join(names)} |", "|---" + "|--:" * len(WAYS) + "|"]
    lines += [row(name, options) for name in options.designs]
    fill_section(options.page, "training-speed", "\n".join(lines))


if __name__ == "__main__":
    main()
