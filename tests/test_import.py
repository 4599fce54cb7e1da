import doctest
import inspect
import statistics

import pytest

import vsvqe as vqe

PUBLIC = {
    **{name: getattr(vqe, name) for name in vqe.__all__},
    **{f"Backend.{name}": item for name, item in vars(vqe.Backend).items() if name[0] != "_"},
}


def test_public_names():
    assert set(vqe.__all__) == {
        "ASTF",
        "Backend",
        "Card",
        "Deblock",
        "Stabilize",
        "SuperRes",
        "list_models",
    }


def test_import_is_quick_and_loads_no_engine(python):
    code = """
import sys, time
import vapoursynth, numpy
start = time.perf_counter()
import vsvqe
print(time.perf_counter() - start)
slow = ("torch", "onnxruntime", "openvino", "onnx", "scipy")
print([name for name in slow if name in sys.modules])
"""
    runs = [python(code) for _ in range(3)]
    assert all(run.returncode == 0 for run in runs), runs[0].stderr
    seconds = [float(run.stdout.splitlines()[0]) for run in runs]
    assert statistics.median(seconds) < 0.5
    assert {run.stdout.splitlines()[1] for run in runs} == {"[]"}


def test_training_goes_without_vapoursynth_and_openvino(python):
    code = """
import sys
sys.modules["vapoursynth"] = sys.modules["openvino"] = None
import vsvqe.metrics.psnr
from vsvqe.training.designs import DESIGNS
import vsvqe.training.export, vsvqe.training.prepare, vsvqe.training.trainer
print(len(DESIGNS))
import vsvqe
try:
    vsvqe.Deblock
except ImportError as error:
    print(error)
"""
    run = python(code)
    assert run.returncode == 0, run.stderr
    designs, error = run.stdout.splitlines()
    assert int(designs) > 10
    assert "vapoursynth" in error


def test_names_are_found_without_being_used():
    assert set(vqe.__all__) <= set(dir(vqe))
    with pytest.raises(AttributeError, match="no attribute 'Debloc'"):
        _ = vqe.Debloc


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_examples_compile(name):
    item = PUBLIC[name]
    assert inspect.getdoc(item), f"{name} has no docstring"
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(item) or "")
    if name in ("ASTF", "Deblock", "Stabilize", "SuperRes", "list_models"):
        assert examples, f"{name} shows no example"
    for example in examples:
        compile(example.source, name, "single")


@pytest.mark.parametrize("filter", [vqe.ASTF, vqe.Deblock, vqe.Stabilize, vqe.SuperRes])
def test_docstring_names_every_parameter(filter):
    text = inspect.getdoc(filter) or ""
    for parameter in inspect.signature(filter).parameters:
        assert f"\n    {parameter}: " in text
