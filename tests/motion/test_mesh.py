"""Meshes: against SciPy's interpolation, displacements that are known, and pictures that bend."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import map_coordinates
from support.camera import similar, wall

from vsvqe.motion import mesh
from vsvqe.motion.borders import Layer, Layout, filled, invented, warped, zoom_needed
from vsvqe.motion.estimate import Motion, MotionSettings, estimate
from vsvqe.motion.mesh import COLUMNS, ROWS, bilinear, moved
from vsvqe.motion.path import PathSettings, bend
from vsvqe.motion.transform import compose
from vsvqe.motion.warp import Siting

WIDTH, HEIGHT = 640, 360
ASPECT = WIDTH / HEIGHT

floats = partial(st.floats, allow_subnormal=False)


def random_mesh(seed: int, scale: float = 0.01) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (ROWS, COLUMNS, 2))


def interpolated(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    axes = (np.linspace(-0.5, 0.5, ROWS), np.linspace(-0.5, 0.5, COLUMNS) * ASPECT)
    return RegularGridInterpolator(axes, values)(places[:, ::-1])


@settings(max_examples=20)
@given(st.integers(0, 99), st.lists(st.tuples(floats(-0.5, 0.5), floats(-0.5, 0.5)), min_size=1))
def test_between_its_vertices_a_mesh_is_bilinear(seed, parts):
    places = np.array(parts) * (ASPECT, 1)
    values = random_mesh(seed)
    found = bilinear(places, ASPECT) @ values.reshape(-1, 2)
    assert found == pytest.approx(interpolated(values, places), abs=1e-9)


def test_enlarged_is_seen_from_nearer():
    values = random_mesh(1)
    places = mesh.vertices(ASPECT).reshape(-1, 2)
    found = mesh.enlarged(values, 1.25).reshape(-1, 2)
    assert found == pytest.approx(interpolated(values, places / 1.25), abs=1e-9)


def test_a_smooth_field_is_fitted_and_outliers_are_not_followed_far():
    rng = np.random.default_rng(2)
    places = rng.uniform(-0.5, 0.5, (300, 2)) * (ASPECT, 1)
    wanted = 0.01 * np.stack([places[:, 1] ** 2, places[:, 0] * places[:, 1]], axis=1)
    basis = bilinear(places, ASPECT)
    values = mesh.fitted(basis, wanted, np.ones(300))
    assert np.abs(basis @ values.reshape(-1, 2) - wanted).max() < 0.0015
    assert 8 < mesh.freedom(basis, np.ones(300)) < 2 * ROWS * COLUMNS


def test_numbers_that_are_no_mesh_are_refused():
    values = random_mesh(3)
    assert np.array_equal(mesh.from_numbers(values.ravel().tolist()), values)
    for wrong in ([1.0], [float("nan")] * values.size):
        with pytest.raises(ValueError, match="70 finite numbers"):
            mesh.from_numbers(wrong)


# Estimated


def bent_view(field, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures: the second moved by a matrix, then displaced by a field of small slope."""
    scene = wall().astype(float)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    x, y = (columns - (WIDTH - 1) / 2) / HEIGHT, (rows - (HEIGHT - 1) / 2) / HEIGHT
    middle = [(side - 1) / 2 for side in scene.shape]
    # What is at q came from p with q = matrix(p) + field(p); to first order p is matrix^-1 of q.
    back = np.linalg.inv(matrix)
    places = np.stack([x, y, np.ones_like(x)], axis=-1)
    first = (places @ back.T)[..., :2]
    shifted = np.stack([x, y], axis=-1) - field(first)
    for _ in range(3):
        p = (np.concatenate([shifted, np.ones((*x.shape, 1))], axis=-1) @ back.T)[..., :2]
        shifted = np.stack([x, y], axis=-1) - field(p)
    pictures = []
    for source in (np.stack([x, y], axis=-1), p):
        at = [source[..., 1] * HEIGHT + middle[0], source[..., 0] * HEIGHT + middle[1]]
        picture = map_coordinates(scene, at, order=3, mode="mirror")
        pictures.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return pictures[0], pictures[1]


def error(found: Motion, field, matrix: np.ndarray) -> float:
    """Mean distance from where points are, in pixels."""
    x, y = np.meshgrid(np.linspace(-0.45, 0.45, 9) * ASPECT, np.linspace(-0.45, 0.45, 7))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    truth = (np.column_stack([points, np.ones(len(points))]) @ matrix.T)[:, :2] + field(points)
    there = moved(found.matrix, found.mesh, points, ASPECT)
    return float(np.linalg.norm(there - truth, axis=1).mean() * HEIGHT)


def rows_in_motion(points: np.ndarray) -> np.ndarray:
    """Every row is turned further than the one above, as a rolling shutter sees a turn begin."""
    x, y = points[..., 0], points[..., 1]
    return 0.015 * np.stack([-y * y, x * y], axis=-1)


def near_and_far(points: np.ndarray) -> np.ndarray:
    """The lower half is nearer, and moves farther."""
    y = points[..., 1]
    return np.stack([0.012 * np.clip(y, 0, None) * 2, np.zeros_like(y)], axis=-1)


def test_rows_in_motion_are_found():
    truth = similar(0.01, -0.02, 0.004, 1.0)
    pair = bent_view(rows_in_motion, truth)
    plain = error(estimate(*pair, MotionSettings(model="affine")), rows_in_motion, truth)
    rolling = estimate(*pair, MotionSettings(model="rolling"))
    assert rolling.mesh is not None
    assert error(rolling, rows_in_motion, truth) < 0.1 < 0.25 * plain


def test_parallax_is_found_by_a_mesh():
    truth = similar(0.01, 0.0, 0.0, 1.0)
    pair = bent_view(near_and_far, truth)
    plain = error(estimate(*pair, MotionSettings()), near_and_far, truth)
    found = estimate(*pair, MotionSettings(model="mesh"))
    assert found.mesh is not None
    assert error(found, near_and_far, truth) < 0.5 * plain


@pytest.mark.parametrize("model", ["rolling", "mesh"])
def test_where_a_matrix_says_all_there_is_no_mesh(model):
    truth = similar(0.02, -0.03, 0.01, 1.01)

    def nothing(points: np.ndarray) -> np.ndarray:
        return np.zeros_like(points)

    found = estimate(*bent_view(nothing, truth), MotionSettings(model=model))
    assert found.mesh is None
    assert error(found, nothing, truth) < 0.1


@pytest.mark.parametrize("model", ["rolling", "mesh"])
def test_noise_has_no_mesh(model):
    rng = np.random.default_rng(5)
    for _ in range(3):
        found = estimate(
            *rng.integers(0, 256, (2, 180, 320), np.uint8), MotionSettings(model=model)
        )
        assert found.mesh is None
        assert np.array_equal(found.matrix, np.eye(3))


# Smoothed


def test_a_bend_takes_back_what_shakes_and_leaves_what_stays():
    rng = np.random.default_rng(4)
    shake = rng.normal(0, 0.004, (60, ROWS, COLUMNS, 2))
    steps = np.diff(shake, axis=0)
    path = PathSettings(smoothing=10)
    motions = [Motion(np.eye(3), 1.0, -step) for step in steps]
    left = []
    for n in range(20, 40):
        found = bend(motions[n - 20 : n + 20], 20, path)
        assert found is not None
        left.append(shake[n] + found)
    assert np.diff(left, axis=0).std() < 0.2 * np.diff(shake[20:40], axis=0).std()
    # One that grows evenly is the scene's own.
    even = [Motion(np.eye(3), 1.0, np.full((ROWS, COLUMNS, 2), 0.001))] * 50
    assert bend(even, 25, path) is None
    assert bend([Motion(np.eye(3), 1.0)] * 50, 25, path) is None


def test_a_bend_is_bounded():
    huge = [Motion(np.eye(3), 1.0, np.full((ROWS, COLUMNS, 2), (-1.0) ** n)) for n in range(40)]
    found = bend(huge, 20, PathSettings(smoothing=10))
    assert found is not None
    assert np.abs(found).max() <= 0.04


# Warped

GREY = Layout(width=160, height=96, sitings=(Siting(),), blacks=(0.0,), peak=255)
CHROMA = Siting(2, 2, 0.0, 0.5)


@settings(max_examples=4)
@given(st.integers(0, 99), st.sampled_from([Siting(), CHROMA]))
def test_planes_are_sampled_where_matrix_and_mesh_say(seed, siting):
    layout = Layout(width=160, height=96, sitings=(siting,), blacks=(0.0,), peak=np.inf)
    shape = 96 // siting.step_y, 160 // siting.step_x
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    x = siting.step_x * columns + siting.offset_x
    y = siting.step_y * rows + siting.offset_y
    # Planes that tell their own luma positions. The kernel keeps slopes up to a 20th of a sample.
    correction, off = compose(0.02, -0.03, 0.02, 0.01), random_mesh(seed, 0.004)
    centred = np.stack([(x - 79.5) / 96, (y - 47.5) / 96], axis=-1).reshape(-1, 2)
    aspect = 160 / 96
    axes = (np.linspace(-0.5, 0.5, ROWS), np.linspace(-0.5, 0.5, COLUMNS) * aspect)
    inside = np.clip(centred, (-aspect / 2, -0.5), (aspect / 2, 0.5))
    bent = RegularGridInterpolator(axes, off)(inside[:, ::-1])
    there = (np.column_stack([centred, np.ones(len(centred))]) @ correction.T)[:, :2] + bent
    for plane, axis, middle in ((x, 0, 79.5), (y, 1, 47.5)):
        out = np.empty(shape, np.float32)
        warped(Layer([plane.astype(np.float32)], correction, off), layout, [out], "mirror")
        wanted = (there[:, axis] * 96 + middle).reshape(shape)
        cut = slice(12 // siting.step_y, -12 // siting.step_y)
        assert np.abs(out - wanted)[cut, cut].max() < 0.06 * siting.step_x


@settings(max_examples=10)
@given(st.integers(0, 99))
def test_what_a_bend_reaches_beyond_the_edge_is_filled_and_marked(seed):
    off = random_mesh(seed, 0.02)
    white = [np.full((96, 160), 255, np.uint8)]
    out = [np.empty((96, 160), np.uint8)]
    warped(Layer(white, np.eye(3), off), GREY, out, "black")
    mask = np.empty((96, 160), np.bool_)
    invented(np.eye(3), GREY, mask, off)
    assert mask[out[0] < 200].all()
    assert mask.mean() < 0.5
    # Enlarged as much as is said to be needed, nothing from beyond the edge is seen.
    zoom = zoom_needed(np.eye(3), 160 / 96, bend=off)
    near = Layer(white, compose(log_scale=-np.log(zoom)), mesh.enlarged(off, zoom))
    warped(near, GREY, out, "black")
    assert out[0].min() > 100


def test_a_bend_that_is_the_same_everywhere_is_a_shift():
    rng = np.random.default_rng(1)
    own, lent = rng.integers(0, 255, (2, 96, 160)).astype(np.uint8)
    shift = np.full((ROWS, COLUMNS, 2), 0.05)
    pictures = []
    for dx, dy, off in ((0.1, -0.1, shift), (0.15, -0.05, None)):
        layers = [Layer([own], compose(dx, dy), off), Layer([lent], compose(dx - 0.2, dy), off)]
        pictures.append([np.empty((96, 160), np.uint8)])
        filled(layers[0], layers[1:], GREY, pictures[-1])
    assert np.abs(pictures[0][0].astype(int) - pictures[1][0]).max() <= 1
