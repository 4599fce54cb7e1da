"""The kernel distance of two sets of features: whether pictures are alike as a whole."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def kernel_distance(reference: NDArray[Any], judged: NDArray[Any]) -> float:
    """Returns the squared maximum mean discrepancy of two sets of features.

    The unbiased estimate with the kernel ``(x . y / D + 1)^3``, as KID has it (Binkowski,
    Sutherland, Arbel and Gretton, "Demystifying MMD GANs", ICLR 2018). KID itself takes features of
    Inception; of other features the figure is of the same kind, but not to be compared with KID.

    Args:
        reference: Features of the originals, N x D.
        judged: Features of what is judged, M x D; N and M are at least 2.

    Returns:
        About 0 where both are drawn alike (it may be less), smaller is better.

    Raises:
        ValueError: The arrays have other shapes.

    Example:
        >>> import numpy as np
        >>> from vsvqe.metrics.kernel import kernel_distance
        >>> features = np.random.default_rng(1).random((100, 8))
        >>> abs(kernel_distance(features, features[::-1])) < 0.02
        True
        >>> kernel_distance(features, features + 1) > 1
        True
    """
    shapes = reference.shape, judged.shape
    if any(len(shape) != 2 or shape[0] < 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(f"N x D and M x D features are needed, not {shapes[0]} and {shapes[1]}")
    x, y = reference.astype(np.float64), judged.astype(np.float64)
    return _within(x) + _within(y) - 2.0 * float(_kernel(x, y).mean())


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3)


def _within(x: NDArray[np.float64]) -> float:
    """Returns the mean of the kernel over all pairs of different members."""
    kernel = _kernel(x, x)
    pairs = len(x) * (len(x) - 1)
    return float((kernel.sum() - np.trace(kernel)) / pairs)
