"""Trainings that are interrupted, continued and parallel, on a tiny network."""

import csv
import dataclasses
import signal
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vsvqe.nets.discriminators import UNetDiscriminator
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.window import Window
from vsvqe.training.curves import draw
from vsvqe.training.judge import Judge
from vsvqe.training.pairs import Batch, Pairs
from vsvqe.training.schedules import cosine_restarts, warmup_stable_decay
from vsvqe.training.store import Store
from vsvqe.training.tasks import Restoration
from vsvqe.training.trainer import Batches, Settings, Trainer

WINDOW = Window((-1, 0, 1, 2), aligned=True)


def task(cache: Path, scale: int = 1) -> Restoration:
    torch.manual_seed(0)
    store, valid = Store(cache, "[st]*"), Store(cache, "valid-*")
    net = PlanesNet(WINDOW, scale, channels=8, blocks=1)
    return Restoration(net, Pairs(store, scale), valid, count=4, size=32)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["ema"]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6)


@dataclass
class Judged(Restoration):
    """A restoration whose luma is to pass for real."""

    opponent: Judge = field(kw_only=True)

    def loss(self, batch: Batch) -> torch.Tensor:
        y, _ = self.net.windows(batch.y, batch.uv)
        return super().loss(batch) + self.opponent.verdict(batch.base_y + y, batch.target_y)


def judged(cache: Path, rate: float = 1e-3) -> Judged:
    plain = task(cache)
    opponent = Judge(UNetDiscriminator(inputs=1, channels=4), rate)
    given = {f.name: getattr(plain, f.name) for f in fields(plain)}
    return Judged(**given, opponent=opponent)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("made", [task, judged])
def test_a_training_that_was_killed_goes_on_as_if_nothing_had_been(made, cache, tmp_path):
    whole = Settings(tmp_path / "whole", steps=12, rate=1e-3, pause=0.0)
    Trainer(made(cache), whole).run()

    broken = Settings(tmp_path / "broken", steps=12, rate=1e-3, pause=0.0)
    trainer = Trainer(made(cache), broken)
    update, count = trainer._update, 0

    def fail(batch):
        nonlocal count
        count += 1
        if count == 8:
            raise Interrupted
        return update(batch)

    trainer._update = fail
    with pytest.raises(Interrupted):
        trainer.run()
    Trainer(made(cache), broken).run()
    for one, other in zip(tensors(broken), tensors(whole), strict=True):
        assert torch.equal(one, other)


def tensors(settings: Settings) -> list[torch.Tensor]:
    """All of a checkpoint: networks, averages and optimisers."""
    state = torch.load(settings.checkpoint, weights_only=True)
    leaves = torch.utils._pytree.tree_leaves(state)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def test_network_and_opponent_are_trained_and_logged(cache, tmp_path):
    adversarial = judged(cache)
    before = [p.detach().clone() for p in adversarial.opponent.net.parameters()]
    Trainer(adversarial, Settings(tmp_path, steps=4, rate=1e-3, pause=0.0)).run()
    after = adversarial.opponent.net.parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    answers = [float(row["opponent"]) for row in rows]
    # It is undecided in the beginning.
    assert answers == pytest.approx([np.log(4)] * 4, abs=0.05) and len(set(answers)) == 4


def test_a_checkpoint_without_the_opponent_is_refused(cache, tmp_path):
    settings = Settings(tmp_path, steps=2, rate=1e-3, pause=0.0)
    Trainer(task(cache), settings).run()
    with pytest.raises(ValueError, match="has no opponent"):
        Trainer(judged(cache), settings)


def test_a_finished_training_can_be_made_longer(cache, tmp_path):
    Trainer(task(cache), Settings(tmp_path / "on", steps=8, rate=1e-3)).run()
    longer = Trainer(task(cache), Settings(tmp_path / "on", steps=16, rate=1e-3))
    assert longer._step == 6
    longer.run()
    Trainer(task(cache), Settings(tmp_path / "once", steps=16, rate=1e-3)).run()
    assert_same(weights(tmp_path / "on"), weights(tmp_path / "once"))


@pytest.fixture
def handler_of_children():
    """Gives back what PyTorch's loader takes and keeps."""
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("handler_of_children")
def test_workers_draw_the_same_batches(cache, tmp_path):
    alone = Settings(tmp_path / "alone", steps=4, rate=1e-3)
    helped = Settings(tmp_path / "helped", steps=4, rate=1e-3, workers=2)
    for settings in (alone, helped):
        Trainer(task(cache), settings).run()
    assert_same(weights(alone.out), weights(helped.out))


def test_bfloat16_is_the_same_training_but_for_its_roundings(cache, tmp_path):
    """On the CPU too; the last steps are in float32."""
    curves = {}
    for low in (False, True):
        settings = Settings(tmp_path / str(low), steps=25, rate=1e-3, low_precision=low, pause=0.0)
        trained = task(cache)
        seen: list[torch.dtype] = []
        trained.net.head.register_forward_hook(
            lambda *given, seen=seen: seen.append(given[2].dtype)
        )
        Trainer(trained, settings).run()
        # The check runs a copy, which has the hook too, in float32.
        steps = [kind for kind in seen if kind is torch.bfloat16]
        assert len(steps) == (23 if low else 0)
        rows = csv.DictReader((settings.out / "log.csv").open())
        curves[low] = [float(row["loss"]) for row in rows]
    assert len(curves[True]) == 25 and curves[True] != curves[False]
    np.testing.assert_allclose(curves[True], curves[False], rtol=2e-2)


def test_batches_differ_from_step_to_step(cache):
    batches = Batches(task(cache), seed=1, steps=2)
    assert not torch.equal(batches[0].y, batches[1].y)
    assert torch.equal(batches[1].y, batches[1].y)


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "better"), [(1, 0.997), (2, 0.93)])
def test_it_learns(scale, better, cache, tmp_path):
    restoration = task(cache, scale)
    # What so small a training of Deblock gains, 0.8 %, is less than twenty batches differ by.
    held_out = Batches(restoration, seed=2, steps=80)
    batches = [held_out[n] for n in range(80)]
    Trainer(restoration, Settings(tmp_path, steps=600, rate=2e-3)).run()

    def loss(net: PlanesNet) -> float:
        measured = dataclasses.replace(restoration, net=net)
        with torch.no_grad():
            return float(np.mean([measured.loss(batch).item() for batch in batches]))

    trained = PlanesNet(WINDOW, scale, channels=8, blocks=1)
    untrained = loss(trained)
    trained.load_state_dict(weights(tmp_path))
    assert loss(trained) < better * untrained
    assert (tmp_path / "log.csv").read_text().count("\n") >= 2
    curves = draw([tmp_path], tmp_path / "curves.png")
    assert np.asarray(Image.open(curves)).std() > 0


def test_the_plateau_does_not_depend_on_the_length():
    short = [warmup_stable_decay(step, 1000) for step in range(1001)]
    long = [warmup_stable_decay(step, 4000) for step in range(1001)]
    assert short[:751] == long[:751]
    assert short[-1] == 0.0
    assert max(np.diff(short[750:])) < 0.0


def test_cosine_restarts_match_pytorch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 10, eta_min=0.1)
    for step in range(35):
        assert cosine_restarts(step, 10, 0.1) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()
