"""Quality: what only the trained models can pass. Everything else also holds for any others.

The figures here are bars that must not be missed, on small crops so that the tests are quick; the
measured ones are in the documentation, by ``scripts/``.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import vapoursynth as vs
from support.clips import bars, from_arrays, pictures, psnr, scene
from support.codecs import decode, encode

import vsvqe as vqe

core = vs.core
HEVC37 = ("libx265", {"preset": "medium", "x265-params": "qp=37:bframes=0:log-level=none"})
AVC35 = ("libx264", {"preset": "medium", "crf": "35"})
AVC28 = ("libx264", {"preset": "medium", "crf": "28"})
LETTERS = (
    *("Wheels trued while you wait", "Spokes, chains, brake pads", "Lamps & dynamos repaired"),
    *("Open from nine to six", "Bells, baskets and pumps"),
)
CLIPS = ["street", "dog", "flower", "squirrel", "highway", "bunny60"]

pytestmark = pytest.mark.skipif(not hasattr(core, "bs"), reason="BestSource is not installed")


def excerpt(
    data: Path, name: str, frames: int = 6, width: int = 320, height: int = 180
) -> vs.VideoNode:
    """Frames from the middle of a real clip on which nothing was trained."""
    clip = core.bs.VideoSource(str(data / "valid" / f"{name}.mp4"), cachemode=0)
    first = (clip.num_frames - frames) // 2
    clip = clip[first : first + frames]
    left, top = (clip.width - width) // 4 * 2, (clip.height - height) // 4 * 2
    cropped = clip.std.CropAbs(width, height, left, top)
    # Plain planes, so that it is decoded once.
    return from_arrays(pictures(cropped), vs.YUV420P8, _Matrix=1, _Range=0)


@pytest.fixture(scope="module", params=CLIPS)
def original(request: pytest.FixtureRequest, data: Path) -> vs.VideoNode:
    """Each of the real clips."""
    return excerpt(data, request.param)


@pytest.fixture
def coded(tmp_path: Path) -> Callable[..., vs.VideoNode]:
    """A clip after compression."""

    def code(clip: vs.VideoNode, codec: tuple[str, dict[str, str]]) -> vs.VideoNode:
        frames = decode(encode(clip, tmp_path / "coded.mp4", codec))
        return from_arrays(frames, vs.YUV420P8, _Matrix=1, _Range=0)

    return code


def test_deblock_is_better_than_its_input(original, coded):
    damaged = coded(original, HEVC37)
    before = psnr(damaged, original)
    assert psnr(vqe.Deblock(damaged, backend="cpu"), original) > before
    assert psnr(vqe.Deblock(damaged, "auto", backend="cpu"), original) > before


@pytest.mark.parametrize(("recipe", "least"), [(HEVC37, 0.01), (AVC28, 0.02)], ids=str)
def test_several_views_gain(recipe, least, data, coded):
    gains = []
    for name in ("dog", "street"):
        original = excerpt(data, name, 4)
        scale = 1 if recipe is HEVC37 else 2
        damaged = coded(original.resize.Bicubic(320 // scale, 180 // scale), recipe)
        filter = vqe.Deblock if scale == 1 else vqe.SuperRes
        one, four = (
            psnr(filter(damaged, backend="cpu", ensemble=ensemble), original) for ensemble in (1, 4)
        )
        gains.append(four - one)
    assert min(gains) > 0 and np.mean(gains) > least


def test_half_precision_costs_nothing_visible(data, coded, openvino):
    original = excerpt(data, "street")
    damaged = coded(original, HEVC37)
    exact = psnr(vqe.Deblock(damaged, backend="openvino", fp16=False), original)
    assert abs(psnr(vqe.Deblock(damaged, backend="openvino"), original) - exact) < 0.02


def test_auto_leaves_clean_video_alone(original):
    assert psnr(vqe.Deblock(original, "auto", backend="cpu"), original) > 45


def enlargements(small: vs.VideoNode, width: int, height: int) -> dict[str, vs.VideoNode]:
    return {
        "bicubic": small.resize.Bicubic(width, height),
        "lanczos": small.resize.Lanczos(width, height),
        "superres": vqe.SuperRes(small, backend="cpu"),
    }


@pytest.mark.parametrize("codec", [None, AVC28], ids=["x2clean", "x2avc"])
@pytest.mark.parametrize("name", CLIPS)
def test_superres_is_better_than_resizers(name, data, coded, codec):
    # All frames: the first ones of a stream are coded better than those that follow.
    original = excerpt(data, name, 32, 640, 360)
    small = original.resize.Bicubic(320, 180)
    if codec:
        small = coded(small, codec)
    clips = enlargements(small, 640, 360)
    scores = {name: psnr(clip, original) for name, clip in clips.items()}
    assert scores["superres"] > max(scores["bicubic"], scores["lanczos"]), scores
    if codec:
        # What was not compressed has colours that are as near by any of them: 45 to 55 dB.
        colours = {
            name: min(psnr(clip, original, plane) for plane in (1, 2))
            for name, clip in clips.items()
        }
        assert colours["superres"] > max(colours["bicubic"], colours["lanczos"]), colours


def letters() -> vs.VideoNode:
    """Grey letters on a grey board, which moves."""
    board = np.full((360, 640, 3), (34, 44, 40), np.uint8)
    light, font = (226, 231, 228), cv2.FONT_HERSHEY_SIMPLEX
    for line, text in enumerate(LETTERS):
        cv2.putText(board, text, (20, 60 + 62 * line), font, 1.1, light, 2, cv2.LINE_AA)
    frames = [np.moveaxis(np.roll(board, shift, 1), 2, 0) for shift in range(0, 16, 2)]
    return from_arrays(frames, vs.RGB24).resize.Bicubic(format=vs.YUV420P8, matrix=1)


@pytest.mark.parametrize(
    ("filter", "codec", "least"), [(vqe.Deblock, AVC35, 51.0), (vqe.SuperRes, AVC28, 49.5)]
)
def test_paints_no_colour_onto_letters(filter, codec, least, coded):
    """Edges of luma, beside which a network may expect edges of chroma that are not there."""
    original = letters()
    shown = original if filter is vqe.Deblock else original.resize.Bicubic(320, 180)
    result = filter(coded(shown, codec), backend="cpu")
    colours = [psnr(result, original, plane) for plane in (1, 2)]
    assert min(colours) > least, colours


def test_deblock_does_not_falsify_clean_video(original):
    assert psnr(vqe.Deblock(original, backend="cpu"), original) > 36


@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
def test_colour_bars(filter):
    clip = bars()
    result = filter(clip, backend="cpu")
    scale = result.width // clip.width
    reference = clip if scale == 1 else clip.resize.Bicubic(result.width, result.height)
    for got, wanted in zip(pictures(result), pictures(reference), strict=True):
        for plane, (samples, before) in enumerate(zip(got, wanted, strict=True)):
            error = np.abs(samples.astype(int) - before)
            columns = samples.shape[1] // 8
            centres = error[:, columns // 2 :: columns]
            assert centres[: samples.shape[0] // 2].max() <= 2, plane
            assert error.mean() < 1.0, plane


@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
@pytest.mark.parametrize(
    "colour", [(16, 128, 128), (235, 128, 128), (81, 90, 240), (120, 110, 140)]
)
def test_flat_colours_stay(filter, colour):
    clip = core.std.BlankClip(format=vs.YUV420P8, width=96, height=64, length=2, color=colour)
    for planes in pictures(filter(clip, backend="cpu")):
        for samples, code in zip(planes, colour, strict=True):
            error = np.abs(samples.astype(int) - code)
            # A network sees nothing beyond the border, and takes that for grey.
            assert error.max() <= (2 if filter is vqe.Deblock else 4)
            assert error[8:-8, 8:-8].max() <= 1
            assert abs(samples.mean() - code) < 0.75


@pytest.mark.parametrize("format", [vs.YUV420P10, vs.YUV444P8, vs.YUV422P10, vs.RGB24, vs.RGBS])
def test_every_format_gains_as_much_as_the_usual_one(format, data, coded):
    clip = excerpt(data, "dog", 4)
    damaged = coded(clip, HEVC37)
    usual = psnr(vqe.Deblock(damaged, backend="cpu"), clip) - psnr(damaged, clip)
    other = damaged.resize.Bicubic(format=format)
    back = vqe.Deblock(other, backend="cpu").resize.Bicubic(
        format=vs.YUV420P8, matrix=vs.MATRIX_BT709, dither_type="none"
    )
    assert psnr(back, clip) - psnr(damaged, clip) > 0.7 * usual


def colour_gains(restored: vs.VideoNode, damaged: vs.VideoNode, clip: vs.VideoNode) -> list[float]:
    """By how many decibels U and V are nearer to the original."""
    gains = []
    for plane in (1, 2):
        apart = [x.std.ShufflePlanes(plane, vs.GRAY) for x in (restored, damaged, clip)]
        gains.append(psnr(apart[0], apart[2]) - psnr(apart[1], apart[2]))
    return gains


def test_the_two_channels_of_colour_gain_too(data, coded):
    clip = excerpt(data, "flower")
    damaged = coded(clip, HEVC37)
    assert min(colour_gains(vqe.Deblock(damaged, backend="cpu"), damaged, clip)) >= 0


@pytest.mark.parametrize(("filter", "least"), [(vqe.Deblock, 0.0), (vqe.ASTF, -0.05)])
def test_what_is_made_for_its_look_keeps_colours(filter, least, data, coded):
    # LPIPS alone would have them changed: those who learn from it must not.
    gains = []
    for name in CLIPS:
        clip = excerpt(data, name, 3)
        damaged = coded(clip, HEVC37)
        gains.append(colour_gains(filter(damaged, model="fast", backend="cpu"), damaged, clip))
    assert np.mean(gains, axis=0).min() > least, gains


def test_scenes_gain_up_to_their_cut(data, coded):
    clip = excerpt(data, "dog", 5) + excerpt(data, "highway", 5)
    damaged = coded(clip, HEVC37)
    result = vqe.Deblock(damaged, backend="cpu")
    for n in (4, 5):
        assert psnr(result[n], clip[n]) > psnr(damaged[n], clip[n])


def test_synthetic_text_is_not_smeared():
    # Sharp text that was never compressed comes through "auto" as it is.
    clip = scene(192, 128, 4)
    assert psnr(vqe.Deblock(clip, "auto", backend="cpu"), clip) > 40
