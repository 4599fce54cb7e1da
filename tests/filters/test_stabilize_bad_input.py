"""Bad and odd input to ``Stabilize``: a clear error when it is made, or frames that are right."""

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, from_arrays, picture, pictures, raising_at, same, scene

import vsvqe as vqe

core = vs.core

BORDERS = ["fill", "mirror", "replicate", "wrap", "zoom", "black"]


def refused(clip, text, **arguments):
    """Asserts that the filter refuses when it is made, and says why."""
    with pytest.raises(vs.Error, match=rf"^Stabilize: .*{text}") as error:
        vqe.Stabilize(clip, **arguments)
    message = str(error.value)
    assert "Traceback" not in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize(
    "clip", [None, 3, "input.mp4", [1, 2], object()], ids=lambda clip: type(clip).__name__
)
def test_not_a_clip(clip):
    assert type(clip).__name__ in refused(clip, "must be a video clip")


def test_an_audio_node():
    refused(core.std.BlankAudio(length=1000), "audio node")


@pytest.mark.parametrize("field", [1, 2])
def test_interlaced(field):
    message = refused(scene().std.SetFieldBased(field), "interlaced")
    assert "deinterlace" in message


def test_variable_format_and_size():
    first = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=3)
    clip = core.std.Splice([first, first.resize.Bicubic(32, 32)], mismatch=True)
    refused(clip, "changes its format or size")


@pytest.mark.parametrize("size", [(15, 16), (16, 15), (1, 1)])
def test_too_small(size):
    clip = core.std.BlankClip(format=vs.GRAY8, width=size[0], height=size[1], length=2)
    refused(clip, "at least 16x16")


def test_too_large():
    clip = core.std.BlankClip(format=vs.GRAY8, width=32768, height=16, length=1, keep=True)
    refused(clip, "32768x16; sides up to 32766")


@pytest.mark.parametrize(
    "arguments",
    [
        {"smoothing": 0},
        {"smoothing": -1},
        {"smoothing": 1.5},
        {"smoothing": True},
        {"smoothing": 10**6},
        {"border": "blur"},
        {"border": None},
        {"border": 1},
        {"flow": "raft"},
        {"model": "dense"},
        {"kernel": "bilinear"},
        {"model": None},
        {"method": "spline"},
        {"dxmax": -1},
        {"dymax": "10"},
        {"dymax": float("nan")},
        {"rotmax": 91},
        {"rotmax": "3"},
        {"zoommax": 0.9},
        {"zoommax": float("inf")},
        {"tripod": -1},
        {"tripod": 12},
        {"tripod": "first"},
        {"tripod": 1.0},
        {"mask": "yes"},
        {"sc": "no"},
        {"sc_threshold": 2},
    ],
    ids=repr,
)
def test_bad_arguments(arguments):
    (name,) = arguments
    refused(scene(), f"{name}=", **arguments)


def test_limits_that_leave_nothing_of_a_crop():
    message = refused(scene(), "would leave", border="crop", dxmax=40)
    assert "dxmax" in message
    refused(scene(), "would leave", border="crop", rotmax=90)


def test_motion_that_is_none():
    clip = scene()
    refused(clip, "motion must be a clip", motion=[np.eye(3)] * 12)
    refused(clip, "motion has 11 frames and clip 12", motion=clip[1:])
    refused(clip, "_VQEMotion must hold", motion=clip)
    for values in ([1.0, 2.0], [0.0] * 9, [float("nan")] * 9, 1.0):
        refused(clip, "_VQEMotion must hold", motion=clip.std.SetFrameProps(_VQEMotion=values))
    flat = clip.std.SetFrameProps(_VQEMotion=[0.0] * 8 + [1.0])
    refused(clip, "must not press the picture flat", motion=flat)
    fine = clip.std.SetFrameProps(_VQEMotion=[float(v) for v in np.eye(3).ravel()])
    refused(clip, "tripod", motion=fine, tripod=True)
    for values in (1.0, [0.0] * 69, [float("inf")] * 70, "mesh"):
        refused(clip, "_VQEMesh must hold a mesh", motion=fine.std.SetFrameProps(_VQEMesh=values))


def test_motion_that_ends_in_the_middle():
    clip = scene(length=80)
    fine = clip.std.SetFrameProps(_VQEMotion=[float(v) for v in np.eye(3).ravel()])
    motion = fine[:70] + clip[70:]
    steady = vqe.Stabilize(clip, smoothing=2, motion=motion)
    assert same(picture(steady, 3), picture(clip, 3))
    with pytest.raises(vs.Error, match=r"Stabilize: .*_VQEMotion must hold"):
        steady.get_frame(55)


def test_motion_that_throws_the_picture_away():
    clip = scene(64, 48, 8)
    for values in (
        [1e6, 0, 1e9, 0, 1e-6, 5, 0, 0, 1],
        [1, 0, 0, 0, 1, 0, 9, 9, 1],
        [0.04, 0, 0, 0, 0.04, 3, 0, 0, 1],
    ):
        motion = clip.std.SetFrameProps(_VQEMotion=[float(v) for v in values])
        for border in BORDERS:
            steady = vqe.Stabilize(clip, border=border, motion=motion)
            try:
                assert len(pictures(steady)) == 8
            except vs.Error as error:
                assert "Stabilize: frame" in str(error)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames(border, count):
    clip = scene(64, 48, count)
    for arguments in ({}, {"tripod": True}, {"smoothing": 300}):
        steady = vqe.Stabilize(clip, border=border, **arguments)
        assert len(pictures(steady)) == count
    if count == 1:
        assert all_same(vqe.Stabilize(clip, border=border), clip)


@pytest.mark.parametrize("method", ["kalman", "gaussian", "l1"])
def test_smoothing_longer_than_the_clip(method):
    clip = scene(64, 48, 9)
    assert len(pictures(vqe.Stabilize(clip, smoothing=100, method=method))) == 9


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.RGBS])
@pytest.mark.parametrize("border", ["fill", "zoom"])
def test_all_black(format, border):
    clip = core.std.BlankClip(format=format, width=64, height=48, length=10)
    assert all_same(vqe.Stabilize(clip, border=border), clip)
    assert all_same(vqe.Stabilize(clip, border=border, tripod=3), clip)


@pytest.mark.parametrize("border", ["fill", "zoom"])
def test_all_noise(border):
    rng = np.random.default_rng(0)
    clip = from_arrays([[rng.integers(0, 256, (96, 128))] for _ in range(20)], vs.GRAY8)
    steady = vqe.Stabilize(clip, border=border)
    assert all_same(steady, clip)


def test_huge_jumps():
    clip = scene(128, 96, 12, speed=(97, 61))
    steady = vqe.Stabilize(clip, sc=False)
    for planes in pictures(steady):
        assert planes[0].shape == (96, 128)


@pytest.mark.parametrize("size", [(16, 16), (17, 16), (16, 33), (31, 47), (640, 16), (16, 400)])
@pytest.mark.parametrize("border", ["fill", "zoom", "black"])
def test_small_and_odd_sizes(size, border):
    clip = scene(min(size[0], 300), min(size[1], 300), 6, vs.YUV444P8, speed=(1, 0))
    clip = clip.resize.Bicubic(*size)
    steady = vqe.Stabilize(clip, border=border)
    assert (steady.width, steady.height) == size
    assert len(pictures(steady)) == 6


def test_duplicates_hold():
    # Every frame twice, as of animation or a changed rate: a duplicate stays one.
    clip = scene(128, 96, 10, speed=(3, 1))
    doubled = core.std.Interleave([clip, clip])
    steady = vqe.Stabilize(doubled, border="mirror")
    for n in range(0, 20, 2):
        motion = steady.get_frame(n + 1).props["_VQEMotion"]
        assert np.array_equal(np.reshape(motion, (3, 3)), np.eye(3))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_stay_where_they_are(value):
    clip = scene(64, 48, 8, vs.YUV420PS, speed=(0, 0))
    frames = pictures(clip)
    frames[4][0][10, 10] = value
    broken = from_arrays(frames, vs.YUV420PS).std.CopyFrameProps(clip)
    steady = vqe.Stabilize(broken)
    for n in (0, 1, 7):
        assert same(picture(steady, n), picture(clip, n))
    assert picture(steady, 4)[0].shape == (48, 64)


def test_a_source_that_raises_in_the_middle():
    clip = scene(64, 48, 80)
    steady = vqe.Stabilize(raising_at(clip, 70), smoothing=2)
    good = vqe.Stabilize(clip, smoothing=2)
    assert same(picture(steady, 3), picture(good, 3))
    with pytest.raises(vs.Error, match="scratch"):
        steady.get_frame(70)
    # All at once: no hang.
    futures = [steady.get_frame_async(n) for n in range(80)]
    failed = {n for n, future in enumerate(futures) if future.exception(timeout=30)}
    assert 70 in failed
    assert 0 not in failed


def test_a_clip_without_a_first_frame():
    refused(scene().std.FrameEval(lambda n: 1 / 0), "first frame of clip can't be had")


def test_motion_without_a_first_frame():
    clip = scene()
    refused(clip, "first frame of motion can't be had", motion=clip.std.FrameEval(lambda n: 1 / 0))
