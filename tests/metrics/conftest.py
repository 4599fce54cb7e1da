"""Clips to measure: smooth noise that moves, and a damaged version of it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    noise = np.random.default_rng(7).normal(size=(144, 224))
    smooth = gaussian_filter(noise, 2.0) * 5 + gaussian_filter(noise[::-1], 6.0) * 12
    return np.clip(125 + 60 * smooth, 16, 235).astype(np.uint8)


@pytest.fixture(scope="module")
def clean(texture: np.ndarray) -> np.ndarray:
    return np.stack([texture[t : t + 120, 2 * t : 2 * t + 176] for t in range(5)])


@pytest.fixture(scope="module")
def damaged(clean: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(3)
    strength = np.arange(1, len(clean) + 1)[:, None, None] * 3.0
    return np.clip(clean + rng.normal(size=clean.shape) * strength, 0, 255).astype(np.uint8)
