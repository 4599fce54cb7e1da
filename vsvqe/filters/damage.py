"""How damaged a picture is, and the strength that follows from it: ``strength="auto"``."""

import numpy as np
from numpy.typing import NDArray

from ..cards import Card, find
from ..inference.session import SessionRequest, open_session
from .options import Options
from .residual import Weigh

_MODEL = "damage-v1"

# Estimated PSNR in dB against the source before compression, at which the filter does all it can,
# and at which there is nothing left for it to do. The estimate is some 3 to 5 dB off and too high
# for smooth pictures (44 dB for one of 38), so full strength reaches that far up: what a shipped
# model does to clean video at full strength (over 55 dB to it) harms less than damage that stays.
FULL_BELOW = 44.5
NOTHING_ABOVE = 48.0


def strength_from_psnr(psnr: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the strength, 0 to 1, for an estimated quality in dB."""
    strength = (NOTHING_ABOVE - psnr) / (NOTHING_ABOVE - FULL_BELOW)
    return np.asarray(np.clip(strength, 0.0, 1.0), np.float32)


def estimator(options: Options, shape: tuple[int, ...], radius: int) -> Weigh:
    """Opens the damage estimator for windows of one shape.

    Args:
        options: Checked common parameters.
        shape: Of the luma of a window, T x 1 x H x W.
        radius: Estimates are averaged over this many frames on each side, so that the strength
            does not flicker with the kind of a coded frame. It must not exceed the context that
            a window has on each side.

    Returns:
        A function from the luma of a window to the strength of each of its frames.
    """
    card = find(_MODEL, "damage")
    assert isinstance(card, Card)
    request = SessionRequest(
        model=card.path,
        sha256=card.sha256,
        shapes=(("y", shape),),
        half=False,
        device_index=options.device_index,
        engine_folder=options.engines,
    )
    session, _ = open_session(request, options.backend)

    def weigh(y: NDArray[np.float32]) -> NDArray[np.float32]:
        psnr = np.empty(len(y), np.float32)
        session.run([y], [psnr])
        count = len(psnr)
        smooth = [psnr[max(t - radius, 0) : t + radius + 1].mean() for t in range(count)]
        return strength_from_psnr(np.asarray(smooth, np.float32))

    return weigh
