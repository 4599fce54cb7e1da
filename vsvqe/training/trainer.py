"""The training loop: schedule by elapsed time, EMA, checkpoints, resume, log."""

from __future__ import annotations

import copy
import csv
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

EMA_DECAY = 0.999
GRADIENT_NORM = 1.0
WARM_UP = 0.01
LAST_RATE = 0.01

log = logging.getLogger(__name__)


class Task[B](Protocol):
    """What is trained: a network with its data and loss."""

    @property
    def net(self) -> nn.Module:
        """The network."""

    def batch(self, rng: np.random.Generator, progress: float) -> B:
        """Draws a batch; progress goes from 0 to 1 over the training."""

    def loss(self, batch: B, progress: float) -> Tensor:
        """Returns the loss of a batch."""

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns figures on pictures never trained on, by name."""

    def refresh(self) -> None:
        """Takes in data that appeared since the last look."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        out: Folder for the checkpoint and the log.
        seconds: Training time, over which the schedule runs.
        rate: Highest learning rate.
        seed: Seed of the batches and of the initial weights.
        threads: Threads of PyTorch.
        bfloat16_share: Share of the training in bfloat16, before the last part in float32.
        pause: Seconds between checkpoints.
    """

    out: Path
    seconds: float
    rate: float
    seed: int = 1
    threads: int = 1
    bfloat16_share: float = 0.85
    pause: float = 180.0

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint."""
        return self.out / "checkpoint.pt"


def learning_rate(progress: float, highest: float) -> float:
    """Returns the rate: a short warm-up, then a cosine."""
    warm = min(1.0, (progress + 1e-4) / WARM_UP)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
    return highest * warm * (LAST_RATE + (1.0 - LAST_RATE) * cosine)


class Trainer[B]:
    """Trains one task to the end of its time, continuing from a checkpoint if there is one."""

    def __init__(self, task: Task[B], settings: Settings) -> None:
        """Sets up, or resumes from the checkpoint in the folder.

        Args:
            task: What to train.
            settings: How to train it.
        """
        torch.set_num_threads(settings.threads)
        settings.out.mkdir(parents=True, exist_ok=True)
        self._task = task
        self._settings = settings
        self._net = task.net.to(memory_format=torch.channels_last)
        self._ema = copy.deepcopy(self._net).requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            self._net.parameters(), settings.rate, weight_decay=0, fused=True
        )
        self._rng = np.random.default_rng(settings.seed)
        self._step = 0
        self._elapsed = 0.0
        if settings.checkpoint.exists():
            self._resume()

    def run(self) -> None:
        """Trains until the time is used up."""
        settings = self._settings
        started = time.monotonic() - self._elapsed
        saved = told = self._elapsed
        losses: list[float] = []
        norms: list[float] = []
        while self._elapsed < settings.seconds:
            loss, norm = self._update(self._elapsed / settings.seconds)
            losses.append(loss)
            norms.append(norm)
            self._elapsed = time.monotonic() - started
            if self._elapsed - told > 30.0:
                told = self._elapsed
                self._tell(float(np.mean(losses)))
            if self._elapsed - saved > settings.pause:
                saved = self._elapsed
                self._report(float(np.mean(losses)), float(np.median(norms)))
                losses, norms = [], []
                self._task.refresh()
        self._report(float(np.mean(losses or [0.0])), float(np.median(norms or [0.0])))

    def _update(self, progress: float) -> tuple[float, float]:
        """Makes one step; returns the loss and the norm of its gradient."""
        batch = self._task.batch(self._rng, progress)
        low = progress < self._settings.bfloat16_share
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = self._task.loss(batch, progress)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._net.parameters(), GRADIENT_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(progress, self._settings.rate)
        self._optimizer.step()
        self._step += 1
        decay = min(EMA_DECAY, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            averages, weights = self._ema.parameters(), self._net.parameters()
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, 1.0 - decay)
        return loss.item(), norm.item()

    def _tell(self, loss: float) -> None:
        """Logs a line with the time left."""
        left = self._settings.seconds - self._elapsed
        log.info("step %d, loss %.5f, %.0f min left", self._step, loss, left / 60.0)

    def _report(self, loss: float, norm: float) -> None:
        """Validates the averaged weights, writes log and checkpoint."""
        figures = self._task.validate(self._ema)
        row: dict[str, float] = {
            "step": self._step,
            "seconds": round(self._elapsed, 1),
            "rate": learning_rate(self._elapsed / self._settings.seconds, self._settings.rate),
            "loss": loss,
            "norm": norm,
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
        self._save()

    def _save(self) -> None:
        """Writes the checkpoint, at once or not at all."""
        state = {
            "net": self._net.state_dict(),
            "ema": self._ema.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rng": self._rng.bit_generator.state,
            "step": self._step,
            "elapsed": self._elapsed,
            "seconds": self._settings.seconds,
            "seed": self._settings.seed,
        }
        part = self._settings.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self._settings.checkpoint)

    def _resume(self) -> None:
        """Continues from the checkpoint."""
        state: dict[str, Any] = torch.load(self._settings.checkpoint, weights_only=True)
        self._net.load_state_dict(state["net"])
        self._ema.load_state_dict(state["ema"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._rng.bit_generator.state = state["rng"]
        self._step = state["step"]
        self._elapsed = state["elapsed"]
        log.info("resumed at step %d", self._step)
