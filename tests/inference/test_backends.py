import dataclasses

import pytest

import vsvqe as vqe
from vsvqe.inference import backends
from vsvqe.inference.backends import (
    NAMES,
    OnnxCpu,
    OnnxCuda,
    OpenVino,
    TensorRT,
    Torch,
    candidates,
    on_gpu,
    thread_count,
)
from vsvqe.inference.errors import InferenceError

ALL = [OnnxCpu, OnnxCuda, TensorRT, OpenVino, Torch]


def test_names():
    assert NAMES == ("auto", "cpu", "cuda", "tensorrt", "openvino", "torch")
    kinds = [type(candidates(name)[0]) for name in NAMES[1:]]
    assert kinds == ALL
    assert [getattr(vqe.Backend, kind.__name__) for kind in ALL] == ALL


def test_auto_ends_with_what_runs_everywhere_and_builds_no_engine_unasked():
    order = candidates("auto")
    assert order[-2:] == (OnnxCpu(), Torch())  # the last for what only it can run
    assert not any(isinstance(backend, TensorRT) for backend in order)


@pytest.mark.parametrize("kind", ALL)
def test_settings_are_what_is_asked_for(kind):
    settings = kind()
    assert candidates(settings) == (settings,)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.threads = 2
    with pytest.raises(TypeError):
        kind("positional")


@pytest.mark.parametrize("name", ["CPU", "onnx", "", None, 3, OnnxCpu])
def test_unknown(name):
    with pytest.raises(InferenceError, match=r"backend=.*'openvino'"):
        candidates(name)


def test_on_gpu():
    kinds = [OnnxCpu, OnnxCuda, TensorRT, OpenVino]
    assert [on_gpu(kind()) for kind in kinds] == [False, True, True, False]
    assert not on_gpu(Torch(device="cpu"))
    assert on_gpu(OpenVino(device="GPU.1"))


def test_thread_count():
    assert thread_count(3) == 3
    assert thread_count(0) >= 1


def test_streams_share_the_cores(monkeypatch):
    monkeypatch.setattr(backends, "_cores", lambda: 5)
    assert [thread_count(0, streams) for streams in (1, 2, 3, 5, 8)] == [5, 3, 2, 1, 1]
    assert thread_count(4, 2) == 4
