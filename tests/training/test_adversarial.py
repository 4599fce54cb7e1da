"""Adversarial losses against PyTorch's cross entropy, and the formulas of the papers."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from vsvqe.training.adversarial import (
    relativistic_discriminator,
    relativistic_generator,
    vanilla_discriminator,
    vanilla_generator,
)


@pytest.fixture
def logits() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    real = 2 * torch.randn(4, 1, 8, 8, generator=generator) + 1
    return real, 3 * torch.randn(4, 1, 8, 8, generator=generator) - 1


def test_vanilla(logits: tuple[Tensor, Tensor]) -> None:
    real, fake = logits
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    expected = cross_entropy(real, ones) + cross_entropy(fake, zeros)
    assert vanilla_discriminator(real, fake).item() == pytest.approx(expected.item(), rel=1e-5)
    assert vanilla_generator(fake).item() == pytest.approx(cross_entropy(fake, ones).item())


def test_relativistic_average(logits: tuple[Tensor, Tensor]) -> None:
    real, fake = (logit.double() for logit in logits)
    more_real = torch.sigmoid(real - fake.mean())
    more_fake = torch.sigmoid(fake - real.mean())
    discriminator = -more_real.log().mean() - (1 - more_fake).log().mean()
    generator = -(1 - more_real).log().mean() - more_fake.log().mean()
    assert relativistic_discriminator(real, fake).item() == pytest.approx(discriminator.item())
    assert relativistic_generator(real, fake).item() == pytest.approx(generator.item())


def test_relativistic_ignores_a_common_offset(logits: tuple[Tensor, Tensor]) -> None:
    real, fake = logits
    moved = relativistic_discriminator(real + 5, fake + 5)
    assert moved.item() == pytest.approx(relativistic_discriminator(real, fake).item(), rel=1e-4)


def test_certain_logits_stay_finite() -> None:
    sure = torch.tensor([500.0, 1000.0], requires_grad=True)
    value = vanilla_discriminator(-sure, sure) + relativistic_generator(sure, -sure)
    value.backward()
    assert value.isfinite()
    assert sure.grad is not None and sure.grad.isfinite().all()


def test_undecided_costs_two_bits_in_nats() -> None:
    zero = torch.zeros(3)
    assert vanilla_discriminator(zero, zero).item() == pytest.approx(2 * 0.693147, rel=1e-5)
    assert relativistic_discriminator(zero, zero).item() == pytest.approx(2 * 0.693147, rel=1e-5)
