"""Measures what aligned neighbours can tell about a compressed frame, without any training.

For every validation clip the linear filters over a frame (5x5) and over its neighbours (3x3 each)
are found that bring it nearest to the original, by least squares; the gain in PSNR-Y is a floor of
what a network can learn from the same frames.

Example:
    python scripts/alignment_gain.py --cache cache
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.motion.alignment import samplings
from vsvqe.training.pairs import DAMAGED, find_pairs
from vsvqe.training.store import Planes, Store
from vsvqe.training.tasks import damage_name

# Neighbours, and whether they are aligned.
WINDOWS: dict[str, tuple[tuple[int, ...], bool]] = {
    "the frame alone": ((), False),
    "-2 to +2, as they are": ((-2, -1, 1, 2), False),
    "-2 to +2": ((-2, -1, 1, 2), True),
    "+1": ((1,), True),
    "+1, +2": ((1, 2), True),
    "+1, +2, +4": ((1, 2, 4), True),
    "+1 to +4": ((1, 2, 3, 4), True),
    "-2 to +4": ((-2, -1, 1, 2, 3, 4), True),
    "-2 to +4, +6, +8": ((-2, -1, 1, 2, 3, 4, 6, 8), True),
    "-2 to +8": ((-2, -1, *range(1, 9)), True),
    "+1 to +8": (tuple(range(1, 9)), True),
}
REACH = 8


def samples_around(plane: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Returns the samples around every sample, H * W x side * side."""
    reach = side // 2
    padded = cv2.copyMakeBorder(plane, reach, reach, reach, reach, cv2.BORDER_REFLECT)
    around = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return around.reshape(plane.size, side * side)


def neighbours(
    clip: Planes, flows: NDArray[np.int16], frame: int, aligned: bool
) -> dict[int, NDArray[np.float32]]:
    """Returns the lumas from 2 frames before to 8 after."""
    others = [offset for offset in range(-2, REACH + 1) if offset]
    if not aligned:
        return {offset: clip.y[frame + offset].astype(np.float32) for offset in others}
    ahead, behind = list(flows[frame : frame + REACH, 0]), [flows[frame - 1 - n, 1] for n in (0, 1)]
    return {
        offset: sampling.luma(clip.y[frame + offset].astype(np.float32))
        for offset, sampling in zip(others, samplings(ahead, behind, others), strict=True)
        if sampling
    }


def gain(
    frames: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> float:
    """Returns the gain in decibels of the best linear filter from features to target."""
    squares = sum(float(np.sum(target**2)) for _, target in frames)
    products = sum(features.T.astype(np.float64) @ features for features, _ in frames)
    shared = sum(features.T.astype(np.float64) @ target for features, target in frames)
    ridge = 1e-6 * np.trace(products) / len(products)
    weights = np.linalg.solve(products + ridge * np.eye(len(products)), shared)
    left = squares - 2.0 * weights @ shared + weights @ products @ weights
    return float(10.0 * np.log10(squares / left))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="of `train.py prepare`")
    parser.add_argument("--every", type=int, default=12, help="look at every nth frame")
    options = parser.parse_args()
    store = Store(options.cache, "valid-*")
    gains: dict[str, dict[str, list[float]]] = {name: {} for name in WINDOWS}
    for pair in find_pairs(store, DAMAGED[1], 1):
        clip = store.planes(pair.shard, pair.damaged)
        clean = store.planes(pair.shard, pair.clean)
        flows = store.flows(pair.shard, pair.damaged)
        collected: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = {}
        for frame in range(3, pair.damaged.frames - REACH, options.every):
            y = clip.y[frame].astype(np.float32)
            target = (clean.y[frame] - y).ravel()
            own = samples_around(y, 5) - y.reshape(-1, 1)
            lumas = {kind: neighbours(clip, flows, frame, kind) for kind in (False, True)}
            for name, (offsets, aligned) in WINDOWS.items():
                parts = [samples_around(lumas[aligned][offset] - y, 3) for offset in offsets]
                features = np.concatenate([own, *parts], axis=1)
                collected.setdefault(name, []).append((features, target))
        for name, frames in collected.items():
            gains[name].setdefault(damage_name(pair), []).append(gain(frames))
    encoders = list(next(iter(gains.values())))
    print("| neighbours | " + " | ".join(encoders) + " |")
    print("|---" + "|--:" * len(encoders) + "|")
    for name, by_encoder in gains.items():
        means = [f"{np.mean(by_encoder[encoder]):+.3f}" for encoder in encoders]
        print(f"| {name} | " + " | ".join(means) + " |")


if __name__ == "__main__":
    main()
