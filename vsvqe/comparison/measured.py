"""Measures a clip against a reference, frame by frame as they are decoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..metrics.ms_ssim import LEAST_SIDE, ms_ssim
from ..metrics.psnr import psnr
from ..metrics.ssim import SIDE, ssim
from ..transcode.errors import FilterError, SourceError
from ..transcode.interrupts import held
from ..transcode.script import reason
from .clips import Named, as_yuv

type Plane = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A measure of a frame against another."""

    name: str
    """Column of the CSV file."""
    title: str
    """As tables and plots show it."""
    digits: int
    plane: int
    of: Callable[[Plane, Plane, float], NDArray[np.float64]]
    """Takes both planes, 1 x height x width, and the largest code."""
    least: int
    """Smallest side of a plane that it takes."""


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr_y", "PSNR-Y dB", 2, 0, psnr, 1),
        Metric("psnr_u", "PSNR-U dB", 2, 1, psnr, 1),
        Metric("psnr_v", "PSNR-V dB", 2, 2, psnr, 1),
        Metric("ssim_y", "SSIM-Y", 4, 0, ssim, SIDE),
        Metric("ms_ssim_y", "MS-SSIM-Y", 4, 0, ms_ssim, LEAST_SIDE),
    )
}
"""All of them, by name."""


@dataclass(frozen=True)
class Measured:
    """The figures of one clip."""

    label: str
    values: dict[str, NDArray[np.float64]]
    """One per frame, by name of the metric; infinite PSNR where frames are equal."""


def measure(
    reference: Named,
    clips: Sequence[Named],
    names: Sequence[str],
    advance: Callable[[int], None],
) -> list[Measured]:
    """Measures clips against a reference.

    Args:
        reference: What they are compared with; of another depth or chroma format they are
            converted to its own first.
        clips: Of its size and length.
        names: Of ``METRICS``; those of chroma are left out of grey clips.
        advance: Is told of every frame.

    Raises:
        SourceError: A clip has another size, or is too small for a metric.
        FilterError: A frame can't be had.
    """
    original = as_yuv(reference.clip)
    others = [_like(named, reference.label, original) for named in clips]
    metrics = [METRICS[name] for name in names if METRICS[name].plane < original.format.num_planes]
    if original.format.sample_type == vs.FLOAT:
        peak = 1.0
    else:
        peak = float((1 << original.format.bits_per_sample) - 1)
    least = max(metric.least for metric in metrics)
    if min(original.width, original.height) < least:
        raise SourceError(f"the clips are smaller than {least}x{least}, which these metrics need")
    found: list[dict[str, list[float]]] = [{m.name: [] for m in metrics} for _ in others]
    runs = [clip.frames(close=True) for clip in (original, *others)]
    try:
        with held() as check:
            for truth, *frames in zip(*runs, strict=True):
                check()
                for values, frame in zip(found, frames, strict=True):
                    for metric in metrics:
                        one, two = (np.asarray(f[metric.plane])[None] for f in (truth, frame))
                        values[metric.name].append(float(metric.of(one, two, peak)[0]))
                advance(1)
    except vs.Error as error:
        raise FilterError(f"a frame can't be had: {reason(error)}") from error
    return [
        Measured(named.label, {name: np.array(column) for name, column in values.items()})
        for named, values in zip(clips, found, strict=True)
    ]


def _like(named: Named, label: str, original: vs.VideoNode) -> vs.VideoNode:
    clip = as_yuv(named.clip)
    if (clip.width, clip.height) != (original.width, original.height):
        raise SourceError(
            f"{named.label} is {clip.width}x{clip.height}, {label} {original.width}x"
            f"{original.height}; bring them to one size first, or say so with --resize"
        )
    if clip.format.id == original.format.id:
        return clip
    return clip.resize.Bicubic(format=original.format.id)
