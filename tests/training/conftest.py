"""A still picture with structure at all scales and in all colours, as a clip."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def still() -> np.ndarray:
    """RGB in [0, 1], 192x224: noise whose spectrum falls as that of photographs."""
    rng = np.random.default_rng(12)
    shape = (192, 224)
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij"))
    frequency[0, 0] = 1.0
    noise = rng.normal(size=(3, *shape))
    planes = np.fft.ifft2(np.fft.fft2(noise) / frequency**1.2).real
    planes /= planes.std(axis=(1, 2), keepdims=True)
    grey = planes.mean(axis=0, keepdims=True)
    picture = np.clip(0.5 + 0.12 * (planes + grey), 0, 1)
    return np.moveaxis(picture, 0, -1).astype(np.float32)


@pytest.fixture(scope="session")
def clip(still: np.ndarray) -> np.ndarray:
    """Six equal frames."""
    return np.stack([still] * 6)
