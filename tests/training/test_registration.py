"""Pairs lie on each other: the check itself on known offsets, then everything that makes pairs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import fourier_shift, gaussian_filter

from vsvqe.training import degrade
from vsvqe.training.codecs import transcode
from vsvqe.training.decoding import decode
from vsvqe.training.degrade import STAGES, Stage, Walk
from vsvqe.training.motion import to_planes
from vsvqe.training.pairs import find_pairs
from vsvqe.training.prepare import add_quarter
from vsvqe.training.recipes import Recipe, avc, hevc
from vsvqe.training.registration import displacement, offsets, still_tiles
from vsvqe.training.resample import reduced
from vsvqe.training.store import Planes, ShardWriter, Store

NONE = Walk(0.0, 0.0, 0.0)


def _shifted(plane: np.ndarray, right: float, down: float) -> np.ndarray:
    return np.fft.ifft2(fourier_shift(np.fft.fft2(plane), (down, right))).real


@pytest.fixture(scope="module")
def clean(clip: np.ndarray) -> Planes:
    return to_planes(list(clip))


@pytest.fixture(scope="module")
def luma(still: np.ndarray) -> np.ndarray:
    return still.mean(axis=2).astype(np.float64)


@pytest.mark.parametrize(
    ("right", "down"), [(0, 0), (0.5, 0), (0, -0.25), (0.1, 0.7), (-0.9, 0.9), (0.02, -0.03)]
)
def test_known_displacements(luma: np.ndarray, right: float, down: float) -> None:
    found = displacement(luma, _shifted(luma, right, down))
    assert found == pytest.approx((right, down), abs=0.01)


def test_blur_noise_and_brightness_do_not_matter(luma: np.ndarray) -> None:
    noise = np.random.default_rng(3).normal(0, 0.02, luma.shape)
    worse = 0.3 + 0.6 * gaussian_filter(_shifted(luma, 0.4, -0.6), 1.5) + noise
    assert displacement(luma, worse) == pytest.approx((0.4, -0.6), abs=0.03)


def test_offset_of_a_quarter_pixel_is_found(clip: np.ndarray) -> None:
    turn = np.float32([[1, 0, 0.25], [0, 1, 0.25]])
    moved = np.stack([cv2.warpAffine(f, turn, f.shape[1::-1], flags=cv2.INTER_CUBIC) for f in clip])
    found = offsets(to_planes(list(clip)), to_planes(list(moved)))
    assert found["y"] == pytest.approx((0.25, 0.25), abs=0.05)
    assert found["u"] == pytest.approx((0.125, 0.125), abs=0.05)


def test_moving_and_empty_tiles_are_left_out() -> None:
    rng = np.random.default_rng(2)
    plane = np.full((3, 128, 192), 100, np.uint8)
    plane[:, :64, :64] = rng.integers(0, 255, (64, 64))
    plane[:, 64:, 128:] = rng.integers(0, 255, (3, 64, 64))
    assert list(still_tiles(plane)) == [(slice(0, 64), slice(0, 64))]


def test_halved_clips(clean: Planes) -> None:
    found = offsets(clean, reduced(clean, 2))
    assert set(found) == {"y", "u", "v"}
    for offset in found.values():
        assert offset == pytest.approx((0, 0), abs=0.02)


def test_quarter_clips_on_half_ones(clip: np.ndarray, tmp_path: Path) -> None:
    """The pairs by two of clips of which a quarter leaves rows and columns out."""
    larger = np.pad(clip, ((0, 0), (0, 44), (0, 44), (0, 0)), mode="reflect")
    clean = to_planes(list(larger))
    with ShardWriter(tmp_path / "shard") as shard:
        shard.add("clip", "half", reduced(clean, 2))
        add_quarter(shard, "clip", clean, np.random.default_rng(0), avc(12))
    store = Store(tmp_path)
    pairs = find_pairs(store, ("quarter", "quarter-coded"), 2)
    assert [pair.clean.kind for pair in pairs] == ["half", "half"]
    for pair, least in zip(pairs, (0.02, 0.06), strict=True):
        quarter = store.planes(pair.shard, pair.damaged)
        height, width = quarter.y.shape[1:]
        assert (2 * height, 2 * width) < (pair.clean.height, pair.clean.width)
        half = store.planes(pair.shard, pair.clean)
        cut = Planes(
            half.y[:, : 2 * height, : 2 * width],
            half.u[:, :height, :width],
            half.v[:, :height, :width],
        )
        found = offsets(cut, quarter)
        assert set(found) >= {"y"}
        for offset in found.values():
            assert offset == pytest.approx((0, 0), abs=least)


# The worse the picture, the less can be told.
@pytest.mark.parametrize(
    ("recipe", "least"), [(hevc(37), 0.1), (hevc(27), 0.05), (avc(30), 0.1), (avc(20), 0.05)]
)
@pytest.mark.parametrize("half", [False, True])
def test_coded_clips(clean: Planes, recipe: Recipe, least: float, half: bool) -> None:
    found = offsets(clean, transcode(reduced(clean, 2) if half else clean, recipe))
    assert found["y"] == pytest.approx((0, 0), abs=least)


def test_chroma_of_coded_clips(clean: Planes) -> None:
    for recipe in (hevc(15), avc(12)):
        found = offsets(clean, transcode(clean, recipe))
        for name in "uv":
            assert found[name] == pytest.approx((0, 0), abs=0.04)


@pytest.mark.parametrize("name", ["dog", "bunny60"])
def test_coded_clips_of_the_real_world(name: str, data) -> None:
    whole = decode(data / "valid" / f"{name}.mp4")
    clean = Planes(*(plane[:8] for plane in whole))
    for damaged in (
        transcode(clean, avc(28)),
        reduced(clean, 2),
        transcode(reduced(clean, 2), avc(23)),
    ):
        found = offsets(clean, damaged)
        # Codecs repeat what was there before: what moves slowly lags a little, by up to 0.1, and
        # with x264's AVX-512 code never by the same. Samples in the wrong place are a quarter off.
        assert found["y"] == pytest.approx((0, 0), abs=0.2)


@pytest.mark.parametrize("scale", [0.31, 0.5, 0.77, 1.23, 1.5])
@pytest.mark.parametrize("interpolation", degrade.INTERPOLATIONS)
def test_resizes(clip: np.ndarray, scale: float, interpolation: int) -> None:
    height, width = clip.shape[1:3]
    # Sides are rounded on the way, differently across and down.
    size = (int(width * scale) // 2 * 2, int(height * scale) // 2 * 2)
    there = degrade._resized(clip[:1], size, interpolation)
    back = cv2.resize(there[0], (width, height), interpolation=cv2.INTER_CUBIC)
    found = displacement(clip[0].mean(axis=2), back.mean(axis=2))
    assert found == pytest.approx((0, 0), abs=0.02 / min(scale, 1))


def test_chroma_of_the_codecs_frames(clip: np.ndarray) -> None:
    back = degrade.from_planes(to_planes(list(clip[:1])))
    for channel in range(3):
        found = displacement(clip[0, ..., channel], back[0, ..., channel])
        assert found == pytest.approx((0, 0), abs=0.02)


@pytest.mark.parametrize("encoder_seed", [0, 1, 2, 3])
def test_video_and_jpeg_compression(clip: np.ndarray, encoder_seed: int) -> None:
    rng = np.random.default_rng(encoder_seed)
    coded = degrade.coded(clip, 60_000.0, rng)
    files = degrade.jpeg(clip, np.full(len(clip), 60, np.float32))
    for damaged in (coded, files):
        found = displacement(clip.mean(axis=3), damaged.mean(axis=3))
        assert found == pytest.approx((0, 0), abs=0.03)


def test_whole_degradation_without_its_noise(clip: np.ndarray, monkeypatch) -> None:
    """Sharp enough to tell a hundredth of a pixel of drift in any of the steps."""
    quiet = tuple(
        Stage(s.blur_share, Walk(0.2, 1.0, 0.02), s.resize_shares, Walk(0.6, s.scale.high, 0.015),
              NONE, NONE)
        for s in STAGES
    )  # fmt: skip
    monkeypatch.setattr(degrade, "STAGES", quiet)
    monkeypatch.setattr(degrade, "BITS", (1e5, 1e5))
    monkeypatch.setattr(degrade, "QUALITY", Walk(85.0, 95.0, 3.0))
    found = []
    for seed in range(8):
        pair = degrade.stochastic_pair(clip[:2], 2, np.random.default_rng(seed))
        found.append(offsets(pair.clean, pair.damaged)["y"])
    assert np.abs(found).max() < 0.12
    assert np.abs(np.mean(found, axis=0)).max() < 0.03


def test_whole_degradation_on_average(clip: np.ndarray) -> None:
    """As heavy as it comes, one clip says little: the noise alone moves an estimate."""
    found = []
    for seed in range(24):
        pair = degrade.stochastic_pair(clip[:2], 2, np.random.default_rng(seed))
        found.append(offsets(pair.clean, pair.damaged)["y"])
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (error < 0.06).all()
    assert (np.abs(np.median(found, axis=0)) < 0.1).all()
