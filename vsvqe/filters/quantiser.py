"""How coarsely video was quantised, and what follows from it for a model."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..cards import Card, find
from ..inference.session import SessionRequest, open_session
from ..inference.workspace import Workspace
from .options import Options

# By what the model that is told is for: what SuperRes enlarges may have been made smaller once.
_MODELS = {"deblock": "quantiser-v3", "superres": "quantiser-superres-v1"}
# Rows of its blocks. Of frames with more samples than are enough, stripes are left out evenly: it
# tells the same of them, and large frames take no longer.
_STRIPE = 8
_ENOUGH = 100_000

# Estimated quantisers at which `strength="auto"` leaves the picture alone, and from which on it
# does all that the model asks for.
UNTOUCHED = 14.0
FULL = 20.0

type Codes = NDArray[np.uint8]
type Plane = NDArray[np.float32]


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
    leniency: float = 0.0
    """By how much finer the model is told that the video was quantised."""

    def meter(self, options: Options, height: int, width: int) -> "Meter | None":
        """Returns what tells the quantiser of a frame, if it is not known.

        Args:
            options: Checked common parameters.
            height: Of the luma.
            width: Of the luma.
        """
        return Meter(self.card.task, options, height, width) if self.qp is None else None

    def told(self, quantiser: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what the model is told, for the quantisers of frames."""
        told = quantiser - np.float32(self.leniency)
        most = self.card.told_at_most
        return told if most is None else np.minimum(told, np.float32(most))

    def factors(self, quantiser: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what the luma and the chroma residual are multiplied by, N x 2.

        Args:
            quantiser: Of N frames.
        """
        factors = self.card.factors(self.told(quantiser))
        if self.strength == "auto":
            return factors * strength_at(quantiser)[:, None]
        return factors * np.float32(self.strength)


class Meter:
    """Estimates the quantiser of a frame, from its luma and that of the next."""

    def __init__(self, task: str, options: Options, height: int, width: int) -> None:
        """Opens the model.

        Args:
            task: Of the model that is told; see ``Card``.
            options: Checked common parameters.
            height: Of the luma.
            width: Of the luma.
        """
        card = find(_MODELS[task], "quantiser")
        assert isinstance(card, Card)
        rows = height // _STRIPE * _STRIPE
        every = -(-rows * width // _ENOUGH)
        self.stripes = [slice(top, top + _STRIPE) for top in range(0, rows, every * _STRIPE)]
        """The rows that it looks at."""
        shape = (1, 2, len(self.stripes) * _STRIPE, width)
        request = SessionRequest(
            model=card.path,
            sha256=card.sha256,
            shapes=(("y", shape),),
            half=False,
            device_index=options.device_index,
            engine_folder=options.engines,
            streams=options.cpu_streams(1),
        )
        self._session, _ = open_session(request, options.backend)
        self._couples = Workspace([shape])

    def __call__(self, own: Codes, following: Codes) -> float:
        """Returns the quantiser of a frame.

        Args:
            own: The stripes of its luma, 8 bits of limited range, one below the other.
            following: Those of the next frame, brought to where its content is.
        """
        with self._couples.borrowed() as (couple,):
            for luma, codes in zip(couple[0], (own, following), strict=True):
                np.subtract(codes, np.float32(16), out=luma)
                luma *= np.float32(1 / 219)
            quantiser = np.empty(1, np.float32)
            self._session.run([couple], [quantiser])
        return float(quantiser[0])

    def alone(self, luma: Plane) -> float:
        """Returns the quantiser of a frame that no other one goes with.

        Args:
            luma: In [0, 1], H x W.
        """
        looked_at = np.concatenate([luma[stripe] for stripe in self.stripes])
        codes = np.clip(np.rint(219 * looked_at + 16), 0, 255).astype(np.uint8)
        return self(codes, codes)


def settled(told: Sequence[float | None], frame: int, reach: int) -> float | None:
    """Returns the quantiser of a frame by what was told of those around it.

    A single one may mislead: one that an encoder repeated, or of video that was resized since.

    Args:
        told: Of the frames of a run, see ``flow.told``.
        frame: Index of the frame.
        reach: Frames on each side that every run has.

    Returns:
        The median; ``None`` if nothing was told of any of them.
    """
    around = told[frame - reach : frame + reach]
    known = [quantiser for quantiser in around if quantiser is not None]
    return statistics.median(known) if known else None
