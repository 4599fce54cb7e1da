"""LPIPS with SqueezeNet features and a filter bank, as a loss on 4:2:0 planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.training.filterbank import FilterBank

# Of the filters' squared norm, see ``FilterBank``.
LEAST_CONTRAST = 2e-3


@dataclass(frozen=True)
class View:
    """One of many ways to look at a picture.

    A network that is trained on a perceptual distance alone soon makes patterns that only this
    distance likes, such as ones that fall between the pixels at which its features are taken. It
    can't where the pictures are looked at in another way every time, after Kettunen, Harkonen and
    Lehtinen, "E-LPIPS: robust perceptual image similarity via random transformation ensembles",
    2019. Of their transformations, making pictures smaller carries over best to other networks;
    dropping features, and noise on the weights, did not help.

    Attributes:
        top: Rows cut off.
        left: Columns cut off.
        mirrored: Whether left and right are exchanged.
        turned: Whether rows and columns are exchanged.
        size: By which the picture is made smaller, at least 1; not only whole numbers.
        gain: Factor of the contrast around the middle.
        channels: Order of red, green and blue.
    """

    top: int
    left: int
    mirrored: bool
    turned: bool
    size: float
    gain: float
    channels: tuple[int, ...]

    def of(self, rgb: Tensor) -> Tensor:
        """Returns the picture as seen in this way."""
        seen = rgb[:, self.channels, self.top :, self.left :]
        seen = seen.flip(-1) if self.mirrored else seen
        seen = seen.mT if self.turned else seen
        if self.size > 1.0:
            sides = [round(side / self.size) for side in seen.shape[-2:]]
            seen = functional.interpolate(seen, sides, mode="bilinear", antialias=True)
        return 0.5 + self.gain * (seen - 0.5)


@dataclass(frozen=True)
class Views:
    """Which views are drawn.

    Attributes:
        share: Of those in which the picture is made smaller, 0 to 1.
        least: By which it is made smaller then, at least.
        most: The same at most.
    """

    share: float = 2.0 / 3.0
    least: float = 1.0
    most: float = 3.0

    def draw(self) -> View:
        """Draws one with PyTorch's generator."""
        top, left, mirrored, turned = (int(torch.randint(most, ())) for most in (4, 4, 2, 2))
        gain = 0.8 + 0.4 * float(torch.rand(()))
        channels = tuple(torch.randperm(3).tolist())
        smaller, how_much = torch.rand(2).tolist()
        # Evenly in octaves.
        size = self.least * (self.most / self.least) ** how_much if smaller < self.share else 1.0
        return View(top, left, bool(mirrored), bool(turned), size, gain, channels)


class Perceptual(nn.Module):
    """LPIPS-Squeeze between pictures given as planes, and what a filter bank sees beside it."""

    def __init__(self, weights: Path, bank_weight: float = 0.0) -> None:
        """Loads the network.

        Args:
            weights: File with the tensors of torchvision's SqueezeNet 1.1, `features.<index>`.
            bank_weight: Of the filter bank's distance, which is added; 0 for LPIPS alone.
        """
        super().__init__()
        # Trainings that are not perceptual do without it.
        import lpips

        self._metric = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
        self._units: Callable[[Tensor], Tensor] = lpips.normalize_tensor
        tensors = torch.load(weights, weights_only=True)
        # The package keeps torchvision's indices, but in slices: `net.slice2.3.squeeze.weight`.
        own = {
            f"net.{name}": tensors[f"features.{name.split('.', 1)[1]}"]
            for name in self._metric.net.state_dict()
        }
        self._metric.load_state_dict(own | _heads(self._metric))
        # Faster on CPUs, by a third.
        self._metric.to(memory_format=torch.channels_last)
        self._bank = FilterBank(LEAST_CONTRAST)
        self._bank_weight = bank_weight
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
        """Returns the distance of every picture, `[K * N]`.

        Args:
            y: Luma in [0, 1], `[K * N, 1, H, W]`: K versions of the whole batch, one after another.
            uv: Chroma in [-0.5, 0.5], `[K * N, 2, H / 2, W / 2]`.
            target_y: Luma of what they should be, `[N, 1, H, W]`.
            target_uv: Chroma of what they should be.
            view: How to look at all of them; those that ``Views`` draws need sides of at
                least 61, for the filters.
        """
        seen, target = to_rgb(y, uv), to_rgb(target_y, target_uv)
        if view is not None:
            seen, target = view.of(seen), view.of(target)
        distance = self._lpips(seen, target)
        if self._bank_weight:
            wanted = torch.cat([target] * (len(seen) // len(target)))
            distance = distance + self._bank_weight * self._bank(seen, wanted)
        return distance

    def lpips(self, y: Tensor, uv: Tensor, target_y: Tensor, target_uv: Tensor) -> Tensor:
        """Returns the LPIPS alone of every picture, as it is; see ``forward``."""
        return self._lpips(to_rgb(y, uv), to_rgb(target_y, target_uv))

    def _lpips(self, seen: Tensor, target: Tensor) -> Tensor:
        """Returns the LPIPS of every picture; the network runs over each target once."""
        everything = self._metric.scaling_layer(2.0 * torch.cat((seen, target)) - 1.0)
        layers = zip(self._metric.net(everything), self._metric.lins, strict=True)
        return torch.stack([self._of_layer(f, len(target), lin) for f, lin in layers]).sum(0)

    def _of_layer(self, features: Tensor, targets: int, weighted: nn.Module) -> Tensor:
        """Returns what one layer adds to the distances."""
        units = self._units(features)
        seen, target = units[:-targets], units[-targets:]
        apart = torch.unflatten(seen, 0, (-1, targets)) - target
        distance: Tensor = weighted(apart.square().flatten(0, 1)).mean((1, 2, 3))
        return distance


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
