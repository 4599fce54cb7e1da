"""Sessions on OpenVINO: the CPU, and Intel GPUs and NPUs by name."""

import importlib
import queue
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import engines
from .backends import OpenVino, thread_count
from .errors import BackendUnavailable, ModelError, OutOfMemory
from .session import Array, SessionRequest

_TELEMETRY = "openvino_telemetry"


class OpenVinoSession:
    """A compiled OpenVINO model with as many inference requests as are running at once."""

    def __init__(self, request: SessionRequest, backend: OpenVino) -> None:
        """Reads and compiles the model for its fixed shapes.

        Raises:
            BackendUnavailable: OpenVINO is not installed, or has no such device.
            ModelError: The file is not a model that OpenVINO can read.
        """
        try:
            ov = imported()
        except ImportError as error:
            raise BackendUnavailable(_import_remedy(str(error))) from error
        core = ov.Core()
        device = _device(core, backend.device, request.device_index)
        try:
            model = core.read_model(str(request.model))
            model.reshape({name: list(shape) for name, shape in request.shapes})
            _rectify(model)
        except RuntimeError as error:
            raise ModelError(
                f"{request.model.name} can't be read by OpenVINO: {_first_line(error)}"
            ) from error
        precision = _precision(core, device, request.half)
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        if device.startswith("CPU"):
            threads = thread_count(backend.threads, request.streams)
            settings["NUM_STREAMS"] = str(request.streams)
            settings["INFERENCE_NUM_THREADS"] = request.streams * threads
            # Threads that are tied to cores would stand in the way of VapourSynth's.
            settings["ENABLE_CPU_PINNING"] = False
        self._model = request.model
        with engines.staging(request, backend, f"openvino {ov.__version__}") as stage:
            if stage is not None:
                settings["CACHE_DIR"] = str(stage)
            try:
                self._compiled = core.compile_model(model, device, settings)
            except RuntimeError as error:
                raise _explain(error, request) from error
        self._request = request
        self._dtypes = [port.get_element_type().to_dtype() for port in self._compiled.inputs]
        self._tensor = ov.Tensor
        self._writes_float32 = all(
            port.get_element_type().to_dtype() == np.float32 for port in self._compiled.outputs
        )
        # Requests lie here between runs. (Thread-local ones would not last: a thread of the core
        # is a new thread to Python at every callback.)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.description = f"OpenVINO, {device}, {precision}"

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """See ``Session.run``."""
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        feeds = {
            index: array.astype(dtype, copy=False)
            for index, (array, dtype) in enumerate(zip(arrays, self._dtypes, strict=True))
        }
        try:
            if self._writes_float32:
                # OpenVINO writes to our arrays: no copy.
                for index, target in enumerate(out):
                    request.set_output_tensor(index, self._tensor(target, shared_memory=True))
                request.infer(feeds, share_inputs=True, share_outputs=True)
            else:
                results = request.infer(feeds, share_inputs=True, share_outputs=True)
                for index, target in enumerate(out):
                    np.copyto(target, results[index])
        except RuntimeError as error:
            raise _explain(error, self._request) from error
        self._idle.put(request)


def imported() -> ModuleType:
    """Imports OpenVINO, without its telemetry.

    When it is imported it reports that to Google Analytics, from a process that it forks off this
    one for the purpose. A filter is not to report its user; and forking a process of many threads
    may hang it.

    Raises:
        ImportError: It is not installed, or can't be loaded.
    """
    # With nothing under this name, OpenVINO takes a stand-in of its own that reports nothing.
    before = {name: sys.modules[name] for name in (_TELEMETRY,) if name in sys.modules}
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(before)


def _rectify(model: Any) -> None:
    """Writes PRelu with a slope for each channel as rectifiers; the results are equal bit by bit.

    OpenVINO's own takes another memory layout than convolutions, so that features are brought from
    one to the other and back at every layer.
    """
    import openvino.opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "PRelu":
            continue
        features, slope = node.input_value(0), node.input_value(1)
        shape = slope.get_partial_shape()
        # One slope for all is quick as it is, and a list of them is not broadcast as others are.
        if shape.is_dynamic or len(shape) == 1 or np.prod(shape.to_shape()) == 1:
            continue
        positive = ops.relu(features)
        # What is not positive: of NaN this is NaN, which the minimum with zero need not be.
        rest = ops.subtract(features, positive)
        rectified = ops.add(positive, ops.multiply(rest, slope)).output(0)
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(rectified)


def _import_remedy(error: str) -> str:
    if "mismatch" in error:
        # The VapourSynth plugin of vs-mlrt brings libraries of the same name, and the core loads
        # its plugins before a script gets to import anything.
        return (
            "OpenVINO can't be imported because other OpenVINO libraries are loaded already, "
            "most likely those of the plugin vapoursynth-mlrt-ov: uninstall one of the two"
        )
    return f'OpenVINO can\'t be imported ({error}): pip install "vsvqe[openvino]"'


def _device(core: Any, name: str, index: int) -> str:
    """Returns OpenVINO's name of the device, after checking that it is there."""
    # ``device_index`` counts GPUs.
    wanted = f"{name}.{index}" if index and name != "CPU" and "." not in name else name
    available = list(core.available_devices)
    # A lone GPU is listed as "GPU" and also answers to "GPU.0".
    if wanted not in available and f"{wanted}.0" not in available and wanted != "GPU.0":
        raise BackendUnavailable(
            f"OpenVINO has no device {wanted!r} here; it has {', '.join(available) or 'none'}. "
            "Choose one of these with backend=Backend.OpenVino(device=...)"
        )
    return wanted


def _precision(core: Any, device: str, half: bool) -> str:
    if not half:
        return "f32"
    capabilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if device.startswith("CPU"):
        return "bf16" if "BF16" in capabilities else "f32"
    return "f16" if "FP16" in capabilities else "f32"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # OpenVINO's first line is the place in its sources; the cause comes last.
    return lines[-1] if lines else type(error).__name__


def _explain(error: RuntimeError, request: SessionRequest) -> ModelError | OutOfMemory:
    text = str(error).lower()
    if any(sign in text for sign in ("out of memory", "bad_alloc", "failed to allocate", "alloc")):
        return OutOfMemory(
            f"out of memory while running {request.model.name}: {_first_line(error)}"
        )
    return ModelError(f"{request.model.name} can't be run by OpenVINO: {_first_line(error)}")
