"""Trained weights to ONNX files with their cards.

The graphs are written node by node: what runtimes get is exactly the few operators they are fast
at (SpaceToDepth, Conv, LeakyRelu, Add, DepthToSpace), with constants folded beforehand.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.inference.onnx import session_options
from vsvqe.nets import quantiser, quantiser_map
from vsvqe.nets.blocks import NEGATIVE_SLOPE, ExpandedConv
from vsvqe.nets.planes import (
    FRAME_CHANNELS,
    NEIGHBOUR_GAIN,
    RESIDUAL_SCALE,
    PlanesNet,
)
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.nets.refine import BRANCHES, RefineNet
from vsvqe.nets.response import KNOTS

OPSET = 17
IR_VERSION = 8
TOLERANCE = 2e-5
# What the shipped models were trained on, for their cards.
DATA = ["train (31 scenes of video)", "stills (677 photographs, filmed)"]

log = logging.getLogger(__name__)


class Graph:
    """Collects the nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        """Starts an empty graph."""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Appends a node; returns the name of its output."""
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Appends a constant; returns its name."""
        name = f"constant_{len(self._constants)}"
        self._constants[name] = value
        return name

    def convolution(
        self, features: str, weight: Tensor, bias: Tensor | None, stride: int = 1, group: int = 1
    ) -> str:
        """Appends a convolution that pads by half its kernel."""
        tensors = [weight] if bias is None else [weight, bias]
        arrays = [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]
        inputs = [features, *(self.constant(array) for array in arrays)]
        attributes: dict[str, Any] = {
            "kernel_shape": list(weight.shape[-2:]),
            "pads": [weight.shape[-1] // 2] * 4,
            "strides": [stride] * 2,
        }
        return self.node("Conv", inputs, group=group, **attributes)

    def layer(self, features: str, layer: nn.Module) -> str:
        """Appends a convolution of a network, or several in a row."""
        if isinstance(layer, nn.Sequential):
            for part in layer:
                features = self.layer(features, part)
            return features
        if isinstance(layer, ExpandedConv):
            layer = layer.folded()
        assert isinstance(layer, nn.Conv2d)
        return self.convolution(features, layer.weight, layer.bias, layer.stride[0], layer.groups)

    def linear(self, features: str, layer: nn.Linear) -> str:
        """Appends a fully connected layer."""
        arrays = [tensor.detach().numpy() for tensor in (layer.weight, layer.bias)]
        inputs = [features, *(self.constant(array) for array in arrays)]
        return self.node("Gemm", inputs, transB=1)

    def leaky(self, features: str) -> str:
        """Appends the activation of the networks."""
        return self.node("LeakyRelu", [features], alpha=NEGATIVE_SLOPE)

    def blocks(self, features: str, blocks: nn.Module) -> str:
        """Appends residual blocks."""
        for block in blocks.children():
            hidden = self.leaky(self.layer(features, block.get_submodule("first")))
            hidden = self.layer(hidden, block.get_submodule("second"))
            features = self.node("Add", [features, hidden])
        return features

    def planes(self, features: str, tail: nn.Module, scale: int, prefix: str = "") -> None:
        """Appends the last convolution and splits its result into planes, which are outputs."""
        assert isinstance(tail, nn.Conv2d) and tail.bias is not None
        residual = self.convolution(
            features, RESIDUAL_SCALE * tail.weight, RESIDUAL_SCALE * tail.bias
        )
        split = 4 * scale**2
        luma = self.cut(residual, 0, split, axis=1)
        y, uv = f"{prefix}y_residual", f"{prefix}uv_residual"
        self.node("DepthToSpace", [luma], y, blocksize=2 * scale, mode="CRD")
        chroma = self.cut(residual, split, 0, axis=1)
        if scale == 1:
            self.node("Identity", [chroma], uv)
        else:
            self.node("DepthToSpace", [chroma], uv, blocksize=scale, mode="CRD")

    def affine(self, value: str, scale: float, offset: float) -> str:
        """Appends a multiplication, unless by one, and an addition."""
        if scale != 1.0:
            value = self.node("Mul", [value, self.constant(np.array(scale, np.float32))])
        return self.node("Add", [value, self.constant(np.array(offset, np.float32))])

    def clip(self, value: str, least: float, most: float, output: str = "") -> str:
        """Appends bounds."""
        bounds = [self.constant(np.array(bound, np.float32)) for bound in (least, most)]
        return self.node("Clip", [value, *bounds], output)

    def cut(self, value: str, start: int, end: int, axis: int) -> str:
        """Appends a slice; an end of 0 means the very end."""
        last = end or np.iinfo(np.int64).max
        bounds = (np.array([bound], np.int64) for bound in (start, last, axis))
        return self.node("Slice", [value, *(self.constant(bound) for bound in bounds)])

    def model(
        self, inputs: dict[str, list[int | str]], outputs: dict[str, list[int | str]]
    ) -> onnx.ModelProto:
        """Returns the finished model."""
        graph = helper.make_graph(
            self._nodes,
            "vsvqe",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items()],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="vsvqe",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def planes_model(net: PlanesNet) -> onnx.ModelProto:
    """Returns the ONNX model of a `PlanesNet`."""
    graph = Graph()
    centred = graph.affine("y", 1.0, -0.5)
    luma = graph.node("SpaceToDepth", [centred], blocksize=2)
    stacked = graph.node("Concat", [luma, "uv"], axis=1)
    kernel = fused_head(net)
    shapes: dict[str, list[int | str]]
    if net.window.aligned:
        count = len(net.window.offsets)
        kernel = _side_by_side(kernel)
        if net.quantiser_map is not None:
            # What it adds is a convolution of 1x1: the middle of one of 3x3.
            plane = functional.pad(net.quantiser_map.weight[:, None, None, None], (1, 1, 1, 1))
            kernel = torch.cat((kernel, plane), dim=1)
        shapes = {"y": ["N", count, "H", "W"], "uv": ["N", net.chroma_channels, "H/2", "W/2"]}
    else:
        reach = 2 * net.window.radius
        window = [graph.cut(stacked, k, k - reach, axis=0) for k in range(reach + 1)]
        stacked = graph.node("Concat", window, axis=1) if reach else stacked
        shapes = {"y": ["T", 1, "H", "W"], "uv": ["T", net.chroma_channels, "H/2", "W/2"]}
    assert net.head.bias is not None
    head = graph.convolution(stacked, kernel, net.head.bias)
    features = graph.node("Add", [graph.blocks(head, net.blocks), head])
    graph.planes(features, net.tail, net.scale)
    frames = "N" if net.window.aligned else "T-2r"
    return graph.model(
        shapes,
        {
            "y_residual": [frames, 1, "sH", "sW"],
            "uv_residual": [frames, 2, "sH/2", "sW/2"],
        },
    )


def _side_by_side(kernel: Tensor) -> Tensor:
    """Brings a kernel over several frames to the order in which the operators give them.

    Args:
        kernel: `[C, 6 * K, 3, 3]`, frame by frame.
    """
    # SpaceToDepth puts the four samples of a square first and the frames second.
    apart = torch.unflatten(kernel, 1, (-1, FRAME_CHANNELS))
    lumas, chromas = apart[:, :, :4].transpose(1, 2), apart[:, :, 4:]
    return torch.cat((lumas.flatten(1, 2), chromas.flatten(1, 2)), dim=1)


def refine_model(net: RefineNet) -> onnx.ModelProto:
    """Returns the ONNX model of a `RefineNet`."""
    graph = Graph()
    luma = graph.node("SpaceToDepth", [graph.affine("y", 1.0, -0.5)], blocksize=2)
    stacked = graph.node("Concat", [luma, "uv"], axis=1)
    lost = NEIGHBOUR_GAIN * net.damaged.weight
    kernel = _side_by_side(torch.cat((net.head.weight - lost, lost), dim=1))
    head = graph.convolution(stacked, kernel, net.head.bias)
    trunk = graph.blocks(head, net.blocks)
    outputs: dict[str, list[int | str]] = {}
    for name in BRANCHES:
        features = graph.blocks(trunk, net.branches.get_submodule(name))
        features = graph.node("Add", [features, head])
        graph.planes(features, net.tails.get_submodule(name), 1, f"{name}_")
        outputs[f"{name}_y_residual"] = ["N", 1, "H", "W"]
        outputs[f"{name}_uv_residual"] = ["N", 2, "H/2", "W/2"]
    return graph.model({"y": ["N", 2, "H", "W"], "uv": ["N", 4, "H/2", "W/2"]}, outputs)


def fused_head(net: PlanesNet) -> Tensor:
    """Returns one kernel over the window in place of head, differences and neighbours."""
    centre, index = net.head.weight, net.window.centre
    if len(net.window.offsets) == 1:
        return centre
    others = [
        NEIGHBOUR_GAIN * part for part in torch.split(net.neighbours.weight, centre.shape[1], 1)
    ]
    centre = centre - torch.stack(others).sum(0)
    return torch.cat((*others[:index], centre, *others[index:]), dim=1)


def quantiser_model(net: QuantiserNet) -> onnx.ModelProto:
    """Returns the ONNX model of a `QuantiserNet`."""
    graph = Graph()
    transform = graph.constant(quantiser.cosine_transform().numpy())
    own, following = graph.cut("y", 0, 1, axis=1), graph.cut("y", 1, 2, axis=1)
    pictures = [
        graph.node("Conv", [picture, transform], strides=[quantiser.BLOCK] * 2)
        for picture in (own, graph.node("Sub", [following, own]))
    ]
    amplitudes = graph.node("Abs", [graph.node("Concat", pictures, axis=1)])
    logarithms = graph.node("Log", [graph.affine(amplitudes, quantiser.CODES, quantiser.LEAST)])
    per_octave = quantiser.STEPS_PER_OCTAVE / math.log(2.0)
    beyond = []
    for step in range(quantiser.LOWEST_STEP, quantiser.HIGHEST_STEP + 1):
        over = graph.clip(graph.affine(logarithms, per_octave, -step), 0.0, 1.0)
        beyond.append(graph.node("Flatten", [graph.node("GlobalAveragePool", [over])]))
    none_of_them = graph.affine(beyond[0], 0.0, 0.0)
    all_of_them = graph.affine(none_of_them, 1.0, 1.0)
    upper = graph.node("Concat", [all_of_them, *beyond], axis=1)
    lower = graph.node("Concat", [*beyond, none_of_them], axis=1)
    shares = graph.node("Sub", [upper, lower])
    hidden = graph.node("Sqrt", [graph.affine(shares, 1.0, quantiser.LEAST_SHARE)])
    own_scale = 1.0 / net.deviation
    hidden = graph.node("Mul", [hidden, graph.constant(own_scale.numpy())])
    hidden = graph.node("Sub", [hidden, graph.constant((net.mean * own_scale).numpy())])
    hidden = graph.clip(hidden, -quantiser.UNLIKE, quantiser.UNLIKE)
    for layer in (net.first, net.second):
        hidden = graph.leaky(graph.linear(hidden, layer))
    estimate = graph.node("Flatten", [graph.linear(hidden, net.last)], axis=0)
    estimate = graph.node("Squeeze", [estimate, graph.constant(np.array([0], np.int64))])
    estimate = graph.affine(estimate, quantiser.QUANTISER_SCALE, quantiser.QUANTISER_OFFSET)
    graph.clip(estimate, quantiser.FINEST, quantiser.COARSEST, "quantiser")
    return graph.model({"y": ["N", 2, "H", "W"]}, {"quantiser": ["N"]})


def check(net: nn.Module, model: onnx.ModelProto, shapes: list[dict[str, tuple[int, ...]]]) -> None:
    """Compares an ONNX model with the network it came from.

    Args:
        net: The network.
        model: Its ONNX model.
        shapes: Shapes of the inputs, by name and in order, for each comparison.

    Raises:
        RuntimeError: If the two differ.
    """
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    for inputs in shapes:
        arrays = {name: rng.random(shape, np.float32) for name, shape in inputs.items()}
        with torch.no_grad():
            result = net(*(torch.from_numpy(array) for array in arrays.values()))
        expected = result if isinstance(result, tuple) else (result,)
        for theirs, ours in zip(session.run(None, arrays), expected, strict=True):
            difference = float(np.abs(theirs - ours.numpy()).max())
            # Both count in float32, in another order: relative to the size of what comes out.
            if difference > TOLERANCE * max(1.0, float(ours.abs().max())):
                raise RuntimeError(f"ONNX and PyTorch differ by {difference} at {inputs}")


def random_shapes(net: nn.Module) -> list[dict[str, tuple[int, ...]]]:
    """Returns shapes to compare a network at."""
    rng = np.random.default_rng(0)
    shapes: list[dict[str, tuple[int, ...]]] = []
    for _ in range(4):
        height, width = (2 * int(side) for side in rng.integers(8, 60, 2))
        if isinstance(net, PlanesNet):
            if net.window.aligned:
                frames, channels = int(rng.integers(1, 4)), len(net.window.offsets)
            else:
                frames, channels = int(rng.integers(2 * net.window.radius + 1, 12)), 1
            uv = (frames, net.chroma_channels, height // 2, width // 2)
            shapes.append({"y": (frames, channels, height, width), "uv": uv})
        elif isinstance(net, RefineNet):
            frames = int(rng.integers(1, 4))
            uv = (frames, 4, height // 2, width // 2)
            shapes.append({"y": (frames, 2, height, width), "uv": uv})
        else:
            shapes.append({"y": (int(rng.integers(1, 4)), 2, height, width)})
    return shapes


def export(
    net: PlanesNet | RefineNet | QuantiserNet,
    models: Path,
    name: str,
    description: str,
    training: dict[str, Any],
    use: dict[str, Any] | None = None,
) -> Path:
    """Writes a network and its card.

    Args:
        net: The trained network.
        models: Folder to write to.
        name: Name of the model.
        description: One sentence for people.
        training: What the card tells of the training.
        use: What the card says of how the model is used: ``told_at_most``, ``leniency``,
            ``detail``.

    Returns:
        Path of the ONNX file.
    """
    net = net.eval()
    model = _model(net)
    # What cleans shows in a training only.
    shown = [weights for part, weights in net.named_parameters() if not part.startswith("cleaner")]
    check(net, model, random_shapes(net))
    models.mkdir(parents=True, exist_ok=True)
    path = models / f"{name}.onnx"
    data = model.SerializeToString()
    path.write_bytes(data)
    card = {
        "name": name,
        "file": path.name,
        **_facts(net),
        **(use or {}),
        "sha256": hashlib.sha256(data).hexdigest(),
        "parameters": sum(weights.numel() for weights in shown),
        "licence": "MIT",
        "description": description,
        "training": {**training, "data": DATA, "date": datetime.date.today().isoformat()},
        "gains": {},
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    log.info("%s: %d bytes", path, len(data))
    return path


def _model(net: PlanesNet | RefineNet | QuantiserNet) -> onnx.ModelProto:
    """Returns the ONNX model of a network."""
    if isinstance(net, PlanesNet):
        return planes_model(net)
    return refine_model(net) if isinstance(net, RefineNet) else quantiser_model(net)


def _facts(net: PlanesNet | RefineNet | QuantiserNet) -> dict[str, Any]:
    """Returns what a card tells of the architecture."""
    if isinstance(net, QuantiserNet):
        return {
            "task": "quantiser",
            "scale": 1,
            "layout": "luma",
            "offsets": list(net.window.offsets),
            "aligned": net.window.aligned,
            "receptive_field": net.receptive_field,
            "base": None,
        }
    if isinstance(net, RefineNet):
        return {
            "task": "astf",
            "scale": 1,
            "layout": "planes",
            "offsets": [0],
            "aligned": False,
            "receptive_field": net.receptive_field,
            "base": None,
            "branches": list(BRANCHES),
            "refines": net.stage1,
        }
    return {
        "task": "deblock" if net.scale == 1 else "superres",
        "scale": net.scale,
        "layout": "planes",
        "offsets": list(net.window.offsets),
        "aligned": net.window.aligned,
        "kernel": net.window.kernel,
        "receptive_field": net.receptive_field,
        "base": None if net.scale == 1 else "bicubic",
        "response": _response(net),
        "quantiser_map": (
            None if net.quantiser_map is None else [quantiser_map.FINEST, quantiser_map.COARSEST]
        ),
    }


def _response(net: PlanesNet) -> list[list[float]]:
    """Returns quantisers, and the factors of luma and chroma at each."""
    if net.response is None:
        return []
    factors = net.response.factors.detach().T.tolist()
    return [
        [knot, *(round(factor, 4) for factor in both)]
        for knot, both in zip(KNOTS, factors, strict=True)
    ]
