"""The perceptual loss on VGG19 features, for those who have its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

# Channels of the convolutions between the poolings, from the paper's configuration E.
WIDTHS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
# Of ImageNet's pictures, RGB in [0, 1]: what the network was trained on is relative to them.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
# Real-ESRGAN's and RealBasicVSR's: the last convolution of every size, before its activation.
LAYERS = {2: 0.1, 7: 0.1, 16: 1.0, 25: 1.0, 34: 1.0}


class VggLoss(nn.Module):
    """Weighted mean absolute differences of features of VGG19.

    After Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016, on features before the activation as in ESRGAN (Wang et al., ECCV
    workshops 2018). The network is that of Simonyan and Zisserman, ICLR 2015.
    """

    def __init__(self, weights: Path, layers: Mapping[int, float] = LAYERS) -> None:
        """Loads the network.

        Args:
            weights: File with the tensors `features.<index>.weight` and `.bias` of torchvision's
                VGG19 (as `torch.save` writes its `state_dict`); others are ignored.
            layers: Weight by index of the convolution in torchvision's `features`.

        Raises:
            ValueError: If a layer is no convolution, or the file lacks a tensor.
        """
        super().__init__()
        convolutions = [layer for size in _sizes() for layer in size]
        unknown = sorted(set(layers) - {index for index, _, _ in convolutions})
        if unknown or not layers:
            accepted = ", ".join(str(index) for index, _, _ in convolutions)
            raise ValueError(f"layers are {unknown or 'none'}, accepted are {accepted}")
        tensors = torch.load(weights, weights_only=True)
        self.layers = dict(sorted(layers.items()))
        self.convolutions = nn.ModuleDict()
        for index, inputs, outputs in convolutions:
            if index <= max(layers):
                self.convolutions[str(index)] = _loaded(inputs, outputs, index, tensors)
        self.mean = nn.Buffer(torch.tensor(MEAN).view(1, 3, 1, 1))
        self.deviation = nn.Buffer(torch.tensor(DEVIATION).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """Returns the distance of two batches of pictures.

        Args:
            picture: RGB `[N, 3, H, W]` in [0, 1]; sides of at least 16 for the deepest layer.
            target: What it should be, of the same shape.
        """
        pairs = zip(self.features(picture), self.features(target.detach()), strict=True)
        weights = self.layers.values()
        distances = [w * (a - b).abs().mean() for w, (a, b) in zip(weights, pairs, strict=True)]
        return torch.stack(distances).sum()

    def features(self, picture: Tensor) -> list[Tensor]:
        """Returns the features of the layers, in the order of their indices."""
        hidden = (picture - self.mean) / self.deviation
        found: list[Tensor] = []
        for number, size in enumerate(_sizes()):
            for place, (index, _, _) in enumerate(size):
                if len(found) == len(self.layers):
                    return found
                if number > 0 and place == 0:
                    hidden = max_pool2d(hidden, 2)
                hidden = self.convolutions[str(index)](hidden)
                if index in self.layers:
                    found.append(hidden)
                hidden = relu(hidden)
        return found


def _sizes() -> list[list[tuple[int, int, int]]]:
    """Returns index, input and output channels of all convolutions, by size of the picture."""
    sizes = []
    index, inputs = 0, 3
    for widths in WIDTHS:
        size = []
        for outputs in widths:
            size.append((index, inputs, outputs))
            # An activation follows each convolution, and a pooling each size.
            index, inputs = index + 2, outputs
        index += 1
        sizes.append(size)
    return sizes


def _loaded(inputs: int, outputs: int, index: int, tensors: Mapping[str, Tensor]) -> nn.Conv2d:
    """Returns a convolution with its weights."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    own = {kind: tensors.get(f"features.{index}.{kind}") for kind in ("weight", "bias")}
    for kind, wanted in convolution.state_dict().items():
        given = own[kind]
        if given is None or given.shape != wanted.shape:
            what = "no such tensor" if given is None else f"its shape is {tuple(given.shape)}"
            raise ValueError(f"features.{index}.{kind} of VGG19 is missing from the file: {what}")
    convolution.load_state_dict(own)
    return convolution
