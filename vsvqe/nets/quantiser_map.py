"""A plane that tells a network how coarsely its picture was quantised.

The response (``vsvqe.nets.response``) decides how much of a residual is given; with the plane, the
network itself can go by the quantiser, and take other things away where compression was strong.

Source: the noise level map of Zhang, Zuo and Zhang, "FFDNet: toward a fast and flexible solution
for CNN-based image denoising", TIP 2018, section III.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsvqe.nets.response import KNOTS

FINEST, COARSEST = KNOTS[0], KNOTS[-1]
"""Quantisers that are -1 and 1 in the plane; beyond them one counts as the nearest."""

# It begins with nothing at a low rate, beside weights that are trained: it may move faster.
SPEED = 4.0


class QuantiserMap(nn.Module):
    """What the plane adds to the first features of a network; nothing at first."""

    def __init__(self, channels: int) -> None:
        """Begins with zeros, so that a network trained without the plane keeps its output.

        Args:
            channels: Feature channels.
        """
        super().__init__()
        self.departure = nn.Parameter(torch.zeros(channels))

    def forward(self, plane: Tensor) -> Tensor:
        """Returns what is added to the features, `[N, C, h, w]`.

        Args:
            plane: See ``filled``.
        """
        return self.weight[:, None, None] * plane

    @property
    def weight(self) -> Tensor:
        """Of the plane in each feature, `[C]`."""
        return SPEED * self.departure


def filled(quantiser: Tensor, height: int, width: int) -> Tensor:
    """Returns the plane of every picture, `[N, 1, h, w]`, in [-1, 1].

    Args:
        quantiser: Of every picture, `[N]`.
        height: Of the features.
        width: Of the features.

    Example:
        >>> import torch
        >>> from vsvqe.nets.quantiser_map import filled
        >>> filled(torch.tensor([10.0, 34.0, 51.0]), 1, 1).flatten().tolist()
        [-1.0, 0.5, 1.0]
    """
    span = COARSEST - FINEST
    level = 2.0 * (quantiser.clamp(FINEST, COARSEST) - FINEST) / span - 1.0
    return level[:, None, None, None].expand(-1, 1, height, width)
