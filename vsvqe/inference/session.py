"""What a session is, and how the best one that starts here is found, opened and kept."""

import ctypes
import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..checkpoints import SUFFIXES, is_checkpoint
from .backends import AnyBackend, OnnxCpu, OnnxCuda, OpenVino, TensorRT, Torch, candidates, on_gpu
from .errors import BackendUnavailable, ModelError
from .stdout import stdout_to_stderr

logger = logging.getLogger(__name__)

type Array = NDArray[Any]


type Part = Literal["cleaning", "enlarging"]
"""One pass of RealBasicVSR's cleaning, frames in and out, or what enlarges them."""


class Session(Protocol):
    """A model, ready to run on one device with one set of input shapes."""

    description: str
    """Engine, device and precision, for log lines."""

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """Runs the model; safe to call from several threads at once.

        Args:
            arrays: One C-contiguous float32 array per model input, in the model's order.
            out: Takes the results: one C-contiguous float32 array per model output.

        Raises:
            OutOfMemory: The device has too little memory for these shapes.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """Everything that decides what a session computes and where; the key of the cache."""

    model: Path
    sha256: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    """Name and fixed shape of every input, in the model's order."""
    half: bool
    """Whether the backend may compute in half precision (bf16 or fp16) where it is faster."""
    part: Part | None = None
    """The part of a RealBasicVSR checkpoint that is wanted; ``None``: the whole network."""
    in_turns: bool = False
    """Whether it is a part that runs in turns with others, whose memory it may use."""
    device_index: int = 0
    engine_folder: Path | None = None
    streams: int = 1
    """Runs at the same time that a CPU's cores are shared among; others ignore it."""


# N x T x C x H x W: recurrent networks.
_DIMENSIONS_OF_A_RUN = 5

# Sessions hold weights and scratch memory, so few are kept; a filter that is alive keeps its own.
_MAX_CACHED = 8
_cache: OrderedDict[tuple[SessionRequest, AnyBackend], Session] = OrderedDict()
_lock = threading.Lock()
_reported: set[str] = set()
_noted: ContextVar[set[str] | None] = ContextVar("noted", default=None)


@contextmanager
def engines_noted() -> Iterator[set[str]]:
    """Notes what the sessions run on that are opened or found within, in this thread.

    ``"auto"`` may choose otherwise another time: who must compute the same again has to know.

    Returns:
        Their descriptions, complete at the end.
    """
    noted: set[str] = set()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def open_session(request: SessionRequest, backend: str | AnyBackend) -> tuple[Session, AnyBackend]:
    """Opens (or finds in the process-wide cache) a session for the request.

    With ``"auto"`` the backends are tried from the fastest to the one that runs everywhere; one
    that should start here but does not is reported once in the log, with the remedy.

    Args:
        request: Model, shapes, precision and device.
        backend: A name of ``backends.NAMES`` or a settings object.

    Returns:
        The session and the backend it runs on.

    Raises:
        BackendUnavailable: The backend was asked for by name and does not start, or none does.
        ModelError: The file is not a model that the engine can read.
        OutOfMemory: The device is full.
    """
    reasons: list[str] = []
    automatic = backend == "auto"
    for candidate in candidates(backend):
        if automatic and not _plausible(candidate, request):
            continue
        try:
            session = _cached(request, candidate)
        except BackendUnavailable as error:
            reasons.append(str(error))
            if automatic and str(error) not in _reported:
                _reported.add(str(error))
                logger.warning("%s; trying the next backend", error)
        else:
            if (noted := _noted.get()) is not None:
                noted.add(session.description)
            return session, candidate
    raise BackendUnavailable("; ".join(reasons))


def _cached(request: SessionRequest, backend: AnyBackend) -> Session:
    key = (request, backend)
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
        with stdout_to_stderr():
            session = _opened(request, backend)
        logger.info("%s runs on %s", request.model.name, session.description)
        _cache[key] = session
        while len(_cache) > _MAX_CACHED:
            _cache.popitem(last=False)
        return session


def _opened(request: SessionRequest, backend: AnyBackend) -> Session:
    # The engines are imported here and not above: `import vsvqe` must stay quick.
    if isinstance(backend, Torch):
        if not is_checkpoint(request.model):
            raise BackendUnavailable(
                f"backend='torch' runs checkpoints ({', '.join(SUFFIXES)}); {request.model.name} "
                "is an ONNX model: choose another backend, or leave it out"
            )
        from .torch import TorchSession

        return TorchSession(request, backend)
    if is_checkpoint(request.model):
        try:
            if _is_run(request):
                return _in_steps(request, backend)
            from .conversion import as_onnx

            return _on_onnx_engine(as_onnx(request), backend)
        except ModelError as error:
            # The file is sound, as its conversion was tried out; this engine can't take it.
            raise BackendUnavailable(f"{error}; backend='torch' runs the checkpoint") from error
    return _on_onnx_engine(request, backend)


def _is_run(request: SessionRequest) -> bool:
    return len(request.shapes[0][1]) == _DIMENSIONS_OF_A_RUN


def _in_steps(
    request: SessionRequest, backend: OnnxCpu | OnnxCuda | TensorRT | OpenVino
) -> Session:
    from .conversion import as_steps
    from .recurrent import StepSession

    return StepSession(as_steps(request), lambda step: _on_onnx_engine(step, backend))


def _on_onnx_engine(
    request: SessionRequest, backend: OnnxCpu | OnnxCuda | TensorRT | OpenVino
) -> Session:
    match backend:
        case OpenVino():
            from .openvino import OpenVinoSession

            return OpenVinoSession(request, backend)
        case OnnxCpu():
            from .onnx import CpuSession

            return CpuSession(request, backend)
        case OnnxCuda() | TensorRT():
            from .onnx import GpuSession

            return GpuSession(request, backend)


def _plausible(backend: AnyBackend, request: SessionRequest) -> bool:
    """Whether ``"auto"`` should try this backend: its hardware and package seem to be here."""
    if isinstance(backend, Torch):
        return is_checkpoint(request.model)
    if is_checkpoint(request.model) and _is_run(request) and on_gpu(Torch()):
        # What one step leaves for the next would travel to the host and back.
        return False
    match backend:
        case OnnxCuda() | TensorRT():
            return has_nvidia_driver()
        case OpenVino():
            from importlib.util import find_spec

            return find_spec("openvino") is not None
        case OnnxCpu():
            return True


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver is installed, and so probably a GPU."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
