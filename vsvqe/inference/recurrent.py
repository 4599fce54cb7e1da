"""Recurrent networks on engines that run fixed graphs: a session for each step of the network."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import OutOfMemory
from .session import Array, Session, SessionRequest

type _Planes = NDArray[np.float32]

_CLEANING = "cleaning"
_ON, _OFF = np.ones((1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 1), np.float32)


class StepSession:
    """A recurrent network in steps, see ``vsvqe.nets.steps``; a run may have any length."""

    def __init__(
        self,
        requests: Mapping[str, SessionRequest],
        open_step: Callable[[SessionRequest], Session],
    ) -> None:
        """Opens the sessions.

        Args:
            requests: Of the files that ``conversion.as_steps`` made, by the name of the step.
            open_step: Opens one of them.
        """
        self._steps = _Steps(requests, open_step)
        self.description = f"{self._steps.description}, frame by frame"

    def run(self, arrays: Sequence[Array], out: Sequence[_Planes]) -> None:
        """See ``Session.run``: 1 x T x 3 x H x W in, the same enlarged (or restored) out."""
        try:
            self._run(arrays, out)
        except MemoryError as error:
            # What a whole run keeps of each frame is allocated here, not by an engine.
            raise OutOfMemory(f"out of memory for a run of frames: {error}") from error

    def _run(self, arrays: Sequence[Array], out: Sequence[_Planes]) -> None:
        # Each frame with an axis of its own, as the steps take them.
        (run,), (results,) = (array[0][:, None] for array in arrays), (a[0][:, None] for a in out)
        frames: _Planes = np.ascontiguousarray(run, np.float32)
        if _CLEANING in self._steps.names:
            alone = self._steps.names == [_CLEANING]
            cleaner = results if alone else np.empty(frames.shape, np.float32)
            for frame, target in zip(frames, cleaner, strict=True):
                self._steps.run(_CLEANING, [frame], target)
            if alone:
                return
            frames = cleaner
        _propagation(self._steps.names)(self._steps, frames, results)


class _Steps:
    """The sessions of the steps, and the shapes of what they take."""

    def __init__(
        self,
        requests: Mapping[str, SessionRequest],
        open_step: Callable[[SessionRequest], Session],
    ) -> None:
        self._shapes = {name: dict(request.shapes) for name, request in requests.items()}
        self._sessions = {name: open_step(request) for name, request in requests.items()}
        # The last one's, which is in half precision where that is allowed.
        self.description = list(self._sessions.values())[-1].description

    @property
    def names(self) -> list[str]:
        return list(self._sessions)

    def shape(self, step: str, name: str) -> tuple[int, ...]:
        """Returns the shape of an input."""
        return self._shapes[step][name]

    def run(self, step: str, arrays: Sequence[_Planes], *out: _Planes) -> None:
        self._sessions[step].run(arrays, out)


type _Propagation = Callable[[_Steps, _Planes, _Planes], None]
"""Fills results, T x 1 x 3 x sH x sW, from frames, T x 1 x 3 x H x W, step by step."""


def _propagation(names: Collection[str]) -> _Propagation:
    """Returns the order that the steps of a network follow each other in."""
    if "features" in names:
        return _grid
    return _coupled if "refill" in names else _bidirectional


def _bidirectional(
    steps: _Steps,
    frames: _Planes,
    results: _Planes,
    refill: Sequence[Sequence[_Planes]] | None = None,
) -> None:
    """BasicVSR's: a way back, then a way onward that sees what the former left.

    Args:
        steps: Of the network.
        frames: See ``_Propagation``.
        results: See ``_Propagation``.
        refill: What the steps of each frame take besides, nothing by default.
    """
    length = len(frames)
    besides = refill or [()] * length
    state_shape = steps.shape("back", "state")
    later = np.empty((length, *state_shape), np.float32)
    flow = np.empty(steps.shape("align", "flow"), np.float32)
    # Zero before there is anything to bring.
    brought = np.zeros(state_shape, np.float32)
    for t in reversed(range(length)):
        if t < length - 1:
            steps.run("flow", [frames[t], frames[t + 1]], flow)
            steps.run("align", [later[t + 1], flow], brought)
        steps.run("back", [frames[t], brought, *besides[t]], later[t])
    brought[...] = 0.0
    state = np.empty_like(brought)
    for t in range(length):
        if t > 0:
            steps.run("flow", [frames[t], frames[t - 1]], flow)
            steps.run("align", [state, flow], brought)
        steps.run("onward", [frames[t], later[t], brought, *besides[t]], results[t], state)


def _coupled(steps: _Steps, frames: _Planes, results: _Planes) -> None:
    """IconVSR's: the same with features of key frames, at sides that its alignment halves twice."""
    # Imported here: torchvision, which comes with it, takes a moment.
    from ..nets.iconvsr import KEY_INTERVAL, key_windows

    *_, height, width = frames.shape
    _, seen, _, high, wide = steps.shape("refill", "window")
    growth = (*[(0, 0)] * 3, (0, high - height), (0, wide - width))
    grown = np.pad(frames, growth, mode="reflect")
    blank = np.zeros(steps.shape("back", "refill"), np.float32)
    besides = [[blank, _OFF] for _ in frames]
    for t, window in key_windows(len(frames), KEY_INTERVAL, seen // 2).items():
        found = np.empty_like(blank)
        steps.run("refill", [grown[window].swapaxes(0, 1).copy()], found)
        besides[t] = [found, _ON]
    if grown.shape == frames.shape:
        _bidirectional(steps, grown, results, besides)
        return
    scale = results.shape[-1] // width
    large = np.empty((*results.shape[:3], scale * high, scale * wide), np.float32)
    _bidirectional(steps, grown, large, besides)
    results[...] = large[..., : results.shape[-2], : results.shape[-1]]


def _grid(steps: _Steps, frames: _Planes, results: _Planes) -> None:
    """BasicVSR++'s: several branches in turn, each of which sees what the former ones left."""
    branches = [name for name in steps.names if name.startswith(("backward", "forward"))]
    state_shape = steps.shape("picture", "features_0")
    flow_shape = steps.shape(f"align_{branches[0]}", "flow")
    blank, still = np.zeros(state_shape, np.float32), np.zeros(flow_shape, np.float32)
    brought = np.empty_like(blank)
    features = [[np.empty_like(blank)] for _ in frames]
    for frame, (spatial,) in zip(frames, features, strict=True):
        steps.run("features", [frame], spatial)
    to = {
        (t, other): np.empty_like(still)
        for t in range(len(frames))
        for other in (t - 1, t + 1)
        if 0 <= other < len(frames)
    }
    for (t, other), flow in to.items():
        steps.run("flow", [frames[t], frames[other]], flow)
    for branch in branches:
        order = list(range(len(frames)))
        if branch.startswith("backward"):
            order.reverse()
        states: list[_Planes] = []
        for i, t in enumerate(order):
            near = states[-1] if i > 0 else blank
            far = states[-2] if i > 1 else blank
            flow = to[t, order[i - 1]] if i > 0 else still
            following = to[order[i - 1], order[i - 2]] if i > 1 else still
            known = [_ON if i > 0 else _OFF, _ON if i > 1 else _OFF]
            inputs = [features[t][0], near, far, flow, following, *known]
            steps.run(f"align_{branch}", inputs, brought)
            states.append(np.empty_like(blank))
            steps.run(branch, [*features[t], brought], states[-1])
        for t, state in zip(order, states, strict=True):
            features[t].append(state)
    for frame, found, result in zip(frames, features, results, strict=True):
        steps.run("picture", [frame, *found], result)
