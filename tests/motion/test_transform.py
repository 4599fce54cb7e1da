"""Centred units."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvqe.motion.transform import apply, compose, decompose, farthest, from_pixels, to_pixels

small = st.floats(-0.3, 0.3, allow_subnormal=False)
sizes = st.tuples(st.integers(2, 4000), st.integers(2, 4000))
homographies = st.builds(
    lambda dx, dy, r, s, e, f: (
        compose(dx, dy, r, s) @ np.array([[1, 0, 0], [0, 1, 0], [e, f, 1]], float)
    ),
    *[small] * 4,
    st.floats(-0.05, 0.05, allow_subnormal=False),
    st.floats(-0.05, 0.05, allow_subnormal=False),
)


@given(small, small, st.floats(-3, 3, allow_subnormal=False), small)
def test_decompose_undoes_compose(dx, dy, rotation, log_scale):
    assert decompose(compose(dx, dy, rotation, log_scale)) == pytest.approx(
        (dx, dy, rotation, log_scale), abs=1e-9
    )


@given(homographies, sizes)
def test_there_and_back(matrix, size):
    width, height = size
    back = from_pixels(to_pixels(matrix, width, height), width, height)
    assert back == pytest.approx(matrix, abs=1e-7)


@given(homographies, st.floats(0, 1, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False))
def test_all_resolutions_agree_about_the_content(matrix, across, along):
    """A place in the picture moves to the same place, whatever the size of the plane."""
    places = []
    for width, height in ((640, 360), (1920, 1080)):
        # Shares of the sides to the coordinates of pixel centres.
        pixel = np.array([across * width - 0.5, along * height - 0.5, 1.0])
        x, y, w = to_pixels(matrix, width, height) @ pixel
        places.append(((x / w + 0.5) / width, (y / w + 0.5) / height))
    assert places[0] == pytest.approx(places[1], abs=1e-6)


@given(homographies, st.floats(0.2, 5, allow_subnormal=False))
def test_the_farthest_corner(matrix, aspect):
    corners = np.array([[[x, y]] for x in (-aspect / 2, aspect / 2) for y in (-0.5, 0.5)])
    moved = cv2.perspectiveTransform(corners, matrix)
    wanted = np.linalg.norm(moved - corners, axis=2).max()
    assert farthest(matrix, aspect) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("element", [2.0, math.nan])
def test_a_corner_that_has_no_place_is_infinitely_far(element):
    # With 2, the bottom of the frame is on the horizon.
    assert farthest(np.array([[1, 0, 0], [0, 1, 0], [0, -element, 1]]), 16 / 9) == math.inf


def test_units():
    shift = to_pixels(compose(dx=0.5, dy=-0.25), 640, 360)
    assert shift == pytest.approx(np.array([[1, 0, 180], [0, 1, -90], [0, 0, 1]]))
    # The centre of the picture stays where it is; clockwise is from x to y.
    turned = to_pixels(compose(rotation=np.pi / 2, log_scale=np.log(2)), 11, 7) @ [6, 3, 1]
    assert turned == pytest.approx([5, 5, 1])


def test_decompose_takes_the_slope_at_the_centre():
    tilted = compose(0.1, 0.2, 0.03, 0.04) @ np.array([[1, 0, 0], [0, 1, 0], [0.1, 0.2, 1]], float)
    assert decompose(tilted) == pytest.approx((0.1, 0.2, 0.03, 0.04))
    assert apply(tilted, np.zeros((1, 2))) == pytest.approx(np.array([[0.1, 0.2]]))
