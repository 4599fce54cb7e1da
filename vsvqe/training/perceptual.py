"""LPIPS with SqueezeNet features, as a loss on 4:2:0 planes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lpips
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class View:
    """One of many ways to look at a picture.

    A network that is trained on a perceptual distance alone soon makes patterns that only this
    distance likes, such as ones that fall between the pixels at which its features are taken. It
    can't where the pictures are looked at in another way every time, after Kettunen, Harkonen and
    Lehtinen, "E-LPIPS: robust perceptual image similarity via random transformation ensembles",
    2019.

    Attributes:
        top: Rows cut off.
        left: Columns cut off.
        mirrored: Whether left and right are exchanged.
        turned: Whether rows and columns are exchanged.
        size: By which the picture is made smaller, 1 or 2.
        gain: Factor of the contrast around the middle.
        channels: Order of red, green and blue.
    """

    top: int
    left: int
    mirrored: bool
    turned: bool
    size: int
    gain: float
    channels: tuple[int, ...]

    @classmethod
    def draw(cls) -> View:
        """Draws one with PyTorch's generator; every third is of half the size."""
        top, left, mirrored, turned, third = (
            int(torch.randint(most, ())) for most in (4, 4, 2, 2, 3)
        )
        gain = 0.8 + 0.4 * float(torch.rand(()))
        channels = tuple(torch.randperm(3).tolist())
        return cls(top, left, bool(mirrored), bool(turned), 2 if third == 0 else 1, gain, channels)

    def of(self, rgb: Tensor) -> Tensor:
        """Returns the picture as seen in this way."""
        seen = rgb[:, self.channels, self.top :, self.left :]
        seen = seen.flip(-1) if self.mirrored else seen
        seen = seen.mT if self.turned else seen
        seen = functional.avg_pool2d(seen, self.size) if self.size > 1 else seen
        return 0.5 + self.gain * (seen - 0.5)


class Perceptual(nn.Module):
    """LPIPS-Squeeze between two pictures given as planes."""

    def __init__(self, weights: Path) -> None:
        """Loads the network.

        Args:
            weights: File with the tensors of torchvision's SqueezeNet 1.1, `features.<index>`.
        """
        super().__init__()
        self._metric = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
        tensors = torch.load(weights, weights_only=True)
        # The package keeps torchvision's indices, but in slices: `net.slice2.3.squeeze.weight`.
        own = {
            f"net.{name}": tensors[f"features.{name.split('.', 1)[1]}"]
            for name in self._metric.net.state_dict()
        }
        self._metric.load_state_dict(own | _heads(self._metric))
        # Faster on CPUs, by a third.
        self._metric.to(memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    def forward(
        self,
        y: Tensor,
        uv: Tensor,
        target_y: Tensor,
        target_uv: Tensor,
        view: View | None = None,
    ) -> Tensor:
        """Returns the mean distance of two batches of pictures.

        Args:
            y: Luma in [0, 1], `[N, 1, H, W]`.
            uv: Chroma in [-0.5, 0.5], `[N, 2, H / 2, W / 2]`.
            target_y: Luma of what it should be.
            target_uv: Chroma of what it should be.
            view: How to look at both.
        """
        pictures = [to_rgb(y, uv), to_rgb(target_y, target_uv)]
        if view is not None:
            pictures = [view.of(picture) for picture in pictures]
        distance: Tensor = self._metric(*pictures, normalize=True)
        return distance.mean()


def to_rgb(y: Tensor, uv: Tensor) -> Tensor:
    """Converts BT.709 planes to RGB in [0, 1], chroma interpolated linearly."""
    wide = functional.interpolate(uv, scale_factor=2, mode="bilinear")
    u, v = wide[:, :1], wide[:, 1:]
    red = y + 1.5748 * v
    blue = y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return torch.cat((red, green, blue), dim=1).clamp(0.0, 1.0)


def _heads(metric: nn.Module) -> dict[str, Tensor]:
    """Returns everything of the metric but the features."""
    return {n: t for n, t in metric.state_dict().items() if not n.startswith("net.")}
