"""Compiled fits and corners, beside NumPy's, OpenCV's and known answers."""

from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvqe.motion import estimate
from vsvqe.motion.flow import Matches, match
from vsvqe.motion.transform import apply, compose
from vsvqe.native.corners import corners
from vsvqe.native.fit import simplest, spread

POINTS = np.random.default_rng(3).uniform((-0.9, -0.5), (0.9, 0.5), (150, 2))
MOTIONS = {
    None: np.eye(3),
    "translation": compose(0.03, -0.02),
    "similarity": compose(0.03, -0.02, 0.05, 0.02),
    "affine": compose(0.03, -0.02, 0.05, 0.02)
    @ np.array([[1.01, 0.02, 0.0], [0.02, 0.99, 0.0], [0.0, 0.0, 1.0]]),
    "homography": compose(0.03, -0.02, 0.05) + np.array([[0.0] * 3, [0.0] * 3, [0.02, -0.01, 0.0]]),
}


SETTINGS = {"passes": 3, "half": 2.0, "beyond": 4.0, "independent": 0.5, "level": 8.0}


def fitted(model: str | None, before: np.ndarray, after: np.ndarray, weights: np.ndarray):
    """Returns the motion of one kind that fits best with weights as they are."""
    matrix, kind = simplest([model], before, after, weights, weights, **SETTINGS | {"passes": 0})
    assert kind == model
    return matrix


@pytest.mark.parametrize("model", MOTIONS)
def test_exact_motions_are_found(model):
    weights = np.random.default_rng(4).uniform(0.1, 1.0, len(POINTS))
    after = apply(MOTIONS[model], POINTS)
    assert np.abs(fitted(model, POINTS, after, weights) - MOTIONS[model]).max() < 1e-8
    matrix, kind = simplest(list(MOTIONS), POINTS, after, weights, weights, **SETTINGS)
    assert np.abs(matrix - MOTIONS[model]).max() < 1e-8
    assert kind == model


@pytest.mark.parametrize("model", list(MOTIONS)[1:])
@given(seed=st.integers(0, 99), noise=st.sampled_from([1e-4, 3e-3]), count=st.integers(12, 300))
def test_fits_are_those_of_numpy(model, seed, noise, count):
    rng = np.random.default_rng(seed)
    before = rng.uniform((-0.9, -0.5), (0.9, 0.5), (count, 2))
    after = apply(MOTIONS["homography"], before) + rng.normal(0, noise, (count, 2))
    weights = rng.uniform(0.05, 1.0, count)
    theirs = estimate._FITS[model](before, after)(weights)
    assert np.abs(fitted(model, before, after, weights) - theirs).max() < 1e-9


@given(
    seed=st.integers(0, 99),
    noise=st.sampled_from([1e-4, 3e-3, 3e-2]),
    shift=st.floats(0, 0.01, allow_subnormal=False),
)
def test_the_simplest_is_that_of_numpy(without_compiled_code, seed, noise, shift):
    rng = np.random.default_rng(seed)
    before = rng.uniform((-0.9, -0.5), (0.9, 0.5), (120, 2))
    after = apply(compose(shift, 0.0, shift), before) + rng.normal(0, noise, (120, 2))
    points = estimate._Points(before, after, rng.uniform(0.05, 1.0, 120))
    models = ["translation", "similarity", "affine", "homography"]
    matrix, kind = estimate._simplest(points, models, points.weights)
    with without_compiled_code():
        theirs, expected = estimate._simplest(points, models, points.weights)
    assert kind == expected
    assert np.abs(matrix - theirs).max() < 1e-9


@pytest.mark.parametrize("model", list(MOTIONS)[1:])
def test_what_is_far_off_does_not_count(model):
    rng = np.random.default_rng(8)
    after = apply(MOTIONS[model], POINTS) + rng.normal(0, 1e-4, POINTS.shape)
    after[::5] += rng.uniform(0.02, 0.1, after[::5].shape)
    weights = np.ones(len(POINTS))
    matrix, _ = simplest([model], POINTS, after, weights, weights, **SETTINGS)
    off = np.linalg.norm(apply(matrix, POINTS) - apply(MOTIONS[model], POINTS), axis=1)
    assert off.max() < 3e-4


@given(seed=st.integers(0, 99), count=st.integers(2, 200), thin=st.sampled_from([0.0, 0.01, 1.0]))
def test_spread_is_that_of_the_covariance(seed, count, thin):
    rng = np.random.default_rng(seed)
    turned = compose(rotation=rng.uniform(0, 6))[:2, :2]
    points = rng.normal(size=(count, 2)) * (1.0, thin) @ turned.T + (0.3, -0.2)
    expected = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(points.T)), 0))
    assert spread(points) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("model", ["translation", "similarity", "affine", "homography"])
def test_without_compiled_code_the_same_motion_is_found(without_compiled_code, model):
    rng = np.random.default_rng(2)
    before = rng.uniform((0, 0), (639, 359), (180, 2)).astype(np.float32)
    after = (before @ np.array([[1.0, 0.01], [-0.01, 1.0]]) + (4, -2)).astype(np.float32)
    after += rng.normal(0, 0.05, after.shape).astype(np.float32)
    after[:30] += 20
    matches = Matches(before, after, rng.uniform(0.2, 1.0, 180), 190)
    found = []
    for context in (nullcontext, without_compiled_code):
        with context():
            found.append(estimate._motion(matches, model, 640, 360))
    assert np.abs(found[0].matrix - found[1].matrix).max() < 1e-9
    assert found[0].confidence == found[1].confidence > 0.5


@given(
    seed=st.integers(0, 99),
    cell=st.integers(4, 18),
    columns=st.integers(1, 70),
    rows=st.integers(1, 5),
    around=st.integers(3, 9),
)
def test_corners_are_those_of_opencv(seed, cell, columns, rows, around):
    height, width = rows * cell + 2 * around, columns * cell + 2 * around + seed % 3
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    # As the core's frames lie: the next row is not where one ends.
    picture = np.zeros((height, width + 13), np.uint8)[:, :width]
    picture[...] = cv2.GaussianBlur(noise, (0, 0), 1.0)
    places, strengths = corners(picture, around, around, cell, columns, rows)
    measure = cv2.cornerMinEigenVal(np.ascontiguousarray(picture), 3)
    inner = measure[around : around + rows * cell, around : around + columns * cell]
    best = inner.reshape(rows, cell, columns, cell).max(axis=(1, 3)).ravel()
    np.testing.assert_allclose(strengths, best, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(measure[places[:, 1], places[:, 0]], best, rtol=1e-3, atol=1e-7)
    cells = (places - around) // cell
    assert (cells[:, 0] == np.tile(np.arange(columns), rows)).all()
    assert (cells[:, 1] == np.repeat(np.arange(rows), columns)).all()


def test_of_equal_corners_the_first_is_taken():
    picture = np.full((40, 60), 80, np.uint8)
    picture[::4, ::4] = 200
    places, _ = corners(picture, 4, 4, 16, 3, 2)
    measure = cv2.cornerMinEigenVal(picture, 3)[4:36, 4:52]
    for (column, row), cell in zip(places - 4, range(6), strict=True):
        top, left = 16 * (cell // 3), 16 * (cell % 3)
        part = measure[top : top + 16, left : left + 16]
        assert part[row - top, column - left] == pytest.approx(part.max())


def test_without_compiled_code_the_same_matches_are_found(without_compiled_code):
    rng = np.random.default_rng(6)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (360, 640), np.uint8), (0, 0), 2.0)
    compiled = match(picture, np.roll(picture, 3, axis=1), "dis")
    with without_compiled_code():
        plain = match(picture, np.roll(picture, 3, axis=1), "dis")
    same = (compiled.before[:, None] == plain.before).all(axis=2).any(axis=1)
    assert same.mean() > 0.98
