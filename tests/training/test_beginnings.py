"""A training begins where an exported model is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from vsvqe import cards
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.nets.window import Window
from vsvqe.training.beginnings import exported_weights, start_from
from vsvqe.training.designs import DESIGNS
from vsvqe.training.export import check, export, planes_model, random_shapes, refine_model

RESTORING = [name for name in DESIGNS if not name.startswith("quantiser")]


def randomised[Net: torch.nn.Module](make: Callable[[], Net]) -> Net:
    """A network in which nothing is zero."""
    torch.manual_seed(0)
    net = make()
    for weights in net.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return net


@pytest.mark.parametrize("name", RESTORING)
def test_what_was_exported_comes_back(name: str, tmp_path: Path) -> None:
    net = randomised(DESIGNS[name].net)
    path = export(net, tmp_path, f"{name}-v1", "For tests.", {})
    back = exported_weights(path)
    # What cleans shows in a training only.
    exported = {name: wanted for name, wanted in net.state_dict().items() if "cleaner" not in name}
    for weight, wanted in exported.items():
        # The card rounds the factors of a response to four digits.
        margin = 2e-5 if weight.startswith("response") else 2e-6
        np.testing.assert_allclose(back[weight], wanted, rtol=0, atol=margin, err_msg=weight)
    assert set(back) >= set(exported) - {"neighbours.weight"}


SHIPPED = [
    card for card in cards.newest(cards.list_models()) if card.name.rpartition("-v")[0] in RESTORING
]


def seeing_as_many(net: torch.nn.Module, card: cards.Card) -> torch.nn.Module:
    """The network with the window of a model that was shipped when its design saw fewer frames."""
    if not isinstance(net, PlanesNet) or len(net.window.offsets) == len(card.offsets):
        return net
    assert set(card.offsets) < set(net.window.offsets)
    return PlanesNet(
        net.window._replace(offsets=tuple(card.offsets)),
        net.scale,
        net.channels,
        len(net.blocks),
        responsive=net.response is not None,
        quantiser_map=net.quantiser_map is not None,
        cleaning=net.cleaner is not None,
    )


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_a_shipped_model_is_what_a_network_that_begins_with_it_gives(card: cards.Card) -> None:
    net = seeing_as_many(DESIGNS[card.name.rpartition("-v")[0]].net(), card).eval()
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
    """Blocks, frames and a quantiser map that are new do nothing yet."""
    larger = DESIGNS["deblock-best"].net()
    assert isinstance(larger, PlanesNet)
    window = larger.window._replace(offsets=(-1, 0, 2, 4))
    smaller = randomised(lambda: PlanesNet(window, 1, larger.channels, 4, responsive=True))
    path = export(smaller, tmp_path, "deblock-smaller-v1", "For tests.", {})
    start_from(larger, path)
    torch.manual_seed(1)
    frames = len(larger.window.offsets)
    y, uv = torch.rand(2, frames, 32, 48), torch.rand(2, frames, 2, 16, 24) - 0.5
    quantiser = torch.tensor([14.0, 37.0])
    common = [larger.window.offsets.index(offset) for offset in window.offsets]
    with torch.no_grad():
        for got, wanted in zip(
            larger.residuals(y, uv, quantiser),
            smaller.residuals(y[:, common], uv[:, common], quantiser),
            strict=True,
        ):
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_a_network_without_a_map_begins_with_its_middle(tmp_path: Path) -> None:
    window = Window((0, 1), aligned=True)
    told = randomised(lambda: PlanesNet(window, 1, 8, 1, quantiser_map=True))
    path = export(told, tmp_path, "deblock-told-v1", "For tests.", {})
    net = PlanesNet(window, 1, 8, 2)
    start_from(net, path)
    torch.manual_seed(1)
    planes = torch.rand(2, 2, 16, 16), torch.rand(2, 2, 2, 8, 8) - 0.5
    with torch.no_grad():
        middle = told.windows(*planes, torch.zeros(2, 1, 8, 8))
        for got, wanted in zip(net.windows(*planes), middle, strict=True):
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_a_model_that_sees_other_frames_begins_nothing(tmp_path: Path) -> None:
    seen = PlanesNet(DESIGNS["deblock-best"].net().window._replace(offsets=(-3, 0, 1)))
    path = export(seen, tmp_path, "deblock-other-v1", "For tests.", {})
    with pytest.raises(ValueError, match=r"sees frames at \[-3\]"):
        start_from(DESIGNS["deblock-best"].net(), path)


def test_the_estimate_of_the_quantiser_is_nothing_to_begin_with(tmp_path: Path) -> None:
    path = export(QuantiserNet(), tmp_path, "quantiser-v1", "For tests.", {})
    with pytest.raises(ValueError, match="no network that a training can begin with"):
        exported_weights(path)
