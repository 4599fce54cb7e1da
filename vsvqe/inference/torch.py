"""Sessions on PyTorch: checkpoints as they are, on the CPU or an NVIDIA GPU."""

from __future__ import annotations

import copy
import queue
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checkpoints.models import Checkpoint, load
from ..nets.realbasicvsr import RealBasicVSR
from .backends import Torch
from .bfloat16 import has_bfloat16
from .errors import BackendUnavailable, InferenceError, ModelError, OutOfMemory
from .session import Array, SessionRequest


class TorchSession:
    """A network on one device; convolutions run in the channels-last layout.

    On a GPU every run has a stream of its own with pinned buffers, so that several of them overlap
    their transfers with each other's inference.
    """

    def __init__(self, request: SessionRequest, backend: Torch) -> None:
        """Loads the network and moves it to the device.

        Raises:
            BackendUnavailable: There is no such device.
            ModelError: The file is not a checkpoint that can be used.
            OutOfMemory: The weights do not fit the device.
        """
        checkpoint = load(request.model, request.sha256)
        self._model = request.model
        self._device = _device(backend.device, request.device_index)
        self._dtype = _dtype(checkpoint, self._device, request.half)
        self._threads = backend.threads
        network = checkpoint.network
        if request.part is not None:
            assert isinstance(network, RealBasicVSR)
            network = network.part(request.part)
        network = copy.deepcopy(network)
        try:
            network = network.to(self._device, self._dtype)
            self._network = network.to(memory_format=torch.channels_last)
        except RuntimeError as error:
            raise _explained(error, request) from error
        self._request = request
        # Lanes lie here between runs. (Thread-local ones would not last: a thread of the core is a
        # new thread to Python at every callback.)
        self._idle: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        precision = str(self._dtype).removeprefix("torch.")
        self.description = f"PyTorch, {self._device}, {precision}"

    def run(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        """See ``Session.run``."""
        if self._threads and torch.get_num_threads() != self._threads:
            # OpenMP keeps the number for each thread that calls.
            torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                if self._device.type == "cuda":
                    self._run_on_gpu(arrays, out)
                else:
                    inputs = [self._prepared(torch.from_numpy(array)) for array in arrays]
                    for target, result in zip(out, self._results(inputs), strict=True):
                        torch.from_numpy(target).copy_(result)
        except (RuntimeError, MemoryError) as error:
            raise _explained(error, self._request) from error

    def _run_on_gpu(self, arrays: Sequence[Array], out: Sequence[NDArray[np.float32]]) -> None:
        try:
            lane = self._idle.get_nowait()
        except queue.Empty:
            lane = _Lane(torch.cuda.Stream(self._device))  # type: ignore[no-untyped-call]
        with torch.cuda.stream(lane.stream):
            inputs = []
            for index, array in enumerate(arrays):
                pinned = lane.pinned(index, array.shape)
                pinned.copy_(torch.from_numpy(array))
                inputs.append(self._prepared(pinned.to(self._device, non_blocking=True)))
            results = self._results(inputs)
            for index, result in enumerate(results, len(inputs)):
                lane.pinned(index, tuple(result.shape)).copy_(result, non_blocking=True)
        lane.stream.synchronize()
        for index, target in enumerate(out, len(arrays)):
            torch.from_numpy(target).copy_(lane.pinned(index, target.shape))
        self._idle.put(lane)

    def _prepared(self, tensor: Tensor) -> Tensor:
        tensor = tensor.to(self._device, self._dtype)
        # Runs of frames have five dimensions; their convolutions see four.
        if tensor.dim() == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def _results(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        result: Tensor = self._network(*inputs)
        return [result]


@dataclass
class _Lane:
    """A stream with its pinned buffers, for one run at a time."""

    stream: torch.cuda.Stream
    _buffers: dict[int, Tensor] = field(default_factory=dict)

    def pinned(self, index: int, shape: tuple[int, ...]) -> Tensor:
        """Returns the buffer of an index, made anew when its shape changes."""
        buffer = self._buffers.get(index)
        if buffer is None or tuple(buffer.shape) != shape:
            buffer = self._buffers[index] = torch.empty(shape, pin_memory=True)
        return buffer


def _device(name: str, index: int) -> torch.device:
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if index < available else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda" and index < available:
        return torch.device("cuda", index)
    raise BackendUnavailable(
        f"PyTorch {torch.__version__} has no device {name!r} number {index} here (it has the CPU "
        f"and {available} CUDA devices); choose another device_index or "
        "backend=Backend.Torch(device='cpu')"
    )


def _dtype(checkpoint: Checkpoint, device: torch.device, half: bool) -> torch.dtype:
    """Returns the precision: half where it is allowed, tolerated and faster."""
    if not half:
        return torch.float32
    if device.type == "cuda" and checkpoint.fp16:
        return torch.float16
    return torch.bfloat16 if checkpoint.bf16 and has_bfloat16(device) else torch.float32


def _explained(error: Exception, request: SessionRequest) -> InferenceError:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    signs = ("out of memory", "can't allocate memory", "not enough memory")
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or any(
        sign in str(error).lower() for sign in signs
    ):
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()  # smaller tiles need room of other sizes
        return OutOfMemory(f"out of memory while running {request.model.name}: {text}")
    return ModelError(f"{request.model.name} can't be run by PyTorch: {text}")
