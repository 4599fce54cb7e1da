"""Sessions on ONNX Runtime: the CPU, CUDA and TensorRT execution providers."""

import ctypes
import importlib
import logging
import queue
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from . import engines
from .backends import OnnxCpu, OnnxCuda, TensorRT, thread_count
from .errors import BackendUnavailable, InferenceError, ModelError, OutOfMemory
from .session import Array, SessionRequest

logger = logging.getLogger(__name__)

_CUDA_REMEDY = 'pip install "vsvqe[cuda]" brings the libraries; a current NVIDIA driver is needed'
_OUT_OF_MEMORY_SIGNS = (
    "out of memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "cuda failure 2:",
)
# ONNX type names that a picture can come in; integer models are not pictures.
_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
}


def explain(error: Exception, model: Path) -> InferenceError:
    """Turns an exception of ONNX Runtime into one of ours."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, MemoryError) or any(
        sign in str(error).lower() for sign in _OUT_OF_MEMORY_SIGNS
    ):
        return OutOfMemory(f"out of memory while running {model.name}: {text}")
    return ModelError(f"{model.name} can't be run by ONNX Runtime: {text}")


def check_whole(model: Path, content: bytes) -> None:
    """Refuses a model whose weights lie in other files.

    Models are loaded from what was read and hashed, and what lies elsewhere is neither.

    Args:
        model: The file.
        content: What it holds.

    Raises:
        ModelError: It names another file.
    """
    # Field 13 of a TensorProto, external_data, whose first entry has the key "location".
    found = _EXTERNAL.search(content)
    if found:
        other = content[found.end() + 1 :][: content[found.end()]].decode(errors="replace")
        raise ModelError(
            f"{model.name} keeps its weights in another file ({other}); make it one file, with "
            f"onnx.save_model(onnx.load({model.name!r}), 'whole.onnx')"
        )


_EXTERNAL = re.compile(rb"\x6a.{1,2}\x0a\x08location\x12", re.DOTALL)


def session_options(threads: int = 0, streams: int = 1) -> ort.SessionOptions:
    """Returns the options that every session here shares; see ``thread_count``."""
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only, and those go to standard error
    options.intra_op_num_threads = thread_count(threads, streams)
    # Idle worker threads that spin would take the cores from VapourSynth's own filters.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return options


def _share_memory(options: ort.SessionOptions) -> None:
    """Has a session take its memory from what all such sessions of the process share.

    Otherwise each keeps for itself what it ever needed.
    """
    _prepare_shared_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")


@cache
def _prepare_shared_memory() -> None:
    kind, place = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, ort.OrtMemType.DEFAULT
    ort.create_and_register_allocator(ort.OrtMemoryInfo("Cpu", kind, 0, place), None)


def dtype_of(tensor_type: str) -> np.dtype[Any]:
    """Returns the NumPy dtype of an ONNX tensor type, float32 or float16.

    Raises:
        ModelError: It is another one.
    """
    if tensor_type not in _DTYPES:
        raise ModelError(f"float32 and float16 models can be used, not {tensor_type}")
    return _DTYPES[tensor_type]


def input_dtypes(session: ort.InferenceSession, model: Path) -> list[np.dtype[Any]]:
    """Returns the dtype of each input, float32 or float16.

    Raises:
        ModelError: An input, or an output, is of another type.
    """
    try:
        for tensor in session.get_outputs():
            dtype_of(tensor.type)
        return [dtype_of(tensor.type) for tensor in session.get_inputs()]
    except ModelError as error:
        raise ModelError(f"{model.name}: {error}") from error


def _check_shapes(session: ort.InferenceSession, request: SessionRequest) -> None:
    """Finds out at once what would be an error with the first frame.

    Raises:
        ModelError: The model has no input of a name, or one of another shape.
    """
    inputs = {tensor.name: tensor.shape for tensor in session.get_inputs()}
    for name, shape in request.shapes:
        own = inputs.get(name, [])
        fixed = zip(own, shape, strict=False)
        if len(own) != len(shape) or any(isinstance(a, int) and a != b for a, b in fixed):
            words = f"{name!r} of the shape {own}" if own else f"no {name!r}"
            raise ModelError(f"{request.model.name} takes {words}; it is to be given {list(shape)}")


class CpuSession:
    """ONNX Runtime's CPU provider. ``half`` is ignored: its CPU kernels gain nothing by it."""

    def __init__(self, request: SessionRequest, backend: OnnxCpu) -> None:
        """Opens the model.

        Raises:
            ModelError: The file is not a model that ONNX Runtime can read, or takes other shapes.
        """
        self._model = request.model
        options = session_options(backend.threads, request.streams)
        if request.in_turns:
            _share_memory(options)
        try:
            self._session = ort.InferenceSession(
                request.model.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise explain(error, request.model) from error
        _check_shapes(self._session, request)
        self._names = [name for name, _ in request.shapes]
        self._dtypes = input_dtypes(self._session, request.model)
        self.description = "ONNX Runtime, CPU, fp32"

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """See ``Session.run``."""
        binding = self._session.io_binding()
        converted: list[tuple[Array, NDArray[np.float32]]] = []
        try:
            for name, array, dtype in zip(self._names, arrays, self._dtypes, strict=True):
                binding.bind_cpu_input(name, array.astype(dtype, copy=False))
            for tensor, target in zip(self._session.get_outputs(), out, strict=True):
                result: Array = target
                if tensor.type != "tensor(float)":
                    result = np.empty(target.shape, dtype_of(tensor.type))
                    converted.append((result, target))
                binding.bind_output(
                    tensor.name, "cpu", 0, result.dtype, result.shape, result.ctypes.data
                )
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise explain(error, self._model) from error
        for result, target in converted:
            np.copyto(target, result)


class GpuSession:
    """ONNX Runtime's CUDA and TensorRT providers, with buffers kept on the device.

    Each run binds buffers of its own on the device (IO binding), so that several streams overlap
    their transfers with each other's inference; they are used again by later runs.
    """

    def __init__(self, request: SessionRequest, backend: OnnxCuda | TensorRT) -> None:
        """Opens the model and runs it once, so that what does not work is known now.

        Raises:
            BackendUnavailable: The provider does not start; says why and what would help.
            ModelError: The file is not a model that ONNX Runtime can read.
            OutOfMemory: The shapes are too large for the device.
        """
        tensorrt = isinstance(backend, TensorRT)
        provider = "TensorrtExecutionProvider" if tensorrt else "CUDAExecutionProvider"
        _check_provider(provider)
        self._model = request.model
        self._shapes = [shape for _, shape in request.shapes]
        self._names = [name for name, _ in request.shapes]
        self._device = request.device_index
        # Bindings lie here between runs. (Thread-local ones would not last: a thread of the core
        # is a new thread to Python at every callback.)
        self._idle: queue.SimpleQueue[tuple[Any, list[Any]]] = queue.SimpleQueue()

        with engines.staging(request, backend, provider) as stage:
            if isinstance(backend, TensorRT):
                providers = _tensorrt_providers(request, backend, stage)
                model = request.model.read_bytes()
            else:
                providers = [_cuda_provider(request.device_index, backend.memory_limit_mib)]
                model = _model_for_cuda(request)
            try:
                self._session = ort.InferenceSession(model, session_options(), providers=providers)
            except Exception as error:
                raise explain(error, request.model) from error
            if provider not in self._session.get_providers():
                raise BackendUnavailable(
                    f"{provider} did not start on device {request.device_index} "
                    f"(ONNX Runtime {ort.__version__}): {_why_not(provider)}. {_CUDA_REMEDY}"
                )
            self._session.disable_fallback()
            self._dtypes = input_dtypes(self._session, request.model)
            # The first run fails on a wrong architecture or a full device, and finishes the engine.
            self._warm_up()
        self.description = (
            f"ONNX Runtime, {'TensorRT' if tensorrt else 'CUDA'}, device {request.device_index}, "
            f"{'fp16' if request.half else 'fp32'}"
        )

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """See ``Session.run``."""
        try:
            binding, inputs = self._buffers()
            for value, array, dtype in zip(inputs, arrays, self._dtypes, strict=True):
                value.update_inplace(np.ascontiguousarray(array, dtype=dtype))
            binding.synchronize_inputs()
            self._session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            for target, output in zip(out, binding.copy_outputs_to_cpu(), strict=True):
                np.copyto(target, output)
        except Exception as error:
            raise explain(error, self._model) from error
        self._idle.put((binding, inputs))

    def _warm_up(self) -> None:
        feeds = {
            name: np.zeros(shape, dtype)
            for name, shape, dtype in zip(self._names, self._shapes, self._dtypes, strict=True)
        }
        try:
            self._session.run(None, feeds)
        except Exception as error:
            raise explain(error, self._model) from error

    def _buffers(self) -> tuple[Any, list[Any]]:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            binding = self._session.io_binding()
        inputs = []
        for name, shape, dtype in zip(self._names, self._shapes, self._dtypes, strict=True):
            value = ort.OrtValue.ortvalue_from_shape_and_type(
                list(shape), dtype, "cuda", self._device
            )
            binding.bind_ortvalue_input(name, value)
            inputs.append(value)
        for output in self._session.get_outputs():
            binding.bind_output(output.name, "cuda", self._device)
        return binding, inputs


def _check_provider(provider: str) -> None:
    if provider not in ort.get_available_providers():
        raise BackendUnavailable(
            f"this ONNX Runtime ({ort.__version__}) has no {provider}; it is in onnxruntime-gpu "
            "(Linux and Windows on x86-64): pip install onnxruntime-gpu"
        )
    ort.preload_dlls()  # the CUDA and cuDNN libraries that pip installed
    if provider == "TensorrtExecutionProvider":
        try:
            importlib.import_module("tensorrt_libs")  # loads libnvinfer from its wheel
        except ImportError:
            logger.debug("tensorrt_libs is not installed; a system-wide TensorRT may serve")


def _why_not(provider: str) -> str:
    """Finds out why a provider did not start: most often a library that is missing."""
    stem = provider.removesuffix("ExecutionProvider").lower()
    folder = Path(ort.__file__).parent / "capi"
    for pattern in (f"libonnxruntime_providers_{stem}.so", f"onnxruntime_providers_{stem}.dll"):
        library = folder / pattern
        if library.exists():
            try:
                ctypes.CDLL(str(library))
            except OSError as error:
                return str(error)
    return "its libraries load, so the device does not exist or does not suit them"


def _cuda_provider(device: int, memory_limit_mib: int) -> tuple[str, dict[str, str]]:
    settings = {
        "device_id": str(device),
        "cudnn_conv_algo_search": "EXHAUSTIVE",  # shapes are fixed, so the search pays once
        "arena_extend_strategy": "kSameAsRequested",
    }
    if memory_limit_mib:
        settings["gpu_mem_limit"] = str(memory_limit_mib << 20)
    return "CUDAExecutionProvider", settings


def _tensorrt_providers(
    request: SessionRequest, backend: TensorRT, stage: Path | None
) -> list[tuple[str, dict[str, str]]]:
    shapes = ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in request.shapes)
    settings = {
        "device_id": str(request.device_index),
        "trt_fp16_enable": str(request.half),
        "trt_builder_optimization_level": str(backend.optimization_level),
        "trt_profile_min_shapes": shapes,
        "trt_profile_opt_shapes": shapes,
        "trt_profile_max_shapes": shapes,
    }
    if backend.workspace_mib:
        settings["trt_max_workspace_size"] = str(backend.workspace_mib << 20)
    if stage is not None:
        settings |= {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(stage),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(stage),
        }
    # What TensorRT cannot take runs on CUDA instead.
    return [("TensorrtExecutionProvider", settings), _cuda_provider(request.device_index, 0)]


def _model_for_cuda(request: SessionRequest) -> bytes:
    """Returns the model for the CUDA provider, whose precision is that of the file's weights."""
    if not request.half:
        return request.model.read_bytes()
    try:
        onnx: Any = importlib.import_module("onnx")
        float16: Any = importlib.import_module("onnxruntime.transformers.float16")
    except ImportError as error:
        raise BackendUnavailable(
            f"fp16 on CUDA converts the model, which needs the onnx package ({error}): "
            'pip install "vsvqe[cuda]", or pass fp16=False'
        ) from error
    half = float16.convert_float_to_float16(onnx.load(str(request.model)), keep_io_types=True)
    serialized: bytes = half.SerializeToString()
    return serialized
