"""The kernel distance against a plain double sum, and its meaning."""

import numpy as np
import pytest

from vsvqe.metrics.kernel import kernel_distance


def test_double_sum() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 5)), rng.normal(0.3, size=(4, 5))

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 5 + 1) ** 3)

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j])
        for s in (x, y)
    ]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across)


def test_near_zero_for_one_source_and_grows_with_the_difference() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((300, 16)), rng.random((300, 16))
    near, far, further = (kernel_distance(x, y + shift) for shift in (0.0, 0.2, 0.4))
    assert abs(near) < 0.01 < far < further


def test_other_shapes() -> None:
    for wrong in (np.zeros((4, 6)), np.zeros(5), np.zeros((1, 5))):
        with pytest.raises(ValueError, match="N x D"):
            kernel_distance(np.zeros((3, 5)), wrong)
