"""What the networks are trained to make small."""

from __future__ import annotations

from torch import Tensor

# The error at 45 dB: below it, damage is not worth more attention than leaving things alone.
LEAST_MSE = 10.0**-4.5
CHROMA_WEIGHT = 0.25
SQUARED_WEIGHT = 20.0


def relative_error(y: Tensor, uv: Tensor, mse: Tensor) -> Tensor:
    """Squared error relative to what the damage did to the frame.

    A decibel gained counts the same on a good and on a bad frame.

    Args:
        y: Luma error `[N, 1, H, W]`.
        uv: Chroma error `[N, 2, H / 2, W / 2]`.
        mse: Luma error of the input `[N]`.
    """
    squared = _per_window(y.square()) + CHROMA_WEIGHT * _per_window(uv.square())
    return (squared / (mse + LEAST_MSE)).mean()


def mixed_error(y: Tensor, uv: Tensor) -> Tensor:
    """Absolute and squared error, in about equal parts.

    Args:
        y: Luma error `[N, 1, H, W]`.
        uv: Chroma error `[N, 2, H / 2, W / 2]`.
    """
    absolute = y.abs().mean() + CHROMA_WEIGHT * uv.abs().mean()
    squared = y.square().mean() + CHROMA_WEIGHT * uv.square().mean()
    return absolute + SQUARED_WEIGHT * squared


def _per_window(error: Tensor) -> Tensor:
    """Averages everything but the first axis."""
    return error.flatten(1).mean(1)
