"""The motion between two pictures: known ones, and none."""

import itertools
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.camera import distance, seen, similar, wall

from vsvqe.motion.estimate import MODELS, Motion, MotionSettings, estimate
from vsvqe.motion.flow import FLOWS

WIDTH, HEIGHT = 640, 360
ASPECT = WIDTH / HEIGHT
DEFAULT = MotionSettings()


def view(matrix: np.ndarray | None = None, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return seen(wall(), width, height, np.eye(3) if matrix is None else matrix)


def noisy(picture: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@settings(max_examples=15)
@given(
    st.floats(-0.12, 0.12, allow_subnormal=False),
    st.floats(-0.12, 0.12, allow_subnormal=False),
    st.floats(-0.05, 0.05, allow_subnormal=False),
    st.floats(0.96, 1.04, allow_subnormal=False),
)
def test_similarities_are_found(dx, dy, rotation, scale):
    truth = similar(dx, dy, rotation, scale)
    found = estimate(view(), view(truth), DEFAULT)
    assert distance(found.matrix, truth, ASPECT, HEIGHT) < 0.1
    assert found.confidence == 1.0


@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_finds_the_motion(flow):
    truth = similar(0.02, -0.03, 0.01, 1.01)
    found = estimate(view(), view(truth), MotionSettings(flow=flow))
    assert distance(found.matrix, truth, ASPECT, HEIGHT) < 0.15
    assert found.confidence == 1.0


def test_models_can_say_what_their_names_mean():
    shear = np.array([[1.01, 0.01, 0.01], [0, 0.99, 0], [0, 0, 1]])
    errors = [
        distance(estimate(view(), view(shear), MotionSettings(model=m)).matrix, shear, ASPECT, 360)
        for m in MODELS
    ]
    assert errors[0] > errors[1] > 1.0
    assert max(errors[2:]) < 0.1


def test_perspective_is_found():
    tilt = np.array([[1, 0, 0.01], [0, 1, 0], [0.02, -0.01, 1]])
    scene = wall()
    margin = ((scene.shape[1] - WIDTH) // 2, (scene.shape[0] - HEIGHT) // 2)
    pixels = np.array([[HEIGHT, 0, (WIDTH - 1) / 2], [0, HEIGHT, (HEIGHT - 1) / 2], [0, 0, 1]])
    shift = np.array([[1, 0, -margin[0]], [0, 1, -margin[1]], [0, 0, 1]])
    inner = pixels @ tilt @ np.linalg.inv(pixels) @ shift
    moved = cv2.warpPerspective(scene, inner, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    still = scene[margin[1] : margin[1] + HEIGHT, margin[0] : margin[0] + WIDTH]
    found = estimate(still, moved, DEFAULT)
    assert distance(found.matrix, tilt, ASPECT, HEIGHT) < 0.15
    simple = estimate(still, moved, MotionSettings(model="similarity"))
    assert distance(simple.matrix, tilt, ASPECT, HEIGHT) > 0.5


def test_simpler_models_are_taken_where_they_do():
    """A similarity is not given shear or perspective, which only the noise would have put there."""
    truth = similar(0.02, -0.03, 0.01, 1.01)
    matrix = estimate(view(), noisy(view(truth), 3, 1), DEFAULT).matrix
    assert matrix[2, :2].tolist() == [0.0, 0.0]
    assert matrix[0, 0] == matrix[1, 1] and matrix[0, 1] == -matrix[1, 0]


@pytest.mark.parametrize("deviation", [1, 4, 12])
def test_noise_is_no_motion(deviation):
    for seed in range(6):
        pair = [noisy(view(), deviation, 2 * seed + i) for i in range(2)]
        found = estimate(*pair, DEFAULT)
        assert np.array_equal(found.matrix, np.eye(3))
        assert found.confidence > 0.9


def test_equal_pictures_have_not_moved():
    found = estimate(view(), view().copy(), DEFAULT)
    assert np.array_equal(found.matrix, np.eye(3))
    assert found.confidence == 1.0


def test_what_moves_by_itself_is_left_out():
    truth = similar(0.01, 0.005, 0.004, 1.0)
    before, after = view(), view(truth)
    other = wall(seed=9)
    before[80:300, 180:420] = other[80:300, 180:420]
    after[72:292, 198:438] = other[80:300, 180:420]
    found = estimate(before, after, DEFAULT)
    assert distance(found.matrix, truth, ASPECT, HEIGHT) < 0.15


@pytest.mark.parametrize(
    ("flow", "shift", "left", "share"),
    [
        *itertools.product(["lk"], [4, 7], [0, 120, 400], [0.15, 0.3]),
        *itertools.product(["dis", "farneback"], [4], [0, 400], [0.3]),
    ],
)
def test_somebody_who_walks_through_does_not_turn_the_scene(flow, shift, left, share):
    """Nothing between the motion of the scene and theirs is taken, however near they are."""
    width = int(share * WIDTH)
    for truth in (np.eye(3), similar(0.012, -0.006, 0.002, 1.0)):
        before, after = view(), view(truth)
        other = wall(seed=9)[:HEIGHT, :width]
        # They stay where they are in the picture but for a few pixels.
        before[36:, left : left + width] = other[36:]
        after[36:, left + shift : left + shift + width] = other[36:, : WIDTH - left - shift]
        found = estimate(before, after, MotionSettings(flow=flow))
        assert distance(found.matrix, truth, ASPECT, HEIGHT) < 0.2
        if np.array_equal(truth, np.eye(3)):
            assert np.array_equal(found.matrix, truth)


@pytest.mark.parametrize("level", [20, 128])
@pytest.mark.parametrize("deviation", [2, 8, 12])
@pytest.mark.parametrize("size", [(360, 540), (360, 640), (240, 320)])
def test_the_noise_of_a_sensor_has_no_motion(level, deviation, size):
    rng = np.random.default_rng(6)
    flat = np.full((size[0] * 4 // 3, size[1] * 4 // 3), level, np.uint8)
    for _ in range(6):
        # As the working size has it: smoothed by being made smaller.
        pair = [
            cv2.resize(
                np.clip(np.rint(flat + rng.normal(0, deviation, flat.shape)), 0, 255).astype(
                    np.uint8
                ),
                size[::-1],
                interpolation=cv2.INTER_LINEAR,
            )
            for _ in range(2)
        ]
        found = estimate(*pair, DEFAULT)
        assert np.array_equal(found.matrix, np.eye(3))
        assert found.confidence < 0.2


PAIRS = "grey-black black-noise noise-noise2 wall-noise noise-wall wall-black black-wall wall-other"


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("pair", [*PAIRS.split(), "ramp-ramp2"])
def test_without_anything_to_go_by_it_does_not_jump(pair, flow):
    before, after = pair.split("-")
    rng = np.random.default_rng(4)
    shape = (HEIGHT, WIDTH)
    ramp = np.tile(np.linspace(30, 220, WIDTH), (HEIGHT, 1))
    pictures = {
        "grey": np.full(shape, 125, np.uint8),
        "black": np.full(shape, 16, np.uint8),
        "noise": rng.integers(0, 256, shape, np.uint8),
        "noise2": rng.integers(0, 256, shape, np.uint8),
        "wall": view(),
        "other": seen(wall(seed=9), WIDTH, HEIGHT, np.eye(3)),
        "ramp": ramp.astype(np.uint8),
        "ramp2": (ramp + 6).astype(np.uint8),
    }
    found = estimate(pictures[before], pictures[after], MotionSettings(flow=flow))
    assert found.confidence < 0.3
    assert distance(found.matrix, np.eye(3), ASPECT, HEIGHT) < 1.0


@pytest.mark.parametrize("size", [(48, 64), (96, 128), (180, 320)])
def test_noise_of_any_size_has_no_motion(size):
    rng = np.random.default_rng(5)
    for _ in range(20):
        found = estimate(*rng.integers(0, 256, (2, *size), np.uint8), DEFAULT)
        assert np.array_equal(found.matrix, np.eye(3))
        assert found.confidence < 0.2


@pytest.mark.parametrize("height", [48, 96, 180])
def test_small_pictures_are_followed(height):
    truth = similar(0.02, -0.03, 0.01, 1.01)
    width = height * 16 // 9
    found = estimate(view(None, width, height), view(truth, width, height), DEFAULT)
    assert distance(found.matrix, truth, ASPECT, height) < 0.15
    assert found.confidence > 0.9


@settings(max_examples=10)
@given(
    st.floats(-0.9, 0.9, allow_subnormal=False),
    st.floats(-0.6, 0.6, allow_subnormal=False),
    st.floats(-0.6, 0.6, allow_subnormal=False),
    st.floats(0.6, 1.7, allow_subnormal=False),
)
def test_huge_jumps_are_found_or_doubted(dx, dy, rotation, scale):
    truth = similar(dx, dy, rotation, scale)
    found = estimate(view(), view(truth), DEFAULT)
    if found.confidence > 0.5:
        assert distance(found.matrix, truth, ASPECT, HEIGHT) < 1.0
    if found.confidence < 0.2:
        assert np.array_equal(found.matrix, np.eye(3))


@pytest.mark.parametrize(("gain", "offset"), [(1, 25), (1, -25), (1.3, 0), (0.7, 0)])
def test_a_change_of_light_is_no_motion(gain, offset):
    truth = similar(0.02, -0.03, 0.01, 1.01)
    for matrix in (np.eye(3), truth):
        lit = np.clip((view(matrix) - 125.0) * gain + 125 + offset, 0, 255).astype(np.uint8)
        found = estimate(view(), lit, DEFAULT)
        assert distance(found.matrix, matrix, ASPECT, HEIGHT) < 0.15
        assert found.confidence > 0.9


@settings(max_examples=40)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 3), st.sampled_from(FLOWS))
def test_small_pictures_do_no_harm(width, height, shift, flow):
    scene = wall()[100:, 100:]
    before = scene[:height, :width]
    after = scene[shift : height + shift, shift : width + shift]
    found = estimate(before, after, MotionSettings(flow=flow))
    assert np.isfinite(found.matrix).all()
    assert 0 <= found.confidence <= 1


def test_results_depend_on_the_pictures_only():
    truth = similar(0.02, -0.03, 0.01, 1.01)
    pairs = [(view(), noisy(view(truth), n, n)) for n in (2, 8)]
    alone = [estimate(*pair, DEFAULT) for pair in pairs]
    results: list[tuple[int, Motion]] = []

    def work(seed: int) -> None:
        for n in (1, 0) if seed % 2 else (0, 1):
            cv2.setRNGSeed(seed)
            results.append((n, estimate(*pairs[n], DEFAULT)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for n, found in results:
        assert found.matrix.tobytes() == alone[n].matrix.tobytes()
        assert found.confidence == alone[n].confidence


def test_planes_as_frames_hold_them():
    """Rows with a gap behind them, and not to be written to."""
    wide = np.zeros((2, HEIGHT, WIDTH + 32), np.uint8)
    wide[0, :, :WIDTH], wide[1, :, :WIDTH] = view(), view(similar(0.02, 0.01, 0, 1))
    wide.flags.writeable = False
    before = wide.copy()
    found = estimate(wide[0, :, :WIDTH], wide[1, :, :WIDTH], DEFAULT)
    plain = estimate(wide[0, :, :WIDTH].copy(), wide[1, :, :WIDTH].copy(), DEFAULT)
    assert np.array_equal(found.matrix, plain.matrix)
    assert np.array_equal(wide, before)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)),
        (np.zeros((8, 8), np.uint16), np.zeros((8, 8), np.uint16)),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)),
    ],
)
def test_other_arrays_are_refused(first, second):
    with pytest.raises(ValueError, match="8-bit H x W"):
        estimate(first, second, DEFAULT)


def test_names_are_checked():
    with pytest.raises(ValueError, match="lk, dis, farneback"):
        MotionSettings(flow="brox")
    with pytest.raises(ValueError, match="translation, similarity"):
        MotionSettings(model="dense")
