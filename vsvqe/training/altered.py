"""Clean clips made unlike themselves and coded anew: an estimate can not know them by heart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvqe.cards import CLEAN_QUANTISER
from vsvqe.motion.alignment import Sampling, displacements, flow
from vsvqe.training.codecs import transcode
from vsvqe.training.recipes import quantiser, random_recipe
from vsvqe.training.store import Bytes, Planes, Store

type Couple = Bytes
"""Luma of a frame and of the next one, brought to where its content is, 2 x H x W."""

# Frames that are coded, and those of them that are looked at.
_FRAMES = 7
_LOOKED_AT = (0, 2, 5)
_LARGEST = 448
_CLEAN_SHARE = 0.15
# What is told of the finest that clips are coded with is drawn towards the others: so there are
# finer ones than matter.
_FINEST = 13
_DRAWN_SHARE = 0.25
_DRAWN_HEIGHT, _DRAWN_WIDTH = 288, 384


def altered_couples(store: Store, rng: np.random.Generator) -> list[tuple[Couple, float]]:
    """Alters a part of a clean clip, or of a drawing, codes it, and returns some of its frames.

    Contrast, grain, sharpness, size and number of shades of what people compress differ more than
    those of the clips of a training. All of it changes before the coding, which stays what it is.

    Args:
        store: Where the clips are.
        rng: Source of all choices.

    Returns:
        Couples, each with its quantiser.
    """
    y = _drawn(rng) if rng.random() < _DRAWN_SHARE else _filmed(store, rng)
    y = _altered(y, rng)
    frames = len(y)
    codes = np.clip(np.rint(y), 16, 235).astype(np.uint8)
    given = CLEAN_QUANTISER
    if rng.random() >= _CLEAN_SHARE:
        grey = np.full((frames, codes.shape[1] // 2, codes.shape[2] // 2), 128, np.uint8)
        recipe = random_recipe(rng, _FINEST)
        codes, given = transcode(Planes(codes, grey, grey), recipe).y, quantiser(str(recipe))
    numbers = [n for n in _LOOKED_AT if n + 1 < frames]
    return [(_couple(codes[n], codes[n + 1]), given) for n in numbers]


def _filmed(store: Store, rng: np.random.Generator) -> NDArray[np.float32]:
    """Cuts a few frames out of a clean clip, T x H x W in codes, H and W multiples of 16."""
    clean = [(shard, entry) for shard, entry in store.clips if entry.kind == "clean"]
    shard, entry = clean[int(rng.integers(len(clean)))]
    frames = min(_FRAMES, entry.frames)
    first = int(rng.integers(entry.frames - frames + 1))
    height, width = (min(side, _LARGEST) // 16 * 16 for side in (entry.height, entry.width))
    top = int(rng.integers(entry.height - height + 1))
    left = int(rng.integers(entry.width - width + 1))
    luma = store.planes(shard, entry).y[first : first + frames]
    return luma[:, top : top + height, left : left + width].astype(np.float32)


def _drawn(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws shapes, hatchings and letters with hard or soft edges, and moves over them."""
    side = max(_DRAWN_HEIGHT, _DRAWN_WIDTH) + 4 * _FRAMES
    row, column = np.mgrid[:side, :side].astype(np.float32)
    waves = np.sin(row / 40) * np.cos(column / 30)
    picture = (rng.uniform(60, 190) + rng.uniform(-40, 40) * waves).astype(np.uint8)
    edge = int(rng.choice((cv2.LINE_8, cv2.LINE_AA)))
    for _ in range(int(rng.integers(10, 120))):
        x, y, across = (int(n) for n in rng.integers((0, 0, 3), (side, side, 60)))
        shade = int(rng.integers(16, 236))
        kind = int(rng.integers(5))
        if kind == 0:
            cv2.circle(picture, (x, y), across, shade, -1, edge)
        elif kind == 1:
            cv2.rectangle(picture, (x, y), (x + across, y + across // 2 + 1), shade, -1)
        elif kind == 2:
            end = (x + int(rng.integers(-80, 80)), y + int(rng.integers(-80, 80)))
            cv2.line(picture, (x, y), end, shade, int(rng.integers(1, 5)), edge)
        elif kind == 3:
            text = "".join(map(chr, rng.integers(33, 127, 8)))
            size = float(rng.uniform(0.3, 1.2))
            cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, shade, 1, edge)
        else:
            within = np.s_[y : y + across, x : x + across]
            angle, pitch = rng.uniform(0, np.pi), rng.uniform(0.2, 2.0)
            phase = pitch * (column[within] * np.cos(angle) + row[within] * np.sin(angle))
            picture[within] = np.where(np.sin(phase) > 0, shade, rng.integers(16, 236))
    right, down = rng.integers(-4, 5, 2)
    frames = []
    for n in range(_FRAMES):
        top, left = (4 * _FRAMES * (step < 0) + int(step) * n for step in (down, right))
        frames.append(picture[top : top + _DRAWN_HEIGHT, left : left + _DRAWN_WIDTH])
    return np.stack(frames).astype(np.float32)


def _altered(y: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Changes frames, T x H x W in codes; their sides stay multiples of 16."""
    if rng.random() < 0.3:
        y = _resized(y, float(rng.choice((0.5, 0.75, 1.5, 2.0))), rng)
    if rng.random() < 0.15:
        shades = float(rng.uniform(8.0, 40.0))
        y = np.stack([np.rint(cv2.medianBlur(f.astype(np.uint8), 5) / shades) * shades for f in y])
    if rng.random() < 0.3:
        sigma = float(rng.uniform(0.4, 1.6))
        # Less or more of what a blur takes away.
        amount = float(rng.choice((-1.0, rng.uniform(0.3, 2.0))))
        y = np.stack([f + amount * (f - cv2.GaussianBlur(f, (0, 0), sigma)) for f in y])
    if rng.random() < 0.7:
        y = (y - y.mean()) * np.exp(rng.uniform(-0.9, 0.9)) + rng.uniform(60.0, 180.0)
    if rng.random() < 0.5:
        y = y + _grain(y.shape, rng)
    return y.astype(np.float32)


def _resized(
    y: NDArray[np.float32], factor: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Makes frames smaller, or a part of them larger."""
    kernel = int(rng.choice((cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_CUBIC)))
    if factor > 1.0:
        y = y[:, : int(y.shape[1] / factor), : int(y.shape[2] / factor)]
    width, height = (int(side * factor) // 16 * 16 for side in y.shape[:0:-1])
    return np.stack([cv2.resize(f, (width, height), interpolation=kernel) for f in y])


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns noise, fine or coarser, which moves or stays."""
    moving = rng.random() < 0.7
    noise = rng.normal(0.0, 1.0, shape if moving else (1, *shape[1:])).astype(np.float32)
    if rng.random() < 0.5:
        noise = np.stack([2.0 * cv2.GaussianBlur(f, (0, 0), 0.8) for f in noise])
    return np.asarray(noise * np.exp(rng.uniform(0.0, 3.0)), np.float32)


def _couple(own: Bytes, following: Bytes) -> Couple:
    """Brings the next frame to where the content of the first one is."""
    (moved,) = displacements([flow(own, following)])
    assert moved is not None
    return np.stack((own, Sampling(moved).luma(following)))
