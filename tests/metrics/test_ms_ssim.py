"""MS-SSIM against a recomputation of the paper's formula with scipy."""

import numpy as np
import pytest
from scipy.ndimage import correlate

from vsvqe.metrics.ms_ssim import ms_ssim

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """Maps of the three comparisons in double precision; the luminance at the last scale only."""
    offset = np.arange(11) - 5
    window = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = x.astype(np.float64), y.astype(np.float64)
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        mx, my, mxx, myy, mxy = (
            correlate(plane, window)[5:-5, 5:-5] for plane in (x, y, x * x, y * y, x * y)
        )
        compared = (2 * (mxy - mx * my) + 58.5225) / (mxx - mx**2 + myy - my**2 + 58.5225)
        if scale == len(WEIGHTS) - 1:
            compared *= (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
        result *= np.mean(compared) ** weight
        # The mean of 2x2 pixels, whose missing neighbours are mirrored.
        x, y = (
            correlate(plane, np.full((2, 2), 0.25), mode="reflect", origin=-1)[::2, ::2]
            for plane in (x, y)
        )
    return float(result)


@pytest.fixture(scope="module")
def large() -> tuple[np.ndarray, np.ndarray]:
    """Structure at all scales, of odd size; and with noise and less contrast."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:171, :203]
    plane = (
        120 + 50 * np.sin(x / 3) * np.cos(y / 11) + 30 * np.sin(x / 40) + rng.normal(0, 6, x.shape)
    )
    clean = np.stack([plane, plane[::-1]])
    damaged = clean * 0.9 + 3 + rng.normal(0, 9, clean.shape)
    return tuple(np.clip(clip, 0, 255).astype(np.uint8) for clip in (clean, damaged))


def test_same_as_scipy(large: tuple[np.ndarray, np.ndarray]) -> None:
    clean, damaged = large
    expected = [_by_scipy(a, b) for a, b in zip(clean, damaged, strict=True)]
    assert ms_ssim(clean, damaged) == pytest.approx(expected, abs=1e-5)
    assert 0.5 < min(expected) < 0.99


def test_equal_pictures(large: tuple[np.ndarray, np.ndarray]) -> None:
    assert ms_ssim(large[0], large[0]) == pytest.approx(1.0, abs=1e-6)


def test_flat_pictures_compare_by_their_means() -> None:
    dark, light = np.full((1, 161, 170), 50, np.uint8), np.full((1, 161, 170), 60, np.uint8)
    means = (2 * 50 * 60 + 6.5025) / (50**2 + 60**2 + 6.5025)
    assert ms_ssim(dark, light)[0] == pytest.approx(means**0.1333, abs=1e-4)


def test_opposites_are_no_error(large: tuple[np.ndarray, np.ndarray]) -> None:
    assert ms_ssim(large[0], 255 - large[0]) == pytest.approx(0.0)


@pytest.mark.parametrize("shape", [(1, 160, 300), (1, 300, 160), (161, 161)])
def test_refuses_what_has_no_five_scales(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        ms_ssim(np.zeros(shape), np.zeros(shape))
