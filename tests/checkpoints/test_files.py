"""What checkpoint files hold, whole, wrapped, damaged and hostile."""

import argparse
import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support import checkpoints

from vsvqe.checkpoints.files import read
from vsvqe.inference.errors import ModelError

WEIGHTS = {"conv.weight": torch.ones(2, 3, 1, 1), "conv.bias": torch.zeros(2)}


def assert_read(path):
    found = read(path)
    assert set(found) == set(WEIGHTS)
    assert all(torch.equal(found[name], tensor) for name, tensor in WEIGHTS.items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
@pytest.mark.parametrize("old", [False, True])
def test_what_torch_saves(tmp_path, suffix, old):
    path = tmp_path / f"model{suffix}"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=not old)
    assert_read(path)


def test_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(WEIGHTS, path)
    assert_read(path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"params": weights},
        lambda weights: {"params_ema": weights, "params": {"conv.weight": torch.zeros(1)}},
        lambda weights: {"state_dict": weights, "meta": {"epoch": 3, "config": "text"}},
        lambda weights: {"epoch": 3, "model_state_dict": weights, "lr": 0.1},
        lambda weights: {"state_dict": {"params_ema": weights}},
        lambda weights: {"anything": weights},
    ],
)
def test_wrapped_weights(tmp_path, wrap):
    assert_read(checkpoints.saved(tmp_path / "model.pth", wrap(WEIGHTS)))


def test_half_precision_becomes_single(tmp_path):
    half = {name: tensor.half() for name, tensor in WEIGHTS.items()}
    assert_read(checkpoints.saved(tmp_path / "model.pth", half))


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("old", [False, True])
def test_nothing_is_executed(tmp_path, old):
    path, trace = tmp_path / "model.pth", tmp_path / "trace"
    content = {"params": WEIGHTS, "extra": Hostile(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(ModelError, match=r"model\.pth holds more than weights.*not loaded"):
        read(path)
    assert not trace.exists()
    with path.open("wb") as file:
        pickle.dump(content, file)
    with pytest.raises(ModelError, match=r"model\.pth is a pickle .* not loaded"):
        read(path)
    assert not trace.exists()


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (np.float64(3), r"numpy\._?core\.multiarray\.scalar"),
        (collections.defaultdict(int), r"collections\.defaultdict"),
        (argparse.Namespace(a=1), r"argparse\.Namespace"),
        (Path("x"), r"pathlib\.\w+"),
        (os.system, r"posix\.system|nt\.system"),
    ],
)
def test_what_is_more_than_weights_is_named(tmp_path, extra, name, old):
    path = tmp_path / "model.pth"
    torch.save({"params": WEIGHTS, "extra": extra}, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(ModelError, match=rf"holds more than weights \(({name})\)"):
        read(path)


def test_torchscript_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 4, 4)).save(str(path))
    with pytest.raises(ModelError, match="TorchScript archive, which holds code"):
        read(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 2000, b"not found\n" * 50, b"PK\3\4" + bytes(range(256)), b"\x80\x02"]
)
def test_other_bytes(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a checkpoint, or is damaged \(.*download it again"):
        read(path)


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_cut_off_files(tmp_path, kind, part):
    weights = {"conv.weight": torch.rand(64, 64, 3, 3), "conv.bias": torch.zeros(64)}
    path = tmp_path / ("model.safetensors" if kind == "safetensors" else "model.pth")
    if kind == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ModelError, match=r"not a checkpoint, or is damaged"):
        read(path)


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, torch.zeros(3), [1, 2], "text", {"params": {}}], ids=repr
)
def test_files_without_weights(tmp_path, content):
    with pytest.raises(ModelError, match=r"model\.pth holds no weights"):
        read(checkpoints.saved(tmp_path / "model.pth", content))


def test_a_dict_in_itself(tmp_path):
    content: dict = {}
    content["params"] = content
    with pytest.raises(ModelError):
        read(checkpoints.saved(tmp_path / "model.pth", content))


def test_numpy_scalars_beside_the_weights_are_no_code_but_refused_clearly(tmp_path):
    content = {"state_dict": WEIGHTS, "best": np.float64(3.0)}
    path = checkpoints.saved(tmp_path / "model.pth", content)
    try:
        assert_read(path)
    except ModelError as error:
        assert "save its state dict alone" in str(error)
