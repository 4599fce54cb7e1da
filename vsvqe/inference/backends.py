"""Which engine runs a model, and its settings."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .errors import InferenceError


@dataclass(frozen=True, kw_only=True)
class OnnxCpu:
    """ONNX Runtime on the CPU: needs nothing but the package itself."""

    threads: int = 0
    """Threads of one inference; 0 shares the cores among the streams."""

    def __post_init__(self) -> None:
        """Checks the settings."""
        _check_count("OnnxCpu", "threads", self.threads)


@dataclass(frozen=True, kw_only=True)
class OnnxCuda:
    """ONNX Runtime's CUDA provider (NVIDIA): ``pip install "vsvqe[cuda]"``."""

    memory_limit_mib: int = 0
    """Upper bound of the GPU memory of one session in MiB; 0 sets none."""

    def __post_init__(self) -> None:
        """Checks the settings."""
        _check_count("OnnxCuda", "memory_limit_mib", self.memory_limit_mib)


@dataclass(frozen=True, kw_only=True)
class TensorRT:
    """ONNX Runtime's TensorRT provider (NVIDIA): fastest, but builds an engine per shape first."""

    workspace_mib: int = 0
    """Scratch memory that the engine builder may use in MiB; 0 leaves it to TensorRT."""

    optimization_level: int = 3
    """TensorRT's builder level, 0 (quick to build) to 5 (quick to run)."""

    def __post_init__(self) -> None:
        """Checks the settings."""
        _check_count("TensorRT", "workspace_mib", self.workspace_mib)
        _check_count("TensorRT", "optimization_level", self.optimization_level, 5)


@dataclass(frozen=True, kw_only=True)
class OpenVino:
    """OpenVINO: the fastest on a CPU: ``pip install "vsvqe[openvino]"``."""

    device: str = "CPU"
    """``"CPU"``, ``"GPU"`` (Intel), ``"GPU.1"``, ``"NPU"``, ... as OpenVINO names its devices."""

    threads: int = 0
    """Threads of one inference on the CPU device; 0 shares the cores among the streams."""

    def __post_init__(self) -> None:
        """Checks the settings."""
        if not isinstance(self.device, str):
            raise ValueError(
                f"OpenVino(device={self.device!r}): a name such as 'CPU' or 'GPU' is needed"
            )
        _check_count("OpenVino", "threads", self.threads)


@dataclass(frozen=True, kw_only=True)
class Torch:
    """PyTorch, for checkpoints (.pth, .pt, .ckpt, .safetensors): ``pip install "vsvqe[torch]"``."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``"auto"`` takes the GPU of ``device_index`` if there is one, else the CPU."""

    threads: int = 0
    """Threads of one inference on the CPU; 0 leaves it to PyTorch, which takes one per core."""

    def __post_init__(self) -> None:
        """Checks the settings."""
        if self.device not in _TORCH_DEVICES:
            known = ", ".join(map(repr, _TORCH_DEVICES))
            raise ValueError(f"Torch(device={self.device!r}): it is one of {known}")
        _check_count("Torch", "threads", self.threads)


_TORCH_DEVICES = ("auto", "cpu", "cuda")


def _check_count(backend: str, name: str, value: object, most: int | None = None) -> None:
    """Refuses a setting that is no whole number from 0 on.

    Raises:
        ValueError: It is none.
    """
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not whole or (most is not None and value > most):  # type: ignore[operator]
        bounds = "from 0 on" if most is None else f"from 0 to {most}"
        raise ValueError(f"{backend}({name}={value!r}): a whole number {bounds} is needed")


type AnyBackend = OnnxCpu | OnnxCuda | TensorRT | OpenVino | Torch


class Backend:
    """The backends by name, for ``backend=Backend.OpenVino(device="GPU")`` and the like."""

    OnnxCpu = OnnxCpu
    OnnxCuda = OnnxCuda
    TensorRT = TensorRT
    OpenVino = OpenVino
    Torch = Torch


_BY_NAME: dict[str, AnyBackend] = {
    "cpu": OnnxCpu(),
    "cuda": OnnxCuda(),
    "tensorrt": TensorRT(),
    "openvino": OpenVino(),
    "torch": Torch(),
}

# TensorRT is not tried unasked: building an engine can take minutes. PyTorch comes last: it runs
# checkpoints that can't be converted for the others, which are faster.
_AUTO: Sequence[AnyBackend] = (OnnxCuda(), OpenVino(), OnnxCpu(), Torch())

NAMES = ("auto", *_BY_NAME)


def candidates(backend: "str | AnyBackend") -> Sequence[AnyBackend]:
    """Returns the backends to try, best first.

    Args:
        backend: ``"auto"``, one of the names, or a settings object.

    Raises:
        InferenceError: The name is not known.
    """
    if isinstance(backend, OnnxCpu | OnnxCuda | TensorRT | OpenVino | Torch):
        return (backend,)
    if backend == "auto":
        return _AUTO
    if isinstance(backend, str) and backend in _BY_NAME:
        return (_BY_NAME[backend],)
    raise InferenceError(
        f"backend={backend!r} is not known; it is one of {', '.join(map(repr, NAMES))} "
        "or a settings object such as Backend.OpenVino(device='GPU')"
    )


def runs_half_natively(backend: AnyBackend) -> bool:
    """Whether half precision is any use there: ONNX Runtime's CPU kernels have none worth it."""
    return not isinstance(backend, OnnxCpu)


def on_gpu(backend: AnyBackend) -> bool:
    """Whether frames travel to another device, so that several streams hide the transfers."""
    if isinstance(backend, OpenVino):
        return not backend.device.startswith("CPU")
    if isinstance(backend, Torch):
        if backend.device == "cpu":
            return False
        import torch

        return torch.cuda.is_available()
    return not isinstance(backend, OnnxCpu)


def thread_count(wanted: int, streams: int = 1) -> int:
    """Returns the number of threads of one inference.

    Args:
        wanted: As the user gave it; 0: the usable cores, shared among the streams.
        streams: Inferences at the same time.
    """
    return wanted if wanted > 0 else -(-_cores() // streams)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
