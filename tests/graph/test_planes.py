"""The planes layout against zimg and against plain arithmetic."""

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.clips import difference, picture, pictures, scene
from support.reference import limits, normalised

from vsvqe.graph import planes
from vsvqe.graph.clips import facts

core = vs.core


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    "format", [vs.YUV420P8, vs.YUV420P12, vs.YUV420P16, vs.YUV420PH, vs.GRAY10, vs.GRAYS]
)
def test_the_model_sees_normalised_codes(format, full_range):
    clip = scene(32, 24, 3, format, full_range=full_range)
    reader = planes.PlaneReader(clip, facts(clip))
    y, uv = np.zeros((3, 1, 24, 32), np.float32), np.zeros((3, 2, 12, 16), np.float32)
    reader.read([clip.get_frame(n) for n in range(3)], y, uv)
    wanted_y, wanted_uv = normalised(pictures(clip), clip.format, full_range)
    np.testing.assert_allclose(y, wanted_y, atol=1e-6)
    np.testing.assert_allclose(uv, wanted_uv, atol=1e-6)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV444P10, vs.RGB24, vs.RGB48, vs.GRAY16])
def test_code_ranges(format, full_range):
    described = core.get_video_format(format)
    rgb = described.color_family == vs.RGB
    luma, chroma = planes.code_ranges(described, full_range)
    assert luma == limits(described, full_range, False)[1]
    assert chroma == limits(described, full_range, chroma=not rgb)[1]


@pytest.mark.parametrize("location", list(vs.ChromaLocation))
@pytest.mark.parametrize("format", [vs.YUV422P8, vs.YUV444PS, vs.YUV411P8])
def test_other_subsamplings_are_seen_with_their_chroma_in_place(format, location):
    clip = scene(48, 32, 1, format, chroma_location=location)
    seen = planes.for_model(clip, facts(clip))
    plain = clip.std.RemoveFrameProps()
    wanted = plain.resize.Bicubic(format=seen.format.id, chromaloc_in=location, chromaloc=location)
    assert difference(picture(seen), picture(wanted)) == 0


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV444P16, vs.RGB24, vs.YUV410PS, vs.RGBH])
@pytest.mark.parametrize("size", [(48, 32), (52, 36)])
def test_a_residual_of_zero_changes_nothing(format, size):
    clip = scene(*size, 2, format)
    seen = planes.for_model(clip, facts(clip))
    nothing = core.std.BlankClip(
        format=planes.residual_format(seen).id,
        width=seen.width,
        height=seen.height,
        length=2,
        color=[0.0] * seen.format.num_planes,
    )
    wanted = planes.residual_like(nothing, clip.format, facts(clip), *size)
    result = planes.added(clip, [(wanted, 1.0)], clip.format, facts(clip), [0, 1, 2])
    for got, before in zip(pictures(result), pictures(clip), strict=True):
        assert difference(got, before) == 0


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV420P10, vs.YUV444P8, vs.RGB24])
def test_every_code_survives_the_way_through_16_bits(format, full_range):
    # What SuperRes adds its residual to, brought back with nothing added.
    clip = scene(48, 32, 1, format, full_range=full_range)
    known = facts(clip)
    base = planes.enlarged(clip, 1, known)
    result = planes.added(base, [], clip.format, known, [])
    assert difference(picture(result), picture(clip)) == 0


SAMPLES = st.one_of(
    st.floats(0, 1, width=32, allow_subnormal=False),
    st.floats(width=32, allow_subnormal=False),
    st.sampled_from([-0.0, 1.0, float(np.nextafter(np.float32(1), np.float32(2)))]),
)


@given(
    samples=arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2), elements=SAMPLES)
)
def test_clamped(samples):
    out = np.full_like(samples, 7)
    finite = planes.clamped(samples, out)
    assert finite == np.isfinite(samples).all()
    if finite:
        np.testing.assert_array_equal(out, np.clip(samples, 0, 1))


@pytest.mark.parametrize("odd", [-0.5, 2.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 599, 1099])
def test_clamped_sees_every_sample_of_a_large_plane(row, odd):
    samples = np.full((1100, 1000), 0.5, np.float32)
    samples[row, -1] = odd
    out = np.zeros_like(samples)
    assert planes.clamped(samples[:, 1:], out[:, 1:]) == np.isfinite(odd)
    if np.isfinite(odd):
        np.testing.assert_array_equal(out[:, 1:], np.clip(samples[:, 1:], 0, 1))
