"""The traditional methods against SciPy and OpenCV."""

import cv2
import numpy as np
import pytest
import vapoursynth as vs
from scipy import ndimage
from support.clips import picture, same, scene

from vsvqe.evaluation import traditional

CLIP = scene(96, 64, 2)
INSIDE = (slice(14, -14), slice(14, -14))  # where the treatment of borders does not count


def luma(clip: vs.VideoNode) -> np.ndarray:
    return picture(clip)[0].astype(float)


def rounded(wanted: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(wanted), 0, 255)


def assert_near(clip: vs.VideoNode, wanted: np.ndarray, most: float = 1) -> None:
    assert abs(luma(clip) - rounded(wanted))[INSIDE].max() <= most


def test_smoothing() -> None:
    source = luma(CLIP)
    assert_near(traditional.mean(CLIP, 2), ndimage.uniform_filter(source, 5))
    assert_near(traditional.median(CLIP), ndimage.median_filter(source, 3), 0)
    for sigma in (0.7, 1.5, 3.0):
        wanted = ndimage.gaussian_filter(source, sigma, truncate=3)
        assert_near(traditional.gaussian(CLIP, sigma), wanted)


def test_sharpening() -> None:
    source = luma(CLIP)
    blurred = ndimage.gaussian_filter(source, 1.5, truncate=3)
    wanted = source + 0.8 * (source - rounded(blurred))
    assert_near(traditional.unsharp(CLIP, 0.8, 1.5), wanted)
    wanted = source - 0.2 * ndimage.laplace(source)
    assert_near(traditional.laplacian(CLIP, 0.2), wanted)


@pytest.mark.parametrize("method", ["unsharp", "laplacian", "mean", "gaussian", "median"])
def test_chroma_stays(method: str) -> None:
    before, after = picture(CLIP), picture(traditional.METHODS[method](CLIP))
    assert same(before[1:], after[1:])
    assert not same(before[:1], after[:1])


def test_equalisation_of_full_range_is_opencv_s() -> None:
    clip = scene(96, 64, 1, vs.GRAY8, full_range=True)
    wanted = cv2.equalizeHist(picture(clip)[0])
    assert abs(luma(traditional.equalize(clip)) - wanted).max() <= 1


@pytest.mark.parametrize(("format", "bits"), [(vs.YUV420P8, 8), (vs.YUV444P10, 10)])
def test_equalisation_of_limited_range_stays_limited(format: int, bits: int) -> None:
    codes = luma(traditional.equalize(scene(96, 64, 1, format)))
    assert codes.min() == 16 << (bits - 8)
    assert codes.max() == 235 << (bits - 8)
    flat = vs.core.std.BlankClip(format=format, width=32, height=32, length=1)
    flat = flat.std.SetFrameProps(_Range=0)
    assert len(np.unique(luma(traditional.equalize(flat)))) == 1


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos"])
def test_enlarging(method: str) -> None:
    larger = traditional.METHODS[method](CLIP, 2)
    assert (larger.width, larger.height) == (192, 128)
    kernel = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}.get(method)
    wanted = cv2.resize(luma(CLIP), None, fx=2, fy=2, interpolation=kernel or cv2.INTER_LANCZOS4)
    # The cubic kernels and the taps of Lanczos are not the same in both.
    limit = {"bilinear": 0.6, "bicubic": 6, "lanczos": 6}[method]
    assert abs(luma(larger) - rounded(wanted)).mean() < limit


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: traditional.gaussian(CLIP, 0), "sigma"),
        (lambda: traditional.unsharp(CLIP, -1), "amount"),
        (lambda: traditional.lanczos(CLIP, 0), "scale"),
        (lambda: traditional.equalize(scene(32, 32, 1, vs.RGB24)), "RGB24"),
    ],
)
def test_mistakes(call, told) -> None:
    with pytest.raises(ValueError, match=told):
        call()
