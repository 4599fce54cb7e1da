"""The motion of the camera between two pictures, and how far it can be trusted."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .flow import FLOWS, FlowName, Matches, Picture, match
from .transform import Floats, Matrix, apply, corners, decompose, points_from_pixels

type ModelName = Literal["translation", "similarity", "affine", "homography"]

MODELS: tuple[ModelName, ...] = ("translation", "similarity", "affine", "homography")
"""From the simplest."""

# What is not within so many pixels (at 360 lines) of a common motion moves by itself, or was found
# wrongly. No point is followed more exactly than to the second, whatever the size.
_INLIER = 2.5
_LEAST_INLIER = 0.7
# Scale of the weights that tell good inliers from bad: this many robust deviations weigh half.
_HALF_WEIGHT = 2.0
_PASSES = 3

_PARAMETERS: dict[ModelName, int] = {
    "translation": 2,
    "similarity": 4,
    "affine": 6,
    "homography": 8,
}
# Inliers without which a model is not tried: more than it needs, because they are not independent.
_SUPPORT: dict[ModelName, int] = {
    "translation": 6,
    "similarity": 10,
    "affine": 40,
    "homography": 60,
}
# And the deviation that their places must have, in units of the height, so that they hold it: along
# a line for a similarity, across it too for the others.
_SPREAD: dict[ModelName, float] = {
    "translation": 0.0,
    "similarity": 0.1,
    "affine": 0.15,
    "homography": 0.2,
}
# A simpler model, or none, is as good when the F test doesn't tell the two apart. Neighbouring
# points err alike, so they count for less, and the level is far above chance.
_INDEPENDENT = 0.5
_F_LEVEL = 8.0
# Below so many pixels at the picture's corners, coding and noise look the same as motion.
_LEAST = 0.03

# Inliers from which on a motion is fully trusted, and their share of all points looked for.
_MANY = 30
_SHARE = 0.35
# Below, the motion is more likely a chance than not.
_DOUBTFUL = 0.2

# No camera does more from one frame to the next: shift in heights, radians, log of the scale.
_FASTEST = (0.6, 0.6, 0.35, 0.3)


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How motion is estimated.

    Attributes:
        flow: How points are followed: ``"lk"`` (corners and pyramidal Lucas-Kanade, the quickest
            and the most exact), ``"dis"`` or ``"farneback"`` (dense flow).
        model: The most complex motion that is considered: ``"translation"``, ``"similarity"``
            (and rotation and scale), ``"affine"`` (and shear) or ``"homography"`` (and
            perspective). Where a simpler one explains a pair as well, or there is too little to
            go by, the simpler one is taken.

    Raises:
        ValueError: A name is not one of these.
    """

    flow: FlowName = "lk"
    model: ModelName = "homography"

    def __post_init__(self) -> None:
        """Checks the names."""
        for name, value, names in (("flow", self.flow, FLOWS), ("model", self.model, MODELS)):
            if value not in names:
                raise ValueError(f"{name} must be one of {', '.join(names)}, not {value!r}")


class Motion(NamedTuple):
    """The motion of the camera from one frame to the next."""

    matrix: Matrix
    """Maps a point of the first frame to where its content is in the second; centred units."""
    confidence: float
    """0 (a guess: the matrix is the identity) to 1."""


def estimate(previous: Picture, current: Picture, settings: MotionSettings) -> Motion:
    """Returns the motion of the camera between two pictures.

    Textured points are followed from one picture to the next; those that do not share the motion
    of the largest group are rejected (MAGSAC++, Barath et al., CVPR 2020); the motion is the
    weighted least-squares fit to the others (for a similarity the closed form of Umeyama, IEEE
    PAMI 13(4), 1991), reweighted by their distance from it.

    The result depends on the two pictures and the settings only. Equal pictures, and those whose
    difference is within what the measurement can tell, give exactly the identity.

    Args:
        previous: Luma, height x width, 8 bits; about 360 lines are best.
        current: Luma of the next frame, of the same size.
        settings: How it is estimated.

    Returns:
        The motion. Where too little was found, it is a simpler one or the identity, and its
        confidence is low.

    Raises:
        ValueError: The pictures are not two 8-bit planes of one size.

    Example:
        >>> import numpy as np
        >>> from vsvqe.motion.estimate import MotionSettings, estimate
        >>> noise = np.random.default_rng(1).integers(0, 255, (45, 80), np.uint8)
        >>> picture = noise.repeat(8, axis=0).repeat(8, axis=1)
        >>> motion = estimate(picture, np.roll(picture, 9, axis=1), MotionSettings())
        >>> round(float(motion.matrix[0, 2]) * 360, 1)
        9.0
    """
    if (
        not previous.dtype == current.dtype == np.uint8
        or previous.shape != current.shape
        or previous.ndim != 2
    ):
        raise ValueError(
            "two 8-bit H x W arrays of one size are needed, not "
            f"{previous.dtype} {previous.shape}, {current.dtype} {current.shape}"
        )
    if np.array_equal(previous, current):
        return Motion(np.eye(3), 1.0)
    matches = match(previous, current, settings.flow)
    return _motion(matches, settings.model, current.shape[1], current.shape[0])


def _motion(matches: Matches, model: ModelName, width: int, height: int) -> Motion:
    """Returns the motion that most of the points share."""
    nothing = Motion(np.eye(3), 0.0)
    common = _common(matches, height)
    if common.sum() < _SUPPORT["translation"]:
        return nothing
    before = points_from_pixels(matches.before[common], width, height)
    after = points_from_pixels(matches.after[common], width, height)
    weights = matches.weights[common]
    across, along = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(before.T)), 0.0))
    supported = [
        name
        for name in MODELS[: MODELS.index(model) + 1]
        if len(before) >= _SUPPORT[name]
        and (along if name == "similarity" else across) >= _SPREAD[name]
    ]
    matrix = _simplest(before, after, weights, supported)
    if (np.abs(decompose(matrix)) > _FASTEST).any():
        return nothing
    confidence = min(1.0, len(before) / _MANY) * min(1.0, common.mean() / _SHARE)
    confidence *= min(1.0, len(before) / (_SHARE * matches.candidates))
    if confidence < _DOUBTFUL:
        return Motion(np.eye(3), confidence)
    if _farthest(matrix, width / height) * height < _LEAST:
        matrix = np.eye(3)
    return Motion(matrix, confidence)


def _common(matches: Matches, height: int) -> NDArray[np.bool_]:
    """Returns which points follow the motion that most share, up to an affine one."""
    none = np.zeros(len(matches.before), bool)
    if len(none) < _SUPPORT["translation"]:
        return none
    threshold = max(_INLIER * height / 360, _LEAST_INLIER)
    # Its random numbers begin anew at every call.
    _, inliers = cv2.estimateAffine2D(
        matches.before,
        matches.after,
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=threshold,
        maxIters=500,
        confidence=0.995,
    )
    return none if inliers is None else inliers.ravel().astype(bool)


def _simplest(
    before: Floats,
    after: Floats,
    weights: Floats,
    supported: list[ModelName],
) -> Matrix:
    """Returns the simplest motion that is as good as the most complex one that is supported."""
    best, weights = _fitted(before, after, weights, supported[-1])
    error = _error(best, before, after, weights)
    freedom = 2 * _INDEPENDENT * len(before) - _PARAMETERS[supported[-1]]
    for name in (None, *supported[:-1]):
        simple = np.eye(3) if name is None else _FITS[name](before, after, weights)
        saved = _PARAMETERS[supported[-1]] - (0 if name is None else _PARAMETERS[name])
        worse = _error(simple, before, after, weights) - error
        if worse * freedom <= _F_LEVEL * saved * error:
            return simple
    return best


def _fitted(
    before: Floats, after: Floats, weights: Floats, model: ModelName
) -> tuple[Matrix, Floats]:
    """Fits a model, and again with less weight on what is far from it; returns the weights too."""
    fit = _FITS[model]
    reweighted = weights
    for _ in range(_PASSES):
        matrix = fit(before, after, reweighted)
        distance = np.linalg.norm(apply(matrix, before) - after, axis=1)
        scale = _HALF_WEIGHT * 1.4826 * float(np.median(distance)) + 1e-9
        reweighted = weights / (1 + np.square(distance / scale))
    return fit(before, after, reweighted), reweighted


def _error(matrix: Matrix, before: Floats, after: Floats, weights: Floats) -> float:
    """Returns the weighted sum of squares of what a motion leaves."""
    return float(weights @ np.square(apply(matrix, before) - after).sum(axis=1))


def _farthest(matrix: Matrix, aspect: float) -> float:
    """Returns how far a motion moves the corner of the frame that it moves most."""
    points = corners(aspect)
    return float(np.linalg.norm(apply(matrix, points) - points, axis=1).max())


def _translation(before: Floats, after: Floats, weights: Floats) -> Matrix:
    matrix = np.eye(3)
    matrix[:2, 2] = weights @ (after - before) / weights.sum()
    return matrix


def _similarity(before: Floats, after: Floats, weights: Floats) -> Matrix:
    """Umeyama's closed form, in the plane."""
    middle, target = (weights @ points / weights.sum() for points in (before, after))
    (x, y), (u, v) = (before - middle).T, (after - target).T
    power = weights @ (x * x + y * y)
    cos, sin = weights @ (x * u + y * v) / power, weights @ (x * v - y * u) / power
    turn = np.array([[cos, -sin], [sin, cos]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = target - turn @ middle
    return matrix


def _affine(before: Floats, after: Floats, weights: Floats) -> Matrix:
    places = np.column_stack([before, np.ones(len(before))])
    return np.vstack([_solved(places, after, weights).T, [0.0, 0.0, 1.0]])


def _homography(before: Floats, after: Floats, weights: Floats) -> Matrix:
    """The direct linear transform with its last element fixed: near the identity it is safe."""
    places = np.column_stack([before, np.ones(len(before))])
    zeros = np.zeros_like(places)
    equations = np.vstack(
        [
            np.hstack([places, zeros, -after[:, :1] * before]),
            np.hstack([zeros, places, -after[:, 1:] * before]),
        ]
    )
    solution = _solved(equations, after.T.ravel(), np.tile(weights, 2))
    return np.append(solution, 1.0).reshape(3, 3)


def _solved(equations: Floats, targets: Floats, weights: Floats) -> Floats:
    """Solves by least squares; the few normal equations take a fraction of the time."""
    weighted = (equations * weights[:, None]).T
    return np.linalg.lstsq(weighted @ equations, weighted @ targets, rcond=None)[0]


_FITS = {
    "translation": _translation,
    "similarity": _similarity,
    "affine": _affine,
    "homography": _homography,
}
