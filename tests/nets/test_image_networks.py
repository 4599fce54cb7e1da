"""Image networks against forward passes unrolled by hand, with SciPy for what is convolved."""

import numpy as np
import pytest
import torch
from scipy import ndimage, signal
from support import checkpoints

from vsvqe.checkpoints import layouts
from vsvqe.nets.fsrcnn import FSRCNN
from vsvqe.nets.srcnn import SRCNN
from vsvqe.nets.srresnet import MSRResNet, SRResNet

pytestmark = pytest.mark.usefixtures("inference")

SIDES = (7, 10)


class Weights:
    """Applies the layers of a state dict by name, to C x H x W."""

    def __init__(self, weights):
        self.weights = {name: tensor.double().numpy() for name, tensor in weights.items()}

    def conv(self, name, x):
        kernels, biases = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return np.stack(
            [
                bias + sum(signal.correlate(*pair, "same") for pair in zip(x, kernel, strict=True))
                for kernel, bias in zip(kernels, biases, strict=True)
            ]
        )

    def prelu(self, name, x):
        return np.where(x > 0, x, self.weights[f"{name}.weight"].reshape(-1, 1, 1) * x)

    def norm(self, name, x):
        mean, variance, gain, bias = (
            self.weights[f"{name}.{kind}"].reshape(-1, 1, 1)
            for kind in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gain + bias


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def shuffled(x, scale):
    """Channels of every pixel become pixels, row by row."""
    channels, (height, width) = len(x) // scale**2, x.shape[1:]
    result = np.empty((channels, scale * height, scale * width))
    for c in range(channels):
        for row in range(scale):
            for column in range(scale):
                result[c, row::scale, column::scale] = x[c * scale**2 + row * scale + column]
    return result


def bilinear(x, scale):
    """Enlarged with pixel edges aligned."""
    where = (
        np.clip((np.arange(scale * side) + 0.5) / scale - 0.5, 0, side - 1) for side in x.shape[1:]
    )
    grid = np.meshgrid(*where, indexing="ij")
    return np.stack([ndimage.map_coordinates(plane, grid, order=1) for plane in x])


def given(network, shapes, channels, gain=1.0):
    """Returns a picture, what the network makes of it, and its weights."""
    weights = checkpoints.random(shapes, seed=3, gain=gain)
    network.eval().load_state_dict(layouts.image(weights))
    picture = torch.rand(channels, *SIDES, generator=torch.Generator().manual_seed(5))
    return picture.double().numpy(), network(picture[None])[0].numpy(), Weights(weights)


def assert_close(got, wanted):
    assert got.shape == wanted.shape
    assert np.std(wanted) > 0.05
    np.testing.assert_allclose(got, wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("channels", [1, 3])
def test_srcnn_of_what_is_enlarged_already(channels):
    x, got, by_hand = given(SRCNN(1, channels), checkpoints.srcnn(channels), channels, gain=2.0)
    for i in (1, 2):
        x = by_hand.conv(f"conv{i}", x).clip(min=0)
    assert_close(got, by_hand.conv("conv3", x))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnn(scale):
    x, got, by_hand = given(FSRCNN(scale), checkpoints.fsrcnn(), 1)
    x = by_hand.prelu("first_part.1", by_hand.conv("first_part.0", x))
    for i in range(0, 12, 2):
        x = by_hand.prelu(f"mid_part.{i + 1}", by_hand.conv(f"mid_part.{i}", x))
    # Every sample spreads its kernel around the upper left pixel of those that it becomes.
    spread = np.zeros((len(x), *(scale * side for side in SIDES)))
    spread[:, ::scale, ::scale] = x
    kernels = by_hand.weights["last_part.weight"][:, 0]
    sums = sum(signal.convolve(*pair, "same") for pair in zip(spread, kernels, strict=True))
    assert_close(got, (sums + by_hand.weights["last_part.bias"])[None])


@pytest.mark.parametrize("scale", [2, 4])
def test_srresnet(scale):
    doublings = {2: 1, 4: 2}[scale]
    shapes = checkpoints.srresnet(4, 2, doublings)
    x, got, by_hand = given(SRResNet(scale, 4, 2), shapes, 3)
    head = x = by_hand.prelu("block1.1", by_hand.conv("block1.0", x))
    for block in ("block2", "block3"):
        hidden = by_hand.norm(f"{block}.bn1", by_hand.conv(f"{block}.conv1", x))
        hidden = by_hand.conv(f"{block}.conv2", by_hand.prelu(f"{block}.prelu", hidden))
        x = x + by_hand.norm(f"{block}.bn2", hidden)
    x = head + by_hand.norm("block4.1", by_hand.conv("block4.0", x))
    for i in range(doublings):
        x = shuffled(by_hand.conv(f"block5.{i}.conv", x), 2)
        x = by_hand.prelu(f"block5.{i}.prelu", x)
    assert_close(got, (np.tanh(by_hand.conv(f"block5.{doublings}", x)) + 1) / 2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_msrresnet(scale):
    shapes = checkpoints.msrresnet(4, 2, scale, mmagic=False)
    picture, got, by_hand = given(MSRResNet(scale, 4, 2), shapes, 3)
    x = leaky(by_hand.conv("conv_first", picture))
    for i in range(2):
        hidden = by_hand.conv(f"body.{i}.conv1", x).clip(min=0)
        x = x + by_hand.conv(f"body.{i}.conv2", hidden)
    for i, step in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale], 1):
        x = leaky(shuffled(by_hand.conv(f"upconv{i}", x), step))
    x = by_hand.conv("conv_last", leaky(by_hand.conv("conv_hr", x)))
    assert_close(got, x + bilinear(picture, scale))
