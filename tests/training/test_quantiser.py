"""What a training knows of the quantiser, and what it makes of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vsvqe.cards import CLEAN_QUANTISER
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.nets.window import SINGLE, Window
from vsvqe.training import altered
from vsvqe.training.altered import altered_couples
from vsvqe.training.pairs import Pairs, find_pairs
from vsvqe.training.quantisation import Quantisation, Seen
from vsvqe.training.recipes import Recipe, avc, hevc, quantiser
from vsvqe.training.store import Store
from vsvqe.training.tasks import Restoration, estimate_like


@pytest.mark.parametrize(
    ("recipe", "wanted"),
    [
        (hevc(37), 37.0),
        (avc(23), 23.0),
        (Recipe("libx264", (("qp", "28"), ("bf", "0"))), 28.0),
        (Recipe("libx265", (("x265-params", "crf=31:bframes=0"),)), 31.0),
        # Steps of 4 and of 16: those of H.264 at 16 and at 28.
        (Recipe("mpeg4", (("qmin", "2"), ("qmax", "2"))), 16.0),
        (Recipe("mpeg4", (("qmin", "8"), ("qmax", "8"))), 28.0),
    ],
)
def test_recipes_tell_the_quantiser(recipe: Recipe, wanted: float) -> None:
    assert quantiser(str(recipe)) == pytest.approx(wanted)


def test_a_recipe_without_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="preset=slow"):
        quantiser("libx264 preset=slow b=800k")


def test_batches_tell_the_quantiser_of_every_window(cache: Path) -> None:
    store = Store(cache, "[st]*")
    known = {pair.quantiser for pair in find_pairs(store, ["coded"], 1)} | {CLEAN_QUANTISER}
    batch = Pairs(store, 1, clean_share=0.5).batch(np.random.default_rng(1), 16, 32, SINGLE)
    assert set(batch.quantiser.tolist()) <= set(torch.tensor(sorted(known)).tolist())
    clean = (batch.y[:, 0] == batch.target_y[:, 0]).all(dim=(1, 2))
    assert clean.any() and not clean.all()
    assert (batch.quantiser[clean] == CLEAN_QUANTISER).all()
    real = find_pairs(store, ["quarter-real"], 4)
    assert real and all(math.isnan(pair.quantiser) for pair in real)


def test_a_restoration_learns_its_response(cache: Path) -> None:
    torch.manual_seed(0)
    net = PlanesNet(SINGLE, channels=8, blocks=1, responsive=True)
    assert net.response is not None
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    store = Store(cache, "[st]*")
    task = Restoration(net, Pairs(store, 1), store, count=8, size=32)
    task.loss(task.batch(np.random.default_rng(2))).backward()
    slope = net.response.departure.grad
    assert slope is not None and (slope != 0).any(dim=1).all()


def test_a_restoration_learns_what_to_do_about_the_quantiser(cache: Path) -> None:
    torch.manual_seed(0)
    net = PlanesNet(Window((0, 1), aligned=True), channels=8, blocks=1, quantiser_map=True)
    assert net.quantiser_map is not None
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    store = Store(cache, "[st]*")
    task = Restoration(net, Pairs(store, 1), store, count=8, size=32)
    batch = task.batch(np.random.default_rng(2))
    task.loss(batch).backward()
    slope = net.quantiser_map.departure.grad
    assert slope is not None and (slope != 0).all()
    # Each time it is told something else.
    torch.nn.init.ones_(net.quantiser_map.departure)
    assert task.loss(batch) != task.loss(batch)


@pytest.mark.parametrize(("scale", "drawn"), [(1, 0.35), (2, 0.2), (4, 0.2)])
def test_a_training_is_told_what_an_estimate_would_tell(scale: int, drawn: float) -> None:
    """Finer quantisers too coarse by more, and all of them with some doubt."""
    torch.manual_seed(0)
    true = torch.tensor([10.0, 20.0, 28.0, 36.0])
    told = estimate_like(true.expand(4000, -1).reshape(-1), scale).reshape(-1, 4)
    off = told - true
    torch.testing.assert_close(off.mean(0), drawn * (32 - true).clamp_min(0), atol=0.3, rtol=0)
    assert 1.9 < off[:, 3].std() < 2.1 < off[:, 1].std() < off[:, 0].std()


@pytest.mark.parametrize(("scale", "kind"), [(2, "half"), (4, "quarter")])
def test_what_was_made_smaller_only_counts_as_clean(cache: Path, scale: int, kind: str) -> None:
    pairs = find_pairs(Store(cache), (kind, f"{kind}-coded"), scale)
    quantisers = {pair.damaged.kind: pair.quantiser for pair in pairs}
    assert quantisers[kind] == CLEAN_QUANTISER < quantisers[f"{kind}-coded"]


def test_a_network_that_is_told_nothing_leaves_chance_alone(cache: Path) -> None:
    torch.manual_seed(0)
    net = PlanesNet(SINGLE, channels=8, blocks=1)
    store = Store(cache, "[st]*")
    task = Restoration(net, Pairs(store, 1), store, count=8, size=32)
    before = torch.get_rng_state()
    task.loss(task.batch(np.random.default_rng(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_estimate_learns_the_quantiser(cache: Path) -> None:
    torch.manual_seed(0)
    net = QuantiserNet(channels=16)
    store = Store(cache, "train*")
    pairs = Pairs(store, 1, stills_share=0.0, clean_share=0.3)
    task = Quantisation(net, pairs, store, windows=60, count=32)
    optimiser = torch.optim.Adam(net.parameters(), 0.003)
    losses = []
    for step in range(60):
        loss = task.loss(task.batch(np.random.default_rng((3, step))))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
    figures = task.validate(net)
    assert figures["coded-clean"] < max(
        value for name, value in figures.items() if "off" not in name
    )
    assert figures == task.validate(net)


def test_cleaner_than_clean_is_no_error(cache: Path) -> None:
    store = Store(cache, "train*")
    task = Quantisation(QuantiserNet(8), Pairs(store, 1, stills_share=0.0), store, windows=2)
    task.net.eval()
    statistics = task.batch(np.random.default_rng(0)).statistics[:1].repeat(2, 1)
    for bias, wanted in ((-3.0, [0.0, 29.0]), (0.0, [18.0, 2.0])):
        torch.nn.init.zeros_(task.net.last.weight)
        torch.nn.init.constant_(task.net.last.bias, bias)
        errors = [
            task.loss(Seen(statistics[:1], torch.tensor([quantiser]))).item()
            for quantiser in (CLEAN_QUANTISER, 30.0)
        ]
        assert errors == pytest.approx(wanted)


def test_parts_of_frames_are_parts_of_frames(cache: Path) -> None:
    store = Store(cache, "[st]*")
    pairs = Pairs(store, 1, clean_share=0.5)
    sizes = {(pair.damaged.height, pair.damaged.width) for pair in find_pairs(store, ["coded"], 1)}
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(30):
        crop = pairs.part(rng, Window((0, 1), aligned=True), 0.6)
        frames, height, width = crop.damaged.y.shape
        shapes.add((height, width))
        assert frames == 2 and crop.clean.y.shape == (1, height, width)
        assert any(0.6 * h - 2 <= height <= h and 0.6 * w - 2 <= width <= w for h, w in sizes)
        assert height % 2 == width % 2 == 0
    assert len(shapes) > 10


def test_altered_clips_are_coded_as_their_quantiser_says(cache: Path) -> None:
    store = Store(cache, "[st]*")
    known = set()
    for seed in range(24):
        found = altered_couples(store, np.random.default_rng(seed))
        again = altered_couples(store, np.random.default_rng(seed))
        for (couple, given), (same, told) in zip(found, again, strict=True):
            assert couple.dtype == np.uint8 and len(couple) == 2
            assert (couple.shape, given) == (same.shape, told)
            # x264 itself is not always the same, bit for bit.
            assert given != CLEAN_QUANTISER or (couple == same).all()
            known.add(given)
        assert len({given for _, given in found}) == 1 and found
    assert CLEAN_QUANTISER in known and len(known) > 6
    assert all(10 <= given <= 42 for given in known)


def test_coarser_coding_leaves_fewer_details(cache: Path, monkeypatch) -> None:
    store = Store(cache, "[st]*")
    details = []
    for qp in (16, 28, 40):
        monkeypatch.setattr(altered, "random_recipe", lambda _rng, _finest, qp=qp: hevc(qp))
        monkeypatch.setattr(altered, "_CLEAN_SHARE", 0.0)
        couples = [altered_couples(store, np.random.default_rng(seed)) for seed in range(6)]
        pictures = [couple[0].astype(float) for of_one in couples for couple, _ in of_one]
        details.append(np.mean([np.abs(np.diff(picture)).mean() for picture in pictures]))
        assert {given for of_one in couples for _, given in of_one} == {qp}
    assert details[0] > details[1] > details[2]
