"""Any clip in, the same clip out: every kind of clip through both filters."""

from fractions import Fraction
from typing import Any

import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clips import CUSTOM_PROPS, HDR_PROPS, all_same, pictures, same, scene

import vsvqe as vqe

SUBSAMPLINGS = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 2), (0, 1)]
SAMPLES = [(vs.INTEGER, bits) for bits in range(8, 17)] + [(vs.FLOAT, 16), (vs.FLOAT, 32)]
MATRICES = [matrix for matrix in vs.MatrixCoefficients if matrix != vs.MATRIX_RGB]
CHROMA_LOCATIONS = [None, *vs.ChromaLocation]


@st.composite
def clips(draw: st.DrawFn) -> vs.VideoNode:
    """A clip of any kind, with any props."""
    family = draw(st.sampled_from([vs.GRAY, vs.YUV, vs.YUV, vs.RGB]))
    subsampling = draw(st.sampled_from(SUBSAMPLINGS)) if family == vs.YUV else (0, 0)
    format = vs.core.query_video_format(family, *draw(st.sampled_from(SAMPLES)), *subsampling)
    step_w, step_h = 1 << subsampling[0], 1 << subsampling[1]
    width = step_w * draw(st.integers(-(-16 // step_w), 44 // step_w))
    height = step_h * draw(st.integers(-(-16 // step_h), 44 // step_h))
    clip = scene(width, height, draw(st.integers(1, 4)), format.id, seed=draw(st.integers(0, 2)))
    props: dict[str, Any] = {"_Matrix": 0 if family == vs.RGB else draw(st.sampled_from(MATRICES))}
    props["_Range"] = draw(st.sampled_from([None, 0, 1]))
    props["_ChromaLocation"] = draw(st.sampled_from(CHROMA_LOCATIONS))
    if draw(st.booleans()):
        props |= HDR_PROPS | CUSTOM_PROPS
    clip = clip.std.RemoveFrameProps(list(props))
    return clip.std.SetFrameProps(
        **{name: value for name, value in props.items() if value is not None}
    )


def assert_like(result: vs.VideoNode, clip: vs.VideoNode, scale: int = 1) -> None:
    """Asserts that all but the samples is as it was."""
    assert result.format.id == clip.format.id
    assert (result.width, result.height) == (clip.width * scale, clip.height * scale)
    assert result.num_frames == clip.num_frames
    assert result.fps == clip.fps
    for got, wanted in zip(result.frames(close=True), clip.frames(close=True), strict=True):
        assert got.format.id == clip.format.id
        assert (got.width, got.height) == (result.width, result.height)
        assert dict(got.props) == dict(wanted.props)


@settings(max_examples=40)
@given(clips(), st.sampled_from([0.4, 1.0]))
def test_deblock_keeps_all_but_the_samples(clip, strength):
    assert_like(vqe.Deblock(clip, strength, backend="cpu"), clip)


@settings(max_examples=40)
@given(clips())
def test_superres_changes_the_size_only(clip):
    assert_like(vqe.SuperRes(clip, backend="cpu"), clip, scale=2)


@settings(max_examples=25)
@given(clips())
def test_strength_zero_gives_every_format_back_bit_for_bit(clip):
    assert all_same(vqe.Deblock(clip, 0, backend="cpu"), clip)


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_matrix(matrix):
    # The matrix says nothing about which planes there are: the samples can't depend on it.
    clip = scene(32, 32, 2, vs.YUV444P10)
    named = clip.std.SetFrameProps(_Matrix=matrix)
    for filter in (vqe.Deblock, vqe.SuperRes):
        result = filter(named, backend="cpu")
        assert result.get_frame(0).props["_Matrix"] == matrix
        assert all_same(result, filter(clip, backend="cpu"))


def test_openvino_keeps_all_but_the_samples(openvino):
    for format in (vs.YUV420P10, vs.GRAYH, vs.RGB24, vs.YUV422P8):
        clip = scene(34, 50, 3, format).std.SetFrameProps(**HDR_PROPS, **CUSTOM_PROPS)
        assert_like(vqe.Deblock(clip, backend="openvino"), clip)
        assert_like(vqe.SuperRes(clip, backend="openvino"), clip, scale=2)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(50), Fraction(0)])
def test_frame_rate(fps):
    clip = vs.core.std.BlankClip(
        width=32, height=32, length=11, format=vs.YUV420P8, fpsnum=fps.numerator, fpsden=1
    )
    if fps.denominator != 1:
        clip = clip.std.AssumeFPS(fpsnum=fps.numerator, fpsden=fps.denominator)
    for filter in (vqe.Deblock, vqe.SuperRes):
        result = filter(clip, backend="cpu")
        assert (result.fps, result.num_frames) == (clip.fps, 11)


def test_props_of_every_frame_are_its_own():
    clip = scene(32, 32, 11)
    numbered = clip.std.FrameEval(
        lambda n: clip.std.SetFrameProps(Number=n, _DurationNum=n + 1, _DurationDen=25)
    )
    for filter in (vqe.Deblock, vqe.SuperRes):
        for n, frame in enumerate(filter(numbered, backend="cpu", length=4).frames(close=True)):
            assert (frame.props["Number"], frame.props["_DurationNum"]) == (n, n + 1)


def test_no_props_of_ours_stay_behind():
    clip = scene(32, 32, 3)
    for filter in (vqe.Deblock, vqe.SuperRes):
        names = set(filter(clip, backend="cpu").get_frame(1).props)
        assert names == set(clip.get_frame(1).props)


def test_a_clip_without_props():
    clip = scene(32, 32, 2)
    bare = clip.std.RemoveFrameProps()
    for filter in (vqe.Deblock, vqe.SuperRes):
        result = filter(bare, backend="cpu")
        assert dict(result.get_frame(0).props) == {}
        assert all(
            same(a, b)
            for a, b in zip(pictures(result), pictures(filter(clip, backend="cpu")), strict=True)
        )


def test_a_single_frame_and_one_more_than_a_chunk():
    for count in (1, 2, 9):
        clip = scene(32, 32, count)
        assert len(pictures(vqe.Deblock(clip, backend="cpu", length=8))) == count
