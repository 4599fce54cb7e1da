"""Moving clips from still photographs.

Stills are the cleanest and most varied source there is; a camera move over them, with sub-pixel
steps and now and then something passing in front, makes them as good as video for training.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvqe.training.store import Bytes, Planes

Floats = NDArray[np.float32]


# Moments that a picture is the mean of, where the shutter is open for long.
_MOMENTS = 7


@dataclass(frozen=True)
class Move:
    """Motion of a layer, per frame.

    Attributes:
        right: Pixels.
        down: Pixels.
        zoom: Relative.
        turn: Radians.
        tilt: About the upright and the level axis of the picture: change of scale from its middle
            to an edge.
        gain: By which all of it gets faster from frame to frame, relative.
    """

    right: float
    down: float
    zoom: float = 0.0
    turn: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    gain: float = 0.0

    def way(self, time: float) -> float:
        """Returns how many frames of even motion the camera has made by a time."""
        return time + 0.5 * self.gain * time * abs(time)


def random_move(rng: np.random.Generator) -> Move:
    """Draws a motion: at rest, creeping by fractions of a pixel, or panning."""
    speed = float(rng.choice((0.0, 1.0, 6.0), p=(0.15, 0.4, 0.45))) * rng.random()
    heading = rng.uniform(0.0, 2.0 * np.pi)
    zoom = rng.normal(0.0, 0.006) if rng.random() < 0.4 else 0.0
    turn = rng.normal(0.0, 0.006) if rng.random() < 0.3 else 0.0
    across, along = rng.normal(0.0, 0.004, 2) if rng.random() < 0.3 else (0.0, 0.0)
    gain = rng.uniform(-0.1, 0.1) if rng.random() < 0.4 else 0.0
    right, down = speed * np.cos(heading), speed * np.sin(heading)
    return Move(right, down, zoom, turn, (across, along), gain)


def random_shutter(rng: np.random.Generator) -> float:
    """Draws for how much of a frame's time the shutter is open: mostly too short to matter."""
    return float(rng.uniform(0.2, 0.6)) if rng.random() < 0.2 else 0.0


def still_to_clip(
    still: Bytes,
    passer: Bytes | None,
    shrink: float,
    frames: int,
    rng: np.random.Generator,
) -> Planes:
    """Films a photograph.

    Args:
        still: RGB picture.
        passer: RGB picture of which a part moves in front, or None.
        shrink: Factor to downscale the pictures with, to hide their own compression.
        frames: Length of the clip.
        rng: Source of all choices.

    Returns:
        A BT.709 limited-range clip whose sides are multiples of 16.
    """
    scene = _prepare(still, shrink, rng)
    height = min(320, int(scene.shape[0] * 0.9) // 16 * 16)
    width = min(448, int(scene.shape[1] * 0.9) // 16 * 16)
    move, shutter = random_move(rng), random_shutter(rng)
    pictures = [
        _exposed(scene, move, n - frames / 2, shutter, height, width) for n in range(frames)
    ]
    if passer is not None:
        layer = _prepare(passer, shrink, rng)
        _pass_in_front(pictures, layer, random_move(rng), rng)
    return to_planes(pictures)


def to_planes(pictures: list[Floats]) -> Planes:
    """Converts RGB in [0, 1] to 8-bit BT.709 limited-range 4:2:0 with left-sited chroma."""
    lumas, blues, reds = [], [], []
    for rgb in pictures:
        luma = rgb @ np.array((0.2126, 0.7152, 0.0722), np.float32)
        lumas.append(_quantise(16.0 + 219.0 * luma, 235))
        blues.append(_chroma((rgb[..., 2] - luma) / 1.8556))
        reds.append(_chroma((rgb[..., 0] - luma) / 1.5748))
    return Planes(np.stack(lumas), np.stack(blues), np.stack(reds))


def _prepare(still: Bytes, shrink: float, rng: np.random.Generator) -> Floats:
    """Shrinks, flips, turns and re-exposes a picture."""
    height, width = still.shape[:2]
    size = (round(width * shrink), round(height * shrink))
    picture = still if shrink == 1.0 else cv2.resize(still, size, interpolation=cv2.INTER_AREA)
    picture = np.rot90(picture, int(rng.integers(4)))
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    scene = np.ascontiguousarray(picture, np.float32) / 255.0
    if rng.random() < 0.4:
        scene = scene ** np.float32(rng.uniform(0.75, 1.4))
    return scene


def _exposed(
    scene: Floats, move: Move, time: float, shutter: float, height: int, width: int
) -> Floats:
    """Returns what a moving camera sees while its shutter is open, blurred along its motion."""
    moments = np.linspace(-0.5, 0.5, _MOMENTS) * shutter if shutter else (0.0,)
    views = [_look(scene, move, time + moment, height, width) for moment in moments]
    return np.mean(views, axis=0, dtype=np.float32) if len(views) > 1 else views[0]


def _look(scene: Floats, move: Move, time: float, height: int, width: int) -> Floats:
    """Returns the view of a moving camera at one time."""
    way = move.way(time)
    zoom = np.exp(move.zoom * way)
    cos, sin = zoom * np.cos(move.turn * way), zoom * np.sin(move.turn * way)
    centre_x = scene.shape[1] / 2 + move.right * way
    centre_y = scene.shape[0] / 2 + move.down * way
    # From the middle of the view, by its tilt, to the scene.
    middle = np.array(((1.0, 0.0, -width / 2), (0.0, 1.0, -height / 2), (0.0, 0.0, 1.0)))
    tilt = np.eye(3)
    tilt[2, :2] = 2.0 * way * move.tilt[0] / width, 2.0 * way * move.tilt[1] / height
    placed = np.array(((cos, -sin, centre_x), (sin, cos, centre_y), (0.0, 0.0, 1.0)))
    warped = cv2.warpPerspective(
        scene,
        placed @ tilt @ middle,
        (width, height),
        flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.clip(warped, 0.0, 1.0).astype(np.float32)


def _pass_in_front(
    pictures: list[Floats], layer: Floats, move: Move, rng: np.random.Generator
) -> None:
    """Draws an elliptic part of a layer over the pictures, moving by itself."""
    height, width = pictures[0].shape[:2]
    x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height
    axes = rng.uniform(0.1, 0.3, 2) * min(height, width)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    for number, picture in enumerate(pictures):
        time = number - len(pictures) / 2
        view = _look(layer, Move(-move.right, -move.down, gain=move.gain), time, height, width)
        across = (columns - x - move.right * move.way(time)) / axes[0]
        along = (rows - y - move.down * move.way(time)) / axes[1]
        inside = (1.0 - np.hypot(across, along)) * float(axes.min())
        cover = np.clip(inside + 0.5, 0.0, 1.0).astype(np.float32)[..., None]
        picture += cover * (view - picture)


def _chroma(plane: Floats) -> Bytes:
    """Halves a chroma plane: co-sited with even columns, between pairs of rows."""
    across = cv2.sepFilter2D(
        plane,
        -1,
        np.array((0.25, 0.5, 0.25), np.float32),
        np.array((1.0,), np.float32),
        borderType=cv2.BORDER_REFLECT_101,
    )[:, ::2]
    return _quantise(128.0 + 224.0 * (across[::2] + across[1::2]) / 2.0, 240)


def _quantise(plane: Floats, top: int) -> Bytes:
    """Rounds to 8-bit codes within the nominal range."""
    return np.clip(np.rint(plane), 16, top).astype(np.uint8)
