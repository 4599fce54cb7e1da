"""The training of ASTF's second stage: its network, what it sees, and its losses."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from support import networks

from vsvqe.nets.refine import RefineNet
from vsvqe.training.export import export
from vsvqe.training.losses import grid_error
from vsvqe.training.pairs import Batch, Pairs
from vsvqe.training.perceptual import Perceptual
from vsvqe.training.stage1 import Stage1
from vsvqe.training.store import Store
from vsvqe.training.tasks import Refinement
from vsvqe.training.trainer import Settings, Trainer

STAGE1 = "deblock-fast-v9"


def net() -> RefineNet:
    """A small network that does something."""
    torch.manual_seed(0)
    result = RefineNet(STAGE1, channels=8, blocks=1, branch_blocks=1)
    torch.nn.init.normal_(result.damaged.weight, std=0.05)
    for tail in result.tails.values():
        torch.nn.init.normal_(tail.weight, std=0.1)  # type: ignore[arg-type]
    return result


@pytest.fixture
def perceptual(data: Path) -> Perceptual:
    return Perceptual(data / "weights" / "squeezenet1_1_features_torchvision_layout.pth")


def test_an_untrained_network_leaves_the_picture_alone() -> None:
    residuals = RefineNet(STAGE1)(torch.rand(1, 2, 32, 24), torch.rand(1, 4, 16, 12))
    assert [tuple(r.shape) for r in residuals] == [(1, 1, 32, 24), (1, 2, 16, 12)] * 2
    assert all(not r.any() for r in residuals)


def test_the_exported_model_gives_both_branches_of_all_frames(tmp_path: Path) -> None:
    path = export(net(), tmp_path, "refiner", "For tests.", {})
    card = json.loads(path.with_suffix(".json").read_text())
    assert (card["task"], card["branches"]) == ("astf", ["texture", "smooth"])
    assert card["refines"] == STAGE1
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == [f"{b}_{p}_residual" for b in card["branches"] for p in ("y", "uv")]
    y, uv = torch.rand(3, 2, 30, 46), torch.rand(3, 4, 15, 23) - 0.5
    with torch.no_grad():
        expected = net()(y, uv)
    for got, wanted in zip(
        session.run(None, {"y": y.numpy(), "uv": uv.numpy()}), expected, strict=True
    ):
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("picture", [0, 1])
def test_receptive_field(picture: int) -> None:
    y, uv = torch.rand(1, 2, 96, 96), torch.rand(1, 4, 48, 48)
    changed = y.clone()
    changed[:, picture, 48, 48] += 1.0
    model = net()
    with torch.no_grad():
        differences = [(a - b).abs() for a, b in zip(model(y, uv), model(changed, uv), strict=True)]
    reach = 0
    for plane in (differences[0], differences[2]):
        rows, columns = np.nonzero(plane[0, 0].numpy())
        reach = max(reach, *(abs(n - 48).max() for n in (rows, columns)))
    # It is counted in squares of two by two.
    assert reach // 2 == model.receptive_field // 2


def test_stage_1_of_a_crop_is_the_crop_of_stage_1() -> None:
    stage1 = Stage1(STAGE1)
    frames, side, cut = len(stage1.window.offsets), 128, 16
    torch.manual_seed(0)
    y, uv = torch.rand(1, frames, side, side), torch.rand(1, frames, 2, side // 2, side // 2) - 0.5
    centre = stage1.window.centre

    def batch(by: int) -> Batch:
        inner, half = slice(by, side - by), slice(by // 2, (side - by) // 2)
        a, b = y[..., inner, inner], uv[..., half, half]
        own, chroma = a[:, centre : centre + 1], b[:, centre]
        quantiser = torch.tensor([32.0])
        return Batch(a, b, own, chroma, own, chroma, torch.zeros(1), quantiser)

    whole = stage1.enhanced(batch(0), stage1.margin + cut)
    part = stage1.enhanced(batch(cut), stage1.margin)
    inner = side - 2 * (cut + stage1.margin)
    assert part.y.shape == (1, 2, inner, inner)
    assert part.uv.shape == (1, 2, 2, inner // 2, inner // 2)
    # The target is here what was given.
    assert (part.y[:, :1] - part.target_y).abs().max() > 1e-3, "the model changes nothing here"
    assert torch.equal(part.y[:, 1:], part.target_y)
    assert torch.equal(part.uv[:, 1], part.target_uv)
    # Half precision, where there is some, rounds in an order of its own.
    for one, other in zip(part, whole, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)


@torch.no_grad()
def test_stage_1_is_told_the_quantiser(models: Path) -> None:
    net, stage1 = networks.told(models), Stage1(networks.TOLD)
    torch.manual_seed(1)
    y, uv = torch.rand(2, 3, 48, 64), torch.rand(2, 3, 2, 24, 32) - 0.5
    own, chroma, quantiser = y[:, 1:2], uv[:, 1], torch.tensor([12.0, 38.0])
    batch = Batch(y, uv, own, chroma, own, chroma, torch.zeros(2), quantiser)
    found = stage1.enhanced(batch, 0)
    # Half precision, where there is some.
    wanted = net.residuals(y, uv, quantiser)
    for got, base, added in zip((found.base_y, found.base_uv), (own, chroma), wanted, strict=True):
        torch.testing.assert_close(got - base, added, atol=1e-2 * added.abs().max(), rtol=0)
        assert (added[0] - added[1]).abs().max() > 0.1 * added.abs().max()


def test_a_grid_is_an_error_and_texture_is_not() -> None:
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    for grid in ((-1.0) ** rows, (-1.0) ** columns, (-1.0) ** (rows + columns)):
        assert grid_error(0.1 * grid[None, None]).item() == pytest.approx(0.01, rel=1e-5)
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(1, 1, 64, 64)
    assert grid_error(noise).item() < 0.001
    assert grid_error(torch.linspace(0, 1, 64).expand(1, 1, 64, 64)).item() < 0.001


@pytest.mark.parametrize("period", [2, 4, 8])
def test_grids_of_every_period_up_to_eight(period: int) -> None:
    rows = torch.arange(64)[:, None].expand(64, 64)
    grid = 0.1 * torch.where(rows % period < period // 2, 1.0, -1.0)[None, None]
    assert grid_error(grid, 8).item() == pytest.approx(0.01, rel=1e-5)


def test_validation_begins_at_stage_1(cache: Path, perceptual: Perceptual) -> None:
    task = refinement(cache, perceptual)
    figures = task.validate(RefineNet(STAGE1, channels=8, blocks=1, branch_blocks=1))
    for name, figure in figures.items():
        if name.endswith(("-texture", "-smooth")):
            assert figure == 0.0
        damage, branch = name.removesuffix("-lpips").rsplit("-", 1)
        if branch != "given" and name.endswith("-lpips"):
            assert figure == pytest.approx(figures[f"{damage}-given-lpips"])


def test_descent_makes_the_loss_smaller(cache: Path, perceptual: Perceptual) -> None:
    task = refinement(cache, perceptual)
    batch = task.batch(np.random.default_rng(0))
    assert batch.y.shape == (2, 2, 64, 64)
    optimiser = torch.optim.Adam(task.net.parameters(), 1e-3)
    losses = []
    for _ in range(40):
        # The same view every time.
        torch.manual_seed(0)
        loss = task.loss(batch)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert losses[-1] < 0.99 * losses[0]


def test_the_trainer_takes_it(cache: Path, perceptual: Perceptual, tmp_path: Path) -> None:
    task = refinement(cache, perceptual)
    before = [parameter.clone() for parameter in task.net.parameters()]
    Trainer(task, Settings(tmp_path, steps=3, rate=1e-3)).run()
    assert any((a != b).any() for a, b in zip(before, task.net.parameters(), strict=True))
    assert (tmp_path / "checkpoint.pt").exists()


def refinement(cache: Path, perceptual: Perceptual) -> Refinement:
    """A small training."""
    small = RefineNet(STAGE1, channels=8, blocks=1, branch_blocks=1)
    pairs, valid = Pairs(Store(cache, "[st]*"), 1), Store(cache, "valid-*")
    return Refinement(small, pairs, valid, Stage1(STAGE1), perceptual, count=2, size=64)
