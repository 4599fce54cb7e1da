"""SSIM against a recomputation with scipy, and against ffmpeg's."""

import numpy as np
import pytest
from scipy.ndimage import correlate

from vsvqe.metrics.ssim import ssim

from .ffmpeg_filters import ffmpeg_scores


def _by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """The paper's formula with the two-dimensional window, in double precision."""
    offset = np.arange(11) - 5
    window = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(plane: np.ndarray) -> np.ndarray:
        return correlate(plane, window)[5:-5, 5:-5]

    x, y = x.astype(np.float64), y.astype(np.float64)
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    )


def test_same_as_scipy(clean: np.ndarray, damaged: np.ndarray) -> None:
    expected = [_by_scipy(a, b) for a, b in zip(clean, damaged, strict=True)]
    assert ssim(clean, damaged) == pytest.approx(expected, abs=1e-5)


def test_close_to_ffmpeg(clean: np.ndarray, damaged: np.ndarray) -> None:
    # ffmpeg takes 8x8 boxes, every fourth pixel, instead of the Gaussian: the same but for a
    # factor in what is lost.
    ours, theirs = 1 - ssim(clean, damaged), 1 - ffmpeg_scores("ssim", clean, damaged)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.998
    assert ours == pytest.approx(theirs, abs=0.07)


def test_equal_pictures(clean: np.ndarray) -> None:
    assert ssim(clean, clean) == pytest.approx(1.0, abs=1e-6)


def test_flat_pictures_compare_by_their_means() -> None:
    dark, light = np.full((1, 20, 30), 50, np.uint8), np.full((1, 20, 30), 60, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 60 + c1) / (50**2 + 60**2 + c1)
    assert ssim(dark, light)[0] == pytest.approx(expected, abs=1e-3)


def test_scale_of_the_codes_does_not_matter(clean: np.ndarray, damaged: np.ndarray) -> None:
    wide = ssim(clean.astype(np.uint16) * 257, damaged.astype(np.uint16) * 257, peak=65535.0)
    assert ssim(clean, damaged) == pytest.approx(wide, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 10, 64), (64, 64)])
def test_refuses_what_has_no_window(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        ssim(np.zeros(shape), np.zeros(shape))
