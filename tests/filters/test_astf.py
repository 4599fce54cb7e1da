"""``ASTF``: the fusion of two clips, the whole method, and what it refuses."""

import json
import random
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import fusion as reference
from support import networks
from support.clips import (
    CUSTOM_PROPS,
    HDR_PROPS,
    all_same,
    from_arrays,
    largest_difference,
    picture,
    pictures,
    props_of,
    raising_at,
    same,
    scene,
)
from support.reference import assert_rounded, limits, normalised, residuals

import vsvqe as vqe
from vsvqe import cards
from vsvqe.filters.astf import card_of
from vsvqe.inference.tiles import TiledRunner

core = vs.core

FORMATS = [
    vs.YUV420P8,
    vs.YUV422P10,
    vs.YUV444P16,
    vs.YUV420PH,
    vs.YUV444PS,
    vs.YUV411P8,
    vs.GRAY8,
    vs.GRAYS,
    vs.RGB24,
    vs.RGB48,
    vs.RGBS,
]
COLOUR_PROPS = ["_Matrix", "_Range", "_ChromaLocation"]


def two(format: int = vs.YUV420P8, length: int = 4, **arguments: Any) -> dict[str, vs.VideoNode]:
    """A sharp clip and a blurred one."""
    clip = scene(48, 32, length, format, **arguments)
    # Half floats are blurred as single ones: the core has no such filter.
    single = core.query_video_format(
        clip.format.color_family,
        vs.FLOAT,
        32,
        clip.format.subsampling_w,
        clip.format.subsampling_h,
    )
    smooth = clip
    if clip.format.id != single.id:
        smooth = smooth.resize.Point(format=single.id)
    smooth = smooth.std.Convolution([1, 1, 1], mode="hv").resize.Point(format=format)
    return {"texture": clip, "smooth": smooth.std.CopyFrameProps(clip)}


def nominal(frames: list[list[NDArray[Any]]], format: vs.VideoFormat, full_range: bool) -> Any:
    """Samples in units of the nominal range, as float64."""
    chroma = [plane > 0 and format.color_family == vs.YUV for plane in range(format.num_planes)]
    spans = [limits(format, full_range, plane) for plane in chroma]
    return [
        [
            (samples.astype(np.float64) - offset) / span
            for samples, (offset, span) in zip(planes, spans, strict=True)
        ]
        for planes in frames
    ]


def fused(
    texture: Any, smooth: Any, format: vs.VideoFormat, sharpen: float = 0.0, **arguments: Any
) -> Any:
    """The fusion of nominal samples, in nominal samples."""
    lumas = [planes[0] for planes in smooth]
    if format.color_family == vs.RGB:
        weights = np.array([0.2126, 0.7152, 0.0722])
        lumas = [np.tensordot(weights, np.stack(planes), 1) for planes in smooth]
    sides = 1 << format.subsampling_w, 1 << format.subsampling_h
    result = []
    for n, mask in enumerate(reference.masks(lumas, **arguments)):
        planes = []
        for p, (a, b) in enumerate(zip(texture[n], smooth[n], strict=True)):
            sharpened = p == 0 or format.color_family == vs.RGB
            weight = mask
            if p and format.color_family == vs.YUV:
                weight = reference.subsampled(mask, *sides, left=True, top=False)
            plane = weight * a + (1 - weight) * b
            if sharpened:
                plane = plane + sharpen * (plane - reference.blurred(plane))
            planes.append(plane)
        result.append(planes)
    return result


def assert_codes(got: Any, wanted: Any, format: vs.VideoFormat, full_range: bool = False) -> None:
    """Asserts that frames are nominal samples, rounded once and clamped."""
    for planes, expected in zip(got, wanted, strict=True):
        for p, (samples, plane) in enumerate(zip(planes, expected, strict=True)):
            chroma = p > 0 and format.color_family == vs.YUV
            offset, span = limits(format, full_range, chroma)
            if format.sample_type == vs.FLOAT:
                precision = 3e-5 if format.bits_per_sample == 32 else 2e-3
                np.testing.assert_allclose(samples, plane, atol=precision)
            else:
                codes = np.clip(plane * span + offset, 0, 2**format.bits_per_sample - 1)
                assert_rounded(samples, codes, tie=3e-5 * 2**format.bits_per_sample)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("sharpen", [0.0, 0.8])
def test_the_fusion_is_that_of_the_formula(format, sharpen):
    clips = two(format)
    result = vqe.ASTF(**clips, sharpen=sharpen)
    given = [nominal(pictures(clip), clip.format, False) for clip in clips.values()]
    wanted = fused(*given, result.format, sharpen)
    assert_codes(pictures(result), wanted, result.format)


@settings(max_examples=15)
@given(
    st.integers(0, 4),
    st.sampled_from([3, 5]),
    st.sampled_from(["window", "fixed"]),
    st.integers(1, 6),
    st.booleans(),
)
def test_parameters_of_the_fusion(radius, window, normalize, length, full_range):
    clips = two(vs.GRAY8, length, full_range=full_range)
    clips = {name: clip.std.SetFrameProps(_SceneChangePrev=0) for name, clip in clips.items()}
    result = vqe.ASTF(**clips, radius=radius, window=window, normalize=normalize)
    given = [nominal(pictures(clip), clip.format, full_range) for clip in clips.values()]
    arguments = {"radius": radius, "window": window, "normalize": normalize}
    wanted = fused(*given, result.format, **arguments)
    assert_codes(pictures(result), wanted, result.format, full_range)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_clip_twice_comes_back(format):
    clip = two(format)["texture"]
    result = vqe.ASTF(texture=clip, smooth=clip)
    if clip.format.sample_type == vs.INTEGER:
        assert all_same(result, clip)
    else:
        assert largest_difference(result, clip) < 1e-3


@st.composite
def clips(draw: st.DrawFn) -> vs.VideoNode:
    """A clip of any kind."""
    family = draw(st.sampled_from([vs.GRAY, vs.YUV, vs.YUV, vs.RGB]))
    kinds = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 2), (0, 1)]
    subsampling = draw(st.sampled_from(kinds)) if family == vs.YUV else (0, 0)
    bits = st.sampled_from([*((vs.INTEGER, n) for n in range(8, 17)), (vs.FLOAT, 16)])
    format = core.query_video_format(family, *draw(bits), *subsampling)
    width, height = (draw(st.integers(4, 10)) * 4 for _ in range(2))
    clip = scene(width, height, draw(st.integers(1, 3)), format.id)
    matrices = st.sampled_from([None, *vs.MatrixCoefficients])
    values = (draw(matrices), draw(st.sampled_from([None, 0, 1])), draw(st.integers(0, 5)))
    named = {k: int(v) for k, v in zip(COLOUR_PROPS, values, strict=True) if v is not None}
    clip = clip.std.RemoveFrameProps(COLOUR_PROPS).std.SetFrameProps(**named)
    return clip.std.SetFrameProps(**HDR_PROPS, **CUSTOM_PROPS)


@settings(max_examples=15)
@given(clips(), st.booleans())
def test_any_clip_in_the_same_clip_out(clip, whole):
    result = (
        vqe.ASTF(clip, backend="cpu", sharpen=0.5)
        if whole
        else vqe.ASTF(texture=clip, smooth=clip, sharpen=0.5)
    )
    assert (result.format.id, result.num_frames, result.fps) == (
        clip.format.id,
        clip.num_frames,
        clip.fps,
    )
    for n in range(clip.num_frames):
        assert props_of(result, n) == props_of(clip, n)


def stages(clip: vs.VideoNode, full_range: bool, model: str) -> dict[str, Any]:
    """What the whole method makes of an 8-bit 4:2:0 clip, in nominal samples."""
    frames, format = pictures(clip), clip.format
    path = card_of(model).path
    card = json.loads(path.with_suffix(".json").read_text())
    spans = [limits(format, full_range, plane > 0)[1] for plane in range(3)]
    told = {"model": card["refines"], "leniency": card["leniency"]}
    repaired = residuals("deblock", frames, format, full_range, **told)
    stage1 = [
        [a + b / span for a, b, span in zip(x, y, spans, strict=True)]
        for x, y in zip(nominal(frames, format, full_range), repaired, strict=True)
    ]
    float_format = core.get_video_format(vs.YUV420PS)
    both = normalised(stage1, float_format, full_range), normalised(frames, format, full_range)
    y, uv = (np.concatenate(planes, axis=1) for planes in zip(*both, strict=True))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"y": y, "uv": uv})
    found: dict[str, Any] = {"stage1": stage1}
    for i, name in enumerate(card["branches"]):
        luma, chroma = outputs[2 * i : 2 * i + 2]
        found[name] = [
            [planes[0] + luma[n, 0], planes[1] + chroma[n, 0], planes[2] + chroma[n, 1]]
            for n, planes in enumerate(stage1)
        ]
    found["result"] = fused(found["texture"], found["smooth"], format)
    return found


@pytest.mark.parametrize(
    ("full_range", "model"), [(False, "fast"), (True, "fast"), (False, "best")]
)
def test_the_whole_method_is_that_of_the_formula(full_range, model):
    clip = scene(64, 48, 7, full_range=full_range).std.SetFrameProps(_SceneChangePrev=0)
    for show, wanted in stages(clip, full_range, model).items():
        # Two chunks of stage 1, the last one shorter.
        result = vqe.ASTF(clip, model, backend="cpu", show=show, length=4)
        for planes, expected in zip(pictures(result), wanted, strict=True):
            for p, (samples, plane) in enumerate(zip(planes, expected, strict=True)):
                offset, span = limits(clip.format, full_range, p > 0)
                codes = np.clip(plane * span + offset, 0, 255)
                # The mean of the mask's variances passes through 27 sums of float32.
                assert_rounded(samples, codes, tie=0.05)


def changed(**fields: Any) -> None:
    """Makes the card of the second stage say something else."""
    path = card_of("fast").path.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    cards._cards.cache_clear()


@pytest.mark.parametrize("told", [False, True])
def test_stage_1_is_deblock(models, told):
    networks.told(models)
    name = networks.TOLD if told else card_of("fast").refines
    changed(refines=name, leniency=0.0)
    clip = scene(64, 48, 5)
    deblocked = vqe.Deblock(clip, model=name, backend="cpu")
    assert all_same(vqe.ASTF(clip, backend="cpu", show="stage1"), deblocked)


def test_stage_1_is_told_a_finer_quantiser(models):
    networks.told(models)
    # So much that every estimate ends at the finest that there is.
    changed(refines=networks.TOLD, leniency=100.0)
    clip = scene(64, 48, 5)
    stage1 = vqe.ASTF(clip, backend="cpu", show="stage1")
    assert all_same(stage1, vqe.Deblock(clip, model=networks.TOLD, backend="cpu", qp=0))
    assert not all_same(stage1, vqe.Deblock(clip, model=networks.TOLD, backend="cpu"))


def test_the_mask_is_grey_and_of_full_range():
    clip = scene(64, 48, 3, vs.YUV420P10)
    mask = vqe.ASTF(texture=clip, smooth=clip, show="mask")
    assert mask.format.id == vs.GRAY10
    assert props_of(mask)["_Range"] == vs.RANGE_FULL
    lumas = [planes[0] for planes in nominal(pictures(clip), clip.format, False)]
    for (samples,), plane in zip(pictures(mask), reference.masks(lumas), strict=True):
        assert_rounded(samples, plane * 1023, tie=0.6)


def test_windows_end_at_cuts():
    first, second = two(length=5), two(length=4, seed=1)
    joined = {name: first[name] + second[name] for name in first}
    result = vqe.ASTF(**joined, window=5)
    parts = vqe.ASTF(**first, window=5) + vqe.ASTF(**second, window=5)
    assert all_same(result, parts)
    assert not all_same(vqe.ASTF(**joined, window=5, sc=False), parts)


def test_windows_of_the_whole_method_end_at_cuts():
    first, second = scene(length=5, speed=(1, 0)), scene(length=4, seed=1, speed=(1, 0))
    result = vqe.ASTF(first + second, backend="cpu")
    parts = vqe.ASTF(first, backend="cpu") + vqe.ASTF(second, backend="cpu")
    assert all_same(result, parts)


def test_frames_depend_on_the_clip_alone(threads):
    clip = scene(64, 48, 11)
    threads(1)
    in_order = pictures(vqe.ASTF(clip, backend="cpu", length=3, window=5, sharpen=0.3))
    threads(4)
    shuffled = vqe.ASTF(clip, backend="cpu", length=3, window=5, sharpen=0.3)
    order = list(range(11)) * 2
    random.Random(1).shuffle(order)
    assert all(same(picture(shuffled, n), in_order[n]) for n in order)
    for length in (1, 8, 20):
        other = vqe.ASTF(clip, backend="cpu", length=length, window=5, sharpen=0.3)
        assert all(same(a, b) for a, b in zip(pictures(other), in_order, strict=True))


@pytest.mark.parametrize("window", [1, 3, 7])
def test_every_chunk_is_computed_once_for_both_branches(window, monkeypatch):
    calls = []
    run = TiledRunner.run
    monkeypatch.setattr(
        TiledRunner, "run", lambda self, *arrays: (calls.append(self), run(self, *arrays))[1]
    )
    clip = scene(64, 48, 24)
    pictures(vqe.ASTF(clip, backend="cpu", length=4, window=window))
    # On a busy machine frames may be asked for so late that the core has dropped a chunk; were it
    # for each branch anew, there were 18.
    assert 2 * 6 <= len(calls) <= 2 * 6 + 2


def test_a_source_that_raises_in_the_middle():
    clip = scene(64, 48, 32)
    result = vqe.ASTF(raising_at(clip, 16), backend="cpu", length=4)
    good = vqe.ASTF(clip, backend="cpu", length=4)
    futures = [result.get_frame_async(n) for n in range(32)]
    failed = {n for n, future in enumerate(futures) if future.exception(timeout=60)}
    # What needs the frame: its chunk, those around that look at it, and what their masks look at.
    assert 16 in failed
    assert failed <= set(range(6, 26))
    with pytest.raises(vs.Error, match="scratch"):
        result.get_frame(16)
    for n in (0, 5, 26, 31):
        assert same(picture(result, n), picture(good, n))


def test_tiles_give_the_same():
    clip = scene(160, 128, 2)
    whole = vqe.ASTF(clip, backend="cpu", show="texture")
    assert (
        largest_difference(vqe.ASTF(clip, backend="cpu", show="texture", tile=(96, 96)), whole) <= 1
    )


def test_openvino_is_close(openvino):
    clip = scene(64, 48, 4)
    exact = vqe.ASTF(clip, backend="cpu")
    assert largest_difference(vqe.ASTF(clip, backend="openvino", fp16=False), exact) <= 1


def refused(text: str, *positional: Any, **arguments: Any) -> str:
    """Asserts that the filter refuses when it is constructed, and says why."""
    with pytest.raises(vs.Error, match=f"^ASTF: .*{text}") as error:
        vqe.ASTF(*positional, **arguments)
    message = str(error.value)
    assert "Traceback" not in message
    return message


def test_no_clip_one_of_two_and_three():
    clip = scene(length=2)
    refused("no clip", backend="cpu")
    refused("smooth is missing", texture=clip)
    refused("texture is missing", smooth=clip)
    refused("clip= is given beside", clip, texture=clip, smooth=clip)
    refused("clip= is given beside", clip, smooth=clip)


@pytest.mark.parametrize(
    "bad", [3, "a.mp4", core.std.BlankAudio(length=1000)], ids=lambda bad: type(bad).__name__
)
def test_what_is_no_clip(bad):
    clip = scene(length=2)
    refused("video clip", bad)
    refused("texture: .*video clip", texture=bad, smooth=clip)
    refused("smooth: .*video clip", texture=clip, smooth=bad)


def test_two_clips_that_are_not_versions_of_one():
    clip = scene(64, 48, 4)
    for other, what in (
        (clip.resize.Point(format=vs.YUV420P10), "format: YUV420P8 and YUV420P10"),
        (scene(48, 64, 4), "size: 64x48 and 48x64"),
        (clip[:3], "length: 4 and 3"),
        (clip.std.SetFrameProps(_Range=1), "colours"),
        (clip.std.SetFrameProps(_ChromaLocation=1), "colours"),
    ):
        message = refused(what, texture=clip, smooth=other)
        assert "texture." in message


@pytest.mark.parametrize("format", [vs.YUV420PS, vs.GRAYH, vs.RGBS])
@pytest.mark.parametrize("argument", ["texture", "smooth"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_are_an_error_of_their_frame(format, argument, value):
    good = scene(32, 32, 4, format)
    frames = pictures(good)
    frames[3][-1][5, 5] = value
    bad = from_arrays(frames, format).std.CopyFrameProps(good)
    clips = {"texture": good, "smooth": good, argument: bad}
    result = vqe.ASTF(**clips)
    result.get_frame(0)
    with pytest.raises(vs.Error, match=r"ASTF: frame 3: plane .* NaN or infinity"):
        result.get_frame(3)


@pytest.mark.parametrize("argument", ["clip", "texture", "smooth"])
def test_clips_of_the_wrong_kind(argument):
    good = scene(length=2)
    for bad, text in (
        (core.std.BlankClip(format=vs.GRAY32, width=32, height=32, length=2), "8 to 16 bits"),
        (core.std.BlankClip(format=vs.GRAY8, width=8, height=8, length=2), "at least 16x16"),
        (good.std.SetFieldBased(1), "interlaced"),
    ):
        arguments = {argument: bad}
        if argument != "clip":
            arguments |= {"smooth" if argument == "texture" else "texture": bad}
        refused(text, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sharpen": -0.1},
        {"sharpen": 5},
        {"sharpen": "strong"},
        {"sharpen": float("nan")},
        {"radius": -1},
        {"radius": 13},
        {"radius": 1.0},
        {"window": 0},
        {"window": 2},
        {"window": 33},
        {"window": True},
        {"normalize": "frame"},
        {"normalize": None},
        {"show": "stage2"},
        {"show": None},
        {"model": "better"},
        {"model": "deblock-balanced-v7"},
        {"model": None},
        {"backend": "gpu"},
        {"length": 0},
        {"sc": "no"},
        {"sc_threshold": 2},
    ],
    ids=repr,
)
def test_bad_arguments(arguments):
    (name,) = arguments
    message = refused(f"{name}=", scene(length=2), **arguments)
    if name == "model":
        assert "'fast'" in message


def test_other_bad_combinations():
    clip = scene(length=2)
    refused("radius=0 with window=1", clip, radius=0, window=1)
    refused("first stage", texture=clip, smooth=clip, show="stage1")
