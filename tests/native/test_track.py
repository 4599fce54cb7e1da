"""Compiled tracking, beside OpenCV's and known motion."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvqe.motion.flow import match
from vsvqe.native import track
from vsvqe.native.match import Choice
from vsvqe.native.match import match as compiled_match


def textured(dx: float = 0.0, dy: float = 0.0, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Smooth noise without end, seen from (dx, dy) pixels away."""
    rng = np.random.default_rng(5)
    spectrum = np.fft.rfft2(rng.normal(size=size))
    down, across = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    spectrum *= np.exp(-((down**2 + across**2) * 180)) * np.exp(
        2j * np.pi * (down * dy + across * dx)
    )
    samples = np.fft.irfft2(spectrum, size)
    return np.rint(128 + 40 * samples / samples.std()).clip(0, 255).astype(np.uint8)


POINTS = np.stack(np.meshgrid(np.arange(40, 280, 17), np.arange(40, 200, 13)), axis=-1)
POINTS = POINTS.reshape(-1, 2).astype(np.float32) + np.float32(0.3)


def matched(
    before: np.ndarray, after: np.ndarray, *, levels: int = 1, few: int = 9999, cell: int = 8
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns points, where they are in the other picture, and how many were looked for."""
    height, width = before.shape[0] // 2, before.shape[1] // 2
    choice = Choice(
        *(3, 3, (width - 6) // cell, (height - 6) // cell),
        *(cell, levels, 20, 20, few),
        *(0.005, 0.005, 2e-5, 1e-3, 0.7, 0.5),
    )
    points, places, weights, candidates = compiled_match(before, after, choice)
    assert len(points) == len(places) == len(weights) <= candidates <= choice.columns * choice.rows
    assert ((weights > 0) & (weights <= 1)).all()
    return points, places, candidates


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (7.25, 3.5), (-14.6, 9.1)])
def test_known_shifts_are_found(shift):
    points, places, candidates = matched(textured(), textured(*shift), levels=4)
    # What is too near the edge has left.
    inside = ((points > 40) & (points < (280, 200))).all(axis=1)
    error = np.linalg.norm(places - points + shift, axis=1)[inside]
    assert len(points) > 0.8 * candidates
    assert np.median(error) < 0.02
    assert error.max() < 0.1


def test_places_are_those_of_opencv():
    before, after = textured(), textured(3.3, -5.7)
    points, places, _ = matched(before, after, levels=4)
    theirs, status, _ = cv2.calcOpticalFlowPyrLK(
        *(before, after, points, points.copy()),
        winSize=(17, 17),
        maxLevel=3,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.005),
    )
    assert status.all()
    assert np.median(np.linalg.norm(places - theirs, axis=1)) < 0.02
    assert np.median(np.linalg.norm(places - points + (3.3, -5.7), axis=1)) < 0.01


def test_what_has_no_texture_or_does_not_look_the_same_is_left_out():
    flat = np.full((240, 320), 90, np.uint8)
    assert len(matched(flat, flat)[0]) == matched(flat, flat)[2] == 0
    # An edge can be followed across, but not along.
    flat[:, 160:] = 200
    assert len(matched(flat, flat)[0]) == 0
    noise = np.random.default_rng(1).integers(0, 256, (2, 240, 320), np.uint8)
    points, _, candidates = matched(*noise)
    assert candidates > 100 and len(points) < 0.05 * candidates


def test_points_that_left_the_picture_are_left_out():
    picture = textured()
    moved = np.roll(picture, -60, axis=1)
    moved[:, -60:] = 0
    points, places, _ = matched(picture, moved, levels=4)
    assert (places >= 0).all() and (places <= (319, 239)).all()
    assert (points[:, 0] > 50).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_places_that_are_none_do_no_harm(odd):
    picture = textured()
    points = np.array([[odd, 20.0], [20.0, odd], [50.0, 50.0]], np.float32)
    alike = track.correlation(picture, picture, POINTS[:3], points)
    assert (np.abs(alike) <= 1.0 + 1e-5).all()


def test_correlation_is_the_textbook_one():
    one, other = textured(), textured(2.0, 1.0)
    whole = np.rint(POINTS)
    alike = track.correlation(one, other, whole, whole)
    for (x, y), value in zip(whole.astype(int), alike, strict=True):
        own, seen = (p[y - 4 : y + 5, x - 4 : x + 5].ravel() for p in (one, other))
        assert value == pytest.approx(np.corrcoef(own, seen)[0, 1], abs=1e-4)


def test_without_compiled_code_the_same_is_found(without_compiled_code):
    before, after = textured(), textured(4.2, -1.6)
    found = match(before, after, "lk")
    with without_compiled_code():
        other = match(before, after, "lk")
    assert len(found.before) == pytest.approx(len(other.before), rel=0.05)
    for matches in (found, other):
        assert np.median(matches.after - matches.before, axis=0) == pytest.approx(
            (-4.2, 1.6), abs=0.02
        )


@pytest.mark.parametrize("few", [0, 9999])
@given(
    height=st.integers(14, 90),
    width=st.integers(14, 400),
    levels=st.integers(1, 8),
    shift=st.integers(-3, 3),
    cell=st.integers(4, 18),
)
def test_pictures_of_all_sizes_are_taken(few, height, width, levels, shift, cell):
    whole = textured(size=(96, 416))
    # As the core's frames lie: the next row is not where one ends.
    before = whole[3 : 3 + height, 3 : 3 + width]
    after = np.roll(whole, shift, axis=1)[3 : 3 + height, 3 : 3 + width]
    points, places, _ = matched(before, after, levels=levels, few=few, cell=cell)
    inside = ((points >= 30) & (points < (width - 30, height - 30))).all(axis=1)
    if inside.any() and levels <= 3:
        assert np.median(np.abs(places[inside] - points[inside] - (shift, 0))) < 0.05
