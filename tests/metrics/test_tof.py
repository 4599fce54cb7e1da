"""tOF on motion that is known."""

import numpy as np
import pytest

from vsvqe.metrics.tof import flow_difference, flows, tof


def _panned(still: np.ndarray, speed: int, frames: int = 4) -> np.ndarray:
    width = still.shape[1] - 40
    return np.stack([still[:, 20 + speed * t : 20 + speed * t + width] for t in range(frames)])


def test_no_difference(clean: np.ndarray) -> None:
    assert tof(clean, clean).tolist() == [0.0] * (len(clean) - 1)


def test_flow_is_the_pan(texture: np.ndarray) -> None:
    # The camera goes right, so the picture goes left.
    inner = flows(_panned(texture, 2))[:, 24:-24, 24:-24]
    assert np.median(inner[..., 0]) == pytest.approx(-2.0, abs=0.1)
    assert np.median(inner[..., 1]) == pytest.approx(0.0, abs=0.1)


def test_difference_is_the_speed_that_is_wrong(texture: np.ndarray) -> None:
    measured = tof(_panned(texture, 1), _panned(texture, 3))
    assert measured == pytest.approx(2.0, rel=0.25)


def test_every_takes_fewer_pairs(clean: np.ndarray, damaged: np.ndarray) -> None:
    assert tof(clean, damaged, every=2).tolist() == tof(clean, damaged)[::2].tolist()


def test_length_of_the_difference() -> None:
    still = np.zeros((1, 4, 4, 2), np.float32)
    moved = still + np.array([3.0, 4.0], np.float32)
    assert flow_difference(still, moved) == pytest.approx(5.0)


def test_needs_two_frames() -> None:
    with pytest.raises(ValueError):
        tof(np.zeros((1, 32, 32), np.uint8), np.zeros((1, 32, 32), np.uint8))
