"""What the networks are built of: 3x3 convolutions in several shapes, and residual blocks."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

NEGATIVE_SLOPE = 0.1
# Starting nearly as the identity keeps deep stacks stable at high learning rates.
_QUIET = 0.1


class Convolution(Protocol):
    """Makes a layer that looks at 3x3 features and keeps the size."""

    def __call__(self, inputs: int, outputs: int, gain: float = 1.0) -> nn.Module:
        """Makes it.

        Args:
            inputs: Channels that come in.
            outputs: Channels that go out.
            gain: Factor on the usual initial weights; other than 1 the bias starts at zero.
        """


def conv3x3(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """Returns a plain 3x3 convolution."""
    return _scaled(nn.Conv2d(inputs, outputs, 3, padding=1), gain)


def separable3x3(inputs: int, outputs: int, gain: float = 1.0) -> nn.Sequential:
    """Returns a 3x3 convolution of every channel by itself, and one of 1x1 across them.

    Source: Howard et al., "MobileNets", 2017, section 3.1, without what is between the two there.
    """
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return nn.Sequential(depthwise, _scaled(nn.Conv2d(inputs, outputs, 1), gain))


class ExpandedConv(nn.Module):
    """A 3x3 convolution that is trained as several, and folded into one afterwards.

    Beside the convolution lies a second one with more outputs, which a 1x1 convolution mixes. Their
    sum is linear, so one kernel does the same: see ``folded``.

    Source: structural re-parameterisation, Ding et al., "RepVGG", CVPR 2021; the expanding branch
    is that of Zhang et al., "Edge-oriented convolution block", ACM MM 2021.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0, expansion: int = 2) -> None:
        """Builds the branches.

        Args:
            inputs: Channels that come in.
            outputs: Channels that go out.
            gain: See ``Convolution``.
            expansion: Channels of the second branch, in multiples of the outputs.
        """
        super().__init__()
        self.plain = conv3x3(inputs, outputs, gain)
        self.wide = conv3x3(inputs, expansion * outputs)
        self.mix = _scaled(nn.Conv2d(expansion * outputs, outputs, 1), gain)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the sum of the branches."""
        result: Tensor = self.plain(features) + self.mix(self.wide(features))
        return result

    def folded(self) -> nn.Conv2d:
        """Returns the one convolution that gives the same."""
        assert self.plain.bias is not None and self.mix.bias is not None
        assert self.wide.bias is not None
        mixing = self.mix.weight[:, :, 0, 0]
        one = nn.Conv2d(self.plain.in_channels, self.plain.out_channels, 3, padding=1)
        kernel = self.plain.weight + torch.einsum("om,mihw->oihw", mixing, self.wide.weight)
        one.weight = nn.Parameter(kernel.detach())
        bias = self.plain.bias + self.mix.bias + mixing @ self.wide.bias
        one.bias = nn.Parameter(bias.detach())
        return one


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an activation, added to the input."""

    def __init__(
        self, channels: int, hidden: int | None = None, convolution: Convolution = conv3x3
    ) -> None:
        """Builds the block.

        Args:
            channels: Number of feature channels.
            hidden: Channels between the convolutions; as many by default.
            convolution: Makes them.
        """
        super().__init__()
        self.first = convolution(channels, hidden or channels)
        self.second = convolution(hidden or channels, channels, _QUIET)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the refined features."""
        hidden = functional.leaky_relu(self.first(features), NEGATIVE_SLOPE)
        refined: Tensor = features + self.second(hidden)
        return refined


def _scaled(layer: nn.Conv2d, gain: float) -> nn.Conv2d:
    if gain != 1.0:
        with torch.no_grad():
            layer.weight.mul_(gain)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
