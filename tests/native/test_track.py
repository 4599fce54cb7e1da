"""Compiled tracking, beside OpenCV's and known motion."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsvqe.motion.flow import match
from vsvqe.native import track


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


def followed(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, *, levels: int = 1, few: int = 9999
) -> tuple[np.ndarray, np.ndarray]:
    """Returns places in the other picture, and which points came back."""
    until = (20, 0.005)
    places, back = track.follow(
        before, after, points, levels=levels, there=until, back=until, few=few
    )
    assert np.isfinite(places).any(axis=1).sum() >= np.isfinite(back).all(axis=1).sum()
    return places, np.isfinite(back).all(axis=1)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (7.25, 3.5), (-14.6, 9.1)])
def test_known_shifts_are_found(shift):
    places, found = followed(textured(), textured(*shift), POINTS, levels=4)
    error = np.linalg.norm(places - POINTS + shift, axis=1)
    assert found.all()
    assert np.median(error) < 0.02
    assert error.max() < 0.1


def test_places_are_those_of_opencv():
    before, after = textured(), textured(3.3, -5.7)
    places, found = followed(before, after, POINTS, levels=4)
    theirs, status, _ = cv2.calcOpticalFlowPyrLK(
        *(before, after, POINTS, POINTS.copy()),
        winSize=(17, 17),
        maxLevel=3,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.005),
    )
    assert found.all() and status.all()
    assert np.median(np.linalg.norm(places - theirs, axis=1)) < 0.02
    ours, others = (
        np.linalg.norm(found - POINTS + (3.3, -5.7), axis=1).mean() for found in (places, theirs)
    )
    assert ours < others


def test_what_has_no_texture_or_has_left_is_lost():
    flat = np.full((240, 320), 90, np.uint8)
    _, found = followed(flat, flat, POINTS)
    assert not found.any()
    # An edge can be followed across, but not along.
    flat[:, 160:] = 200
    edge = np.array([[160.0, 120.0]], np.float32)
    assert not followed(flat, flat, edge)[1].any()
    picture, outside = (
        textured(),
        np.array([[-90.0, 20.0], [500.0, 20.0], [20.0, 900.0]], np.float32),
    )
    _, found = followed(picture, picture, outside)
    assert not found.any()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_places_that_are_none_do_no_harm(odd):
    picture = textured()
    points = np.array([[odd, 20.0], [20.0, odd], [50.0, 50.0]], np.float32)
    _, found = followed(picture, picture, points)
    assert found.tolist() == [False, False, True]
    alike = track.correlation(picture, picture, POINTS[:3], points)
    assert len(alike) == 3


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
    height=st.integers(1, 90),
    width=st.integers(1, 400),
    levels=st.integers(1, 8),
    shift=st.integers(-3, 3),
)
def test_pictures_of_all_sizes_are_taken(few, height, width, levels, shift):
    whole = textured(size=(96, 416))
    # As the core's frames lie: the next row is not where one ends.
    before = whole[3 : 3 + height, 3 : 3 + width]
    after = np.roll(whole, shift, axis=1)[3 : 3 + height, 3 : 3 + width]
    points = np.stack(np.meshgrid(np.arange(0, width, 11.0), np.arange(0, height, 7.0)), axis=-1)
    points = points.reshape(-1, 2).astype(np.float32)
    places, found = followed(before, after, points, levels=levels, few=few)
    inside = ((points >= 30) & (points < (width - 30, height - 30))).all(axis=1)
    if inside.any() and levels <= 3:
        assert np.median(np.abs(places[inside] - points[inside] - (shift, 0))) < 0.05
        assert found[inside].mean() > 0.8
