"""What a training knows of the quantiser, and what it makes of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.nets.window import SINGLE
from vsvqe.training.codecs import Recipe, avc, hevc, quantiser
from vsvqe.training.pairs import CLEAN_QUANTISER, Pairs, find_pairs
from vsvqe.training.store import Store
from vsvqe.training.tasks import Quantisation, Restoration


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
    assert set(batch.quantiser.tolist()) <= known
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


def test_the_estimate_learns_the_quantiser(cache: Path) -> None:
    torch.manual_seed(0)
    net = QuantiserNet(channels=8)
    store = Store(cache, "train*")
    task = Quantisation(net, Pairs(store, 1, stills_share=0.0), store, count=16, size=64)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for step in range(60):
        loss = task.loss(task.batch(np.random.default_rng((3, step))))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])
    figures = task.validate(net)
    assert figures["clean"] < max(value for name, value in figures.items() if "off" not in name)
