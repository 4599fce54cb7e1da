"""The models' arithmetic against an independent computation in NumPy."""

import numpy as np
import pytest
import vapoursynth as vs
from scipy.ndimage import map_coordinates
from support.clips import pictures, scene
from support.reference import assert_rounded, limits, residuals, summed

import vsvqe as vqe

core = vs.core

pytestmark = pytest.mark.usefixtures("either")


def assert_summed(got, base, residual, format):
    """Asserts that frames are base plus residual, rounded once (floats: to float precision)."""
    for n, frame in enumerate(got):
        for plane, samples in enumerate(frame):
            wanted = summed(base[n][plane], residual[n][plane], format)
            if format.sample_type == vs.INTEGER:
                assert_rounded(samples, wanted, tie=1e-5 * 2**format.bits_per_sample)
            else:
                tolerance = 1e-5 if format.bits_per_sample == 32 else 2e-3
                np.testing.assert_allclose(samples, wanted, atol=tolerance)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    "format", [vs.YUV420P8, vs.YUV420P10, vs.YUV420P16, vs.YUV420PS, vs.YUV420PH, vs.GRAY8]
)
def test_deblock_adds_the_residual(format, full_range):
    clip = scene(48, 32, 5, format, full_range=full_range)
    frames = pictures(clip)
    residual = residuals("deblock", frames, clip.format, full_range)
    assert max(np.abs(plane).max() for plane in residual[0]) > 0, "the model changes nothing here"
    assert_summed(pictures(vqe.Deblock(clip, backend="cpu")), frames, residual, clip.format)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.9])
def test_strength_mixes_linearly(strength):
    clip = scene(48, 32, 3)
    frames = pictures(clip)
    residual = residuals("deblock", frames, clip.format, False)
    weighed = [[plane * strength for plane in planes] for planes in residual]
    result = pictures(vqe.Deblock(clip, strength, backend="cpu"))
    assert_summed(result, frames, weighed, clip.format)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV420P10, vs.YUV420P16, vs.YUV420PS])
@pytest.mark.parametrize("location", [vs.CHROMA_LEFT, vs.CHROMA_TOP])
def test_superres_adds_the_residual_to_zimg_bicubic(format, full_range, location):
    clip = scene(48, 32, 3, format, full_range=full_range, chroma_location=location)
    residual = residuals("superres", pictures(clip), clip.format, full_range)
    # zimg's bicubic at 16 bits (floats: as they are), then all in float64. Full range is float
    # too: 16 bits would clip what overshoots at black and white between the two passes.
    exact = clip.format.sample_type == vs.FLOAT or full_range
    sixteen = vs.YUV420PS if exact else vs.YUV420P16
    limited = {"range": int(full_range), "range_in": int(full_range)}
    base = clip.resize.Bicubic(96, 64, format=sixteen, **limited, chromaloc=location)
    in_format = [
        [
            recoded(samples, base.format, clip.format, full_range, plane > 0)
            for plane, samples in enumerate(planes)
        ]
        for planes in pictures(base)
    ]
    result = pictures(vqe.SuperRes(clip, backend="cpu"))
    assert_summed(result, in_format, residual, clip.format)
    # Nor is it far from the same in float32 throughout, which knows no intermediate clamp.
    exact = pictures(clip.resize.Bicubic(96, 64, format=vs.YUV420PS, **limited, chromaloc=location))
    for got, planes, added in zip(result, exact, residual, strict=True):
        for plane, samples in enumerate(planes):
            offset, span = limits(clip.format, full_range, plane > 0)
            wanted = summed(samples * span + offset, added[plane], clip.format)
            assert np.abs(got[plane] - wanted).max() < 0.008 * span


def recoded(samples, source, target, full_range, chroma):
    """Codes of one depth as unrounded codes of another."""
    (from_offset, from_span), (to_offset, to_span) = (
        limits(format, full_range, chroma) for format in (source, target)
    )
    return (samples.astype(np.float64) - from_offset) / from_span * to_span + to_offset


@pytest.mark.parametrize("code", [0, 1, 255, 254])
def test_codes_are_clamped(code):
    clip = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=2, color=[code] * 3)
    frames = pictures(clip)
    residual = residuals("deblock", frames, clip.format, False)
    assert_summed(pictures(vqe.Deblock(clip, backend="cpu")), frames, residual, clip.format)


def colour_of(clip: vs.VideoNode) -> list[list[np.ndarray]]:
    """Normalised 4:2:0 float frames of any clip, by zimg in one step."""
    seen = clip.std.RemoveFrameProps()
    rgb = clip.format.color_family == vs.RGB
    return pictures(
        seen.resize.Bicubic(
            format=vs.YUV420PS,
            **({"matrix_in": vs.MATRIX_RGB, "matrix": vs.MATRIX_BT709} if rgb else {}),
        )
    )


@pytest.mark.parametrize("format", [vs.YUV444P8, vs.YUV422P10, vs.YUV440P8, vs.YUV410P8, vs.RGB24])
def test_other_formats_get_the_residual_of_their_420_version(format):
    clip = scene(48, 32, 3, format)
    rgb = clip.format.color_family == vs.RGB
    if rgb:
        clip = clip.std.SetFrameProps(_Range=1)
    float420 = core.get_video_format(vs.YUV420PS)
    residual = residuals("deblock", colour_of(clip), float420, True, qp=30)
    frames = pictures(clip)
    peak = 1 << (clip.format.bits_per_sample - 8)
    moved = 0.0
    for n, planes in enumerate(pictures(vqe.Deblock(clip, qp=30, backend="cpu"))):
        y, u, v = residual[n]
        if rgb:
            # R - Y, G - Y and B - Y of BT.709, of chroma that lies between two rows, on the left.
            places = np.mgrid[: y.shape[0], : y.shape[1]] / 2 - np.array([0.25, 0]).reshape(2, 1, 1)
            u, v = (map_coordinates(plane, places, order=1, mode="nearest") for plane in (u, v))
            wanted = [y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u]
            spans, bound = [255.0] * 3, 0.8
        else:
            wanted, spans, bound = [y], [219.0 * peak], 0.6 * peak
        for got, before, added, span in zip(planes, frames[n], wanted, spans, strict=False):
            expected = before + added * span
            inside = (expected > 0) & (expected < 255 * peak)
            error = np.abs(got - expected)[inside]
            assert np.sqrt(np.mean(error**2)) < bound
            moved = max(moved, float(np.abs(got.astype(float) - before).max()))
    assert moved >= 1


def test_the_chroma_of_444_keeps_its_own_resolution():
    # One-pixel stripes of colour would not survive a trip through 4:2:0.
    stripes = scene(64, 48, 3, vs.YUV444P8)
    fine = striped(stripes)
    result = pictures(vqe.Deblock(fine, backend="cpu"))[1]
    for plane in (1, 2):
        contrast = result[plane][:, 0::2].astype(float) - result[plane][:, 1::2]
        assert np.abs(np.median(contrast)) > 30


def striped(clip: vs.VideoNode) -> vs.VideoNode:
    """The clip with chroma that alternates from column to column."""

    def paint(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in (1, 2):
            samples = np.asarray(frame[plane])
            samples[:, 0::2], samples[:, 1::2] = 108, 148
        return frame

    return clip.std.ModifyFrame(clip, paint)


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV420P10, vs.RGB24])
def test_openvino_agrees(format, openvino):
    clip = scene(64, 48, 4, format)
    for filter in (vqe.Deblock, vqe.SuperRes):
        exact = pictures(filter(clip, backend="cpu"))
        other = pictures(filter(clip, backend="openvino", fp16=False))
        half = pictures(filter(clip, backend="openvino"))
        for a, b, c in zip(exact, other, half, strict=True):
            for p, q, r in zip(a, b, c, strict=True):
                assert np.abs(p.astype(int) - q).max() <= 1
                assert np.mean(p != q) < 0.01
                # bf16, where the CPU has it: one part in 250 of the residual.
                assert np.abs(p.astype(int) - r).max() <= 2 << (clip.format.bits_per_sample - 8)
