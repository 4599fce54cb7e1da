"""The second-order degradation: ranges, shares, continuity in time, determinism."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from vsvqe.training import degrade
from vsvqe.training.degrade import STAGES, Walk, from_planes, stochastic_pair
from vsvqe.training.motion import to_planes


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean(np.square(a.astype(np.float64) - b))))


# Plugins of VapourSynth that other tests load may have switched subnormal numbers off.
@given(
    st.floats(-5, 5, allow_subnormal=False),
    st.floats(0, 9, allow_subnormal=False),
    st.floats(0, 3, allow_subnormal=False),
    st.integers(1, 60),
)
def test_walks_stay_in_range_and_take_small_steps(
    low: float, span: float, step: float, count: int
) -> None:
    path = Walk(low, low + span, step).path(np.random.default_rng(count), count)
    assert path.shape == (count,)
    assert (low - 1e-5 <= path).all() and (path <= low + span + 1e-5).all()
    assert (np.abs(np.diff(path)) <= step + 1e-5).all()


def test_walks_start_anywhere_and_step_evenly() -> None:
    rng = np.random.default_rng(3)
    walk = Walk(2.0, 5.0, 0.25)
    starts = [walk.path(rng, 1)[0] for _ in range(800)]
    assert kstest(starts, "uniform", args=(2.0, 3.0)).pvalue > 0.001
    steps = np.diff(Walk(-1e6, 1e6, 0.25).path(rng, 800, start=0.0).astype(np.float64))
    assert kstest(steps, "uniform", args=(-0.25, 0.5)).pvalue > 0.001
    assert walk.path(rng, 5, start=3.0)[0] == 3.0


def test_shares_and_sizes_of_resizes(clip: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    small = clip[:2, :64, :96]
    for stage in STAGES:
        sizes = [degrade.resized(small, stage, rng).shape for _ in range(400)]
        assert all(height % 2 == width % 2 == 0 for _, height, width, _ in sizes)
        low, high, _ = stage.scale
        widths = np.array([width for _, _, width, _ in sizes]) / 96
        assert widths.min() >= min(low, 16 / 96) - 0.03
        assert widths.max() <= high
        larger, smaller, kept = (np.mean(x) for x in (widths > 1, widths < 1, widths == 1))
        up, down, keep = stage.resize_shares
        # What is enlarged by next to nothing keeps its even size, and the other way round.
        assert larger == pytest.approx(up, abs=0.08)
        assert smaller == pytest.approx(down, abs=0.08)
        assert kept == pytest.approx(keep, abs=0.08)


def test_noise_is_new_in_every_frame_and_grey_at_times() -> None:
    flat = np.full((3, 48, 48, 3), 0.5, np.float32)
    rng = np.random.default_rng(4)
    deviations, grey = [], []
    for _ in range(150):
        noise = degrade.noisy(flat, STAGES[0], rng) - flat
        deviations += [frame.std() * 255 for frame in noise]
        grey.append(np.ptp(noise, axis=-1).max() == 0)
        between = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
        assert abs(between) < 0.1
        # The strength walks by a tenth of a code, or by a two-hundredth of counting.
        assert np.ptp(deviations[-3:]) < 0.2 + 0.12 * np.mean(deviations[-3:])
    assert np.mean(grey) == pytest.approx(0.4, abs=0.12)
    assert min(deviations) > 0 and max(deviations) < 260


def test_poisson_noise_is_that_of_counting() -> None:
    ramp = np.linspace(0.1, 0.9, 256, dtype=np.float32)
    clip = np.broadcast_to(ramp[None, :, None, None], (1, 256, 256, 3)).copy()
    strong = STAGES[0].__class__(
        1.0, STAGES[0].width, (0, 0, 1), STAGES[0].scale, Walk(0, 0, 0), Walk(1, 1, 0)
    )
    rng = np.random.default_rng(1)
    # Gaussian noise of no strength leaves the clip alone: the other half is Poisson noise.
    noises = [degrade.noisy(clip, strong, rng)[0] - clip[0] for _ in range(12)]
    counted = [noise for noise in noises if noise.any()]
    assert 2 <= len(counted) <= 10
    variance = np.mean([np.var(noise, axis=(1, 2)) for noise in counted], axis=0)
    # Of 256 levels: the variance of a share s of light is s / 256.
    inner = slice(20, 200)
    assert variance[inner] == pytest.approx(ramp[inner] / 256, rel=0.35)
    assert variance[inner].mean() == pytest.approx((ramp[inner] / 256).mean(), rel=0.05)


def test_jpeg_is_that_of_opencv(clip: np.ndarray) -> None:
    coded = degrade.jpeg(clip[:3], np.array([95, 30, 60], np.float32))
    codes = np.rint(clip[1] * 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", codes[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])
    expected = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(np.rint(coded[1] * 255), expected)
    quality = [_psnr(frame, clip[0]) for frame in coded]
    assert quality[0] > quality[2] > quality[1]


def test_codec_keeps_frames_and_follows_its_rate(clip: np.ndarray) -> None:
    low, high = (
        degrade.coded(clip, bits, np.random.default_rng(1)) for bits in (2000.0, 100_000.0)
    )
    assert low.shape == high.shape == clip.shape
    assert _psnr(low, clip) < _psnr(high, clip) - 2


def test_planes_and_back(clip: np.ndarray) -> None:
    planes = to_planes(list(clip))
    again = to_planes(list(from_planes(planes)))
    assert np.abs(planes.y.astype(int) - again.y).mean() < 0.2
    for plane, back in zip(planes[1:], again[1:], strict=True):
        # Chroma is filtered once on either way.
        assert np.abs(plane.astype(int) - back).mean() < 2.0


def test_flat_colours_stay() -> None:
    colours = np.array([[0.2, 0.5, 0.8], [0.9, 0.1, 0.3]], np.float32)
    flat = np.broadcast_to(colours[:, None, None], (2, 32, 48, 3)).copy()
    back = from_planes(to_planes(list(flat)))
    assert back == pytest.approx(flat, abs=0.008)
    assert degrade.sharpened(flat) == pytest.approx(flat, abs=1e-6)


def test_sharpening_steepens_edges_only_where_they_are_strong() -> None:
    edge = np.full((1, 128, 256, 3), 0.4, np.float32)
    edge[:, :, 64:192] = 0.6
    edge[:, :, 192:] = 0.61
    sharp = degrade.sharpened(edge)
    assert sharp[0, 64, 62, 0] < 0.4 < 0.6 < sharp[0, 64, 66, 0]
    weak = np.full((1, 128, 128, 3), 0.5, np.float32)
    weak[:, :, 64:] = 0.51
    assert degrade.sharpened(weak) == pytest.approx(weak, abs=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_pairs_have_their_sizes(clip: np.ndarray, scale: int) -> None:
    pair = stochastic_pair(clip[:3], scale, np.random.default_rng(scale))
    assert pair.clean.y.shape == (6, 192, 224)
    assert pair.damaged.y.shape == (6, 192 // scale, 224 // scale)
    assert pair.damaged.u.shape == (6, 96 // scale, 112 // scale)


def test_the_clean_clip_is_mirrored_in_time(clip: np.ndarray) -> None:
    moving = clip * np.linspace(0.8, 1, 6, dtype=np.float32)[:, None, None, None]
    clean = stochastic_pair(moving, 2, np.random.default_rng(2)).clean
    assert len(clean.y) == 12
    assert np.array_equal(clean.y, clean.y[::-1])
    assert not np.array_equal(clean.y[0], clean.y[5])


def test_generator_alone_decides(clip: np.ndarray) -> None:
    first, again, other = (
        degrade.degrade(clip, 2, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@given(st.integers(0, 1000))
@settings(max_examples=8)
def test_result_is_made_of_codes_and_damaged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.random((1, 12, 16, 3)).repeat(8, axis=1).repeat(8, axis=2)
    clip = np.concatenate([blocks] * 4).astype(np.float32)
    result = degrade.degrade(clip, 2, rng)
    assert result.shape == (4, 48, 64, 3)
    assert np.array_equal(result, np.rint(result * 255).astype(np.float32) / np.float32(255))
    assert result.min() >= 0 and result.max() <= 1
    small = cv2.resize(clip[0], (64, 48), interpolation=cv2.INTER_AREA)
    assert 8 < _psnr(result[0], small) < 40


def test_damage_changes_from_frame_to_frame_but_slowly(clip: np.ndarray) -> None:
    """Apart from its noise: the sharpness of the frames, over many clips."""

    def sharpness(frames: np.ndarray) -> np.ndarray:
        return np.log([np.abs(np.diff(f, axis=1)).mean() for f in frames])

    rng = np.random.default_rng(9)
    runs = []
    for _ in range(25):
        kernels = degrade.random_kernels(rng, STAGES[0].width, len(clip))
        runs.append(sharpness(degrade.filtered(clip[:, :96, :96], kernels)))
    steps = np.abs(np.diff(runs, axis=1)).mean()
    assert 0 < steps < 0.1 * np.std([run[0] for run in runs])


@pytest.mark.parametrize(
    "shape", [(4, 64, 64), (0, 64, 64, 3), (4, 66, 64, 3), (4, 64, 64, 1), (4, 24, 64, 3)]
)
def test_what_is_no_clip_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        degrade.degrade(np.zeros(shape, np.float32), 2, np.random.default_rng(1))
