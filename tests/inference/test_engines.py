"""Built engines are kept, found again, and never half there."""

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, scene

import vsvqe as vqe
from vsvqe import cards
from vsvqe.inference import engines, session
from vsvqe.inference.backends import OnnxCpu, OpenVino
from vsvqe.inference.errors import InferenceError
from vsvqe.inference.session import SessionRequest

pytestmark = pytest.mark.usefixtures("fresh_sessions")

# Of the model, and of the estimate of the quantiser.
ENGINES = 2


def state(folder: Path) -> dict[str, int]:
    """Every file and when it was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def built(folder: Path, clip: vs.VideoNode | None = None) -> vs.VideoNode:
    """A filter whose engine is in a folder, opened anew."""
    session._cache.clear()
    return vqe.Deblock(clip or scene(length=3), backend="openvino", engine_folder=folder)


def test_built_once_and_used_again(tmp_path, openvino):
    folder = tmp_path / "new" / "engines"
    wanted = vqe.Deblock(scene(length=3), backend="openvino")
    assert all_same(built(folder), wanted)
    first = state(folder)
    assert first
    assert all_same(built(folder), wanted)
    assert state(folder) == first
    assert [path.name[0] for path in folder.iterdir()] != ["."]


def test_another_shape_is_another_engine(tmp_path, openvino):
    built(tmp_path)
    assert len(list(tmp_path.iterdir())) == ENGINES
    built(tmp_path, scene(80, 48, 3))
    assert len(list(tmp_path.iterdir())) == 2 * ENGINES


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch, openvino):
    import openvino as ov

    def killed(self, model, device, settings):
        (Path(settings["CACHE_DIR"]) / "half.blob").write_bytes(b"half an engine")
        raise RuntimeError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ov.Core, "compile_model", killed)
        with pytest.raises(vs.Error, match=r"^Deblock: .*no space left"):
            built(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert built(tmp_path).get_frame(0).width == 64
    assert not any("half" in name for name in state(tmp_path))


def test_what_a_killed_process_left_is_not_used(tmp_path, openvino):
    # It had no time to clean up: its folder has a name that is never looked for.
    left = tmp_path / ".building-left"
    left.mkdir()
    (left / "half.blob").write_bytes(b"half an engine")
    wanted = vqe.Deblock(scene(length=3), backend="openvino")
    assert all_same(built(tmp_path), wanted)
    assert (left / "half.blob").read_bytes() == b"half an engine"


def test_a_damaged_engine_gives_no_wrong_picture(tmp_path, openvino):
    wanted = vqe.Deblock(scene(length=3), backend="openvino")
    built(tmp_path)
    for name in state(tmp_path):
        file = tmp_path / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    try:
        result = built(tmp_path)
    except vs.Error as error:
        assert str(error).startswith("Deblock: ")
        return
    assert all_same(result, wanted)


def test_two_builds_at_once(tmp_path, python, openvino):
    from concurrent.futures import ThreadPoolExecutor

    code = """
import sys, vapoursynth as vs, vsvqe as vqe
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=2)
vqe.Deblock(clip, backend="openvino", engine_folder=sys.argv[1]).get_frame(0)
"""
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: python(code, tmp_path), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    assert len(list(tmp_path.iterdir())) == ENGINES


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch, backend):
    monkeypatch.chdir(tmp_path)
    vqe.Deblock(scene(length=2), backend=backend).get_frame(0).close()
    assert list(tmp_path.iterdir()) == []


def base_request(**changes) -> SessionRequest:
    card = cards.list_models("deblock")[0]
    fields = {
        "model": card.path,
        "sha256": card.sha256,
        "shapes": (("y", (5, 1, 16, 16)), ("uv", (5, 2, 8, 8))),
        "half": False,
        **changes,
    }
    return SessionRequest(**fields)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "0" * 64},
        {"shapes": (("y", (5, 1, 32, 16)), ("uv", (5, 2, 16, 8)))},
        {"half": True},
        {"streams": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_key_holds_what_an_engine_depends_on(changes):
    keys = {
        engines._key(base_request(**fields), OpenVino(), "openvino 1") for fields in ({}, changes)
    }
    assert len(keys) == 2


def test_the_key_holds_backend_and_version():
    request = base_request()
    keys = [
        engines._key(request, OpenVino(), "openvino 1"),
        engines._key(request, OpenVino(), "openvino 2"),
        engines._key(request, OpenVino(threads=3), "openvino 1"),
        engines._key(request, OnnxCpu(), "openvino 1"),
    ]
    assert len(set(keys)) == 4
    assert keys[0] == engines._key(base_request(), OpenVino(), "openvino 1")


def test_a_folder_that_can_not_be_written_to(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InferenceError, match="engine_folder="):
        engines.check_folder(file / "below")
    assert np.array_equal(list(tmp_path.iterdir()), [file])
