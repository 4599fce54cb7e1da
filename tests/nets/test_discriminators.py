"""Discriminators: size as published, normalised weights, and that they can learn to tell."""

import pytest
import torch
from torch import nn

from vsvqe.nets.discriminators import TemporalDiscriminator, UNetDiscriminator
from vsvqe.training.adversarial import vanilla_discriminator


def _parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_unet_is_as_large_as_published() -> None:
    assert _parameters(UNetDiscriminator()) == 4_376_897


def test_temporal_is_as_large_as_its_layers() -> None:
    blocks = 16 * (64 * 64 + 64 * 64 + 64 * 128 + 128 * 256)
    assert _parameters(TemporalDiscriminator()) == (9 * 9 * 64 + 64) + blocks + (9 * 256 + 1)


@pytest.mark.parametrize("net", [UNetDiscriminator(), TemporalDiscriminator()])
def test_hidden_weights_have_a_spectral_norm_of_one(net: nn.Module) -> None:
    hidden = [module for module in net.modules() if hasattr(module, "parametrizations")]
    assert len(hidden) == (8 if isinstance(net, UNetDiscriminator) else 4)
    net.train()
    for module in hidden:
        for _ in range(30):
            weight = module.weight
        norm = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
        assert norm.item() == pytest.approx(1.0, abs=0.05)


def test_unet_judges_every_pixel() -> None:
    net = UNetDiscriminator(inputs=1, channels=8).eval()
    pictures = torch.rand(1, 1, 64, 96, requires_grad=True)
    logits = net(pictures)
    assert logits.shape == (1, 1, 64, 96)
    (gradient,) = torch.autograd.grad(logits[0, 0, 32, 48], pictures)
    assert gradient[0, 0, 32, 48] != 0
    with pytest.raises(ValueError, match="multiples of 8"):
        net(torch.rand(1, 1, 60, 96))


def test_temporal_sees_every_frame() -> None:
    net = TemporalDiscriminator(channels=8).eval()
    frames = torch.rand(1, 3, 3, 32, 48, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(frames).sum(), frames)
    assert (gradient.abs().sum((0, 2, 3, 4)) > 0).all()
    with pytest.raises(ValueError, match="3 x C"):
        net(torch.rand(1, 2, 3, 32, 48))


def test_temporal_learns_to_tell_flicker_from_motion() -> None:
    torch.manual_seed(4)
    generator = torch.Generator().manual_seed(4)
    net = TemporalDiscriminator(inputs=1, channels=8)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)

    def moving() -> torch.Tensor:
        wide = nn.functional.avg_pool2d(torch.rand(8, 1, 36, 40, generator=generator), 3, 1)
        return torch.stack([wide[..., :32, t : t + 32] for t in range(3)], dim=1)

    def flickering() -> torch.Tensor:
        still = moving()
        still[:, 1] += 0.2
        return still

    for _ in range(40):
        loss = vanilla_discriminator(net(moving()), net(flickering()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        assert net(moving()).mean() > net(flickering()).mean() + 0.5
