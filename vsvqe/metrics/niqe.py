"""NIQE: how far the statistics of a picture are from those of good photographs."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.special import gamma

BLOCK = 96
"""Side in pixels of the blocks that are looked at; they are half as large at the second scale."""

_FEATURES = 36
# Neighbours whose products are looked at: beside, below, and on both diagonals.
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
# The shapes among which the fitted one is looked for, and the ratio of moments that tells them.
_SHAPES = np.arange(0.2, 10.001, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))

type _Floats = NDArray[np.float64]


class Niqe:
    """The natural image quality evaluator; it needs no original.

    After Mittal, Soundararajan and Bovik, "Making a 'completely blind' image quality analyzer",
    IEEE Signal Processing Letters 20(3), 2013. Luma is normalised by its local mean and deviation;
    the distributions of the result and of the products of neighbours are fitted in blocks of 96x96,
    at two scales, which gives 36 features. Their mean and covariance over the picture are compared
    with those of pristine photographs.
    """

    def __init__(self, mean: NDArray[Any], covariance: NDArray[Any]) -> None:
        """Remembers the model of pristine photographs.

        Args:
            mean: Of their features, 36 numbers.
            covariance: Of their features, 36 x 36.

        Raises:
            ValueError: The arrays have other shapes.
        """
        self._mean = np.asarray(mean, np.float64).reshape(-1)
        self._covariance = np.asarray(covariance, np.float64)
        if self._mean.size != _FEATURES or self._covariance.shape != (_FEATURES, _FEATURES):
            raise ValueError(
                f"a model of {_FEATURES} features is needed, not {np.shape(mean)} and "
                f"{np.shape(covariance)}"
            )

    @classmethod
    def load(cls, path: Path) -> "Niqe":
        """Reads the authors' model, as BasicSR has it.

        Args:
            path: Of ``niqe_pris_params.npz``, with ``mu_pris_param`` and ``cov_pris_param``.

        Raises:
            ValueError: The file holds something else.
        """
        with np.load(path) as arrays:
            missing = {"mu_pris_param", "cov_pris_param"} - set(arrays.files)
            if missing:
                raise ValueError(f"{path} has no {' and no '.join(sorted(missing))}")
            return cls(arrays["mu_pris_param"], arrays["cov_pris_param"])

    def distance(self, clip: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the NIQE of every frame; smaller is better.

        Args:
            clip: Luma, frames x height x width, 8 bits, limited range, at least 192x96 or 96x192.
                What exceeds whole blocks, at the right and at the bottom, is left out.

        Returns:
            One value per frame, from about 2 (a good photograph) upwards; NaN where nearly every
            block is empty.

        Raises:
            ValueError: The array has another shape, or there are fewer than two blocks.

        Example:
            >>> from pathlib import Path
            >>> from vsvqe.metrics.niqe import Niqe
            >>> metric = Niqe.load(Path("niqe_pris_params.npz"))  # doctest: +SKIP
            >>> metric.distance(enlarged).mean()  # doctest: +SKIP
        """
        if clip.ndim != 3 or (clip.shape[1] // BLOCK) * (clip.shape[2] // BLOCK) < 2:
            raise ValueError(
                f"a T x H x W array of at least two blocks of {BLOCK}x{BLOCK} is needed, "
                f"not {clip.shape}"
            )
        return np.array([self._of(features(frame)) for frame in clip])

    def _of(self, found: _Floats) -> float:
        """Returns the distance of the features of a picture's blocks."""
        whole = found[np.isfinite(found).all(axis=1)]
        if len(whole) < 2:
            return float("nan")
        # As in the authors' code, a block without one feature counts for the others.
        difference = self._mean - np.nanmean(found, axis=0)
        pooled = (self._covariance + np.cov(whole, rowvar=False)) / 2
        return float(np.sqrt(difference @ np.linalg.pinv(pooled) @ difference))


def features(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the features of every whole block of a picture.

    Args:
        picture: Luma, height x width, 8 bits.

    Returns:
        Blocks x 36: for each of two scales the shape and the width of the normalised luma's
        distribution, then for each of four neighbours the shape, the mean and both widths of the
        products' one. NaN where a distribution has one side only, as in flat blocks.
    """
    rows, columns = (side // BLOCK for side in picture.shape)
    seen = picture[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    fine = _of_scale(seen, BLOCK)
    coarse = _of_scale(_halved(seen), BLOCK // 2)
    return np.concatenate((fine, coarse), axis=1)


def _of_scale(picture: _Floats, side: int) -> _Floats:
    normalised = _normalised(picture)
    rows, columns = (length // side for length in picture.shape)
    tiles = normalised.reshape(rows, side, columns, side).swapaxes(1, 2)
    blocks: _Floats = tiles.reshape(-1, side, side)
    shape, left, right = _fitted(blocks)
    found = [shape, (left + right) / 2]
    for down, across in _NEIGHBOURS:
        # Around the edge of a block its other side counts as the neighbour.
        shape, left, right = _fitted(blocks * np.roll(blocks, (down, across), axis=(1, 2)))
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        found += [shape, mean, left, right]
    return np.stack(found, axis=1)


def _normalised(picture: _Floats) -> _Floats:
    """Subtracts the local mean and divides by the local deviation, plus one code."""
    mean, square = _blurred(picture), _blurred(picture**2)
    normalised: _Floats = (picture - mean) / (np.sqrt(np.abs(square - mean**2)) + 1.0)
    return normalised


def _blurred(picture: _Floats) -> _Floats:
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    for axis in (0, 1):
        picture = correlate1d(picture, weights / weights.sum(), axis, mode="nearest")
    return picture


def _fitted(blocks: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Fits an asymmetric generalised Gaussian distribution to every block, by its moments.

    Source: Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model for texture
    analysis", ICIP 2009.

    Returns:
        Of each block the shape, and the widths on the left and on the right.
    """
    samples = blocks.reshape(len(blocks), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = (
            np.sqrt(np.where(side, samples**2, 0.0).sum(axis=1) / side.sum(axis=1))
            for side in (samples < 0, samples > 0)
        )
        skew = left / right
        moments = np.abs(samples).mean(axis=1) ** 2 / np.square(samples).mean(axis=1)
        ratio = moments * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    # The ratio grows with the shape; of the two shapes around it the nearer one is taken.
    after = np.clip(np.searchsorted(_RATIOS, ratio), 1, len(_RATIOS) - 1)
    nearer = ratio - _RATIOS[after - 1] < _RATIOS[after] - ratio
    shape = np.where(np.isfinite(ratio), _SHAPES[after - nearer], np.nan)
    spread = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * spread, right * spread


def _halved(picture: _Floats) -> _Floats:
    """Returns a picture of half the size: bicubic with antialiasing, as MATLAB's imresize."""
    distance = np.abs(np.arange(-3.5, 4.0)) / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, far)
    weights /= weights.sum()
    for axis in (0, 1):
        # Eight taps from three before to four after every second sample.
        picture = correlate1d(picture, weights, axis, mode="reflect", origin=-1)
        picture = picture[::2] if axis == 0 else picture[:, ::2]
    return picture
