"""Video files, and what decoders give, as planes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from vsvqe.training.store import Planes


def decode(path: Path) -> Planes:
    """Decodes a video file to 8-bit 4:2:0 planes.

    Sides are cropped to multiples of four, so that the halved clip is 4:2:0 too.
    """
    with av.open(str(path)) as container:
        whole = stack(container.decode(video=0))
    high, wide = (size // 4 * 4 for size in whole.y.shape[1:])
    return Planes(
        whole.y[:, :high, :wide],
        whole.u[:, : high // 2, : wide // 2],
        whole.v[:, : high // 2, : wide // 2],
    )


def stack(frames: Iterable[av.VideoFrame]) -> Planes:
    """Stacks decoded frames."""
    pictures = [frame.to_ndarray(format="yuv420p") for frame in frames]
    rows, width = pictures[0].shape
    height = rows * 2 // 3
    raw = np.stack(pictures).reshape(len(pictures), -1)
    luma = height * width
    chroma = (len(pictures), height // 2, width // 2)
    return Planes(
        raw[:, :luma].reshape(-1, height, width),
        raw[:, luma : luma * 5 // 4].reshape(chroma),
        raw[:, luma * 5 // 4 :].reshape(chroma),
    )
