"""A network that sees the quantiser: what the plane holds, what it does, and how it is exported."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser_map import COARSEST, FINEST, filled
from vsvqe.nets.window import SINGLE, Window
from vsvqe.training.beginnings import start_from
from vsvqe.training.export import export

WINDOW = Window((-1, 0, 1), aligned=True)


def made(*, told: bool = True, responsive: bool = True, blocks: int = 2) -> PlanesNet:
    """A small network in which nothing is zero."""
    torch.manual_seed(0)
    net = PlanesNet(WINDOW, 1, 8, blocks, responsive=responsive, quantiser_map=told)
    for name, weights in net.named_parameters():
        if name.startswith(("neighbours", "tail", "response", "quantiser_map")):
            torch.nn.init.normal_(weights, std=0.1)
    return net.eval()


def windows() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 3, 20, 28), torch.rand(2, 3, 2, 10, 14) - 0.5


def test_the_plane_is_even_and_rises_from_minus_one_to_one() -> None:
    given = np.linspace(0.0, 51.0, 103, dtype=np.float32)
    planes = filled(torch.from_numpy(given), 3, 5).numpy()
    assert planes.shape == (103, 1, 3, 5)
    wanted = np.interp(given, (FINEST, COARSEST), (-1.0, 1.0))
    np.testing.assert_allclose(planes, np.broadcast_to(wanted[:, None, None, None], planes.shape))


@torch.no_grad()
def test_every_window_goes_by_its_own_quantiser() -> None:
    net, plain = made(responsive=False), made(told=False, responsive=False)
    plain.load_state_dict(net.state_dict(), strict=False)
    assert net.quantiser_map is not None and plain.head.bias is not None
    found = net.residuals(*windows(), torch.tensor([18.0, 40.0]))
    own = plain.head.bias.clone()
    for n, level in enumerate((-0.5, 0.875)):
        # An even plane under weights of 1x1 is a bias.
        plain.head.bias.copy_(own + level * net.quantiser_map.weight)
        for got, wanted in zip(found, plain.windows(*windows()), strict=True):
            torch.testing.assert_close(got[n], wanted[n])


@torch.no_grad()
@pytest.mark.parametrize("responsive", [False, True])
def test_a_training_that_begins_without_it_gives_the_same_at_first(
    tmp_path: Path, responsive: bool
) -> None:
    before = made(told=False, responsive=responsive)
    torch.save({"ema": before.state_dict()}, tmp_path / "checkpoint.pt")
    net = PlanesNet(WINDOW, 1, 8, blocks=5, responsive=True, quantiser_map=True)
    start_from(net, tmp_path / "checkpoint.pt")
    quantiser = torch.tensor([14.0, 37.0])
    wanted = before.residuals(*windows(), quantiser)
    for got, same in zip(net.residuals(*windows(), quantiser), wanted, strict=True):
        assert torch.equal(got, same)


@torch.no_grad()
def test_the_exported_model_takes_the_plane_as_the_last_channel(tmp_path: Path) -> None:
    net = made()
    path = export(net, tmp_path, "told", "For tests.", {})
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shapes = {each.name: each.shape for each in session.get_inputs()}
    assert (shapes["y"][1], shapes["uv"][1]) == (3, 7)
    assert json.loads(path.with_suffix(".json").read_text())["quantiser_map"] == [10.0, 42.0]
    y, uv = windows()
    # Uneven: it is the pixels above which a value lies that go by it.
    plane = torch.rand(2, 1, 10, 14) * 2.0 - 1.0
    chroma = torch.cat((uv.flatten(1, 2), plane), dim=1)
    got = session.run(None, {"y": y.numpy(), "uv": chroma.numpy()})
    for found, wanted in zip(got, net.windows(y, uv, plane), strict=True):
        torch.testing.assert_close(torch.from_numpy(found), wanted, atol=1e-5, rtol=0)


def test_a_run_of_frames_has_no_room_for_it() -> None:
    with pytest.raises(ValueError, match="aligned windows only"):
        PlanesNet(SINGLE, quantiser_map=True)


@pytest.mark.parametrize("told", [False, True])
def test_who_sees_one_needs_it_and_nobody_else_takes_it(told: bool) -> None:
    plane = None if told else torch.zeros(2, 1, 10, 14)
    with pytest.raises(ValueError, match="networks that see one"):
        made(told=told).windows(*windows(), plane)
