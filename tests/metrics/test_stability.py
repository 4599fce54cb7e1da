"""Measures of stability on cases whose answer is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from vsvqe.metrics.psnr import psnr
from vsvqe.metrics.stability import (
    cropping_ratio,
    distortion,
    itf,
    jitter,
    motions,
    registrations,
    residual_flow,
    stability,
)
from vsvqe.motion.transform import compose


@pytest.fixture(scope="module")
def wall() -> np.ndarray:
    noise = np.random.default_rng(3).normal(size=(260, 380))
    smooth = gaussian_filter(noise, 1.5) * 4 + gaussian_filter(noise[::-1], 5.0) * 10
    return np.clip(125 + 60 * smooth, 16, 235).astype(np.uint8)


def moved_by(offsets: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """A camera that looks at another part of a wall in each frame: whole pixels."""
    return np.stack([wall[40 + y : 220 + y, 30 + x : 350 + x] for x, y in offsets])


def path_of(positions: np.ndarray, turns: np.ndarray | None = None) -> np.ndarray:
    """The motions of a path: N x 2 positions in heights, and N angles."""
    steps = np.diff(positions, axis=0)
    angles = np.zeros(len(steps)) if turns is None else np.diff(turns)
    return np.stack([compose(*step, angle) for step, angle in zip(steps, angles, strict=True)])


def waves(bins: list[int], count: int = 64) -> np.ndarray:
    time = np.arange(count) / count
    return 0.1 * sum(np.sin(2 * np.pi * k * time) for k in bins)


@pytest.mark.parametrize(
    ("bins", "share"), [([1], 1), ([3], 1), ([5], 1), ([6], 0), ([9], 0), ([2, 20], 0.5)]
)
def test_stability_is_the_share_of_the_five_lowest_frequencies(bins, share):
    wave = waves(bins)
    moved = path_of(np.stack([wave, -0.5 * wave], axis=1))
    assert stability(moved).translation == pytest.approx(share, abs=1e-6)
    assert stability(moved).rotation == 1.0
    turning = path_of(np.zeros((64, 2)), wave)
    assert stability(turning).rotation == pytest.approx(share, abs=1e-6)


def test_stability_score_is_the_mean_of_both():
    moved = path_of(np.stack([waves([12]), waves([12])], axis=1), 0.1 * waves([2]))
    # Where the picture turns about its moving centre, the two mix a little.
    assert stability(moved).score == pytest.approx(0.5, abs=0.01)


def test_a_whole_turn_is_no_jump():
    slow, fast = (path_of(np.zeros((64, 2)), np.linspace(0, end, 64)) for end in (0.5, 3 * np.pi))
    assert stability(fast).rotation == pytest.approx(stability(slow).rotation)


@pytest.mark.parametrize("scale", [1.0, 1.25, 1.6])
def test_cropping_ratio_of_an_enlargement(scale):
    frames = np.stack([compose(0.05, 0.02, 0.1, np.log(scale))] * 3)
    assert cropping_ratio(frames) == pytest.approx(1 / scale)


def test_cropping_ratio_is_the_mean():
    frames = np.stack([compose(log_scale=np.log(1 / ratio)) for ratio in (0.8, 0.9, 1.0)])
    assert cropping_ratio(frames) == pytest.approx(0.9)


def test_distortion_of_an_uneven_scale():
    even, uneven = compose(0.1, 0.0, 0.0, 0.2), np.diag([1.2, 1.0, 1.0])
    assert distortion(np.stack([even, even])) == pytest.approx(1.0)
    assert distortion(np.stack([even, uneven, even])) == pytest.approx(1 / 1.2)
    # A rotation has complex eigenvalues of the same length.
    assert distortion(compose(rotation=0.3)[None]) == pytest.approx(1.0)


def test_jitter_of_white_noise_and_of_pans():
    rng = np.random.default_rng(5)
    noise = rng.normal(scale=0.01, size=(20_000, 2))
    assert jitter(path_of(noise), 16 / 9) == pytest.approx(0.01 * np.sqrt(12) * 360, rel=0.02)
    pan = np.linspace([0.0, 0.0], [1.0, 0.3], 50)
    assert jitter(path_of(pan), 16 / 9) == pytest.approx(0.0, abs=1e-9)
    assert jitter(path_of(noise), 1.0, height=720) == pytest.approx(
        2 * jitter(path_of(noise), 1.0), rel=1e-6
    )


def test_motions_of_a_clip(wall):
    offsets = np.array([[0, 0], [3, -2], [-5, 6], [-4, 6]])
    measured = motions(moved_by(offsets, wall)) @ [0.0, 0.0, 1.0]
    # The camera goes right, so the picture goes left.
    assert measured[:, :2] * 180 == pytest.approx(-np.diff(offsets, axis=0), abs=0.1)


def test_blank_pictures_do_not_move():
    assert np.array_equal(motions(np.full((3, 64, 64), 90, np.uint8)), np.stack([np.eye(3)] * 2))


def test_registrations_of_crops_and_enlargements(wall):
    source = moved_by(np.array([[0, 0], [4, 2], [8, 4]]), wall)
    cropped = source[:, 18:162, 32:288]
    enlarged = np.stack([zoom(frame, 1.25, order=3) for frame in cropped.astype(np.float32)])
    enlarged = np.clip(enlarged, 0, 255).astype(np.uint8)
    for result in (cropped, enlarged):
        found = registrations(source, result, every=1)
        assert len(found) == 3
        assert cropping_ratio(found) == pytest.approx(0.8, abs=0.004)
        assert distortion(found) > 0.99


def test_registrations_say_when_there_is_nothing():
    blank = np.full((2, 64, 64), 90, np.uint8)
    with pytest.raises(ValueError, match="features"):
        registrations(blank, blank)
    with pytest.raises(ValueError, match="length"):
        registrations(blank, blank[:1])


def test_residual_flow(wall):
    pan = np.stack([3 * np.arange(4), np.zeros(4, int)], axis=1)
    assert residual_flow(moved_by(pan, wall)) < 0.2
    shake = np.array([[0, 0], [2, 0], [0, 0], [2, 0]])
    # From +2 to -2 and back.
    assert residual_flow(moved_by(shake, wall)) == pytest.approx(4.0, rel=0.1)


def test_itf_is_the_mean_psnr_of_neighbours(wall):
    clip = moved_by(np.array([[0, 0], [1, 0], [4, 2]]), wall)
    wanted = psnr(clip[:2, 18:-18, 32:-32], clip[1:, 18:-18, 32:-32]).mean()
    assert itf(clip, crop=0.1) == pytest.approx(wanted)
    assert itf(clip[[0, 0, 1]]) == pytest.approx(itf(clip[:2]))
    assert itf(clip[[0, 0]]) == np.inf
    with pytest.raises(ValueError, match="crop"):
        itf(clip, crop=0.5)


def test_motions_are_those_of_most_of_the_picture(wall):
    # The lower third passes by, faster and faster, as the ground does below a walking camera.
    frames = np.stack([wall[40:220, 30:350].copy() for _ in range(8)])
    for n, frame in enumerate(frames):
        frame[120:] = wall[160:220, 30 + n * n // 2 : 350 + n * n // 2]
    moved = motions(frames)
    assert jitter(moved, 320 / 180) < 0.02
    assert np.abs(moved - np.eye(3)).max() < 1e-3
