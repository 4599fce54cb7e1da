"""Compiled resampling, beside OpenCV and exact arithmetic."""

import ctypes
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vsvqe.motion.borders import Layer, Layout, filled
from vsvqe.motion.transform import compose
from vsvqe.motion.warp import Grid, Region, Siting, for_plane, sample, sample_region
from vsvqe.native import clamp, library, resample, variants

WIDTH, HEIGHT = 101, 67
PEAKS = {np.uint8: 255.0, np.uint16: 1023.0, np.float32: 1.0}

fixtures = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
corrections = st.builds(
    compose,
    *[st.floats(-0.4, 0.4, allow_subnormal=False)] * 2,
    # Far beyond what is sampled sixteen at a time, too.
    st.floats(-3.2, 3.2, allow_subnormal=False),
    st.floats(-0.7, 0.7, allow_subnormal=False),
)
# What is mirrored more than once, OpenCV gets wrong.
gentle = st.builds(
    compose,
    *[st.floats(-0.2, 0.2, allow_subnormal=False)] * 4,
)


def picture(dtype: type, seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Waves, in rows that lie apart."""
    x, y = np.arange(width), np.arange(height)[:, None]
    waves = np.sin(x / 3 + seed) * np.cos(y / 4) + np.sin((x - 2 * y) / 7)
    samples = np.zeros((height, width + 5), dtype)[:, :width]
    samples[...] = (waves / 5 + 0.5) * PEAKS[dtype]
    return samples


def exact(plane: np.ndarray, x: np.ndarray, y: np.ndarray, edge: str, black: float) -> np.ndarray:
    """Sixteen taps of the kernel of Keys, in double precision; positions up to 500 beyond."""
    mode = {"mirror": "symmetric", "replicate": "edge", "wrap": "wrap", "black": "constant"}[edge]
    beyond = {"constant_values": -1} if edge == "black" else {}
    rows, columns = (np.pad(np.arange(side), 502, mode, **beyond) for side in plane.shape)
    total = np.zeros(x.shape)
    for row in range(-1, 3):
        for column in range(-1, 3):
            weight = 1.0
            for position, tap in ((x, column), (y, row)):
                d = np.abs(position - np.floor(position) - tap)
                near, far = (1.25 * d - 2.25) * d * d + 1, ((-0.75 * d + 3.75) * d - 6) * d + 3
                weight = weight * np.where(d <= 1, near, far)
            i = columns[np.floor(x).astype(int) + column + 502]
            j = rows[np.floor(y).astype(int) + row + 502]
            total += weight * np.where((i < 0) | (j < 0), black, plane.astype(float)[j, i])
    return total


@fixtures
@given(
    corrections,
    st.floats(-0.3, 0.3, allow_subnormal=False),
    st.sampled_from([*PEAKS]),
    st.sampled_from([*resample.EDGES]),
)
def test_planes_are_moved_exactly(motion, tilt, dtype, edge):
    motion = motion + np.array([[0, 0, 0], [0, 0, 0], [tilt, 0, 0]])
    matrix = for_plane(motion, WIDTH, HEIGHT, Siting())
    places = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT), [1]), axis=-1) @ matrix.T
    x, y, z = np.moveaxis(places[:, :, 0], -1, 0)
    assume((z > 0.1).all() and max(np.abs(x / z).max(), np.abs(y / z).max()) < 480)
    plane, peak = picture(dtype), PEAKS[dtype]
    black, out = 16.0 if peak > 1 else 0.1, np.empty_like(plane)
    arguments = {"edge": edge, "black": black, "peak": peak}
    sample_region(plane, matrix, Region.of(plane), out, **arguments)
    wanted = exact(plane, x / z, y / z, edge, black)
    if peak > 1:
        wanted = np.clip(wanted, 0, peak)
    # Positions are single precision, of which much is seen where the frame wraps or black begins.
    assert np.abs(out - wanted).max() < (0.55 if peak > 1 else 2e-3)


@fixtures
@given(st.data(), st.sampled_from([*PEAKS]), st.sampled_from([*resample.EDGES]))
def test_scattered_places_are_exact(data, dtype, edge):
    width = data.draw(st.integers(1, 40))
    places = st.floats(-300, 400, width=32, allow_subnormal=False)
    wild = np.array(data.draw(st.lists(places, min_size=2 * width, max_size=2 * width)))
    smooth = np.stack([np.arange(width) * 1.02 + wild[0] / 4, np.full(width, wild[1] / 4)])
    plane, peak = picture(dtype), PEAKS[dtype]
    for positions in (wild.reshape(2, 1, width), smooth[:, None]):
        x, y = positions.astype(np.float32)
        out = np.empty((1, width), dtype)
        black = 16.0 if peak > 1 else 0.1
        sample(plane, Grid(x, y), out, edge=edge, black=black, peak=peak)
        wanted = exact(plane, x.astype(float), y.astype(float), edge, black)
        if peak > 1:
            wanted = np.clip(wanted, 0, peak)
        assert np.abs(out - wanted).max() < (0.51 if peak > 1 else 1e-4)


@pytest.mark.parametrize("edge", resample.EDGES)
@pytest.mark.parametrize("dtype", PEAKS)
def test_positions_that_are_none_are_somewhere_beyond(dtype, edge):
    odd = np.array([[np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -7.5]], np.float32)
    plane, out = picture(dtype), np.empty((1, odd.size), dtype)
    for positions in (Grid(odd, odd[:, ::-1].copy()), Grid(odd, np.zeros_like(odd))):
        sample(plane, positions, out, edge=edge, peak=PEAKS[dtype])
        assert np.isfinite(out.astype(float)).all()
    # Among others that lie together.
    smooth = np.arange(16, dtype=np.float32)[None] + np.float32(3.5)
    out = np.empty((1, 16), dtype)
    for k in range(16):
        places = smooth.copy()
        places[0, k] = np.nan
        sample(plane, Grid(places, smooth), out, edge=edge, peak=PEAKS[dtype])
        assert np.isfinite(out.astype(float)).all()
    # Of a homography: the horizon goes through the picture, or nothing is anywhere.
    for last in ([-0.1, 0.01, 1.0], [0.0, 0.0, 0.0], [np.nan, 0.0, 1.0]):
        matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], last])
        whole = np.empty_like(plane)
        resample.warp(plane, matrix, whole, edge=edge, black=0.0, peak=PEAKS[dtype])
        assert np.isfinite(whole.astype(float)).all()


@pytest.mark.parametrize("width", range(1, 40))
def test_no_sample_beyond_the_result_is_written(width):
    plane, wide = picture(np.uint8), np.full((HEIGHT, 64), 7, np.uint8)
    matrix = for_plane(compose(0.01, 0.02, 0.01, 0.01), WIDTH, HEIGHT, Siting())
    out = wide[1:-1, 3 : 3 + width]
    resample.warp(plane, matrix, out, edge="mirror", black=0.0, peak=255.0)
    other = np.empty_like(out)
    resample.warp(plane, matrix, other, edge="mirror", black=0.0, peak=255.0)
    np.testing.assert_array_equal(out, other)
    wide[1:-1, 3 : 3 + width] = 7
    assert (wide == 7).all()


@fixtures
@given(gentle, gentle, st.sampled_from([*PEAKS]), st.integers(1, 3))
def test_borders_are_filled_as_step_by_step(without_compiled_code, one, other, dtype, count):
    sitings = (Siting(), Siting(2, 2, 0.0, 0.5), Siting(2, 2, 0.5, 0.5))
    layout = Layout(width=96, height=64, sitings=sitings, blacks=(0.0, 0.0, 0.0), peak=PEAKS[dtype])
    sizes = [(96 // siting.step_x, 64 // siting.step_y) for siting in sitings]

    def layer(seed: int, correction: np.ndarray) -> Layer:
        return Layer([picture(dtype, seed, *size) for size in sizes], correction)

    chosen = [layer(n, np.linalg.matrix_power(other, n)) for n in range(count)]
    results = []
    for context in (nullcontext, without_compiled_code):
        with context():
            results.append([np.empty_like(plane) for plane in chosen[0].planes])
            filled(layer(7, one), chosen, layout, results[-1])
    for compiled, stepwise in zip(*results, strict=True):
        assert np.abs(compiled.astype(float) - stepwise).max() < 3 / 255 * PEAKS[dtype]


def test_every_variant_gives_the_same_picture(monkeypatch):
    plane = picture(np.uint16)
    matrix = for_plane(compose(0.03, 0.02, 0.02, 0.01), WIDTH, HEIGHT, Siting())
    results = []
    for variant in variants.variants():
        found = ctypes.CDLL(str(variants.path(variant)))
        if not found.runs_here():
            continue
        monkeypatch.setattr(library, "library", lambda found=found: found)
        library.function.cache_clear()
        results.append(np.empty_like(plane))
        resample.warp(plane, matrix, results[-1], edge="mirror", black=0.0, peak=1023.0)
    library.function.cache_clear()
    for result in results[1:]:
        assert np.abs(result.astype(int) - results[0]).max() <= 1


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, -0.5, 2.0, 0.25])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (40, 33)])
def test_clamping_sees_every_sample(odd, size):
    for at in range(size[0] * size[1]):
        samples = np.full(size, 0.5, np.float32)
        samples.flat[at] = odd
        out = np.empty_like(samples)
        assert clamp.clamp(samples, out) == np.isfinite(odd)
        if np.isfinite(odd):
            np.testing.assert_array_equal(out, np.clip(samples, 0, 1))
