"""A clean clip to damage: structure that moves, large enough for every measure."""

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from vsvqe.evaluation import pictures
from vsvqe.evaluation.encode import encode_clip


def moving(width: int, height: int, length: int) -> vs.VideoNode:
    """Gradients that move, 8-bit 4:2:0."""
    blank = vs.core.std.BlankClip(
        format=vs.YUV420P8, width=width, height=height, length=length, fpsnum=30000, fpsden=1001
    )
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin((columns + 3 * t) / 9) * np.cos(rows / 7) for t in range(length)]
    y = 128 + 60 * np.stack(waves)
    chroma = 128 + (y[:, ::2, ::2] - 128) / 2
    planes = [plane.astype(np.uint8) for plane in (y, chroma, 255 - chroma)]
    return pictures.as_clip(planes, blank).std.SetFrameProps(_Matrix=1)


@pytest.fixture(scope="module")
def clip() -> vs.VideoNode:
    """A small one, 130x98."""
    return moving(130, 98, 9)


def lossless(clip: vs.VideoNode, path: Path) -> Path:
    """Encodes without loss."""
    encode_clip(clip, path, "libx264", {"qp": "0"})
    return path


@pytest.fixture(scope="module")
def clean_file(clip: vs.VideoNode, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lossless(clip, tmp_path_factory.mktemp("clean") / "clip.mkv")


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As large as the five scales of MS-SSIM need."""
    return lossless(moving(192, 176, 4), tmp_path_factory.mktemp("large") / "large.mkv")
