"""How coarsely video was quantised, and how much of a model's residual follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..cards import Card, find
from ..inference.session import SessionRequest, open_session
from ..inference.workspace import Workspace
from .options import Options

_MODEL = "quantiser-v1"

# Estimated quantisers at which `strength="auto"` leaves the picture alone, and from which on it
# does all that the model asks for.
UNTOUCHED = 14.0
FULL = 20.0

type Plane = NDArray[np.float32]

type Weigh = Callable[[Plane, Plane], NDArray[np.float32]]
"""Takes the luma of N frames and that of the next of each, brought to where its content is, both
N x H x W; returns the factors of luma and chroma, N x 2."""


def strength_at(quantiser: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the strength of ``"auto"``, 0 to 1, for quantisers."""
    strength = (quantiser - UNTOUCHED) / (FULL - UNTOUCHED)
    return np.asarray(np.clip(strength, 0.0, 1.0), np.float32)


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """How much of a model's residual is added, by the quantiser of the video."""

    card: Card
    """Of the model."""
    strength: float | Literal["auto"] = 1.0
    qp: float | None = None
    """The quantiser of the whole clip; ``None``: it is estimated."""

    def opened(self, options: Options, shape: tuple[int, ...]) -> Weigh:
        """Returns what tells the factors of the frames of a chunk.

        Args:
            options: Checked common parameters.
            shape: Of the luma of its N frames and of the next ones, N x 2 x H x W.
        """
        if self.qp is not None:
            factors = self._factors(np.full(shape[0], self.qp, np.float32))
            return lambda own, following: factors
        meter = Meter(options, shape)
        return lambda own, following: self._factors(meter(own, following))

    def _factors(self, quantiser: NDArray[np.float32]) -> NDArray[np.float32]:
        factors = self.card.factors(quantiser)
        if self.strength == "auto":
            return factors * strength_at(quantiser)[:, None]
        return factors * np.float32(self.strength)


class Meter:
    """Estimates the quantisers of frames."""

    def __init__(self, options: Options, shape: tuple[int, ...]) -> None:
        """Opens the model.

        Args:
            options: Checked common parameters.
            shape: Of its input: N x 2 x H x W.
        """
        card = find(_MODEL, "quantiser")
        assert isinstance(card, Card)
        request = SessionRequest(
            model=card.path,
            sha256=card.sha256,
            shapes=(("y", shape),),
            half=False,
            device_index=options.device_index,
            engine_folder=options.engines,
        )
        self._session, _ = open_session(request, options.backend)
        self._couples = Workspace([shape])

    def __call__(self, own: Plane, following: Plane) -> Plane:
        """Returns the quantisers of N frames.

        Args:
            own: Their luma, N x H x W.
            following: That of the next of each, brought to where its content is.
        """
        with self._couples.borrowed() as (couples,):
            couples[:, 0], couples[:, 1] = own, following
            quantiser = np.empty(len(couples), np.float32)
            self._session.run([couples], [quantiser])
        return quantiser
