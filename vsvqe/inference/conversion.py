"""Checkpoints as ONNX files, for the engines that run those; checked against PyTorch."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import hashlib
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .engines import stem
from .errors import BackendUnavailable, InferenceError
from .packages import installed_version
from .stdout import on_main_thread, stdout_discarded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..checkpoints.models import Checkpoint
    from ..nets.steps import Step
    from .session import SessionRequest

OPSET = 17
INPUT = "input"
# Of the largest output; engines sum in another order.
TOLERANCE = 1e-3
# Networks of windows pad what is no multiple of them; traced at a multiple, they would never.
_EXAMPLE = (45, 37)
_CHECKED = ((40, 72), (51, 43))

# Neither side is whole at the coarsest level of the flow.
_CHECKED_FRAMES = (40, 72)

_lock = threading.Lock()
_known: dict[Path, tuple[Path, str] | str] = {}
_steps_refused: dict[str, str] = {}


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
    path = folder / f"{stem(request.model)}-{_key(request)[:24]}.onnx"
    with _lock:
        found = _known.get(path)
        if found is None or (isinstance(found, tuple) and not path.is_file()):
            found = _known[path] = _found(request, path)
    if isinstance(found, str):
        raise BackendUnavailable(found)
    path, sha256 = found
    return dataclasses.replace(request, model=path, sha256=sha256)


def as_steps(request: SessionRequest) -> dict[str, SessionRequest]:
    """Returns requests for ONNX files of the steps of a recurrent network, see ``nets.steps``.

    They are converted once for each size of frames: for the process, or for good where there is an
    engine folder. That they do what the network does is tried out at a small size.

    Args:
        request: Of a checkpoint of a recurrent model.

    Raises:
        BackendUnavailable: The network has no such steps, can't be expressed in ONNX, or gives
            something else there.
        ModelError: The file is not a checkpoint that can be used.
    """
    from ..checkpoints.models import load
    from ..nets.steps import steps

    checkpoint = load(request.model, request.sha256)
    _, _, _, height, width = request.shapes[0][1]
    name = f"{stem(request.model)}-{_key(request)[:24]}"
    folder = (request.engine_folder or _scratch()) / f"{name}-{width}x{height}"
    wanted = steps(checkpoint.network, height, width)
    with _lock:
        if folder.is_dir() and not all((folder / f"{step}.onnx").is_file() for step in wanted):
            # Somebody tidied up.
            shutil.rmtree(folder)
        if name not in _steps_refused and not folder.is_dir():
            _check_main_thread(request)
            reason = _steps_converted(checkpoint, folder, height, width)
            if reason is not None:
                _steps_refused[name] = _refusal(request, checkpoint, reason)
        if name in _steps_refused:
            raise BackendUnavailable(_steps_refused[name])
    if request.part is not None:
        cleaning = request.part == "cleaning"
        wanted = {name: step for name, step in wanted.items() if (name == "cleaning") == cleaning}
    return {
        name: dataclasses.replace(
            request,
            model=folder / f"{name}.onnx",
            sha256=hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest(),
            shapes=tuple(step.inputs.items()),
            half=request.half and not step.exact,
            part=None,
            in_turns=True,
        )
        for name, step in wanted.items()
    }


def _check_main_thread(request: SessionRequest) -> None:
    """Raises an error where what the exporter prints would be in the middle of the video."""
    if not on_main_thread():
        raise BackendUnavailable(
            f"{request.model.name} can be converted to ONNX only while a script is loaded, and "
            "not from a frame callback; backend='torch' runs it"
        )


def _refusal(request: SessionRequest, checkpoint: Checkpoint, reason: str) -> str:
    return (
        f"{request.model.name} ({checkpoint.architecture}) can't be converted to ONNX ({reason}); "
        "backend='torch' runs it"
    )


def _found(request: SessionRequest, path: Path) -> tuple[Path, str] | str:
    """Returns the converted file and its hash, or why there can be none."""
    if not path.is_file():
        _check_main_thread(request)
        from ..checkpoints.models import load

        checkpoint = load(request.model, request.sha256)
        try:
            with tempfile.TemporaryDirectory(prefix=".converting-", dir=path.parent) as stage:
                staged = Path(stage) / path.name
                reason = _converted(checkpoint, staged)
                if reason is not None:
                    return _refusal(request, checkpoint, reason)
                os.replace(staged, path)
        except OSError as error:
            raise _unwritable(path, error) from error
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _converted(checkpoint: Checkpoint, path: Path) -> str | None:
    """Writes an ONNX file; returns why it is of no use, if it is of none."""
    try:
        _export_picture_model(checkpoint, path)
        error = _error(checkpoint, path.read_bytes())
    except OSError:
        raise
    except Exception as failure:  # the exporter raises whatever an operator makes it raise
        return _first_line(failure)
    return _verdict(error)


def _steps_converted(checkpoint: Checkpoint, folder: Path, height: int, width: int) -> str | None:
    """Writes a folder with the steps of a network; returns why they are of no use, if so."""
    from ..nets.steps import steps

    try:
        with tempfile.TemporaryDirectory(prefix=".converting-", dir=folder.parent) as stage:
            staged = Path(stage) / folder.name
            staged.mkdir()
            try:
                _export_steps(steps(checkpoint.network, height, width), staged)
                verdict = _verdict(_error_of_steps(checkpoint, Path(stage)))
            except OSError:
                raise
            except Exception as failure:  # as in `_converted`
                return _first_line(failure)
            if verdict is None:
                # Another process may have been quicker; its files are as good.
                with contextlib.suppress(OSError):
                    os.rename(staged, folder)
            return verdict
    except OSError as error:
        raise _unwritable(folder, error) from error


def _first_line(failure: Exception) -> str:
    return (str(failure).strip() or type(failure).__name__).splitlines()[0][:120]


def _verdict(error: float) -> str | None:
    return None if error <= TOLERANCE else f"it gives other pictures there, {error:.2g} off"


def _unwritable(path: Path, error: OSError) -> InferenceError:
    return InferenceError(
        f"the converted model {str(path)!r} can't be written ({error.strerror or error}); "
        "make room there, or choose another engine_folder"
    )


def _export_picture_model(checkpoint: Checkpoint, path: Path) -> None:
    import torch

    sides = [_fitting(checkpoint, side) for side in _EXAMPLE]
    example = torch.rand(1, checkpoint.channels, *sides, generator=torch.Generator().manual_seed(0))
    free = {INPUT: {2: "height", 3: "width"}, "output": {2: "H", 3: "W"}}
    _export(checkpoint.network, (example,), path, [INPUT], ["output"], free)


def _export_steps(parts: Mapping[str, Step], folder: Path) -> None:
    from ..nets.steps import example

    for name, step in parts.items():
        path = folder / f"{name}.onnx"
        _export(step.network, example(step), path, list(step.inputs), list(step.outputs), {})


def _export(
    network: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    free: dict[str, dict[int, str]],
) -> None:
    """Writes a network as an ONNX file.

    Args:
        network: Ready for inference.
        example: Inputs to trace it with.
        path: Of the file.
        inputs: Their names.
        outputs: Names of the results.
        free: Axes that may have any length, by name of the input or output.
    """
    import torch

    # Where it fails the exporter prints the graph, thousands of lines, to standard output.
    with stdout_discarded(), warnings.catch_warnings():
        # Of shapes that are traced as constants; whether that does harm is tried out afterwards.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            example,
            str(path),
            dynamo=False,  # the newer exporter needs further packages
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=free,
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
        worst = max(worst, _relative(np.asarray(got), wanted))
    return worst


def _error_of_steps(checkpoint: Checkpoint, folder: Path) -> float:
    """Returns the largest of any step, which are written to a folder once more for that."""
    import onnxruntime as ort
    import torch

    from ..nets.steps import example, steps
    from .onnx import session_options

    parts = steps(checkpoint.network, *_CHECKED_FRAMES)
    _export_steps(parts, folder)
    errors = []
    for name, step in parts.items():
        session = ort.InferenceSession(
            (folder / f"{name}.onnx").read_bytes(),
            session_options(),
            providers=["CPUExecutionProvider"],
        )
        inputs = example(step)
        with torch.inference_mode():
            results = step.network(*inputs)
        wanted = results if isinstance(results, tuple) else (results,)
        arrays = (array.numpy() for array in inputs)
        got = session.run(None, dict(zip(step.inputs, arrays, strict=True)))
        errors += [_relative(np.asarray(g), w.numpy()) for g, w in zip(got, wanted, strict=True)]
    return max(errors)


def _relative(got: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Returns the largest difference, relative to the largest value; infinite if it is none."""
    error = float(np.abs(got - wanted).max()) / max(float(np.abs(wanted).max()), 1e-6)
    return error if np.isfinite(error) else float("inf")


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
        f"example={_EXAMPLE}",
        *(f"{package}={installed_version(package)}" for package in ("vsvqe", "torch", "spandrel")),
    ]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()
