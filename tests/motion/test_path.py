"""Paths: against independent solutions, and what they must never do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.camera import distance

from vsvqe.motion.estimate import Motion
from vsvqe.motion.path import METHODS, PathSettings, Track, correction, radius
from vsvqe.motion.transform import compose, decompose

WIDE = PathSettings(dxmax=9, dymax=9, rotmax=3, zoommax=20)


def loose(method: str = "kalman", smoothing: int = 10) -> PathSettings:
    """Settings whose limits are far away."""
    return PathSettings(method=method, smoothing=smoothing, dxmax=9, dymax=9, rotmax=3, zoommax=20)


def shaken(count: int, seed: int = 1, scale: float = 0.01) -> list[np.ndarray]:
    """Poses of a camera at rest whose hand shakes: maps points of each frame to the scene."""
    rng = np.random.default_rng(seed)
    return [compose(*rng.normal(0, scale, 2), *rng.normal(0, scale / 2, 2)) for _ in range(count)]


def motions_of(poses: list[np.ndarray]) -> list[Motion]:
    """What is between neighbouring poses."""
    pairs = pairwise(poses)
    return [Motion(np.linalg.inv(b) @ a, 1.0) for a, b in pairs]


def along(xs: np.ndarray) -> list[Motion]:
    """The motions of a camera that is at these places, in x."""
    return motions_of([compose(dx=x) for x in xs])


def steadied(poses: list[np.ndarray], path: PathSettings) -> list[np.ndarray]:
    """Poses after every frame was corrected, each from its own window."""
    motions, reach = motions_of(poses), radius(path)
    result = []
    for n, pose in enumerate(poses):
        first, last = max(0, n - reach), min(len(poses) - 1, n + reach)
        result.append(pose @ correction(motions[first:last], n - first, path))
    return result


def spread(poses: list[np.ndarray]) -> float:
    """Mean distance of neighbouring poses, in pixels at 360 lines."""
    pairs = pairwise(poses)
    return float(np.mean([distance(a, b, 16 / 9, 360) for a, b in pairs]))


@pytest.mark.parametrize("method", METHODS)
def test_shake_is_removed(method):
    poses = shaken(80)
    assert spread(steadied(poses, loose(method))) < 0.12 * spread(poses)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=6)
@given(
    st.floats(-0.05, 0.05, allow_subnormal=False),
    st.floats(-0.05, 0.05, allow_subnormal=False),
    st.integers(2, 40),
    st.integers(0, 40),
)
def test_steady_pans_are_left_alone(method, dx, dy, count, centre):
    """Also at the ends of a clip, where a window is one-sided: there is no lag."""
    motions = [Motion(compose(dx, dy), 1.0)] * count
    found = correction(motions, min(centre, count), loose(method))
    assert found == pytest.approx(np.eye(3), abs=2e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("motion", [compose(log_scale=0.01), compose(rotation=0.01)])
def test_steady_zooms_and_rolls_are_left_alone(method, motion):
    for centre in (0, 3, 20, 40):
        found = correction([Motion(motion, 1.0)] * 40, centre, loose(method))
        assert found == pytest.approx(np.eye(3), abs=2e-4)


def batch(xs: np.ndarray, smoothing: float) -> np.ndarray:
    """The most likely path of the Kalman filter's model, all at once, by dense least squares.

    Unknown are position and speed at every frame; a frame's measurement has variance 1, and the
    step from one frame to the next the covariance of white noise in the acceleration.
    """
    count = len(xs)
    tau = 0.5 * smoothing / np.sqrt(2 * np.log(2))
    whiten = np.linalg.inv(np.linalg.cholesky(np.array([[1 / 3, 1 / 2], [1 / 2, 1]]) / tau**4))
    step = np.array([[1.0, 1.0], [0.0, 1.0]])
    rows = np.zeros((count + 2 * (count - 1), 2 * count))
    rows[np.arange(count), 2 * np.arange(count)] = 1
    for n in range(count - 1):
        block = slice(count + 2 * n, count + 2 * n + 2)
        rows[block, 2 * n : 2 * n + 2] = -whiten @ step
        rows[block, 2 * n + 2 : 2 * n + 4] = whiten
    return np.linalg.lstsq(rows, np.concatenate([xs, np.zeros(2 * (count - 1))]))[0][::2]


@pytest.mark.parametrize("smoothing", [4, 12])
@pytest.mark.parametrize("count", [2, 3, 17, 50])
def test_kalman_is_the_most_likely_path(count, smoothing):
    xs = np.random.default_rng(count).normal(0, 0.05, count).cumsum()
    wanted = batch(xs, smoothing) - xs
    for centre in {0, 1, count // 2, count - 1}:
        found = correction(along(xs), centre, loose("kalman", smoothing))
        assert found[0, 2] == pytest.approx(wanted[centre], abs=1e-6)


@pytest.mark.parametrize("count", [3, 17, 50])
def test_gaussian_is_a_weighted_line(count):
    xs = np.random.default_rng(count).normal(0, 0.05, count).cumsum()
    for centre in {0, 1, count // 2, count - 1}:
        times = np.arange(count) - centre
        # polyfit's weights are applied before squaring.
        line = np.polyfit(times, xs, 1, w=np.exp(-0.25 * np.square(times / 5.0)))
        found = correction(along(xs), centre, loose("gaussian"))
        assert found[0, 2] == pytest.approx(line[1] - xs[centre], abs=1e-9)


def test_l1_goes_straight_through_shake():
    """Rests and steady moves stay; what is between them is smooth; the shake is gone."""
    rng = np.random.default_rng(3)
    steady = np.interp(np.arange(90), [0, 30, 60, 89], [0, 0, 0.3, 0.3])
    xs = steady + rng.normal(0, 0.004, 90)
    poses = steadied([compose(dx=x) for x in xs], loose("l1", 20))
    found = np.array([pose[0, 2] for pose in poses])
    assert np.abs(found - steady)[[5, 15, 45, 75, 85]].max() < 0.004
    assert np.abs(np.diff(found, 2)).max() < 0.1 * np.abs(np.diff(xs, 2)).max()


@pytest.mark.parametrize("method", METHODS)
def test_windows_agree(method):
    """A window that sees more moves no frame by more than can be seen, nor unlike the next."""
    places = np.random.default_rng(6).normal(0, 0.006, (150, 3)).cumsum(axis=0)
    poses = [compose(*place) for place in places]
    path = loose(method, 10)
    motions, reach = motions_of(poses), radius(path)
    own = steadied(poses, path)[60:90]
    wide = [
        pose @ correction(motions[n - 2 * reach : n + 2 * reach], 2 * reach, path)
        for n, pose in enumerate(poses[60:90], 60)
    ]
    errors = [np.linalg.inv(b) @ a for a, b in zip(own, wide, strict=True)]
    assert max(distance(error, np.eye(3), 16 / 9, 360) for error in errors) < 0.5
    assert spread(errors) < 0.1


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=10)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.001, 0.5, allow_subnormal=False),
    st.floats(0, 0.2, allow_subnormal=False),
    st.floats(1, 1.3, allow_subnormal=False),
)
def test_limits_hold(method, seed, scale, limit, zoommax):
    rng = np.random.default_rng(seed)
    motions = [
        Motion(compose(*rng.normal(0, scale, 4)), float(confidence))
        for confidence in rng.choice([0.0, 0.5, 1.0], 30)
    ]
    path = PathSettings(
        method=method, smoothing=8, dxmax=limit, dymax=2 * limit, rotmax=limit, zoommax=zoommax
    )
    found = np.abs(decompose(correction(motions, int(rng.integers(31)), path)))
    assert np.all(found <= np.array([limit, 2 * limit, limit, np.log(zoommax)]) + 1e-9)


def test_at_the_limits_the_shake_still_goes():
    """A pan that sets in abruptly takes the correction to its limit, but the frames don't shake."""
    rng = np.random.default_rng(8)
    start = np.maximum(np.arange(120) - 60, 0) * 0.03
    xs = start + rng.normal(0, 0.003, 120)
    tight = PathSettings(smoothing=30, dxmax=0.05)
    found = np.array([p[0, 2] for p in steadied([compose(dx=x) for x in xs], tight)])
    assert np.abs(found - xs).max() > 0.03
    assert np.abs(np.diff(found, 2)).max() < 0.3 * np.abs(np.diff(xs, 2)).max()


@pytest.mark.parametrize("method", METHODS)
def test_a_guess_in_a_pan_is_replaced(method):
    """Where the motion is not known, the pan is taken to go on."""
    motions = [Motion(compose(dx=0.02), 1.0)] * 40
    motions[20] = Motion(np.eye(3), 0.0)
    motions[21] = Motion(compose(dx=-0.4, rotation=0.3), 0.0)
    for centre in (15, 20, 21, 22, 30):
        assert correction(motions, centre, loose(method)) == pytest.approx(np.eye(3), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_duplicate_frames_in_a_pan_are_moved_on(method):
    """Every fifth frame shows the one before again; the next makes up for it."""
    places = np.array([0.01 * (n - (n % 5 == 4)) for n in range(60)])
    poses = steadied([compose(dx=x) for x in places], loose(method))
    found = np.array([pose[0, 2] for pose in poses])
    assert np.abs(np.diff(found, 2)).max() < 0.1 * np.abs(np.diff(places, 2)).max()


@pytest.mark.parametrize(
    "wrong",
    [np.full((3, 3), np.nan), np.zeros((3, 3)), np.diag([1e-9, 1e-9, 1]), np.full((3, 3), np.inf),
     np.diag([-1.0, 1, 1]), np.diag([1e200, 1e200, 1])],
)  # fmt: skip
def test_what_is_no_motion_is_replaced(wrong):
    """Motion may come from other filters."""
    motions = [Motion(compose(dx=0.02), 1.0)] * 40
    motions[20] = Motion(wrong, 1.0)
    assert correction(motions, 18, WIDE) == pytest.approx(np.eye(3), abs=1e-3)
    motions[20] = Motion(np.eye(3), float("nan"))
    assert correction(motions, 18, WIDE) == pytest.approx(np.eye(3), abs=1e-3)


@settings(max_examples=25)
@given(
    st.sampled_from(["kalman", "gaussian"]),
    st.sampled_from([1, 2, 3, 7, 60, 400, 10_000]),
    st.integers(1, 90),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.01, 1.0, 100.0]),
)
def test_any_smoothing_of_any_motion_is_finite(method, smoothing, count, seed, scale):
    rng = np.random.default_rng(seed)
    motions = [Motion(np.eye(3) + rng.normal(0, scale, (3, 3)), 1.0) for _ in range(count)]
    path = PathSettings(method=method, smoothing=smoothing)
    found = correction(motions, int(rng.integers(count + 1)), path)
    assert np.isfinite(found).all()
    assert np.linalg.det(found[:2, :2]) > 0.3


def test_smoothing_without_end_is_a_straight_line():
    xs = np.random.default_rng(1).normal(0, 0.05, 60).cumsum()
    line = np.polyval(np.polyfit(np.arange(60), xs, 1), np.arange(60))
    for method in ("kalman", "gaussian"):
        found = correction(along(xs), 20, loose(method, 10_000))
        assert found[0, 2] == pytest.approx(line[20] - xs[20], abs=1e-4)


def test_nothing_known_is_nothing_corrected():
    motions = [Motion(compose(dx=0.1), 0.0)] * 30
    assert np.array_equal(correction(motions, 15, WIDE), np.eye(3))


@pytest.mark.parametrize("method", METHODS)
def test_a_tripod_shot_is_untouched(method):
    motions = [Motion(np.eye(3), 1.0)] * 30
    assert np.array_equal(correction(motions, 12, loose(method)), np.eye(3))


def test_shear_and_perspective_are_steadied_too():
    rng = np.random.default_rng(2)
    poses = []
    for stretch, shear, tilt, swing in rng.normal(0, 0.01, (60, 4)):
        poses.append(np.array([[1 + stretch, shear, 0], [shear, 1 - stretch, 0], [tilt, swing, 1]]))
    assert spread(steadied(poses, loose())) < 0.15 * spread(poses)


def test_wrong_perspective_is_bounded():
    tilts = np.random.default_rng(2).normal(0, 0.3, 40).cumsum()
    poses = [np.array([[1, 0, 0], [0, 1, 0], [tilt, 0, 1]]) for tilt in tilts]
    for centre in (10, 20, 30):
        assert abs(correction(motions_of(poses), centre, WIDE)[2, 0]) < 0.06


@pytest.mark.parametrize("method", METHODS)
def test_short_windows(method):
    assert np.array_equal(correction([], 0, loose(method)), np.eye(3))
    jump = [Motion(compose(dx=0.1), 1.0)]
    if method != "l1":
        # Two frames can't tell a pan from a jump.
        assert correction(jump, 0, loose(method)) == pytest.approx(np.eye(3), abs=1e-6)
    assert np.array_equal(correction(jump * 9, 4, PathSettings(smoothing=0)), np.eye(3))


@pytest.mark.parametrize("method", METHODS)
def test_a_track_gives_what_each_window_gives(method):
    path = loose(method, 6)
    motions, reach = motions_of(shaken(40)), radius(path)
    together = Track(motions).corrections(range(40), path)
    for centre in (0, 3, 20, 39):
        first, last = max(0, centre - reach), min(39, centre + reach)
        alone = correction(motions[first:last], centre - first, path)
        assert together[centre] == pytest.approx(alone, abs=1e-12)


def test_results_do_not_depend_on_what_was_asked_before():
    motions = motions_of(shaken(60))
    for method in METHODS:
        path = loose(method)
        alone = correction(motions[10:40], 15, path)
        for other in (loose(method, 5), loose(method, 13)):
            correction(motions, 30, other)
        assert correction(motions[10:40], 15, path).tobytes() == alone.tobytes()


def test_smoothing_is_the_same_for_both_linear_methods():
    """A wave of the frequency that one halves is halved by the other."""
    waves = np.cos(2 * np.pi * np.arange(240) / 32)
    smoothing = round(2 * np.sqrt(2 * np.log(2)) * 32 / (2 * np.pi))
    for method in ("kalman", "gaussian"):
        found = correction(along(0.01 * waves), 128, loose(method, smoothing))[0, 2]
        assert found / (-0.01) == pytest.approx(0.5, abs=0.02), method


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "spline"}, "kalman, gaussian, l1"),
        ({"smoothing": -1}, "smoothing"),
        ({"dxmax": -0.1}, "dxmax"),
        ({"rotmax": float("nan")}, "rotmax"),
        ({"zoommax": 0.9}, "zoommax"),
        ({"zoommax": float("inf")}, "zoommax"),
    ],
)
def test_settings_are_checked(wrong, words):
    with pytest.raises(ValueError, match=words):
        PathSettings(**wrong)


def test_frames_outside_the_window_are_refused():
    motions = [Motion(np.eye(3), 1.0)] * 3
    with pytest.raises(ValueError, match="no frame 4"):
        correction(motions, 4, WIDE)
    with pytest.raises(ValueError, match="no frame -1"):
        correction(motions, -1, WIDE)
