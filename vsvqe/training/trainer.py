"""The training loop: schedule by steps, EMA, checkpoints, resume, log."""

from __future__ import annotations

import copy
import csv
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from vsvqe.training.optimisers import MuonAdamW
from vsvqe.training.schedules import plateau_end, warmup_stable_decay

EMA_DECAY = 0.999
# Of an opponent's optimiser, as ESRGAN and what came of it have them.
OPPONENT_BETAS = (0.9, 0.99)
GRADIENT_NORM = 1.0
# Share of the steps before the last ones, whose small updates deserve float32.
LOW_PRECISION = 0.92

log = logging.getLogger(__name__)


class Movable(Protocol):
    """What can be moved to a device, as tensors can."""

    def to(self, device: torch.device) -> Self:
        """Returns it on a device."""


class Opponent(Protocol):
    """A second network, trained against what the first one makes."""

    @property
    def net(self) -> nn.Module:
        """The network."""

    @property
    def rate(self) -> float:
        """Its learning rate, the same at all steps."""

    def loss(self) -> Tensor:
        """Returns its loss on what was made of the batch that the task's loss was last asked of."""


class Task[B: Movable](Protocol):
    """What is trained: a network with its data and loss, and maybe an opponent."""

    @property
    def net(self) -> nn.Module:
        """The network."""

    @property
    def opponent(self) -> Opponent | None:
        """What is trained against it."""

    def batch(self, rng: np.random.Generator) -> B:
        """Draws a batch."""

    def loss(self, batch: B) -> Tensor:
        """Returns the loss of a batch."""

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns figures on pictures never trained on, by name."""


class Unopposed:
    """A task without an opponent."""

    opponent: Opponent | None = None


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        out: Folder for the checkpoints and the log.
        steps: Length of the training.
        rate: Highest learning rate.
        seed: Seed of the batches and of the initial weights.
        threads: Threads of PyTorch.
        workers: Processes that draw batches; 0 draws them in between.
        device: "cpu" or "cuda".
        low_precision: Whether to compute in bfloat16, but for the last steps.
        pause: Seconds between checkpoints.
    """

    out: Path
    steps: int
    rate: float
    seed: int = 1
    threads: int = 1
    workers: int = 0
    device: str = "cpu"
    low_precision: bool = True
    pause: float = 180.0

    @property
    def checkpoint(self) -> Path:
        """Path of the newest checkpoint."""
        return self.out / "checkpoint.pt"

    @property
    def plateau(self) -> Path:
        """Path of the checkpoint at the end of the plateau, where a longer training goes on."""
        return self.out / "plateau.pt"


class Batches[B: Movable](Dataset[B]):
    """The batches of a training: each depends on the seed and its step alone."""

    def __init__(self, task: Task[B], seed: int, steps: int) -> None:
        """Remembers what to draw from."""
        self._task = task
        self._seed = seed
        self._steps = steps

    def __len__(self) -> int:
        """Returns the number of steps."""
        return self._steps

    def __getitem__(self, step: int) -> B:
        """Draws the batch of a step."""
        return self._task.batch(np.random.default_rng((self._seed, step)))


class _Update(NamedTuple):
    """What one step gave: the loss, the norm of its gradient, and the opponent's loss."""

    loss: float
    norm: float
    answer: float | None


class _Rival:
    """An opponent with its optimiser."""

    def __init__(self, opponent: Opponent, device: torch.device) -> None:
        """Brings the network to the device.

        Args:
            opponent: What is trained.
            device: Where.
        """
        self._opponent = opponent
        self._net = opponent.net.to(device)
        self._net.to(memory_format=torch.channels_last)
        weights = self._net.parameters()
        self._optimiser = torch.optim.Adam(weights, opponent.rate, OPPONENT_BETAS)

    def update(self) -> float:
        """Makes one step; returns the loss."""
        loss = self._opponent.loss()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs."""
        return {"net": self._net.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        self._net.load_state_dict(state["net"])
        self._optimiser.load_state_dict(state["optimiser"])


class Trainer[B: Movable]:
    """Trains one task to its last step, continuing from a checkpoint if there is one."""

    def __init__(self, task: Task[B], settings: Settings) -> None:
        """Sets up, or resumes from a checkpoint in the folder.

        A finished training with fewer steps is continued from the end of its plateau.

        Args:
            task: What to train.
            settings: How to train it.
        """
        torch.set_num_threads(settings.threads)
        settings.out.mkdir(parents=True, exist_ok=True)
        self._task = task
        self._settings = settings
        self._device = torch.device(settings.device)
        self._net = task.net.to(self._device)
        self._net.to(memory_format=torch.channels_last)
        self._ema = copy.deepcopy(self._net).requires_grad_(False)
        self._optimiser = MuonAdamW(self._net, settings.rate)
        self._rival = _Rival(task.opponent, self._device) if task.opponent else None
        self._plateau_end = plateau_end(settings.steps)
        self._step = 0
        self._seconds = 0.0
        self._resume()

    def run(self) -> None:
        """Trains to the last step."""
        settings, steps = self._settings, self._settings.steps
        updates: list[_Update] = []
        saved = time.monotonic()
        loader = DataLoader(
            Batches(self._task, settings.seed, steps),
            batch_size=None,
            sampler=range(self._step, steps),
            num_workers=settings.workers,
            pin_memory=self._device.type == "cuda",
            # It draws a seed when it starts, which a training that goes on must not notice.
            generator=torch.Generator(),
        )
        with tqdm(total=steps, initial=self._step, mininterval=10.0, unit="step") as bar:
            started = time.monotonic()
            for batch in loader:
                updates.append(self._update(batch.to(self._device)))
                self._seconds += time.monotonic() - started
                started = time.monotonic()
                bar.update()
                if self._step == self._plateau_end:
                    self._save(settings.plateau)
                if time.monotonic() - saved > settings.pause:
                    self._report(updates)
                    updates = []
                    saved = started = time.monotonic()
        if updates:
            self._report(updates)

    def _update(self, batch: B) -> _Update:
        """Makes one step of the network, and of its opponent."""
        low = self._settings.low_precision and self._step < LOW_PRECISION * self._settings.steps
        with torch.autocast(self._device.type, torch.bfloat16, enabled=low):
            loss = self._task.loss(batch)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._net.parameters(), GRADIENT_NORM)
        self._step += 1
        self._optimiser.set_rate(self._rate())
        self._optimiser.step()
        decay = min(EMA_DECAY, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            averages, weights = self._ema.parameters(), self._net.parameters()
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, 1.0 - decay)
        answer = self._rival.update() if self._rival else None
        return _Update(loss.item(), norm.item(), answer)

    def _rate(self) -> float:
        """Returns the learning rate of the current step."""
        return self._settings.rate * warmup_stable_decay(self._step, self._settings.steps)

    def _report(self, updates: Sequence[_Update]) -> None:
        """Validates the averaged weights, writes log and checkpoint."""
        answers = [update.answer for update in updates if update.answer is not None]
        # Where the pictures are.
        figures = self._task.validate(copy.deepcopy(self._ema).cpu())
        row: dict[str, float] = {
            "step": self._step,
            "seconds": round(self._seconds, 1),
            "rate": self._rate(),
            "loss": float(np.mean([update.loss for update in updates])),
            "norm": float(np.median([update.norm for update in updates])),
            **({"opponent": float(np.mean(answers))} if answers else {}),
            **{name: round(figure, 4) for name, figure in figures.items()},
        }
        log.info("%s", " ".join(f"{name}={figure:g}" for name, figure in row.items()))
        path = self._settings.out / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
        self._save(self._settings.checkpoint)

    def _save(self, path: Path) -> None:
        """Writes a checkpoint, at once or not at all."""
        state: dict[str, Any] = {
            "net": self._net.state_dict(),
            "ema": self._ema.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "step": self._step,
            "seconds": self._seconds,
            "steps": self._settings.steps,
        }
        if self._device.type == "cuda":
            state["cuda_rng"] = torch.cuda.get_rng_state(self._device)
        if self._rival:
            state["opponent"] = self._rival.state_dict()
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def _resume(self) -> None:
        """Continues from the newest checkpoint that lies on the way of this training."""
        for path in (self._settings.checkpoint, self._settings.plateau):
            if not path.exists():
                continue
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            # Once the rate fell, a longer training would have gone another way.
            if state["steps"] != self._settings.steps and state["step"] > min(
                plateau_end(state["steps"]), self._plateau_end
            ):
                continue
            self._net.load_state_dict(state["net"])
            self._ema.load_state_dict(state["ema"])
            self._optimiser.load_state_dict(state["optimiser"])
            if self._rival:
                if "opponent" not in state:
                    raise ValueError(f"{path} has no opponent: it is of another training")
                self._rival.load_state_dict(state["opponent"])
            torch.set_rng_state(state["torch_rng"])
            # A training may change the machine on its way.
            if self._device.type == "cuda" and "cuda_rng" in state:
                torch.cuda.set_rng_state(state["cuda_rng"], self._device)
            self._step = state["step"]
            self._seconds = state["seconds"]
            log.info("resumed at step %d", self._step)
            return
