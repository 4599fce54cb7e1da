"""Recurrent networks on engines that run fixed graphs: a session for each step of the network."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .session import Array, Session, SessionRequest

type _Planes = NDArray[np.float32]


class StepSession:
    """BasicVSR or RealBasicVSR in steps, see ``vsvqe.nets.steps``; a run may have any length."""

    def __init__(
        self,
        requests: Mapping[str, SessionRequest],
        open_step: Callable[[SessionRequest], Session],
        *,
        most_passes: int,
        threshold: float,
    ) -> None:
        """Opens the sessions.

        Args:
            requests: Of the files that ``conversion.as_steps`` made, by the name of the step.
            open_step: Opens one of them.
            most_passes: Passes of the cleaning, at most.
            threshold: Mean change, in 255ths, below which it is not repeated.
        """
        self._steps = {name: open_step(request) for name, request in requests.items()}
        shapes = dict(requests["back"].shapes)
        self._state, self._flow = shapes["state"], shapes["flow"]
        self._most_passes = most_passes
        self._threshold = threshold
        self.description = f"{self._steps['back'].description}, frame by frame"

    def run(self, arrays: Sequence[Array], out: Sequence[_Planes]) -> None:
        """See ``Session.run``: 1 x T x 3 x H x W in, the same enlarged out."""
        # Each frame with an axis of its own, as the steps take them.
        (run,), (results,) = (array[0][:, None] for array in arrays), (a[0][:, None] for a in out)
        frames = self._cleaned(run) if "cleaning" in self._steps else run
        length = len(frames)
        later = np.empty((length, *self._state), np.float32)
        flow, still = np.empty(self._flow, np.float32), np.zeros(self._flow, np.float32)
        blank = np.zeros(self._state, np.float32)
        for t in reversed(range(length)):
            if t == length - 1:
                self._steps["back"].run([frames[t], blank, still], [later[t]])
                continue
            self._steps["flow"].run([frames[t], frames[t + 1]], [flow])
            self._steps["back"].run([frames[t], later[t + 1], flow], [later[t]])
        # The state that is read and the one that is written take turns.
        state, following = blank, np.empty_like(blank)
        for t in range(length):
            if t > 0:
                self._steps["flow"].run([frames[t], frames[t - 1]], [flow])
            moved = flow if t > 0 else still
            self._steps["onward"].run([frames[t], later[t], state, moved], [results[t], following])
            state, following = following, state

    def _cleaned(self, frames: _Planes) -> _Planes:
        """Cleans a run, again while a pass changes it by the threshold or more."""
        passes, change = 0, np.inf
        while passes < self._most_passes and change >= self._threshold / 255.0:
            cleaner = np.empty(frames.shape, np.float32)
            for frame, target in zip(frames, cleaner, strict=True):
                self._steps["cleaning"].run([frame], [target])
            passes, change = passes + 1, float(np.abs(cleaner - frames).mean(dtype=np.float64))
            frames = cleaner
        return frames
