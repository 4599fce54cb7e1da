"""A small network that tells how coarsely video was quantised when it was compressed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.blocks import NEGATIVE_SLOPE
from vsvqe.nets.window import Window

FINEST = 8.0
COARSEST = 51.0
"""Quantisers that it may tell, on the scale of H.264 and HEVC."""

BLOCK = 8
"""Luma pixels to a side of what the cosine transform is of."""

# Amplitudes, in codes of 8-bit video, are told apart by half octaves: from a quarter of a code on.
STEPS_PER_OCTAVE = 2
LOWEST_STEP, HIGHEST_STEP = -4, 15
CODES = 219.0
# Keeps logarithms finite.
LEAST = 1.0 / 16.0
# Of a share: keeps the slope of its root finite.
LEAST_SHARE = 1e-4
# Brings quantisers to about mean 0 and deviation 1.
QUANTISER_SCALE, QUANTISER_OFFSET = 9.0, 28.0
# Deviations from the mean.
UNLIKE = 4.0
# Of the statistics that a step of the training does without.
DROPOUT = 0.05


class QuantiserNet(nn.Module):
    """Estimates the quantiser of the encoder.

    A quantiser leaves no amplitudes between nothing and its step: neither in what an encoder codes
    of a picture, nor in what it changes from one picture to the next. So the network sees, for each
    frequency of the cosine transform of the blocks of a frame, and of its difference to the next
    frame brought to where its content is, how often an amplitude lies in each half octave; the root
    of it, because what is rare tells as much. Fan and de Queiroz ("Identification of bitmap
    compression history: JPEG detection and quantizer estimation", 2003) tell the quantisers of JPEG
    from such distributions.

    Attributes:
        mean: Of each of the statistics over the training.
        deviation: Their standard deviation there.
    """

    window = Window((0, 1), aligned=True)

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int = 64) -> None:
        """Builds the network.

        Args:
            channels: Features in each of the two layers.
        """
        super().__init__()
        pictures, frequencies = len(self.window.offsets), BLOCK * BLOCK - 1
        given = pictures * frequencies * (HIGHEST_STEP - LOWEST_STEP + 2)
        self.register_buffer("mean", torch.zeros(given))
        self.register_buffer("deviation", torch.ones(given))
        self.first = nn.Linear(given, channels)
        self.second = nn.Linear(channels, channels)
        self.last = nn.Linear(channels, 1)

    @property
    def receptive_field(self) -> int:
        """Luma pixels on one side that an amplitude depends on, before averaging."""
        return BLOCK

    def statistics(self, y: Tensor) -> Tensor:
        """Returns how the amplitudes are distributed, `[N, F]`.

        Args:
            y: Luma in [0, 1], `[N, 2, H, W]`; what exceeds whole blocks is ignored.
        """
        own, following = y[:, :1], y[:, 1:]
        amplitudes = torch.cat(
            [
                functional.conv2d(picture, cosine_transform(), stride=BLOCK).abs()
                for picture in (own, following - own)
            ],
            dim=1,
        )
        steps = STEPS_PER_OCTAVE * (CODES * amplitudes + LEAST).log2()
        # Shares of the blocks that are beyond a step, shared out between steps linearly.
        beyond = [
            (steps - step).clamp(0.0, 1.0).mean(dim=(2, 3))
            for step in range(LOWEST_STEP, HIGHEST_STEP + 1)
        ]
        all_of_them = torch.ones_like(beyond[0])
        reached = torch.stack([all_of_them, *beyond, torch.zeros_like(all_of_them)], dim=1)
        shares = reached[:, :-1] - reached[:, 1:]
        return (shares + LEAST_SHARE).sqrt().flatten(1)

    def standardise(self, statistics: Tensor) -> None:
        """Sets mean and deviation to those of the training's statistics, `[N, F]`."""
        self.mean.copy_(statistics.mean(dim=0))
        # What hardly ever varies would be all noise.
        self.deviation.copy_(statistics.std(dim=0) + 0.01)

    def estimate(self, statistics: Tensor) -> Tensor:
        """Returns the estimated quantiser `[N]`, without bounds.

        Args:
            statistics: From ``statistics``.
        """
        # What is unlike all that was seen counts no more than the most unlike of that.
        hidden = ((statistics - self.mean) / self.deviation).clamp(-UNLIKE, UNLIKE)
        for layer in (self.first, self.second):
            hidden = functional.dropout(hidden, DROPOUT, self.training)
            hidden = functional.leaky_relu(layer(hidden), NEGATIVE_SLOPE)
        estimate: Tensor = self.last(hidden)[:, 0]
        return QUANTISER_SCALE * estimate + QUANTISER_OFFSET

    def forward(self, y: Tensor) -> Tensor:
        """Returns the estimated quantiser `[N]`, within what it may tell."""
        return self.estimate(self.statistics(y)).clamp(FINEST, COARSEST)


def cosine_transform() -> Tensor:
    """Returns the kernels of the cosine transform of a block, but for its mean."""
    rows = torch.arange(BLOCK, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi * rows * (2 * rows.T + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2.0)
    kernels = torch.einsum("ai,bj->abij", basis, basis).reshape(-1, 1, BLOCK, BLOCK)
    return kernels[1:].float()
