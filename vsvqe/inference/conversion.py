"""Checkpoints as ONNX files, for the engines that run those; checked against PyTorch."""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import os
import shutil
import tempfile
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import BackendUnavailable, InferenceError
from .packages import installed_version
from .stdout import on_main_thread, stdout_discarded

if TYPE_CHECKING:
    from ..checkpoints.models import Checkpoint
    from .session import SessionRequest

OPSET = 17
INPUT = "input"
# Of the largest output; engines sum in another order.
TOLERANCE = 1e-3
_EXAMPLE = (48, 40)
_CHECKED = ((40, 72), (56, 48))

_lock = threading.Lock()
_known: dict[Path, tuple[Path, str] | str] = {}


def as_onnx(request: SessionRequest) -> SessionRequest:
    """Returns the same request for an ONNX file of the same network.

    A checkpoint is converted once: for the process, or for good where there is an engine folder.
    The graph takes pictures of any size; whether it does is tried out at two sizes that it was not
    traced at, and the results are compared with PyTorch's.

    Args:
        request: Of a checkpoint of an image model.

    Raises:
        BackendUnavailable: The network can't be expressed in ONNX, or gives something else there.
        ModelError: The file is not a checkpoint that can be used.
    """
    folder = request.engine_folder or _scratch()
    path = folder / f"{request.model.stem}-{_key(request)[:24]}.onnx"
    with _lock:
        found = _known.get(path)
        if found is None or (isinstance(found, tuple) and not path.is_file()):
            found = _known[path] = _found(request, path)
    if isinstance(found, str):
        raise BackendUnavailable(found)
    path, sha256 = found
    return dataclasses.replace(request, model=path, sha256=sha256)


def _found(request: SessionRequest, path: Path) -> tuple[Path, str] | str:
    """Returns the converted file and its hash, or why there can be none."""
    if not path.is_file():
        if not on_main_thread():
            # What the exporter prints would be in the middle of the video.
            raise BackendUnavailable(
                f"{request.model.name} can be converted to ONNX only while a script is loaded, and "
                "not from a frame callback; backend='torch' runs it"
            )
        from ..checkpoints.models import load

        checkpoint = load(request.model, request.sha256)
        try:
            with tempfile.TemporaryDirectory(prefix=".converting-", dir=path.parent) as stage:
                staged = Path(stage) / path.name
                reason = _converted(checkpoint, staged)
                if reason is not None:
                    return (
                        f"{request.model.name} ({checkpoint.architecture}) can't be converted to "
                        f"ONNX ({reason}); backend='torch' runs it"
                    )
                os.replace(staged, path)
        except OSError as error:
            raise InferenceError(
                f"the converted model {str(path)!r} can't be written ({error.strerror or error}); "
                "make room there, or choose another engine_folder"
            ) from error
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _converted(checkpoint: Checkpoint, path: Path) -> str | None:
    """Writes an ONNX file; returns why it is of no use, if it is of none."""
    if checkpoint.sequence:
        return "recurrent networks are run by PyTorch"
    try:
        _export(checkpoint, path)
        error = _error(checkpoint, path.read_bytes())
    except OSError:
        raise
    except Exception as failure:  # the exporter raises whatever an operator makes it raise
        return (str(failure).strip() or type(failure).__name__).splitlines()[0][:120]
    return None if error <= TOLERANCE else f"it gives other pictures there, {error:.2g} off"


def _export(checkpoint: Checkpoint, path: Path) -> None:
    import torch

    sides = [_fitting(checkpoint, side) for side in _EXAMPLE]
    example = torch.rand(1, checkpoint.channels, *sides, generator=torch.Generator().manual_seed(0))
    # Where it fails the exporter prints the graph, thousands of lines, to standard output.
    with stdout_discarded(), warnings.catch_warnings():
        # Of shapes that are traced as constants; whether that does harm is tried out afterwards.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            checkpoint.network,
            (example,),
            str(path),
            dynamo=False,  # the newer exporter needs further packages
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=["output"],
            dynamic_axes={INPUT: {2: "height", 3: "width"}, "output": {2: "H", 3: "W"}},
        )


def _error(checkpoint: Checkpoint, content: bytes) -> float:
    """Returns the largest difference to PyTorch, relative to the largest value."""
    import onnxruntime as ort
    import torch

    from .onnx import session_options

    options = session_options()
    options.log_severity_level = 4  # a graph that does not run is an answer, not an error
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    random = torch.Generator().manual_seed(1)
    for size in _CHECKED:
        sides = [_fitting(checkpoint, side) for side in size]
        picture = torch.rand(1, checkpoint.channels, *sides, generator=random)
        with torch.inference_mode():
            wanted = checkpoint.network(picture).numpy()
        (got,) = session.run(None, {INPUT: picture.numpy()})
        if np.shape(got) != wanted.shape:
            return float("inf")
        scale = max(float(np.abs(wanted).max()), 1e-6)
        worst = max(worst, float(np.abs(got - wanted).max()) / scale)
    return worst if np.isfinite(worst) else float("inf")


def _fitting(checkpoint: Checkpoint, side: int) -> int:
    """Returns a side that the network takes, and more than its least, so as to be general."""
    multiple = checkpoint.multiple
    return -(-max(side, checkpoint.least + side // 4) // multiple) * multiple


@cache
def _scratch() -> Path:
    """Returns a folder that lasts as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="vsvqe-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _key(request: SessionRequest) -> str:
    parts = [
        request.sha256,
        request.model.name,  # some networks read their scale from it
        f"opset={OPSET}",
        *(f"{package}={installed_version(package)}" for package in ("vsvqe", "torch", "spandrel")),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
