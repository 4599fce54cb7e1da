"""Layers in other shapes do what the plain ones do."""

import pytest
import torch
from torch import nn

from vsvqe.nets.blocks import ExpandedConv, ResidualBlock, conv3x3, separable3x3
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.window import SINGLE


def test_folding_changes_nothing() -> None:
    torch.manual_seed(0)
    layer = ExpandedConv(5, 7).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    picture = torch.randn(2, 5, 9, 11, dtype=torch.float64)
    torch.testing.assert_close(layer.folded().double()(picture), layer(picture))
    assert sum(p.numel() for p in layer.folded().parameters()) == 5 * 7 * 9 + 7


def test_separable_layers_are_small_and_see_as_far() -> None:
    layer = separable3x3(16, 24)
    assert sum(p.numel() for p in layer.parameters()) == 16 * 9 + 16 * 24 + 24
    picture = torch.zeros(1, 16, 9, 9)
    changed = picture.clone()
    changed[..., 4, 4] = 1.0
    rows, columns = (layer(changed) - layer(picture)).abs().sum((0, 1)).nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 5, 3, 5)


@pytest.mark.parametrize("convolution", [conv3x3, separable3x3, ExpandedConv])
def test_blocks_begin_nearly_as_the_identity(convolution) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 8, 16, 16)
    change = ResidualBlock(8, 12, convolution)(features) - features
    assert 0.0 < change.std() < 0.1


def test_hidden_channels_are_counted() -> None:
    def parameters(hidden: int | None) -> int:
        net = PlanesNet(SINGLE, channels=16, blocks=2, hidden=hidden)
        return sum(p.numel() for p in net.blocks.parameters())

    assert parameters(None) == parameters(16) == 2 * (2 * 16 * 16 * 9 + 32)
    assert parameters(4) == 2 * (2 * 16 * 4 * 9 + 20)
