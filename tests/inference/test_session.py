"""Sessions are found, opened, kept and let go."""

import gc
import logging
import weakref

import numpy as np
import pytest
import vapoursynth as vs
from onnx import helper
from support import models
from support.clips import all_same, scene

import vsvqe as vqe
from vsvqe import cards
from vsvqe.inference import session
from vsvqe.inference.backends import OnnxCpu, OnnxCuda, OpenVino, TensorRT
from vsvqe.inference.errors import BackendUnavailable
from vsvqe.inference.session import SessionRequest, open_session

pytestmark = pytest.mark.usefixtures("fresh_sessions")

CARD = cards.find("fast", "deblock")
FRAMES, CHROMA = len(CARD.offsets), CARD.chroma_channels


def request(side: int = 16, **changes) -> SessionRequest:
    fields = {
        "model": CARD.path,
        "sha256": CARD.sha256,
        "shapes": (("y", (1, FRAMES, side, side)), ("uv", (1, CHROMA, side // 2, side // 2))),
        "half": False,
        **changes,
    }
    return SessionRequest(**fields)


def messages(caplog, level: int) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == level]


def test_auto_takes_openvino_where_there_is_no_gpu(openvino, no_gpu, caplog):
    caplog.set_level(logging.INFO)
    opened, backend = open_session(request(), "auto")
    assert backend == OpenVino()
    assert "OpenVINO, CPU" in opened.description
    assert messages(caplog, logging.WARNING) == []
    (line,) = messages(caplog, logging.INFO)
    assert opened.description in line


def test_auto_falls_back_and_says_why_once(monkeypatch, caplog, no_gpu):
    # A machine with a driver, but without the libraries.
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: True)
    for side in (16, 32, 16):
        _, backend = open_session(request(side), "auto")
        assert backend in (OpenVino(), OnnxCpu())
    (warning,) = messages(caplog, logging.WARNING)
    assert "CUDA" in warning
    assert "pip install" in warning
    assert "trying the next" in warning


def test_auto_without_openvino_takes_the_cpu(monkeypatch, no_gpu, caplog):
    monkeypatch.setattr(session, "_plausible", lambda backend, _: isinstance(backend, OnnxCpu))
    _, backend = open_session(request(), "auto")
    assert backend == OnnxCpu()
    assert messages(caplog, logging.WARNING) == []


def test_auto_falls_back_in_a_filter_too(monkeypatch, no_gpu):
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: True)
    clip = scene(length=2)
    result = vqe.Deblock(clip, backend="auto", fp16=False)
    for name in ("openvino", "cpu"):
        try:
            wanted = vqe.Deblock(clip, backend=name, fp16=False)
        except vs.Error:
            continue
        assert all_same(result, wanted)
        break


@pytest.mark.parametrize("backend", ["cuda", "tensorrt", OnnxCuda(), TensorRT()])
def test_a_backend_asked_for_by_name_does_not_fall_back(backend, no_gpu):
    with pytest.raises(BackendUnavailable, match="pip install"):
        open_session(request(), backend)


def test_settings_objects(backend):
    settings = {"cpu": OnnxCpu(threads=1), "openvino": OpenVino(threads=1)}[backend]
    clip = scene(length=2)
    assert all_same(
        vqe.Deblock(clip, backend=settings, fp16=False),
        vqe.Deblock(clip, backend=backend, fp16=False),
    )


def test_a_session_is_used_again(backend):
    first, _ = open_session(request(), backend)
    again, _ = open_session(request(), backend)
    other, _ = open_session(request(32), backend)
    assert again is first
    assert other is not first


def test_the_cache_is_bounded():
    opened = [open_session(request(16 + 2 * i), "cpu")[0] for i in range(20)]
    assert len(session._cache) == session._MAX_CACHED
    # The latest are kept.
    assert open_session(request(16 + 2 * 19), "cpu")[0] is opened[-1]
    assert open_session(request(16), "cpu")[0] is not opened[0]


def test_what_is_used_stays_longest():
    first, _ = open_session(request(16), "cpu")
    for i in range(1, session._MAX_CACHED + 3):
        open_session(request(16 + 2 * i), "cpu")
        assert open_session(request(16), "cpu")[0] is first


def test_a_script_that_is_loaded_again_opens_nothing_new(monkeypatch, backend):
    opened = []
    original = session._opened

    def counted(*arguments):
        opened.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(session, "_opened", counted)
    for _ in range(4):
        clip = scene(length=3)
        vqe.SuperRes(vqe.Deblock(clip, backend=backend), backend=backend).get_frame(1).close()
    # Deblock and SuperRes, and what estimates the quantiser for each.
    assert len(opened) == 4


def test_a_session_goes_with_its_filter_and_the_cache():
    opened, _ = open_session(request(), "cpu")
    gone = weakref.ref(opened)
    session._cache.clear()
    del opened
    gc.collect()
    assert gone() is None


def test_several_threads_at_once(backend):
    from concurrent.futures import ThreadPoolExecutor

    opened, _ = open_session(request(), backend)
    rng = np.random.default_rng(0)
    inputs = [
        [
            rng.random((1, FRAMES, 16, 16), np.float32),
            rng.random((1, CHROMA, 8, 8), np.float32) - 0.5,
        ]
        for _ in range(16)
    ]

    def run(arrays):
        out = [np.empty((1, 1, 16, 16), np.float32), np.empty((1, 2, 8, 8), np.float32)]
        opened.run(arrays, out)
        return out

    alone = [run(arrays) for arrays in inputs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, inputs))
    for a, b in zip(alone, together, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


RELOADS = """
import gc, sys
import numpy as np, psutil, vapoursynth as vs
import vsvqe as vqe

process = psutil.Process()

def load():
    clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=192, height=128, length=20)
    clip = vqe.Deblock(clip, 'auto', backend=sys.argv[1])
    clip = vqe.SuperRes(clip, backend=sys.argv[1])
    clip.get_frame(9).close()

def loaded(times):
    for _ in range(times):
        load()
    gc.collect()
    return process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()

first = loaded(10)
second = loaded(40)
print(*first, *second)
"""


@pytest.mark.slow
def test_fifty_reloads_leak_neither_memory_nor_files(python, backend):
    pytest.importorskip("psutil")
    run = python(RELOADS, backend)
    assert run.returncode == 0, run.stderr
    memory, files, threads, memory_after, files_after, threads_after = map(
        float, run.stdout.split()
    )
    # One reload moves some 30 MiB of frames; forty that leaked them would be over 1000.
    assert memory_after - memory < 32
    assert files_after <= files
    assert threads_after <= threads + 2


ENVIRONMENTS = """
import gc, sys
import psutil, vapoursynth as vs

class Previewer(vs.EnvironmentPolicy):
    # As a previewer does it: one process, an environment for every load of the script.
    def on_policy_registered(self, api):
        self.api, self.current = api, None
    def on_policy_cleared(self):
        self.current = None
    def get_current_environment(self):
        return self.current
    def set_environment(self, environment):
        before, self.current = self.current, environment
        return before
    def is_alive(self, environment):
        return environment is self.current

policy = Previewer()
vs.register_policy(policy)
import vsvqe as vqe

process = psutil.Process()

def load():
    environment = policy.api.create_environment()
    policy.set_environment(environment)
    clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=192, height=128, length=20)
    clip = vqe.Deblock(clip, backend=sys.argv[1])
    frame = clip.get_frame(9)
    frame.close()
    del clip, frame
    gc.collect()
    policy.set_environment(None)
    policy.api.destroy_environment(environment)

def loaded(times):
    for _ in range(times):
        load()
    gc.collect()
    return process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()

print(*loaded(10), *loaded(40))
"""


@pytest.mark.slow
def test_fifty_environments_as_in_a_previewer(python):
    pytest.importorskip("psutil")
    run = python(ENVIRONMENTS, "cpu")
    assert run.returncode == 0, run.stderr
    memory, files, threads, memory_after, files_after, threads_after = map(
        float, run.stdout.split()
    )
    assert memory_after - memory < 48
    assert files_after <= files + 2
    assert threads_after <= threads + 4


IN_TURNS = """
import sys
from pathlib import Path
import numpy as np, psutil
from vsvqe.inference.backends import OnnxCpu
from vsvqe.inference.onnx import CpuSession
from vsvqe.inference.session import SessionRequest

shape = (1, 3, 96, 96)
request = SessionRequest(
    model=Path(sys.argv[1]), sha256="", shapes=(("in", shape),), half=False, in_turns=True
)
parts = [CpuSession(request, OnnxCpu(threads=1)) for _ in range(4)]
picture = np.random.default_rng(0).random(shape, np.float32)
before = psutil.Process().memory_info().rss
for part in parts:
    result = np.empty(shape, np.float32)
    part.run([picture], [result])
    assert (result == picture).all()
print((psutil.Process().memory_info().rss - before) / 2**20)
"""


def test_what_runs_in_turns_shares_memory(tmp_path, python):
    pytest.importorskip("psutil")
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    model = models.write(
        tmp_path / "wide.onnx",
        [
            helper.make_node("Resize", ["in", "", "more"], ["wide"], **nearest),
            helper.make_node("Resize", ["wide", "", "less"], ["out"], **nearest),
        ],
        inputs=[("in", models.FLOAT, [1, 3, "h", "w"])],
        outputs=[("out", models.FLOAT, [1, 3, None, None])],
        constants={
            name: np.array([1, 1, scale, scale], np.float32)
            for name, scale in {"more": 32, "less": 1 / 32}.items()
        },
    )
    run = python(IN_TURNS, model)
    assert run.returncode == 0, run.stderr
    # In between a picture takes 108 MiB.
    assert float(run.stdout) < 2 * 108


@pytest.mark.parametrize("slopes", [(4, 1, 1), (1, 4, 1, 1), (1, 1, 1), (1,)])
def test_slopes_on_openvino(tmp_path, slopes, openvino):
    random = np.random.default_rng(1)
    slope = random.normal(size=slopes).astype(np.float32)
    shape = (1, 4, 6, 5)
    features = random.normal(size=shape).astype(np.float32)
    features[0, :, 0, :4] = np.nan, np.inf, -np.inf, -0.0
    path = models.write(
        tmp_path / "prelu.onnx",
        [helper.make_node("PRelu", ["in", "slope"], ["out"])],
        inputs=[("in", models.FLOAT, shape)],
        outputs=[("out", models.FLOAT, shape)],
        constants={"slope": slope},
    )
    asked = SessionRequest(model=path, sha256="", shapes=(("in", shape),), half=False)
    got = np.empty(shape, np.float32)
    open_session(asked, "openvino")[0].run([features], [got])
    finite = np.isfinite(features)
    np.testing.assert_array_equal(
        got[finite], np.where(features > 0, features, slope * features)[finite]
    )
    # A result that is no number must not become one.
    assert not np.isfinite(got[~finite]).any()
