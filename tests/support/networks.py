"""Small networks of the package's own kind, exported as if they were shipped."""

from pathlib import Path

import torch

from vsvqe import cards
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.window import Window
from vsvqe.training.export import export

TOLD = "deblock-told-v1"


def told(folder: Path, *, quantiser_map: bool = True) -> PlanesNet:
    """Adds a model of Deblock, by the name of ``TOLD``, that is told the quantiser.

    Args:
        folder: Of model cards.
        quantiser_map: Whether in every way, or by its response alone.
    """
    window = Window((-1, 0, 1), aligned=True, kernel="bilinear")
    torch.manual_seed(0)
    net = PlanesNet(window, 1, 8, 1, responsive=True, quantiser_map=quantiser_map)
    spread = {"neighbours": 0.02, "tail": 0.1, "response": 0.1, "quantiser_map": 0.1}
    for name, weights in net.named_parameters():
        if (part := name.partition(".")[0]) in spread:
            torch.nn.init.normal_(weights, std=spread[part])
    export(net, folder, TOLD, "For tests.", {})
    cards._cards.cache_clear()
    return net.eval()
