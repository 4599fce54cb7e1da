"""RealBasicVSR's dynamic refinement: frames are cleaned again while a pass changes them much."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..inference.session import Array
from ..inference.tiles import TiledRunner
from ..inference.workspace import Workspace

type _Planes = NDArray[np.float32]


class Refining:
    """Cleans a run of frames as often as it takes, then enlarges it.

    How often is decided here, by the whole frames, and not where tiles are run: all tiles of a run
    are cleaned alike, whatever their size.
    """

    def __init__(
        self,
        clean: TiledRunner,
        enlarge: TiledRunner,
        *,
        threshold: float,
        most: int,
        shape: tuple[int, ...],
    ) -> None:
        """Takes the parts of the network.

        Args:
            clean: One pass of the cleaning.
            enlarge: What follows it.
            threshold: Mean change, in 255ths, below which the cleaning is not repeated.
            most: Passes, at most.
            shape: Of the longest run, 1 x T x 3 x H x W.
        """
        self._clean, self._enlarge = clean, enlarge
        self._threshold = threshold / 255.0
        self._most = most
        # The pass that is read and the one that is written take turns.
        self._workspace = Workspace([shape, shape])

    def run(self, arrays: Sequence[Array], out: Sequence[_Planes]) -> None:
        """See ``TiledRunner.run``."""
        (frames,) = arrays
        with self._workspace.borrowed() as buffers:
            passes, change = 0, math.inf
            while passes < self._most and change >= self._threshold:
                cleaner = buffers[passes % 2][:, : frames.shape[1]]
                self._clean.run([frames], [cleaner])
                passes, change = passes + 1, _mean_change(frames[0], cleaner[0])
                frames = cleaner
            self._enlarge.run([frames], out)


def _mean_change(before: Array, after: Array) -> float:
    """Returns the mean absolute difference of two runs."""
    # Frame by frame: the differences of a whole run would need its memory once more.
    changes = [np.abs(b - a).mean(dtype=np.float64) for a, b in zip(before, after, strict=True)]
    return float(np.mean(changes))
