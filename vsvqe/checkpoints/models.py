"""A checkpoint file, loaded: the network, and what a filter has to know of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inference.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .files import Weights


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network with the weights of a file, on the CPU, in single precision, for inference."""

    network: nn.Module
    """Takes and returns N x C x H x W, or N x T x C x H x W if it is a ``sequence``."""
    architecture: str
    sequence: bool
    """Whether it takes runs of frames rather than pictures."""
    channels: int
    """1 (luma) or 3 (RGB), in [0, 1]."""
    scale: int
    """Size of the output over that of the input."""
    multiple: int
    """Width and height must be a multiple of this."""
    least: int
    """And no less than this."""
    square: bool
    """And equal."""
    fp16: bool
    """Whether it tolerates half precision."""
    bf16: bool
    """Whether it tolerates bfloat16."""


# Weights are large, so few are kept: those that are probed and then run.
_MAX_REMEMBERED = 2
_remembered: OrderedDict[tuple[Path, str], Checkpoint] = OrderedDict()
_lock = threading.Lock()


def load(path: Path, sha256: str) -> Checkpoint:
    """Loads a checkpoint file.

    Args:
        path: The file.
        sha256: Hash of its content, by which the answer is remembered.

    Returns:
        The network and its facts; it is shared: copy the network before changing it.

    Raises:
        ModelError: PyTorch or spandrel is missing, the file is damaged or holds code, or the
            network is not known or not one that takes and returns a picture.
    """
    with _lock:
        if (path, sha256) not in _remembered:
            _remembered[path, sha256] = _loaded(path)
            while len(_remembered) > _MAX_REMEMBERED:
                _remembered.popitem(last=False)
        _remembered.move_to_end((path, sha256))
        return _remembered[path, sha256]


def _loaded(path: Path) -> Checkpoint:
    try:
        from .files import read
        from .layouts import readings
        from .own import build
    except ImportError as error:
        raise ModelError(
            f'{path.name} is a PyTorch checkpoint ({error}): pip install "vsvqe[torch]"'
        ) from error
    weights = read(path)
    for reading in readings(weights):
        built = build(reading, path)
        if built is not None:
            return Checkpoint(
                network=_for_inference(built.network),
                architecture=built.architecture,
                sequence=built.sequence,
                channels=built.channels,
                scale=built.scale,
                multiple=built.multiple,
                least=1,
                square=False,
                fp16=True,
                bf16=True,
            )
        known = _by_spandrel(reading, path)
        if known is not None:
            return known
    names = ", ".join(list(weights)[:4])
    raise ModelError(
        f"the network of {path.name} is not known (its tensors are {names}, ...); "
        "export it to ONNX to use it"
    )


def _by_spandrel(weights: Weights, path: Path) -> Checkpoint | None:
    """Returns the network if spandrel knows it."""
    try:
        import spandrel
    except ImportError as error:
        raise ModelError(
            f'{path.name} needs the spandrel package ({error}): pip install "vsvqe[torch]"'
        ) from error
    try:
        found = spandrel.ModelLoader().load_from_state_dict(dict(weights))
    except spandrel.UnsupportedModelError:
        return None
    except Exception as error:  # whatever an architecture stumbles over in tensors that do not fit
        reason = (str(error).strip() or type(error).__name__).splitlines()
        raise ModelError(
            f"the tensors of {path.name} look like a known network but do not make one: "
            f"{' '.join(line.strip() for line in reason)[:200]}"
        ) from error
    name = found.architecture.name
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise ModelError(f"{path.name} ({name}) needs a mask besides the picture; it can't be used")
    if found.input_channels != found.output_channels or found.input_channels not in (1, 3):
        raise ModelError(
            f"{path.name} ({name}) takes {found.input_channels} channels and gives "
            f"{found.output_channels}; 1 (luma) or 3 (RGB) of both can be used"
        )
    demands = found.size_requirements
    return Checkpoint(
        network=_for_inference(_described(found)),
        architecture=name,
        sequence=False,
        channels=found.input_channels,
        scale=found.scale,
        multiple=demands.multiple_of,
        least=max(demands.minimum, 1),
        square=demands.square,
        fp16=found.supports_half,
        bf16=found.supports_bfloat16,
    )


def _described(found: Any) -> nn.Module:
    """Returns a network that calls the one of a spandrel descriptor with all that it needs.

    The descriptor itself would clamp the result, and so make white of infinity.
    """
    from torch import nn

    class Described(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = found.model

        def forward(self, pictures: Tensor) -> Tensor:
            # Some networks scale their input where it lies.
            enhanced: Tensor = found._call_fn(self.model, pictures.clone())
            return enhanced

    return Described()


def _for_inference(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)
