"""How near estimated motion and smoothed paths come to what is known of synthetic shots."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..motion.estimate import Motion, MotionSettings, estimate
from ..motion.mesh import Mesh, moved
from ..motion.path import PathSettings, bend, correction, radius
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
    aspect = shot.frames.shape[2] / shot.frames.shape[1]
    points = grid(aspect)
    errors = []
    for n, found in enumerate(motions):
        true = shot.path.seen(n + 1, shot.path.places(n, points))
        there = moved(found.matrix, found.mesh, points, aspect)
        errors.append(np.linalg.norm(there - true, axis=1).mean() * LINES)
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


def bends(motions: Sequence[Motion], settings: PathSettings) -> list[Mesh | None]:
    """Returns what the correction of every frame of a scene is bent by; see ``path.bend``."""
    reach = radius(settings)
    found = []
    for frame in range(len(motions) + 1):
        first, last = max(0, frame - reach), min(len(motions), frame + reach)
        found.append(bend(motions[first:last], frame - first, settings))
    return found


def path_score(
    path: CameraPath,
    corrected: Sequence[Floats],
    aspect: float,
    bent: Sequence[Mesh | None] | None = None,
) -> PathScore:
    """Returns what the steadied frames show, and when.

    Args:
        path: Where the camera was.
        corrected: The correction of every frame; identities for the shot as it was filmed.
        aspect: Ratio of the frames' width to their height.
        bent: What every correction is bent by, if anything.
    """
    points = grid(aspect)
    meshes = [None] * len(corrected) if bent is None else bent
    there = [moved(c, mesh, points, aspect) for c, mesh in zip(corrected, meshes, strict=True)]
    shown = np.stack([path.places(n, places) for n, places in enumerate(there)])
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
