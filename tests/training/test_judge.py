"""A discriminator that is trained on what it judges."""

import pytest
import torch

from vsvqe.nets.discriminators import UNetDiscriminator
from vsvqe.training.judge import Judge

SHAPE = (2, 3, 16, 24)


@pytest.fixture
def judge() -> Judge:
    torch.manual_seed(2)
    return Judge(UNetDiscriminator(channels=4))


def test_the_network_learns_from_the_verdict_and_the_judge_from_its_loss(judge: Judge) -> None:
    restored = torch.rand(SHAPE, requires_grad=True)
    judge.verdict(restored, torch.rand(SHAPE)).backward()
    assert restored.grad is not None and restored.grad.any()
    assert all(weight.grad is None for weight in judge.net.parameters())

    restored.grad = None
    judge.loss().backward()
    assert restored.grad is None
    assert all(weight.grad is not None for weight in judge.net.parameters())


def test_what_it_learnt_to_tell_apart_draws_pictures_to_the_real_ones(judge: Judge) -> None:
    """Real pictures are bright here, and restored ones dark."""
    optimiser = torch.optim.Adam(judge.net.parameters(), 1e-2)
    for _ in range(60):
        judge.verdict(0.4 * torch.rand(SHAPE), 0.6 + 0.4 * torch.rand(SHAPE))
        optimiser.zero_grad()
        loss = judge.loss()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.5
    restored = (0.4 * torch.rand(SHAPE)).requires_grad_()
    verdict = judge.verdict(restored, torch.ones(SHAPE))
    verdict.backward()
    assert restored.grad is not None
    brighter = (restored - 0.1 * restored.grad.sign()).detach()
    assert brighter.mean() > restored.mean()
    assert judge.verdict(brighter, torch.ones(SHAPE)) < verdict


def test_without_pictures_there_is_nothing_to_learn(judge: Judge) -> None:
    with pytest.raises(RuntimeError, match="ask for a verdict first"):
        judge.loss()
