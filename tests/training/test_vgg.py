"""The VGG loss against torchvision's network, with random weights."""

from pathlib import Path

import pytest
import torch
import torchvision

from vsvqe.training.vgg import LAYERS, VggLoss


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(5)
    return torchvision.models.vgg19(weights=None).features.eval()


@pytest.fixture(scope="module")
def weights(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    named = {f"features.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(named | {"classifier.0.bias": torch.zeros(3)}, path)
    return path


def test_same_as_torchvision(network: torch.nn.Module, weights: Path) -> None:
    picture, target = torch.rand(2, 2, 3, 32, 48, generator=torch.Generator().manual_seed(8))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = 0.0
    with torch.no_grad():
        x, y = (((p - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)) for p in (picture, target))
        for index, layer in enumerate(network):
            # The activations of torchvision write over their input.
            x, y = layer(x.clone()), layer(y.clone())
            expected += LAYERS.get(index, 0.0) * (x - y).abs().mean().item()
            if index == max(LAYERS):
                break
        assert VggLoss(weights)(picture, target).item() == pytest.approx(expected, rel=1e-4)


def test_gradient_reaches_the_picture_alone(weights: Path) -> None:
    loss = VggLoss(weights, {2: 1.0})
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    target = torch.rand(1, 3, 16, 16, requires_grad=True)
    loss(picture, target).backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    assert target.grad is None
    assert all(not parameter.requires_grad for parameter in loss.parameters())
    # What lies beyond the last layer that is asked for is not even loaded.
    assert sum(parameter.numel() for parameter in loss.parameters()) == 1792 + 36928


def test_layer_that_is_no_convolution(weights: Path) -> None:
    with pytest.raises(ValueError, match=r"\[3\], accepted are 0, 2, 5, 7"):
        VggLoss(weights, {3: 1.0})


def test_file_of_something_else(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "alex.pth")
    with pytest.raises(ValueError, match=r"features\.0\.weight of VGG19"):
        VggLoss(tmp_path / "alex.pth")
