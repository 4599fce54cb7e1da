"""What is measured: every figure that tables, plots and cards show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import vapoursynth as vs

from ..metrics.blockiness import blockiness
from ..metrics.flicker import flicker
from ..metrics.lpips import Lpips
from ..metrics.ms_ssim import ms_ssim
from ..metrics.psnr import psnr
from ..metrics.ssim import ssim
from ..metrics.tof import Flow, flow_difference, flows
from . import pictures

# Of the transforms of most codecs, at the size of the coded picture.
_BLOCK = 8


class Original:
    """A clean clip, and what of it all scores need."""

    def __init__(self, clip: vs.VideoNode, every: int) -> None:
        """Remembers the clip; it is read when needed.

        Args:
            clip: 8-bit 4:2:0.
            every: LPIPS and MS-SSIM take every so many frames, tOF every so many pairs.
        """
        self.clip = clip
        self.every = every

    @cached_property
    def planes(self) -> pictures.Planes:
        """All frames."""
        return pictures.read(self.clip)

    @property
    def luma(self) -> pictures.Bytes:
        """The luma of all frames."""
        return self.planes.y

    @cached_property
    def rgb(self) -> pictures.Bytes:
        """The frames that LPIPS looks at."""
        return pictures.rgb(self.clip[:: self.every])

    @cached_property
    def flow(self) -> Flow:
        """The motion that tOF compares with."""
        return flows(self.luma, self.every)


@dataclass(frozen=True)
class Sample:
    """A result beside its original."""

    original: Original
    planes: pictures.Planes
    """Of the result."""
    clip: vs.VideoNode
    """The result; asked for its properties only, as its frames have been computed."""
    scale: int
    """Size of the result relative to the coded picture."""
    lpips: Lpips


@dataclass(frozen=True)
class Measure:
    """One figure of a clip."""

    name: str
    """Field of ``Score`` and column of the CSV file."""
    title: str
    """As the tables show it."""
    digits: int
    """Shown behind the point."""
    more_is_better: bool
    of: Callable[[Sample], float]
    """Computes it: a mean over frames."""


def _psnr_of(plane: int) -> Callable[[Sample], float]:
    def measured(sample: Sample) -> float:
        return float(psnr(sample.original.planes[plane], sample.planes[plane]).mean())

    return measured


def _ssim(sample: Sample) -> float:
    return float(ssim(sample.original.luma, sample.planes.y).mean())


def _ms_ssim(sample: Sample) -> float:
    every = sample.original.every
    return float(ms_ssim(sample.original.luma[::every], sample.planes.y[::every]).mean())


def _lpips(sample: Sample) -> float:
    every = sample.original.every
    seen = pictures.Planes(*(plane[::every] for plane in sample.planes))
    rgb = pictures.rgb(pictures.as_clip(seen, sample.clip[::every]))
    return float(sample.lpips.distance(sample.original.rgb, rgb).mean())


def _tof(sample: Sample) -> float:
    moved = flows(sample.planes.y, sample.original.every)
    return float(flow_difference(sample.original.flow, moved).mean())


def _flicker(sample: Sample) -> float:
    values = flicker(sample.original.luma, sample.planes.y)
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if seen.size else float("nan")


def _blockiness(sample: Sample) -> float:
    return float(blockiness(sample.planes.y, _BLOCK * sample.scale).mean())


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("psnr_y", "PSNR-Y dB", 2, True, _psnr_of(0)),
        Measure("psnr_u", "PSNR-U dB", 2, True, _psnr_of(1)),
        Measure("psnr_v", "PSNR-V dB", 2, True, _psnr_of(2)),
        Measure("ssim_y", "SSIM-Y", 4, True, _ssim),
        Measure("ms_ssim_y", "MS-SSIM-Y", 4, True, _ms_ssim),
        Measure("lpips", "LPIPS", 4, False, _lpips),
        Measure("tof", "tOF", 3, False, _tof),
        Measure("flicker", "flicker", 3, False, _flicker),
        Measure("blockiness", "blockiness", 2, False, _blockiness),
    )
}
