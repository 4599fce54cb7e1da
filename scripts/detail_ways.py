"""Compares two ways towards texture: blending what two models give, and one of weights in between.

`detail=` of SuperRes blends the results of a faithful model and of its sibling, which began with
it. Network interpolation (ESRGAN, section 3.4) takes one network whose weights lie between theirs.
Measured on the crops of the training's own check, told the quantiser; LPIPS by AlexNet, which
trained neither.

Example:
    python scripts/detail_ways.py --cache cache --weights weights --page docs/training.md
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.cards import Card, list_models
from vsvqe.evaluation.sections import fill_section
from vsvqe.metrics.lpips import Lpips
from vsvqe.nets.planes import PlanesNet
from vsvqe.training.beginnings import interpolated, start_from
from vsvqe.training.designs import DESIGNS
from vsvqe.training.pairs import DAMAGED, Batch, find_pairs
from vsvqe.training.perceptual import to_rgb
from vsvqe.training.plans import family
from vsvqe.training.store import Store
from vsvqe.training.tasks import damage_name, validation_batch

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
ALEXNET = "alexnet_features_torchvision_layout.pth"

Planes = tuple[Tensor, Tensor]
# PSNR-Y and LPIPS of every frame.
Figures = list[tuple[float, float]]


class Couple:
    """A faithful model and its sibling, as networks."""

    def __init__(self, faithful: str) -> None:
        """Loads both.

        Raises:
            ValueError: The model has no sibling.
        """
        cards = {card.name: card for card in list_models("superres")}
        self.card = cards[faithful]
        if self.card.detail is None:
            raise ValueError(f"{faithful} has no sibling")
        self.sibling = cards[self.card.detail]
        self.ends = [network(card) for card in (self.card, self.sibling)]

    def told(self, quantiser: Tensor, share: float) -> Tensor:
        """Returns what is told of the quantiser at a share of the way."""
        most = self.sibling.told_at_most
        capped = quantiser if most is None else quantiser.clamp_max(most)
        return quantiser.lerp(capped, share)

    def blended(self, batch: Batch, share: float) -> Planes:
        """Returns the mean of both residuals."""
        own, other = (
            net.residuals(batch.y, batch.uv, self.told(batch.quantiser, float(end)))
            for end, net in enumerate(self.ends)
        )
        return own[0].lerp(other[0], share), own[1].lerp(other[1], share)

    def between(self, share: float) -> PlanesNet:
        """Returns the network between both."""
        net = DESIGNS[family(self.sibling.name)].net().eval()
        assert isinstance(net, PlanesNet)
        faithful, vivid = (end.state_dict() for end in self.ends)
        net.load_state_dict(interpolated(faithful, vivid, share))
        return net


def network(card: Card) -> PlanesNet:
    """Returns the network that a shipped model was exported from."""
    net = DESIGNS[family(card.name)].net().eval()
    assert isinstance(net, PlanesNet)
    start_from(net, card.path)
    return net


def figures(batch: Batch, residual: Planes, lpips: Lpips) -> Figures:
    """Measures every frame of a batch."""
    y, uv = batch.base_y + residual[0], batch.base_uv + residual[1]
    errors = (y - batch.target_y).square().mean((1, 2, 3))
    codes = (
        (255.0 * to_rgb(*planes)).round().clamp(0, 255).byte().movedim(1, -1).numpy()
        for planes in ((batch.target_y, batch.target_uv), (y, uv))
    )
    distances = lpips.distance(*codes)
    # PSNR counts in codes of 8 bits, of which limited range uses 219.
    psnr = -10.0 * torch.log10(errors * (219.0 / 255.0) ** 2)
    return list(zip(psnr.tolist(), distances.tolist(), strict=True))


def measured(couple: Couple, valid: Store, lpips: Lpips) -> dict[tuple[str, float, str], Figures]:
    """Returns the figures by damage, share and way."""
    found: dict[tuple[str, float, str], Figures] = {}
    scale = couple.card.scale
    networks = {share: couple.between(share) for share in SHARES}
    for pair in find_pairs(valid, DAMAGED[scale], scale):
        batch = validation_batch(valid, pair, couple.ends[0].window, scale)
        for share in SHARES:
            told = couple.told(batch.quantiser, share)
            ways = {
                "blended": couple.blended(batch, share),
                "interpolated": networks[share].residuals(batch.y, batch.uv, told),
            }
            for way, residual in ways.items():
                key = (damage_name(pair), share, way)
                found.setdefault(key, []).extend(figures(batch, residual, lpips))
    return found


def table(models: list[str], valid: Store, lpips: Lpips) -> list[str]:
    """Returns the rows of the table."""
    rows = [
        "| | share | blended: PSNR-Y dB | LPIPS | interpolated: PSNR-Y dB | LPIPS |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for model in models:
        couple = Couple(model)
        found = measured(couple, valid, lpips)
        for damage in dict.fromkeys(key[0] for key in found):
            for share in SHARES:
                cells = []
                for way in ("blended", "interpolated"):
                    psnr, distance = np.mean(found[damage, share, way], axis=0)
                    cells += [f"{psnr:.2f}", f"{distance:.4f}"]
                name = f"`{model}`, `{couple.sibling.name}`, {damage}" if not share else ""
                rows.append(f"| {name} | {share:.2f} | {' | '.join(cells)} |")
    return rows


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description="Compares two ways towards texture.")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--weights", type=Path, required=True, help="folder with AlexNet's")
    parser.add_argument("--models", nargs="+", default=["superres-x2-best-v4"])
    parser.add_argument("--page", type=Path, help="file whose section `ways` is filled")
    options = parser.parse_args()
    with torch.no_grad():
        rows = table(
            options.models, Store(options.cache, "valid-*"), Lpips(options.weights / ALEXNET)
        )
    words = ["python", "scripts/detail_ways.py", "--cache", "cache", "--weights", "weights"]
    words += ["--models", *options.models]
    rows += ["", f"Measured by `{shlex.join(words)}`."]
    if options.page is None:
        print("\n".join(rows))
    else:
        fill_section(options.page, "ways", "\n".join(rows))


if __name__ == "__main__":
    main()
