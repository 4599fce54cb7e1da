"""NIQE against MATLAB's figure, and its features against OpenCV, Pillow and a root finder."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.special import gamma

from vsvqe.metrics.niqe import BLOCK, Niqe, features


def photograph(seed: int, rows: int = 4, columns: int = 4) -> np.ndarray:
    """Noise of all sizes, as the spectrum of photographs has it, on a slope."""
    rng = np.random.default_rng(seed)
    shape = (rows * BLOCK, columns * BLOCK)
    layers = (gaussian_filter(rng.normal(size=shape), s) * s for s in (0.7, 1.5, 3, 6, 12))
    picture = 110 + 25 * sum(layers) + np.linspace(0, 40, shape[1])
    return np.clip(np.rint(picture), 16, 235).astype(np.uint8)


@pytest.fixture(scope="module")
def metric() -> Niqe:
    """NIQE with a model of pictures that are drawn."""
    found = np.concatenate([features(photograph(seed, 3, 3)) for seed in range(8)])
    return Niqe(found.mean(axis=0), np.cov(found, rowvar=False))


def test_the_figure_of_matlab(data: Path) -> None:
    # The first picture of Set14 is the one on which the authors' code gives 5.7296.
    rgb = np.asarray(Image.open(data / "images" / "Set14" / "img_001_SRF_4_HR.png").convert("RGB"))
    luma = np.rint(rgb / 255 @ [65.481, 128.553, 24.966] + 16)
    official = Niqe.load(data / "weights" / "niqe_pris_params.npz")
    assert official.distance(luma[None])[0] == pytest.approx(5.7296, abs=5e-4)


def fitted(samples: np.ndarray) -> tuple[float, float, float]:
    """The asymmetric generalised Gaussian of samples, its shape by a root finder."""
    left, right = (np.sqrt(np.mean(x**2)) for x in (samples[samples < 0], samples[samples > 0]))
    g = left / right
    wanted = np.mean(np.abs(samples)) ** 2 / np.mean(samples**2)
    wanted *= (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    shape = brentq(lambda a: gamma(2 / a) ** 2 / gamma(1 / a) / gamma(3 / a) - wanted, 0.2, 10)
    spread = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * spread, right * spread


def by_hand(picture: np.ndarray, row: int, column: int, side: int) -> list[float]:
    """The 18 features of one block at one scale."""
    mean, square = (
        cv2.GaussianBlur(x, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE)
        for x in (picture, picture**2)
    )
    normal = (picture - mean) / (np.sqrt(np.abs(square - mean**2)) + 1)
    block = normal[row * side : (row + 1) * side, column * side : (column + 1) * side]
    shape, left, right = fitted(block.ravel())
    found = [shape, (left + right) / 2]
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        y, x = np.mgrid[:side, :side]
        products = block * block[(y - dy) % side, (x - dx) % side]
        shape, left, right = fitted(products.ravel())
        found += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return found


def test_features_of_a_block() -> None:
    picture = photograph(0)
    found = features(picture).reshape(4, 4, 36)
    small = Image.fromarray(picture.astype(np.float32))
    # Not at the border: Pillow leaves out what is beyond, MATLAB mirrors.
    half = np.asarray(small.resize((2 * BLOCK, 2 * BLOCK), Image.Resampling.BICUBIC))
    for row, column in ((1, 1), (2, 1)):
        fine = by_hand(picture.astype(np.float64), row, column, BLOCK)
        coarse = by_hand(half.astype(np.float64), row, column, BLOCK // 2)
        np.testing.assert_allclose(found[row, column], fine + coarse, atol=1e-3)


def test_what_exceeds_whole_blocks_does_not_count(metric: Niqe) -> None:
    clip = photograph(20)[None]
    larger = np.pad(clip, ((0, 0), (0, BLOCK - 1), (0, 40)), constant_values=200)
    assert metric.distance(larger) == pytest.approx(metric.distance(clip))


@pytest.mark.parametrize("damage", ["blur", "noise", "blocks"])
def test_damage_is_found(metric: Niqe, damage: str) -> None:
    picture = photograph(30).astype(np.float64)
    rng = np.random.default_rng(0)

    def damaged(strength: int) -> np.ndarray:
        if damage == "blur":
            return gaussian_filter(picture, 0.5 * strength)
        if damage == "noise":
            return picture + rng.normal(0, 6 * strength, picture.shape)
        side = 2**strength
        mean = picture.reshape(len(picture) // side, side, -1, side).mean((1, 3))
        return mean.repeat(side, 0).repeat(side, 1)

    clip = np.stack([picture, *(damaged(strength) for strength in (1, 2, 3))])
    distances = metric.distance(np.clip(np.rint(clip), 0, 255).astype(np.uint8))
    assert distances[0] < distances[1:].min()
    assert distances[1] < distances[3]


def test_empty_pictures_have_none(metric: Niqe) -> None:
    empty = np.full((1, 2 * BLOCK, 2 * BLOCK), 128, np.uint8)
    assert np.isnan(metric.distance(empty)).all()
    # One block without anything is left out.
    partly = photograph(40)[None]
    partly[:, :BLOCK, :BLOCK] = 128
    assert np.isfinite(metric.distance(partly)).all()


def test_what_can_not_be_measured(metric: Niqe, tmp_path: Path) -> None:
    for shape in ((BLOCK, 4 * BLOCK), (1, BLOCK, 2 * BLOCK - 1)):
        with pytest.raises(ValueError, match="at least two blocks of 96x96"):
            metric.distance(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="36 features"):
        Niqe(np.zeros(18), np.zeros((18, 18)))
    np.savez(tmp_path / "other.npz", mu_pris_param=np.zeros(36))
    with pytest.raises(ValueError, match=r"other\.npz has no cov_pris_param"):
        Niqe.load(tmp_path / "other.npz")
