"""``ensemble=``: the mean of what a model gives for a picture turned and mirrored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray
from onnx import helper
from support import checkpoints
from support.clips import (
    Planes,
    all_same,
    from_arrays,
    largest_difference,
    picture,
    pictures,
    scene,
)
from support.models import FLOAT, averaging_runs, write

import vsvqe as vqe

type View = Callable[[NDArray[Any]], NDArray[Any]]

# All ways to lay a picture down, and how each is undone.
VIEWS: list[tuple[View, View]] = [
    (lambda p: p, lambda p: p),
    (lambda p: np.rot90(p, 1), lambda p: np.rot90(p, -1)),
    (lambda p: np.rot90(p, 2), lambda p: np.rot90(p, -2)),
    (lambda p: np.rot90(p, 3), lambda p: np.rot90(p, -3)),
    (np.fliplr, np.fliplr),
    (np.flipud, np.flipud),
    (np.transpose, np.transpose),
    (lambda p: np.rot90(np.transpose(p), 2), lambda p: np.transpose(np.rot90(p, -2))),
]
# Those of which an ensemble of so many consists.
MEMBERS = {2: (0, 7), 4: (0, 2, 6, 7), 8: tuple(range(8))}
FULL_SCALE = 1 / 1024

FILTERS: dict[str, Callable[..., vs.VideoNode]] = {
    "Deblock": lambda clip, **words: vqe.Deblock(clip, qp=30, **words),
    "SuperRes": lambda clip, **words: vqe.SuperRes(clip, 2, "fast", qp=30, **words),
    "by-four": lambda clip, **words: vqe.SuperRes(clip, 4, "fast", qp=30, **words),
}


def laid(planes: Planes, view: View) -> Planes:
    return [np.ascontiguousarray(view(plane)) for plane in planes]


def clip_of(planes: Planes, format: int) -> vs.VideoNode:
    # Chroma in the middle of its pixels lies alike in all views.
    return from_arrays([planes], format, _Matrix=1, _Range=0, _ChromaLocation=1)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("ensemble", [2, 4, 8])
@pytest.mark.parametrize("format", [vs.YUV420PS, vs.GRAYS])
def test_it_is_the_mean_of_the_views(name, ensemble, format):
    # A single frame: there is no motion, which is not estimated alike on its side.
    planes = picture(scene(70, 46, 1, format))

    def run(seen: Planes, **words: int) -> Planes:
        return picture(FILTERS[name](clip_of(seen, format), backend="cpu", **words))

    views = [
        laid(run(laid(planes, VIEWS[member][0])), VIEWS[member][1]) for member in MEMBERS[ensemble]
    ]
    result = run(planes, ensemble=ensemble)
    differs = 0.0
    for plane, wanted in enumerate(zip(*views, strict=True)):
        np.testing.assert_allclose(result[plane], np.mean(wanted, axis=0), atol=2e-6)
        differs = max(differs, float(np.abs(wanted[0] - wanted[1]).max()))
    # Of a model that sees no difference, it would be no test.
    assert differs > FULL_SCALE


@pytest.mark.parametrize("member", range(8))
def test_a_turned_picture_is_restored_alike(member):
    there, back = VIEWS[member]
    planes = picture(scene(70, 46, 1, vs.YUV420PS))
    upright = picture(vqe.Deblock(clip_of(planes, vs.YUV420PS), qp=30, backend="cpu", ensemble=8))
    turned = clip_of(laid(planes, there), vs.YUV420PS)
    result = picture(vqe.Deblock(turned, qp=30, backend="cpu", ensemble=8))
    for got, wanted in zip(laid(result, back), upright, strict=True):
        np.testing.assert_allclose(got, wanted, atol=2e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_frames_of_a_moving_clip_depend_on_nothing_else(name):
    clip = scene(70, 46, 5, vs.YUV420P8)
    result = FILTERS[name](clip, backend="cpu", ensemble=4)
    again = FILTERS[name](clip, backend="cpu", ensemble=4, num_streams=1)
    backwards = [picture(again, n) for n in reversed(range(5))][::-1]
    for n, wanted in enumerate(backwards):
        for got, plane in zip(picture(result, n), wanted, strict=True):
            np.testing.assert_array_equal(got, plane)


@pytest.mark.parametrize("tile", [(64, 64), (75, 61)])
def test_no_seam(tile):
    clip = scene(150, 106, 2, vs.YUV420PS)
    whole = vqe.Deblock(clip, backend="cpu", ensemble=4)
    tiled = vqe.Deblock(clip, backend="cpu", ensemble=4, tile=tile)
    assert largest_difference(whole, tiled) < FULL_SCALE


def test_both_stages_of_astf():
    planes = picture(scene(64, 48, 1, vs.YUV420PS))

    def run(seen: Planes, ensemble: int) -> Planes:
        return picture(vqe.ASTF(clip_of(seen, vs.YUV420PS), backend="cpu", ensemble=ensemble))

    upright, halfway = run(planes, 4), laid(run(laid(planes, np.fliplr), 4), np.fliplr)
    turned = laid(run(laid(planes, np.transpose), 4), np.transpose)
    for got, wanted, other in zip(turned, upright, halfway, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
        assert np.abs(other - wanted).max() > 1e-4


def shifting(folder: Path, height: int | str = "h", width: int | str = "w") -> Path:
    """An image model that moves the picture a pixel to the right."""
    weights = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        weights[channel, channel, 1, 0] = 1
    return write(
        folder / f"shifting{height}x{width}.onnx",
        [helper.make_node("Conv", ["in", "weights"], ["out"], pads=[1] * 4)],
        inputs=[("in", FLOAT, [1, 3, height, width])],
        outputs=[("out", FLOAT, [1, 3, height, width])],
        constants={"weights": weights},
    )


@pytest.mark.parametrize("ensemble", [4, 8])
def test_an_image_model(ensemble, tmp_path):
    clip = scene(50, 38, 2, vs.RGBS)
    model = shifting(tmp_path)
    result = vqe.Deblock(clip, model=model, backend="cpu", ensemble=ensemble)
    for got, before in zip(pictures(result), pictures(clip), strict=True):
        for plane, samples in zip(got, before, strict=True):
            around = samples[1:-1, :-2] + samples[1:-1, 2:] + samples[:-2, 1:-1] + samples[2:, 1:-1]
            np.testing.assert_allclose(plane[1:-1, 1:-1], around / 4, atol=1e-6)


def test_an_image_model_of_a_fixed_size(tmp_path):
    clip = scene(50, 38, 1, vs.RGBS)
    square, oblong = shifting(tmp_path, 64, 64), shifting(tmp_path, 48, 64)
    free = vqe.Deblock(clip, model=shifting(tmp_path), backend="cpu", ensemble=4)
    fixed = vqe.Deblock(clip, model=square, backend="cpu", ensemble=4)
    for got, wanted in zip(picture(fixed), picture(free), strict=True):
        np.testing.assert_allclose(got[1:-1, 1:-1], wanted[1:-1, 1:-1], atol=1e-6)
    with pytest.raises(vs.Error, match=r"^Deblock: .*64x48 only.* leave ensemble out"):
        vqe.Deblock(clip, model=oblong, backend="cpu", ensemble=2)
    vqe.Deblock(clip, model=oblong, backend="cpu")


def test_a_recurrent_model(tmp_path):
    # It treats all directions alike, so that nothing may change.
    clip = scene(50, 38, 9, vs.YUV420P8)
    model = averaging_runs(tmp_path, scale=2)
    one, several = (
        vqe.SuperRes(clip, model=model, backend="cpu", ensemble=ensemble) for ensemble in (1, 8)
    )
    assert largest_difference(one, several) <= 1


def test_a_recurrent_checkpoint(tmp_path):
    weights = checkpoints.random(checkpoints.basicvsr(6, 1, mmagic=True), gain=0.6)
    named = {f"generator.{name}": tensor for name, tensor in weights.items()}
    model = checkpoints.saved(tmp_path / "BasicVSR.pth", {"state_dict": named})
    planes = picture(scene(64, 48, 1, vs.RGBS))

    def run(seen: Planes) -> Planes:
        clip = from_arrays([seen], vs.RGBS)
        return picture(vqe.SuperRes(clip, model=model, backend="cpu", ensemble=8))

    there, back = VIEWS[1]
    for got, wanted in zip(laid(run(laid(planes, there)), back), run(planes), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_on_openvino(openvino):
    clip = scene(70, 46, 2, vs.YUV420PS)
    expected = vqe.Deblock(clip, backend="cpu", ensemble=4)
    result = vqe.Deblock(clip, backend="openvino", fp16=False, ensemble=4)
    assert largest_difference(result, expected) < FULL_SCALE


def test_one_view_is_the_model_as_it_is():
    clip = scene(length=2)
    assert all_same(vqe.Deblock(clip, backend="cpu", ensemble=1), vqe.Deblock(clip, backend="cpu"))
