"""What clips go through: encoders, rates, keyframes, generations."""

import math

import numpy as np
import pytest
from support.clips import scene

from vsvqe.metrics.psnr import psnr as psnr_of_frames
from vsvqe.training import codecs, recipes
from vsvqe.training.codecs import coded, transcode
from vsvqe.training.recipes import Recipe, at_bitrate, avc, hevc, quantiser
from vsvqe.training.store import Planes


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(psnr_of_frames(one[None], other[None])[0])


@pytest.fixture(scope="module")
def clip() -> Planes:
    frames = [[np.array(plane) for plane in frame] for frame in scene(160, 112, 10).frames()]
    return Planes(*(np.stack(planes) for planes in zip(*frames, strict=True)))


@pytest.mark.parametrize(
    "recipe",
    [
        hevc(32),
        avc(28),
        Recipe("mpeg4", (("qmin", "8"), ("qmax", "8"))),
        Recipe("mpeg2video", (("qmin", "8"), ("qmax", "8"))),
        Recipe("libvpx-vp9", (("crf", "45"), ("b", "0"))),
        Recipe("libsvtav1", (("preset", "10"), ("crf", "45"))),
    ],
    ids=lambda recipe: recipe.encoder,
)
def test_every_encoder_gives_all_pictures_back_damaged(clip: Planes, recipe: Recipe) -> None:
    result = transcode(clip, recipe)
    assert [plane.shape for plane in result] == [plane.shape for plane in clip]
    # In order: each picture is most like its own original.
    for number, picture in enumerate(result.y):
        likeness = [psnr(picture, original) for original in clip.y]
        assert int(np.argmax(likeness)) == number
    assert 22.0 < np.mean([psnr(*pair) for pair in zip(result.y, clip.y, strict=True)]) < 50.0


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "mpeg4"])
def test_a_rate_of_bits_is_told_by_the_quantiser_that_it_took(clip: Planes, encoder: str) -> None:
    told, quality = [], []
    for kilobits in (30, 120, 480):
        result, words = coded(clip, (at_bitrate(encoder, kilobits),))
        told.append(quantiser(words))
        quality.append(psnr(result.y[5], clip.y[5]))
    assert told == sorted(told, reverse=True) and quality == sorted(quality)
    assert told[0] > told[-1] + 3.0
    assert min(told) >= 0.0 and max(told) <= 51.0


def test_a_known_quantiser_is_what_the_statistics_of_packets_say(clip: Planes) -> None:
    recipe = Recipe("libx264", (("preset", "medium"), ("qp", "33"), ("bf", "0")))
    spent = codecs._spent(list(codecs._encode(clip, recipe)), recipe)
    # Pictures that others refer to are finer by about three, the first one.
    assert quantiser(spent) == pytest.approx(33.0, abs=0.7)


def test_two_generations_are_worse_than_each_and_told_by_the_coarser(clip: Planes) -> None:
    fine, coarse = avc(24), hevc(34)
    twice, words = coded(clip, (fine, coarse))
    once = transcode(clip, coarse)
    assert psnr(twice.y[3], clip.y[3]) < psnr(once.y[3], clip.y[3])
    assert quantiser(words) == 34.0
    assert quantiser(coded(clip, (coarse, fine))[1]) == 34.0


@pytest.mark.parametrize("name", ["libvpx-vp9 crf=45 b=0", "libsvtav1 preset=8 crf=55"])
def test_other_scales_are_taken_for_none_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match="tells no quantiser"):
        quantiser(name)


def test_keyframes_come_as_often_as_asked(clip: Planes) -> None:
    recipe = recipes._with_keyframes(avc(30), 4)
    packets = sorted(codecs._encode(clip, recipe), key=lambda packet: packet.pts)
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 4, 8]


def test_histories_are_of_all_kinds_and_of_the_generator_alone() -> None:
    def drawn() -> list[tuple[Recipe, ...]]:
        rng = np.random.default_rng(3)
        return [recipes.random_history(rng, 640 * 360) for _ in range(400)]

    histories = drawn()
    assert histories == drawn()
    last = [history[-1] for history in histories]
    assert {recipe.encoder for recipe in last} == {"libx264", "libx265", "mpeg4"}
    options = [dict(recipe.options) for recipe in last]
    bitrates = [int(words["b"][:-1]) for words in options if "b" in words]
    assert 20 < len(bitrates) < 90 and min(bitrates) > 100 and max(bitrates) < 4000
    assert 60 < sum("g" in words for words in options) < 180
    assert 20 < sum(len(history) == 2 for history in histories) < 90


@pytest.mark.parametrize("finest", [13, 20])
def test_the_finest_is_that_of_both_codecs(finest: int) -> None:
    rng = np.random.default_rng(5)
    drawn = [recipes.random_recipe(rng, finest) for _ in range(1500)]
    for encoder in ("libx264", "libx265"):
        told = [quantiser(str(recipe)) for recipe in drawn if recipe.encoder == encoder]
        assert min(told) == finest and max(told) == 42.0
        assert not any(map(math.isnan, told))
