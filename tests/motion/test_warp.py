"""The warp against the kernel's formula in float64, NumPy's padding and OpenCV's own warp."""

import math
from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from vsvqe.motion.transform import compose, to_pixels
from vsvqe.motion.warp import Grid, Region, Siting, for_plane, grid, moves, sample, sample_region

WIDTH, HEIGHT = 90, 60
NUMPY_EDGES = {"mirror": "symmetric", "replicate": "edge", "wrap": "wrap", "black": "constant"}

# Some libraries switch the smallest numbers off for the whole process.
floats = partial(st.floats, allow_subnormal=False)

matrices = st.builds(
    compose,
    floats(-0.1, 0.1),
    floats(-0.1, 0.1),
    floats(-0.2, 0.2),
    floats(-0.1, 0.1),
)


def keys(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """The cubic convolution kernel."""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0))


def exact(plane: np.ndarray, matrix: np.ndarray, edge: str = "mirror") -> np.ndarray:
    """Sixteen taps at exact positions, in float64."""
    height, width = plane.shape
    x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    z = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    at_x = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / z
    at_y = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / z
    pad = 2 * max(plane.shape)
    padded = np.pad(plane.astype(float), pad, mode=NUMPY_EDGES[edge])
    left, top = np.floor(at_x).astype(int), np.floor(at_y).astype(int)
    total = np.zeros(plane.shape)
    for row in range(-1, 3):
        for column in range(-1, 3):
            weight = keys(at_x - left - column) * keys(at_y - top - row)
            total += padded[top + row + pad, left + column + pad] * weight
    return total


def noise(dtype: type, peak: float = 255.0) -> np.ndarray:
    samples = np.random.default_rng(3).uniform(0, peak, (HEIGHT, WIDTH))
    return samples.astype(dtype)


def warped(plane: np.ndarray, matrix: np.ndarray, **arguments) -> np.ndarray:
    out = np.empty_like(plane)
    positions = grid(matrix, Region(0, 0, plane.shape[1], plane.shape[0]))
    sample(plane, positions, out, **arguments)
    return out


@settings(max_examples=30)
@given(matrices)
def test_float_planes_are_exact_far_below_a_code_of_8_bits(motion):
    matrix = to_pixels(motion, WIDTH, HEIGHT)
    plane = noise(np.float32)
    # Positions rounded to 1/32 pixel would be wrong by several codes in noise.
    assert np.abs(warped(plane, matrix) - exact(plane, matrix)).max() < 0.05


@settings(max_examples=20)
@given(matrices, floats(-0.05, 0.05), floats(-0.05, 0.05))
def test_perspective(motion, tilt, swing):
    motion = motion + np.array([[0, 0, 0], [0, 0, 0], [tilt, swing, 0]])
    matrix = to_pixels(motion, WIDTH, HEIGHT)
    plane = noise(np.float32)
    assert np.abs(warped(plane, matrix) - exact(plane, matrix)).max() < 0.1


@pytest.mark.parametrize("edge", NUMPY_EDGES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_every_edge_at_every_depth(edge, dtype):
    peak = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1.0)
    plane = noise(dtype, peak)
    matrix = to_pixels(compose(0.2, -0.15, 0.1, 0.02), WIDTH, HEIGHT)
    wanted = exact(plane, matrix, edge)
    if peak > 1:
        # Below one code: the rounding, and a 250th of a code of 8 bits.
        wanted, tolerance = np.clip(wanted, 0, peak), 0.51 + peak / 2**16
    else:
        tolerance = 1e-4 if dtype is np.float32 else 2e-3
    assert np.abs(warped(plane, matrix, edge=edge) - wanted).max() < tolerance


@settings(max_examples=30)
@given(
    matrices,
    floats(-0.05, 0.05),
    st.sampled_from([np.uint8, np.uint16, np.float16, np.float32]),
    st.sampled_from([*NUMPY_EDGES]),
    st.sampled_from(["bicubic", "lanczos"]),
)
def test_whole_planes_are_sampled_as_their_regions(motion, tilt, dtype, edge, kernel):
    motion = motion + np.array([[0, 0, 0], [0, 0, 0], [tilt, 0, 0]])
    matrix = to_pixels(motion, WIDTH, HEIGHT)
    plane = np.tile(np.linspace(200, 800, WIDTH), (HEIGHT, 1)) + noise(np.float32, 20)
    plane = (plane / 4 if dtype is np.uint8 else plane).astype(dtype)
    out = np.empty((HEIGHT, WIDTH + 6), dtype)[:, :WIDTH]
    arguments = {"kernel": kernel, "edge": edge, "black": 64.0, "peak": 1023}
    sample_region(plane, matrix, Region.of(plane), out, **arguments)
    difference = np.abs(out.astype(float) - warped(plane, matrix, **arguments))
    # Beyond an edge that jumps, a position's last bit may be seen.
    assert np.quantile(difference, 0.9) <= 1
    if edge in ("mirror", "replicate"):
        assert difference.max() <= 2


@settings(max_examples=20)
@given(matrices, st.integers(0, 80), st.integers(0, 50), st.sampled_from(["linear", "bicubic"]))
def test_a_region_is_that_part_of_the_whole(motion, left, top, kernel):
    matrix = to_pixels(motion, WIDTH, HEIGHT)
    plane = noise(np.float32)
    whole, region = np.empty_like(plane), Region(left, top, left + 10, top + 10)
    part = np.empty((10, 10), np.float32)
    sample_region(plane, matrix, Region.of(plane), whole, kernel=kernel)
    sample_region(plane, matrix, region, part, kernel=kernel)
    # Positions are single precision: in noise, their last bits change a sample by this much.
    assert np.abs(part - whole[region.within]).max() < 0.05


def lanczos(plane: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Eight taps each way, at exact positions, whose weights make one; mirrored beyond the edge."""
    height, width = plane.shape
    x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    places = [matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] for i in range(2)]
    starts = [np.floor(place).astype(int) for place in places]
    taps = np.arange(-3, 5).reshape(-1, 1, 1)
    weights = []
    for place, start in zip(places, starts, strict=True):
        distance = place - start - taps
        weight = np.sinc(distance) * np.sinc(distance / 4)
        weights.append(weight / weight.sum(axis=0))
    padded = np.pad(plane.astype(float), 2 * WIDTH, mode="symmetric")
    total = np.zeros(plane.shape)
    for row in range(8):
        for column in range(8):
            at = starts[1] + row - 3 + 2 * WIDTH, starts[0] + column - 3 + 2 * WIDTH
            total += padded[at] * weights[0][column] * weights[1][row]
    return total


@settings(max_examples=5)
@given(matrices)
def test_lanczos_is_nearer_to_the_exact_kernel_than_rounding_to_codes(motion):
    matrix = to_pixels(motion, WIDTH, HEIGHT)
    plane = gaussian_filter(noise(np.float32), 1.0)
    error = warped(plane, matrix, kernel="lanczos") - lanczos(plane, matrix)
    assert np.sqrt(np.mean(np.square(error))) < 1 / np.sqrt(12)


def test_codes_stay_within_the_format():
    plane = np.where(np.indices((HEIGHT, WIDTH)).sum(axis=0) % 8 < 4, 1023, 0).astype(np.uint16)
    matrix = to_pixels(compose(0.01, 0.01), WIDTH, HEIGHT)
    assert exact(plane, matrix).max() > 1040  # the kernel overshoots
    assert warped(plane, matrix, peak=1023).max() == 1023


def test_black_beyond_the_edge():
    matrix = to_pixels(compose(0.5), WIDTH, HEIGHT)
    out = warped(np.full((HEIGHT, WIDTH), 100, np.uint8), matrix, edge="black", black=16.0)
    assert (out[:, -28:] == 16).all()
    assert (out[:, :50] == 100).all()


@pytest.mark.parametrize("dx", [-7, 0, 3])
@pytest.mark.parametrize("dy", [-2, 5])
def test_whole_pixels_are_moved_bit_for_bit(dx, dy):
    plane = noise(np.uint8)
    out = warped(plane, to_pixels(compose(dx / HEIGHT, dy / HEIGHT), WIDTH, HEIGHT))
    wanted = np.pad(plane, 10, mode="symmetric")
    assert np.array_equal(out, wanted[10 + dy : 10 + dy + HEIGHT, 10 + dx : 10 + dx + WIDTH])


def test_input_may_be_read_only_and_rows_padded():
    wide = np.zeros((HEIGHT, WIDTH + 38), np.uint8)
    wide[:, :WIDTH] = noise(np.uint8)
    plane = wide[:, :WIDTH]
    plane.flags.writeable = False
    out = np.zeros((HEIGHT, WIDTH + 6), np.uint8)
    matrix = to_pixels(compose(0.03, 0.01, 0.02), WIDTH, HEIGHT)
    positions = grid(matrix, Region(0, 0, WIDTH, HEIGHT))
    sample(plane, positions, out[:, :WIDTH])
    assert np.array_equal(out[:, :WIDTH], warped(plane.copy(), matrix))
    assert not out[:, WIDTH:].any()


@given(st.integers(0, 40), st.integers(0, 30), st.integers(1, 40), st.integers(1, 30))
def test_a_region_is_a_part_of_the_whole(left, top, width, height):
    matrix = to_pixels(compose(0.02, -0.03, 0.05, 0.01), WIDTH, HEIGHT)
    matrix[2, 0] = 1e-4
    whole = grid(matrix, Region(0, 0, WIDTH, HEIGHT))
    region = Region(left, top, min(left + width, WIDTH), min(top + height, HEIGHT))
    part = grid(matrix, region)
    assert np.allclose(part.x, whole.x[region.within], atol=1e-4)
    assert np.allclose(part.y, whole.y[region.within], atol=1e-4)


# Where a chroma sample lies among the luma: left-sited is above an even column, the centre is
# between two.
@pytest.mark.parametrize(
    "siting",
    [Siting(), Siting(2, 2, 0, 0.5), Siting(2, 2, 0.5, 0.5), Siting(2, 1), Siting(4, 4, 1.5, 1.5)],
)
@settings(max_examples=10)
@given(motion=matrices)
def test_chroma_moves_with_the_luma(siting, motion):
    luma = to_pixels(motion, 320, 180)
    chroma = for_plane(motion, 320, 180, siting)
    for i, j in ((0, 0), (7, 3), (30, 20)):
        x, y = siting.step_x * i + siting.offset_x, siting.step_y * j + siting.offset_y
        wanted = luma @ (x, y, 1.0)
        u, v, w = chroma @ (i, j, 1.0)
        got = siting.step_x * u / w + siting.offset_x, siting.step_y * v / w + siting.offset_y
        assert np.allclose(got, wanted[:2] / wanted[2], atol=1e-9)


def test_as_opencv_warps():
    plane = noise(np.float32)
    matrix = to_pixels(compose(0.02, 0.01, 0.03), WIDTH, HEIGHT)
    wanted = cv2.warpPerspective(
        plane,
        matrix,
        (WIDTH, HEIGHT),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    assert np.abs(warped(plane, matrix) - wanted).max() < 0.1


def test_moves():
    assert not moves(np.eye(3), 640, 360)
    assert not moves(compose(dx=0.01 / 360), 640, 360)
    assert moves(compose(dx=0.05 / 360), 640, 360)
    assert moves(compose(rotation=math.radians(0.05)), 640, 360)


def test_grid_of_one_sample():
    assert Grid(np.zeros((1, 1)), np.zeros((1, 1))).x.shape == (1, 1)
    positions = grid(np.eye(3), Region(3, 4, 4, 5))
    assert (positions.x.item(), positions.y.item()) == (3.0, 4.0)
