"""The wheel and the source distribution hold the models, and the wheel the compiled code."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import vsvqe as vqe
from vsvqe.native import variants

ROOT = Path(__file__).parents[1]
FILES = {card.file for card in vqe.list_models()} | {
    card.path.with_suffix(".json").name for card in vqe.list_models()
}


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not run from a checkout")
def test_distributions_hold_the_models(tmp_path, python):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert {f"vsvqe/models/{name}" for name in FILES} <= names
    assert {"vsvqe/__init__.py", "vsvqe/py.typed"} <= names
    # Compiled code for this machine, which the wheel is named for.
    compiled = {variants.path(variant).name for variant in variants.variants()}
    assert {f"vsvqe/native/built/{name}" for name in compiled} <= names
    assert wheel.stem.endswith("-any") == (not compiled)
    assert not any(name.startswith(("tests", "models", "scripts")) for name in names)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"models/{name}" for name in FILES} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "tests/conftest.py"} <= names
    assert {"scripts/build_native.py", "vsvqe/native/resample.c"} <= names
    assert not any("/built/" in name for name in names)
    # What is in the wheel finds its models by itself.
    run = python(
        "import sys; sys.path.insert(0, sys.argv[1]); import vsvqe; print(vsvqe.__file__);"
        "print(*[card.path.is_file() for card in vsvqe.list_models()]);"
        "from vsvqe.native.library import library; print(library() is not None)",
        tmp_path / "installed",
    )
    path, found, compiled_code = run.stdout.splitlines()
    assert str(tmp_path) in path
    assert found.split() == ["True"] * (len(FILES) // 2)
    assert compiled_code == str(bool(compiled))
