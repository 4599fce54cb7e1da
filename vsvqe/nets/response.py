"""How much of its residual a network should give, by how coarsely the video was quantised.

A network that sees a few pixels can't tell a flat wall from one that coding made flat, and takes
away less than it should where compression was strong, and more where it was slight. How strong it
was is the same for a whole picture, so it is told from outside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KNOTS = (10.0, 14.0, 18.0, 22.0, 26.0, 30.0, 34.0, 38.0, 42.0)
"""Quantisers, on the scale of H.264 and HEVC, between which the response is linear."""

# Its few parameters may move faster than the many weights of a network.
SPEED = 4.0


class Response(nn.Module):
    """Factors of the luma and of the chroma residual, by quantiser; 1 at first."""

    def __init__(self) -> None:
        """Begins with 1 everywhere."""
        super().__init__()
        self.departure = nn.Parameter(torch.zeros(2, len(KNOTS)))

    def forward(self, quantiser: Tensor) -> Tensor:
        """Returns the factors of luma and chroma, `[2, N]`.

        Args:
            quantiser: Of every picture, `[N]`; beyond the knots it counts as the nearest.
        """
        knots = torch.tensor(KNOTS, device=quantiser.device)
        inside = quantiser.clamp(KNOTS[0], KNOTS[-1])
        step = knots[1] - knots[0]
        hats = (1.0 - (inside[:, None] - knots).abs() / step).clamp_min(0.0)
        return self.factors @ hats.T

    @property
    def factors(self) -> Tensor:
        """The factors of luma and chroma at the knots, `[2, K]`."""
        return 1.0 + SPEED * self.departure
