"""PSNR against the formula, and against ffmpeg's own filter."""

import numpy as np
import pytest

from vsvqe.metrics.psnr import psnr

from .ffmpeg_filters import ffmpeg_scores


def test_known_error() -> None:
    reference = np.full((2, 16, 16), 100, np.uint8)
    picture = reference.copy()
    picture[1] += 10
    first, second = psnr(reference, picture)
    assert first == np.inf
    assert second == pytest.approx(20 * np.log10(25.5))


def test_codes_do_not_wrap_around() -> None:
    low, high = np.zeros((1, 16, 16), np.uint8), np.full((1, 16, 16), 255, np.uint8)
    assert psnr(low, high)[0] == psnr(high, low)[0] == 0.0


def test_peak_of_other_depths() -> None:
    reference = np.full((1, 16, 16), 512, np.uint16)
    assert psnr(reference, reference + 1, peak=1023.0)[0] == pytest.approx(20 * np.log10(1023))


def test_same_as_ffmpeg(clean: np.ndarray, damaged: np.ndarray) -> None:
    # ffmpeg writes two decimals.
    assert psnr(clean, damaged) == pytest.approx(ffmpeg_scores("psnr", clean, damaged), abs=0.006)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="T x H x W"):
        psnr(np.zeros((1, 16, 16)), np.zeros((1, 16, 18)))
