"""Whether damaged and clean clips lie exactly on each other.

A network that learns from pairs that are off by a fraction of a pixel learns to move the picture,
or to blur it. The offset is that of phase correlation, which blur, noise and compression do not
bias: the phase of the cross spectrum grows linearly with frequency, and its slope is the offset.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vsvqe.training.resample import bicubic_matrix, chroma_shift
from vsvqe.training.store import Bytes, Planes

TILE = 64
ROUNDS = 3
# Of a plane's highest frequency: above it damage has left little that can be compared.
HIGHEST = 0.5
# Mean absolute change from frame to frame, and least standard deviation of a tile, in codes.
STILL = 1.5
STRUCTURED = 8.0


def displacement(reference: NDArray[np.number], picture: NDArray[np.number]) -> tuple[float, float]:
    """Returns how far the picture lies right of and below the reference, in pixels.

    The plane that fits the phases of the low frequencies best, weighted by their strength: after
    Stone, Orchard, Chang and Martucci, "A fast direct Fourier-based algorithm for subpixel
    registration of images", IEEE TGRS 39(10), 2001. For offsets of up to about a pixel.

    Args:
        reference: One plane, or planes at several times, `[..., H, W]`.
        picture: The same, of the same shape.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import numpy as np
        >>> from vsvqe.training.registration import displacement
        >>> wave = np.sin(np.add.outer(np.arange(64) / 3, np.arange(65) / 5))
        >>> right, down = displacement(wave[:, 1:], wave[:, :-1])
        >>> abs(right + down * 5 / 3 - 1) < 0.05
        True
    """
    if reference.shape != picture.shape:
        raise ValueError(f"shapes differ: {reference.shape}, {picture.shape}")
    right = down = 0.0
    for _ in range(ROUNDS):
        # The window stays where it is while the picture moves, which hides a part of the offset:
        # so what was found is undone, and the rest is looked for.
        rest = _phase_slope(reference, _moved(picture, -right, -down))
        right, down = right + rest[0], down + rest[1]
    return right, down


def _phase_slope(reference: NDArray[np.number], picture: NDArray[np.number]) -> tuple[float, float]:
    """Returns the offset that explains the phases of the low frequencies best."""
    spectra = [np.fft.fft2(_windowed(plane)) for plane in (reference, picture)]
    height, width = reference.shape[-2:]
    cross = (np.conj(spectra[0]) * spectra[1]).reshape(-1, height, width).sum(axis=0)
    down, right = _frequencies(height, width)
    low = (np.hypot(down, right) < HIGHEST / 2) & (np.hypot(down, right) > 0)
    # Least squares weigh a phase by the inverse of its variance, which is that of white noise.
    weight = np.sqrt(np.abs(cross[low]))
    # A displacement d turns the phase by -2 pi f d.
    slopes = -2.0 * np.pi * np.stack((right[low], down[low]), axis=1) * weight[:, None]
    offset, *_ = np.linalg.lstsq(slopes, np.angle(cross[low]) * weight, rcond=None)
    return float(offset[0]), float(offset[1])


def _moved(planes: NDArray[np.number], right: float, down: float) -> NDArray[np.float64]:
    """Moves planes by fractions of a pixel; what leaves on one side comes in on the other."""
    rows, columns = _frequencies(*planes.shape[-2:])
    turn = np.exp(-2j * np.pi * (columns * right + rows * down))
    return np.asarray(np.fft.ifft2(np.fft.fft2(planes) * turn).real)


def _frequencies(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the frequencies down and across of a transform, in cycles per pixel."""
    down, right = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    return down, right


def offsets(clean: Planes, damaged: Planes) -> dict[str, tuple[float, float]]:
    """Returns how far a damaged clip lies right of and below the clean one, for each plane.

    Only tiles count in which something is to be seen and nothing moves, because codecs repeat what
    was: the median over the tiles.

    Args:
        clean: The clean clip.
        damaged: The damaged one, of the same size or smaller by a whole factor; as large as zimg's
            bicubic makes it, left-sited chroma included.

    Returns:
        Offsets `(right, down)` in pixels of the clean plane, by the name of the plane; none for a
        plane without such tiles.
    """
    scale = clean.y.shape[1] // damaged.y.shape[1]
    found = {}
    for name, reference, small in zip("yuv", clean, damaged, strict=True):
        shift = 0.0 if name == "y" else chroma_shift(float(scale))
        picture = _upscaled(small, scale, shift)
        tiles = [
            displacement(reference[(slice(None), *tile)], picture[(slice(None), *tile)])
            for tile in still_tiles(reference)
        ]
        if tiles:
            right, down = np.median(tiles, axis=0)
            found[name] = (float(right), float(down))
    return found


def still_tiles(plane: Bytes) -> Iterator[tuple[slice, slice]]:
    """Yields the tiles of a plane `[T, H, W]` that show something and do not move."""
    codes = plane.astype(np.float32)
    for top in range(0, plane.shape[1] - TILE + 1, TILE):
        for left in range(0, plane.shape[2] - TILE + 1, TILE):
            tile = (slice(top, top + TILE), slice(left, left + TILE))
            part = codes[(slice(None), *tile)]
            change = np.abs(np.diff(part, axis=0)).mean() if len(part) > 1 else 0.0
            if change < STILL and part[0].std() > STRUCTURED:
                yield tile


def _upscaled(plane: Bytes, scale: int, shift: float) -> NDArray[np.float32]:
    if scale == 1:
        return plane.astype(np.float32)
    rows = bicubic_matrix(plane.shape[1], scale * plane.shape[1])
    columns = bicubic_matrix(plane.shape[2], scale * plane.shape[2], shift)
    return np.asarray(rows @ (plane.astype(np.float32) @ columns.T), np.float32)


def _windowed(planes: NDArray[np.number]) -> NDArray[np.float64]:
    """Takes off the mean and fades out to the borders, which no picture continues beyond."""
    height, width = planes.shape[-2:]
    fade = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    return np.asarray((planes - planes.mean(axis=(-2, -1), keepdims=True)) * fade)
