"""Acutance against SciPy's gradients, and what raises and lowers it."""

import cv2
import numpy as np
import pytest
import scipy.ndimage

from vsvqe.metrics.acutance import acutance


def test_mean_gradient_relative_to_the_original(clean: np.ndarray, damaged: np.ndarray) -> None:
    def steepness(frame: np.ndarray) -> float:
        luma = frame.astype(np.float64)
        slopes = [scipy.ndimage.sobel(luma, axis, mode="mirror") for axis in (0, 1)]
        return float(np.hypot(*slopes).mean())

    expected = [steepness(b) / steepness(a) for a, b in zip(clean, damaged, strict=True)]
    np.testing.assert_allclose(acutance(clean, damaged), expected, rtol=1e-5)


def test_blur_lowers_and_sharpening_raises(clean: np.ndarray) -> None:
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in clean])
    sharp = np.clip(2.0 * clean - blurred, 0, 255).astype(np.uint8)
    assert acutance(clean, blurred).max() < 1 < acutance(clean, sharp).min()


def test_other_shapes() -> None:
    with pytest.raises(ValueError, match="two T x H x W"):
        acutance(np.zeros((2, 16, 16)), np.zeros((2, 16, 18)))
