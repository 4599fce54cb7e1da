"""The mask and the fusion against NumPy and SciPy."""

import cv2
import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from support import fusion as reference
from support.clips import from_arrays, picture, pictures, scene

from vsvqe.graph import fusion, scenes
from vsvqe.graph.clips import facts

core = vs.core


def moving(width: int, height: int, length: int, seed: int) -> list[np.ndarray]:
    """Luma with flat parts, weak texture and strong edges."""
    rng = np.random.default_rng(seed)
    still = rng.random((height + length, width)).astype(np.float32)
    strength = np.linspace(0, 1, width, dtype=np.float32) ** 3
    return [0.5 + strength * (still[n : n + height] - 0.5) for n in range(length)]


def marked(clip: vs.VideoNode, cuts: list[int]) -> vs.VideoNode:
    """Marks of scene cuts as a script would set them."""
    parts = [
        clip[n].std.SetFrameProps(_SceneChangePrev=int(n in cuts)) for n in range(clip.num_frames)
    ]
    return scenes.marked(core.std.Splice(parts), scenes.DEFAULT_THRESHOLD)


@settings(max_examples=25)
@given(
    st.integers(16, 40),
    st.integers(16, 40),
    st.integers(1, 7),
    st.integers(0, 5),
    st.sampled_from([1, 3, 5, 9]),
    st.sampled_from(["window", "fixed"]),
    st.sets(st.integers(1, 6)),
    st.integers(0, 3),
)
def test_the_mask_is_that_of_the_formula(
    width, height, length, radius, window, normalize, cuts, seed
):
    window = max(window, 1 if radius else 3)
    luma = moving(width, height, length, seed)
    clip = from_arrays([[plane] for plane in luma], vs.GRAYS)
    marks = marked(clip, sorted(cuts))
    got = pictures(fusion.mask(clip, marks, radius, window, normalize))
    wanted = reference.masks(luma, radius, window, normalize, sorted(cuts))
    for samples, plane in zip(got, wanted, strict=True):
        np.testing.assert_allclose(samples[0], plane, atol=1e-4)
        assert samples[0].min() >= 0 and samples[0].max() <= 1


def test_the_mask_of_27_samples():
    luma = [np.full((20, 20), 0.5, np.float32) for _ in range(3)]
    luma[2][7, 8] = 0.77
    clip = from_arrays([[plane] for plane in luma], vs.GRAYS)
    got = picture(fusion.variance(clip, marked(clip, []), 1, 3), 1)[0]
    one_of_27 = 0.27**2 * (1 / 27) * (26 / 27)
    expected = np.zeros((20, 20))
    expected[6:9, 7:10] = one_of_27
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_a_flat_clip_has_no_texture():
    noise = np.random.default_rng(0).normal(0, 0.5 / 219, (4, 32, 32)).astype(np.float32)
    clip = from_arrays([[0.4 + frame] for frame in noise], vs.GRAYS)
    for normalize in fusion.NORMALIZE:
        weights = pictures(fusion.mask(clip, marked(clip, []), 1, 3, normalize))
        assert max(plane.max() for (plane,) in weights) < 0.3


@pytest.mark.parametrize(
    "format", [vs.YUV420PS, vs.YUV422PS, vs.YUV444PS, vs.YUV440P8, vs.RGBS, vs.YUV410P8]
)
@pytest.mark.parametrize("location", [vs.CHROMA_LEFT, vs.CHROMA_CENTER, vs.CHROMA_TOP_LEFT])
def test_the_mask_lies_where_the_chroma_does(format, location):
    clip = scene(48, 32, 1, format).std.SetFrameProps(_ChromaLocation=int(location))
    target = core.query_video_format(
        clip.format.color_family,
        vs.FLOAT,
        32,
        clip.format.subsampling_w,
        clip.format.subsampling_h,
    )
    mask = np.random.default_rng(1).random((32, 48)).astype(np.float32)
    weights = from_arrays([[mask]], vs.GRAYS)
    got = picture(fusion.for_planes(weights, target, facts(clip)))
    left, top = location != vs.CHROMA_CENTER, location == vs.CHROMA_TOP_LEFT
    sides = 1 << target.subsampling_w, 1 << target.subsampling_h
    wanted = reference.subsampled(mask.astype(np.float64), *sides, left, top)
    np.testing.assert_array_equal(got[0], mask)
    for chroma in got[1:]:
        np.testing.assert_allclose(chroma, wanted, atol=1e-5)


def test_sharpening_is_an_unsharp_mask_of_the_luma():
    clip = scene(40, 24, 1, vs.YUV444PS)
    before, after = picture(clip), picture(fusion.sharpened(clip, 0.7))
    blurred = cv2.GaussianBlur(before[0], (3, 3), 0, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(after[0], before[0] + 0.7 * (before[0] - blurred), atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))


def test_sharpening_of_rgb_sharpens_all():
    clip = scene(40, 24, 1, vs.RGBS)
    before, after = picture(clip), picture(fusion.sharpened(clip, 1.5))
    for plane, sharp in zip(before, after, strict=True):
        expected = plane + 1.5 * (plane - reference.blurred(plane))
        np.testing.assert_allclose(sharp, expected, atol=1e-6)
