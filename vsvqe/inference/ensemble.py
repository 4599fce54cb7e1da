"""Runs a model on a picture turned and mirrored, and returns the mean of what it gives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .session import Array, Session

# Rows and columns exchanged, then mirrored along the axes. The first two, and the first four, are
# groups: what is turned like one of them, the ensemble of so many restores alike. Of pairs, that
# gained most.
_VIEWS: tuple[tuple[bool, tuple[int, ...]], ...] = (
    (False, ()),
    (True, (-2, -1)),
    (False, (-2, -1)),
    (True, ()),
    (False, (-1,)),
    (False, (-2,)),
    (True, (-1,)),
    (True, (-2,)),
)
ENSEMBLES = (1, 2, 4, 8)
"""Views that an ensemble may have."""


class EnsembleSession:
    """A session that runs another on several views of each picture.

    What a network gets wrong in one view and not in another is a matter of its training alone; the
    mean has less of it.

    Source: the geometric self-ensemble of Lim et al., "Enhanced deep residual networks for single
    image super-resolution", CVPR Workshops 2017, after Timofte, Rothe and Van Gool, "Seven ways to
    improve example-based single image super resolution", CVPR 2016.
    """

    def __init__(self, upright: Session, sideways: Session, views: int) -> None:
        """Takes two sessions of one model, and how many views are wanted.

        Args:
            upright: For pictures as they are.
            sideways: For pictures with rows and columns exchanged.
            views: 2, 4 or 8.
        """
        self._upright = upright
        self._sideways = sideways
        self._views = _VIEWS[:views]
        self.description = f"{upright.description}, {views} views"

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """Runs the model on all views; see ``Session.run``."""
        for number, (exchanged, mirrored) in enumerate(self._views):
            session = self._sideways if exchanged else self._upright
            seen = [np.ascontiguousarray(_turned(array, exchanged, mirrored)) for array in arrays]
            turned = [_turned(target, exchanged, mirrored) for target in out]
            results = [np.empty(view.shape, np.float32) for view in turned]
            session.run(seen, results)
            for target, result in zip(turned, results, strict=True):
                # These are views of `out`: what is added to them is turned back.
                if number == 0:
                    np.copyto(target, result)
                else:
                    target += result
        for target in out:
            target /= len(self._views)


def _turned(array: Array, exchanged: bool, mirrored: tuple[int, ...]) -> Array:
    """Returns a view of pictures, their rows and columns exchanged first and mirrored then."""
    return np.flip(array.swapaxes(-1, -2) if exchanged else array, mirrored)
