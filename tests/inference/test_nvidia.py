"""What is asked of ``nvidia-smi``, by a stand-in on the search path."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vsvqe.inference import nvidia
from vsvqe.inference.errors import InferenceError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of the tool."""

    def put(script: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return put


def test_every_gpu_is_a_row(stand_in) -> None:
    stand_in("printf 'NVIDIA A, 10 MiB\\nNVIDIA B, 20 MiB\\n'")
    assert nvidia.query("name", "memory.total") == [["NVIDIA A", "10 MiB"], ["NVIDIA B", "20 MiB"]]


def test_it_is_asked_for_fields_and_one_gpu(stand_in) -> None:
    stand_in('echo "$*"')
    (words,) = nvidia.query("name", "driver_version", index=3)
    asked = ",".join(words)
    assert "--query-gpu=name,driver_version" in asked
    assert "--id=3" in asked


def test_its_complaint_is_passed_on(stand_in) -> None:
    stand_in('echo "NVIDIA-SMI has failed because it couldn\'t communicate"; exit 9')
    with pytest.raises(InferenceError, match="couldn't communicate"):
        nvidia.query("name")


def test_it_may_be_missing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InferenceError, match="does not answer"):
        nvidia.query("name")
