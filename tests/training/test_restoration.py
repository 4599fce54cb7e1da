"""The training of Deblock and SuperRes: near to the original, steady, and not without texture."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.window import SINGLE
from vsvqe.training.losses import LEAST_MSE
from vsvqe.training.pairs import Pairs
from vsvqe.training.perceptual import Perceptual
from vsvqe.training.store import Store
from vsvqe.training.tasks import Distillation, Restoration, Textured

SIDE = 32


def restoration(cache: Path, scale: int, steady_weight: float) -> Restoration:
    """A small training."""
    store = Store(cache, "train-*")
    net = PlanesNet(SINGLE, scale, channels=8, blocks=1)
    pairs = Pairs(store, scale, stills_share=0.0)
    return Restoration(net, pairs, store, count=4, size=SIDE, steady_weight=steady_weight)


def settings(task: Restoration) -> dict[str, Any]:
    """What other trainings share with it."""
    return {each.name: getattr(task, each.name) for each in fields(task)}


@pytest.mark.parametrize("scale", [1, 2])
def test_an_error_that_moves_along_costs_less_than_one_that_flickers(
    cache: Path, scale: int
) -> None:
    task = restoration(cache, scale, 0.5)
    batch = task.batch(np.random.default_rng(1))
    side = scale * SIDE
    assert batch.flow is not None and batch.flow.shape == (2, 2, side, side)
    torch.manual_seed(1)
    pattern = 0.1 * torch.randn(2, 1, side, side)
    flow = torch.zeros(2, 2, side, side)
    # The content is two pixels further to the right in the second frames.
    flow[:, 0] = 2.0
    damage = torch.tensor((0.01, 0.001, 0.01, 0.001))

    def extra(second: torch.Tensor) -> float:
        errors = torch.cat((pattern, second))
        given = batch._replace(base_y=batch.target_y + errors, flow=flow, mse=damage)
        # The network adds nothing yet: all of it is the error given here.
        return (task.loss(given) - task.loss(given._replace(flow=None))).item()

    # What leaves the picture can't be followed.
    change = pattern[..., :-2] - pattern[..., 2:]
    squared = change.square() / (damage[:2] + LEAST_MSE)[:, None, None, None]
    flickers = squared.mean() * (side - 2) / side
    assert extra(pattern.roll(2, dims=-1)) == pytest.approx(0.0, abs=1e-5)
    assert extra(pattern) == pytest.approx(0.5 * flickers.item(), rel=1e-3)


@pytest.mark.parametrize("scale", [1, 2])
def test_colours_count_as_much_as_they_are_to(cache: Path, scale: int) -> None:
    plain = restoration(cache, scale, 0.0)
    batch = plain.batch(np.random.default_rng(4))._replace(mse=torch.full((4,), 0.01))
    losses = []
    for weight in (0.5, 2.0):
        task = replace(plain, chroma_weight=weight)
        # The network adds nothing yet.
        exact = batch._replace(base_y=batch.target_y, base_uv=batch.target_uv)
        assert task.loss(exact).item() == pytest.approx(0.0, abs=1e-9)
        losses.append(task.loss(exact._replace(base_uv=batch.target_uv + 0.1)).item())
    assert losses == pytest.approx([0.5 * 0.01 / (0.01 + LEAST_MSE), 4 * losses[0]], rel=1e-3)


def test_texture_that_was_smoothed_away_costs_more_than_its_error(cache: Path, data: Path) -> None:
    plain = restoration(cache, 1, 0.0)
    weights = data / "weights" / "squeezenet1_1_features_torchvision_layout.pth"
    task = Textured(**settings(plain), perceptual=Perceptual(weights), weight=3.0)
    batch = task.batch(np.random.default_rng(2))
    torch.manual_seed(2)
    target = 0.5 + 0.1 * torch.randn_like(batch.target_y)
    smooth = torch.from_numpy(gaussian_filter(target.numpy(), (0, 0, 2, 2)))
    # As far from it, and as lively.
    noise = torch.randn_like(target)
    lively = target + noise * (smooth - target).square().mean().sqrt() / noise.std()
    losses = []
    for base in (smooth, lively):
        given = batch._replace(target_y=target, base_y=base, base_uv=batch.target_uv)
        error = plain.loss(given)
        assert torch.isclose(error, plain.loss(given._replace(base_y=lively)), rtol=0.05)
        torch.manual_seed(3)
        losses.append((task.loss(given) - error).item())
    assert losses[0] > 1.5 * losses[1] > 0
    assert {"libx264", "libx264-lpips"} <= set(task.validate(task.net))


def test_a_teacher_is_shown_the_couples_of_its_pupil(cache: Path) -> None:
    plain = restoration(cache, 1, 0.5)
    task = Distillation(**settings(plain), teacher=plain.net, share=0.0)
    batches = [each.batch(np.random.default_rng(3)) for each in (plain, task)]
    assert task.loss(batches[1]).item() == pytest.approx(plain.loss(batches[0]).item())
