from dataclasses import replace

import numpy as np
import pytest
import torch
import vapoursynth as vs
from conftest import copy_models, models_from
from hypothesis import given, settings
from hypothesis import strategies as st
from support import networks
from support.clips import all_same, from_arrays, largest_difference, pictures, scene
from support.codecs import encode
from support.reference import (
    aligned_window,
    assert_rounded,
    normalised,
    quantisers,
    residuals,
    summed,
)

import vsvqe as vqe
from vsvqe.cards import find, list_models
from vsvqe.filters import quantiser
from vsvqe.filters.quantiser import FULL, UNTOUCHED, strength_at


def test_strength_rises_with_the_quantiser():
    given = np.array([0, UNTOUCHED, (UNTOUCHED + FULL) / 2, FULL, 51], np.float32)
    assert strength_at(given).tolist() == [0, 0, 0.5, 1, 1]
    assert (np.diff(strength_at(np.linspace(0, 51, 200, dtype=np.float32))) >= 0).all()


def test_factors_lie_on_lines_between_those_of_the_card():
    response = ((20.0, 0.5, 1.0), (30.0, 1.5, 1.0), (40.0, 2.5, 0.0))
    card = replace(list_models("deblock")[0], response=response)
    factors = card.factors(np.array([10, 20, 25, 36, 50], np.float32))
    wanted = [[0.5, 1.0], [0.5, 1.0], [1.0, 1.0], [2.1, 0.4], [2.5, 0.0]]
    np.testing.assert_allclose(factors, wanted, rtol=1e-6)
    plain = replace(card, response=())
    assert plain.factors(np.array([10, 50], np.float32)).tolist() == [[1, 1], [1, 1]]


def test_auto_of_a_given_quantiser_is_its_strength():
    clip = scene(48, 32, 3)
    halfway = (UNTOUCHED + FULL) / 2
    found = vqe.Deblock(clip, "auto", qp=halfway, backend="cpu")
    assert all_same(found, vqe.Deblock(clip, 0.5, qp=halfway, backend="cpu"))
    assert all_same(vqe.Deblock(clip, "auto", qp=UNTOUCHED, backend="cpu"), clip)


@pytest.mark.parametrize("qp", [12.0, 27.5, 40.0])
def test_a_given_quantiser_decides_how_much_is_added(qp, either):
    clip = scene(48, 32, 5)
    frames = pictures(clip)
    wanted = residuals("deblock", frames, clip.format, False, qp)
    for n, frame in enumerate(pictures(vqe.Deblock(clip, qp=qp, backend="cpu"))):
        for plane, samples in enumerate(frame):
            exact = summed(frames[n][plane], wanted[n][plane], clip.format)
            assert_rounded(samples, exact, tie=3e-3)


def test_more_is_taken_away_where_compression_was_stronger():
    clip = scene(96, 64, 3)
    before = pictures(clip)

    def changed(qp: float) -> float:
        after = pictures(vqe.Deblock(clip, qp=qp, backend="cpu"))
        changes = zip(before, after, strict=True)
        return float(np.mean([np.abs(a[0].astype(int) - b[0]).mean() for a, b in changes]))

    assert changed(12) < changed(24) < changed(36)
    assert find("balanced", "deblock").response


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A network that is told the quantiser, among the shipped models."""
    with models_from(copy_models(tmp_path_factory.mktemp("told") / "models")) as folder:
        yield networks.told(folder)


def of_two_qualities(width, height, format=vs.YUV420P8):
    """Frames whose estimates differ, in one chunk: crisp ones, then blurred ones."""
    crisp, blurred = (scene(width, height, 3, format, seed=seed) for seed in (0, 1))
    return crisp + blurred.std.BoxBlur(hradius=2, vradius=2)


def by_network(net, clip, qp=None):
    """What a network gives for each frame of an 8-bit clip, and the quantisers it was told."""
    frames = pictures(clip)
    y, uv = normalised(frames, clip.format, False)
    codes = np.stack([frame[0] for frame in frames])
    given = (
        [qp] * len(frames) if qp is not None else quantisers(codes, net.window.radius, "deblock")
    )
    result = []
    for n, told in enumerate(given):
        seen = aligned_window(y[:, 0], uv, codes, n, net.window.offsets, net.window.kernel)
        planes = torch.from_numpy(seen["y"]), torch.from_numpy(seen["uv"]).unflatten(1, (-1, 2))
        with torch.no_grad():
            luma, chroma = net.residuals(*planes, torch.tensor([told], dtype=torch.float32))
        result.append([luma[0, 0].numpy() * 219, *(chroma[0].numpy() * 224)])
    return result, given


def assert_added(clip, result, residuals):
    for before, after, added in zip(pictures(clip), pictures(result), residuals, strict=True):
        for plane, samples in enumerate(after):
            assert_rounded(samples, summed(before[plane], added[plane], clip.format), tie=3e-3)


def test_a_network_is_told_the_estimate_of_each_frame(told):
    clip = of_two_qualities(96, 64)
    wanted, estimates = by_network(told, clip)
    assert np.ptp(estimates) > 5
    assert_added(clip, vqe.Deblock(clip, model=networks.TOLD, sc=False, backend="cpu"), wanted)


@settings(max_examples=6)
@given(qp=st.floats(0.0, 51.0, allow_subnormal=False, width=32))
def test_a_network_is_told_the_given_quantiser(told, qp):
    clip = scene(48, 32, 3)
    wanted, _ = by_network(told, clip, qp)
    assert_added(clip, vqe.Deblock(clip, qp=qp, model=networks.TOLD, backend="cpu"), wanted)


def test_strength_is_a_factor_of_what_a_network_that_was_told_gives(told):
    clip = scene(48, 32, 3)
    wanted, _ = by_network(told, clip, 17.0)
    halved = [[plane / 2 for plane in planes] for planes in wanted]
    for strength in (0.5, "auto"):
        result = vqe.Deblock(clip, strength, qp=17.0, model=networks.TOLD, backend="cpu")
        assert_added(clip, result, halved)


@pytest.mark.parametrize("arguments", [{"tile": (64, 48)}, {"length": 1}, {"length": 4}])
def test_neither_tiles_nor_chunks_show_in_what_it_is_told(told, arguments):
    clip = of_two_qualities(96, 64, vs.YUV420PS)
    whole = vqe.Deblock(clip, model=networks.TOLD, backend="cpu", length=6)
    other = vqe.Deblock(clip, model=networks.TOLD, backend="cpu", **arguments)
    assert largest_difference(whole, other) < 1e-4


@pytest.mark.parametrize("format", [vs.GRAY8, vs.YUV444P10, vs.RGB24, vs.YUV420PH])
def test_every_format_goes_by_the_quantiser(told, format):
    clip = scene(48, 32, 2, format)
    slight, strong = (
        vqe.Deblock(clip, qp=qp, model=networks.TOLD, backend="cpu") for qp in (12, 40)
    )
    assert slight.format.id == clip.format.id
    assert not all_same(slight, strong)


def estimated(clip, task):
    """The mean over the frames of an 8-bit clip of limited range."""
    return np.mean(quantisers(np.stack([frame[0] for frame in pictures(clip)]), 4, task))


def coded(clip, path, qp):
    encode(clip, path, ("libx264", {"preset": "fast", "qp": str(qp), "bf": "0"}))
    return vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False)


def texture(width, height, length):
    """A texture with the spectrum of natural pictures, which moves by whole pixels."""
    side = 512
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1.0
    picture = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / frequency**1.4).real
    codes = 120 + 38 * (picture - picture.mean()) / picture.std()
    codes = np.clip(np.rint(codes), 16, 235).astype(np.uint8)
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    frames = [[codes[n : n + height, 2 * n : 2 * n + width], grey, grey] for n in range(length)]
    return from_arrays(frames, vs.YUV420P8, _Matrix=vs.MATRIX_BT709, _Range=0)


@pytest.mark.parametrize("task", ["deblock", "superres"])
def test_the_estimate_rises_with_the_quantiser(task, tmp_path):
    clean = texture(320, 240, 6)
    estimates = [estimated(clean, task)] + [
        estimated(coded(clean, tmp_path / f"{qp}.mp4", qp), task) for qp in (24, 32, 40)
    ]
    # What is so full of detail hides a fine quantiser.
    assert estimates[0] <= estimates[1]
    assert (np.diff(estimates[1:]) > 10).all()


def test_the_estimate_is_near_on_real_clips(data, tmp_path):
    for number, path in enumerate(sorted((data / "valid").glob("*.mp4"))[:3]):
        clean = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False)[:8]
        for qp in (26, 38):
            found = estimated(coded(clean, tmp_path / f"{number}-{qp}.mp4", qp), "deblock")
            assert found == pytest.approx(qp, abs=9), (path.stem, qp)


def test_superres_knows_what_was_made_smaller_before_it_was_coded(data, tmp_path):
    off = {"deblock": [], "superres": []}
    for path in sorted((data / "valid").glob("*.mp4")):
        clean = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False)[:6]
        half = clean.resize.Bicubic(clean.width // 4 * 2, clean.height // 4 * 2)
        for qp in (24, 30):
            clip = coded(half, tmp_path / f"{path.stem}-{qp}.mp4", qp)
            for task, found in off.items():
                found.append(abs(estimated(clip, task) - qp))
    assert np.mean(off["superres"]) < np.mean(off["deblock"])
    assert np.mean(off["superres"]) < 4


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_auto_is_that_strength_at_the_extremes(monkeypatch, strength, backend):
    monkeypatch.setattr(
        quantiser, "strength_at", lambda given: np.full_like(given, strength, np.float32)
    )
    clip = scene(length=5)
    auto = vqe.Deblock(clip, "auto", backend=backend)
    assert all_same(auto, vqe.Deblock(clip, strength, backend=backend))


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.GRAY16, vs.RGBS, vs.YUV444P10])
def test_auto_lies_between_nothing_and_everything(format):
    clip = scene(length=3, format=format)
    result = vqe.Deblock(clip, "auto", backend="cpu")
    assert (result.format.id, result.num_frames) == (clip.format.id, 3)
    full = vqe.Deblock(clip, 1.0, backend="cpu")
    for n in range(3):
        for plane in range(clip.format.num_planes):
            a, b, c = (
                np.asarray(x.get_frame(n)[plane]).astype(float) for x in (clip, result, full)
            )
            slack = 1e-5 if clip.format.sample_type == vs.FLOAT else 0.5
            assert (b >= np.minimum(a, c) - slack).all()
            assert (b <= np.maximum(a, c) + slack).all()


def test_auto_does_not_depend_on_how_the_clip_is_cut_into_chunks():
    clip = scene(length=9)
    whole = vqe.Deblock(clip, "auto", backend="cpu", length=9)
    for length in (1, 4):
        assert all_same(vqe.Deblock(clip, "auto", backend="cpu", length=length), whole)


def test_auto_with_tiles():
    clip = scene(160, 128, length=3)
    result = vqe.Deblock(clip, "auto", backend="cpu", tile=(96, 96))
    assert result.get_frame(0).width == 160
