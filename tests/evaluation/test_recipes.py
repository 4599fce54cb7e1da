"""Encoders, and clips as arrays, on a small clip."""

from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from vsvqe.cards import list_models
from vsvqe.evaluation import pictures
from vsvqe.evaluation.encode import bit_rate
from vsvqe.evaluation.methods import methods
from vsvqe.evaluation.recipes import RECIPES, damaged, source
from vsvqe.metrics.psnr import psnr


def test_arrays_and_clips_are_the_same(clip: vs.VideoNode) -> None:
    planes = pictures.read(clip)
    again = pictures.read(pictures.as_clip(planes, clip))
    assert all(np.array_equal(a, b) for a, b in zip(planes, again, strict=True))


def test_lossless_encode_says_its_colours(clip: vs.VideoNode, clean_file: Path) -> None:
    decoded = source(clean_file)
    assert np.array_equal(pictures.read(decoded).y, pictures.read(clip).y)
    assert decoded.fps == clip.fps
    props = decoded.get_frame(0).props
    assert [props[f"_{name}"] for name in ("Matrix", "Transfer", "Primaries", "Range")] == [
        *(1, 1, 1, 0)
    ]


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe(name: str, clean_file: Path, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    result = damaged(clean_file, recipe, tmp_path)
    # Cropped so that all planes are whole after the reduction.
    wanted = {1: (130, 98), 2: (64, 48), 4: (32, 24)}[recipe.scale]
    assert (result.width, result.height, result.num_frames) == (*wanted, 9)
    assert (recipe.encoder is not None) == (tmp_path / name / "clip.mkv").is_file()
    if recipe.scale == 1:
        truth = pictures.read(source(clean_file)).y
        quality = psnr(truth, pictures.read(result).y).mean()
        assert quality == np.inf if recipe.encoder is None else 20 < quality < 60


@pytest.mark.parametrize("name", ["hevc37", "x2avc"])
def test_other_filters_keep_or_double_the_size(name: str, clip: vs.VideoNode) -> None:
    known = [card.name for card in list_models()]
    others = [
        method
        for method in methods(RECIPES[name], "cpu")
        if not any(model in method.name for model in known)
    ]
    assert len(others) >= 2
    scale = RECIPES[name].scale
    for method in others:
        for _, result in method.run(clip):
            assert (result.width, result.height) == (scale * 130, scale * 98)
            assert pictures.read(result).y.shape == (9, scale * 98, scale * 130)


def test_bit_rate_is_that_of_the_packets(clean_file: Path) -> None:
    with av.open(str(clean_file)) as container:
        sizes = [packet.size for packet in container.demux(video=0)]
    assert bit_rate(clean_file) == pytest.approx(sum(sizes) * 8 / 1000 / (9 * 1001 / 30000))
