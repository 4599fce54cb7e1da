"""What the networks are trained on."""

import cv2
import numpy as np
import pytest
import torch

from vsvqe.cards import CLEAN_QUANTISER
from vsvqe.nets.window import SINGLE, Window
from vsvqe.training.pairs import DAMAGED, REAL, Pairs, find_pairs
from vsvqe.training.store import Store


@pytest.mark.parametrize(("scale", "kinds"), [*DAMAGED.items(), (2, ("quarter", "quarter-coded"))])
def test_damaged_and_clean_show_the_same_place(cache, scale, kinds):
    store = Store(cache)
    pairs = find_pairs(store, kinds, scale)
    assert {pair.damaged.kind for pair in pairs} == set(kinds)
    for pair in pairs:
        damaged = store.planes(pair.shard, pair.damaged).y
        clean = store.planes(pair.shard, pair.clean).y
        found = [shift(clean[pair.clean_frame(n)], frame, scale) for n, frame in enumerate(damaged)]
        # An encoder that leaves out small motion moves things by itself.
        limit = (0.6 if pair.damaged.recipe else 0.15) * max(1, scale // 2)
        assert np.hypot(*np.mean(found, axis=0)) < limit, pair.damaged.recipe


def shift(clean: np.ndarray, damaged: np.ndarray, scale: int) -> tuple[float, float]:
    """By how many pixels of the clean frame the damaged one lies beside it."""
    height, width = (scale * side for side in damaged.shape)
    large = cv2.resize(damaged, (width, height), interpolation=cv2.INTER_CUBIC)
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    both = (plane.astype(np.float32) for plane in (clean[:height, :width], large))
    found, response = cv2.phaseCorrelate(*both, window)
    assert response > 0.1
    return found


def test_the_error_of_a_frame_is_recorded(cache):
    store = Store(cache)
    for pair in find_pairs(store, DAMAGED[1], 1):
        damaged = store.planes(pair.shard, pair.damaged).y.astype(np.float64)
        clean = store.planes(pair.shard, pair.clean).y.astype(np.float64)
        wanted = np.square((damaged - clean) / 219.0).mean((1, 2))
        np.testing.assert_allclose(pair.damaged.mse, wanted, rtol=1e-5)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_error_of_an_enlarged_clip_is_that_of_a_resizer(cache, scale):
    store = Store(cache)
    found = find_pairs(store, DAMAGED[scale], scale)
    assert found
    for pair in found:
        damaged = store.planes(pair.shard, pair.damaged).y
        clean = store.planes(pair.shard, pair.clean).y
        height, width = (scale * side for side in damaged.shape[1:])
        shown = [0, (len(damaged) - 1) // 2, len(damaged) - 1]
        # Keys' kernel of OpenCV has -0.75 where that of zimg has -0.5: not quite the same picture.
        errors = [
            cv2.resize(damaged[n].astype(np.float32), (width, height), None, 0, 0, cv2.INTER_CUBIC)
            - clean[n, :height, :width]
            for n in shown
        ]
        wanted = np.square(np.stack(errors) / 219.0).mean()
        told = pair.mse(store, scale, 3)
        assert told == pytest.approx(wanted, rel=0.15)
        assert told == pair.mse(store, scale, 0)


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 0.0), (1.0, 1.0), (None, 0.3)])
def test_the_share_of_what_was_not_coded(cache, share, wanted):
    pairs = Pairs(Store(cache, "[st]*"), 2, clean_share=share)
    batch = pairs.batch(np.random.default_rng(8), 120, 16, SINGLE)
    clean = (batch.quantiser == CLEAN_QUANTISER).float().mean().item()
    assert clean == pytest.approx(wanted, abs=0.0 if share is not None else 0.12)


@pytest.mark.parametrize("scale", [1, 2])
def test_aligned_windows_are_more_alike(cache, scale):
    pairs = Pairs(Store(cache, "train-*"), scale, stills_share=0.0, clean_share=0.0)

    def spread(aligned: bool) -> float:
        window = Window((-2, -1, 0, 1, 2), aligned)
        batch = pairs.batch(np.random.default_rng(3), 8, 48, window)
        return float((batch.y - batch.y[:, 2:3]).abs().mean())

    assert spread(aligned=True) < 0.6 * spread(aligned=False)


def test_degraded_clips_run_forwards_and_backwards(cache):
    store = Store(cache)
    pairs = find_pairs(store, ["quarter-real"], 4)
    assert pairs
    for pair in pairs:
        damaged = store.planes(pair.shard, pair.damaged).y
        once = list(range(pair.clean.frames // 2))
        assert [pair.clean_frame(n) for n in range(len(damaged))] == once + once[::-1]
        assert pair.clean.width // 4 - damaged.shape[2] in (0, 1)


@pytest.mark.parametrize("scale", [2, 4])
def test_crops_of_degraded_clips_come_with_their_originals(cache, scale):
    pairs = Pairs(Store(cache, "stills-*"), scale, REAL[scale], stills_share=1.0)
    batch = pairs.batch(np.random.default_rng(4), 8, 40, SINGLE)
    side = 40 * scale
    assert batch.y.shape == (8, 1, 40, 40) and batch.target_y.shape == (8, 1, side, side)
    assert batch.base_uv.shape == batch.target_uv.shape == (8, 2, side // 2, side // 2)
    means = [planes.flatten(2).mean(2).flatten() for planes in (batch.base_y, batch.target_y)]
    # Whatever was done to them, of the same place they have the same brightness.
    assert np.corrcoef(*(mean.numpy() for mean in means))[0, 1] > 0.9


@pytest.mark.parametrize(("kind", "scale"), [("half-coded", 4), ("coded", 2), ("quarter-real", 3)])
def test_pairs_without_an_original(cache, kind, scale):
    with pytest.raises(ValueError, match=f"{kind} clips have no original of {scale} times"):
        find_pairs(Store(cache), (kind,), scale)


def test_a_window_of_one_is_the_centre_of_a_larger_one(cache):
    pairs = Pairs(Store(cache, "[st]*"), 1)
    single = pairs.batch(np.random.default_rng(5), 4, 32, SINGLE)
    window = pairs.batch(np.random.default_rng(5), 4, 32, Window((-1, 0, 2), aligned=True))
    assert torch.equal(single.y[:, 0], window.y[:, 1])
    assert torch.equal(single.base_y, window.base_y)
    assert torch.equal(single.target_uv, window.target_uv)


@pytest.mark.parametrize(("scale", "side"), [(1, 96), (2, 40)])
def test_couples_come_with_the_flow_between_them(cache, scale, side):
    pairs = Pairs(Store(cache, "train-*"), scale, stills_share=0.0, clean_share=0.0)
    batch = pairs.couples(np.random.default_rng(6), 12, side, SINGLE)
    first, second = batch.target_y.chunk(2)
    assert batch.flow.shape == (12, 2, scale * side, scale * side)
    rows, columns = np.mgrid[: scale * side, : scale * side].astype(np.float32)
    apart, together = [], []
    for a, b, (right, down) in zip(
        first[:, 0].numpy(), second[:, 0].numpy(), batch.flow.numpy(), strict=True
    ):
        fetched = cv2.remap(b, columns + right, rows + down, cv2.INTER_LINEAR)
        inner = (slice(16, -16), slice(16, -16))
        apart.append(np.abs(a - b)[inner].mean())
        together.append(np.abs(a - fetched)[inner].mean())
    assert np.mean(together) < 0.6 * np.mean(apart)


def test_the_first_of_a_couple_comes_before_the_second(cache):
    pairs = Pairs(Store(cache, "[st]*"), 1, clean_share=0.0)
    batch = pairs.couples(np.random.default_rng(7), 4, 32, Window((0, 1), aligned=False))
    first, second = batch.y.chunk(2)
    assert torch.equal(first[:, 1], second[:, 0])
