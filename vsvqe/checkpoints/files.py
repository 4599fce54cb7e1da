"""Reads the tensors of a checkpoint file; nothing in it is executed."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..inference.errors import ModelError

type Weights = dict[str, Tensor]
"""Tensors by name: a state dict."""

# Under these names, the best first, training code keeps a state dict beside other things.
_WRAPPERS = (
    "params_ema",
    "params-ema",
    "ema",
    "generator_ema",
    "model_ema",
    "params",
    "state_dict",
    "model_state_dict",
    "generator",
    "netG",
    "model",
    "net",
)


def read(path: Path) -> Weights:
    """Reads the tensors of a file.

    Args:
        path: ``.safetensors``, or what ``torch.save`` wrote (``.pth``, ``.pt``, ``.ckpt``).

    Returns:
        Tensors by name on the CPU, in single precision if they are floats.

    Raises:
        ModelError: The file can't be read, is damaged, or holds something else.
    """
    content = _safetensors(path) if path.suffix.lower() == ".safetensors" else _pickled(path)
    weights = _unwrapped(content)
    if not weights:
        raise ModelError(f"{path.name} holds no weights: {_what(content)}")
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }


def _safetensors(path: Path) -> Weights:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError as error:
        raise ModelError(
            f'{path.name} needs the safetensors package ({error}): pip install "vsvqe[torch]"'
        ) from error
    try:
        # By its content: `load_file` takes no names but in UTF-8.
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _pickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # Of protocols and archives that are refused, or read all the same.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"\bGLOBAL ([\w.]*\w)", str(error))
        if wanted:
            raise ModelError(
                f"{path.name} holds more than weights ({wanted[1]}), and loading that could run "
                "code that came with it, so it is not loaded. If you trust the file, load it in "
                "Python and save its state dict alone with torch.save or safetensors"
            ) from error
        if "Unsupported operand" in str(error) and _is_pickle(path):
            raise ModelError(
                f"{path.name} is a pickle of a kind that weights alone do not need, so it is not "
                "loaded. If you trust the file, load it in Python and save its state dict alone "
                "with torch.save or safetensors"
            ) from error
        raise _damaged(path, error) from error
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise ModelError(
                f"{path.name} is a TorchScript archive, which holds code, so it is not loaded; "
                "save the state dict of the model instead, or export it to ONNX"
            ) from error
        raise _damaged(path, error) from error
    except Exception as error:  # damaged bytes raise whatever the unpickler stumbles over
        raise _damaged(path, error) from error


def _is_pickle(path: Path) -> bool:
    """Whether a file begins as those of Python's own pickle do, of a protocol from 3 on."""
    with path.open("rb") as file:
        first = file.read(2)
    return first[:1] == b"\x80" and first[1:] > b"\x02"


def _damaged(path: Path, error: Exception) -> ModelError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelError(
        f"{path.name} is not a checkpoint, or is damaged ({reason[:120]}); download it again"
    )


def _unwrapped(content: Any) -> Weights:
    """Finds the state dict in what a file holds."""
    # A few levels at most: a file is free to hold a dict that holds itself.
    for _ in range(4):
        if not isinstance(content, Mapping):
            return {}
        inner = [content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
        if not inner and len(content) == 1:
            inner = [value for value in content.values() if isinstance(value, Mapping)]
        if not inner:
            break
        content = inner[0]
    return {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _what(content: Any) -> str:
    if isinstance(content, Mapping):
        names = ", ".join(str(key)[:30] for key in list(content)[:5])
        return f"it is a table of {names or 'nothing'}"
    return f"it is a {type(content).__name__}"
