"""Synthetic shots: the truth that comes with them is true."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.signal import welch
from support.camera import wall

from vsvqe.evaluation.shake import CameraPath, Shake, film
from vsvqe.evaluation.truth import corrections, estimated, grid, motion_errors, path_score
from vsvqe.motion.estimate import Motion, MotionSettings
from vsvqe.motion.path import METHODS, PathSettings

WIDTH, HEIGHT = 320, 180
SHORT = Shake(frames=6, pan=(0.1, 0.02))
STILL = Shake(frames=3, pan=(0, 0), zoom=1, jitter=(0, 0, 0, 0))


@pytest.mark.parametrize("shutter", [0.0, 0.8])
def test_pixels_show_the_places_that_the_truth_says(shutter):
    shake = Shake(frames=4, perspective=0.01, rolling_shutter=shutter)
    shot = film(wall(), WIDTH, HEIGHT, shake, seed=1)
    y, x = np.mgrid[10 : HEIGHT - 10 : 7, 10 : WIDTH - 10 : 7]
    points = np.stack([x.ravel() - (WIDTH - 1) / 2, y.ravel() - (HEIGHT - 1) / 2], 1) / HEIGHT
    for n in (0, 3):
        places = shot.path.places(n, points) * HEIGHT
        rows, columns = (places + (np.array(wall().shape[::-1]) - 1) / 2).T[::-1]
        wanted = map_coordinates(wall().astype(float), [rows, columns], order=3, mode="mirror")
        # Frames average over the area of a pixel, SciPy reads a point.
        error = shot.frames[n][y, x].ravel() - wanted
        assert np.corrcoef(shot.frames[n][y, x].ravel(), wanted)[0, 1] > 0.99
        assert abs(error.mean()) < 1


def test_motions_lead_from_one_frame_to_the_next():
    shot = film(wall(), WIDTH, HEIGHT, SHORT, seed=2)
    points = grid(WIDTH / HEIGHT)
    for n, motion in enumerate(shot.motions):
        moved = np.column_stack([points, np.ones(len(points))]) @ motion.T
        there = shot.path.places(n + 1, moved[:, :2] / moved[:, 2:])
        assert there == pytest.approx(shot.path.places(n, points), abs=1e-9)


def test_seen_undoes_places():
    path = CameraPath(Shake(frames=4, rolling_shutter=0.9, perspective=0.01), 1)
    points = grid(16 / 9)
    assert path.seen(2, path.places(2, points)) == pytest.approx(points, abs=1e-9)


def test_the_intended_path_rests_pans_and_rests():
    path = CameraPath(Shake(frames=101, pan=(0.4, -0.2), zoom=1.25), 0)
    poses = np.stack([path.intended(n) for n in range(101)])
    x = poses[:, 0, 2]
    assert np.ptp(x[:15]) < 0.004 and np.ptp(x[-15:]) < 0.004
    assert x[-1] - x[0] == pytest.approx(0.4, abs=0.004)
    assert poses[-1, 1, 2] - poses[0, 1, 2] == pytest.approx(-0.2, abs=0.004)
    # To enlarge, the frame sees less of the scene.
    assert poses[-1, 0, 0] == pytest.approx(1 / 1.25, abs=0.004)
    speed = np.diff(x)[40:60]
    assert speed.min() > 0 and np.ptp(speed) < 0.03 * speed.mean()


def test_the_jitter_has_the_spectrum_of_a_hand():
    shake = Shake(frames=6000, pan=(0, 0), zoom=1)
    path = CameraPath(shake, 3)
    x = np.array([path.pose(n)[0, 2] for n in range(shake.frames)])
    assert x.std() == pytest.approx(shake.jitter[0], rel=0.1)
    frequency, power = welch(x, fs=30, nperseg=512)
    edges = [0.6, 1.2, 2.4, 4.8, 9.6, 15]
    octaves = [power[(frequency >= a) & (frequency < b)].sum() for a, b in pairwise(edges)]
    shares = np.array(octaves) / power.sum()
    # What real clips have, see the module.
    assert shares == pytest.approx([0.6, 0.35, 0.04, 0.01, 0.001], abs=0.15)
    assert (np.diff(shares[1:]) < 0).all()


def test_noise_and_compression():
    plain = film(wall(), WIDTH, HEIGHT, STILL, seed=1).frames
    assert np.array_equal(plain[0], plain[2])
    noisy = film(wall(), WIDTH, HEIGHT, Shake(**{**vars(STILL), "noise": 5.0}), seed=1).frames
    assert (noisy.astype(float) - plain).std() == pytest.approx(5.0, rel=0.05)
    coded = film(wall(), WIDTH, HEIGHT, Shake(**{**vars(STILL), "crf": 35}), seed=1).frames
    assert coded.shape == plain.shape
    assert 1 < np.abs(coded.astype(float) - plain).mean() < 20


def test_something_passes_in_front():
    shake = Shake(**{**vars(STILL), "passer": 0.2})
    plain, passed = (film(wall(), WIDTH, HEIGHT, s, seed=1).frames for s in (STILL, shake))
    covered = (plain != passed).mean(axis=(1, 2))
    # A disc of a radius of 0.2 heights.
    assert covered == pytest.approx(np.pi * 0.2**2 * HEIGHT / WIDTH, rel=0.2)
    left, right = (np.nonzero((plain != passed)[n].any(axis=0))[0].mean() for n in (0, 2))
    assert right > left + 20


def test_scores_of_perfect_and_of_no_stabilisation():
    path = CameraPath(Shake(frames=40), 1)
    perfect = [np.linalg.inv(path.pose(n)) @ path.intended(n) for n in range(40)]
    score = path_score(path, perfect, 16 / 9)
    assert score.distance == pytest.approx(0, abs=1e-6)
    assert score.lag == pytest.approx(0, abs=1e-9)
    none = path_score(path, [np.eye(3)] * 40, 16 / 9)
    assert none.jitter > 5 * score.jitter and none.distance > 5


def test_lag_is_the_delay():
    shake = Shake(frames=60, jitter=(0, 0, 0, 0))
    path = CameraPath(shake, 1)
    late = [np.linalg.inv(path.pose(n)) @ path.intended(n - 2) for n in range(60)]
    assert path_score(path, late, 16 / 9).lag == pytest.approx(2, abs=0.05)


HARD = {"perspective": 0.004, "rolling_shutter": 0.6, "passer": 0.3, "noise": 6, "crf": 33}


@pytest.mark.parametrize(("extra", "bar"), [({}, 0.15), (HARD, 0.4)], ids=["clean", "hard"])
def test_bars_of_the_estimated_motion(extra, bar):
    shot = film(wall(), 640, 360, Shake(frames=16, **extra), seed=4)
    motions = estimated(shot, MotionSettings())
    assert motion_errors(shot, motions).mean() < bar
    assert min(motion.confidence for motion in motions) > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_bars_of_the_path(method):
    """A pan survives without lag, its shake does not."""
    path = CameraPath(Shake(frames=120), 5)
    poses = np.stack([path.pose(n) for n in range(120)])
    motions = [Motion(matrix, 1.0) for matrix in np.linalg.inv(poses[1:]) @ poses[:-1]]
    before = path_score(path, [np.eye(3)] * 120, 16 / 9)
    after = path_score(path, corrections(motions, PathSettings(method=method)), 16 / 9)
    assert after.jitter < 0.1 * before.jitter
    assert abs(after.lag) < 2.5
