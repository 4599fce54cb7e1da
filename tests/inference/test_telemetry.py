"""Nobody is told that somebody uses a filter."""

import subprocess
import sys

import pytest

CODE = """
import atexit, multiprocessing, sys
{before}
started = []
multiprocessing.Process.start = lambda self: started.append(self)

import vapoursynth as vs, vsvqe as vqe

# Reports are made by threads, which have ended by then.
atexit.register(lambda: print("started", len(started)))
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=32, height=32, length=2)
vqe.Deblock(clip, backend="openvino").get_frame(0)
assert "openvino" in sys.modules
"""


@pytest.mark.usefixtures("openvino")
@pytest.mark.parametrize("before", ["", "import openvino_telemetry"])
def test_openvino_reports_nothing_home(environment, tmp_path, before):
    # Where these are set, it would not report anyway.
    quiet = {"CI", "TF_BUILD", "JENKINS_URL"}
    own = {name: value for name, value in environment.items() if name not in quiet}
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(before=before)],
        capture_output=True,
        text=True,
        env=own | {"HOME": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["started", "0"]
    assert not (tmp_path / "intel").exists()
