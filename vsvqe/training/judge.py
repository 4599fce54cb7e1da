"""A discriminator as the opponent of the network whose pictures it judges."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vsvqe.nets.discriminators import UNetDiscriminator
from vsvqe.training.adversarial import vanilla_discriminator, vanilla_generator


@dataclass
class Judge:
    """Tells restored pictures from real ones, and is trained on those that it was last asked of.

    Source: the adversarial stage of RealBasicVSR (Chan et al., CVPR 2022), which has the
    discriminator and the loss of Real-ESRGAN (Wang et al., ICCV workshops, 2021).

    Attributes:
        net: The discriminator.
        rate: Its learning rate.
    """

    net: UNetDiscriminator
    rate: float = 1e-4
    _seen: tuple[Tensor, Tensor] | None = field(default=None, init=False)

    def verdict(self, restored: Tensor, real: Tensor) -> Tensor:
        """Returns what the restored pictures cost for not passing as real ones.

        Args:
            restored: What the network made, RGB in [0, 1], `[N, 3, H, W]`; H and W multiples of 8.
            real: What is real, of the same shape.
        """
        self._seen = (restored.detach(), real)
        # The network learns from its judge here, and not the judge.
        self.net.requires_grad_(False)
        cost = vanilla_generator(self.net(restored))
        self.net.requires_grad_(True)
        return cost

    def loss(self) -> Tensor:
        """Returns the cross entropy of telling the pictures of the last verdict apart.

        Raises:
            RuntimeError: If there was none.
        """
        if self._seen is None:
            raise RuntimeError("the judge has seen no pictures yet: ask for a verdict first")
        restored, real = self._seen
        logits = self.net(torch.cat((real, restored)))
        return vanilla_discriminator(*logits.chunk(2))
