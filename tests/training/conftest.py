"""A small cache, made by the real preparation from clips and stills made here."""

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image
from support.clips import picture, scene
from support.codecs import encode

from vsvqe.training.prepare import prepare


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    folder = tmp_path_factory.mktemp("cache")
    prepare(data, folder, seed=1, passes=1, processes=1)
    return folder
