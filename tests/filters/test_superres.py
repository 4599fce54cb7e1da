import json

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, pictures, scene
from support.models import DEFAULTS, nearest, windowed

import vsvqe as vqe
from vsvqe import cards
from vsvqe.filters.superres import goes_by_quantiser

NAME = DEFAULTS["superres"]


def test_scale_defaults_to_the_models_own(backend):
    clip = scene(length=2)
    doubled = vqe.SuperRes(clip, backend=backend)
    assert (doubled.width, doubled.height) == (128, 96)
    assert all_same(doubled, vqe.SuperRes(clip, scale=2, backend=backend))


def test_scale_four_of_a_model_for_two_is_twice_two():
    clip = scene(34, 18, 4, chroma_location=vs.CHROMA_TOP_LEFT)
    four = vqe.SuperRes(clip, scale=4, model=NAME, backend="cpu")
    assert (four.width, four.height) == (136, 72)
    # Nobody compressed what the first run gave.
    twice = vqe.SuperRes(vqe.SuperRes(clip, backend="cpu"), qp=10, backend="cpu")
    assert all_same(four, twice)


@pytest.mark.parametrize(
    ("arguments", "name", "size"),
    [
        ({}, NAME, (128, 96)),
        ({"scale": 2}, NAME, (128, 96)),
        ({"scale": 4}, "superres-x4-balanced-v3", (256, 192)),
        ({"height": 90}, NAME, (120, 90)),
        ({"height": 100}, "superres-x4-balanced-v3", (134, 100)),
        ({"model": "fast"}, "superres-x2-fast-v2", (128, 96)),
        ({"scale": 4, "model": "fast"}, "superres-x4-fast-v3", (256, 192)),
        ({"scale": 4, "model": "best"}, "superres-x4-best-v3", (256, 192)),
        ({"scale": 4, "model": "real"}, "superres-x4-real-v3", (256, 192)),
        ({"model": "real"}, "superres-x2-real-v2", (128, 96)),
    ],
)
def test_a_word_is_the_model_made_for_the_size(arguments, name, size):
    clip = scene(length=1)
    found = vqe.SuperRes(clip, backend="cpu", **arguments)
    assert (found.width, found.height) == size
    assert all_same(found, vqe.SuperRes(clip, backend="cpu", **(arguments | {"model": name})))


def test_whether_a_quantiser_counts_is_told_by_the_first_run():
    assert goes_by_quantiser("balanced") and goes_by_quantiser("balanced", 2)
    assert goes_by_quantiser("balanced", 4) and goes_by_quantiser("best", 16)
    assert not goes_by_quantiser("real")  # that model doesn't
    assert not goes_by_quantiser("real", 8)  # by two, then by four
    assert not goes_by_quantiser("balanced", 5) and not goes_by_quantiser("none.onnx")
    clip = scene(34, 18, 1)
    vqe.SuperRes(clip, 8, qp=30, backend="cpu")
    with pytest.raises(vs.Error, match="leave it out with 'superres-x2-real-v2'"):
        vqe.SuperRes(clip, 8, model="real", qp=30, backend="cpu")


@pytest.mark.parametrize("scale", [0, 1, 3, 5, -2, 32])
def test_scales_that_can_not_be_had(scale):
    with pytest.raises(vs.Error, match=rf"^SuperRes: scale={scale} can't be had .* gives 2, 4"):
        vqe.SuperRes(scene(), scale=scale, backend="cpu")


@pytest.mark.parametrize("scale", [2.0, "2", True, (2, 2)])
def test_scales_that_are_no_whole_number(scale):
    with pytest.raises(vs.Error, match=r"^SuperRes: scale=.* must be a whole number"):
        vqe.SuperRes(scene(), scale=scale, backend="cpu")


def test_the_size_of_a_pixel_stays():
    clip = scene(length=1).std.SetFrameProps(_SARNum=64, _SARDen=45)
    props = vqe.SuperRes(clip, backend="cpu").get_frame(0).props
    assert (props["_SARNum"], props["_SARDen"]) == (64, 45)


def test_detail_needs_a_model_with_a_sibling():
    clip = scene()
    with pytest.raises(vs.Error, match=r"^SuperRes: detail=0.5: model .* has no sibling"):
        vqe.SuperRes(clip, detail=0.5, model="superres-x2-fast-v2", backend="cpu")


@pytest.mark.parametrize("detail", [-0.1, 1.1, float("nan"), "much", None, True])
def test_bad_detail(detail):
    with pytest.raises(vs.Error, match=r"^SuperRes: detail="):
        vqe.SuperRes(scene(), detail=detail, backend="cpu")


@pytest.fixture
def sibling(models, tmp_path):
    """Gives the shipped model a sibling with quite other residuals."""
    folder = tmp_path / "sibling"
    folder.mkdir()
    path = windowed(folder, "superres", 2)
    (models / "sibling.onnx").write_bytes(path.read_bytes())
    own, other = models / f"{NAME}.json", folder / f"{NAME}.json"
    card = json.loads(other.read_text()) | {"name": "sibling", "file": "sibling.onnx"}
    (models / "sibling.json").write_text(json.dumps(card))
    own.write_text(json.dumps(json.loads(own.read_text()) | {"detail": "sibling"}))
    cards._cards.cache_clear()


@pytest.mark.usefixtures("sibling")
@pytest.mark.parametrize("detail", [0.25, 0.5, 0.9])
def test_detail_mixes_two_models_linearly(detail):
    clip = scene(format=vs.YUV420PS, length=3)
    faithful, vivid, mixed = (
        pictures(vqe.SuperRes(clip, detail=amount, backend="cpu")) for amount in (0, 1, detail)
    )
    for a, b, got in zip(faithful, vivid, mixed, strict=True):
        for x, y, z in zip(a, b, got, strict=True):
            np.testing.assert_allclose(z, x * (1 - detail) + y * detail, atol=1e-5)
            assert np.abs(x - y).max() > 1e-3


@pytest.mark.usefixtures("sibling")
def test_full_detail_is_the_sibling():
    clip = scene(length=3)
    vivid = vqe.SuperRes(clip, detail=1, backend="cpu")
    assert all_same(vivid, vqe.SuperRes(clip, model="sibling", backend="cpu"))


@pytest.mark.usefixtures("sibling")
def test_a_sibling_has_no_sibling_of_its_own():
    with pytest.raises(vs.Error, match=rf"^SuperRes: detail=0.5: .*these have one: {NAME}"):
        vqe.SuperRes(scene(), detail=0.5, model="sibling", backend="cpu")


@pytest.mark.parametrize("scale", [2, 4])
def test_a_model_goes_by_the_given_quantiser_in_its_first_run(aligned, scale):
    """What it did not take away there is for no other run to find."""
    clip = scene(34, 18, 3)
    told = vqe.SuperRes(clip, scale, NAME, qp=31.0, backend="cpu")
    first = vqe.SuperRes(clip, 2, NAME, qp=31.0, backend="cpu")
    again = first if scale == 2 else vqe.SuperRes(first, 2, NAME, qp=10.0, backend="cpu")
    assert all_same(told, again)
    assert not all_same(told, vqe.SuperRes(clip, scale, NAME, qp=20.0, backend="cpu"))
    assert not all_same(told, vqe.SuperRes(clip, scale, NAME, backend="cpu"))


@pytest.mark.parametrize("model", ["superres-x2-real-v2", "model.onnx"])
def test_a_quantiser_is_for_models_that_go_by_it(tmp_path, model):
    if model.endswith(".onnx"):
        model = nearest(tmp_path, scale=2)
    with pytest.raises(vs.Error, match=r"^SuperRes: qp=30 is for models that go by .* leave it"):
        vqe.SuperRes(scene(), model=model, qp=30, backend="cpu")


def test_what_would_run_is_named_where_it_takes_no_quantiser():
    clip = scene(64, 48, 2)
    vqe.SuperRes(clip, 4, detail=0.5, qp=30, backend="cpu").get_frame(1)
    with pytest.raises(vs.Error, match="leave it out with 'superres-x4-real-v3'"):
        vqe.SuperRes(clip, 4, model="real", qp=30, backend="cpu")


@pytest.mark.parametrize("qp", [-1, 52, float("nan"), "28", True])
def test_bad_quantiser(qp):
    with pytest.raises(vs.Error, match=r"^SuperRes: qp="):
        vqe.SuperRes(scene(), qp=qp, backend="cpu")


@pytest.mark.parametrize("best", ["superres-x2-best-v4", "superres-x4-best-v3"])
def test_the_sibling_for_texture_is_told_no_coarse_quantiser(best):
    clip = scene(96, 64, 2)
    coarse, limit, fine = (
        vqe.SuperRes(clip, detail=1, model=best, qp=qp, backend="cpu") for qp in (40, 25, 15)
    )
    assert all_same(coarse, limit)
    assert not all_same(fine, limit)
    faithful = (vqe.SuperRes(clip, model=best, qp=qp, backend="cpu") for qp in (40, 25))
    assert not all_same(*faithful)
