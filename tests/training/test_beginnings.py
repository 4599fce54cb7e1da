"""A training begins where an exported model is."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from vsvqe import cards
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.training.beginnings import exported_weights, start_from
from vsvqe.training.designs import DESIGNS
from vsvqe.training.export import check, export, planes_model, random_shapes, refine_model

RESTORING = [name for name in DESIGNS if name != "quantiser"]


def randomised(name: str) -> torch.nn.Module:
    """The network of a design in which nothing is zero."""
    torch.manual_seed(0)
    net = DESIGNS[name].net()
    for weights in net.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return net


@pytest.mark.parametrize("name", RESTORING)
def test_what_was_exported_comes_back(name: str, tmp_path: Path) -> None:
    net = randomised(name)
    path = export(net, tmp_path, f"{name}-v1", "For tests.", {})
    back = exported_weights(path)
    for weight, wanted in net.state_dict().items():
        # The card rounds the factors of a response to four digits.
        margin = 2e-5 if weight.startswith("response") else 2e-6
        np.testing.assert_allclose(back[weight], wanted, rtol=0, atol=margin, err_msg=weight)
    assert set(back) >= set(net.state_dict()) - {"neighbours.weight"}


SHIPPED = [
    card for card in cards.newest(cards.list_models()) if card.name.rpartition("-v")[0] in RESTORING
]


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_a_shipped_model_is_what_a_network_that_begins_with_it_gives(card: cards.Card) -> None:
    net = DESIGNS[card.name.rpartition("-v")[0]].net().eval()
    start_from(net, card.path)
    shipped = onnx.load(card.path)
    check(net, shipped, random_shapes(net))
    if isinstance(net, PlanesNet) and card.response:
        knots, *factors = zip(*card.response, strict=True)
        found = net.response(torch.tensor(knots)).detach().numpy()
        np.testing.assert_allclose(found, factors, atol=1e-6)
    again = planes_model(net) if isinstance(net, PlanesNet) else refine_model(net)
    assert [node.op_type for node in again.graph.node] == [n.op_type for n in shipped.graph.node]


def test_a_smaller_model_begins_a_larger_network(tmp_path: Path) -> None:
    """Blocks and a quantiser map that are new do nothing yet."""
    card = cards.find("deblock-balanced-v4", "deblock")
    assert isinstance(card, cards.Card)
    smaller, larger = DESIGNS["deblock-balanced"].net(), DESIGNS["deblock-best"].net()
    start_from(smaller, card.path)
    start_from(larger, card.path)
    assert isinstance(smaller, PlanesNet) and isinstance(larger, PlanesNet)
    torch.manual_seed(1)
    windows = torch.rand(2, 7, 32, 48), torch.rand(2, 7, 2, 16, 24) - 0.5, torch.tensor([14.0, 37])
    with torch.no_grad():
        for got, wanted in zip(
            larger.residuals(*windows), smaller.residuals(*windows), strict=True
        ):
            torch.testing.assert_close(got, wanted, atol=1e-6, rtol=0)


def test_the_estimate_of_the_quantiser_is_nothing_to_begin_with(tmp_path: Path) -> None:
    path = export(QuantiserNet(), tmp_path, "quantiser-v1", "For tests.", {})
    with pytest.raises(ValueError, match="no network that a training can begin with"):
        exported_weights(path)
