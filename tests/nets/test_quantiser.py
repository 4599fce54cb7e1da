"""What the estimate of the quantiser looks at, against SciPy's cosine transform."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.training.export import check, quantiser_model, random_shapes

pytestmark = pytest.mark.usefixtures("inference")

STEPS = np.arange(-4, 16)  # half octaves, in codes


def shares(picture: np.ndarray) -> np.ndarray:
    """How often each amplitude but the mean's lies at each step, 63 x 21."""
    height, width = (side // 8 for side in picture.shape)
    found = np.zeros((63, len(STEPS) + 1))
    for row, column in product(range(height), range(width)):
        block = picture[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        amplitudes = np.abs(dctn(block, norm="ortho")).ravel()[1:]
        position = 2 * np.log2(219 * amplitudes + 1 / 16) - STEPS[0]
        position = np.clip(position, 0, len(STEPS))
        below = np.minimum(position.astype(int), len(STEPS) - 1)
        for frequency, (step, place) in enumerate(zip(below, position, strict=True)):
            found[frequency, step] += 1 - (place - step)
            found[frequency, step + 1] += place - step
    return found / (height * width)


def test_statistics_are_those_of_the_cosine_transform() -> None:
    rng = np.random.default_rng(0)
    # Amplitudes of all sizes, and blocks in which nothing changes.
    y = 0.5 + rng.normal(0, 1, (2, 27, 45)) * np.geomspace(1e-3, 0.3, 45)
    y[1, :16] = y[0, :16]
    given = QuantiserNet().statistics(torch.from_numpy(y[None]).float())
    wanted = np.concatenate([shares(y[0]), shares(y[1] - y[0])])
    np.testing.assert_allclose(given.reshape(21, 126).T, np.sqrt(wanted + 1e-4), atol=2e-4)


def test_what_it_looks_at_has_mean_0_and_deviation_1() -> None:
    net = QuantiserNet().eval()
    pictures = torch.rand(64, 2, 24, 24)
    statistics = net.statistics(pictures)
    net.standardise(statistics)
    seen = (statistics - net.mean) / net.deviation
    assert seen.mean(dim=0).abs().max() < 1e-3
    varied = statistics.std(dim=0) > 0.05
    assert varied.any() and (seen.std(dim=0)[varied] > 0.8).all() and (seen.std(dim=0) <= 1).all()


def test_it_is_exported_as_it_is() -> None:
    torch.manual_seed(0)
    net = QuantiserNet().eval()
    net.standardise(net.statistics(torch.rand(16, 2, 64, 64)))
    torch.nn.init.normal_(net.last.weight, std=0.5)
    check(net, quantiser_model(net), random_shapes(net))


def test_it_tells_nothing_beyond_its_bounds() -> None:
    net = QuantiserNet().eval()
    pictures = torch.rand(2, 2, 16, 16)
    for bias, bound in ((-10.0, 8.0), (10.0, 51.0)):
        torch.nn.init.constant_(net.last.bias, bias)
        assert net(pictures).tolist() == [bound, bound]
        assert (net.estimate(net.statistics(pictures)) != bound).all()
