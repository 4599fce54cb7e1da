"""The perceptual loss: LPIPS through random views, and the filter bank beside it."""

from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import maximum_filter, uniform_filter
from scipy.signal import correlate

from vsvqe.training import filterbank
from vsvqe.training.filterbank import FilterBank
from vsvqe.training.perceptual import Perceptual, View, Views

SQUEEZENET = Path("weights") / "squeezenet1_1_features_torchvision_layout.pth"
PLAIN = View(0, 0, False, False, 1.0, 1.0, (0, 1, 2))


@pytest.fixture
def planes() -> list[torch.Tensor]:
    """Luma and chroma of two pictures, then of what they should be."""
    torch.manual_seed(0)
    y, uv = torch.rand(2, 1, 64, 72), 0.2 * (torch.rand(2, 2, 32, 36) - 0.5)
    return [y, uv, (y + 0.2 * torch.randn_like(y)).clamp(0, 1), uv + 0.02]


def rgb(y: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """BT.709, with the chroma that torch's own interpolation gives."""
    u, v = torch.nn.functional.interpolate(uv, scale_factor=2, mode="bilinear").unbind(1)
    luma = y[:, 0]
    planes = (luma + 1.5748 * v, luma - 0.187324 * u - 0.468124 * v, luma + 1.8556 * u)
    return torch.stack(planes, 1).clamp(0, 1)


def test_without_a_view_and_filters_it_is_lpips(data: Path, planes: list[torch.Tensor]) -> None:
    metric = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    for name, tensor in torch.load(data / SQUEEZENET, weights_only=True).items():
        _, index, rest = name.split(".", 2)
        (own,) = [n for n in metric.net.state_dict() if n.endswith(f".{index}.{rest}")]
        metric.net.state_dict()[own].copy_(tensor)
    pictures = rgb(*planes[:2]), rgb(*planes[2:])
    expected = metric(*pictures, normalize=True).flatten()
    assert (expected > 0.01).all()
    plain, banked = Perceptual(data / SQUEEZENET), Perceptual(data / SQUEEZENET, 0.4)
    for got in (plain.lpips(*planes), banked.lpips(*planes), plain(*planes)):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=0)
    both = expected + 0.4 * FilterBank(2e-3)(*pictures)
    torch.testing.assert_close(banked(*planes, PLAIN), both, rtol=1e-4, atol=0)


def test_several_versions_at_once(data: Path, planes: list[torch.Tensor]) -> None:
    y, uv, *target = planes
    darker = (0.8 * y, 0.5 * uv)
    perceptual = Perceptual(data / SQUEEZENET, 0.4)
    torch.manual_seed(5)
    view = Views().draw()
    both = perceptual(torch.cat((y, darker[0])), torch.cat((uv, darker[1])), *target, view)
    each = (perceptual(y, uv, *target, view), perceptual(*darker, *target, view))
    torch.testing.assert_close(both, torch.cat(each), rtol=1e-4, atol=1e-6)


def test_both_pictures_are_seen_in_the_same_way(data: Path, planes: list[torch.Tensor]) -> None:
    perceptual = Perceptual(data / SQUEEZENET, 0.4)
    torch.manual_seed(1)
    for _ in range(8):
        view = Views().draw()
        same = perceptual(*planes[:2], *planes[:2], view)
        torch.testing.assert_close(same, torch.zeros(2), rtol=0, atol=1e-6)
        assert (perceptual(*planes, view) > 0.01).all()


def test_the_smallest_view_of_astf_crops_is_large_enough() -> None:
    crop = torch.rand(1, 3, 64, 64)
    seen = View(3, 3, False, False, Views().most, 1.0, (0, 1, 2)).of(crop)
    assert FilterBank(2e-3)(seen, 1.0 - seen).item() > 0.0


def test_the_seed_decides_the_views() -> None:
    def drawn(seed: int) -> list[View]:
        torch.manual_seed(seed)
        return [Views().draw() for _ in range(5)]

    assert drawn(7) == drawn(7) != drawn(8)


def test_gradients_reach_luma_and_chroma(data: Path, planes: list[torch.Tensor]) -> None:
    y, uv = (plane.clone().requires_grad_() for plane in planes[:2])
    torch.manual_seed(2)
    Perceptual(data / SQUEEZENET, 0.4)(y, uv, *planes[2:], Views().draw()).sum().backward()
    for plane in (y, uv):
        assert plane.grad is not None and plane.grad.isfinite().all() and plane.grad.any()


def test_a_view() -> None:
    rgb = torch.rand(2, 3, 20, 30)
    seen = View(2, 3, True, True, 1.0, 1.2, (2, 0, 1)).of(rgb).numpy()
    expected = rgb.numpy()[:, [2, 0, 1], 2:, 3:][..., ::-1].swapaxes(-1, -2)
    np.testing.assert_allclose(seen, 0.5 + 1.2 * (expected - 0.5), atol=1e-6)


def test_a_smaller_view_is_filtered_as_pillow_does() -> None:
    picture = torch.rand(1, 3, 64, 48)
    seen = View(0, 0, False, False, 2.3, 1.0, (0, 1, 2)).of(picture)
    assert seen.shape == (1, 3, 28, 21)
    for plane, got in zip(picture[0], seen[0], strict=True):
        expected = Image.fromarray(plane.numpy()).resize((21, 28), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(got.numpy(), np.asarray(expected), atol=1e-5)


def test_views_are_many() -> None:
    torch.manual_seed(1)
    drawn = [Views().draw() for _ in range(300)]
    assert {view.top for view in drawn} == {view.left for view in drawn} == {0, 1, 2, 3}
    assert len({view.channels for view in drawn}) == 6
    smaller = [view.size for view in drawn if view.size > 1.0]
    assert 0.57 < len(smaller) / len(drawn) < 0.77
    assert max(smaller) <= 3.0 and len(set(smaller)) == len(smaller)
    assert all(0.8 <= view.gain <= 1.2 for view in drawn)


def test_views_of_one_size() -> None:
    torch.manual_seed(1)
    sizes = [Views(0.25, 2.0, 2.0).draw().size for _ in range(300)]
    assert set(sizes) == {1.0, 2.0}
    assert 0.15 < sizes.count(2.0) / len(sizes) < 0.35


def test_filters_against_scipy() -> None:
    torch.manual_seed(3)
    pictures = torch.rand(2, 3, 31, 37)
    kernels = filterbank.kernels().numpy()

    def responses(picture: np.ndarray) -> np.ndarray:
        return np.stack(
            [correlate(picture, kernel, mode="valid")[0, ::2, ::2] for kernel in kernels]
        )

    def normalised(found: np.ndarray) -> np.ndarray:
        both = np.concatenate((np.maximum(found, 0), np.maximum(-found, 0)))
        return np.asarray(both / np.sqrt(np.square(both).sum(0) + 1e-3))

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.square(a - b).sum(0).mean())

    found = [responses(picture) for picture in pictures.numpy()]
    a, b = map(normalised, found)
    largest = [maximum_filter(f, (1, 3, 3))[:, 1:-1:2, 1:-1:2] for f in (a, b)]
    means = [uniform_filter(f**2, (1, 5, 5))[:, 2:-2:2, 2:-2:2] for f in found]
    missed = np.square(np.sqrt(means[0]) - np.sqrt(means[1])).sum(0) / (means[1].sum(0) + 1e-3)
    expected = distance(a, b) + distance(*largest) + missed.mean()
    got = FilterBank(1e-3)(pictures[:1], pictures[1:])
    assert got.shape == (1,)
    assert got.item() == pytest.approx(expected, rel=1e-4)


def test_filters_do_not_see_grey_nor_the_brightness() -> None:
    flat = torch.full((1, 3, 32, 32), 0.3)
    assert FilterBank(1e-4)(flat, flat + 0.4).item() == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("turn", range(filterbank.ORIENTATIONS))
def test_a_grating_is_answered_by_the_filter_of_its_direction(turn: int) -> None:
    angle = np.pi * turn / filterbank.ORIENTATIONS
    down, right = torch.meshgrid(torch.arange(11.0), torch.arange(11.0), indexing="ij")
    phase = 2 * np.pi * (right * np.cos(angle) + down * np.sin(angle)) / 4.5
    grating = torch.stack((torch.cos(phase), torch.sin(phase)))[:, None].expand(-1, 3, -1, -1)
    # Over both phases of grating and filter: the length, wherever the bars are.
    energies = torch.nn.functional.conv2d(grating, filterbank.kernels()[:64]).square()
    energies = energies.sum((0, 2, 3)).view(4, 8, 2).sum(2)
    assert divmod(int(energies.argmax()), 8) == (1, turn)


def test_filters_notice_what_is_missing_and_learn_on_flat_pictures() -> None:
    torch.manual_seed(4)
    target = torch.rand(1, 3, 48, 48)
    bank = FilterBank(2e-3)
    blurred = torch.nn.functional.avg_pool2d(target, 3, 1, padding=1)
    assert bank(target, target).item() == 0.0
    assert 0.0 < bank(target.lerp(blurred, 0.5), target).item() < bank(blurred, target).item()
    flat = torch.full_like(target, 0.5).requires_grad_()
    bank(flat, target).sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()
