"""LPIPS with SqueezeNet features, as a loss on 4:2:0 planes."""

from __future__ import annotations

from pathlib import Path

import lpips
import torch
from torch import Tensor, nn
from torch.nn import functional


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
        shift: tuple[int, int] = (0, 0),
    ) -> Tensor:
        """Returns the mean distance of two batches of pictures.

        Args:
            y: Luma in [0, 1], `[N, 1, H, W]`.
            uv: Chroma in [-0.5, 0.5], `[N, 2, H / 2, W / 2]`.
            target_y: Luma of what it should be.
            target_uv: Chroma of what it should be.
            shift: Rows and columns cut off first. The features are taken at every second pixel:
                where these are must change, or a network learns a pattern that falls between.
        """
        down, across = shift
        pictures = (to_rgb(y, uv), to_rgb(target_y, target_uv))
        distance: Tensor = self._metric(*(p[..., down:, across:] for p in pictures), normalize=True)
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
