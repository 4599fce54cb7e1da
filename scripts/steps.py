"""Compares the ways to enlarge six times: which models run, and in which order.

Clips are made a sixth as large, as they are and coded by x264 at CRF 28, and enlarged again; what
is told is the mean of three frames. Times are of all cores together, so that what else the machine
does counts little.

Example:
    python scripts/steps.py --data data --clips bunny60 --variants balanced
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The checkout's own code is measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import vapoursynth as vs

import vsvqe
from vsvqe.cards import CLEAN_QUANTISER, Card
from vsvqe.evaluation import pictures
from vsvqe.evaluation.recipes import source
from vsvqe.metrics.lpips import Lpips
from vsvqe.training.codecs import coded
from vsvqe.training.recipes import avc
from vsvqe.training.store import Planes

TIMES = 6
CRF = 28
FIRST, FRAMES = 8, 5
# Those that have neighbours on both sides.
SEEN = slice(1, FRAMES - 1)

type Way = Callable[[vs.VideoNode], vs.VideoNode]


def ways(variant: str, backend: str) -> dict[str, Way]:
    """Returns what is compared, by a name that tells the steps."""
    cards = {c.scale: c for c in vsvqe.list_models("superres") if c.variant == variant}

    def run(clip: vs.VideoNode, card: Card, qp: float | None = None) -> vs.VideoNode:
        told = qp if card.heeds_quantiser else None
        return vsvqe.SuperRes(clip, model=card.name, qp=told, backend=backend, fp16=False)

    def chain(*steps: int) -> Way:
        def way(clip: vs.VideoNode) -> vs.VideoNode:
            for number, step in enumerate(steps):
                clip = run(clip, cards[step], CLEAN_QUANTISER if number else None)
            return clip

        return way

    every = [(2, 2, 2), (4, 2), (2, 4), (4,)]
    return {", ".join(map(str, steps)): chain(*steps) for steps in every}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="with valid and weights")
    parser.add_argument("--clips", nargs="+", default=["bunny60", "street"])
    parser.add_argument("--variants", nargs="+", default=["fast", "balanced", "best"])
    parser.add_argument("--backend", default="openvino")
    options = parser.parse_args()
    lpips = Lpips(options.data / "weights" / "alexnet_features_torchvision_layout.pth")
    print("| clip | coded | variant | steps | PSNR-Y dB | LPIPS | seconds a frame |")
    print("|---|---|---|---|--:|--:|--:|")
    for name in options.clips:
        original = source(options.data / "valid" / f"{name}.mp4")[FIRST : FIRST + FRAMES]
        # Whole chroma samples, at a sixth too.
        across, down = (side % (2 * TIMES) for side in (original.width, original.height))
        original = original.std.Crop(right=across, bottom=down)
        width, height = original.width, original.height
        clean = original.resize.Bicubic(width // TIMES, height // TIMES)
        bad = pictures.as_clip(coded(Planes(*pictures.read(clean)), (avc(CRF),))[0], clean)
        luma, rgb = pictures.read(original).y[SEEN].astype(float), pictures.rgb(original)[SEEN]
        for word, clip in (("no", clean), ("yes", bad)):
            for variant in options.variants:
                bicubic = {"bicubic": lambda c, w=width, h=height: c.resize.Bicubic(w, h)}
                for steps, way in (bicubic | ways(variant, options.backend)).items():
                    result = way(clip).resize.Spline36(width, height)
                    began = time.process_time()
                    found = pictures.read(result)
                    taken = (time.process_time() - began) / FRAMES
                    errors = ((found.y[SEEN] - luma) ** 2).mean((1, 2))
                    decibels = np.mean(10 * np.log10(255**2 / errors))
                    # What was computed, and not once more.
                    seen = pictures.rgb(pictures.as_clip(found, original))
                    distance = lpips.distance(rgb, seen[SEEN]).mean()
                    cells = [name, word, variant, steps, f"{decibels:.3f}", f"{distance:.4f}"]
                    print(f"| {' | '.join([*cells, f'{taken:.3f}'])} |", flush=True)


if __name__ == "__main__":
    main()
