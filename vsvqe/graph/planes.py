"""The planes layout: luma and 4:2:0 chroma for the model, residuals back at the clip's own depth.

A model of this layout sees video as it is stored, and returns what has to be *added*. So the
clip itself never goes through a conversion: whatever its format, the residual alone is converted
to it, and a native expression adds it, rounds once and clamps. Of formats other than 4:2:0 the
model sees a 4:2:0 version, but their own chroma resolution is untouched.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..native.clamp import clamp
from ..native.library import available
from .clips import ClipFacts, bare, like, padded_to_even

# RGB goes to the model and its residual comes back by one and the same matrix; which one matters
# little, and BT.709 is what the models were trained on.
_RGB_MATRIX = vs.MATRIX_BT709

# Samples that stay in a core's own cache from one pass to the next.
_BLOCK = 1 << 16

# The code of 1.0 in float32.
_ONE = 0x3F800000


def for_model(clip: vs.VideoNode, facts: ClipFacts) -> vs.VideoNode:
    """Returns what the model sees: 4:2:0 or grey, of even width and height.

    Args:
        clip: Any format that ``clips.checked`` lets pass.
        facts: Its colour facts.
    """
    format = clip.format
    clip = padded_to_even(clip)
    if format.color_family == vs.GRAY or (format.subsampling_w, format.subsampling_h) == (1, 1):
        return clip
    if format.color_family == vs.RGB:
        return bare(clip).resize.Bicubic(
            format=vs.YUV420PS,
            matrix_in=vs.MATRIX_RGB,
            matrix=_RGB_MATRIX,
            range_in=int(facts.full_range),
            chromaloc=facts.chroma_location,
        )
    return bare(clip).resize.Bicubic(
        format=like(format, subsampling_w=1, subsampling_h=1).id,
        chromaloc_in=facts.chroma_location,
        chromaloc=facts.chroma_location,
    )


def residual_format(seen: vs.VideoNode) -> vs.VideoFormat:
    """Returns the float32 format of the residual of a clip that the model sees."""
    return like(seen.format, sample_type=vs.FLOAT, bits_per_sample=32)


class PlaneReader:
    """Turns frames that ``for_model`` gave into the model's input arrays."""

    def __init__(self, seen: vs.VideoNode, facts: ClipFacts) -> None:
        """Works out offsets and scales of the integer codes."""
        format = seen.format
        self._grey = format.color_family == vs.GRAY
        self._float = format.sample_type == vs.FLOAT
        luma, chroma = code_ranges(format, facts.full_range)
        black = 0 if facts.full_range else 16 << (format.bits_per_sample - 8)
        middle = 1 << (format.bits_per_sample - 1)
        self._offset_scale = [(black, 1 / luma), (middle, 1 / chroma), (middle, 1 / chroma)]

    def read(
        self,
        frames: Sequence[vs.VideoFrame],
        y: NDArray[np.float32],
        uv: NDArray[np.float32],
        wanted: Iterable[int] | None = None,
    ) -> None:
        """Fills the model's inputs.

        Args:
            frames: T of them.
            y: Takes the luma as its first channel, T x C x H x W, 0 to 1.
            uv: Takes the chroma as its first two, T x C x H/2 x W/2, -0.5 to 0.5; untouched for
                grey clips.
            wanted: Indices of the frames to read; all by default.
        """
        for t in range(len(frames)) if wanted is None else wanted:
            targets = [y[t, 0]] if self._grey else [y[t, 0], uv[t, 0], uv[t, 1]]
            for plane, target in enumerate(targets):
                self._read(np.asarray(frames[t][plane]), plane, target)

    def _read(self, samples: NDArray[np.generic], plane: int, target: NDArray[np.float32]) -> None:
        if self._float:
            target[...] = samples
            return
        offset, scale = self._offset_scale[plane]
        np.subtract(samples, np.float32(offset), out=target, casting="unsafe")
        target *= np.float32(scale)


def clamped(samples: NDArray[np.float32], out: NDArray[np.float32]) -> bool:
    """Copies a plane, clamped to [0, 1].

    Args:
        samples: H x W.
        out: Takes them.

    Returns:
        Whether all samples were finite; otherwise ``out`` is of no use.
    """
    if available(samples) and available(out):
        return clamp(samples, out)
    rows = max(1, _BLOCK // samples.shape[1])
    for top in range(0, len(samples), rows):
        block, target = samples[top : top + rows], out[top : top + rows]
        # One pass for most: what is negative, above 1 or not finite has larger codes than 1.
        if block.view(np.uint32).max() <= _ONE:
            np.copyto(target, block)
            continue
        lowest, highest = block.min(), block.max()
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            return False
        if lowest >= 0.0 and highest <= 1.0:
            np.copyto(target, block)
        else:
            np.clip(block, 0.0, 1.0, out=target)
    return True


def code_ranges(format: vs.VideoFormat, full_range: bool) -> tuple[float, float]:
    """Returns how many codes nominal black to white, and full chroma, span; 1 for floats."""
    if format.sample_type == vs.FLOAT:
        return 1.0, 1.0
    if full_range:
        peak = float((1 << format.bits_per_sample) - 1)
        return peak, peak
    unit = 1 << (format.bits_per_sample - 8)
    return 219.0 * unit, (219.0 if format.color_family == vs.RGB else 224.0) * unit


def residual_like(
    residual: vs.VideoNode, format: vs.VideoFormat, facts: ClipFacts, width: int, height: int
) -> vs.VideoNode:
    """Brings a residual from 4:2:0 to a format, as float32, and crops it to a size.

    Args:
        residual: Float32 4:2:0 or grey, zero where nothing changes.
        format: The clip's format.
        facts: The clip's colour facts.
        width: Of the clip, at the residual's scale.
        height: Of the clip, at the residual's scale.
    """
    target = like(format, sample_type=vs.FLOAT, bits_per_sample=32)
    if residual.format.id != target.id:
        # Zero stays zero on this way, also through the matrix: the conversion is linear.
        residual = bare(residual).resize.Bicubic(
            format=target.id,
            matrix_in=_RGB_MATRIX,
            matrix=vs.MATRIX_RGB if format.color_family == vs.RGB else _RGB_MATRIX,
            chromaloc_in=facts.chroma_location,
            chromaloc=facts.chroma_location,
        )
    return residual.std.CropAbs(width=width, height=height)


def added(
    base: vs.VideoNode,
    residuals: Sequence[tuple[vs.VideoNode, float]],
    format: vs.VideoFormat,
    facts: ClipFacts,
    planes: Sequence[int],
) -> vs.VideoNode:
    """Adds residuals to a picture: one rounding, one clamp, all native.

    Args:
        base: The picture, in ``format`` or as ``enlarged`` gives it.
        residuals: Float32 clips from ``residual_like``, each with its weight.
        format: Of the result.
        facts: Colour facts of the clip.
        planes: Planes to add to; the others are copied from the base.
    """
    depth = _depth_ratio(base.format, format, facts.full_range)
    ranges = code_ranges(format, facts.full_range)
    expressions = []
    for plane in range(format.num_planes):
        chroma = plane > 0 and format.color_family == vs.YUV
        terms = [f"x {depth!r} *" if depth != 1.0 else "x"]
        if chroma and depth != 1.0 and facts.full_range:
            # Of full range, the middle (128 of 255) does not scale like the range.
            middle = _middle(format) - depth * _middle(base.format)
            terms.append(f"{middle!r} +")
        if plane in planes:
            for name, (_, weight) in zip("yzabc", residuals, strict=False):
                terms.append(f"{name} {ranges[chroma] * weight!r} * +")
        expressions.append(" ".join(terms) if len(terms) > 1 or depth != 1.0 else "")
    clips = [base, *(clip for clip, _ in residuals)]
    return vs.core.std.Expr(clips, expressions, format=format.id)


def _middle(format: vs.VideoFormat) -> int:
    """Returns the code of chroma that is no colour."""
    return 0 if format.sample_type == vs.FLOAT else 1 << (format.bits_per_sample - 1)


def _depth_ratio(base: vs.VideoFormat, format: vs.VideoFormat, full_range: bool) -> float:
    if base.id == format.id:
        return 1.0
    return code_ranges(format, full_range)[0] / code_ranges(base, full_range)[0]


def enlarged(
    clip: vs.VideoNode, scale: int, facts: ClipFacts, kernel: str = "bicubic"
) -> vs.VideoNode:
    """Resizes a clip, at 16 bits if it has fewer, so that the result is rounded only once.

    Full range has no room for overshoot at black and white, so there it becomes float.

    Args:
        clip: Any format.
        scale: Size factor.
        facts: Its colour facts: the chroma stays at its location.
        kernel: ``"bicubic"`` (b = 0, c = 0.5) or ``"spline36"``.
    """
    format = clip.format
    if format.sample_type == vs.INTEGER:
        if facts.full_range:
            format = like(format, sample_type=vs.FLOAT, bits_per_sample=32)
        else:
            format = like(format, bits_per_sample=16)
    return resized(
        clip, clip.width * scale, clip.height * scale, facts, format=format, kernel=kernel
    )


def resized(
    clip: vs.VideoNode,
    width: int,
    height: int,
    facts: ClipFacts,
    *,
    format: vs.VideoFormat | None = None,
    kernel: str = "bicubic",
) -> vs.VideoNode:
    """Resizes a clip with its chroma at its location and its range as it is."""
    format = format or clip.format
    clip = bare(clip)
    resize = clip.resize.Bicubic if kernel == "bicubic" else clip.resize.Spline36
    siting = {"chromaloc_in": facts.chroma_location, "chromaloc": facts.chroma_location}
    return resize(
        width=width,
        height=height,
        format=format.id,
        range_in=int(facts.full_range),
        range=int(facts.full_range),
        **(siting if format.color_family == vs.YUV else {}),
    )
