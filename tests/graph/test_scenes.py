import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, from_arrays, picture, pictures, same, scene

import vsvqe as vqe
from vsvqe.graph import scenes

pytestmark = pytest.mark.usefixtures("windowed")

core = vs.core


def shot(length: int, seed: int, **arguments) -> vs.VideoNode:
    """A scene that moves slowly."""
    return scene(length=length, seed=seed, speed=(1, 0), **arguments)


def cuts(clip: vs.VideoNode, threshold: float = scenes.DEFAULT_THRESHOLD) -> list[int]:
    """The first frames of the scenes that the detector finds, but for the clip's own."""
    props = [dict(frame.props) for frame in scenes.annotated(clip, detect=True).frames(close=True)]
    return [n for n in range(1, len(props)) if scenes.is_cut(props[n - 1], props[n], threshold)]


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.GRAY16, vs.RGBS, vs.YUV444PH, vs.YUV410P8])
def test_finds_splices(format):
    parts = [shot(count, seed, format=format) for seed, count in enumerate((5, 4, 7))]
    assert cuts(parts[0] + parts[1] + parts[2]) == [5, 9]


def test_finds_a_cut_at_the_second_and_at_the_last_frame():
    first, second = shot(6, 0), shot(6, 1)
    assert cuts(first[:1] + second) == [1]
    assert cuts(first + second[:1]) == [6]


@pytest.mark.parametrize("speed", [(1, 0), (9, 5), (16, 11)])
@pytest.mark.parametrize("seed", [0, 1])
def test_finds_none_in_pans(speed, seed):
    assert cuts(scene(160, 96, 20, seed=seed, speed=speed)) == []


@pytest.mark.parametrize("frames", [6, 12, 25])
def test_finds_none_in_fades(frames):
    first, second = scene(length=frames, seed=0), scene(length=frames, seed=1)
    a, b = pictures(first), pictures(second)
    mixed = []
    for n in range(frames):
        part = n / (frames - 1)
        mixed.append([x * (1 - part) + y * part for x, y in zip(a[n], b[n], strict=True)])
    assert cuts(from_arrays(mixed, vs.YUV420P8)) == []


def test_finds_none_in_noise():
    rng = np.random.default_rng(1)
    still = picture(scene(), 0)
    noisy = [
        [np.clip(plane + rng.normal(0, 25, plane.shape), 0, 255) for plane in still]
        for _ in range(15)
    ]
    assert cuts(from_arrays(noisy, vs.YUV420P8)) == []


def test_finds_the_splices_of_real_clips(data):
    names = ["dog", "flower", "highway", "squirrel"]
    clips = [
        core.bs.VideoSource(str(data / "valid" / f"{name}.mp4"), cachemode=0)[:12].resize.Bicubic(
            320, 180
        )
        for name in names
    ]
    assert [cuts(clip) for clip in clips] == [[]] * len(clips)
    assert cuts(clips[0] + clips[1] + clips[2] + clips[3]) == [12, 24, 36]


def marked(clip: vs.VideoNode, *firsts: int, next: bool = True) -> vs.VideoNode:
    """The clip with scene changes before some frames in its props, and none elsewhere."""

    def write(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["_SceneChangePrev"] = int(n in firsts)
        if next:
            frame.props["_SceneChangeNext"] = int(n + 1 in firsts)
        return frame

    return clip.std.ModifyFrame(clip, write)


@pytest.mark.parametrize("next", [True, False])
def test_props_override_the_detector(next):
    spliced = shot(5, 0) + shot(5, 1)
    assert cuts(marked(spliced, 7, next=next)) == [7]
    assert cuts(spliced.std.SetFrameProps(_SceneChangePrev=0, _SceneChangeNext=0)) == []


def assert_scenes_apart(filter, clip, parts, **arguments):
    """Asserts that each part of a clip comes out as it does alone."""
    result = filter(clip, **arguments)
    start = 0
    for part in parts:
        alone = filter(part, **arguments)
        assert all_same(result[start : start + part.num_frames], alone)
        start += part.num_frames


@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
@pytest.mark.parametrize("counts", [(9, 10), (1, 6, 1), (3, 3, 8)])
@pytest.mark.parametrize("length", [None, 1, 3])
def test_no_window_reaches_across_a_cut(filter, counts, length):
    parts = [shot(count, seed) for seed, count in enumerate(counts)]
    assert_scenes_apart(filter, sum(parts[1:], parts[0]), parts, backend="cpu", length=length)


def test_no_window_reaches_across_a_cut_on_openvino(openvino):
    parts = [shot(6, 0), shot(5, 1)]
    assert_scenes_apart(vqe.Deblock, parts[0] + parts[1], parts, backend="openvino", fp16=False)


def test_the_estimate_of_damage_does_not_reach_across_a_cut():
    parts = [shot(4, 0), shot(7, 1).std.BoxBlur()]
    assert_scenes_apart(vqe.Deblock, parts[0] + parts[1], parts, strength="auto", backend="cpu")


def test_scenes_of_a_single_frame():
    # Our own detector takes these for flashes; props can say better.
    parts = [shot(count, seed) for seed, count in enumerate((4, 1, 1, 3))]
    clip = marked(sum(parts[1:], parts[0]), 4, 5, 6)
    assert_scenes_apart(vqe.Deblock, clip, parts, backend="cpu", length=3)


def test_windows_end_at_marked_frames():
    clip = scene(length=12)
    parts = [clip[:5], clip[5:]]
    assert_scenes_apart(vqe.Deblock, marked(clip, 5), parts, backend="cpu")


def test_without_sc_windows_reach_across():
    spliced = shot(6, 0) + shot(6, 1)
    with_cuts = vqe.Deblock(spliced, backend="cpu")
    without = vqe.Deblock(spliced, backend="cpu", sc=False)
    same_frames = [same(picture(with_cuts, n), picture(without, n)) for n in range(12)]
    # Two frames of context: the two on each side of the cut differ.
    assert same_frames == [True] * 4 + [False] * 4 + [True] * 4


def test_the_threshold_counts():
    spliced = shot(6, 0) + shot(6, 1)
    assert cuts(spliced, threshold=1.0) == []
    blind = vqe.Deblock(spliced, backend="cpu", sc_threshold=1.0)
    assert all_same(blind, vqe.Deblock(spliced, backend="cpu", sc=False))


def test_first_and_last_frames_have_their_ends_repeated():
    clip = scene(length=6)
    whole = vqe.Deblock(clip, backend="cpu")
    longer = clip[0] * 2 + clip + clip[-1] * 2
    inner = vqe.Deblock(longer, backend="cpu", sc=False)[2:8]
    assert all_same(whole, inner)


def marks(clip: vs.VideoNode, threshold: float | None = scenes.DEFAULT_THRESHOLD) -> list[int]:
    """The first frames of scenes by the marks; each end must lie before a beginning."""
    annotated = scenes.annotated(clip, detect=True)
    props = [dict(frame.props) for frame in scenes.marked(annotated, threshold).frames(close=True)]
    begins = [n for n, frame in enumerate(props) if frame["_SceneChangePrev"]]
    ends = [n for n, frame in enumerate(props) if frame["_SceneChangeNext"]]
    assert [n + 1 for n in ends] == [*begins[1:], clip.num_frames]
    return begins


def test_marks_are_at_the_cuts_and_at_the_ends():
    clip = shot(5, 0) + shot(4, 1) + shot(1, 2)
    assert marks(clip) == [0, 5, 9]
    assert marks(clip, None) == [0]
    assert marks(clip[:1]) == [0]


def test_marks_are_those_of_the_clip_where_it_has_some():
    clip = shot(6, 0).std.SetFrameProps(_SceneChangePrev=0)
    parts = [clip[:2], clip[2:3].std.SetFrameProps(_SceneChangePrev=1), clip[3:]]
    assert marks(core.std.Splice(parts)) == [0, 2]
