"""What a training begins with: the weights of another one, or those of an exported model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from vsvqe.nets import quantiser_map, response
from vsvqe.nets.planes import FRAME_CHANNELS, NEIGHBOUR_GAIN, RESIDUAL_SCALE, PlanesNet, with_scale

# The weight and the bias of a convolution.
Layer = tuple[Tensor, Tensor]


def start_from(net: nn.Module, path: Path, offsets: Sequence[int] | None = None) -> None:
    """Loads the averaged weights of another training.

    A network may begin with those of one of fewer blocks, and a ``PlanesNet`` with those of a
    smaller scale, of one that knew less of the quantiser, and of one that saw fewer frames. At the
    same scale it gives at first what that one gave. One that has no response, or no quantiser map,
    leaves that of the other behind: it gives what that one gave for the quantiser in the middle of
    the map.

    Args:
        net: The network.
        path: A checkpoint, or an exported model with its card beside it.
        offsets: Of the frames that the network of the checkpoint sees; ``None``: the same. The card
            of an exported model tells it.

    Raises:
        ValueError: It is a model of another kind, or sees frames that the network doesn't.
    """
    if path.suffix == ".onnx":
        weights, offsets = exported_weights(path), _card(path)["offsets"]
    else:
        weights = torch.load(path, weights_only=True)["ema"]
    if isinstance(net, PlanesNet):
        if offsets is not None:
            name = "neighbours.weight"
            weights[name] = _among(weights[name], offsets, net.window.offsets)
        weights = with_scale(weights, net.scale)
    own = net.state_dict()
    weights = {
        name: tensor
        for name, tensor in weights.items()
        if name in own or not name.startswith(("response", "quantiser_map"))
    }
    # What is new does nothing yet.
    begun = ("blocks", "branches", "cleaner", "response", "quantiser_map")
    silent = ("second.weight", "second.bias")
    new = {
        name: torch.zeros_like(tensor) if name.endswith(silent) else tensor
        for name, tensor in own.items()
        if name.startswith(begun)
    }
    net.load_state_dict(new | weights)


def interpolated(
    calm: dict[str, Tensor], vivid: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Returns weights between those of two networks, one of which began with the other's.

    Source: network interpolation, Wang et al., "ESRGAN", ECCV workshops, 2018, section 3.4.

    Args:
        calm: State dict of the faithful network.
        vivid: Of the one trained for texture.
        share: Of the latter, 0 to 1.

    Example:
        >>> import torch
        >>> from vsvqe.training.beginnings import interpolated
        >>> interpolated({"a": torch.zeros(1)}, {"a": torch.ones(1)}, 0.25)
        {'a': tensor([0.2500])}
    """
    return {name: weights.lerp(vivid[name], share) for name, weights in calm.items()}


def exported_weights(path: Path) -> dict[str, Tensor]:
    """Returns the state dict of the ``PlanesNet`` or ``RefineNet`` that a model was exported from.

    Args:
        path: The ``.onnx`` file; its card lies beside it.

    Raises:
        ValueError: It is a model of another kind.
    """
    card = _card(path)
    if card["layout"] != "planes":
        raise ValueError(f"{path.name} holds no network that a training can begin with")
    layers = _convolutions(path)
    if card.get("branches"):
        return _refine_weights(layers, card["branches"])
    return _planes_weights(layers, card)


def _card(path: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return card


def _among(kernel: Tensor, offsets: Sequence[int], wanted: Sequence[int]) -> Tensor:
    """Returns the kernel of the neighbours for more frames, of which the new ones do nothing yet.

    Args:
        kernel: That of the neighbours.
        offsets: Of the frames that it sees, as those of a ``Window``.
        wanted: Of the frames that it is to see.

    Raises:
        ValueError: Not all that it sees are among them.
    """
    missing = sorted(set(offsets) - set(wanted))
    if missing:
        raise ValueError(f"the model sees frames at {missing}, which the network doesn't")
    places = [offset for offset in wanted if offset]
    found = kernel.new_zeros(len(kernel), len(places), FRAME_CHANNELS, *kernel.shape[2:])
    own = [places.index(offset) for offset in offsets if offset]
    found[:, own] = torch.unflatten(kernel, 1, (len(own), FRAME_CHANNELS))
    return found.flatten(1, 2)


def _convolutions(path: Path) -> list[Layer]:
    """Returns the convolutions of a model in the order in which they were exported."""
    graph = onnx.load(path).graph
    constants = {
        each.name: torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in graph.initializer
    }
    nodes = (node for node in graph.node if node.op_type == "Conv")
    return [(constants[node.input[1]], constants[node.input[2]]) for node in nodes]


def _planes_weights(layers: list[Layer], card: dict[str, Any]) -> dict[str, Tensor]:
    """Returns the state dict of a ``PlanesNet``."""
    (kernel, bias), *blocks, tail = layers
    weights = _named("head", (kernel, bias)) | _blocks("blocks", blocks) | _tail("tail", tail)
    if card.get("quantiser_map"):
        kernel, plane = kernel[:, :-1], kernel[:, -1, 1, 1]
        weights["quantiser_map.departure"] = plane / quantiser_map.SPEED
    frames = _frames(kernel, len(card["offsets"]), card["aligned"])
    index = card["offsets"].index(0)
    others = torch.cat((frames[:, :index], frames[:, index + 1 :]), dim=1)
    # The neighbours are seen as differences to the centre, which lost there what they got.
    weights["head.weight"] = frames.sum(1)
    weights["neighbours.weight"] = others.flatten(1, 2) / NEIGHBOUR_GAIN
    if card.get("response"):
        _, *factors = zip(*card["response"], strict=True)
        weights["response.departure"] = (torch.tensor(factors) - 1.0) / response.SPEED
    return weights


def _frames(kernel: Tensor, count: int, aligned: bool) -> Tensor:
    """Returns the kernel of the first layer by frame, `[C, K, 6, 3, 3]`."""
    if not aligned:
        return torch.unflatten(kernel, 1, (count, FRAME_CHANNELS))
    # The operator put the four samples of a square first and the frames second.
    lumas, chromas = kernel[:, : 4 * count], kernel[:, 4 * count :]
    lumas = torch.unflatten(lumas, 1, (4, count)).transpose(1, 2)
    return torch.cat((lumas, torch.unflatten(chromas, 1, (count, 2))), dim=2)


def _refine_weights(layers: list[Layer], branches: list[str]) -> dict[str, Tensor]:
    """Returns the state dict of a ``RefineNet``."""
    (kernel, bias), *rest = layers
    faithful, damaged = _frames(kernel, 2, aligned=True).unbind(1)
    # What gives planes ends a branch.
    ends = [index for index, (kernel, _) in enumerate(rest) if len(kernel) == FRAME_CHANNELS]
    length = ends[1] - ends[0]
    trunk = ends[0] + 1 - length
    weights = _named("head", (faithful + damaged, bias)) | _blocks("blocks", rest[:trunk])
    # It is seen as a difference to the other, as the neighbours of a ``PlanesNet`` are.
    weights["damaged.weight"] = damaged / NEIGHBOUR_GAIN
    for number, name in enumerate(branches):
        *blocks, tail = rest[trunk + number * length : trunk + (number + 1) * length]
        weights |= _blocks(f"branches.{name}", blocks) | _tail(f"tails.{name}", tail)
    return weights


def _named(name: str, layer: Layer) -> dict[str, Tensor]:
    return {f"{name}.weight": layer[0], f"{name}.bias": layer[1]}


def _tail(name: str, layer: Layer) -> dict[str, Tensor]:
    weight, bias = layer
    return _named(name, (weight / RESIDUAL_SCALE, bias / RESIDUAL_SCALE))


def _blocks(name: str, layers: list[Layer]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for number, (first, second) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
        weights |= _named(f"{name}.{number}.first", first)
        weights |= _named(f"{name}.{number}.second", second)
    return weights
