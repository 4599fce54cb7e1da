"""What the recurrent networks do to one frame, as small networks of their own.

Engines that run fixed graphs have no good loops, and a graph of a whole run would hold every layer
once for each frame. So each step is a graph, and who runs them carries the state from one to the
next: runs may then be of any length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.recurrent import warped

if TYPE_CHECKING:
    from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
    from vsvqe.nets.iconvsr import IconVSR

_SWITCH = (1, 1, 1, 1)


class Step(NamedTuple):
    """A network with the names and shapes of what it takes.

    Attributes:
        network: Takes and returns tensors whose first axis is 1.
        inputs: Shape by name, in order.
        outputs: Names of the results, in order.
    """

    network: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
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


class BackWithRefill(nn.Module):
    """``Back`` of IconVSR."""

    def __init__(self, network: IconVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(
        self, frame: Tensor, state: Tensor, flow: Tensor, refill: Tensor, key: Tensor
    ) -> Tensor:
        """Returns the state `[1, C, H, W]`.

        Args:
            frame: `[1, 3, H, W]`.
            state: Of the next frame; zero after the last one.
            flow: To the next frame, `[1, 2, H, W]`.
            refill: Features of a key frame.
            key: 1 if the frame is one, else 0: `[1, 1, 1, 1]`.
        """
        state = warped(state, flow)
        fused = self.network.backward_fusion(torch.cat((state, refill), dim=1))
        return self.network.back(frame, torch.lerp(state, fused, key))


class OnwardWithRefill(nn.Module):
    """``Onward`` of IconVSR."""

    def __init__(self, network: IconVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(
        self, frame: Tensor, later: Tensor, state: Tensor, flow: Tensor, refill: Tensor, key: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the enlarged picture and the state; see ``Onward`` and ``BackWithRefill``."""
        state = warped(state, flow)
        fused = self.network.forward_fusion(torch.cat((state, refill), dim=1))
        return self.network.onward(frame, later, torch.lerp(state, fused, key))


class Motion(nn.Module):
    """The flow of BasicVSR++, at the size that it is measured at."""

    def __init__(self, network: BasicVSRPlusPlus) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Returns the flow from one picture `[1, 3, H, W]` to another."""
        flow: Tensor = self.network.spynet(self.network.seen(first), self.network.seen(second))
        return flow


class Branch(nn.Module):
    """A frame's state in one branch of BasicVSR++ from those of the two frames before."""

    def __init__(self, network: BasicVSRPlusPlus, name: str) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network
        self.name = name

    def forward(self, *inputs: Tensor) -> Tensor:
        """Returns the state `[1, C, H, W]`.

        Args:
            inputs: The frame's features so far, each as large; then the state of the frame before
                in the order of the branch and of the one before that; the flow to the former, and
                from there to the latter, `[1, 2, H, W]`; and for each of the two 1 if there is such
                a frame, else 0: `[1, 1, 1, 1]`.
        """
        *features, near, far, flow, following, one, two = inputs
        motion = (flow, two * (flow + warped(following, flow)))
        state = one * self.network.aligned(self.name, features[0], (near, far), motion)
        return self.network.refined(self.name, features, state)


class Picture(nn.Module):
    """The result of BasicVSR++ for a frame."""

    def __init__(self, network: BasicVSRPlusPlus) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, *features: Tensor) -> Tensor:
        """Returns the picture of a frame `[1, 3, H, W]` from all its features."""
        return self.network.picture(frame, features)


def steps(network: nn.Module, height: int, width: int) -> dict[str, Step]:
    """Takes a network apart.

    Args:
        network: One of this package.
        height: Of the frames.
        width: Of the frames.

    Returns:
        Its steps by name. Of a ``BasicVSR``: ``"flow"``, ``"back"`` and ``"onward"``; of a
        ``RealBasicVSR`` ``"cleaning"`` too, of an ``IconVSR`` ``"refill"``, for frames whose sides
        are the next multiples of 4. Of a ``BasicVSRPlusPlus``: ``"flow"``, ``"features"``, one for
        each branch, in their order, and ``"picture"``.

    Raises:
        ValueError: The network is none of these.

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
    if isinstance(network, BasicVSR):
        state, flow = (1, network.channels, height, width), (1, 2, height, width)
        carried = {"state": state, "flow": flow}
        later = {"frame": picture, "later": state, **carried}
        return {
            "flow": _flow(network.spynet, picture),
            "back": Step(Back(network), {"frame": picture, **carried}, ("later",)),
            "onward": Step(Onward(network), later, ("result", "state_out")),
        }
    # Imported here: torchvision, which brings their convolution, takes a moment.
    from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
    from vsvqe.nets.iconvsr import MULTIPLE, IconVSR

    if isinstance(network, IconVSR):
        return _of_iconvsr(network, *(-(-side // MULTIPLE) * MULTIPLE for side in (height, width)))
    if isinstance(network, BasicVSRPlusPlus):
        return _of_basicvsrpp(network, height, width)
    raise ValueError(f"{type(network).__name__} has no such steps")


def _flow(network: nn.Module, picture: tuple[int, ...]) -> Step:
    return Step(network, {"first": picture, "second": picture}, ("flow_out",))


def _of_iconvsr(network: IconVSR, height: int, width: int) -> dict[str, Step]:
    picture, state = (1, 3, height, width), (1, network.channels, height, width)
    carried = {"state": state, "flow": (1, 2, height, width), "refill": state, "key": _SWITCH}
    window = (1, 2 * network.radius + 1, 3, height, width)
    later = {"frame": picture, "later": state, **carried}
    return {
        "flow": _flow(network.spynet, picture),
        "refill": Step(network.edvr, {"window": window}, ("found",)),
        "back": Step(BackWithRefill(network), {"frame": picture, **carried}, ("later",)),
        "onward": Step(OnwardWithRefill(network), later, ("result", "state_out")),
    }


def _of_basicvsrpp(network: BasicVSRPlusPlus, height: int, width: int) -> dict[str, Step]:
    picture = (1, 3, height, width)
    if not network.enlarges:
        height, width = height // 4, width // 4
    state, flow = (1, network.channels, height, width), (1, 2, height, width)
    before = {"near": state, "far": state, "flow": flow, "following": flow}
    names = [f"features_{i}" for i in range(1 + len(network.deform_align))]
    branches = {
        branch: Step(
            Branch(network, branch),
            {**dict.fromkeys(names[: 1 + i], state), **before, "one": _SWITCH, "two": _SWITCH},
            ("state",),
        )
        for i, branch in enumerate(network.deform_align)
    }
    every = {"frame": picture, **dict.fromkeys(names, state)}
    return {
        "flow": _flow(Motion(network), picture),
        "features": Step(network.feat_extract, {"frame": picture}, ("spatial",)),
        **branches,
        "picture": Step(Picture(network), every, ("result",)),
    }


def example(step: Step) -> tuple[Tensor, ...]:
    """Returns random inputs of a step."""
    random = torch.Generator().manual_seed(0)
    return tuple(torch.rand(shape, generator=random) for shape in step.inputs.values())
