"""The path of the camera over a window, smoothed: Kalman, Gaussian or L1-optimal.

A window is the motions between neighbouring frames. The *pose* of a frame maps its points to those
of the frame in the middle: where the centre of the picture is, how it is turned and enlarged. Each
of these is smoothed by itself; the smooth pose of the frame in the middle is what corrects it.

Poses are relative to the middle of each window, and the smoothers don't depend on where the
coordinates begin. So windows agree about the path, up to what is beyond their ends.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .estimate import Motion
from .mesh import COLUMNS, ROWS, Mesh
from .transform import Floats, Matrix, farthest, similarities

type MethodName = Literal["kalman", "gaussian", "l1"]

METHODS: tuple[MethodName, ...] = ("kalman", "gaussian", "l1")


@dataclass(frozen=True, kw_only=True)
class PathSettings:
    """How the path is smoothed, and how far a correction may go.

    Attributes:
        method: ``"kalman"``: a constant-velocity Kalman filter and its Rauch-Tung-Striebel pass
            backwards; ``"gaussian"``: a line fitted with Gaussian weights; ``"l1"``: the path of
            Grundmann et al., made of rests, steady moves and steady accelerations.
        smoothing: In frames: what shakes faster than about once in three times as many is
            removed. 0 leaves the path as it is.
        dxmax: Largest shift to a side, in units of the frame's height.
        dymax: Largest shift up or down, in units of the frame's height.
        rotmax: Largest rotation, in radians.
        zoommax: Largest enlargement or reduction, as a factor of at least 1.

    Raises:
        ValueError: A value is out of its range.
    """

    method: MethodName = "kalman"
    smoothing: int = 30
    dxmax: float = 0.25
    dymax: float = 0.25
    rotmax: float = 0.2
    zoommax: float = 1.2

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {self.method!r}")
        if self.smoothing < 0:
            raise ValueError(f"smoothing must be 0 or more frames, not {self.smoothing}")
        for name in ("dxmax", "dymax", "rotmax"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not 1 <= self.zoommax < math.inf:
            raise ValueError(f"zoommax must be 1 or more, not {self.zoommax}")


# Frames on each side, as a multiple of `smoothing`. What a longer window would have seen changes a
# correction, from one frame to the next, by less than 0.1 pixels at 360 lines on handheld clips:
# see docs/stabilize-truth.md.
_REACH: dict[MethodName, float] = {"kalman": 2.5, "gaussian": 1.5, "l1": 1.5}

# The Gaussian's deviation, and the Kalman filter's time constant: both halve the same frequency.
_SIGMA = 0.5
_TAU = _SIGMA / math.sqrt(2 * math.log(2))
# The quick part of a correction is what this share of the smoothing removes too; the slow part may
# take this share of the limits, so that some is left for the quick one.
_QUICK = 1 / 8
_SLOW_SHARE = 0.6

# What the L1-optimal path costs: its distance from the measured path, its speed, acceleration and
# jerk. Without the first many paths are equally good, and neighbouring windows choose different
# ones; where speed costs more than the first, pans come to rest at the ends of a window.
_L1_WEIGHTS = (1.0, 0.9, 10.0, 300.0)

# Shear and perspective that a correction may have at most. Those of handheld clips stay below 0.02;
# more would only come from a wrong measurement.
_RESIDUE_LIMIT = 0.05
# And displacement of a part of the picture, in heights.
_BEND_LIMIT = 0.04

# Neighbours that stand in for a motion that is not known: deviation in frames.
_STAND_IN = 3.0

# A correction by less than so much at the corners is none: 0.04 pixels at 360 lines.
_LEAST = 1e-4
# Ratio of the sides for which this is computed: nothing is much wider.
_WIDE = 16 / 9


def radius(settings: PathSettings) -> int:
    """Returns how many frames on each side a correction needs."""
    return math.ceil(_REACH[settings.method] * settings.smoothing)


def correction(motions: Sequence[Motion], centre: int, settings: PathSettings) -> Matrix:
    """Returns what steadies one frame.

    Where the limits forbid the whole correction, its slow part gives way and its quick part,
    which removes the shaking, stays.

    Args:
        motions: Of a window of K frames, K - 1 motions, in order. ``radius`` frames on each side
            are best; fewer, at the ends of a scene, will do. Those of low confidence are replaced
            by those around them, to that extent, and so are matrices that are no motion.
        centre: Number of the frame in the window, from 0.
        settings: How the path is smoothed.

    Returns:
        The homography, in centred units, that maps a point of the steadied frame to the point of
        the given frame to be seen there; exactly the identity where there is nothing to correct.

    Raises:
        ValueError: The window has no such frame.

    Example:
        A camera at rest, but one frame is 0.01 heights too far to the right:

        >>> from vsvqe.motion.estimate import Motion
        >>> from vsvqe.motion.path import PathSettings, correction
        >>> from vsvqe.motion.transform import compose
        >>> moves = [0.0, 0.0, 0.0, 0.01, -0.01, 0.0, 0.0, 0.0]
        >>> motions = [Motion(compose(dx=move), 1.0) for move in moves]
        >>> round(float(correction(motions, 4, PathSettings(smoothing=6))[0, 2]), 3)
        0.007
    """
    return Track(motions).corrections(range(centre, centre + 1), settings, reach=len(motions))[0]


def bend(motions: Sequence[Motion], centre: int, settings: PathSettings) -> Mesh | None:
    """Returns what steadies one frame beside its ``correction``, where motions have a mesh.

    As shear and perspective do, displacements add up to first order, and their slow part stays.

    Args:
        motions: As for ``correction``.
        centre: As for ``correction``.
        settings: How the path is smoothed.

    Returns:
        How far from where ``correction`` maps them points of the steadied frame are to be seen;
        ``None`` where no motion has a mesh, or nothing is left to correct.

    Example:
        The top left of one frame is off by 0.01 heights, and back in the next one:

        >>> import numpy as np
        >>> from vsvqe.motion.estimate import Motion
        >>> from vsvqe.motion.mesh import COLUMNS, ROWS
        >>> from vsvqe.motion.path import PathSettings, bend
        >>> off = np.zeros((ROWS, COLUMNS, 2))
        >>> off[0, 0, 0] = 0.01
        >>> meshes = [None, None, None, off, -off, None, None]
        >>> motions = [Motion(np.eye(3), 1.0, mesh) for mesh in meshes]
        >>> bend(motions, 4, PathSettings(smoothing=6))[0, 0].round(3).tolist()
        [0.007, 0.0]
    """
    return Track(motions).bend(centre, settings, reach=len(motions))


class Track:
    """The motions of consecutive frames, prepared once for the corrections of many of them."""

    def __init__(self, motions: Sequence[Motion]) -> None:
        """Prepares motions.

        Args:
            motions: From the first frame to the second, from that to the third, and so on. Those
                of low confidence are replaced by those around them, to that extent, and so are
                matrices that are no motion.
        """
        self._last = len(motions)
        self._similar = np.empty((0, 4))
        if motions:
            known = _known(motions)
            self._similar = similarities(known)
            self._residues = _summed(_residues(known, self._similar))
        self._meshes = None
        if any(motion.mesh is not None for motion in motions):
            self._meshes = _summed(np.stack([_trusted_mesh(motion) for motion in motions]))

    def corrections(
        self, centres: range, settings: PathSettings, *, reach: int | None = None
    ) -> list[Matrix]:
        """Returns what steadies consecutive frames; see the function ``correction``.

        Args:
            centres: Numbers of the frames, from 0; not none.
            settings: How the path is smoothed.
            reach: Frames on each side that count; ``None``: ``radius``.

        Raises:
            ValueError: There is no such frame.
        """
        if centres[0] < 0 or centres[-1] > self._last:
            odd = centres[0] if centres[0] < 0 else centres[-1]
            raise ValueError(f"a window of {self._last + 1} frames has no frame {odd}")
        if not self._last or settings.smoothing == 0:
            return [np.eye(3) for _ in centres]
        windows = _Windows(self._last + 1, centres, _reach(settings, reach))
        limits = _limits(settings)
        with np.errstate(all="ignore"):
            smooth = _SMOOTHERS[settings.method](self._similar, windows, settings)
            turns = _composed(np.clip(smooth, -limits, limits))
            found = turns @ _residue(self._residues, windows, settings.smoothing)
        return [matrix if _matters(matrix) else np.eye(3) for matrix in found]

    def bend(self, centre: int, settings: PathSettings, *, reach: int | None = None) -> Mesh | None:
        """Returns what steadies a frame beside its ``correction``; see the function of this name.

        Args:
            centre: As for ``correction``.
            settings: As for ``correction``.
            reach: As for ``correction``.
        """
        if self._meshes is None or settings.smoothing == 0:
            return None
        first, last = _window(self._last + 1, centre, _reach(settings, reach))
        path = self._meshes[first : last + 1]
        weights = _kalman(len(path), centre - first, settings.smoothing)
        smooth = np.tensordot(weights, path - path[centre - first], axes=1)
        found = _bounded(smooth, np.full(smooth.shape, _BEND_LIMIT))
        return found if np.abs(found).max() >= _LEAST else None


def _reach(settings: PathSettings, reach: int | None) -> int:
    """Returns how many frames on each side of a frame count."""
    return radius(settings) if reach is None else reach


def _window(frames: int, centre: int, reach: int) -> tuple[int, int]:
    """Returns the first and the last frame of the window around one."""
    return max(0, centre - reach), min(frames - 1, centre + reach)


class _Windows(NamedTuple):
    """The windows around consecutive frames."""

    frames: int
    """Of all."""
    centres: range
    reach: int
    """Frames on each side, as far as there are so many."""


@lru_cache(maxsize=64)
def _all_weights(windows: _Windows, method: MethodName, smoothing: float) -> Floats:
    """Returns the weight of every frame in the smoothed value of each centre, N x K."""
    weights = np.zeros((len(windows.centres), windows.frames))
    for row, centre in zip(weights, windows.centres, strict=True):
        first, last = _window(windows.frames, centre, windows.reach)
        row[first : last + 1] = _WEIGHTS[method](last + 1 - first, centre - first, smoothing)
    return _read_only(weights)


def _matters(correction: Matrix) -> bool:
    """Whether a correction moves anything that can be seen; one that is no number does not."""
    return bool(np.isfinite(correction).all()) and farthest(correction, _WIDE) >= _LEAST


def _summed(steps: Floats) -> Floats:
    """Returns the path that steps from frame to frame make, seen from its frames."""
    return np.concatenate([np.zeros_like(steps[:1]), -np.cumsum(steps, axis=0)])


def _trusted_mesh(motion: Motion) -> Mesh:
    if motion.mesh is None:
        return np.zeros((ROWS, COLUMNS, 2))
    # Those that others supply may have numbers of any size.
    return np.asarray(motion.confidence * np.clip(motion.mesh, -_BEND_LIMIT, _BEND_LIMIT))


def _known(motions: Sequence[Motion]) -> Floats:
    """Returns the motions; those that are not trusted are mixed with those around them."""
    matrices = np.stack([motion.matrix for motion in motions])
    with np.errstate(all="ignore"):
        matrices = matrices / matrices[:, 2:, 2:]
    confidence = np.array([motion.confidence for motion in motions])
    possible = _possible(matrices) & np.isfinite(confidence)
    matrices = np.where(possible[:, None, None], matrices, np.eye(3))
    confidence = np.where(possible, np.clip(confidence, 0.0, 1.0), 0.0)
    doubtful = np.flatnonzero(confidence < 1.0)
    if not doubtful.size:
        return matrices
    distance = doubtful[:, None] - np.arange(len(motions))
    near = np.exp(-0.5 * np.square(distance / _STAND_IN)) * confidence
    # Where nothing around is known either, the camera is taken to be at rest.
    rest = 1e-3
    weights = near / (near.sum(axis=1, keepdims=True) + rest)
    around = np.eye(3) + np.tensordot(weights, matrices - np.eye(3), axes=1)
    mixed = confidence[doubtful, None, None]
    known = matrices.copy()
    known[doubtful] = mixed * matrices[doubtful] + (1 - mixed) * around
    return known


def _possible(matrices: Floats) -> NDArray[np.bool_]:
    """Returns which of the matrices are motions at all: those supplied by others may not be."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    with np.errstate(all="ignore"):
        slopes = matrices[:, :2, :2] - matrices[:, :2, 2:] * matrices[:, 2:, :2]
        area = slopes[:, 0, 0] * slopes[:, 1, 1] - slopes[:, 0, 1] * slopes[:, 1, 0]
        return np.asarray(finite & (area > 1 / 16) & (area < 16))


def _path(similar: Floats) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Returns the similarity part of every frame's pose, as the first frame sees it.

    Args:
        similar: The motions' own, K - 1 x 4.

    Returns:
        The logarithm of scale and rotation, and the place, K complex numbers each.
    """
    shift = similar[:, 0] + 1j * similar[:, 1]
    logs = np.concatenate([[0], -np.cumsum(similar[:, 3] + 1j * similar[:, 2])])
    return logs, np.concatenate([[0], -np.cumsum(np.exp(logs[1:]) * shift)])


def _parameters(logs: NDArray[Any], places: NDArray[Any]) -> Floats:
    """Returns poses as K x 4: x, y, rotation, logarithm of the scale; see ``_path``."""
    return np.stack([places.real, places.imag, logs.imag, logs.real], axis=1)


def _residues(matrices: Floats, similar: Floats) -> Floats:
    """Returns what similarities don't say of motions: stretch, shear, and perspective, K - 1 x 4.

    They are small from frame to frame, and only their quick changes matter, so it is enough to add
    them up, to first order.
    """
    left = np.linalg.inv(_composed(similar)) @ matrices
    left /= left[:, 2:, 2:]
    return np.stack(
        [
            (left[:, 0, 0] - left[:, 1, 1]) / 2,
            (left[:, 0, 1] + left[:, 1, 0]) / 2,
            left[:, 2, 0],
            left[:, 2, 1],
        ],
        axis=1,
    )


def _residue(path: Floats, windows: _Windows, smoothing: float) -> Floats:
    """Returns the parts of corrections that are no similarities."""
    weights = _all_weights(windows, "kalman", smoothing)
    smooth = _seen(weights, path, windows)
    stretch, shear, tilt, swing = _bounded(smooth, np.full(4, _RESIDUE_LIMIT)).T
    zero, one = np.zeros_like(stretch), np.ones_like(stretch)
    return _matrices([[1 + stretch, shear, zero], [shear, 1 - stretch, zero], [tilt, swing, one]])


def _seen(weights: Floats, path: NDArray[Any], windows: _Windows) -> NDArray[Any]:
    """Returns the smoothed path as each of the centres sees it."""
    own = path[windows.centres.start : windows.centres.stop]
    # Not as a product of matrices: for one as large as this BLAS wakes threads of its own, which
    # take the processor from the core's.
    smooth = np.einsum("nk,k...->n...", weights, path)
    return np.asarray(smooth - (weights.sum(axis=1) * own.T).T)


def _composed(similar: Floats) -> Floats:
    """Returns ``compose`` of each of N rows."""
    dx, dy, rotation, log_scale = similar.T
    cos, sin = np.exp(log_scale) * np.cos(rotation), np.exp(log_scale) * np.sin(rotation)
    zero, one = np.zeros_like(dx), np.ones_like(dx)
    return _matrices([[cos, -sin, dx], [sin, cos, dy], [zero, zero, one]])


def _matrices(rows: Sequence[Sequence[Floats]]) -> Floats:
    """Returns N matrices of rows of N elements each."""
    return np.moveaxis(np.array(rows), -1, 0)


def _linear(similar: Floats, windows: _Windows, settings: PathSettings) -> Floats:
    """Smooths with a filter whose weights depend on the length of the window only."""
    logs, places = _path(similar)
    turns = np.exp(logs[windows.centres.start : windows.centres.stop])

    def smoothed(smoothing: float) -> Floats:
        weights = _all_weights(windows, settings.method, smoothing)
        return _parameters(_seen(weights, logs, windows), _seen(weights, places, windows) / turns)

    whole, quick = smoothed(settings.smoothing), smoothed(settings.smoothing * _QUICK)
    return np.asarray(quick + _bounded(whole - quick, _SLOW_SHARE * _limits(settings)))


class _Gains(NamedTuple):
    """What the Kalman filter does at frames 0, 1, 2, ..., whatever was measured there."""

    forward: list[list[float]]
    """How much position and speed follow the measurement."""
    backward: list[list[list[float]]]
    """How much they follow the next frame's on the way back, 2 x 2."""


@lru_cache(maxsize=16)
def _gains(length: int, smoothing: float) -> _Gains:
    """Runs the covariances of a constant velocity, changed by white noise in the acceleration."""
    tau = _TAU * smoothing
    accelerated = np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]) / tau**4
    step = np.array([[1.0, 1.0], [0.0, 1.0]])
    # Nothing is known of position and speed at first.
    spread = np.eye(2) * 1e9
    forward, backward = [], []
    for _ in range(length):
        gain = spread[:, 0] / (spread[0, 0] + 1.0)
        spread = spread - np.outer(gain, spread[0])
        predicted = step @ spread @ step.T + accelerated
        forward.append(gain.tolist())
        backward.append((spread @ step.T @ np.linalg.inv(predicted)).tolist())
        spread = predicted
    return _Gains(forward, backward)


@lru_cache(maxsize=1024)
def _kalman(count: int, centre: int, smoothing: float) -> Floats:
    """Returns the weight of each frame in the smoothed value of one.

    That of one frame for another is the same the other way round, so the weights are what becomes
    of a unit impulse: Kalman's filter forwards and, after Rauch, Tung and Striebel, "Maximum
    likelihood estimates of linear dynamic systems", AIAA Journal 3(8), 1965, backwards.
    """
    # Windows of all lengths share the gains of a long one.
    gains = _gains(-(-count // 64) * 64, smoothing)
    states = [(0.0, 0.0)] * centre
    place, speed = 0.0, 0.0
    for frame in range(centre, count):
        follow, accelerate = gains.forward[frame]
        missed = (1.0 if frame == centre else 0.0) - place
        place, speed = place + follow * missed, speed + accelerate * missed
        states.append((place, speed))
        place += speed
    place, speed = states[-1]
    weights = [place]
    for frame in range(count - 2, -1, -1):
        (a, b), (c, d) = gains.backward[frame]
        before, velocity = states[frame]
        ahead, faster = place - before - velocity, speed - velocity
        place, speed = before + a * ahead + b * faster, velocity + c * ahead + d * faster
        weights.append(place)
    return _read_only(np.array(weights[::-1]))


@lru_cache(maxsize=1024)
def _gaussian(count: int, centre: int, smoothing: float) -> Floats:
    """Returns the weight of each frame in the value that a weighted line has at one.

    In the middle of a window this is the Gaussian average. At its ends it is not, and does not lag
    behind a pan there either.
    """
    times = np.arange(count) - centre
    weights = np.exp(-0.5 * np.square(times / (_SIGMA * smoothing)))
    mean = weights @ times / weights.sum()
    variance = weights @ np.square(times - mean)
    slope = -mean * (times - mean) / variance if variance > 0 else np.zeros(count)
    return _read_only(weights * (1 / weights.sum() + slope))


def _read_only(weights: Floats) -> Floats:
    weights.flags.writeable = False
    return weights


def _bounded(values: Floats, limits: Floats) -> Floats:
    """Limits values; up to half of the limit they stay, and from there on they approach it."""
    half = np.maximum(limits / 2, 1e-12)
    beyond = np.maximum(np.abs(values) - half, 0)
    return np.asarray(
        np.sign(values) * np.minimum(np.abs(values), half + half * np.tanh(beyond / half))
    )


def _limits(settings: PathSettings) -> Floats:
    return np.array([settings.dxmax, settings.dymax, settings.rotmax, math.log(settings.zoommax)])


def _l1(similar: Floats, windows: _Windows, settings: PathSettings) -> Floats:
    """Smooths with linear programs."""
    smooth = []
    for centre in windows.centres:
        first, last = _window(windows.frames, centre, windows.reach)
        smooth.append(_l1_around(similar[first:last], centre - first, settings))
    return np.stack(smooth)


def _l1_around(similar: Floats, centre: int, settings: PathSettings) -> Floats:
    """Mixes the best paths of all windows around those in the middle of which the frame is.

    The best path bends at few frames. Which ones they are changes from one window to the next: so
    one of them alone would make the picture jump.
    """
    most = settings.smoothing / 2
    first, last = (max(0, math.ceil(centre - most)), min(len(similar), math.floor(centre + most)))
    total, weights = np.zeros(4), 0.0
    for middle in range(first, last + 1):
        begin = max(0, middle - settings.smoothing)
        end = min(len(similar), middle + settings.smoothing)
        limits = tuple(_limits(settings).tolist())
        weight = math.cos(math.pi / 2 * (middle - centre) / (most + 1)) ** 2
        total += weight * _l1_window(similar[begin:end].tobytes(), limits)[centre - begin]
        weights += weight
    return total / weights


@lru_cache(maxsize=1024)
def _l1_window(similar: bytes, limits: tuple[float, ...]) -> Floats:
    """Returns the correction of every frame of a window, K x 4: neighbours ask for the same ones.

    Args:
        similar: The similarities from frame to frame, K - 1 x 4 numbers.
        limits: Of the four parameters.
    """
    path = _parameters(*_path(np.frombuffer(similar).reshape(-1, 4)))
    columns = zip(path.T, limits, strict=True)
    smooth = np.stack([_l1_path(column, limit) for column, limit in columns], axis=1)
    # As each frame sees it.
    turned = np.exp(-(path[:, 3] + 1j * path[:, 2]))
    shift = (smooth[:, 0] - path[:, 0] + 1j * (smooth[:, 1] - path[:, 1])) * turned
    others = smooth[:, 2:] - path[:, 2:]
    return _read_only(np.column_stack([shift.real, shift.imag, others]))


def _l1_path(measured: Floats, limit: float) -> Floats:
    """Solves the linear program for one coordinate."""
    # Half a second to import, for this method only.
    import scipy.optimize

    count = len(measured)
    equations, cost = _l1_program(count)
    slack = len(cost) - count
    least = np.concatenate([measured - limit, np.zeros(slack)])
    most = np.concatenate([measured + limit, np.full(slack, np.inf)])
    found = scipy.optimize.linprog(
        cost,
        A_eq=equations,
        b_eq=np.concatenate([measured, np.zeros(equations.shape[0] - count)]),
        bounds=np.column_stack([least, most]),
        method="highs-ds",
    )
    # Not even numbers of any size that others supply may stop the filter: then nothing is smoothed.
    return measured if found.x is None else np.asarray(found.x[:count])


@lru_cache(maxsize=64)
def _l1_program(count: int) -> tuple[Any, Floats]:
    """Returns the left sides and the cost of the program for a window of so many frames.

    Its unknowns are the path, and the positive and the negative part of each difference: from the
    measured path, and of first to third order.
    """
    import scipy.sparse

    differences = [scipy.sparse.eye_array(count, format="csr")]
    for _ in range(3):
        differences.append(differences[-1][1:] - differences[-1][:-1])
    rows = scipy.sparse.vstack(differences)
    each = scipy.sparse.eye_array(rows.shape[0])
    costs = [np.full(d.shape[0], w) for d, w in zip(differences, _L1_WEIGHTS, strict=True)]
    cost = np.concatenate([np.zeros(count), *costs, *costs])
    return scipy.sparse.hstack([rows, -each, each], format="csc"), cost


_WEIGHTS = {"kalman": _kalman, "gaussian": _gaussian}
_SMOOTHERS = {"kalman": _linear, "gaussian": _linear, "l1": _l1}
