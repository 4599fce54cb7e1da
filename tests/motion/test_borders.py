"""What is seen beyond the edge of a corrected frame."""

import math
from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsvqe.motion.borders import (
    FILL_RADIUS,
    Layer,
    Layout,
    filled,
    guaranteed,
    invented,
    lenders,
    warped,
    zoom_needed,
    zoomed,
)
from vsvqe.motion.transform import apply, compose, corners
from vsvqe.motion.warp import Siting

WIDTH, HEIGHT = 160, 96
ASPECT = WIDTH / HEIGHT
GREY = Layout(width=WIDTH, height=HEIGHT, sitings=(Siting(),), blacks=(0.0,), peak=255)
YUV420 = Layout(
    width=WIDTH,
    height=HEIGHT,
    sitings=(Siting(), Siting(2, 2, 0.0, 0.5), Siting(2, 2, 0.0, 0.5)),
    blacks=(16.0, 128.0, 128.0),
    peak=255,
)

# Some libraries switch the smallest numbers off for the whole process.
floats = partial(st.floats, allow_subnormal=False)

corrections = st.builds(
    compose,
    floats(-0.2, 0.2),
    floats(-0.2, 0.2),
    floats(-0.3, 0.3),
    floats(-0.2, 0.2),
)


def scene(dx: float = 0.0, dy: float = 0.0, gain: float = 0.0) -> list[np.ndarray]:
    """4:2:0 planes of a smooth scene, seen from (dx, dy) pixels away."""
    planes = []
    for siting in YUV420.sitings:
        x = np.arange(WIDTH // siting.step_x) * siting.step_x + siting.offset_x + dx
        y = np.arange(HEIGHT // siting.step_y) * siting.step_y + siting.offset_y + dy
        waves = np.sin(x / 11) * np.cos(y[:, None] / 8) + np.sin((x + y[:, None]) / 17)
        planes.append(np.rint(120 + 45 * waves + gain).astype(np.uint8))
    return planes


def blank() -> list[np.ndarray]:
    return [np.zeros_like(plane) for plane in scene()]


def test_neighbours_show_what_the_frame_has_not():
    # The frame has to move by 12 pixels; a neighbour has seen what is missing.
    own = Layer(scene(dx=-12), compose(dx=12 / HEIGHT))
    lent = Layer(scene(dx=5), compose(dx=-5 / HEIGHT))
    out = blank()
    filled(own, [lent], YUV420, out)
    for plane, wanted in zip(out, scene(), strict=True):
        assert np.abs(plane.astype(int) - wanted)[2:-2, 2:-2].max() <= 2
    # Mirrored, it is something else.
    mirrored = blank()
    warped(own, YUV420, mirrored, "mirror")
    assert np.abs(mirrored[0].astype(int) - scene()[0]).max() > 40


@pytest.mark.parametrize("gain", [-9.0, 7.0])
def test_brightness_is_matched(gain):
    own = Layer(scene(dx=-12, dy=4), compose(12 / HEIGHT, -4 / HEIGHT))
    lent = Layer(scene(dx=6, gain=gain), compose(dx=-6 / HEIGHT))
    out = blank()
    filled(own, [lent], YUV420, out)
    for plane, wanted in zip(out, scene(), strict=True):
        assert np.abs(plane.astype(int) - wanted)[4:-2, 2:-2].max() <= 3


def test_there_is_no_seam():
    # Twenty codes apart, and told so by no pixel but those at the edge: the blend is gradual.
    rng = np.random.default_rng(0)
    own = [np.full((HEIGHT, WIDTH), 100, np.uint8)]
    lent = [np.full((HEIGHT, WIDTH), 100, np.uint8)]
    lent[0][:, -40:] = 120
    out = [rng.integers(0, 255, (HEIGHT, WIDTH)).astype(np.uint8)]
    filled(Layer(own, compose(dx=12 / HEIGHT)), [Layer(lent, compose())], GREY, out)
    assert out[0][:, :100].max() == 100
    assert out[0][6:-6, -6].min() == 120
    assert np.diff(out[0].astype(int), axis=1)[6:-6, :-6].max() <= 8


def test_what_nobody_has_is_mirrored():
    own = Layer(scene(dx=-12), compose(dx=12 / HEIGHT))
    nobody = Layer(scene(dx=-14), compose(dx=14 / HEIGHT))
    out, mirrored = blank(), blank()
    filled(own, [nobody], YUV420, out)
    warped(own, YUV420, mirrored, "mirror")
    for plane, wanted in zip(out, mirrored, strict=True):
        assert np.abs(plane.astype(int) - wanted)[:, -5:].max() <= 1


@settings(max_examples=30)
@given(corrections, corrections)
def test_inside_the_frame_nothing_changes_by_filling(own_correction, other):
    own = Layer(scene(), own_correction)
    out, alone = blank(), blank()
    filled(own, [Layer(scene(gain=30), other)], YUV420, out)
    warped(own, YUV420, alone, "mirror")
    x, y = np.meshgrid(np.arange(WIDTH) - (WIDTH - 1) / 2, np.arange(HEIGHT) - (HEIGHT - 1) / 2)
    points = np.stack([x.ravel(), y.ravel()], axis=1) / HEIGHT
    deep = np.abs(apply(own_correction, points)) < np.array([ASPECT / 2, 0.5]) - 4.6 / HEIGHT
    inside = deep.all(axis=1).reshape(HEIGHT, WIDTH)
    assert np.array_equal(out[0][inside], alone[0][inside])


def test_what_was_filled_before_does_not_matter():
    # Another frame leaves what is no number, as floats, in memory that is used again.
    layout = Layout(width=WIDTH, height=HEIGHT, sitings=(Siting(),), blacks=(0.0,), peak=math.inf)
    signalling_nan = np.full((HEIGHT, WIDTH), 0x7FA0, np.uint16)

    def fill(plane: np.ndarray, shift: int) -> np.ndarray:
        out = [np.empty_like(plane)]
        lent = Layer([plane], compose(dx=-shift / HEIGHT))
        filled(Layer([plane], compose(shift / HEIGHT, 0.03)), [lent], layout, out)
        return out[0]

    picture = scene()[0].astype(np.float32)
    first = fill(picture, 12)
    for shift in range(8, 24, 2):
        fill(signalling_nan, shift)
        with np.errstate(invalid="raise", over="raise", divide="raise"):
            assert np.array_equal(fill(picture, 12), first)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_every_depth(dtype):
    scale = {np.uint8: 1, np.uint16: 256}.get(dtype, 1 / 255)
    peak = {np.uint8: 255, np.uint16: 65535}.get(dtype, math.inf)
    layout = Layout(width=WIDTH, height=HEIGHT, sitings=(Siting(),), blacks=(0.0,), peak=peak)
    own = Layer([(scene(dx=-12)[0] * float(scale)).astype(dtype)], compose(dx=12 / HEIGHT))
    lent = Layer([(scene(dx=5)[0] * float(scale)).astype(dtype)], compose(dx=-5 / HEIGHT))
    out = [np.zeros((HEIGHT, WIDTH), dtype)]
    filled(own, [lent], layout, out)
    error = np.abs(out[0].astype(float) / scale - scene()[0])
    assert error[2:-2, 2:-2].max() < 2.5


def test_nearly_all_of_a_large_frame_may_be_missing():
    width, height = 2600, 1900
    layout = Layout(width=width, height=height, sitings=(Siting(),), blacks=(0.0,), peak=255)
    own, lent = (np.full((height, width), code, np.uint8) for code in (90, 100))
    out = [np.empty_like(own)]
    filled(Layer([own], compose(dx=1.3)), [Layer([lent], compose())], layout, out)
    # Both show the same at the few points that they have in common: 90.
    assert np.abs(out[0].astype(int) - 90).max() <= 1


def test_lenders_cover_what_is_missing():
    # The frame needs its right side; only frames from 3 on have moved there.
    correction = compose(dx=0.1)
    chain = {k: compose(dx=-0.04 * k) for k in range(-FILL_RADIUS, FILL_RADIUS + 1) if k}
    chosen = lenders(correction, chain, ASPECT)
    assert chosen
    assert chosen[0] == 3
    assert lenders(np.eye(3), chain, ASPECT) == []
    assert lenders(correction, {}, ASPECT) == []


def test_lenders_that_have_nothing_are_not_asked():
    correction = compose(dx=0.1)
    assert lenders(correction, {1: np.eye(3), -1: compose(dx=0.01)}, ASPECT) == []


@settings(max_examples=60)
@given(corrections)
def test_the_zoom_is_enough_and_not_more(correction):
    needed = zoom_needed(correction, ASPECT)
    assert needed >= 1

    def reach(zoom: float) -> float:
        at = np.abs(apply(zoomed(correction, zoom), corners(ASPECT)))
        return float((at - (ASPECT / 2, 0.5)).max())

    assert reach(needed) < 1e-9
    if needed > 1 + 1e-6:
        assert reach(needed * 0.999) > 0


def test_no_zoom_helps_a_frame_that_is_gone():
    assert zoom_needed(compose(dx=2.0), ASPECT) == math.inf


@settings(max_examples=60)
@given(floats(0, 0.2), floats(0, 0.2), floats(0, 0.3), floats(1, 1.2), st.integers(0, 99))
def test_the_crop_holds_for_all_corrections_within_the_limits(dx, dy, rotation, zoom, seed):
    width, height = guaranteed(ASPECT, dx, dy, rotation, zoom)
    if min(width, height) <= 0:
        return
    rng = np.random.default_rng(seed)
    for sign in [*rng.uniform(-1, 1, (20, 4)), *rng.choice([-1.0, 1.0], (20, 4))]:
        correction = compose(*(sign * (dx, dy, rotation, math.log(zoom))))
        assert zoom_needed(correction, ASPECT, (width, height)) < 1 + 1e-9


def test_the_crop_is_no_smaller_than_need_be():
    assert guaranteed(ASPECT, 0, 0, 0, 1) == pytest.approx((1, 1))
    assert guaranteed(2.0, 0.1, 0.05, 0, 1) == pytest.approx((0.9, 0.9))
    assert guaranteed(ASPECT, 0, 0, 0, 1.25) == pytest.approx((0.8, 0.8))


@settings(max_examples=20)
@given(corrections)
def test_the_mask_is_what_black_borders_show(correction):
    white = [np.full((HEIGHT, WIDTH), 255, np.uint8)]
    out = [np.empty((HEIGHT, WIDTH), np.uint8)]
    warped(Layer(white, correction), GREY, out, "black")
    mask = np.empty((HEIGHT, WIDTH), np.bool_)
    invented(correction, GREY, mask)
    # What is a part of a pixel beyond the edge counts; the kernel has two pixels to either side.
    assert not (~mask & (out[0] < 200)).any()
    inner = cv2.erode((~mask).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert (out[0][inner] >= 254).all()
    outer = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=1) > 0
    assert (out[0][outer] <= 1).all()


@settings(max_examples=20)
@given(corrections, st.integers(0, 99))
def test_the_mask_of_a_fill_is_what_depends_on_others(correction, seed):
    """Whatever changes with the neighbour is marked."""
    rng = np.random.default_rng(seed)
    own = [rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)]
    results = []
    for level in (0, 255):
        neighbour = [np.full((HEIGHT, WIDTH), level, np.uint8)]
        neighbour[0][::2, ::2] = 255 - level
        out = [np.empty((HEIGHT, WIDTH), np.uint8)]
        filled(Layer(own, correction), [Layer(neighbour, np.eye(3))], GREY, out)
        results.append(out[0])
    mask = np.empty((HEIGHT, WIDTH), np.bool_)
    invented(correction, GREY, mask, lent=True)
    assert mask[results[0] != results[1]].all()
