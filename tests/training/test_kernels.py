"""Blur kernels against the formulas in SciPy's special functions and statistics."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import rotate
from scipy.special import j1
from scipy.stats import multivariate_normal

from vsvqe.training.degrade import STAGES, random_kernels
from vsvqe.training.kernels import gaussian, plateau, sinc


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(size) - size // 2
    return np.meshgrid(line, line)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_gaussian_is_the_normal_density(angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariance = turn @ np.diag([2.0**2, 1.2**2]) @ turn.T
    density = multivariate_normal([0, 0], covariance).pdf(np.stack(_grid(21), axis=-1))
    expected = density / density.sum()
    assert gaussian(21, 2.0, 1.2, angle) == pytest.approx(expected, abs=1e-6)


def test_generalised_and_plateau_along_an_axis() -> None:
    radius = np.abs(np.arange(15) - 7) / 1.7
    row = gaussian(15, 1.7, 0.9, 0.0, beta=0.6)[7]
    expected = np.exp(-0.5 * (radius**2) ** 0.6)
    assert row / row[7] == pytest.approx(expected, abs=1e-5)
    row = plateau(15, 1.7, 0.9, 0.0, beta=1.5)[7]
    assert row / row[7] == pytest.approx(1 / (1 + radius**3), abs=1e-5)


@pytest.mark.parametrize("cutoff", [np.pi / 5, np.pi / 2, np.pi])
def test_sinc_is_that_of_bessel(cutoff: float) -> None:
    radius = np.hypot(*_grid(21))
    with np.errstate(invalid="ignore"):
        expected = cutoff * j1(cutoff * radius) / (2 * np.pi * radius)
    expected[10, 10] = cutoff**2 / (4 * np.pi)
    assert sinc(21, cutoff) == pytest.approx(expected / expected.sum(), abs=1e-6)


def test_quarter_turn_is_a_quarter_turn() -> None:
    turned = gaussian(13, 2.5, 0.8, np.pi / 2)
    assert turned == pytest.approx(rotate(gaussian(13, 2.5, 0.8, 0.0), 90), abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_drawn_kernels_move_nothing(seed: int) -> None:
    for stage in STAGES:
        for kernel in random_kernels(np.random.default_rng(seed), stage.width, 3):
            assert kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
            assert 7 <= len(kernel) <= 21
            assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
            assert kernel == pytest.approx(kernel[::-1, ::-1], abs=1e-6)


def test_drawn_kernels_have_the_shares_of_their_families() -> None:
    rng = np.random.default_rng(5)
    drawn = [random_kernels(rng, STAGES[0].width, 1)[0] for _ in range(1500)]
    ringing = np.mean([(kernel < -1e-4).any() for kernel in drawn])
    round_ones = np.mean([np.allclose(kernel, np.rot90(kernel), atol=1e-5) for kernel in drawn])
    assert ringing == pytest.approx(0.1, abs=0.025)
    # Kernels too narrow for their shape to show count as round.
    assert 0.721 - 0.04 < round_ones < 0.721 + 0.08


def test_kernels_of_a_clip_change_little() -> None:
    rng = np.random.default_rng(8)
    within, between = [], []
    before = None
    for _ in range(60):
        kernels = random_kernels(rng, STAGES[0].width, 10)
        within += [np.abs(a - b).sum() for a, b in pairwise(kernels)]
        small = kernels[0][len(kernels[0]) // 2 - 3 :, len(kernels[0]) // 2 - 3 :][:7, :7]
        if before is not None:
            between.append(np.abs(small - before).sum())
        before = small
    assert np.mean(within) < 0.15 * np.mean(between)
    assert np.mean(within) > 0
