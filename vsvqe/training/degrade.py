"""Clean clips to what the real world makes of them: blurred, resized, noisy, compressed, twice.

The second-order degradation of Wang, Xie, Dong and Shan, "Real-ESRGAN", ICCV workshops, 2021, with
the video codec and the stochastic scheme of Chan, Zhou, Xu and Loy, "Investigating tradeoffs in
real-world video super-resolution" (RealBasicVSR), CVPR 2022: half of the frames are loaded, the
clip is mirrored in time, and the strength of the damage walks at random from frame to frame.

Clips are RGB in [0, 1], `[T, H, W, 3]`. Nothing here moves the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vsvqe.training.codecs import transcode
from vsvqe.training.kernels import Floats, gaussian, plateau, sinc
from vsvqe.training.motion import to_planes
from vsvqe.training.recipes import Recipe
from vsvqe.training.store import Planes

KERNEL_SIZES = (7, 9, 11, 13, 15, 17, 19, 21)
FAMILIES = {
    "iso": 0.405,
    "aniso": 0.225,
    "generalised iso": 0.108,
    "generalised aniso": 0.027,
    "plateau iso": 0.108,
    "plateau aniso": 0.027,
    "sinc": 0.1,
}
INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)
GREY_SHARE = 0.4
RING_SHARE = 0.8
# RealBasicVSR names FFmpeg's H.264 encoder twice, as "libx264" and as "h264".
ENCODERS = ("libx264", "libx264", "mpeg4")
# Bits a frame, for clean frames of 256x256.
BITS = (1e4, 1e5)
BITS_AREA = 256 * 256
FRAME_RATE = 25
LEAST_SIDE = 16


class Walk(NamedTuple):
    """A parameter that walks at random: `p += U(-step, step)`, clipped."""

    low: float
    high: float
    step: float

    def path(self, rng: np.random.Generator, count: int, start: float | None = None) -> Floats:
        """Returns its values for some frames; it starts anywhere in its range unless told."""
        first = rng.uniform(self.low, self.high) if start is None else start
        values = [first]
        for step in rng.uniform(-self.step, self.step, count - 1):
            values.append(float(np.clip(values[-1] + step, self.low, self.high)))
        return np.array(values, np.float32)


ANGLE = Walk(-np.pi, np.pi, 0.31416)
GENERALISED = Walk(0.5, 4.0, 0.05)
PLATEAU = Walk(1.0, 2.0, 0.1)
# Kernels too small to show slow ringing have none.
CUTOFF_SMALL = Walk(np.pi / 3, np.pi, 0.0628)
CUTOFF_LARGE = Walk(np.pi / 5, np.pi, 0.0628)
SMALL_KERNEL = 13
QUALITY = Walk(30.0, 95.0, 3.0)


@dataclass(frozen=True)
class Stage:
    """One round of damage.

    Attributes:
        blur_share: Share of clips that are blurred.
        width: Standard deviations of the blur, in pixels.
        resize_shares: Shares of clips that are enlarged, made smaller, and kept.
        scale: Of the resize.
        gaussian: Standard deviation of Gaussian noise, in 8-bit codes.
        poisson: Strength of Poisson noise, 1 is that of counting 8-bit light.
    """

    blur_share: float
    width: Walk
    resize_shares: tuple[float, float, float]
    scale: Walk
    gaussian: Walk
    poisson: Walk


STAGES = (
    Stage(
        1.0,
        Walk(0.2, 3.0, 0.02),
        (0.2, 0.7, 0.1),
        Walk(0.15, 1.5, 0.015),
        Walk(1.0, 30.0, 0.1),
        Walk(0.05, 3.0, 0.005),
    ),
    Stage(
        0.8,
        Walk(0.2, 1.5, 0.02),
        (0.3, 0.4, 0.3),
        Walk(0.3, 1.2, 0.03),
        Walk(1.0, 25.0, 0.1),
        Walk(0.05, 2.5, 0.005),
    ),
)


class Pair(NamedTuple):
    """A clean clip and what became of it, as the cache stores them."""

    clean: Planes
    damaged: Planes


def stochastic_pair(half: Floats, scale: int, rng: np.random.Generator) -> Pair:
    """Mirrors a clip in time and damages it, each frame a little differently.

    Args:
        half: RGB in [0, 1], `[T, H, W, 3]`; the pair has 2 T frames.
        scale: Size of the clean clip relative to the damaged one.
        rng: Source of all choices.

    Returns:
        BT.709 limited-range 8-bit 4:2:0 clips of equal length.

    Raises:
        ValueError: If it is no such clip, or a side is too small or no multiple of `2 * scale`.

    Example:
        >>> import numpy as np
        >>> from vsvqe.training.degrade import stochastic_pair
        >>> clip = np.random.default_rng(1).random((2, 128, 128, 3), np.float32)
        >>> pair = stochastic_pair(clip, 2, np.random.default_rng(2))
        >>> pair.clean.y.shape, pair.damaged.y.shape
        ((4, 128, 128), (4, 64, 64))
    """
    clean = mirrored(half)
    return Pair(to_planes(list(clean)), to_planes(list(degrade(clean, scale, rng))))


def mirrored(half: Floats) -> Floats:
    """Returns a clip and then the same backwards: twice as long for no more reading."""
    return np.concatenate((half, half[::-1]))


def sharpened(clip: Floats) -> Floats:
    """Sharpens edges, as the target of the losses that RealBasicVSR and Real-ESRGAN train with.

    Unsharp masking with a Gaussian of 51x51, weight 0.5, where the difference to the blurred
    picture is above 10 codes, with a soft transition. Also what these degrade.

    Args:
        clip: RGB in [0, 1], `[T, H, W, 3]`.
    """
    return np.stack([_sharpened(frame) for frame in clip])


def degrade(clip: Floats, scale: int, rng: np.random.Generator) -> Floats:
    """Damages a clip, in two rounds and a last one that brings it to its size.

    Each round blurs, resizes, adds noise and compresses as JPEG; the first one ends with a video
    codec. Last come a resize to the target with ringing, and a video codec, in either order. The
    kinds of damage are drawn once for a clip, their strengths walk from frame to frame. Frames
    whose scale has walked away are brought back to the first one's size, so that codecs see video.

    Bit rates are those of RealBasicVSR, per frame and relative to clean frames of 256x256.

    Args:
        clip: RGB in [0, 1], `[T, H, W, 3]`.
        scale: Size of the clip relative to the result.
        rng: Source of all choices.

    Returns:
        RGB of whole 8-bit codes in [0, 1], `[T, H / scale, W / scale, 3]`.

    Raises:
        ValueError: See `stochastic_pair`.
    """
    _check(clip, scale)
    height, width = clip.shape[1:3]
    bits, last_bits = rng.uniform(*BITS, 2) * height * width / BITS_AREA
    first, second = STAGES
    clip = coded(stage(clip, first, rng), bits, rng)
    clip = stage(clip, second, rng)
    size = (width // scale, height // scale)
    if rng.random() < 0.5:
        clip = coded(_ringing(_resized(clip, size, _interpolation(rng)), rng), last_bits, rng)
    else:
        clip = _ringing(_resized(coded(clip, last_bits, rng), size, _interpolation(rng)), rng)
    return quantised(clip)


def stage(clip: Floats, settings: Stage, rng: np.random.Generator) -> Floats:
    """Blurs, resizes, adds noise and compresses as JPEG."""
    if rng.random() < settings.blur_share:
        clip = filtered(clip, random_kernels(rng, settings.width, len(clip)))
    clip = resized(clip, settings, rng)
    clip = noisy(clip, settings, rng)
    return jpeg(clip, QUALITY.path(rng, len(clip)))


def random_kernels(rng: np.random.Generator, width: Walk, count: int) -> list[Floats]:
    """Returns a kernel for every frame, all of one family and size.

    Args:
        rng: Source of all choices.
        width: Of the kernels, in pixels.
        count: Frames.
    """
    family = str(rng.choice(list(FAMILIES), p=list(FAMILIES.values())))
    size = int(rng.choice(KERNEL_SIZES))
    if family == "sinc":
        cutoff = CUTOFF_SMALL if size < SMALL_KERNEL else CUTOFF_LARGE
        return [sinc(size, float(value)) for value in cutoff.path(rng, count)]
    across = width.path(rng, count)
    along = width.path(rng, count) if family.endswith("aniso") else across
    angles = ANGLE.path(rng, count)
    shape = plateau if family.startswith("plateau") else gaussian
    if family.startswith("generalised"):
        betas = GENERALISED.path(rng, count)
    elif family.startswith("plateau"):
        betas = PLATEAU.path(rng, count)
    else:
        betas = np.ones(count, np.float32)
    values = zip(across, along, angles, betas, strict=True)
    return [shape(size, *(float(value) for value in frame)) for frame in values]


def filtered(clip: Floats, kernels: list[Floats]) -> Floats:
    """Filters every frame with its kernel; beyond the border the picture is mirrored."""
    frames = zip(clip, kernels, strict=True)
    return np.stack([cv2.filter2D(frame, -1, kernel) for frame, kernel in frames])


def resized(clip: Floats, settings: Stage, rng: np.random.Generator) -> Floats:
    """Enlarges a clip, makes it smaller, or neither; see `degrade` for sizes that walk."""
    direction = rng.choice(3, p=settings.resize_shares)
    low, high, _ = settings.scale
    start = (rng.uniform(1.0, high), rng.uniform(low, 1.0), 1.0)[direction]
    interpolation = _interpolation(rng)
    scales = settings.scale.path(rng, len(clip), start)
    sizes = [_even(clip.shape, float(value)) for value in scales]
    frames = []
    for frame, size in zip(clip, sizes, strict=True):
        resampled = _resized(frame[None], size, interpolation)
        frames.append(_resized(resampled, sizes[0], interpolation)[0])
    return np.stack(frames)


def noisy(clip: Floats, settings: Stage, rng: np.random.Generator) -> Floats:
    """Adds Gaussian or Poisson noise, new in every frame, of one or of three channels."""
    grey = rng.random() < GREY_SHARE
    if rng.random() < 0.5:
        sigmas = settings.gaussian.path(rng, len(clip)) / 255.0
        shape = (*clip.shape[1:3], 1 if grey else 3)
        noise = [sigma * rng.normal(size=shape) for sigma in sigmas]
    else:
        strengths = settings.poisson.path(rng, len(clip))
        noise = [s * _poisson(f, grey, rng) for s, f in zip(strengths, clip, strict=True)]
    return np.asarray(np.clip(clip + np.stack(noise), 0.0, 1.0), np.float32)


def jpeg(clip: Floats, qualities: Floats) -> Floats:
    """Compresses every frame as a JPEG file of its quality."""
    frames = []
    for frame, quality in zip(_codes(clip), qualities, strict=True):
        options = [cv2.IMWRITE_JPEG_QUALITY, round(float(quality))]
        _, file = cv2.imencode(".jpg", frame[..., ::-1], options)
        picture = cv2.imdecode(file, cv2.IMREAD_COLOR)
        assert picture is not None
        frames.append(picture[..., ::-1])
    return (np.stack(frames) / np.float32(255.0)).astype(np.float32)


def coded(clip: Floats, bits: float, rng: np.random.Generator) -> Floats:
    """Compresses a clip as video.

    Args:
        clip: RGB in [0, 1], `[T, H, W, 3]`, sides even.
        bits: Aim of the encoder's rate control, for one frame.
        rng: Draws the encoder.
    """
    encoder = str(rng.choice(ENCODERS))
    rate = ("b", str(round(bits * FRAME_RATE)))
    # Macroblock trees make x264 depend on more than its input where sides aren't multiples of 16.
    extra = (("x264-params", "mbtree=0"),) if encoder == "libx264" else ()
    recipe = Recipe(encoder, (rate, *extra))
    return from_planes(transcode(to_planes(list(clip)), recipe))


def quantised(clip: Floats) -> Floats:
    """Rounds to 8-bit codes."""
    return (_codes(clip) / np.float32(255.0)).astype(np.float32)


def from_planes(planes: Planes) -> Floats:
    """Converts BT.709 limited-range planes with left-sited chroma to RGB in [0, 1]."""
    y = (planes.y.astype(np.float32) - 16.0) / 219.0
    u, v = (_enlarged(plane.astype(np.float32) - 128.0) / 224.0 for plane in planes[1:])
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    rgb = np.stack((red, green, blue), axis=-1)
    return np.asarray(np.clip(rgb, 0.0, 1.0), np.float32)


def _check(clip: Floats, scale: int) -> None:
    if clip.ndim != 4 or clip.shape[3] != 3 or len(clip) == 0:
        raise ValueError(f"a clip must be T x H x W x 3, not {clip.shape}")
    height, width = clip.shape[1:3]
    if height % (2 * scale) or width % (2 * scale):
        raise ValueError(f"sides must be multiples of {2 * scale}, not {width}x{height}")
    if min(height, width) < LEAST_SIDE * scale:
        raise ValueError(f"sides must be at least {LEAST_SIDE * scale}, not {width}x{height}")


def _even(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Returns width and height after scaling: even, and large enough for every encoder."""
    height, width = (max(int(side * scale) // 2 * 2, LEAST_SIDE) for side in shape[1:3])
    return width, height


def _resized(clip: Floats, size: tuple[int, int], interpolation: int) -> Floats:
    """Resizes all frames, aligned at the edges of the picture."""
    if clip.shape[2:0:-1] == size:
        return clip
    frames = [cv2.resize(frame, size, interpolation=interpolation) for frame in clip]
    return np.asarray(np.clip(np.stack(frames), 0.0, 1.0), np.float32)


def _interpolation(rng: np.random.Generator) -> int:
    return int(rng.choice(INTERPOLATIONS))


def _ringing(clip: Floats, rng: np.random.Generator) -> Floats:
    """Filters most clips with a sinc."""
    if rng.random() >= RING_SHARE:
        return clip
    size = int(rng.choice(KERNEL_SIZES))
    kernels = [sinc(size, float(value)) for value in CUTOFF_SMALL.path(rng, len(clip))]
    return np.asarray(np.clip(filtered(clip, kernels), 0.0, 1.0), np.float32)


def _poisson(frame: Floats, grey: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns what counting light adds: with as many levels as the picture has, rounded up."""
    codes = _codes(frame)
    light = cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY)[..., None] if grey else codes
    levels = 2.0 ** np.ceil(np.log2(max(len(np.unique(light)), 2)))
    share = light.astype(np.float64) / 255.0
    return np.asarray(rng.poisson(share * levels) / levels - share)


def _codes(clip: Floats) -> NDArray[np.uint8]:
    return np.clip(np.rint(clip * 255.0), 0, 255).astype(np.uint8)


def _enlarged(plane: Floats) -> Floats:
    """Doubles left-sited chroma: it shares columns with luma, and lies between its rows."""
    following = np.pad(plane, ((0, 0), (0, 0), (0, 1)), mode="edge")[..., 1:]
    wide = np.stack((plane, (plane + following) / 2), axis=-1).reshape(*plane.shape[:2], -1)
    tall = np.pad(wide, ((0, 0), (1, 1), (0, 0)), mode="edge")
    rows = np.stack((3 * wide + tall[:, :-2], 3 * wide + tall[:, 2:]), axis=2) / 4
    return np.asarray(rows.reshape(len(plane), -1, wide.shape[2]), np.float32)


def _sharpened(frame: Floats) -> Floats:
    blurred = cv2.GaussianBlur(frame, (51, 51), 0)
    mask = (np.abs(frame - blurred) * 255.0 > 10.0).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (51, 51), 0)
    sharp = np.clip(frame + 0.5 * (frame - blurred), 0.0, 1.0)
    return np.asarray(soft * sharp + (1.0 - soft) * frame, np.float32)
