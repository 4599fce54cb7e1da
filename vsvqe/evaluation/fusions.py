"""The versions of a clip that ``ASTF`` makes, and what becomes of them with other masks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

import vsvqe

from ..graph import fusion, scenes
from ..metrics.acutance import acutance
from ..metrics.kernel import kernel_distance
from ..metrics.lpips import Lpips
from . import pictures
from .measures import MEASURES, Original, Sample
from .report import Column

# Of those of every evaluation. What is enhanced for its look may change colours that no measure of
# luma sees.
SHARED = ("psnr_y", "ssim_y", "lpips", "tof", "flicker", "psnr_u", "psnr_v")

COLUMNS = (
    *(Column(name, MEASURES[name].title, MEASURES[name].digits) for name in SHARED),
    Column("kernel", "kernel distance", 2),
    Column("acutance", "acutance", 3),
)


class Judge:
    """Measures versions of one clip against its original."""

    def __init__(self, clean: vs.VideoNode, lpips: Lpips, every: int) -> None:
        """Remembers the original.

        Args:
            clean: 8-bit 4:2:0.
            lpips: The metric, loaded.
            every: See ``Original``; the kernel distance takes as many frames as LPIPS.
        """
        self._original = Original(clean, every)
        self._lpips = lpips
        self._features = lpips.features(self._original.rgb)

    def figures(self, version: vs.VideoNode, names: Sequence[str] = SHARED) -> dict[str, float]:
        """Returns some figures of an 8-bit version, by the names of ``MEASURES``."""
        sample = Sample(self._original, pictures.read(version), version, 1, self._lpips)
        return {name: MEASURES[name].of(sample) for name in names}

    def all_figures(self, version: vs.VideoNode) -> dict[str, float]:
        """Returns the figures of all columns of an 8-bit version."""
        planes = pictures.read(version)
        every = self._original.every
        seen = pictures.Planes(*(plane[::every] for plane in planes))
        rgb = pictures.rgb(pictures.as_clip(seen, version[::every]))
        distance = kernel_distance(self._features, self._lpips.features(rgb))
        return self.figures(version) | {
            "kernel": 1000 * distance,
            "acutance": float(acutance(self._original.luma, planes.y).mean()),
        }


class Versions(NamedTuple):
    """What the stages make of a clip, each in memory at 16 bits, so that rounding is no matter."""

    damaged: vs.VideoNode
    stage1: vs.VideoNode
    texture: vs.VideoNode
    smooth: vs.VideoNode


def versions(damaged: vs.VideoNode, model: str, backend: str) -> Versions:
    """Runs the stages of ``ASTF`` on an 8-bit clip."""
    deep = damaged.resize.Point(format=vs.YUV420P16)
    shown = [
        vsvqe.ASTF(deep, model, show=name, backend=backend)
        for name in ("stage1", "texture", "smooth")
    ]
    return Versions(*(in_memory(clip, deep) for clip in (deep, *shown)))


def in_memory(clip: vs.VideoNode, like: vs.VideoNode) -> vs.VideoNode:
    """Computes a clip once, for all who ask; the props are those of another of its format."""
    return pictures.as_clip(pictures.read(clip), like)


def rounded(clip: vs.VideoNode) -> vs.VideoNode:
    """Returns a clip at 8 bits."""
    return clip.resize.Point(format=vs.YUV420P8)


def main_rows(
    damaged: vs.VideoNode, made: Versions, model: str, backend: str, sharpen: float
) -> dict[str, vs.VideoNode]:
    """Returns the versions of the main table by name; the fused ones run the whole filter."""
    return {
        "input": damaged,
        "stage 1": rounded(made.stage1),
        "texture": rounded(made.texture),
        "smooth": rounded(made.smooth),
        "fused": in_memory(vsvqe.ASTF(damaged, model, backend=backend), damaged),
        f"fused, sharpen={sharpen:g}": rounded(
            vsvqe.ASTF(texture=made.texture, smooth=made.smooth, sharpen=sharpen)
        ),
    }


def ablations(made: Versions) -> dict[str, tuple[vs.VideoNode, vs.VideoNode]]:
    """Returns by name what other masks make of the same two clips, and these masks."""
    both = {"texture": made.texture, "smooth": made.smooth}
    settings: dict[str, Mapping[str, int | str]] = {
        'radius=1, window=3, normalize="window"': {},
        "radius=2": {"radius": 2},
        "radius=5": {"radius": 5},
        "window=1": {"window": 1},
        "window=5": {"window": 5},
        'normalize="fixed"': {"normalize": "fixed"},
    }
    result = {}
    for name, changed in settings.items():
        fused = vsvqe.ASTF(**both, **changed)  # type: ignore[arg-type]
        mask = vsvqe.ASTF(**both, **changed, show="mask")  # type: ignore[arg-type]
        result[name] = rounded(fused), mask
    mask = vsvqe.ASTF(texture=made.damaged, smooth=made.damaged, show="mask")
    # The range of a mask has nothing to do with that of what it weighs.
    weighed = made.smooth.std.MaskedMerge(
        made.texture, mask.std.RemoveFrameProps("_Range"), first_plane=True
    )
    result["the mask of the input's luma"] = rounded(weighed), mask
    return result


def share(mask: vs.VideoNode) -> float:
    """Returns the mean of a 16-bit mask, 0 to 1."""
    means = [frame.props["PlaneStatsAverage"] for frame in mask.std.PlaneStats().frames(close=True)]
    return float(np.mean(means))


def scale_flicker(made: Versions) -> dict[str, dict[str, float]]:
    """Tells how much flicker each way to normalise the mask makes.

    Returns:
        By name: ``change``, by how many percent the scale changes from frame to frame; ``share``,
        the mean of the mask; ``alone``, by how many codes of 8 bits the fused luma would change if
        nothing but the scale did; and ``mask``, by how many it does as the mask changes. The last
        two are means over all pixels.
    """
    grey = made.smooth.std.ShufflePlanes(0, vs.GRAY)
    luma = grey.resize.Point(format=vs.GRAYS, range_in=vs.RANGE_LIMITED)
    marks = scenes.marked(made.smooth, None)
    variances = _stacked(fusion.variance(luma, marks, 1, 3))
    texture, smooth = (pictures.read(clip).y / 256.0 for clip in (made.texture, made.smooth))
    means, peaks = variances.mean((1, 2)), variances.max((1, 2))
    least, parts = fusion.FULL_DEVIATION**2, fusion.FULL_SHARE * means
    scales = {
        "fixed": np.full(len(means), least),
        "window": np.maximum(_windowed(parts).mean(0), least),
        "part of the mean of each frame, at least the fixed scale": np.maximum(parts, least),
        "part of the mean of each frame": parts,
        "maximum of the window": _windowed(peaks).max(0),
        "maximum of each frame": peaks,
    }
    result = {}
    apart = np.abs(texture - smooth)[1:]
    for name, scale in scales.items():
        masks = _masks(variances, scale)
        before = _masks(variances[1:], scale[:-1])
        result[name] = {
            "change": 100 * float(np.mean(np.abs(np.diff(np.log(scale))))),
            "share": float(masks.mean()),
            "alone": float(np.mean(np.abs(masks[1:] - before) * apart)),
            "mask": float(np.mean(np.abs(np.diff(masks, axis=0)) * apart)),
        }
    return result


def mask_picture(mask: vs.VideoNode, like: vs.VideoNode) -> vs.VideoNode:
    """Returns a mask as an 8-bit 4:2:0 clip to look at."""
    grey = mask.resize.Point(format=vs.GRAY8, range_in=vs.RANGE_FULL, range=vs.RANGE_LIMITED)
    chroma = vs.core.std.BlankClip(like, color=[16, 128, 128], keep=True)
    joined = vs.core.std.ShufflePlanes([grey, chroma, chroma], [0, 1, 2], vs.YUV)
    return joined.std.CopyFrameProps(like)


def _masks(variances: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(variances / scales[:, None, None], 1.0)


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the values of the frame before, of the frame itself, and of the one after."""
    return np.stack(
        [np.append(values[:1], values[:-1]), values, np.append(values[1:], values[-1:])]
    )


def _stacked(clip: vs.VideoNode) -> NDArray[np.float64]:
    frames = [np.array(frame[0], np.float64) for frame in clip.frames(close=True)]
    return np.stack(frames)
