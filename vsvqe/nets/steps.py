"""What BasicVSR and RealBasicVSR do to one frame, as small networks of their own.

Engines that run fixed graphs have no good loops, and a graph of a whole run would hold every layer
once for each frame. So each step is a graph, and who runs them carries the state from one to the
next: runs may then be of any length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.recurrent import warped


class Step(NamedTuple):
    """A network with the names and shapes of what it takes.

    Attributes:
        network: Takes and returns tensors whose first axis is 1.
        inputs: Shape by name, in order.
        outputs: Names of the results, in order.
    """

    network: nn.Module
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


class Cleaning(nn.Module):
    """One pass of RealBasicVSR's cleaning."""

    def __init__(self, network: RealBasicVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.image_cleaning = network.image_cleaning

    def forward(self, picture: Tensor) -> Tensor:
        """Returns the cleaner picture, `[1, 3, H, W]` as it came."""
        cleaner: Tensor = picture + self.image_cleaning(picture)
        return cleaner


class Back(nn.Module):
    """The state of a frame from that of the next one."""

    def __init__(self, network: BasicVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, state: Tensor, flow: Tensor) -> Tensor:
        """Returns the state `[1, C, H, W]`.

        Args:
            frame: `[1, 3, H, W]`.
            state: Of the next frame; zero after the last one.
            flow: To the next frame, `[1, 2, H, W]`.
        """
        return self.network.back(frame, warped(state, flow))


class Onward(nn.Module):
    """The picture and state of a frame from the state of the one before."""

    def __init__(self, network: BasicVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(
        self, frame: Tensor, later: Tensor, state: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the enlarged picture `[1, 3, 4H, 4W]` and the state `[1, C, H, W]`.

        Args:
            frame: `[1, 3, H, W]`.
            later: What ``Back`` gave for it.
            state: Of the frame before; zero before the first one.
            flow: To the frame before, `[1, 2, H, W]`.
        """
        return self.network.onward(frame, later, warped(state, flow))


def steps(network: nn.Module, height: int, width: int) -> dict[str, Step]:
    """Takes a network apart.

    Args:
        network: One of this package.
        height: Of the frames.
        width: Of the frames.

    Returns:
        Its steps by name: ``"flow"``, ``"back"``, ``"onward"``, and ``"cleaning"`` of a
        ``RealBasicVSR``.

    Raises:
        ValueError: The network is neither a ``BasicVSR`` nor a ``RealBasicVSR``.

    Example:
        >>> import torch
        >>> from vsvqe.nets.basicvsr import BasicVSR
        >>> from vsvqe.nets.steps import steps
        >>> list(steps(BasicVSR(channels=8, blocks=1), 16, 24))
        ['flow', 'back', 'onward']
    """
    picture = (1, 3, height, width)
    if isinstance(network, RealBasicVSR):
        cleaning = Step(Cleaning(network), {"picture": picture}, ("cleaner",))
        return {"cleaning": cleaning, **steps(network.basicvsr, height, width)}
    if not isinstance(network, BasicVSR):
        raise ValueError(f"{type(network).__name__} has no such steps")
    state, flow = (1, network.channels, height, width), (1, 2, height, width)
    carried = {"state": state, "flow": flow}
    return {
        "flow": Step(network.spynet, {"first": picture, "second": picture}, ("flow_out",)),
        "back": Step(Back(network), {"frame": picture, **carried}, ("later",)),
        "onward": Step(
            Onward(network), {"frame": picture, "later": state, **carried}, ("result", "state_out")
        ),
    }


def example(step: Step) -> tuple[Tensor, ...]:
    """Returns random inputs of a step."""
    random = torch.Generator().manual_seed(0)
    return tuple(torch.rand(shape, generator=random) for shape in step.inputs.values())
