"""The warping error of motion and of flicker that are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsvqe.metrics.warping import Motion, motion, warping_error


def panned(texture: np.ndarray, speed: int, frames: int = 4) -> np.ndarray:
    width = texture.shape[1] - 40
    return np.stack([texture[:, speed * t : speed * t + width] for t in range(frames)])


def known(clip: np.ndarray, across: int, down: int = 0) -> Motion:
    """The motion of a pan, exactly."""
    shape = (len(clip) - 1, *clip.shape[1:], 2)
    forward = np.broadcast_to(np.array([across, down], np.float32), shape)
    return Motion(forward, -forward)


@settings(max_examples=10)
@given(st.lists(st.integers(-20, 20), min_size=4, max_size=4), st.integers(0, 5))
def test_what_moves_is_no_error_and_what_pumps_is(levels: list[int], speed: int) -> None:
    texture = np.random.default_rng(0).integers(60, 190, (48, 100)).astype(np.uint8)
    clip = panned(texture, speed)
    assert warping_error(clip, known(clip, -speed)).tolist() == [0.0] * 3
    pumping = (clip.astype(int) + np.array(levels)[:, None, None]).astype(np.uint8)
    wanted = np.abs(np.diff(levels))
    assert warping_error(pumping, known(clip, -speed)) == pytest.approx(wanted, abs=1e-4)


def test_the_motion_is_found(texture: np.ndarray) -> None:
    clip = panned(texture, 3)
    found = warping_error(clip, motion(clip))
    assert found.max() < 2.0
    # Without it, everything would be an error.
    assert warping_error(clip, known(clip, 0)).min() > 4 * found.max()


def test_results_are_larger_than_the_input(texture: np.ndarray) -> None:
    small = panned(texture, 2)
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    assert warping_error(large, known(small, -2)).tolist() == [0.0] * 3


def test_what_is_hidden_does_not_count() -> None:
    # A square comes into view, where the way back does not end where the way forth began.
    clip = np.full((2, 40, 40), 100, np.uint8)
    clip[1, 10:20, 10:20] = 200
    moved = known(clip, 0)
    assert warping_error(clip, moved)[0] == pytest.approx(100 * 10 / 40)
    back = moved.backward.copy()
    back[0, 10:20, 10:20] = 5
    assert warping_error(clip, Motion(moved.forward, back)).tolist() == [0.0]
    nowhere = Motion(moved.forward, np.full_like(back, 5))
    assert np.isnan(warping_error(clip, nowhere)).all()


def test_every_takes_fewer_pairs(clean: np.ndarray, damaged: np.ndarray) -> None:
    fewer = warping_error(damaged, motion(clean, 2), 2)
    assert fewer.tolist() == warping_error(damaged, motion(clean))[::2].tolist()


@pytest.mark.parametrize("shape", [(4, 40, 60), (4, 80, 40), (3, 40, 40), (40, 40)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    clip = np.zeros((4, 40, 40), np.uint8)
    with pytest.raises(ValueError, match="3 pairs of 40x40"):
        warping_error(np.zeros(shape, np.uint8), known(clip, 0))
