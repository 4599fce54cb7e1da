"""Muon for the kernels inside a network, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class MuonAdamW:
    """Trains convolutions towards the same quality in about half the steps of AdamW.

    Muon (Jordan et al., 2024) makes every update of a matrix orthogonal. A kernel counts as the
    matrix of its outputs by everything that goes into one. The first and the last layer, where a
    channel has a meaning of its own, biases and scales stay with AdamW, and so does a network
    without kernels.
    """

    def __init__(self, net: nn.Module, rate: float, weight_decay: float = 0.0) -> None:
        """Sorts the parameters.

        Args:
            net: The network; kernels in channels-last memory order.
            rate: Highest learning rate of both.
            weight_decay: Of the kernels that Muon trains.

        Raises:
            ValueError: A kernel is not in channels-last order.
        """
        parameters = dict(net.named_parameters())
        names = [name for name, p in parameters.items() if p.ndim == 4 and _is_inner(name)]
        self._kernels = [parameters[name] for name in names]
        # Views of the same memory: the package's Muon takes matrices only.
        self._matrices = [nn.Parameter(_as_matrix(p.data)) for p in self._kernels]
        for matrix, kernel in zip(self._matrices, self._kernels, strict=True):
            if matrix.data_ptr() != kernel.data_ptr():
                raise ValueError("the network's kernels must be in channels-last order")
        rest = [p for name, p in parameters.items() if name not in names]
        self._parts: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(rest, rate, weight_decay=0.0)
        }
        if self._matrices:
            # Its updates are scaled to the size of AdamW's, so one rate serves both.
            self._parts["muon"] = torch.optim.Muon(
                self._matrices,
                lr=rate,
                weight_decay=weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )

    def set_rate(self, rate: float) -> None:
        """Sets the learning rate of both."""
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for kernel in self._kernels:
            kernel.grad = None
        self._parts["adamw"].zero_grad()

    def step(self) -> None:
        """Updates all parameters that have a gradient."""
        for matrix, kernel in zip(self._matrices, self._kernels, strict=True):
            matrix.grad = None if kernel.grad is None else _as_matrix(kernel.grad)
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def _is_inner(name: str) -> bool:
    """Whether a kernel lies between features, not at the pictures."""
    return not name.startswith(("head", "tail"))


def _as_matrix(kernel: torch.Tensor) -> torch.Tensor:
    """Returns a kernel as a matrix, a row for each output."""
    return kernel.permute(0, 2, 3, 1).flatten(1)
