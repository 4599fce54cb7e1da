"""How near estimated motion and smoothed paths come to what is known of synthetic shots."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..motion.estimate import Motion, MotionSettings, estimate
from ..motion.path import PathSettings, correction, radius
from ..motion.transform import Floats, apply
from .shake import CameraPath, Shot

LINES = 360
"""Figures are in pixels of frames with so many lines, whatever the size is."""


class PathScore(NamedTuple):
    """What is left of the shake, and what has become of the intended path."""

    jitter: float
    """Root mean square of the change of motion from frame to frame, in pixels."""
    distance: float
    """Root mean square distance from the intended path, in pixels."""
    lag: float
    """Delay behind the intended pan, in frames."""


def grid(aspect: float) -> Floats:
    """Returns points all over a frame of this ratio of width to height, centred units, N x 2."""
    x, y = np.meshgrid(np.linspace(-0.48, 0.48, 9) * aspect, np.linspace(-0.48, 0.48, 7))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def estimated(shot: Shot, settings: MotionSettings) -> list[Motion]:
    """Returns the estimated motions of a shot."""
    pairs = zip(shot.frames[:-1], shot.frames[1:], strict=True)
    return [estimate(before, after, settings) for before, after in pairs]


def motion_errors(shot: Shot, motions: Sequence[Motion]) -> Floats:
    """Returns how far estimated motions put points from where they are, for each pair.

    Args:
        shot: What was filmed.
        motions: As estimated.

    Returns:
        Means over the frame, in pixels at 360 lines.
    """
    points = grid(shot.frames.shape[2] / shot.frames.shape[1])
    errors = []
    for n, found in enumerate(motions):
        true = shot.path.seen(n + 1, shot.path.places(n, points))
        errors.append(np.linalg.norm(apply(found.matrix, points) - true, axis=1).mean() * LINES)
    return np.array(errors)


def corrections(
    motions: Sequence[Motion], settings: PathSettings, reach: int | None = None
) -> list[Floats]:
    """Returns the correction of every frame of a scene, each from its own window.

    Args:
        motions: All motions of the scene.
        settings: How they are smoothed.
        reach: Frames on each side of a window; by default as many as the settings ask for.
    """
    reach = radius(settings) if reach is None else reach
    found = []
    for frame in range(len(motions) + 1):
        first, last = max(0, frame - reach), min(len(motions), frame + reach)
        found.append(correction(motions[first:last], frame - first, settings))
    return found


def path_score(path: CameraPath, corrected: Sequence[Floats], aspect: float) -> PathScore:
    """Returns what the steadied frames show, and when.

    Args:
        path: Where the camera was.
        corrected: The correction of every frame; identities for the shot as it was filmed.
        aspect: Ratio of the frames' width to their height.
    """
    points = grid(aspect)
    shown = np.stack([path.places(n, apply(matrix, points)) for n, matrix in enumerate(corrected)])
    wanted = np.stack([apply(path.intended(n), points) for n in range(len(corrected))])
    error = shown - wanted
    speed = np.gradient(wanted, axis=0)
    power = float(np.square(speed).sum())
    return PathScore(
        jitter=_rms(np.diff(shown, 2, axis=0)) * LINES,
        distance=_rms(error) * LINES,
        # Least squares for a delay: what comes late is behind by delay times speed.
        lag=-float((error * speed).sum()) / power if power else 0.0,
    )


def _rms(vectors: Floats) -> float:
    return float(np.sqrt(np.square(vectors).sum(axis=-1).mean()))
