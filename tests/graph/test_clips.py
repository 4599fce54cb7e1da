import pytest
import vapoursynth as vs
from support.clips import all_same, picture, scene

from vsvqe.graph.clips import checked, facts, like, padded_to_even, pixels_to_length

core = vs.core


def blank(width: int = 64, height: int = 48, format: int = vs.YUV420P8, **props) -> vs.VideoNode:
    clip = core.std.BlankClip(format=format, width=width, height=height, length=1)
    clip = clip.std.RemoveFrameProps()
    return clip.std.SetFrameProps(**props) if props else clip


def test_a_good_clip_passes_as_it_is():
    clip = blank()
    assert checked(clip) is clip
    assert checked(blank(16, 16)).width == 16


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((720, 576), vs.MATRIX_ST170_M),
        ((1024, 576), vs.MATRIX_ST170_M),
        ((1280, 720), vs.MATRIX_BT709),
        ((720, 640), vs.MATRIX_BT709),
    ],
)
def test_the_matrix_is_guessed_from_the_size(size, matrix):
    assert facts(blank(*size)).matrix == matrix
    assert facts(blank(*size, _Matrix=2)).matrix == matrix
    assert facts(blank(*size, _Matrix=9)).matrix == vs.MATRIX_BT2020_NCL


def test_ranges():
    assert not facts(blank()).full_range
    assert not facts(blank(format=vs.GRAY8)).full_range
    assert facts(blank(format=vs.RGB24)).full_range
    assert facts(blank(_Range=1)).full_range
    assert not facts(blank(format=vs.RGB24, _Range=0)).full_range


@pytest.mark.parametrize("location", list(vs.ChromaLocation))
def test_chroma_locations(location):
    assert facts(blank(_ChromaLocation=location)).chroma_location == location


def test_chroma_is_to_the_left_where_nothing_is_said():
    assert facts(blank()).chroma_location == vs.CHROMA_LEFT


def test_rgb_has_no_matrix():
    assert facts(blank(format=vs.RGB24, _Matrix=0)).matrix == vs.MATRIX_RGB


@pytest.mark.parametrize("size", [(16, 16), (17, 16), (16, 17), (33, 35)])
def test_padding_repeats_the_edge(size):
    clip = scene(*size, 1, vs.YUV444P8)
    padded = padded_to_even(clip)
    assert (padded.width % 2, padded.height % 2) == (0, 0)
    assert all_same(padded.std.CropAbs(*size), clip)
    samples = picture(padded)[1]
    assert (samples[:, -1] == samples[:, size[0] - 1]).all()
    assert (samples[-1] == samples[size[1] - 1]).all()


def test_like_changes_what_is_named_only():
    format = core.get_video_format(vs.YUV422P10)
    assert like(format).id == format.id
    assert like(format, bits_per_sample=16).id == vs.YUV422P16


def test_chunks_hold_about_two_megapixels():
    assert pixels_to_length(1920, 1080) == 1
    assert pixels_to_length(960, 540) == 4
    assert pixels_to_length(64, 48) == 8
    assert pixels_to_length(7680, 4320) == 1
