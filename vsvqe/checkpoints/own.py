"""Recognises the networks of ``vsvqe.nets`` by their tensors, and builds them to fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..inference.errors import ModelError
from ..nets.basicvsr import BasicVSR
from ..nets.fsrcnn import FSRCNN
from ..nets.realbasicvsr import RealBasicVSR
from ..nets.srcnn import SRCNN
from ..nets.srresnet import MSRResNet, SRResNet
from . import layouts
from .files import Weights


@dataclass(frozen=True, kw_only=True)
class Built:
    """A network with its weights, and what has to be known to use it."""

    network: nn.Module
    architecture: str
    sequence: bool
    """Whether it takes runs of frames (N x T x C x H x W) rather than pictures."""
    channels: int
    scale: int
    multiple: int = 1


def build(weights: Weights, path: Path) -> Built | None:
    """Returns the network that tensors belong to, or ``None`` if it is none of ours.

    Args:
        weights: Under the network's own names, in any of the known layouts.
        path: The file; of networks whose weights do not tell their scale, its name does.

    Raises:
        ModelError: It is one of ours, but tensors are missing, left over or of other shapes.
    """
    for marks, renamed, builder in _KNOWN:
        if all(mark in weights for mark in marks):
            weights = renamed(weights)
            try:
                built = builder(weights, path)
                built.network.load_state_dict(weights)
            except (RuntimeError, KeyError, IndexError, ValueError, TypeError) as error:
                reason = str(error).strip().splitlines()
                raise ModelError(
                    f"the tensors of {path.name} look like a known network but do not make one: "
                    f"{' '.join(line.strip() for line in reason)[:200]}"
                ) from error
            return built
    return None


def _basicvsr_family(weights: Weights, path: Path) -> Built:
    if any(name.startswith("deform_align.") for name in weights):
        return _basicvsrpp(weights)
    if any(name.startswith("edvr.") for name in weights):
        return _iconvsr(weights)
    channels = len(weights["backward_resblocks.main.0.bias"])
    network = BasicVSR(
        channels,
        _count(weights, r"backward_resblocks\.main\.2\.(\d+)\."),
        enlarges="upsample1.upsample_conv.weight" in weights,
    )
    return Built(
        network=network, architecture="BasicVSR", sequence=True, channels=3, scale=network.scale
    )


def _basicvsrpp(weights: Weights) -> Built:
    # Imported here: torchvision, which brings its convolution, takes a moment.
    from ..nets.basicvsrpp import BasicVSRPlusPlus

    enlarges = "feat_extract.main.0.weight" in weights
    network = BasicVSRPlusPlus(
        channels=len(weights["backbone.backward_1.main.0.bias"]),
        blocks=_count(weights, r"backbone\.backward_1\.main\.2\.(\d+)\."),
        enlarges=enlarges,
    )
    return Built(
        network=network,
        architecture="BasicVSR++",
        sequence=True,
        channels=3,
        scale=4 if enlarges else 1,
        multiple=1 if enlarges else 4,
    )


def _iconvsr(weights: Weights) -> Built:
    from ..nets.iconvsr import IconVSR

    channels = len(weights["backward_resblocks.main.0.bias"])
    frames = weights["edvr.fusion.feat_fusion.conv.weight"].shape[1] // channels
    blocks = _count(weights, r"backward_resblocks\.main\.2\.(\d+)\.")
    network = IconVSR(channels, blocks, radius=frames // 2)
    return Built(network=network, architecture="IconVSR", sequence=True, channels=3, scale=4)


def _realbasicvsr(weights: Weights, path: Path) -> Built:
    network = RealBasicVSR(
        channels=len(weights["basicvsr.backward_resblocks.main.0.bias"]),
        blocks=_count(weights, r"basicvsr\.backward_resblocks\.main\.2\.(\d+)\."),
        cleaning_blocks=_count(weights, r"image_cleaning\.0\.main\.2\.(\d+)\."),
    )
    return Built(network=network, architecture="RealBasicVSR", sequence=True, channels=3, scale=4)


def _srresnet(weights: Weights, path: Path) -> Built:
    stages = _count(weights, r"block(\d+)\.") - 1
    doublings = _count(weights, rf"block{stages}\.(\d+)\.conv\.")
    network = SRResNet(
        2**doublings,
        len(weights["block1.0.bias"]),
        stages - 3,
        normalised=f"block{stages - 1}.1.running_mean" in weights,
    )
    return Built(
        network=network, architecture="SRResNet", sequence=False, channels=3, scale=2**doublings
    )


def _msrresnet(weights: Weights, path: Path) -> Built:
    channels = len(weights["conv_first.bias"])
    scale = 4
    if "upconv2.weight" not in weights:
        scale = round((len(weights["upconv1.bias"]) / channels) ** 0.5)
    network = MSRResNet(scale, channels, _count(weights, r"body\.(\d+)\."))
    return Built(network=network, architecture="MSRResNet", sequence=False, channels=3, scale=scale)


def _srcnn(weights: Weights, path: Path) -> Built:
    scale = _scale_in_name(path, "SRCNN", least=1)
    kernels = [weights[f"conv{i}.weight"] for i in (1, 2, 3)]
    channels = kernels[0].shape[1]
    first, second, third = (int(kernel.shape[-1]) for kernel in kernels)
    features = (len(kernels[0]), len(kernels[1]))
    network = SRCNN(scale, channels, features, (first, second, third))
    return Built(
        network=network, architecture="SRCNN", sequence=False, channels=channels, scale=scale
    )


def _fsrcnn(weights: Weights, path: Path) -> Built:
    scale = _scale_in_name(path, "FSRCNN", least=2)
    last = weights["last_part.weight"]
    shrunk = len(weights["mid_part.0.bias"])
    layers = _count(weights, r"mid_part\.(\d+)\.")
    network = FSRCNN(scale, last.shape[1], last.shape[0], shrunk, layers // 2 - 2, last.shape[-1])
    return Built(
        network=network, architecture="FSRCNN", sequence=False, channels=last.shape[1], scale=scale
    )


def _count(weights: Weights, pattern: str) -> int:
    """Returns how many numbered parts there are: one more than the highest number in a name."""
    numbers = [int(match[1]) for name in weights if (match := re.match(pattern, name))]
    return max(numbers, default=-1) + 1


def _scale_in_name(path: Path, architecture: str, least: int) -> int:
    found = re.search(r"(?<![a-z0-9])(?:x([1-4])|([1-4])x)(?![0-9])", path.stem.lower())
    scale = int(found[1] or found[2]) if found else 0
    if scale < least:
        raise ModelError(
            f"the weights of {architecture} do not tell by how much it enlarges; say so in the "
            f"name of the file: {path.stem}_x2{path.suffix}, _x3 or _x4"
        )
    return scale


type _Known = tuple[tuple[str, ...], Callable[[Weights], Weights], Callable[[Weights, Path], Built]]

# Tensors that no other network has together, the layout's renaming, and the builder.
_KNOWN: tuple[_Known, ...] = (
    (("image_cleaning.0.main.0.weight",), layouts.recurrent, _realbasicvsr),
    (
        ("spynet.basic_module.0.basic_module.0.conv.weight", "conv_hr.weight"),
        layouts.recurrent,
        _basicvsr_family,
    ),
    (
        ("spynet.basic_module.0.basic_module.0.weight", "conv_hr.weight"),
        layouts.recurrent,
        _basicvsr_family,
    ),
    (("block1.0.weight", "block2.bn1.running_mean"), layouts.image, _srresnet),
    (("trunk_net.0.conv1.weight", "conv_hr.weight"), layouts.image, _msrresnet),
    (("body.0.conv1.weight", "upconv1.weight", "conv_hr.weight"), layouts.image, _msrresnet),
    (("conv1.weight", "conv2.weight", "conv3.weight", "conv3.bias"), layouts.image, _srcnn),
    (("first_part.0.weight", "last_part.weight"), layouts.image, _fsrcnn),
)
