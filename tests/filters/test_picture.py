"""Third-party ONNX image models, whose picture is known beforehand, in both filters."""

import random
import threading
import time

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import (
    CUSTOM_PROPS,
    HDR_PROPS,
    all_same,
    largest_difference,
    pictures,
    planes_of,
    same,
    scene,
)
from support.models import FLOAT, HALF, blur, nearest, one_node

import vsvqe as vqe
from vsvqe.inference import backends
from vsvqe.inference.onnx import CpuSession

FORMATS = [
    vs.GRAY8,
    vs.GRAYH,
    vs.YUV420P8,
    vs.YUV422P10,
    vs.YUV444P16,
    vs.YUV410P8,
    vs.YUV420PS,
    vs.RGB24,
    vs.RGB48,
    vs.RGBS,
]
# Every format, and every scale, and not every pair of them.
FORMATS_AND_SCALES = [(format, 1 + i % 4) for i, format in enumerate(FORMATS)] + [
    (vs.YUV420P8, 2),
    (vs.YUV420P8, 1),
]


def calm(format: int, width: int = 48, height: int = 32, length: int = 3, **arguments):
    """A scene of muted colours: none leaves the RGB cube on its way."""
    rgb = scene(width, height, length, vs.RGBS).std.Expr("x 0.4 * 0.3 +")
    target = vs.core.get_video_format(format)
    grey = {} if target.color_family == vs.RGB else {"matrix": vs.MATRIX_BT709}
    clip = rgb.resize.Bicubic(format=format, dither_type="none", **grey, **arguments)
    return clip.std.SetFrameProps(**HDR_PROPS, **CUSTOM_PROPS)


def tolerance(format: vs.VideoFormat, codes: float = 1.0) -> float:
    """So many codes of 8 bits (floats: of 255), and no less than one of the format's own."""
    if format.sample_type == vs.FLOAT:
        return codes / 255
    return max(1.0, codes * 2.0 ** (format.bits_per_sample - 8) * 0.5)


def assert_repeated(result, clip, scale, planes, codes=1.0):
    """Asserts that a clip shows another one, every pixel ``scale`` times."""
    assert result.format.id == clip.format.id
    assert (result.width, result.height) == (clip.width * scale, clip.height * scale)
    assert (result.num_frames, result.fps) == (clip.num_frames, clip.fps)
    for got, before in zip(pictures(result), pictures(clip), strict=True):
        for plane in planes:
            wanted = before[plane].repeat(scale, 0).repeat(scale, 1).astype(float)
            assert np.abs(got[plane] - wanted).max() <= tolerance(clip.format, codes)
    for got, before in zip(result.frames(close=True), clip.frames(close=True), strict=True):
        assert dict(got.props) == dict(before.props)


def whole_planes(format: vs.VideoFormat) -> list[int]:
    """The planes that an RGB picture brings back without resampling."""
    subsampled = format.subsampling_w or format.subsampling_h
    return [0] if subsampled else list(range(format.num_planes))


@pytest.mark.parametrize(("format", "scale"), FORMATS_AND_SCALES)
def test_rgb_models(format, scale, tmp_path):
    clip = calm(format)
    result = vqe.SuperRes(clip, model=nearest(tmp_path, scale=scale), backend="cpu")
    assert_repeated(result, clip, scale, whole_planes(clip.format))


@pytest.mark.parametrize(("format", "scale"), FORMATS_AND_SCALES)
def test_luma_models(format, scale, tmp_path):
    clip = calm(format)
    path = nearest(tmp_path, scale=scale, channels=1)
    result = vqe.SuperRes(clip, model=path, backend="cpu")
    if clip.format.color_family == vs.RGB:
        # Its luma is repeated, its colour is enlarged smoothly.
        luma, wanted = (
            x.resize.Point(format=vs.YUV444PS, matrix=vs.MATRIX_BT709) for x in (result, clip)
        )
        assert_repeated(
            luma.std.ShufflePlanes(0, vs.GRAY), wanted.std.ShufflePlanes(0, vs.GRAY), scale, [0]
        )
        return
    assert_repeated(result, clip, scale, [0])
    if clip.format.color_family == vs.YUV:
        size = (clip.width * scale, clip.height * scale)
        smooth = clip.resize.Spline36(*size)
        for got, wanted in zip(pictures(result), pictures(smooth), strict=True):
            for plane in (1, 2):
                error = np.abs(got[plane].astype(float) - wanted[plane]).max()
                assert error <= tolerance(clip.format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_deblock_by_the_identity(format, channels, tmp_path):
    clip = calm(format)
    path = nearest(tmp_path, channels=channels)
    result = vqe.Deblock(clip, model=path, backend="cpu")
    planes = whole_planes(clip.format) if channels == 3 else range(clip.format.num_planes)
    assert_repeated(result, clip, 1, planes)


@pytest.mark.parametrize(
    ("format", "scale"), [(vs.GRAY8, 2), (vs.YUV420P8, 2), (vs.RGB24, 4), (vs.YUV444P16, 2)]
)
def test_deblock_by_a_model_that_enlarges(format, scale, tmp_path):
    clip = calm(format)
    result = vqe.Deblock(clip, model=nearest(tmp_path, scale=scale), backend="cpu")
    assert (result.width, result.height, result.fps) == (clip.width, clip.height, clip.fps)
    size = (clip.width * scale, clip.height * scale)
    wanted = clip.resize.Point(*size).resize.Bicubic(clip.width, clip.height)
    for got, expected in zip(pictures(result), pictures(wanted), strict=True):
        for plane in whole_planes(clip.format):
            error = np.abs(got[plane].astype(float) - expected[plane]).max()
            assert error <= tolerance(clip.format, 2.0)


@pytest.mark.parametrize("full_range", [0, 1])
@pytest.mark.parametrize("matrix", [vs.MATRIX_BT709, vs.MATRIX_ST170_M, vs.MATRIX_BT2020_NCL])
def test_matrix_and_range_survive(full_range, matrix, tmp_path):
    rgb = scene(48, 32, 2, vs.RGBS).std.Expr("x 0.4 * 0.3 +")
    clip = rgb.resize.Bicubic(format=vs.YUV444P8, matrix=matrix, range=full_range)
    result = vqe.Deblock(clip, model=nearest(tmp_path), backend="cpu")
    assert_repeated(result, clip, 1, [0, 1, 2])


@pytest.mark.parametrize("matrix", [m for m in vs.MatrixCoefficients if m != vs.MATRIX_RGB])
def test_every_matrix(matrix, tmp_path):
    # Also those to which the resizer knows no way.
    clip = calm(vs.YUV444P10).std.SetFrameProps(_Matrix=matrix)
    result = vqe.Deblock(clip, model=nearest(tmp_path), backend="cpu")
    assert_repeated(result, clip, 1, [0, 1, 2])


@pytest.mark.parametrize("location", list(vs.ChromaLocation))
def test_every_chroma_location(location, tmp_path):
    clip = calm(vs.YUV420P8, chromaloc=location).std.SetFrameProps(_ChromaLocation=location)
    result = vqe.SuperRes(clip, model=nearest(tmp_path, scale=2), backend="cpu")
    wanted = clip.resize.Bicubic(format=vs.RGBS).resize.Point(96, 64)
    back = wanted.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709, chromaloc=location)
    assert largest_difference(result, back) <= 1
    assert result.get_frame(0).props["_ChromaLocation"] == location


@pytest.mark.parametrize("channels", [1, 3])
def test_half_precision_files(channels, tmp_path, backend):
    clip = calm(vs.YUV444P8 if channels == 3 else vs.YUV420P8)
    path = nearest(tmp_path, scale=2, channels=channels, dtype=HALF)
    result = vqe.SuperRes(clip, model=path, backend=backend)
    assert_repeated(result, clip, 2, [0])


@pytest.mark.parametrize("size", [(64, 48), (100, 60), (40, 30)])
def test_models_of_one_size_only(size, tmp_path, backend):
    # Larger frames go in tiles, smaller ones are grown.
    clip = calm(vs.RGB24, *size, length=2)
    path = nearest(tmp_path, scale=2, size=(64, 48))
    assert_repeated(vqe.SuperRes(clip, model=path, backend=backend), clip, 2, [0, 1, 2])
    with pytest.raises(vs.Error, match=r"^SuperRes: .*64x48 only"):
        vqe.SuperRes(clip, model=path, backend=backend, tile=(32, 32))


@pytest.mark.parametrize("multiple", [2, 8])
@pytest.mark.parametrize("size", [(50, 38), (17, 33)])
def test_models_that_demand_a_multiple(multiple, size, tmp_path, backend):
    clip = calm(vs.RGB24, *size, length=2)
    path = nearest(tmp_path, scale=2, multiple=multiple)
    assert_repeated(vqe.SuperRes(clip, model=path, backend=backend), clip, 2, [0, 1, 2])


def test_a_model_of_any_number_of_channels_sees_rgb(tmp_path):
    clip = calm(vs.RGB24)
    result = vqe.SuperRes(clip, model=nearest(tmp_path, scale=2, channels="c"), backend="cpu")
    assert_repeated(result, clip, 2, [0, 1, 2])


def test_openvino_gives_the_same(tmp_path, openvino):
    path = nearest(tmp_path, scale=2)
    for format in (vs.YUV420P8, vs.RGBS):
        results = [
            vqe.SuperRes(calm(format), model=path, backend=backend)
            for backend in ("cpu", "openvino")
        ]
        assert largest_difference(*results) <= 1e-6


def test_colours_outside_rgb_make_no_specks(tmp_path):
    # Full chroma at black and white luma is no colour at all; a model must not see it.
    clip = scene(48, 32, 2, vs.YUV444P8).std.Expr(["x", "x 128 < 16 240 ?", "x 128 < 240 16 ?"])
    result = vqe.Deblock(clip, model=nearest(tmp_path), backend="cpu")
    clamped = clip.resize.Point(format=vs.RGBS).std.Limiter(0.0, 1.0)
    wanted = clamped.resize.Point(format=vs.YUV444P8, matrix=vs.MATRIX_BT709)
    assert largest_difference(result, wanted) <= 1


@pytest.mark.parametrize("strength", [0.25, 0.75])
def test_strength_mixes_linearly(strength, tmp_path):
    clip = calm(vs.GRAY16)
    node = [("in", FLOAT, [1, 1, "h", "w"])]
    path = one_node(tmp_path / "sqrt.onnx", "Sqrt", node, (FLOAT, [1, 1, "h", "w"]))
    full, mixed = (
        pictures(vqe.Deblock(clip, s, model=path, backend="cpu")) for s in (1.0, strength)
    )
    for before, all_of_it, got in zip(pictures(clip), full, mixed, strict=True):
        wanted = before[0] * (1 - strength) + all_of_it[0] * strength
        assert np.abs(got[0] - wanted).max() <= 0.51
        assert np.abs(all_of_it[0].astype(float) - before[0]).max() > 1000


def test_strength_zero_and_planes(tmp_path):
    node = [("in", FLOAT, [1, 3, "h", "w"])]
    path = one_node(tmp_path / "sqrt.onnx", "Sqrt", node, (FLOAT, [1, 3, "h", "w"]))
    clip = calm(vs.YUV420P8)
    assert all_same(vqe.Deblock(clip, 0, model=path, backend="cpu"), clip)
    result = pictures(vqe.Deblock(clip, model=path, planes=0, backend="cpu"))
    for got, before in zip(result, pictures(clip), strict=True):
        assert [np.array_equal(a, b) for a, b in zip(got, before, strict=True)] == [
            False,
            True,
            True,
        ]


@pytest.mark.parametrize(
    ("own", "scale", "size"), [(1, 1, 1), (2, 4, 4), (3, 3, 3), (3, 9, 9), (4, None, 4)]
)
def test_scales(own, scale, size, tmp_path):
    clip = calm(vs.GRAY8, 17, 16, 1)
    result = vqe.SuperRes(clip, scale=scale, model=nearest(tmp_path, scale=own), backend="cpu")
    assert_repeated(result, clip, size, [0])


@pytest.mark.parametrize(("own", "scale"), [(1, 2), (2, 3), (3, 2), (4, 2), (4, 8)])
def test_scales_that_can_not_be_had(own, scale, tmp_path):
    path = nearest(tmp_path, scale=own)
    with pytest.raises(vs.Error, match=rf"^SuperRes: scale={scale} can't be had"):
        vqe.SuperRes(calm(vs.GRAY8), scale=scale, model=path, backend="cpu")


def test_what_only_shipped_models_have(tmp_path):
    path = nearest(tmp_path, scale=2)
    with pytest.raises(vs.Error, match=r"^Deblock: strength='auto' needs a shipped model"):
        vqe.Deblock(calm(vs.GRAY8), "auto", model=path, backend="cpu")
    with pytest.raises(vs.Error, match=r"^SuperRes: detail=0.5 needs a shipped model"):
        vqe.SuperRes(calm(vs.GRAY8), detail=0.5, model=path, backend="cpu")


def test_a_changed_file_is_read_anew(tmp_path):
    path = nearest(tmp_path, scale=2)
    clip = calm(vs.GRAY8)
    assert vqe.SuperRes(clip, model=path, backend="cpu").width == 96
    path.write_bytes(nearest(tmp_path, scale=3).read_bytes())
    assert vqe.SuperRes(clip, model=path, backend="cpu").width == 144


def test_paths_of_all_kinds(tmp_path, monkeypatch):
    odd = tmp_path / "módel ファイル with spaces.ONNX"
    odd.write_bytes(nearest(tmp_path, scale=2).read_bytes())
    clip = calm(vs.GRAY8, length=1)
    assert vqe.SuperRes(clip, model=str(odd), backend="cpu").get_frame(0).width == 96
    monkeypatch.chdir(tmp_path)
    assert vqe.SuperRes(clip, model=odd.name, backend="cpu").get_frame(0).width == 96


@pytest.fixture
def at_once(monkeypatch) -> list[int]:
    """How many runs of models were under way whenever one began, on a machine of four cores."""
    lock, counts, now = threading.Lock(), [], 0
    run = CpuSession.run

    def counted(*arguments):
        nonlocal now
        with lock:
            now += 1
            counts.append(now)
        try:
            time.sleep(0.01)
            run(*arguments)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(CpuSession, "run", counted)
    monkeypatch.setattr(backends, "_cores", lambda: 4)
    return counts


@pytest.mark.parametrize(("num_streams", "most"), [(None, 2), (1, 1), (3, 3)])
def test_so_many_runs_at_once_as_streams(num_streams, most, tmp_path, at_once, threads):
    threads(6)
    clip = vqe.Deblock(
        calm(vs.RGBS, length=24), model=nearest(tmp_path), backend="cpu", num_streams=num_streams
    )
    pictures(clip)
    assert max(at_once) == most


@pytest.mark.parametrize(("tile", "most"), [(None, 1), ((1024, 1024), 2)])
def test_large_pictures_one_at_a_time(tile, most, tmp_path, at_once, threads):
    # Of more than four megapixels, unless tiles bound what the model sees.
    threads(4)
    clip = vs.core.std.BlankClip(format=vs.GRAYS, width=2100, height=2000, length=4)
    pictures(
        vqe.Deblock(clip, model=nearest(tmp_path, channels=1), backend="cpu", tile=tile, tile_pad=0)
    )
    assert max(at_once) == most


def test_the_same_bits_whatever_the_streams(tmp_path, backend, threads):
    threads(4)
    clip, model = calm(vs.YUV420P8, length=12), blur(tmp_path)
    wanted = pictures(vqe.Deblock(clip, model=model, backend=backend, num_streams=1))
    order = random.Random(1).sample(range(12), 12)
    for num_streams in (None, 2, 5):
        result = vqe.Deblock(clip, model=model, backend=backend, num_streams=num_streams)
        futures = {n: result.get_frame_async(n) for n in order}
        for n, planes in enumerate(wanted):
            with futures[n].result(timeout=60) as frame:
                assert same(planes_of(frame), planes)
