"""What the networks are trained to make small.

Planes errors of the shipped models first, then losses of any two pictures `[N, C, H, W]`. All are
means, so that a weight means the same at any size of crop or batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# The error at 45 dB: below it, damage is not worth more attention than leaving things alone.
LEAST_MSE = 10.0**-4.5
CHROMA_WEIGHT = 0.25
SQUARED_WEIGHT = 20.0
# Periods of a pattern, to a side of the squares in which it is looked for.
GRID_CELLS = 8
# A standard deviation that counts as flat, as in the measure of flicker: four 8-bit codes.
FLAT_DEVIATION = 4.0 / 219.0

WINDOW = 11
WINDOW_SIGMA = 1.5
K1, K2 = 0.01, 0.03


def relative_error(y: Tensor, uv: Tensor, mse: Tensor, chroma_weight: float) -> Tensor:
    """Squared error relative to what the damage did to the frame.

    A decibel gained counts the same on a good and on a bad frame.

    Args:
        y: Luma error `[N, 1, H, W]`.
        uv: Chroma error `[N, 2, H / 2, W / 2]`.
        mse: Luma error of the input `[N]`.
        chroma_weight: Of the squared chroma error.
    """
    squared = _per_window(y.square()) + chroma_weight * _per_window(uv.square())
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


def grid_error(residual: Tensor, period: int = 2) -> Tensor:
    """Squared strength of patterns that come again every second, or so many, rows and columns.

    Networks that end in a pixel-shuffle make such patterns where the loss does not mind, see Odena,
    Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill, 2016. Within a square,
    all kinds of pixels should have the same mean; those of real texture nearly have.

    Args:
        residual: `[N, 1, H, W]`, sides that eight times the period divides: those of the squares.
        period: Of the patterns; those of which it is a multiple count too.
    """
    kinds = functional.pixel_unshuffle(residual, period)
    means = functional.avg_pool2d(kinds, GRID_CELLS)
    return (means - means.mean(1, keepdim=True)).square().mean()


def l1(picture: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return (picture - target).abs().mean()


def mse(picture: Tensor, target: Tensor) -> Tensor:
    """Mean squared error: what PSNR counts."""
    return (picture - target).square().mean()


def charbonnier(picture: Tensor, target: Tensor, eps: float = 1e-12) -> Tensor:
    """Mean of `sqrt(error^2 + eps)`: an absolute error that is smooth at zero.

    After Charbonnier, Blanc-Feraud, Aubert and Barlaud, "Two deterministic half-quadratic
    regularization algorithms for computed imaging", ICIP 1994. Two conventions are in use: 1e-12
    inside the root (BasicSR, mmagic), which is next to an absolute error, and 1e-6 (RFDA), which
    treats errors below a quarter of an 8-bit code as squared ones. Published weights beside it
    may be for the sum over the pixels; this is the mean.

    Args:
        picture: What the network made.
        target: What it should be, of the same shape.
        eps: Added to the squared error.

    Example:
        >>> import torch
        >>> from vsvqe.training.losses import charbonnier
        >>> charbonnier(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.5))
        tensor(0.5000)
    """
    return ((picture - target).square() + eps).sqrt().mean()


def ssim_loss(picture: Tensor, target: Tensor) -> Tensor:
    """One minus the mean SSIM.

    The window and constants are those of `vsvqe.metrics.ssim`, after Wang et al., IEEE TIP 13(4),
    2004: 11x11, Gaussian of sigma 1.5, where it is inside the picture.

    Args:
        picture: What the network made, in [0, 1], sides of at least 11.
        target: What it should be, of the same shape.
    """
    channels = picture.shape[1]
    offset = torch.arange(WINDOW, dtype=torch.float32, device=picture.device) - WINDOW // 2
    line = torch.exp(-0.5 * (offset / WINDOW_SIGMA).square())
    line = line / line.sum()

    def blurred(planes: Tensor) -> Tensor:
        down = line.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        across = line.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        rows = functional.conv2d(planes, down, groups=channels)
        return functional.conv2d(rows, across, groups=channels)

    # Variances are small differences of large numbers: too fine for half precision.
    with torch.autocast(picture.device.type, enabled=False):
        x, y = picture.float(), target.float()
        mean_x, mean_y = blurred(x), blurred(y)
        variances = blurred(x * x + y * y) - mean_x.square() - mean_y.square()
        covariance = blurred(x * y) - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + K1**2) / (mean_x.square() + mean_y.square() + K1**2)
        structure = (2 * covariance + K2**2) / (variances + K2**2)
        similarity: Tensor = (luminance * structure).mean()
        return 1.0 - similarity


def flat_error(picture: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of all pixels, weighted by how flat the target is around them.

    The weight is `exp(-variance / (4 codes)^2)` of 8-bit codes over 5x5 pixels: 1 where nothing is,
    next to 0 in texture and at edges.

    Args:
        picture: One channel, `[N, 1, H, W]`, nominal range.
        target: What it should be, of the same shape.
    """
    around = functional.pad(target, (2, 2, 2, 2), mode="reflect")
    mean, mean_square = (functional.avg_pool2d(p, 5, 1) for p in (around, around.square()))
    variance = (mean_square - mean.square()).clamp_min(0.0)
    weight = torch.exp(-variance / FLAT_DEVIATION**2)
    return (weight * (picture - target).abs()).mean()


def crisper(picture: Tensor, amount: float) -> Tensor:
    """Unsharp masking: `x + amount * (x - blurred x)`, for targets that a network falls short of.

    The blur is that of `vqe.ASTF(sharpen=...)`: binomial, 3x3; borders are mirrored.

    Args:
        picture: One channel, `[N, 1, H, W]`, sides of at least 2.
        amount: 0 changes nothing.
    """
    line = torch.tensor((0.25, 0.5, 0.25), dtype=picture.dtype, device=picture.device)
    around = functional.pad(picture, (1, 1, 1, 1), mode="reflect")
    blurred = functional.conv2d(around, (line[:, None] * line)[None, None])
    return picture + amount * (picture - blurred)


def total_variation(picture: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, across and down: small for smooth pictures.

    The anisotropic form of Rudin, Osher and Fatemi, "Nonlinear total variation based noise
    removal algorithms", Physica D 60, 1992.

    Args:
        picture: `[N, C, H, W]`, sides of at least 2.
    """
    return picture.diff(dim=-1).abs().mean() + picture.diff(dim=-2).abs().mean()


def spectrum_error(picture: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the magnitudes of the Fourier transforms.

    Blind to phase, so that detail of the right strength counts even where it is displaced: an
    addition to an error of pixels, after Fuoli, Van Gool and Timofte, "Fourier space losses for
    efficient perceptual image super-resolution", ICCV 2021. The transform is orthonormal.

    Args:
        picture: What the network made, `[N, C, H, W]`.
        target: What it should be, of the same shape.
    """
    # Half precision has no such transform.
    magnitudes = [torch.fft.rfft2(p.float(), norm="ortho").abs() for p in (picture, target)]
    distance: Tensor = (magnitudes[0] - magnitudes[1]).abs().mean()
    return distance


def focal_frequency(picture: Tensor, target: Tensor, alpha: float = 1.0) -> Tensor:
    """Squared difference of the Fourier transforms, weighted by how wrong each frequency is.

    After Jiang, Dai, Wu and Loy, "Focal frequency loss for image reconstruction and synthesis",
    ICCV 2021: the weight of a frequency is its distance to the power `alpha`, divided by the
    largest of its picture and channel, and is not learned through. The transform is orthonormal.

    Args:
        picture: What the network made, `[N, C, H, W]`.
        target: What it should be, of the same shape.
        alpha: 0 weighs all frequencies alike, which is the mean squared error; more looks harder
            at the worst.
    """
    difference: Tensor = torch.fft.fft2(picture.float() - target.float(), norm="ortho")
    squared = difference.real.square() + difference.imag.square()
    weight: Tensor = squared.detach() ** (alpha / 2)
    # Equal pictures have no largest distance to divide by.
    largest = weight.amax(dim=(-2, -1), keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight / largest * squared).mean()


def _per_window(error: Tensor) -> Tensor:
    """Averages everything but the first axis."""
    return error.flatten(1).mean(1)
