"""Alignment against known motion, and its chain and resampling against SciPy and NumPy."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from vsvqe.motion.alignment import UNITS, Box, Sampling, Step, alignment, displacements, flow


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0) * 160 + 128
    return np.clip(smooth, 0, 255).astype(np.uint8)


def shifted(picture: np.ndarray, right: float, down: float) -> np.ndarray:
    """Moves the content, by SciPy's spline."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    moved = map_coordinates(
        picture.astype(np.float64), (rows - down, columns - right), order=3, mode="nearest"
    )
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("move", [(0.0, 0.0), (0.3, 0.0), (-1.25, 2.5), (9.0, -6.5)])
def test_flow_finds_a_known_shift(move):
    first = texture(144, 192)
    field = flow(first, shifted(first, *move)) / UNITS
    inner = field[16:-16, 16:-16]
    error = np.hypot(inner[..., 0] - move[0], inner[..., 1] - move[1])
    assert error.mean() < 0.15


def test_equal_frames_do_not_move():
    picture = np.random.default_rng(1).integers(0, 256, (64, 64)).astype(np.uint8)
    assert not flow(picture, picture.copy()).any()


def test_a_flow_does_not_depend_on_those_before():
    first, second = texture(96, 128), texture(96, 128, 1)
    before = flow(first, second)
    for side in (16, 20, 24, 40, 300):
        flow(texture(side, side), texture(side, side, 1))
        assert np.array_equal(flow(first, second), before), side


@settings(max_examples=30)
@given(
    height=st.integers(1, 40).map(lambda n: 2 * n),
    width=st.integers(1, 40).map(lambda n: 2 * n),
    seed=st.integers(0, 9),
)
def test_any_size(height, width, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 256, (2, height, width)).astype(np.uint8)
    field = flow(first, second)
    assert field.shape == (height // 2, width // 2, 2)
    assert field.dtype == np.int16


def smooth_field(height: int, width: int, seed: int, size: float = 3.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width, 2))
    field = cv2.GaussianBlur(noise, (0, 0), 8.0) * 20 * size * UNITS
    return np.rint(field).astype(np.int16)


def test_a_chain_is_the_sum_along_the_way():
    steps = [smooth_field(40, 60, seed) for seed in range(3)]
    chain = displacements(steps)
    rows, columns = np.mgrid[:40, :60].astype(np.float64)
    total = np.zeros((40, 60, 2))
    for step, found in zip(steps, chain, strict=True):
        points = (rows + total[..., 1] / 2, columns + total[..., 0] / 2)
        total += np.stack(
            [
                map_coordinates(step[..., i] / UNITS, points, order=1, mode="nearest")
                for i in (0, 1)
            ],
            axis=2,
        )
        # OpenCV samples at 1/32 of a sample.
        assert np.abs(found - total).max() < 0.1


def test_a_repeated_frame_does_not_move_on():
    step = smooth_field(20, 20, 0)
    assert displacements([None, None]) == [None, None]
    first, second, third = displacements([step, None, step])
    assert second is first
    assert np.array_equal(third, displacements([step, step])[1])


@pytest.mark.parametrize("box", [Box(0, 0, 40, 60), Box(10, 24, 16, 20), Box(48, 76, 32, 44)])
def test_a_part_is_a_part_of_the_whole(box):
    steps = [smooth_field(40, 60, seed) for seed in range(2)]
    y, u = texture(80, 120), texture(40, 60, 1)
    for whole, part in zip(displacements(steps), displacements(steps, box), strict=True):
        rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
        half = tuple(slice(s.start // 2, s.stop // 2) for s in (rows, columns))
        assert np.array_equal(part, whole[half])
        (chroma,), (wanted,) = (s.chroma([u]) for s in (Sampling(part, box), Sampling(whole)))
        assert np.array_equal(chroma, wanted[half])
        luma, wanted = Sampling(part, box).luma(y), Sampling(whole).luma(y)[rows, columns]
        # The flow of the pixels next to the edge of the part is extrapolated.
        assert np.array_equal(luma[1:-1, 1:-1], wanted[1:-1, 1:-1])


def cubic(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Keys' bicubic interpolation with a = -0.75 and repeated edges."""

    def kernel(x: np.ndarray) -> np.ndarray:
        x, a = np.abs(x), -0.75
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    total = np.zeros(rows.shape)
    for i in range(-1, 3):
        for j in range(-1, 3):
            samples = plane[
                np.clip(top + i, 0, plane.shape[0] - 1), np.clip(left + j, 0, plane.shape[1] - 1)
            ]
            total += kernel(rows - top - i) * kernel(columns - left - j) * samples
    return total


def bilinear(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return map_coordinates(plane, (rows, columns), order=1, mode="nearest")


@pytest.mark.parametrize(("kernel", "reference"), [("bicubic", cubic), ("bilinear", bilinear)])
def test_planes_are_sampled_by_a_kernel(kernel, reference):
    moved = displacements([smooth_field(32, 48, 3)])[0]
    sampling = Sampling(moved, kernel=kernel)
    y, u = texture(64, 96).astype(np.float32) / 255, texture(32, 48, 1).astype(np.float32) / 255
    rows, columns = np.mgrid[:64, :96].astype(np.float64)
    full = cv2.resize(moved, (96, 64), interpolation=cv2.INTER_LINEAR)
    wanted = reference(y, rows + full[..., 1], columns + full[..., 0])
    assert np.abs(sampling.luma(y) - wanted).max() < 0.01
    rows, columns = np.mgrid[:32, :48].astype(np.float64)
    wanted = reference(u, rows + moved[..., 1] / 2, columns + moved[..., 0] / 2)
    assert np.abs(sampling.chroma([u])[0] - wanted).max() < 0.01


def test_stripes_are_rows_of_the_whole():
    sampling, y = Sampling(smooth_field(32, 48, 3).astype(np.float32) / UNITS), texture(64, 96)
    stripes = [slice(0, 8), slice(24, 32), slice(56, 64)]
    wanted = np.concatenate([sampling.luma(y)[stripe] for stripe in stripes])
    assert np.array_equal(sampling.stripes(y, stripes), wanted)


def test_a_window_holds_the_same_content_in_every_frame():
    frames = [texture(96, 160)]
    for _ in range(6):
        frames.append(shifted(frames[0], 2.5 * len(frames), -1.0 * len(frames)))
    steps = [Step(flow(a, b), flow(b, a)) for a, b in pairwise(frames)]
    y = np.stack(frames).astype(np.float32) / 255
    uv = np.stack((y[:, ::2, ::2], y[:, ::2, ::2]), axis=1)
    offsets = (-2, -1, 0, 1, 2, 3)
    out_y, out_uv = np.empty((6, 96, 160), np.float32), np.empty((12, 48, 80), np.float32)
    for job in reversed(alignment(y, uv, steps, 2, offsets, "bicubic", out_y, out_uv)):
        job()
    assert np.array_equal(out_y[2], y[2])
    assert np.array_equal(out_uv[4:6], uv[2])
    inner = (slice(None), slice(16, -16), slice(24, -24))
    before = np.abs(y[[0, 1, 3, 4, 5]] - y[2])[inner].mean()
    after = np.abs(out_y[[0, 1, 3, 4, 5]] - y[2])[inner].mean()
    assert after < 0.1 * before
    chroma = np.abs(out_uv[::2] - uv[2, 0])[:, 8:-8, 12:-12].mean()
    assert chroma < 0.2 * before
