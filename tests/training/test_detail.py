"""The training of SuperRes towards what looks alike and stays steady."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vsvqe.nets.discriminators import UNetDiscriminator
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.window import SINGLE, Window
from vsvqe.training.judge import Judge
from vsvqe.training.pairs import REAL, Batch, Pairs
from vsvqe.training.perceptual import Perceptual, to_rgb
from vsvqe.training.store import Store
from vsvqe.training.tasks import Cleaning, Detail

SIDE = 16


def detail(cache: Path, data: Path, steady_weight: float) -> Detail:
    """A small training by four."""
    stills = Store(cache, "stills-*")
    pairs = Pairs(stills, 4, REAL[4], stills_share=1.0)
    net = PlanesNet(SINGLE, 4, channels=8, blocks=1)
    weights = data / "weights" / "squeezenet1_1_features_torchvision_layout.pth"
    return Detail(
        net,
        pairs,
        stills,
        count=4,
        size=SIDE,
        perceptual=Perceptual(weights),
        steady_weight=steady_weight,
    )


def loss(task: Detail, batch: Batch) -> float:
    """The loss through one certain view."""
    torch.manual_seed(0)
    return task.loss(batch).item()


def test_frames_come_in_couples_where_they_are_to_be_steady(cache: Path, data: Path) -> None:
    rng = np.random.default_rng(0)
    assert detail(cache, data, 0.0).batch(rng).flow is None
    batch = detail(cache, data, 2.0).batch(rng)
    assert batch.y.shape == (4, 1, SIDE, SIDE)
    assert batch.flow is not None and batch.flow.shape == (2, 2, 4 * SIDE, 4 * SIDE)


def test_an_error_that_moves_along_costs_less_than_one_that_flickers(
    cache: Path, data: Path
) -> None:
    task = detail(cache, data, 2.0)
    batch = task.batch(np.random.default_rng(1))
    torch.manual_seed(1)
    pattern = 0.1 * torch.randn(2, 1, 4 * SIDE, 4 * SIDE)
    flow = torch.zeros(2, 2, 4 * SIDE, 4 * SIDE)
    # The content is two pixels further to the right in the second frames.
    flow[:, 0] = 2.0

    def with_errors(second: torch.Tensor) -> Batch:
        errors = torch.cat((pattern, second))
        return batch._replace(base_y=batch.target_y + errors, flow=flow)

    along, still = (with_errors(pattern.roll(n, dims=-1)) for n in (2, 0))
    for wanted, given in ((0.0, along), (2 * 0.1 * 2 / np.sqrt(np.pi), still)):
        # The network adds nothing yet: all of it is the error given here.
        extra = loss(task, given) - loss(task, given._replace(flow=None))
        assert extra == pytest.approx(wanted, abs=0.01)


def test_validation_is_by_lpips_alone(cache: Path, data: Path) -> None:
    task = detail(cache, data, 2.0)
    figures = task.validate(task.net)
    assert {name.endswith("-lpips") for name in figures} == {True, False}
    assert all(figure == 0.0 for name, figure in figures.items() if not name.endswith("-lpips"))


def test_a_judge_is_asked_of_rgb(cache: Path, data: Path) -> None:
    plain = detail(cache, data, 0.0)
    torch.manual_seed(3)
    judge = Judge(UNetDiscriminator(channels=4))
    batch = plain.batch(np.random.default_rng(2))
    pictures = (
        to_rgb(y, uv)
        for y, uv in ((batch.base_y, batch.base_uv), (batch.target_y, batch.target_uv))
    )
    judged = replace(plain, opponent=judge, opponent_weight=0.5)
    extra = loss(judged, batch) - loss(plain, batch)
    # Of an undecided judge, and the power iteration of its norms goes on.
    assert extra == pytest.approx(0.5 * judge.verdict(*pictures).item(), rel=0.01)


def test_a_network_that_sees_the_quantiser_is_told_it(cache: Path, data: Path) -> None:
    window = Window((0, 1), aligned=True)
    net = PlanesNet(window, 4, channels=8, blocks=1, quantiser_map=True)
    torch.manual_seed(4)
    for weights in (net.tail.weight, net.quantiser_map.departure):
        torch.nn.init.normal_(weights, std=0.1)
    task = replace(detail(cache, data, 0.0), net=net)
    batch = task.batch(np.random.default_rng(3))._replace(quantiser=torch.full((4,), 20.0))
    coarser = batch._replace(quantiser=torch.full((4,), 40.0))
    assert loss(task, coarser) != pytest.approx(loss(task, batch))
    assert loss(task, batch) == loss(task, batch)


def test_what_is_made_up_where_nothing_is_costs_more(cache: Path, data: Path) -> None:
    plain = detail(cache, data, 0.0)
    calm = replace(plain, calm_weight=3.0)
    batch = plain.batch(np.random.default_rng(4))
    torch.manual_seed(5)
    noise = 0.02 * torch.randn_like(batch.target_y)
    flat = torch.full_like(noise, 0.4)
    busy = flat + 0.2 * torch.randn_like(noise)
    extra = [
        loss(calm, given) - loss(plain, given)
        for target in (flat, busy)
        for given in [batch._replace(target_y=target, base_y=target + noise)]
    ]
    assert extra[0] == pytest.approx(3.0 * noise.abs().mean().item(), rel=1e-3)
    assert abs(extra[1]) < 0.01 * extra[0]


def cleaning_error(cache: Path, data: Path, kind: str) -> float:
    """What a network pays that cleans nothing."""
    plain = detail(cache, data, 0.0)
    net = PlanesNet(SINGLE, 4, channels=8, blocks=2, cleaning=True)
    pairs = Pairs(plain.valid, 4, [kind], stills_share=1.0)
    plain = replace(plain, net=net, pairs=pairs, size=32)
    batch = plain.batch(np.random.default_rng(5))
    return loss(replace(plain, cleaning_weight=1.0), batch) - loss(plain, batch)


def test_what_is_not_damaged_is_clean(cache: Path, data: Path) -> None:
    """Its original at its size is the clip itself, but for what is rounded to 8 bits."""
    assert cleaning_error(cache, data, "quarter") < 0.5 / 219 + 0.5 / 224
    assert cleaning_error(cache, data, "quarter-real") > 0.01


def test_a_network_learns_to_clean(cache: Path, data: Path) -> None:
    stills = Store(cache, "stills-*")
    net = PlanesNet(SINGLE, 4, channels=8, blocks=2, cleaning=True)
    pairs = Pairs(stills, 4, REAL[4], stills_share=1.0)
    task = Cleaning(net, pairs, stills, count=4, size=32)
    batch = task.batch(np.random.default_rng(6))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        losses.append(task.loss(batch))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.95 * losses[0]
    assert net.cleaner.weight.abs().max() > 0
