"""Material: a still, a clip, and a small cache made by the real preparation."""

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image
from support.clips import picture, scene
from support.codecs import encode

from vsvqe.training.prepare import prepare


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clips and photographs, as the training wants it."""
    data = tmp_path_factory.mktemp("sources")
    fine = ("libx264", {"preset": "veryfast", "crf": "6"})
    for folder, seeds in (("train", (1, 2)), ("valid", (3, 4))):
        (data / folder).mkdir()
        for seed in seeds:
            clip = scene(160, 112, 9, seed=seed, speed=(3, 1))
            encode(clip, data / folder / f"scene{seed}.mp4", fine)
    (data / "stills").mkdir()
    for seed in (5, 6):
        still = picture(scene(360, 320, 1, vs.RGB24, seed=seed))
        Image.fromarray(np.stack(still, axis=2)).save(data / "stills" / f"cid22_{seed}.png")
    return data


@pytest.fixture(scope="session")
def cache(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the preparation makes of them."""
    folder = tmp_path_factory.mktemp("cache")
    prepare(sources, folder, seed=1, passes=1, processes=1)
    return folder


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
