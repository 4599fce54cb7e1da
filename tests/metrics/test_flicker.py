"""Flicker on changes that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvqe.metrics.flicker import flicker


def _wall(frames: int = 4) -> np.ndarray:
    """Frames with a flat left half, and a right half of strong texture."""
    rng = np.random.default_rng(2)
    wall = np.full((48, 64), 120.0)
    wall[:, 32:] += rng.normal(0, 40, (48, 32))
    return np.stack([np.clip(wall, 0, 255).astype(np.uint8)] * frames)


def test_nothing_changes() -> None:
    assert flicker(_wall(), _wall()).tolist() == [0.0] * 3


@given(st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_mean_of_the_steps(levels: list[int]) -> None:
    pumping = (_wall().astype(int) + np.array(levels)[:, None, None]).clip(0, 255).astype(np.uint8)
    assert flicker(_wall(), pumping).tolist() == np.abs(np.diff(levels)).tolist()


def test_textured_blocks_do_not_count() -> None:
    changed = _wall()
    changed[1::2, :, 32:] //= 2
    assert flicker(_wall(), changed).tolist() == [0.0] * 3


def test_half_of_the_flat_pixels() -> None:
    changed = _wall()
    changed[2, :24, :32] += 8
    assert flicker(_wall(), changed).tolist() == [0.0, 4.0, 4.0]


def test_noise_that_is_smoothed_away_is_none() -> None:
    rng = np.random.default_rng(4)
    noisy = (_wall() + rng.integers(-2, 3, (4, 48, 64))).clip(0, 255).astype(np.uint8)
    assert flicker(noisy, _wall()).tolist() == [0.0] * 3
    assert flicker(_wall(), noisy).min() > 1.0


def test_change_of_the_original_is_none() -> None:
    fading = (_wall().astype(int) + 3 * np.arange(4)[:, None, None]).clip(0, 255).astype(np.uint8)
    assert flicker(fading, fading).tolist() == [0.0] * 3
    assert flicker(fading, _wall()).tolist() == [0.0] * 3


def test_nothing_flat() -> None:
    texture = _wall()[:, :, 32:]
    assert np.isnan(flicker(texture, texture)).all()


def test_needs_two_frames() -> None:
    with pytest.raises(ValueError, match="T x H x W"):
        flicker(_wall(1), _wall(1))
