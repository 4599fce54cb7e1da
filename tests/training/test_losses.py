"""Losses of pictures against NumPy, the metrics, and cases by hand."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, uniform_filter
from torch import Tensor

from vsvqe.metrics.ssim import ssim
from vsvqe.training import losses

SHAPE = (2, 3, 24, 30)


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(SHAPE, generator=generator)
    noise = 0.1 * torch.randn(SHAPE, generator=generator)
    return (target + noise).clamp(0, 1).requires_grad_(), target


def _arrays(pair: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    return pair[0].detach().double().numpy(), pair[1].double().numpy()


def _spectra(pair: tuple[Tensor, Tensor]) -> list[np.ndarray]:
    return [np.fft.fft2(array, norm="ortho") for array in _arrays(pair)]


def test_absolute_and_squared(pair: tuple[Tensor, Tensor]) -> None:
    x, y = _arrays(pair)
    assert losses.l1(*pair).item() == pytest.approx(np.abs(x - y).mean(), rel=1e-5)
    assert losses.mse(*pair).item() == pytest.approx(((x - y) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("eps", [1e-12, 1e-6])
def test_charbonnier(pair: tuple[Tensor, Tensor], eps: float) -> None:
    x, y = _arrays(pair)
    expected = np.sqrt((x - y) ** 2 + eps).mean()
    assert losses.charbonnier(*pair, eps=eps).item() == pytest.approx(expected, rel=1e-5)


def test_charbonnier_is_smooth_where_pictures_are_equal(pair: tuple[Tensor, Tensor]) -> None:
    picture = pair[1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(losses.charbonnier(picture, pair[1]), picture)
    assert gradient.abs().max() == 0


def test_ssim_is_that_of_the_metric(pair: tuple[Tensor, Tensor]) -> None:
    x, y = _arrays(pair)
    channels = [ssim(y[:, channel], x[:, channel], 1.0) for channel in range(3)]
    assert losses.ssim_loss(*pair).item() == pytest.approx(1 - np.mean(channels), abs=1e-5)


def test_crisper_against_scipy(pair: tuple[Tensor, Tensor]) -> None:
    x, _ = _arrays(pair)
    blurred = convolve(x, np.outer((1, 2, 1), (1, 2, 1))[None, None] / 16, mode="mirror")
    got = torch.cat([losses.crisper(plane, 0.3) for plane in pair[0].split(1, dim=1)], dim=1)
    np.testing.assert_allclose(got.detach().numpy(), x + 0.3 * (x - blurred), atol=1e-6)


def test_errors_count_where_the_target_is_flat(pair: tuple[Tensor, Tensor]) -> None:
    picture, target = (planes[:, :1] for planes in pair)
    target = torch.cat((0.05 * target[..., :15], target[..., 15:]), dim=-1)
    y = target.double().numpy()
    mean, squares = (uniform_filter(p, (0, 0, 5, 5), mode="mirror") for p in (y, y**2))
    weight = np.exp(-(squares - mean**2) / (4 / 219) ** 2)
    assert weight.max() > 0.5 and weight.min() < 0.01
    expected = (weight * np.abs(picture.detach().numpy() - y)).mean()
    assert losses.flat_error(picture, target).item() == pytest.approx(expected, rel=1e-4)


def test_planes_errors_by_formula(pair: tuple[Tensor, Tensor]) -> None:
    x, y = _arrays(pair)
    luma, chroma = (x - y)[:, :1], (x - y)[:, 1:, ::2, ::2]
    planes = [torch.from_numpy(error) for error in (luma, chroma)]
    absolute = np.abs(luma).mean() + 0.25 * np.abs(chroma).mean()
    squared = (luma**2).mean() + 0.25 * (chroma**2).mean()
    assert losses.mixed_error(*planes).item() == pytest.approx(absolute + 20 * squared)

    damage = np.array((0.002, 0.0))
    for weight in (0.25, 4.0):
        windows = [(luma[n] ** 2).mean() + weight * (chroma[n] ** 2).mean() for n in range(2)]
        # Relative to the error of each frame; one of 45 dB counts for those of less.
        expected = np.mean([w / (d + 10**-4.5) for w, d in zip(windows, damage, strict=True)])
        got = losses.relative_error(*planes, torch.from_numpy(damage), weight)
        assert got.item() == pytest.approx(expected)


@pytest.mark.parametrize("period", [2, 4])
def test_grid_error_by_formula(period: int) -> None:
    side = 8 * period
    plane = np.random.default_rng(4).normal(size=(2, 1, 2 * side, 3 * side))
    squared = []
    for picture in plane[:, 0]:
        for top in range(0, 2 * side, side):
            for left in range(0, 3 * side, side):
                square = picture[top : top + side, left : left + side]
                kinds = [
                    square[y::period, x::period].mean()
                    for y in range(period)
                    for x in range(period)
                ]
                squared.append(np.var(kinds))
    got = losses.grid_error(torch.from_numpy(plane), period).item()
    assert got == pytest.approx(np.mean(squared))


def test_total_variation_is_that_of_numpy(pair: tuple[Tensor, Tensor]) -> None:
    x, _ = _arrays(pair)
    across = np.abs(np.diff(x, axis=-1)).mean()
    down = np.abs(np.diff(x, axis=-2)).mean()
    assert losses.total_variation(pair[0]).item() == pytest.approx(across + down, rel=1e-5)


def test_total_variation_by_hand() -> None:
    picture = torch.zeros(1, 1, 4, 5)
    picture[..., 2:] = 0.5
    # One of four columns of differences is a step; no row is.
    assert losses.total_variation(picture).item() == pytest.approx(0.5 / 4)
    assert losses.total_variation(picture.mT).item() == pytest.approx(0.5 / 4)


def test_spectrum_error_is_that_of_numpy(pair: tuple[Tensor, Tensor]) -> None:
    # Half the spectrum holds all of a real picture's.
    a, b = (np.abs(spectrum)[..., :16] for spectrum in _spectra(pair))
    assert losses.spectrum_error(*pair).item() == pytest.approx(np.abs(a - b).mean(), rel=1e-4)


def test_spectrum_error_does_not_see_shifts(pair: tuple[Tensor, Tensor]) -> None:
    shifted = pair[1].roll((3, 5), dims=(-2, -1))
    assert losses.spectrum_error(shifted, pair[1]).item() == pytest.approx(0, abs=1e-6)
    assert losses.focal_frequency(shifted, pair[1]).item() > 0.01


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_focal_frequency_is_that_of_numpy(pair: tuple[Tensor, Tensor], alpha: float) -> None:
    a, b = _spectra(pair)
    distance = np.abs(a - b)
    weight = distance**alpha
    weight /= weight.max(axis=(-2, -1), keepdims=True)
    expected = (weight * distance**2).mean()
    assert losses.focal_frequency(*pair, alpha=alpha).item() == pytest.approx(expected, rel=1e-4)


def test_focal_frequency_without_focus_is_the_squared_error(pair: tuple[Tensor, Tensor]) -> None:
    flat = losses.focal_frequency(*pair, alpha=0.0)
    assert flat.item() == pytest.approx(losses.mse(*pair).item(), rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [losses.l1, losses.mse, losses.ssim_loss, losses.spectrum_error, losses.focal_frequency],
)
def test_equal_pictures_cost_nothing(loss, pair: tuple[Tensor, Tensor]) -> None:
    picture = pair[1].clone().requires_grad_()
    value = loss(picture, pair[1])
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert picture.grad is not None and picture.grad.isfinite().all()


@pytest.mark.parametrize(
    "loss",
    [losses.charbonnier, losses.ssim_loss, losses.spectrum_error, losses.focal_frequency],
)
def test_losses_fall_along_their_gradient(loss, pair: tuple[Tensor, Tensor]) -> None:
    value = loss(*pair)
    (gradient,) = torch.autograd.grad(value, pair[0])
    step = 0.01 * value.item() / gradient.square().sum().item()
    assert loss(pair[0] - step * gradient, pair[1]).item() < value.item()
