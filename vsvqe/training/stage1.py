"""What a shipped Deblock model makes of a batch: the pictures that ASTF's second stage refines."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vsvqe.cards import Card, find
from vsvqe.inference.backends import OnnxCpu, OpenVino
from vsvqe.inference.errors import BackendUnavailable
from vsvqe.inference.session import Session, SessionRequest, open_session
from vsvqe.nets.window import Window
from vsvqe.training.pairs import Batch


class Stage1:
    """Runs the model and keeps what it can know of a crop: all but its margin."""

    def __init__(self, model: str) -> None:
        """Looks the model up.

        Args:
            model: Name of a shipped Deblock model.
        """
        card = find(model, "deblock")
        assert isinstance(card, Card)
        self._card = card
        self.window = Window(card.offsets, card.aligned, card.kernel)
        # Even, so that the chroma is cut where the luma is.
        self.margin = -(-card.receptive_field // 2) * 2

    def enhanced(self, batch: Batch, margin: int) -> Batch:
        """Returns the batch with enhanced frames in place of its windows, and the damaged beside.

        Args:
            batch: Damaged windows, as ``Pairs`` draws them for ``window``.
            margin: Luma pixels to cut off on every side, even.
        """
        count, _, height, width = batch.y.shape
        y = np.empty((count, 1, height, width), np.float32)
        uv = np.empty((count, 2, height // 2, width // 2), np.float32)
        quantiser = batch.quantiser.numpy()
        inputs = [batch.y.numpy(), batch.uv.flatten(1, 2).numpy()]
        if self._card.quantiser_map:
            plane = np.empty((count, 1, height // 2, width // 2), np.float32)
            plane[:] = self._card.levels(quantiser)[:, None, None, None]
            inputs[1] = np.concatenate((inputs[1], plane), axis=1)
        arrays = [np.ascontiguousarray(planes) for planes in inputs]
        self._session(arrays).run(arrays, [y, uv])
        for residual, factors in zip((y, uv), self._card.factors(quantiser).T, strict=True):
            residual *= factors[:, None, None, None]
        half = margin // 2
        base_y = _inner(batch.base_y + torch.from_numpy(y), margin)
        base_uv = _inner(batch.base_uv + torch.from_numpy(uv), half)
        target_y, target_uv = _inner(batch.target_y, margin), _inner(batch.target_uv, half)
        return batch._replace(
            y=torch.cat((base_y, _inner(batch.base_y, margin)), dim=1),
            uv=torch.stack((base_uv, _inner(batch.base_uv, half)), dim=1),
            base_y=base_y,
            base_uv=base_uv,
            target_y=target_y,
            target_uv=target_uv,
        )

    def _session(self, arrays: list[np.ndarray]) -> Session:
        """Opens the model for a shape, or finds it open; one thread, as training has others."""
        names = ("y", "uv")
        shapes = tuple((name, a.shape) for name, a in zip(names, arrays, strict=True))
        request = SessionRequest(
            model=self._card.path, sha256=self._card.sha256, shapes=shapes, half=True
        )
        try:
            return open_session(request, OpenVino(threads=1))[0]
        except BackendUnavailable:
            return open_session(request, OnnxCpu(threads=1))[0]


def _inner(planes: Tensor, margin: int) -> Tensor:
    """Cuts a margin off on every side."""
    height, width = planes.shape[-2:]
    return planes[..., margin : height - margin, margin : width - margin].contiguous()
