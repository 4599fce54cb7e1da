"""``Stabilize``: steadier, whole, and the same however it is asked for."""

import random
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.camera import seen, wall
from support.clips import all_same, from_arrays, picture, pictures, planes_of, props_of, same, scene

import vsvqe as vqe
from vsvqe.motion.estimate import MODELS
from vsvqe.motion.mesh import COLUMNS, ROWS
from vsvqe.motion.transform import compose

core = vs.core
WIDTH, HEIGHT = 320, 180
BORDERS = ["fill", "mirror", "replicate", "wrap", "crop", "zoom", "black"]
OURS = {"_VQEMotion", "_VQEConfidence"}

# Small limits keep `crop` above 16 pixels in clips this small.
CROP: dict[str, Any] = {"dxmax": 4, "dymax": 4, "rotmax": 2, "zoommax": 1.05}


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth scene of texture everywhere, 40 to 220, without end; at columns x and rows y."""
    k = np.arange(16)
    across, down = 2 / (3 + 1.5 * k) * (np.cos(2.4 * k), np.sin(2.4 * k))
    # The sum of sin(across x + down y + phase): a product of matrices, which is much quicker.
    along_x, along_y = np.outer(across, x) + 1.7 * k[:, None], np.outer(y, down)
    total = np.cos(along_y) @ np.sin(along_x) + np.sin(along_y) @ np.cos(along_x)
    return 130 + 20 * np.clip(total, -4.5, 4.5)


def shaky(
    offsets: np.ndarray, width: int = WIDTH, height: int = HEIGHT, format: int = vs.GRAY8
) -> vs.VideoNode:
    """The scene from a camera that stands at these places, N x 2, in pixels."""
    x, y = np.arange(width), np.arange(height)
    frames = [[np.rint(waves(x + dx, y + dy))] for dx, dy in offsets]
    clip = from_arrays(frames, vs.GRAY8)
    return clip if format == vs.GRAY8 else clip.resize.Bicubic(format=format, matrix=1)


def jitter(count: int, amount: float = 2.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, amount, (count, 2))


def shake_left(clip: vs.VideoNode, inner: int = 16) -> float:
    """Mean change of the inner picture from frame to frame, in codes."""
    lumas = [planes[0].astype(float) for planes in pictures(clip)]
    cut = slice(inner, -inner)
    changes = [np.abs(a - b)[cut, cut].mean() for a, b in pairwise(lumas)]
    return float(np.mean(changes[3:-3]))


@pytest.fixture(scope="module")
def clip() -> vs.VideoNode:
    """A shaky clip, rendered once."""
    made = shaky(jitter(30))
    frames = pictures(made)
    return from_arrays(frames, vs.GRAY8)


@pytest.mark.parametrize("method", ["kalman", "gaussian", "l1"])
def test_shaking_is_removed(clip, method):
    steady = vqe.Stabilize(clip, method=method)
    assert shake_left(steady) < 0.25 * shake_left(clip)


@pytest.mark.parametrize("flow", ["lk", "dis", "farneback"])
def test_every_flow(clip, flow):
    assert shake_left(vqe.Stabilize(clip, flow=flow)) < 0.3 * shake_left(clip)


@pytest.mark.parametrize("model", MODELS)
def test_every_model(clip, model):
    assert shake_left(vqe.Stabilize(clip, model=model)) < 0.3 * shake_left(clip)


def test_every_kernel(clip):
    motion = vqe.Stabilize(clip)
    sharp = vqe.Stabilize(clip, kernel="lanczos", motion=motion)
    assert shake_left(sharp) < 0.3 * shake_left(clip)
    for planes, others in zip(pictures(sharp), pictures(motion), strict=True):
        difference = np.abs(planes[0].astype(int) - others[0])
        assert 0 < difference.max() < 12
        assert difference.mean() < 1


def test_pans_stay_and_do_not_lag():
    # 3 pixels a frame, and a shake of 1: after it, the pan is as it was.
    pan = np.stack([3.0 * np.arange(40), np.zeros(40)], axis=1)
    steady = vqe.Stabilize(shaky(pan + jitter(40, 1.0)), smoothing=10)
    wanted = pictures(shaky(pan))
    cut = slice(16, -16)
    for n in range(10, 30):
        got = picture(steady, n)[0].astype(float)
        errors = {
            lag: np.abs(got - wanted[n + lag][0])[cut, cut].mean() for lag in (-2, -1, 0, 1, 2)
        }
        assert min(errors, key=lambda lag: errors[lag]) == 0


def test_a_static_shot_comes_through_bit_for_bit():
    still = shaky(np.zeros((12, 2)))
    assert all_same(vqe.Stabilize(still), still)
    rng = np.random.default_rng(0)
    base = picture(still)[0]
    noisy = from_arrays(
        [[np.clip(base + rng.normal(0, 2, base.shape), 0, 255)] for _ in range(12)], vs.GRAY8
    )
    assert all_same(vqe.Stabilize(noisy), noisy)


def test_a_steady_pan_comes_through_nearly_untouched():
    pan = shaky(np.stack([2.0 * np.arange(24), np.zeros(24)], axis=1))
    steady = vqe.Stabilize(pan)
    for a, b in zip(pictures(steady), pictures(pan), strict=True):
        assert np.abs(a[0].astype(float) - b[0])[8:-8, 8:-8].mean() < 1.0


@pytest.mark.parametrize("border", BORDERS)
def test_format_length_rate_and_props(clip, border):
    source = clip.resize.Bicubic(format=vs.YUV422P10, matrix=1)
    source = source.std.SetFrameProps(Custom=[1, 2], _SARNum=4, _SARDen=3)
    steady = vqe.Stabilize(source, border=border, **CROP)
    assert steady.format.id == source.format.id
    assert (steady.num_frames, steady.fps) == (source.num_frames, source.fps)
    if border == "crop":
        assert 16 <= steady.width < source.width
        assert 16 <= steady.height < source.height
        assert (steady.width % 2, steady.height % 2) == (0, 0)
    else:
        assert (steady.width, steady.height) == (source.width, source.height)
    for n in (0, 7, 29):
        props = props_of(steady, n)
        assert set(props) - OURS == set(props_of(source, n))
        assert {name: props[name] for name in props if name not in OURS} == props_of(source, n)
        assert len(props["_VQEMotion"]) == 9
        assert 0 <= props["_VQEConfidence"] <= 1


def test_the_motion_is_told():
    offsets = jitter(8, 3.0)
    steady = vqe.Stabilize(shaky(offsets))
    for n in range(1, 8):
        motion = np.reshape(props_of(steady, n)["_VQEMotion"], (3, 3))
        # The picture moves against the camera.
        moved = -(offsets[n] - offsets[n - 1]) / HEIGHT
        assert np.abs(motion[:2, 2] - moved).max() * HEIGHT < 0.2
        assert props_of(steady, n)["_VQEConfidence"] > 0.5


@pytest.mark.parametrize("border", ["fill", "mirror", "zoom", "crop"])
def test_no_black_at_the_border(border):
    # No sample of the scene is darker than 40.
    steady = vqe.Stabilize(shaky(jitter(24, 5.0)), border=border, dxmax=20, dymax=20)
    assert min(planes[0].min() for planes in pictures(steady)) > 20


def test_black_where_it_is_asked_for():
    clip = shaky(jitter(24, 5.0))
    steady, mask = vqe.Stabilize(clip, border="black", mask=True)
    seen = 0
    for planes, (white,) in zip(pictures(steady), pictures(mask), strict=True):
        deep = (white == 255)[2:-2, 2:-2]
        # Two pixels inside the mask the kernel sees nothing but black.
        deep[1:-1, 1:-1] &= (white == 255)[1:-5, 3:-3] & (white == 255)[5:-1, 3:-3]
        seen += int(white.any())
        assert planes[0][white == 0].min() > 15
    assert seen > 10


def test_fill_takes_the_picture_from_other_frames():
    offsets = jitter(30, 4.0)
    offsets -= offsets.mean(axis=0)
    clip = shaky(offsets)
    errors = {}
    for border in ("fill", "mirror"):
        steady, mask = vqe.Stabilize(clip, border=border, tripod=15, mask=True)
        wanted = picture(clip, 15)[0].astype(float)
        invented = [
            np.abs(planes[0] - wanted)[white == 255]
            for planes, (white,) in zip(pictures(steady), pictures(mask), strict=True)
        ]
        errors[border] = float(np.concatenate(invented).mean())
    assert errors["fill"] < 0.35 * errors["mirror"]


def test_fill_takes_it_from_frames_that_are_far_away_too():
    # A pan to the right of two pixels a frame, and one frame that is 24 behind: what it has not
    # seen is seen twelve frames later, and not before.
    pan = np.stack([2.0 * np.arange(60), np.zeros(60)], axis=1)
    jolted = pan.copy()
    jolted[30, 0] -= 24
    clip = shaky(jolted)
    wanted = waves(np.arange(WIDTH) + pan[30, 0], np.arange(HEIGHT))
    errors = {}
    for border in ("fill", "mirror"):
        steady, mask = vqe.Stabilize(clip, border=border, mask=True)
        white = picture(mask, 30)[0] == 255
        assert white[:, -20:].all()
        errors[border] = np.abs(picture(steady, 30)[0] - wanted)[white].mean()
    assert errors["fill"] < 0.25 * errors["mirror"]


@pytest.mark.parametrize("flow", ["lk", "dis", "farneback"])
@pytest.mark.parametrize("size", [(640, 360), (720, 480), (848, 480)])
def test_a_static_shot_stays_still_when_somebody_walks_through(flow, size):
    """Frames of every width: their rows are padded in memory where it is not a round one."""
    width, height = size
    background, walker = (seen(wall(seed=seed), width, height, np.eye(3)) for seed in (2, 9))
    frames = []
    for n in range(12):
        frame = background.copy()
        left = 20 + 4 * n
        frame[height // 10 :, left : left + width // 5] = walker[height // 10 :, : width // 5]
        frames.append([frame])
    clip = from_arrays(frames, vs.GRAY8)
    assert all_same(vqe.Stabilize(clip, flow=flow), clip)


def test_the_noise_of_a_sensor_comes_through_bit_for_bit():
    rng = np.random.default_rng(1)
    dark = [[rng.normal(20, 8, (480, 720)).clip(0, 255).astype(np.uint8)] for _ in range(8)]
    clip = from_arrays(dark, vs.GRAY8)
    assert all_same(vqe.Stabilize(clip), clip)


def test_tripod_holds_the_picture():
    offsets = np.cumsum(jitter(25, 0.7), axis=0)
    clip = shaky(offsets)
    for reference in (True, 12):
        steady = vqe.Stabilize(clip, tripod=reference)
        held = picture(clip, int(reference) if reference is not True else 0)[0].astype(float)
        for planes in pictures(steady):
            assert np.abs(planes[0] - held)[16:-16, 16:-16].mean() < 3.0
    assert same(picture(vqe.Stabilize(clip, tripod=12), 12), picture(clip, 12))


def test_limits_are_kept():
    clip = shaky(jitter(24, 5.0))
    bound = vqe.Stabilize(clip, dxmax=0, dymax=2, rotmax=0, zoommax=1, border="black")
    for planes in pictures(bound):
        # Not moved sideways: no black there. Not more than two pixels up or down.
        assert planes[0][8:-8].min() > 20
        assert planes[0][3:-3, 8:-8].min() > 20
    still = vqe.Stabilize(clip, dxmax=0, dymax=0, rotmax=0, zoommax=1)
    assert all_same(still, clip)


def test_zoom_changes_slowly():
    clip = shaky(jitter(60, 3.0))
    lone = shaky(np.where(np.arange(60)[:, None] == 30, 9.0, 0.0) * np.ones(2))
    for source in (clip, lone):
        steady, mask = vqe.Stabilize(source, border="zoom", mask=True, zoommax=1.5)
        assert not any(planes[0].any() for planes in pictures(mask))
        assert steady.num_frames == 60


def test_the_mask_is_at_the_depth_of_the_clip():
    for format, white in (
        (vs.YUV420P8, 255),
        (vs.GRAY16, 65535),
        (vs.RGBS, 1.0),
        (vs.YUV444P10, 1023),
    ):
        clip = shaky(jitter(8, 4.0)).resize.Bicubic(
            format=format, matrix=0 if format == vs.RGBS else 1
        )
        steady, mask = vqe.Stabilize(clip, mask=True)
        assert mask.format.color_family == vs.GRAY
        assert mask.format.bits_per_sample == clip.format.bits_per_sample
        assert (mask.width, mask.height, mask.num_frames) == (clip.width, clip.height, 8)
        values = {float(v) for planes in pictures(mask) for v in np.unique(planes[0])}
        assert values == {0.0, float(white)}
        assert steady.format.id == format


@pytest.mark.parametrize("border", BORDERS)
def test_masks_have_the_size_of_the_picture(clip, border):
    steady, mask = vqe.Stabilize(clip, border=border, mask=True, **CROP)
    assert (mask.width, mask.height) == (steady.width, steady.height)
    if border == "crop":
        assert not any(planes[0].any() for planes in pictures(mask))


# Supplied motion


def with_motion(clip: vs.VideoNode, matrices: list[np.ndarray], **props: Any) -> vs.VideoNode:
    def write(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["_VQEMotion"] = [float(value) for value in matrices[n].ravel()]
        for name, value in props.items():
            frame.props[name] = value
        return frame

    return clip.std.ModifyFrame(clip, write)


def test_motion_may_be_supplied():
    offsets = jitter(30)
    clip = shaky(offsets)
    steps = -np.diff(offsets, axis=0, prepend=offsets[:1]) / HEIGHT
    known = with_motion(clip, [compose(*step) for step in steps.tolist()])
    steady = vqe.Stabilize(clip, motion=known)
    assert shake_left(steady) < 0.15 * shake_left(clip)
    assert all_same(vqe.Stabilize(clip, motion=with_motion(clip, [np.eye(3)] * 30)), clip)


@pytest.mark.parametrize("border", ["fill", "zoom", "crop"])
def test_a_mesh_may_be_supplied(border):
    # One frame has its left part 3 pixels too far down.
    still = shaky(np.zeros((9, 2)))
    off = np.zeros((ROWS, COLUMNS, 2))
    off[:, 0, 1] = 3 / HEIGHT
    down = np.maximum(0, 1 - (np.arange(WIDTH) + 0.5) / WIDTH * (COLUMNS - 1)) * 3
    rows = np.arange(HEIGHT)
    columns = [waves(np.array([x]), rows - shift) for x, shift in enumerate(down)]
    bent = from_arrays([[np.rint(np.hstack(columns))]], vs.GRAY8)
    clip = still[:4] + bent + still[5:]
    motion = with_motion(clip, [np.eye(3)] * 9)
    meshes = {4: off, 5: -off}
    told = motion.std.FrameEval(
        lambda n: (
            motion.std.SetFrameProps(_VQEMesh=meshes[n].ravel().tolist()) if n in meshes else motion
        )
    )
    arguments = {"smoothing": 60, "border": border, **CROP}
    steady, mask = vqe.Stabilize(clip, motion=told, mask=True, **arguments)
    left = np.s_[8:-8, 4:40]
    wrong = np.abs(picture(clip, 4)[0].astype(int) - picture(still, 4)[0])[left].mean()
    if border == "fill":
        found = np.abs(picture(steady, 4)[0].astype(int) - picture(still, 4)[0])[left].mean()
        assert found < 0.35 * wrong
        assert picture(mask, 4)[0].any()
    else:
        assert not any(planes[0].any() for planes in pictures(mask))
    assert all_same(vqe.Stabilize(clip, motion=steady, **arguments), steady)


def test_what_comes_out_may_go_in(clip):
    steady = vqe.Stabilize(clip)
    again = vqe.Stabilize(clip, motion=steady)
    assert all_same(again, steady)


def test_cuts_are_found_with_supplied_motion_too():
    clip = shaky(jitter(9)) + scene(WIDTH, HEIGHT, 10, vs.GRAY8, seed=1)
    steady = vqe.Stabilize(clip)
    assert all_same(vqe.Stabilize(clip, motion=steady), steady)


def test_supplied_cuts_count():
    offsets = np.concatenate([jitter(10), np.array((60.0, 40.0)) + jitter(10)])
    clip = shaky(offsets)
    steps = -np.diff(offsets, axis=0, prepend=offsets[:1]) / HEIGHT
    steps[10] = 0
    known = with_motion(clip, [compose(*step) for step in steps.tolist()])
    cut = known.std.FrameEval(
        lambda n: known.std.SetFrameProps(_SceneChangePrev=1) if n == 10 else known
    )
    steady = vqe.Stabilize(clip, motion=cut)
    alone = vqe.Stabilize(clip[:10], motion=cut[:10])
    assert all_same(steady[:10], alone)


# Scenes


def test_no_path_reaches_across_a_cut():
    first, second = shaky(jitter(9)), scene(WIDTH, HEIGHT, 10, vs.GRAY8, seed=1)
    for border in ("fill", "zoom"):
        spliced = vqe.Stabilize(first + second, border=border)
        assert all_same(spliced[:9], vqe.Stabilize(first, border=border))
        assert all_same(spliced[9:], vqe.Stabilize(second, border=border))


# Repeatability

COUNT = 20


@pytest.mark.parametrize("border", ["fill", "zoom"])
def test_any_order_of_requests(border, threads):
    clip = from_arrays(pictures(shaky(jitter(COUNT))), vs.GRAY8)
    wanted = pictures(vqe.Stabilize(clip, border=border, smoothing=5))
    for count in (1, 2, 8):
        threads(count)
        steady = vqe.Stabilize(clip, border=border, smoothing=5)
        order = list(range(COUNT))
        random.Random(count).shuffle(order)
        futures = {n: steady.get_frame_async(n) for n in order}
        for n, future in futures.items():
            with future.result(timeout=60) as frame:
                assert same(planes_of(frame), wanted[n])


@pytest.mark.parametrize("border", ["fill", "zoom", "mirror"])
def test_a_source_is_asked_for_every_frame_once(border, threads):
    """Or it would have to decode again, from the last frame that depends on no other."""
    threads(2)
    count = 420
    clip = shaky(jitter(count), 96, 64)
    asked: Counter[int] = Counter()

    def seen(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        asked[n] += 1
        return f

    source = clip.std.ModifyFrame(clip, seen)
    source.std.SetVideoCache(mode=0)
    steady = vqe.Stabilize(source, border=border)
    # To know what it is like.
    asked.clear()
    for _ in steady.frames(close=True):
        pass
    assert asked == Counter(range(count))


@settings(max_examples=5)
@given(order=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=8))
def test_single_frames(order):
    clip = shaky(jitter(COUNT), 96, 64)
    wanted = pictures(vqe.Stabilize(clip, smoothing=4))
    steady = vqe.Stabilize(clip, smoothing=4)
    for n in order:
        assert same(picture(steady, n), wanted[n])


def test_three_chained(threads):
    clip = shaky(jitter(12), 96, 64)
    chain = clip
    for _ in range(3):
        chain = vqe.Stabilize(chain, smoothing=3)
    threads(2)
    wanted = pictures(chain)
    for count in (1, 8):
        threads(count)
        again = clip
        for _ in range(3):
            again = vqe.Stabilize(again, smoothing=3)
        futures = [again.get_frame_async(n) for n in reversed(range(12))][::-1]
        for future, planes in zip(futures, wanted, strict=True):
            with future.result(timeout=60) as frame:
                assert same(planes_of(frame), planes)


def test_a_jump_costs_the_window():
    asked: set[int] = set()
    blank = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=10000)

    def note(n: int) -> vs.VideoNode:
        asked.add(n)
        return blank

    steady = vqe.Stabilize(blank.std.FrameEval(note), smoothing=10)
    asked.clear()
    steady.get_frame(5000).close()
    assert 5000 in asked
    assert len(asked) < 150


def test_every_motion_is_measured_once(monkeypatch, clip):
    from vsvqe.motion import estimate

    seen = []
    original = estimate.estimate

    def counted(*arguments, **named):
        seen.append(1)
        return original(*arguments, **named)

    monkeypatch.setattr(estimate, "estimate", counted)
    for _ in vqe.Stabilize(clip, smoothing=5).frames(close=True):
        pass
    assert len(seen) == 29


# Formats

SUBSAMPLINGS = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 2), (0, 1)]
SAMPLES = [(vs.INTEGER, bits) for bits in range(8, 17)] + [(vs.FLOAT, 16), (vs.FLOAT, 32)]


@settings(max_examples=20)
@given(
    family=st.sampled_from([vs.GRAY, vs.YUV, vs.YUV, vs.RGB]),
    samples=st.sampled_from(SAMPLES),
    subsampling=st.sampled_from(SUBSAMPLINGS),
    size=st.tuples(st.integers(4, 20), st.integers(4, 20)),
    count=st.integers(1, 5),
    border=st.sampled_from(["fill", "mirror", "zoom", "black", "wrap", "replicate"]),
    location=st.sampled_from([None, *range(6)]),
)
def test_every_format(family, samples, subsampling, size, count, border, location):
    if family != vs.YUV:
        subsampling = (0, 0)
    format = core.query_video_format(family, *samples, *subsampling)
    steps = [max(1 << s, 1) for s in subsampling]
    width, height = (
        -(-(4 * side + 1) // step) * step for side, step in zip(size, steps, strict=True)
    )
    clip = scene(max(width, 16), max(height, 16), count, format.id, speed=(3, 1))
    if location is not None:
        clip = clip.std.SetFrameProps(_ChromaLocation=location)
    steady = vqe.Stabilize(clip, border=border)
    assert (steady.format.id, steady.num_frames) == (format.id, count)
    assert (steady.width, steady.height) == (clip.width, clip.height)
    for got, wanted in zip(steady.frames(close=True), clip.frames(close=True), strict=True):
        assert {k: v for k, v in got.props.items() if k not in OURS} == dict(wanted.props)
        if samples[0] == vs.INTEGER:
            assert (
                max(int(np.asarray(got[p]).max()) for p in range(format.num_planes))
                < 1 << samples[1]
            )


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV422P10, vs.YUV411P8, vs.YUV440P8, vs.RGB24])
def test_chroma_stays_on_the_luma(format):
    # Colour and brightness have the same pattern: moved alike, they stay so.
    grey = shaky(jitter(10, 3.0), 320, 192).std.BoxBlur(hradius=4, hpasses=2, vradius=4, vpasses=2)
    chroma = grey
    if format == vs.RGB24:
        clip = core.std.ShufflePlanes([grey] * 3, [0, 0, 0], vs.RGB)
        steady = vqe.Stabilize(clip)
        for planes in pictures(steady):
            assert np.array_equal(planes[0], planes[1])
            assert np.array_equal(planes[0], planes[2])
        return
    full = core.std.ShufflePlanes([grey, chroma, chroma], [0, 0, 0], vs.YUV)
    clip = full.resize.Bicubic(format=format, chromaloc=0, range=1, range_in=1)
    steady = vqe.Stabilize(clip.std.SetFrameProps(_ChromaLocation=0, _Range=1))
    back = steady.resize.Bicubic(format=vs.YUV444P8, chromaloc_in=0, range=1, range_in=1)
    for y, u, v in pictures(back):
        cut = slice(20, -20)
        assert np.abs(y.astype(float) - u)[cut, cut].mean() < 1.5
        assert np.array_equal(u, v)


def test_depths_agree(clip):
    eight = pictures(vqe.Stabilize(clip))
    for format, scale in ((vs.GRAY10, 4), (vs.GRAY16, 256), (vs.GRAYS, None), (vs.GRAYH, None)):
        deeper = clip.resize.Point(format=format, range_in=0, range=0)
        motion = vqe.Stabilize(clip)
        steady = vqe.Stabilize(deeper, motion=motion)
        for got, wanted in zip(pictures(steady), eight, strict=True):
            luma = got[0].astype(float)
            luma = luma / scale if scale else luma * 219 + 16
            assert np.abs(luma - wanted[0]).max() < 1.5
