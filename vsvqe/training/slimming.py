"""Trained networks made smaller: fewer channels, fewer bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from vsvqe.nets.blocks import ResidualBlock
from vsvqe.nets.planes import PlanesNet

type Arrays = dict[str, NDArray[np.float32]]
"""Inputs of an ONNX model, by name."""


def pruned(net: PlanesNet, hidden: int) -> PlanesNet:
    """Returns a network with the most important channels inside its blocks.

    A channel counts as much as the absolute weights of the kernel that makes it add up to.

    Source: Li et al., "Pruning filters for efficient ConvNets", ICLR 2017.

    Args:
        net: Trained, with plain convolutions.
        hidden: Channels to keep inside each block.

    Example:
        >>> from vsvqe.nets.window import SINGLE
        >>> pruned(PlanesNet(SINGLE, channels=16, blocks=2), 8).blocks[0].first.out_channels
        8
    """
    slim = PlanesNet(
        net.window,
        net.scale,
        net.channels,
        len(net.blocks),
        hidden,
        responsive=net.response is not None,
        quantiser_map=net.quantiser_map is not None,
    )
    state = net.state_dict()
    for number, block in enumerate(net.blocks):
        assert isinstance(block, ResidualBlock) and isinstance(block.first, nn.Conv2d)
        importance = block.first.weight.detach().abs().sum((1, 2, 3))
        kept = torch.sort(torch.topk(importance, hidden).indices).values
        for name, axis in (("first.weight", 0), ("first.bias", 0), ("second.weight", 1)):
            key = f"blocks.{number}.{name}"
            state[key] = state[key].index_select(axis, kept)
    slim.load_state_dict(state)
    return slim


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the calibration its inputs, one after the other."""

    def __init__(self, inputs: Iterable[Arrays]) -> None:
        self._inputs: Iterator[Arrays] = iter(inputs)

    def get_next(self) -> Any:
        """Returns the next inputs, or ``None`` at the end."""
        return next(self._inputs, None)


def quantise(model: Path, to: Path, inputs: Iterable[Arrays]) -> None:
    """Writes an ONNX model whose convolutions between features have weights and inputs of 8 bits.

    The ranges are those seen on the calibration inputs. The first and the last convolution, where a
    code of 8 bits is as coarse as the picture itself, stay as they are.

    Source: Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018; in the format of ONNX Runtime's ``QDQ``.

    Args:
        model: Of ``export``.
        to: File to write.
        inputs: Typical inputs of the model.
    """
    convolutions = [n.name for n in onnx.load(model).graph.node if n.op_type == "Conv"]
    quantize_static(
        str(model),
        str(to),
        _Reader(inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=[convolutions[0], convolutions[-1]],
    )
