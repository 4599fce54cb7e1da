"""Handheld shots whose camera is known: a picture, filmed along a path that shakes.

The intended path is at rest, then pans and zooms, then is at rest again; the hand adds jitter.
What makes it hard can be added: rolling shutter, perspective, something that moves in front,
noise, and compression.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ..motion.transform import Floats, Matrix, compose
from .encode import encode_frames

type Picture = NDArray[np.uint8]

# Pictures are taken at this multiple of their size and reduced: edges are as smooth as filmed, and
# the steps in which OpenCV interpolates are too small to matter.
_OVERSAMPLING = 2

# Handheld cameras: below the lowest of these frequencies, in Hz, motion counts as intended; above,
# the power of the jitter falls off beyond a knee, and the tremor of the hand lies on top of it. The
# shares of the octaves are those of real handheld clips (60 % up to 1.2 Hz, 35 % up to 2.4, 4 % up
# to 4.8, 1 % up to 9.6), and so are the amplitudes that a shot has by default.
_SLOWEST, _FASTEST = 0.6, 13.0
_KNEE = 1.2
_TREMOR, _TREMOR_WIDTH, _TREMOR_SHARE = 9.0, 1.5, 0.03
_WAVES = 80


@dataclass(frozen=True, kw_only=True)
class Shake:
    """How a picture is filmed.

    Attributes:
        frames: Length of the shot.
        rate: Frames a second.
        pan: Where the intended path leads, in heights, right and down.
        zoom: And what it enlarges by.
        jitter: Deviation of the jitter: right and down (both in heights), rotation in radians,
            log of the scale.
        perspective: Deviation of the jitter of the camera's tilt, in the units of the last row of
            a homography (1 / height).
        rolling_shutter: Share of the time between two frames that reading out the rows takes.
        passer: Radius of what moves in front, in heights; 0 for nothing.
        noise: Standard deviation of the noise, in codes.
        crf: x264's rate factor, or None for no compression.
    """

    frames: int = 120
    rate: float = 30.0
    pan: tuple[float, float] = (0.3, 0.08)
    zoom: float = 1.05
    jitter: tuple[float, float, float, float] = (0.03, 0.025, 0.01, 0.0015)
    perspective: float = 0.0
    rolling_shutter: float = 0.0
    passer: float = 0.0
    noise: float = 0.0
    crf: int | None = None


class CameraPath:
    """Where the camera is, at any time; times are in frames."""

    def __init__(self, shake: Shake, seed: int) -> None:
        """Draws the jitter.

        Args:
            shake: How it moves.
            seed: Of the jitter.
        """
        self.shake = shake
        rng = np.random.default_rng(seed)
        deviations = np.array([*shake.jitter, shake.perspective, shake.perspective])
        # Waves at random frequencies and phases, with the power that hands have there.
        edges = np.geomspace(_SLOWEST, _FASTEST, _WAVES + 1)
        self._frequencies = rng.uniform(edges[:-1], edges[1:], (len(deviations), _WAVES))
        self._phases = rng.uniform(0, 2 * np.pi, self._frequencies.shape)
        power = _power(self._frequencies) * np.diff(edges)
        power /= power.sum(axis=1, keepdims=True)
        self._amplitudes = np.sqrt(2 * power) * deviations[:, None]

    def intended(self, time: float) -> Matrix:
        """Returns the pose of a steady camera: it maps points of the frame to the scene's."""
        done = _eased(time / (self.shake.frames - 1))
        dx, dy = np.array(self.shake.pan) * (done - 0.5)
        return compose(dx, dy, 0.0, -np.log(self.shake.zoom) * done)

    def pose(self, time: float) -> Matrix:
        """Returns the pose of the camera in the hand."""
        angles = 2 * np.pi * self._frequencies * time / self.shake.rate + self._phases
        *similarity, tilt, swing = (self._amplitudes * np.sin(angles)).sum(axis=1)
        tilted = np.eye(3)
        tilted[2, :2] = tilt, swing
        return np.asarray(self.intended(time) @ compose(*similarity) @ tilted)

    def places(self, frame: int, points: Floats) -> Floats:
        """Returns which points of the scene are seen at points of a frame, N x 2, centred units.

        With a rolling shutter each row is seen at its own time.
        """
        return _mapped(self.row_poses(frame, points[:, 1]), points)

    def seen(self, frame: int, places: Floats) -> Floats:
        """Returns at which points of a frame points of the scene are seen; undoes ``places``."""
        points = _mapped(np.linalg.inv(self.row_poses(frame, np.zeros(len(places)))), places)
        # Which row sees a place depends on the row: each turn is nearer by the speed of the rows.
        for _ in range(8 if self.shake.rolling_shutter else 0):
            points = _mapped(np.linalg.inv(self.row_poses(frame, points[:, 1])), places)
        return points

    def row_poses(self, frame: int, rows: Floats) -> Floats:
        """Returns the pose of each row of a frame, N x 3 x 3."""
        if not self.shake.rolling_shutter:
            return np.broadcast_to(self.pose(frame), (len(rows), 3, 3))
        return np.stack([self.pose(frame + self.shake.rolling_shutter * row) for row in rows])


def _mapped(matrices: Floats, points: Floats) -> Floats:
    """Maps each point by its own homography."""
    mapped = np.einsum("nij,nj->ni", matrices, np.column_stack([points, np.ones(len(points))]))
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


class Shot(NamedTuple):
    """What was filmed, and where the camera was."""

    frames: Picture
    """Luma, frames x height x width."""
    path: CameraPath

    @property
    def motions(self) -> Floats:
        """The true motion from each frame to the next, T - 1 x 3 x 3, centred units.

        With a rolling shutter that of the row in the middle.
        """
        poses = np.stack([self.path.pose(n) for n in range(len(self.frames))])
        return np.linalg.inv(poses[1:]) @ poses[:-1]


def film(scene: Picture, width: int, height: int, shake: Shake, seed: int) -> Shot:
    """Films a still picture, or a clip of a camera at rest.

    Args:
        scene: Luma, 8 bits, H x W, or at least as many pictures as frames are wanted; larger than
            the frames by as much as the path needs, or what is beyond its edge is its mirror
            image.
        width: Of the frames.
        height: Of the frames.
        shake: How it is filmed.
        seed: Of all that is random.
    """
    path = CameraPath(shake, seed)
    rng = np.random.default_rng(seed)
    scenes = np.broadcast_to(scene, (shake.frames, *scene.shape)) if scene.ndim == 2 else scene
    frames = np.stack([_view(scenes[n], path, n, width, height) for n in range(shake.frames)])
    if shake.passer:
        _pass_in_front(frames, scenes[0], shake, rng)
    if shake.noise:
        noisy = frames + rng.normal(0.0, shake.noise, frames.shape)
        frames = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    if shake.crf is not None:
        frames = _compressed(frames, shake)
    return Shot(frames, path)


def _power(frequency: Floats) -> Floats:
    """Returns the power of the jitter at frequencies in Hz: positions, not speeds."""
    fall = 1 / (1 + (frequency / _KNEE) ** 4)
    tremor = np.exp(-0.5 * ((frequency - _TREMOR) / _TREMOR_WIDTH) ** 2)
    return np.asarray(fall + _TREMOR_SHARE * tremor * (_KNEE / _TREMOR) ** 2)


def _eased(progress: float) -> float:
    """Returns a ramp from 0 to 1 over the middle half of the time, its corners rounded."""
    width = 0.04

    def rounded(x: float) -> float:
        """The integral of a step whose edge is a logistic function."""
        return float(width * np.logaddexp(0.0, x / width))

    return 2 * (rounded(progress - 0.25) - rounded(progress - 0.75))


def _view(scene: Picture, path: CameraPath, frame: int, width: int, height: int) -> Picture:
    """Returns one frame: each row at its own time, if the shutter rolls."""
    wide, high = width * _OVERSAMPLING, height * _OVERSAMPLING
    across = (np.arange(wide) + 0.5 - wide / 2) / high
    down = (np.arange(high) + 0.5) / high - 0.5
    poses = path.row_poses(frame, down)
    # Along a row each coordinate is a straight line.
    starts = poses[:, :, 1] * down[:, None] + poses[:, :, 2]
    x, y, w = (np.outer(poses[:, i, 0], across) + starts[:, i, None] for i in range(3))
    x = (x / w * height + (scene.shape[1] - 1) / 2).astype(np.float32)
    y = (y / w * height + (scene.shape[0] - 1) / 2).astype(np.float32)
    taken = cv2.remap(scene, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    small = cv2.resize(taken, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _pass_in_front(frames: Picture, scene: Picture, shake: Shake, rng: np.random.Generator) -> None:
    """Lets a disc of another texture cross the frames, at its own speed."""
    _, height, width = frames.shape
    layer = np.ascontiguousarray(scene[::-1, ::-1])
    radius = shake.passer * height
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    y = height * rng.uniform(0.4, 0.6)
    speed = (width - 2 * radius) / len(frames)
    for number, frame in enumerate(frames):
        x = radius + speed * number
        view = cv2.getRectSubPix(layer, (width, height), (layer.shape[1] / 2 - speed * number, y))
        cover = np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0.0, 1.0)
        frame[...] = np.rint(frame + cover * (view.astype(np.float64) - frame))


def _compressed(frames: Picture, shake: Shake) -> Picture:
    """Returns the frames after x264."""
    _, height, width = frames.shape
    grey = np.full((height // 2, width), 128, np.uint8)

    def packed() -> Iterator[av.VideoFrame]:
        for frame in frames:
            planes = np.vstack([frame, grey])
            yield av.VideoFrame.from_ndarray(planes, format="yuv420p")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shot.mp4"
        options = {"crf": str(shake.crf), "preset": "medium"}
        encode_frames(packed(), path, "libx264", options, Fraction(shake.rate))
        with av.open(str(path)) as container:
            decoded = [frame.to_ndarray()[:height] for frame in container.decode(video=0)]
    return np.stack(decoded)
