"""What people used before networks: for comparison, from filters of the core and NumPy.

Pictures are sharpened, smoothed and equalised in their luma; of RGB, in every plane.
"""

import math

import numpy as np
import vapoursynth as vs


def unsharp(clip: vs.VideoNode, amount: float = 1.0, sigma: float = 1.5) -> vs.VideoNode:
    """Sharpens by unsharp masking: adds what a Gaussian takes away.

    Args:
        clip: Any constant format of the core's filters.
        amount: How much of it, from 0.
        sigma: Of the Gaussian, in pixels.

    Raises:
        ValueError: ``amount`` is negative, or ``sigma`` out of range.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> sharper = traditional.unsharp(clip, 0.5)  # doctest: +SKIP
    """
    if amount < 0:
        raise ValueError(f"amount={amount!r} must be at least 0")
    blurred = gaussian(clip, sigma)
    return vs.core.std.Expr([clip, blurred], _luma(clip, f"x x y - {amount!r} * +"))


def laplacian(clip: vs.VideoNode, amount: float = 0.2) -> vs.VideoNode:
    """Sharpens by subtracting the Laplacian (4 neighbours).

    Args:
        clip: Any constant format of the core's filters.
        amount: How much of it, from 0.

    Raises:
        ValueError: ``amount`` is negative.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> sharper = traditional.laplacian(clip)  # doctest: +SKIP
    """
    if amount < 0:
        raise ValueError(f"amount={amount!r} must be at least 0")
    # The mean of the four neighbours: x - mean is a quarter of the negative Laplacian.
    mean_of_four = [0, 1, 0, 1, 0, 1, 0, 1, 0]
    around = clip.std.Convolution(mean_of_four, planes=_planes(clip))
    return vs.core.std.Expr([clip, around], _luma(clip, f"x x y - {4 * amount!r} * +"))


def mean(clip: vs.VideoNode, radius: int = 1) -> vs.VideoNode:
    """Smooths with the mean of a square.

    Args:
        clip: Any constant format of the core's filters.
        radius: The square has sides of ``2 * radius + 1`` pixels; 1 to 12.

    Raises:
        ValueError: ``radius`` is out of range.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> smoother = traditional.mean(clip, 2)  # doctest: +SKIP
    """
    if radius not in range(1, 13):
        raise ValueError(f"radius={radius!r} must be a whole number from 1 to 12")
    return clip.std.Convolution([1] * (2 * radius + 1), planes=_planes(clip), mode="hv")


def gaussian(clip: vs.VideoNode, sigma: float = 1.0) -> vs.VideoNode:
    """Smooths with a Gaussian.

    Args:
        clip: Any constant format of the core's filters.
        sigma: In pixels, more than 0, up to 4.

    Raises:
        ValueError: ``sigma`` is out of range.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> smoother = traditional.gaussian(clip, 1.5)  # doctest: +SKIP
    """
    if not 0 < sigma <= 4:
        raise ValueError(f"sigma={sigma!r} must be more than 0, up to 4")
    reach = min(12, math.ceil(3 * sigma))
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    whole = [round(1000 * weight) for weight in weights / weights.max()]
    return clip.std.Convolution(whole, planes=_planes(clip), mode="hv")


def median(clip: vs.VideoNode) -> vs.VideoNode:
    """Smooths with the median of 3x3 pixels.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> smoother = traditional.median(clip)  # doctest: +SKIP
    """
    return clip.std.Median(planes=_planes(clip))


def equalize(clip: vs.VideoNode) -> vs.VideoNode:
    """Equalises the histogram of every frame.

    Args:
        clip: GRAY or YUV, integer; limited range stays limited.

    Raises:
        ValueError: It is RGB or float.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> clearer = traditional.equalize(clip)  # doctest: +SKIP
    """
    if clip.format.sample_type != vs.INTEGER or clip.format.color_family == vs.RGB:
        raise ValueError(f"clip is {clip.format.name}; grey or YUV of integers is needed")
    bits = clip.format.bits_per_sample

    def spread(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        full = bool(frame.props.get("_Range", 0))
        low, high = (0, (1 << bits) - 1) if full else (16 << (bits - 8), 235 << (bits - 8))
        luma = np.asarray(frame[0])
        codes = np.clip(luma, low, high)
        below = np.cumsum(np.bincount(codes.ravel(), minlength=high + 1)[: high + 1])
        first = below[codes.min()]
        if below[-1] > first:
            table = low + np.rint((below - first) / (below[-1] - first) * (high - low))
            luma[...] = np.clip(table, low, high).astype(luma.dtype)[codes]
        return frame

    return clip.std.ModifyFrame(clip, spread)


def bilinear(clip: vs.VideoNode, scale: float = 2.0) -> vs.VideoNode:
    """Enlarges with bilinear interpolation.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> larger = traditional.bilinear(clip, 2)  # doctest: +SKIP
    """
    return _resized(clip, "Bilinear", scale)


def bicubic(clip: vs.VideoNode, scale: float = 2.0) -> vs.VideoNode:
    """Enlarges with bicubic interpolation.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> larger = traditional.bicubic(clip, 2)  # doctest: +SKIP
    """
    return _resized(clip, "Bicubic", scale)


def lanczos(clip: vs.VideoNode, scale: float = 2.0) -> vs.VideoNode:
    """Enlarges with Lanczos interpolation.

    Example:
        >>> from vsvqe.evaluation import traditional
        >>> larger = traditional.lanczos(clip, 2)  # doctest: +SKIP
    """
    return _resized(clip, "Lanczos", scale)


METHODS = {
    method.__name__: method
    for method in (unsharp, laplacian, mean, gaussian, median, equalize, bilinear, bicubic, lanczos)
}
"""All of them, by name."""


def _resized(clip: vs.VideoNode, kernel: str, scale: float) -> vs.VideoNode:
    if scale <= 0:
        raise ValueError(f"scale={scale!r} must be more than 0")
    step_x, step_y = 1 << clip.format.subsampling_w, 1 << clip.format.subsampling_h
    width = round(clip.width * scale / step_x) * step_x
    height = round(clip.height * scale / step_y) * step_y
    resize = getattr(clip.resize, kernel)
    result: vs.VideoNode = resize(width, height)
    return result


def _planes(clip: vs.VideoNode) -> list[int]:
    return list(range(3)) if clip.format.color_family == vs.RGB else [0]


def _luma(clip: vs.VideoNode, expression: str) -> list[str]:
    chosen = _planes(clip)
    return [expression if plane in chosen else "" for plane in range(clip.format.num_planes)]
