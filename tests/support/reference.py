"""What the own models should give, computed without any code of the package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import vapoursynth as vs
from numpy.typing import NDArray

from .clips import Planes

RADIUS = 2


def limits(format: vs.VideoFormat, full_range: bool, chroma: bool) -> tuple[float, float]:
    """Offset and span of the codes of a plane, as in ITU-T H.273."""
    if format.sample_type == vs.FLOAT:
        return 0.0, 1.0
    bits = format.bits_per_sample
    if chroma:
        return 2.0 ** (bits - 1), (2.0**bits - 1 if full_range else 224 * 2.0 ** (bits - 8))
    return (0.0, 2.0**bits - 1) if full_range else (16 * 2.0 ** (bits - 8), 219 * 2.0 ** (bits - 8))


def normalised(
    frames: Sequence[Planes], format: vs.VideoFormat, full_range: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``y`` and ``uv`` of 4:2:0 or grey frames of even size; no chroma is zeros."""
    offset, span = limits(format, full_range, False)
    y = np.stack([(frame[0].astype(np.float64) - offset) / span for frame in frames])[:, None]
    if len(frames[0]) == 1:
        uv = np.zeros((len(frames), 2, y.shape[2] // 2, y.shape[3] // 2))
    else:
        offset, span = limits(format, full_range, True)
        uv = np.stack(
            [[(frame[p].astype(np.float64) - offset) / span for p in (1, 2)] for frame in frames]
        )
    return y.astype(np.float32), uv.astype(np.float32)


def residuals(
    model: Path, frames: Sequence[Planes], format: vs.VideoFormat, full_range: bool
) -> list[Planes]:
    """The residual of each frame, in codes, at the model's output size.

    Every frame is computed alone, from its own window of five; the ends repeat.
    """
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    count = len(frames)
    result = []
    for n in range(count):
        window = [frames[min(max(n + i, 0), count - 1)] for i in range(-RADIUS, RADIUS + 1)]
        y, uv = normalised(window, format, full_range)
        y_residual, uv_residual = session.run(None, {"y": y, "uv": uv})
        luma, chroma = limits(format, full_range, False)[1], limits(format, full_range, True)[1]
        planes: Planes = [y_residual[0, 0] * luma]
        if len(frames[0]) > 1:
            planes += [uv_residual[0, 0] * chroma, uv_residual[0, 1] * chroma]
        result.append(planes)
    return result


def summed(base: NDArray[Any], residual: NDArray[Any], format: vs.VideoFormat) -> NDArray[Any]:
    """Base plus residual as float64; integer formats clamped, not yet rounded."""
    total = base.astype(np.float64) + residual.astype(np.float64)
    if format.sample_type == vs.INTEGER:
        return np.clip(total, 0, 2**format.bits_per_sample - 1)
    return total


def assert_rounded(got: NDArray[Any], wanted: NDArray[Any], tie: float = 2e-3) -> None:
    """Asserts that codes are the rounded values; next to a tie either neighbour will do.

    Args:
        got: Integer samples.
        wanted: What they were rounded from.
        tie: How close to a half counts as one: what float32 arithmetic leaves open.
    """
    error = np.abs(got.astype(np.float64) - wanted)
    worst = np.unravel_index(np.argmax(error), error.shape)
    assert error.max() <= 0.5 + tie, f"{got[worst]} for {wanted[worst]} at {worst}"
