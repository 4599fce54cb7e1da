"""Measures of a stabilised clip: how steady it is, and what steadiness has cost.

Several variants of these are in use under one name; each function says which it is. The motion that
they judge by is estimated here, in a plain way of its own, so that no stabiliser is judged by what
it was built on.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..motion.transform import (
    apply,
    compose,
    from_pixels,
    normalised,
    pixel_units,
    similarities,
)
from .psnr import psnr
from .tof import flows

type Clip = NDArray[np.uint8]
type Homographies = NDArray[np.float64]
"""N x 3 x 3, in centred units: see ``vsvqe.motion.transform``."""

# Matches of the source and the result are inliers up to this distance, in pixels.
_REGISTERED = 3.0
# The second best match must be this much worse (Lowe, IJCV 60(2), 2004).
_RATIO = 0.75
_FEWEST = 8
# The path's lowest frequencies: bins 2 to 6, if the first is the mean.
_LOW = slice(1, 6)


class Stability(NamedTuple):
    """Shares of the energy of the camera's path that are low frequencies, 0 to 1."""

    translation: float
    rotation: float

    @property
    def score(self) -> float:
        """The mean of the two."""
        return (self.translation + self.rotation) / 2


def motions(clip: Clip) -> Homographies:
    """Returns the motion of the picture from each frame to the next.

    Corners, pyramidal Lucas-Kanade, and the similarity with the least median of squares
    (Rousseeuw, JASA 79(388), 1984). What bends the picture is left to ``residual_flow``.

    Args:
        clip: Luma, frames x height x width, 8 bits.

    Returns:
        One similarity for each pair; the identity where there is too little to go by.
    """
    return np.stack([_motion(a, b) for a, b in pairwise(clip)])


def registrations(source: Clip, result: Clip, every: int = 10) -> Homographies:
    """Returns where the content of the source is in the stabilised clip.

    SIFT features, Lowe's ratio test, and MAGSAC++ for a homography.

    Args:
        source: Luma of the clip before, frames x height x width, 8 bits.
        result: Luma of the same frames after; the size may be another.
        every: Takes only every so many frames, to save time.

    Returns:
        One homography for each frame, from points of the source to points of the result, each in
        units of its own height. Frames without enough features are left out.

    Raises:
        ValueError: The lengths differ, or no frame has enough features.
    """
    if len(source) != len(result):
        raise ValueError(f"clips of one length are needed, not {len(source)}, {len(result)} frames")
    pairs = zip(source[::every], result[::every], strict=True)
    found = [matrix for a, b in pairs if (matrix := _registration(a, b)) is not None]
    if not found:
        raise ValueError("no frame has enough features to register it")
    return np.stack(found)


def cropping_ratio(registered: Homographies) -> float:
    """Returns how much of the picture's sides is left: 1 is all, smaller is less.

    After Liu, Yuan, Tan and Sun, "Bundled camera paths for video stabilization", ACM TOG 32(4),
    2013: the mean over the frames of the scale between the two clips, here that from the result
    to the source, so that an enlargement by 1.25 gives 0.8, and so does a crop to 0.8 of the
    height that is not enlarged again. Borders that are black or invented count as picture.

    Args:
        registered: From ``registrations``.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.stability import cropping_ratio
        >>> from vsvqe.motion.transform import compose
        >>> round(cropping_ratio(compose(log_scale=np.log(1.25))[None]), 3)
        0.8
    """
    areas = np.abs(np.linalg.det(_slopes(registered)))
    return float(np.mean(1 / np.sqrt(areas)))


def distortion(registered: Homographies) -> float:
    """Returns how evenly the worst frame is scaled: 1 is evenly, smaller is worse.

    After Liu et al. (see ``cropping_ratio``): the ratio of the two eigenvalues of the affine part,
    by their absolute values, the smaller over the larger; the minimum over the frames. The affine
    part is that at the centre of the frame.

    Args:
        registered: From ``registrations``.
    """
    values = np.abs(np.linalg.eigvals(_slopes(registered)))
    return float((values.min(axis=1) / values.max(axis=1)).min())


def stability(moved: Homographies) -> Stability:
    """Returns how much of the camera's path is slow: 1 is all, smaller is shakier.

    After Liu et al. (see ``cropping_ratio``): the energy of bins 2 to 6 of the Fourier transform of
    the path (the five lowest frequencies above 0) over that of all but the first (the mean). The
    path is that of the similarity parts, chained. Variant: horizontal and vertical translation
    are taken together, and the score is the mean of translation and rotation, not the minimum.

    Args:
        moved: From ``motions`` of the stabilised clip. Clips of different length can't be
            compared: the bins are other frequencies.
    """
    pose = np.eye(3)
    poses = [pose]
    for parameters in similarities(moved).tolist():
        pose = compose(*parameters) @ pose
        poses.append(pose)
    path = similarities(np.stack(poses))
    turned = np.unwrap(path[:, 2])
    return Stability(_low_share(path[:, :2]), _low_share(turned[:, None]))


def jitter(moved: Homographies, aspect: float, height: int = 360) -> float:
    """Returns how much the motion changes from frame to frame, in pixels; smaller is steadier.

    The root mean square, over the frames and a grid of points, of the difference between where a
    point goes to in this and in the next frame. A steady pan has 0; positions that jitter by white
    noise of deviation s in each direction have ``s * sqrt(12)``.

    Args:
        moved: From ``motions``.
        aspect: Ratio of the frame's width to its height.
        height: Of the frame whose pixels are the unit.
    """
    x, y = np.meshgrid(np.linspace(-0.45, 0.45, 9) * aspect, np.linspace(-0.45, 0.45, 5))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    steps = np.stack([apply(matrix, grid) - grid for matrix in moved])
    change = np.diff(steps, axis=0)
    return float(np.sqrt(np.square(change).sum(axis=-1).mean()) * height)


def residual_flow(clip: Clip) -> float:
    """Returns how much the optical flow changes from frame to frame, in pixels.

    The mean length, over the frames and the pixels, of the difference between one pair's flow
    (Farneback) and the next one's. Unlike ``jitter`` it sees what wobbles inside the picture, and
    what moves by itself.

    Args:
        clip: Luma, frames x height x width, 8 bits; at least three frames.
    """
    # Pair by pair: the flows of a whole clip would take gigabytes.
    moved = (flows(clip[n : n + 2])[0] for n in range(len(clip) - 1))
    changes = [np.linalg.norm(b - a, axis=-1).mean(dtype=np.float64) for a, b in pairwise(moved)]
    return float(np.mean(changes))


def itf(clip: NDArray[Any], crop: float = 0.0, peak: float = 255.0) -> float:
    """Returns the inter-frame transformation fidelity in dB; larger is steadier.

    The mean PSNR of each frame to the next, over the part of the picture that clips to be compared
    have in common. Pairs that are equal have no PSNR and are left out.

    Args:
        clip: Luma, frames x height x width.
        crop: Share of the sides that is cut off on each side: 0 to less than 0.5.
        peak: Largest code.

    Raises:
        ValueError: ``crop`` is out of its range.
    """
    if not 0 <= crop < 0.5:
        raise ValueError(f"crop must be 0 to less than 0.5, not {crop}")
    top, left = (round(crop * side) for side in clip.shape[1:])
    inner = clip[:, top : clip.shape[1] - top, left : clip.shape[2] - left]
    values = psnr(inner[:-1], inner[1:], peak)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("inf")


def _motion(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = before.shape
    points = cv2.goodFeaturesToTrack(before, 400, 0.005, height / 40)
    if points is None or len(points) < _FEWEST:
        return np.eye(3)
    places = np.asarray(points, np.float32)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, places, places.copy(), winSize=(21, 21), maxLevel=4
    )
    kept = np.asarray(found).ravel() != 0
    if kept.sum() < _FEWEST:
        return np.eye(3)
    # Homographies by RANSAC take the shape of whatever plane they find, and of another one in the
    # next pair: where the camera walks, what they say of two frames is up to five times as far from
    # what they say of each step between.
    similarity, _ = cv2.estimateAffinePartial2D(places[kept], there[kept], method=cv2.LMEDS)
    if similarity is None:
        return np.eye(3)
    return from_pixels(np.vstack([similarity, [0.0, 0.0, 1.0]]), width, height)


def _registration(
    source: NDArray[np.uint8], result: NDArray[np.uint8]
) -> NDArray[np.float64] | None:
    sift = cv2.SIFT.create(1500)
    (first, described), (second, others) = (
        sift.detectAndCompute(picture, np.empty(0, np.uint8)) for picture in (source, result)
    )
    if min(len(first), len(second)) < _FEWEST:
        return None
    pairs = cv2.BFMatcher().knnMatch(described, others, 2)
    good = [a for a, b in pairs if a.distance < _RATIO * b.distance]
    places = np.array([first[match.queryIdx].pt for match in good], np.float32)
    there = np.array([second[match.trainIdx].pt for match in good], np.float32)
    if len(places) < _FEWEST:
        return None
    matrix, inliers = cv2.findHomography(places, there, cv2.USAC_MAGSAC, _REGISTERED)
    if matrix is None or np.asarray(inliers).sum() < _FEWEST:
        return None
    there_units, units = (pixel_units(x.shape[1], x.shape[0]) for x in (result, source))
    return normalised(there_units @ np.asarray(matrix, np.float64) @ np.linalg.inv(units))


def _slopes(matrices: Homographies) -> NDArray[np.float64]:
    """Returns the Jacobians at the centre of the frame, N x 2 x 2."""
    matrices = matrices / matrices[:, 2:, 2:]
    return np.asarray(matrices[:, :2, :2] - matrices[:, :2, 2:] * matrices[:, 2:, :2])


def _low_share(curves: NDArray[np.float64]) -> float:
    energy = np.square(np.abs(np.fft.rfft(curves, axis=0))).sum(axis=1)
    total = float(energy[1:].sum())
    return float(energy[_LOW].sum()) / total if total > 1e-12 else 1.0
