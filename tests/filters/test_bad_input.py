"""Bad input: each a clear ``vs.Error`` with the filter's name, and no crash or hang."""

import threading
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import from_arrays, picture, pictures, raising_at, same, scene

import vsvqe as vqe

core = vs.core


@pytest.fixture(params=[vqe.Deblock, vqe.SuperRes])
def filter(request):
    return request.param


def refused(filter, clip, text, **arguments):
    """Asserts that a filter refuses when it is constructed, and says why."""
    with pytest.raises(vs.Error, match=rf"^{filter.__name__}: .*{text}") as error:
        filter(clip, **{"backend": "cpu", **arguments})
    message = str(error.value)
    assert "Traceback" not in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize(
    "clip",
    [None, 3, "input.mp4", [1, 2], object(), Path("input.mp4")],
    ids=lambda clip: type(clip).__name__,
)
def test_not_a_clip(filter, clip):
    assert type(clip).__name__ in refused(filter, clip, "must be a video clip")


def test_an_audio_node(filter):
    refused(filter, core.std.BlankAudio(length=1000), "audio node")


def test_variable_format_and_size(filter):
    first = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=3)
    for second in (
        first.resize.Bicubic(format=vs.RGB24, matrix_in=1),
        first.resize.Bicubic(32, 32),
    ):
        clip = core.std.Splice([first, second], mismatch=True)
        assert "resize" in refused(filter, clip, "changes its format or size")


@pytest.mark.parametrize("field", [1, 2])
def test_interlaced(filter, field):
    clip = scene().std.SetFieldBased(field)
    message = refused(filter, clip, "interlaced")
    assert "deinterlace" in message
    assert "SetFieldBased" in message


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV444P10, vs.RGBS])
def test_what_becomes_interlaced_is_an_error_of_that_frame(filter, format):
    clip = scene(48, 32, 24, format)
    result = filter(clip[:16] + clip[16:].std.SetFieldBased(2), backend="cpu", length=2)
    assert same(picture(result, 0), picture(filter(clip, backend="cpu", length=2), 0))
    with pytest.raises(vs.Error, match=rf"{filter.__name__}: frame 16: .*interlaced") as error:
        result.get_frame(16)
    assert "SetFieldBased(0)" in str(error.value)


def test_chroma_that_is_too_coarse(filter):
    coarse = core.query_video_format(vs.YUV, vs.INTEGER, 8, 3, 0)
    clip = core.std.BlankClip(format=coarse.id, width=64, height=64, length=1)
    refused(filter, clip, "one chroma sample for 8 pixels")


def test_an_output_is_told_from_its_clip(filter):
    scene(length=1).set_output(7)
    try:
        refused(filter, vs.get_output(7), r"\.clip")
    finally:
        vs.clear_output(7)


@pytest.mark.parametrize("model", ["~nobody-of-this-name/x.onnx", "a\0b.onnx"])
def test_paths_that_can_not_be(filter, model):
    refused(filter, scene(), "model", model=model)


def test_numbers_of_numpy_are_numbers(filter):
    clip = scene(length=2)
    given = {"length": np.int64(1), "overlap": np.int32(8), "sc_threshold": np.float32(0.05)}
    plain = {"length": 1, "overlap": 8, "sc_threshold": 0.05}
    for n in range(2):
        one, other = (filter(clip, backend="cpu", **words) for words in (given, plain))
        assert same(picture(one, n), picture(other, n))
    refused(filter, clip, "length=.* must be a whole number", length=np.float64(1.0))


def test_more_context_than_the_clip_has_costs_nothing(filter):
    clip = scene(length=3)
    result = filter(clip, backend="cpu", overlap=10**6)
    assert same(picture(result, 1), picture(filter(clip, backend="cpu"), 1))


@pytest.mark.parametrize("size", [(15, 16), (16, 15), (1, 1), (8, 200)])
def test_too_small(filter, size):
    clip = core.std.BlankClip(format=vs.GRAY8, width=size[0], height=size[1], length=2)
    refused(filter, clip, f"{size[0]}x{size[1]}.* at least 16x16")


def test_32_bit_integers(filter):
    clip = core.std.BlankClip(format=vs.GRAY32, width=32, height=32, length=2)
    assert "convert" in refused(filter, clip, "Gray32.* 8 to 16 bits")


def test_a_clip_without_a_first_frame(filter):
    clip = scene()
    refused(filter, clip.std.FrameEval(lambda n: 1 / 0), "first frame of clip can't be had")


@pytest.mark.parametrize("strength", [-0.1, 1.01, 100, float("nan"), float("inf"), -1])
def test_strength_out_of_range(strength):
    refused(vqe.Deblock, scene(), "strength=.* must be", strength=strength)


@pytest.mark.parametrize("strength", ["Auto", "1", "", None, True, [1.0], 1j])
def test_strength_of_the_wrong_kind(strength):
    refused(vqe.Deblock, scene(), "strength=", strength=strength)


@pytest.mark.parametrize(
    "arguments",
    [
        {"device_index": -1},
        {"device_index": "0"},
        {"device_index": None},
        {"num_streams": 0},
        {"num_streams": 1.5},
        {"fp16": "yes"},
        {"fp16": 1},
        {"length": 0},
        {"length": "8"},
        {"overlap": -1},
        {"overlap": 1},
        {"overlap": 2.0},
        {"ensemble": 0},
        {"ensemble": 3},
        {"ensemble": 16},
        {"ensemble": True},
        {"ensemble": "4"},
        {"sc_threshold": -0.1},
        {"sc_threshold": 2},
        {"sc_threshold": "low"},
        {"sc": "no"},
        {"backend": "gpu"},
        {"backend": ""},
        {"backend": None},
        {"backend": 7},
        {"engine_folder": 5},
        {"model": None},
        {"model": 5},
    ],
    ids=repr,
)
def test_bad_arguments(filter, arguments):
    (name,) = arguments
    refused(filter, scene(), f"{name}=", **arguments)


def test_unknown_model(filter):
    message = refused(filter, scene(), "neither .* nor one of the models", model="deblok-v1")
    own = "deblock-fast-v9" if filter is vqe.Deblock else "superres-x2-fast-v2"
    assert own in message


def test_a_model_for_another_task():
    refused(vqe.Deblock, scene(), "is for superres", model="superres-x2-fast-v2")
    refused(vqe.SuperRes, scene(), "is for deblock", model="deblock-fast-v9")
    refused(vqe.Deblock, scene(), "is for quantiser", model="quantiser-v3")


def test_unknown_backends_are_named(filter):
    message = refused(filter, scene(), "backend='directml'", backend="directml")
    assert all(
        name in message for name in ("'auto'", "'cpu'", "'cuda'", "'tensorrt'", "'openvino'")
    )


def test_an_engine_folder_that_can_not_be(filter, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below", "/proc/engines"):
        message = refused(filter, scene(), "can't be written to", engine_folder=folder)
        assert str(folder) in message


def test_fp16_on_the_cpu(filter):
    refused(filter, scene(), "fp16=True", fp16=True)
    refused(filter, scene(), "fp16=True", fp16=True, backend=vqe.Backend.OnnxCpu(threads=1))


def test_vapoursynth_itself_refuses_ranges_without_frames(filter):
    # So no filter ever sees a clip without frames.
    with pytest.raises(vs.Error):
        scene()[5:5]
    with pytest.raises(vs.Error):
        filter(scene(), backend="cpu")[5:5]
    with pytest.raises(vs.Error):
        core.std.BlankClip(length=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("format", [vs.YUV420PS, vs.GRAYH, vs.RGBS, vs.YUV444PH])
def test_samples_that_are_no_numbers(filter, value, format):
    clip = scene(48, 32, 21, format)
    frames = pictures(clip)
    frames[9][-1][5, 7] = value
    broken = from_arrays(frames, format).std.CopyFrameProps(clip)
    result = filter(broken, backend="cpu", length=3)
    with pytest.raises(vs.Error, match=r"frame 9: plane \d of the clip holds NaN or inf") as e:
        result.get_frame(10)
    assert filter.__name__ in str(e.value)
    # The others are not touched by it.
    good = filter(clip, backend="cpu", length=3)
    for n in (0, 1, 2, 20):
        assert same(picture(result, n), picture(good, n))


@pytest.mark.parametrize("num_streams", [1, 3])
def test_a_source_that_raises_in_the_middle(filter, num_streams):
    clip = scene(48, 32, 40)
    result = filter(raising_at(clip, 16), backend="cpu", length=4, num_streams=num_streams)
    good = filter(clip, backend="cpu", length=4)
    with pytest.raises(vs.Error, match="scratch"):
        result.get_frame(16)
    # Four frames a chunk, up to four of context, one for the flow, two for the scene detector.
    for n in (0, 7, 24, 39):
        assert same(picture(result, n), picture(good, n))
    # All at once: as many errors as frames that need it, and no hang.
    futures = [result.get_frame_async(n) for n in range(40)]
    failed = {n for n, future in enumerate(futures) if future.exception(timeout=30)}
    assert 16 in failed
    assert failed <= set(range(8, 24))


def test_a_chain_over_a_source_that_raises():
    clip = raising_at(scene(48, 32, 40), 30)
    result = vqe.Deblock(vqe.SuperRes(clip, backend="cpu"), backend="cpu", num_streams=2)
    assert result.get_frame(3).width == 96
    with pytest.raises(vs.Error, match="scratch"):
        list(result.frames(close=True))


def test_a_device_that_does_not_exist(filter, openvino):
    npu = vqe.Backend.OpenVino(device="NPU7")
    message = refused(filter, scene(), "has no device 'NPU7'", backend=npu)
    assert "CPU" in message


@pytest.mark.parametrize("backend", ["cuda", "tensorrt"])
def test_a_gpu_that_does_not_exist(filter, backend, no_gpu):
    message = refused(filter, scene(), "", backend=backend)
    assert "pip install" in message
    assert "Provider" in message
    refused(filter, scene(), "", backend=backend, device_index=99)


def test_device_index_that_does_not_exist(filter, openvino):
    gpu = vqe.Backend.OpenVino(device="GPU")
    refused(filter, scene(), r"has no device 'GPU.99'", backend=gpu, device_index=99)


def test_device_index_counts_gpus(filter, openvino, caplog):
    """On a CPU it changes nothing: not even which backend is taken."""
    clip = scene(length=1)
    with caplog.at_level("WARNING"):
        result = filter(clip, backend="openvino", device_index=1)
    assert not caplog.records
    assert same(picture(result, 0), picture(filter(clip, backend="openvino"), 0))


@pytest.mark.parametrize(
    "settings",
    [
        lambda: vqe.Backend.OnnxCpu(threads="2"),
        lambda: vqe.Backend.OnnxCpu(threads=-1),
        lambda: vqe.Backend.OnnxCuda(memory_limit_mib=1.5),
        lambda: vqe.Backend.TensorRT(optimization_level=6),
        lambda: vqe.Backend.OpenVino(device=None),
        lambda: vqe.Backend.OpenVino(threads=True),
        lambda: vqe.Backend.Torch(device="tpu"),
    ],
)
def test_settings_of_backends_are_checked_when_they_are_made(settings):
    with pytest.raises(ValueError, match=r"^\w+\(\w+=.*\): "):
        settings()


def test_errors_do_not_leave_threads_behind(filter):
    before = threading.active_count()
    for _ in range(5):
        refused(filter, scene(), "model", model="nothing")
    assert threading.active_count() <= before + 1
