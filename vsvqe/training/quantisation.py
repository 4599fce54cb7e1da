"""The training of the estimate of how coarsely video was quantised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vsvqe.cards import CLEAN_QUANTISER
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.training.pairs import Pair, Pairs, find_pairs, luma
from vsvqe.training.store import Bytes, Store
from vsvqe.training.tasks import damage_name, validation_batch
from vsvqe.training.trainer import Unopposed

# Share of the sides of a frame that is looked at, at least: filters show all of it.
LEAST_PART = 0.6
# Share of the draws that are altered clips: each gives three windows, so two fifths of all.
ALTERED_DRAWS = 0.2


class Seen(NamedTuple):
    """What the network sees of windows, and what it is to tell.

    Attributes:
        statistics: See ``QuantiserNet.statistics``, `[N, F]`.
        quantiser: Of the windows, `[N]`.
    """

    statistics: Tensor
    quantiser: Tensor

    def to(self, device: torch.device) -> Seen:
        """Returns the same on a device."""
        return Seen(*(tensor.to(device, non_blocking=True) for tensor in self))


@dataclass
class Quantisation(Unopposed):
    """The estimate of how coarsely video was quantised.

    What the statistics are is not learned, so those of all windows are made once, beforehand.

    Attributes:
        net: The network; mean and deviation of the statistics become those of the windows.
        pairs: Damaged clips, and originals of the same size.
        valid: Clips never trained on.
        windows: How many windows are looked at: parts of frames, and of altered ones.
        count: How many of them make a batch.
    """

    net: QuantiserNet
    pairs: Pairs
    valid: Store
    windows: int
    count: int = 256
    _seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        """Looks at the windows."""
        rng = np.random.default_rng(0)
        statistics: list[Tensor] = []
        quantisers: list[float] = []
        while len(statistics) < self.windows:
            for couple, quantiser in self._couples(rng):
                statistics.append(self.net.statistics(luma(couple[None])))
                quantisers.append(quantiser)
        self._seen = Seen(torch.cat(statistics), torch.tensor(quantisers))
        self.net.standardise(self._seen.statistics)

    def _couples(self, rng: np.random.Generator) -> list[tuple[Bytes, float]]:
        """Draws one window of a clip, or some of an altered one."""
        if rng.random() < ALTERED_DRAWS:
            # Encoders, which other trainings do without.
            from vsvqe.training.altered import altered_couples

            return altered_couples(self.pairs.store, rng)
        crop = self.pairs.part(rng, self.net.window, LEAST_PART)
        return [(crop.damaged.y, crop.quantiser)]

    def batch(self, rng: np.random.Generator) -> Seen:
        """Draws a batch."""
        drawn = torch.from_numpy(rng.integers(len(self._seen.quantiser), size=self.count))
        return Seen(*(tensor[drawn] for tensor in self._seen))

    def loss(self, batch: Seen) -> Tensor:
        """Returns the mean absolute error."""
        # Before the clipping of the output, which would stop the gradient of what is far off.
        estimate = self.net.estimate(batch.statistics)
        cleaner = (batch.quantiser <= CLEAN_QUANTISER) & (estimate < CLEAN_QUANTISER)
        return ((estimate - batch.quantiser).abs() * ~cleaner).mean()

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns, for every kind of damage, the mean estimate and its mean error."""
        assert isinstance(net, QuantiserNet)
        net.eval()
        figures: dict[str, list[float]] = {}
        coded = find_pairs(self.valid, self.pairs.kinds, 1)
        clean = [Pair(p.shard, p.clean, p.clean, p.moved) for p in coded]
        for pair in (*coded, *clean):
            batch = validation_batch(self.valid, pair, net.window, 1)
            with torch.no_grad():
                estimate = net(batch.y)
            off = (estimate - batch.quantiser).abs()
            name = f"{pair.moved.kind.partition('-')[0]}-{damage_name(pair)}"
            figures.setdefault(name, []).append(estimate.mean().item())
            figures.setdefault(f"{name}-off", []).append(off.mean().item())
        return {name: float(np.mean(values)) for name, values in figures.items()}
