"""What the recurrent networks do to one frame, as small networks of their own.

Engines that run fixed graphs have no good loops, and a graph of a whole run would hold every layer
once for each frame. So each step is a graph, and who runs them carries the state from one to the
next: runs may then be of any length. What samples features elsewhere is a step of its own: places,
in hundreds of pixels, do not fit half precision, in which everything else may be computed.
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
        exact: Whether it samples, and so needs single precision.
    """

    network: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    exact: bool = False


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


class Aligned(nn.Module):
    """What a flow brings to a frame."""

    def forward(self, state: Tensor, flow: Tensor) -> Tensor:
        """Returns the state `[1, C, H, W]` of another frame, sampled where a flow points to."""
        return warped(state, flow)


class Back(nn.Module):
    """The state of a frame from that of the next one."""

    def __init__(self, network: BasicVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, state: Tensor) -> Tensor:
        """Returns the state `[1, C, H, W]`.

        Args:
            frame: `[1, 3, H, W]`.
            state: Of the next frame, brought to this one; zero after the last one.
        """
        return self.network.back(frame, state)


class Onward(nn.Module):
    """The picture and state of a frame from the state of the one before."""

    def __init__(self, network: BasicVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, later: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the enlarged picture `[1, 3, 4H, 4W]` and the state `[1, C, H, W]`.

        Args:
            frame: `[1, 3, H, W]`.
            later: What ``Back`` gave for it.
            state: Of the frame before, brought to this one; zero before the first one.
        """
        return self.network.onward(frame, later, state)


class BackWithRefill(nn.Module):
    """``Back`` of IconVSR."""

    def __init__(self, network: IconVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, state: Tensor, refill: Tensor, key: Tensor) -> Tensor:
        """Returns the state `[1, C, H, W]`.

        Args:
            frame: `[1, 3, H, W]`.
            state: Of the next frame, brought to this one; zero after the last one.
            refill: Features of a key frame.
            key: 1 if the frame is one, else 0: `[1, 1, 1, 1]`.
        """
        fused = self.network.backward_fusion(torch.cat((state, refill), dim=1))
        return self.network.back(frame, torch.lerp(state, fused, key))


class OnwardWithRefill(nn.Module):
    """``Onward`` of IconVSR."""

    def __init__(self, network: IconVSR) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network

    def forward(
        self, frame: Tensor, later: Tensor, state: Tensor, refill: Tensor, key: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the enlarged picture and the state; see ``Onward`` and ``BackWithRefill``."""
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


class BranchAligned(nn.Module):
    """What a branch of BasicVSR++ brings to a frame from the two frames before."""

    def __init__(self, network: BasicVSRPlusPlus, name: str) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network
        self.name = name

    def forward(
        self,
        own: Tensor,
        near: Tensor,
        far: Tensor,
        flow: Tensor,
        following: Tensor,
        one: Tensor,
        two: Tensor,
    ) -> Tensor:
        """Returns the state `[1, C, H, W]` that the branch begins with at a frame.

        Args:
            own: The frame's own features.
            near: State of the frame before, in the order of the branch.
            far: Of the one before that.
            flow: To the frame before, `[1, 2, H, W]`.
            following: From there to the one before that.
            one: 1 if there is a frame before, else 0: `[1, 1, 1, 1]`.
            two: 1 if there is one before that.
        """
        motion = (flow, two * (flow + warped(following, flow)))
        return one * self.network.aligned(self.name, own, (near, far), motion)


class Branch(nn.Module):
    """A frame's state in one branch of BasicVSR++."""

    def __init__(self, network: BasicVSRPlusPlus, name: str) -> None:
        """Takes its layers from a network."""
        super().__init__()
        self.network = network
        self.name = name

    def forward(self, *inputs: Tensor) -> Tensor:
        """Returns the state `[1, C, H, W]`.

        Args:
            inputs: The frame's features so far, each as large, and what ``BranchAligned`` gave.
        """
        *features, state = inputs
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
        Its steps by name. Of a ``BasicVSR``: ``"flow"``, ``"align"``, ``"back"`` and ``"onward"``;
        of a ``RealBasicVSR`` ``"cleaning"`` too, of an ``IconVSR`` ``"refill"``, for frames whose
        sides are the next multiples of 4. Of a ``BasicVSRPlusPlus``: ``"flow"``, ``"features"``,
        two for each branch, in their order, and ``"picture"``.

    Raises:
        ValueError: The network is none of these.

    Example:
        >>> import torch
        >>> from vsvqe.nets.basicvsr import BasicVSR
        >>> from vsvqe.nets.steps import steps
        >>> list(steps(BasicVSR(channels=8, blocks=1), 16, 24))
        ['flow', 'align', 'back', 'onward']
    """
    picture = (1, 3, height, width)
    if isinstance(network, RealBasicVSR):
        cleaning = Step(Cleaning(network), {"picture": picture}, ("cleaner",))
        return {"cleaning": cleaning, **steps(network.basicvsr, height, width)}
    if isinstance(network, BasicVSR):
        state = (1, network.channels, height, width)
        later = {"frame": picture, "later": state, "state": state}
        return {
            "flow": _flow(network.spynet, picture),
            "align": _align(state),
            "back": Step(Back(network), {"frame": picture, "state": state}, ("later_out",)),
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
    return Step(network, {"first": picture, "second": picture}, ("flow_out",), exact=True)


def _align(state: tuple[int, ...]) -> Step:
    flow = (1, 2, *state[2:])
    return Step(Aligned(), {"state": state, "flow": flow}, ("aligned",), exact=True)


def _of_iconvsr(network: IconVSR, height: int, width: int) -> dict[str, Step]:
    picture, state = (1, 3, height, width), (1, network.channels, height, width)
    carried = {"state": state, "refill": state, "key": _SWITCH}
    window = (1, 2 * network.radius + 1, 3, height, width)
    later = {"frame": picture, "later": state, **carried}
    return {
        "flow": _flow(network.spynet, picture),
        "align": _align(state),
        "refill": Step(network.edvr, {"window": window}, ("found",), exact=True),
        "back": Step(BackWithRefill(network), {"frame": picture, **carried}, ("later_out",)),
        "onward": Step(OnwardWithRefill(network), later, ("result", "state_out")),
    }


def _of_basicvsrpp(network: BasicVSRPlusPlus, height: int, width: int) -> dict[str, Step]:
    picture = (1, 3, height, width)
    if not network.enlarges:
        height, width = height // 4, width // 4
    state, flow = (1, network.channels, height, width), (1, 2, height, width)
    before = {"own": state, "near": state, "far": state, "flow": flow, "following": flow}
    names = [f"features_{i}" for i in range(1 + len(network.deform_align))]
    branches: dict[str, Step] = {}
    for i, branch in enumerate(network.deform_align):
        inputs = before | {"one": _SWITCH, "two": _SWITCH}
        aligned = Step(BranchAligned(network, branch), inputs, ("aligned",), exact=True)
        features = dict.fromkeys([*names[: 1 + i], "state"], state)
        branches |= {
            f"align_{branch}": aligned,
            branch: Step(Branch(network, branch), features, ("state_out",)),
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
