"""The response to the quantiser against NumPy's interpolation."""

import numpy as np
import torch

from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.response import KNOTS, Response
from vsvqe.nets.window import SINGLE


def test_between_the_knots_it_is_linear_and_beyond_them_constant() -> None:
    torch.manual_seed(1)
    response = Response()
    torch.nn.init.normal_(response.departure)
    given = np.linspace(0.0, 51.0, 103, dtype=np.float32)
    found = response(torch.from_numpy(given)).detach().numpy()
    for factors, row in zip(response.factors.detach().numpy(), found, strict=True):
        np.testing.assert_allclose(row, np.interp(given, KNOTS, factors), atol=1e-5)


def test_it_multiplies_the_planes_of_every_window_by_its_own_factor() -> None:
    torch.manual_seed(2)
    net = PlanesNet(SINGLE, channels=8, blocks=1, responsive=True)
    assert net.response is not None
    torch.nn.init.normal_(net.tail.weight)
    with torch.no_grad():
        net.response.departure[0] = torch.arange(9) / 4
        net.response.departure[1] = -torch.arange(9) / 8
    planes = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 2, 8, 8)
    y, uv = net.windows(*planes)
    weighed_y, weighed_uv = net.residuals(*planes, torch.tensor([10.0, 18.0]))
    torch.testing.assert_close(weighed_y, y * torch.tensor([1.0, 3.0])[:, None, None, None])
    torch.testing.assert_close(weighed_uv, uv * torch.tensor([1.0, 0.0])[:, None, None, None])


def test_without_one_all_of_the_residual_is_given() -> None:
    net = PlanesNet(SINGLE, channels=8, blocks=1)
    torch.nn.init.normal_(net.tail.weight)
    planes = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 2, 8, 8)
    for found, wanted in zip(
        net.residuals(*planes, torch.tensor([40.0])), net.windows(*planes), strict=True
    ):
        assert torch.equal(found, wanted)
