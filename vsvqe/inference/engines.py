"""The folder of built engines: a full key, and files that appear whole or not at all."""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from . import nvidia
from .backends import AnyBackend, OnnxCuda, OpenVino, TensorRT
from .errors import InferenceError
from .packages import installed_version
from .session import SessionRequest

ENGINES = (
    "onnxruntime-gpu",
    "onnxruntime",
    "openvino",
    "tensorrt-cu13-libs",
    "tensorrt-cu12-libs",
    "nvidia-cudnn-cu13",
)
"""Packages whose versions decide what an engine is, and what it computes."""


def check_folder(folder: Path) -> None:
    """Creates the folder if need be and checks that engines can be written there.

    Raises:
        InferenceError: It can't be created or written to, or engines can't be told its name.
    """
    try:
        str(folder.resolve()).encode()
    except UnicodeEncodeError as error:
        raise InferenceError(
            f"engine_folder={str(folder)!r} is no UTF-8 in full, and engines take no other names; "
            "name a folder that is, or leave it out"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InferenceError(
            f"engine_folder={str(folder)!r} can't be written to ({error.strerror or error}); "
            "name a folder that can, or leave it out"
        ) from error


def stem(model: Path) -> str:
    """Returns the name of a model's file without its suffix, for files that are made of it.

    Bytes that are no UTF-8 are legal in a name on Linux; most engines can't be told them.
    """
    return re.sub("[\ud800-\udfff]", "_", model.stem)


@contextlib.contextmanager
def staging(request: SessionRequest, backend: AnyBackend, engine: str) -> Iterator[Path | None]:
    """Gives the folder in which an engine finds its cache, or is to leave it.

    An engine that exists is used where it is. A new one is built in a folder of its own beside
    it, which takes its final name, in one step, only after the build has succeeded: a build that
    is killed leaves nothing that could be mistaken for an engine, and two processes that build
    the same one do not disturb each other.

    Args:
        request: The session; its ``engine_folder`` may be ``None``: then ``None`` is given.
        backend: The backend's settings, a part of the key.
        engine: Name (and version) of the engine, a part of the key.

    Yields:
        The folder, or ``None`` when engines are not kept.
    """
    if request.engine_folder is None or isinstance(backend, OnnxCuda):
        yield None
        return
    folder = request.engine_folder / _key(request, backend, engine)
    if folder.is_dir():
        yield folder
        return
    stage = Path(tempfile.mkdtemp(prefix=".building-", dir=request.engine_folder))
    try:
        yield stage
        # Another process may have been quicker; its engine is as good.
        with contextlib.suppress(OSError):
            os.rename(stage, folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _key(request: SessionRequest, backend: AnyBackend, engine: str) -> str:
    parts = [
        request.sha256,
        repr(request.shapes),
        f"half={request.half}",
        repr(backend),
        engine,
        *(f"{package}={installed_version(package)}" for package in ENGINES),
    ]
    if isinstance(backend, OpenVino):
        parts.append(f"streams={request.streams}")
    if isinstance(backend, TensorRT):
        parts.append(_gpu(request.device_index))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return f"{stem(request.model)}-{digest}"


@cache
def _gpu(index: int) -> str:
    """Returns name, compute capability and driver of an NVIDIA GPU: engines fit only these."""
    try:
        (answer,) = nvidia.query("name", "compute_cap", "driver_version", index=index)
    except InferenceError as error:
        raise InferenceError(
            f"engine_folder needs nvidia-smi to tell which GPU an engine fits: {error}; leave "
            "engine_folder out to build engines anew each time"
        ) from error
    return ", ".join(answer)
