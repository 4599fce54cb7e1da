"""What the own models should give, computed without the filters."""

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnxruntime as ort
import vapoursynth as vs
from numpy.typing import NDArray

from vsvqe import cards
from vsvqe.motion import alignment

from .clips import Planes
from .models import DEFAULTS


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
    task: str,
    frames: Sequence[Planes],
    format: vs.VideoFormat,
    full_range: bool,
    qp: float | None = None,
    model: str | None = None,
    leniency: float = 0.0,
) -> list[Planes]:
    """The residual of each frame by a shipped model, in codes, at its output size.

    Every frame is computed alone, from its own window; the ends repeat.

    Args:
        task: What the model is for.
        frames: All frames of the clip.
        format: Theirs.
        full_range: Whether codes have the full range.
        qp: The quantiser; ``None``: each frame's as ``quantisers`` estimates it.
        model: Its name; ``None``: the default one of the task.
        leniency: What is taken off the quantiser.
    """
    path = cards.models_folder() / f"{model or DEFAULTS[task]}.onnx"
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    card = json.loads(path.with_suffix(".json").read_text())
    y, uv = normalised(frames, format, full_range)
    # The flow is that of 8-bit codes of limited range.
    codes = np.clip(np.rint(y[:, 0] * 219 + 16), 0, 255).astype(np.uint8)
    result = []
    given = (
        [qp] * len(frames)
        if qp is not None
        else quantisers(codes, max(map(abs, card["offsets"])), card["task"])
    )
    given = [quantiser - leniency for quantiser in given]
    for n in range(len(frames)):
        if card["aligned"]:
            window = aligned_window(
                y[:, 0], uv, codes, n, card["offsets"], card.get("kernel", "bicubic")
            )
            if card.get("quantiser_map"):
                level = np.interp(given[n], card["quantiser_map"], (-1.0, 1.0))
                plane = np.full_like(window["uv"][:, :1], level)
                window["uv"] = np.concatenate((window["uv"], plane), axis=1)
        else:
            chosen = [min(max(n + offset, 0), len(frames) - 1) for offset in card["offsets"]]
            window = {"y": y[chosen], "uv": uv[chosen]}
        y_residual, uv_residual = session.run(None, window)
        luma, chroma = limits(format, full_range, False)[1], limits(format, full_range, True)[1]
        if card.get("response"):
            knots, *factors = zip(*card["response"], strict=True)
            luma *= np.interp(given[n], knots, factors[0])
            chroma *= np.interp(given[n], knots, factors[1])
        planes: Planes = [y_residual[0, 0] * luma]
        if len(frames[0]) > 1:
            planes += [uv_residual[0, 0] * chroma, uv_residual[0, 1] * chroma]
        result.append(planes)
    return result


def quantisers(codes: NDArray[np.uint8], reach: int, task: str) -> list[float]:
    """What the shipped estimate says of each frame: the median of those around it.

    Each is told from a frame and the next one, brought to where its content is.

    Args:
        codes: The luma of all frames of a scene, 8 bits of limited range, N x H x W.
        reach: Frames on each side that have a say.
        task: Of the model that is told.
    """
    card = cards.find(
        {"deblock": "quantiser-v3", "superres": "quantiser-superres-v1"}[task], "quantiser"
    )
    session = ort.InferenceSession(str(card.path), providers=["CPUExecutionProvider"])
    height, width = codes.shape[1:]
    every = math.ceil(height // 8 * 8 * width / 100_000)
    rows = [8 * stripe + row for stripe in range(0, height // 8, every) for row in range(8)]

    def tell(own: NDArray[np.uint8], following: NDArray[np.uint8]) -> float:
        couple = (np.stack((own, following))[None, :, rows] - 16.0) / 219.0
        return float(session.run(None, {"y": couple.astype(np.float32)})[0][0])

    told = []
    for own, following in pairwise(codes):
        if (own == following).all():
            told.append(None)
            continue
        moved = alignment.displacements([alignment.flow(own, following)])[0]
        told.append(tell(own, alignment.Sampling(moved).luma(following)))
    around = [
        [quantiser for quantiser in told[max(n - reach, 0) : n + reach] if quantiser is not None]
        for n in range(len(codes))
    ]
    return [
        float(np.median(known)) if known else tell(codes[n], codes[n])
        for n, known in enumerate(around)
    ]


def aligned_window(
    y: NDArray[np.float32],
    uv: NDArray[np.float32],
    codes: NDArray[np.uint8],
    n: int,
    offsets: Sequence[int],
    kernel: alignment.Kernel,
) -> dict[str, NDArray[np.float32]]:
    """The window of frame n with its neighbours sampled where its content is."""
    lumas, chromas = [], []
    for offset in offsets:
        other = min(max(n + offset, 0), len(y) - 1)
        way = range(n, other) if other > n else range(n, other, -1)
        toward = 1 if other > n else -1
        steps = [alignment.flow(codes[t], codes[t + toward]) for t in way]
        if not steps:
            lumas.append(y[n])
            chromas += list(uv[n])
            continue
        sampling = alignment.Sampling(alignment.displacements(steps)[-1], kernel=kernel)
        lumas.append(sampling.luma(y[other]))
        chromas += list(sampling.chroma(uv[other]))
    return {"y": np.stack(lumas)[None], "uv": np.stack(chromas)[None]}


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
