"""A perceptual distance that nobody trained: normalised responses of oriented filters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 11
WAVELENGTHS = (3.0, 4.5, 7.0, 11.0)
ORIENTATIONS = 8
# Of the Gaussians that look at colour differences.
COLOUR_SIGMAS = (1.5, 3.0)
LUMA = (0.2126, 0.7152, 0.0722)
COLOUR_DIFFERENCES = ((0.5, -0.5, 0.0), (-0.5, -0.5, 1.0))
COLOUR_GAIN = 0.5
STRIDE = 2
# Keeps the root's gradient finite where there is nothing.
LEAST_ENERGY = 1e-8


class FilterBank(nn.Module):
    """Distance between the contrast-normalised responses of Gabor filters.

    A network that was trained to classify has habits of its own, and a restoring network learns to
    please them. These filters have none: odd and even ones of four wavelengths and eight
    orientations on luma, and blurs of two colour differences. Positive and negative responses are
    channels of their own, all channels of a place are divided by their common norm, and the
    squared differences are summed, of the responses and of their maxima over three by three places.
    Added to that is how far the strength of each filter's response, over five by five places, is
    from what it should be, relative to all filters' there: a blurred texture is too weak, whatever
    its phase.

    Source: contrast normalisation of oriented filters as a measure of image distortion, Teo and
    Heeger, "Perceptual image distortion", SPIE 2179, 1994; Gabor's filters after Daugman,
    "Uncertainty relation for resolution in space, spatial frequency, and orientation", JOSA A 2(7),
    1985; unit channels and the summation as in LPIPS (Zhang et al., CVPR 2018);
    strengths of subbands as statistics of texture after Portilla and Simoncelli, "A parametric
    texture model based on joint statistics of complex wavelet coefficients", IJCV 40(1), 2000.
    """

    def __init__(self, least: float) -> None:
        """Makes the filters.

        Args:
            least: Added to the squared norm, so that what can't be seen is not made as large as
                what can; pictures are in [0, 1], filters have a norm of one.
        """
        super().__init__()
        self._least = least
        self.kernels: Tensor
        self.register_buffer("kernels", kernels())

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """Returns the distance of every picture, `[N]`; 0 where they are equal.

        Args:
            picture: RGB in [0, 1], `[N, 3, H, W]`, sides of at least 19.
            target: What it should be, of the same shape.

        Example:
            >>> import torch
            >>> from vsvqe.training.filterbank import FilterBank
            >>> picture = torch.rand(2, 3, 32, 32)
            >>> FilterBank(1e-4)(picture, picture)
            tensor([0., 0.])
        """
        responses = [functional.conv2d(p, self.kernels, stride=STRIDE) for p in (picture, target)]
        seen, wanted = (self._normalised(r) for r in responses)
        distance = _apart(seen, wanted)
        distance = distance + _apart(*(functional.max_pool2d(f, 3, 2) for f in (seen, wanted)))
        strength, due = (
            (functional.avg_pool2d(r.square(), 5, 2) + LEAST_ENERGY).sqrt() for r in responses
        )
        missed = (strength - due).square().sum(1) / (due.square().sum(1) + self._least)
        return distance + missed.mean((1, 2))

    def _normalised(self, responses: Tensor) -> Tensor:
        """Returns both signs apart, divided by the norm of all at their place."""
        both = torch.cat((responses.relu(), (-responses).relu()), dim=1)
        return both / (both.square().sum(1, keepdim=True) + self._least).sqrt()


def kernels() -> Tensor:
    """Returns the filters, `[K, 3, 11, 11]`: none responds to grey of one brightness."""
    offsets = torch.arange(SIDE, dtype=torch.float32) - SIDE // 2
    down, right = torch.meshgrid(offsets, offsets, indexing="ij")
    luma = torch.tensor(LUMA).view(3, 1, 1)
    made = []
    for wavelength in WAVELENGTHS:
        # About an octave wide, where the filter is large enough for that.
        sigma = min(wavelength / 2, SIDE / 3.5)
        envelope = torch.exp(-(right.square() + down.square()) / (2 * sigma**2))
        for turn in range(ORIENTATIONS):
            angle = math.pi * turn / ORIENTATIONS
            along = right * math.cos(angle) + down * math.sin(angle)
            for phase in (0.0, math.pi / 2):
                wave = envelope * torch.cos(2 * math.pi * along / wavelength + phase)
                wave = wave - envelope * (wave.sum() / envelope.sum())
                made.append(luma * (wave / wave.norm()))
    for sigma in COLOUR_SIGMAS:
        blur = torch.exp(-(right.square() + down.square()) / (2 * sigma**2))
        for weights in COLOUR_DIFFERENCES:
            colour = torch.tensor(weights).view(3, 1, 1)
            made.append(COLOUR_GAIN * colour * (blur / blur.norm()))
    return torch.stack(made)


def _apart(seen: Tensor, wanted: Tensor) -> Tensor:
    """Returns the squared differences, summed over channels, averaged over places."""
    return (seen - wanted).square().sum(1).mean((1, 2))
