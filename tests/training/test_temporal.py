"""Temporal losses on motion that is known, and against OpenCV's resampler."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from vsvqe.training.temporal import (
    cycle_difference,
    inside,
    visible,
    warp,
    warped_difference,
)


def _flow(x: float, y: float, shape: tuple[int, int] = (40, 56)) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, *shape).contiguous()


def _picture(shape: tuple[int, int] = (40, 56)) -> torch.Tensor:
    noise = np.random.default_rng(6).normal(size=shape)
    return torch.from_numpy(gaussian_filter(noise, 1.5)).float()[None, None]


def test_warp_is_that_of_opencv() -> None:
    picture = _picture()
    flow = 6 * torch.from_numpy(np.random.default_rng(2).normal(size=(1, 2, 40, 56))).float()
    y, x = np.mgrid[:40, :56].astype(np.float32)
    places = (x + flow[0, 0].numpy(), y + flow[0, 1].numpy())
    source = picture[0, 0].numpy()
    expected = cv2.remap(source, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # OpenCV interpolates in steps of 1/32 of a pixel.
    assert warp(picture, flow)[0, 0].numpy() == pytest.approx(expected, abs=0.02)


def test_whole_pixels_are_fetched() -> None:
    picture = _picture()
    warped = warp(picture, _flow(3, -2))
    assert torch.allclose(warped[..., 2:, :-3], picture[..., :-2, 3:], atol=1e-5)
    assert inside(_flow(3, -2))[0, 0].sum() == (40 - 2) * (56 - 3)


def test_motion_is_no_difference_and_flicker_is() -> None:
    wide = _picture((40, 60))
    frame, following = wide[..., 4:], wide[..., :-4]
    flow = _flow(4, 0)
    assert warped_difference(frame, following, flow).item() == pytest.approx(0, abs=1e-5)
    brighter = warped_difference(frame, following + 0.25, flow).item()
    assert brighter == pytest.approx(0.25, rel=1e-4)
    assert warped_difference(frame, following, _flow(0, 0)).item() > 0.01


def test_only_the_weighted_part_counts() -> None:
    frame = torch.zeros(1, 1, 40, 56)
    other = torch.zeros(1, 1, 40, 56)
    other[..., 28:] = 1.0
    left = torch.zeros(1, 1, 40, 56)
    left[..., :28] = 1.0
    flow = _flow(0, 0)
    assert warped_difference(frame, other, flow, left).item() == 0
    assert warped_difference(frame, other, flow).item() == pytest.approx(0.5)
    assert warped_difference(frame, other, flow, 0 * left).item() == 0


def test_hidden_pixels_do_not_return() -> None:
    there, back = _flow(5, 0), _flow(-5, 0)
    assert visible(there, back)[..., : 56 - 5].min() == 1
    assert visible(there, back)[..., 56 - 5 :].max() == 0
    back[..., 20:30] = 3.0
    seen = visible(there, back)
    assert seen[..., 15:25].max() == 0
    assert seen[..., :14].min() == 1


def test_gradient_reaches_both_frames() -> None:
    frames = [_picture().requires_grad_() for _ in range(2)]
    warped_difference(frames[0], 2 * frames[1], _flow(0.5, 0.5)).backward()
    assert all(frame.grad is not None and frame.grad.abs().sum() > 0 for frame in frames)


def test_cycle_by_hand() -> None:
    clip = torch.rand(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    mirrored = torch.cat((clip, clip.flip(1)), dim=1)
    assert cycle_difference(mirrored).item() == 0
    mirrored[:, 5] += 0.3
    assert cycle_difference(mirrored).item() == pytest.approx(0.1, rel=1e-5)
    with pytest.raises(ValueError, match="even"):
        cycle_difference(mirrored[:, :5])
