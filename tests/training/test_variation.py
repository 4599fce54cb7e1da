"""Clips that are varied before they are damaged, and photographs that are filmed."""

import cv2
import numpy as np
import pytest

from vsvqe.training import variation
from vsvqe.training.motion import Move, _exposed, _look, random_move, still_to_clip
from vsvqe.training.store import Planes


def numbered(frames: int) -> Planes:
    """Every sample of a frame is its number."""
    luma = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None] + 40, (frames, 8, 16))
    chroma = np.full((frames, 4, 8), 128, np.uint8)
    return Planes(luma, chroma, chroma)


def test_clips_go_backwards_and_faster_and_stay_long_enough() -> None:
    rng = np.random.default_rng(0)
    steps: dict[int, int] = {}
    for _ in range(300):
        result = variation.varied(numbered(32), rng)
        assert len({len(plane) for plane in result}) == 1 and len(result.y) in (16, 32)
        levels = result.y[:, 0, 0].astype(int)
        step = int(np.sign(levels[-1] - levels[0])) * (32 // len(levels))
        steps[step] = steps.get(step, 0) + 1
    assert set(steps) == {1, 2, -1, -2}
    assert steps[1] > steps[-1] > steps[-2]
    # What is short keeps all its frames.
    assert all(len(variation.varied(numbered(20), rng).y) == 20 for _ in range(60))


def test_light_changes_by_its_formula() -> None:
    codes = np.arange(16, 236, dtype=np.uint8).reshape(1, 10, 22)
    chroma = np.array([[[16, 128, 240]]], np.uint8)
    lit = variation.exposed(Planes(codes, chroma, chroma), 0.8, 1.2)
    expected = 16 + 219 * 0.8 * ((codes - 16.0) / 219) ** 1.2
    assert np.abs(lit.y - expected).max() <= 0.5
    assert lit.u.ravel().tolist() == [38, 128, 218]


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    noise = np.random.default_rng(1).random((420, 560, 3)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 1, cv2.NORM_MINMAX)


def test_a_tilted_view_is_the_homography_that_it_says(photograph: np.ndarray) -> None:
    """Against OpenCV's own warp through four corners that are worked out by hand."""
    move, time, height, width = Move(3.0, -2.0, tilt=(0.01, 0.0)), 4.0, 240, 320
    view = _look(photograph, move, time, height, width)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    about = corners - (width / 2, height / 2)
    scale = 1 + about[:, :1] / (width / 2) * (0.01 * time)
    middle = np.array([photograph.shape[1] / 2 + 12.0, photograph.shape[0] / 2 - 8.0])
    there = about / scale + middle
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), there.astype(np.float32))
    other = cv2.warpPerspective(
        photograph, matrix, (width, height), flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    )
    np.testing.assert_allclose(view, np.clip(other, 0, 1), atol=4e-3)


def test_what_speeds_up_never_turns_back() -> None:
    for gain in (-0.1, 0.1):
        way = [Move(1.0, 0.0, gain=gain).way(time) for time in np.linspace(-7.5, 7.5, 16)]
        assert np.all(np.diff(way) > 0) and np.ptp(np.diff(way)) > 0.3


def test_an_open_shutter_blurs_along_the_motion_only(photograph: np.ndarray) -> None:
    move = Move(12.0, 0.0)
    sharp, blurred = (_exposed(photograph, move, 1.0, shutter, 200, 300) for shutter in (0, 0.6))
    across = [np.abs(np.diff(view, axis=1)).mean() for view in (sharp, blurred)]
    down = [np.abs(np.diff(view, axis=0)).mean() for view in (sharp, blurred)]
    assert across[1] < 0.8 * across[0]
    assert across[1] / across[0] < down[1] / down[0]
    # Its middle is where the sharp one is.
    (dx, dy), _ = cv2.phaseCorrelate(sharp[..., 1], blurred[..., 1])
    assert abs(dx) < 0.2 and abs(dy) < 0.1


def test_films_are_of_the_generator_alone(photograph: np.ndarray) -> None:
    still = (photograph * 255).astype(np.uint8)
    one, again, other = (
        still_to_clip(still, None, 1.0, 5, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.y, again.y) and one.y.shape == other.y.shape
    assert not np.array_equal(one.y, other.y)
    rng = np.random.default_rng(0)
    moves = [random_move(rng) for _ in range(200)]
    assert any(move.tilt != (0.0, 0.0) for move in moves) and any(move.gain for move in moves)
