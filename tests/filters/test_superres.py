import dataclasses

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, pictures, scene

import vsvqe as vqe
from vsvqe import cards
from vsvqe.filters import superres


def test_scale_defaults_to_the_models_own(backend):
    clip = scene(length=2)
    doubled = vqe.SuperRes(clip, backend=backend)
    assert (doubled.width, doubled.height) == (128, 96)
    assert all_same(doubled, vqe.SuperRes(clip, scale=2, backend=backend))


def test_scale_four_is_twice_two():
    clip = scene(34, 18, 4, chroma_location=vs.CHROMA_TOP_LEFT)
    four = vqe.SuperRes(clip, scale=4, backend="cpu")
    assert (four.width, four.height) == (136, 72)
    twice = vqe.SuperRes(vqe.SuperRes(clip, backend="cpu"), backend="cpu")
    assert all_same(four, twice)


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
        vqe.SuperRes(clip, detail=0.5, backend="cpu")


@pytest.mark.parametrize("detail", [-0.1, 1.1, float("nan"), "much", None, True])
def test_bad_detail(detail):
    with pytest.raises(vs.Error, match=r"^SuperRes: detail="):
        vqe.SuperRes(scene(), detail=detail, backend="cpu")


def test_detail_mixes_two_models_linearly(monkeypatch):
    # Deblock's file stands in for a sibling: same layout, other residuals... at the same scale.
    card = next(card for card in cards.list_models("superres") if card.scale == 2)
    sibling = dataclasses.replace(card, name="sibling", detail=None)
    with_sibling = dataclasses.replace(card, name="base", detail="sibling")
    both = {"base": with_sibling, "sibling": sibling}
    monkeypatch.setattr(superres, "find", lambda name, task: both[str(name)])
    clip = scene(format=vs.YUV420P16, length=3)
    plain = pictures(vqe.SuperRes(clip, model="base", backend="cpu"))
    for detail in (0.5, 1.0):
        mixed = pictures(vqe.SuperRes(clip, model="base", detail=detail, backend="cpu"))
        # Both are the same file here, so any mix of them is the plain result.
        for a, b in zip(plain, mixed, strict=True):
            assert max(np.abs(p.astype(int) - q).max() for p, q in zip(a, b, strict=True)) <= 1


def test_a_flat_clip_keeps_its_colour_to_the_edge():
    clip = vs.core.std.BlankClip(
        format=vs.YUV420P8, width=64, height=48, length=2, color=[120, 90, 160]
    )
    base = clip.resize.Bicubic(128, 96)
    for planes, flat in zip(
        pictures(vqe.SuperRes(clip, backend="cpu")), pictures(base), strict=True
    ):
        assert [plane.shape for plane in planes] == [plane.shape for plane in flat]
