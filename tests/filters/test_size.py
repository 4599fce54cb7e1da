"""``width=`` and ``height=`` of SuperRes: the model's scale, and a resizer for the rest."""

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, largest_difference, picture, props_of, scene
from support.models import nearest

import vsvqe as vqe
from vsvqe.cards import CLEAN_QUANTISER

core = vs.core


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"height": 72}, (96, 72)),
        ({"width": 96}, (96, 72)),
        ({"width": 128}, (128, 96)),
        ({"height": 130}, (174, 130)),
        ({"width": 90, "height": 90}, (90, 90)),
        ({"height": 500}, (666, 500)),
        ({"width": 64, "height": 50}, (64, 50)),
    ],
)
def test_sizes(arguments, size):
    clip = scene(64, 48, 2)
    result = vqe.SuperRes(clip, backend="cpu", **arguments)
    assert (result.width, result.height) == size
    assert (result.format.id, result.num_frames, result.fps) == (clip.format.id, 2, clip.fps)
    assert result.get_frame(1).width == size[0]


def test_the_models_own_size_is_the_models_picture():
    clip = scene(64, 48, 3)
    for scale in (2, 4):
        by_size = vqe.SuperRes(clip, height=48 * scale, backend="cpu")
        assert all_same(by_size, vqe.SuperRes(clip, scale=scale, backend="cpu"))


@pytest.mark.parametrize("variant", ["balanced", "fast"])
@pytest.mark.parametrize("arguments", [{"height": 6 * 18}, {"scale": 8}])
def test_few_runs_the_smaller_first(variant, arguments):
    """Six times is twice, then four times, and down to the size: not three times twice."""
    clip = scene(34, 18, 2)
    result = vqe.SuperRes(clip, model=variant, backend="cpu", **arguments)
    twice = vqe.SuperRes(clip, scale=2, model=variant, backend="cpu")
    # The second run is told that nothing is left to take away.
    eight = vqe.SuperRes(twice, scale=4, model=variant, qp=CLEAN_QUANTISER, backend="cpu")
    wanted = eight if "scale" in arguments else eight.resize.Spline36(204, 108)
    assert all_same(result, wanted)
    (by_two,) = (
        card.name
        for card in vqe.list_models("superres")
        if card.variant == variant and card.scale == 2
    )
    thrice = vqe.SuperRes(clip, model=by_two, backend="cpu", **arguments)
    assert not all_same(result, thrice)


def test_sixteen_is_four_times_four():
    clip = scene(18, 16, 1)
    four = vqe.SuperRes(clip, scale=4, model="fast", backend="cpu")
    wanted = vqe.SuperRes(four, scale=4, model="fast", qp=CLEAN_QUANTISER, backend="cpu")
    assert all_same(vqe.SuperRes(clip, scale=16, model="fast", backend="cpu"), wanted)


@pytest.mark.parametrize("location", [vs.CHROMA_LEFT, vs.CHROMA_CENTER, vs.CHROMA_TOP_LEFT])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_rest_is_resized_in_place(location, full_range):
    clip = scene(64, 48, 2, chroma_location=location, full_range=full_range)
    result = vqe.SuperRes(clip, height=72, backend="cpu")
    large = vqe.SuperRes(clip, scale=2, backend="cpu")
    wanted = large.resize.Spline36(96, 72)  # it reads location and range from the props
    assert largest_difference(result, wanted) == 0
    assert props_of(result) == props_of(clip)


def test_third_party_models(tmp_path):
    clip = scene(48, 32, 2, vs.RGB24)
    model = nearest(tmp_path, scale=3)
    result = vqe.SuperRes(clip, width=120, model=model, backend="cpu")
    wanted = clip.resize.Point(144, 96).resize.Spline36(120, 80)
    assert largest_difference(result, wanted) <= 1
    # Nine times, and then down again.
    assert vqe.SuperRes(clip, width=160, model=model, backend="cpu").get_frame(0).width == 160


@pytest.mark.parametrize(
    ("sar", "size", "wanted"),
    [
        (None, (96, 72), None),
        ((16, 15), (96, 72), (16, 15)),
        ((16, 15), (98, 74), (16, 15)),  # nearly the same: whole samples are meant
        ((1, 1), (96, 96), (4, 3)),
        (None, (96, 96), (4, 3)),
        ((16, 15), (128, 72), (4, 5)),
        ((0, 1), (96, 96), (0, 1)),
    ],
)
def test_the_shape_of_a_pixel(sar, size, wanted):
    clip = scene(64, 48, 1)
    if sar:
        clip = clip.std.SetFrameProps(_SARNum=sar[0], _SARDen=sar[1])
    props = props_of(vqe.SuperRes(clip, width=size[0], height=size[1], backend="cpu"))
    got = (props["_SARNum"], props["_SARDen"]) if "_SARNum" in props else None
    assert got == wanted


@pytest.mark.parametrize(
    ("format", "unit"), [(vs.YUV420P8, (2, 2)), (vs.YUV422P8, (2, 1)), (vs.YUV411P8, (4, 1))]
)
def test_derived_sides_are_whole_chroma_samples(format, unit):
    for height in range(50, 60, unit[1]):
        result = vqe.SuperRes(scene(64, 48, 1, format), height=height, backend="cpu")
        assert result.height == height
        assert result.width % unit[0] == 0
        assert abs(result.width - height * 64 / 48) <= unit[0] / 2
        assert np.isfinite(picture(result)[1]).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"height": 0}, "height=0 must be a whole number of pixels"),
        ({"height": 72.0}, "height=72.0 must be a whole number"),
        ({"width": "96"}, "width='96' must be a whole number"),
        ({"width": True}, "width=True must be a whole number"),
        ({"width": 97}, "width=97 must be a multiple of 2 in YUV420P8"),
        ({"height": 75, "width": 96}, "height=75 must be a multiple of 2"),
        ({"height": 72, "scale": 2}, "scale=2 and height=72 exclude each other"),
        ({"width": 96, "scale": 2}, "scale=2 and width=96 exclude each other"),
        ({"height": 48}, "64x48 is no enlargement of the clip's 64x48; use clip.resize"),
        ({"height": 40}, "is no enlargement"),
        ({"width": 128, "height": 40}, "128x40 is no enlargement"),
        ({"height": 2000}, "2666x2000 is 41.7 times the clip's 64x48.* gives 16 at most"),
    ],
)
def test_sizes_that_can_not_be_had(arguments, text):
    with pytest.raises(vs.Error, match=rf"^SuperRes: .*{text}"):
        vqe.SuperRes(scene(64, 48, 1), backend="cpu", **arguments)
