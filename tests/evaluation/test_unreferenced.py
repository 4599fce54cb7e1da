"""Scores of clips without an original, and the script that makes the page of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from scipy.ndimage import gaussian_filter

from vsvqe.evaluation import pictures, unreferenced
from vsvqe.evaluation.methods import Method, methods, select
from vsvqe.evaluation.unreferenced import COLUMNS, FOUND, UnreferencedScorer
from vsvqe.metrics.niqe import Niqe, features

from .conftest import lossless


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wall beside a textured picture, both still, with noise; 64x56, six frames."""
    rng = np.random.default_rng(5)
    still = 120 + 25 * gaussian_filter(rng.normal(size=(56, 64)), 0.8)
    still[:, :24] = 120
    y = np.stack([still] * 6) + rng.normal(0, 0.4, (6, 56, 64))
    chroma = np.full((6, 28, 32), 128, np.uint8)
    planes = [np.clip(np.rint(y), 16, 235).astype(np.uint8), chroma, chroma]
    blank = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=56, length=6)
    clip = pictures.as_clip(planes, blank).std.SetFrameProps(_Matrix=1)
    return lossless(clip, tmp_path_factory.mktemp("found") / "found.mkv")


@pytest.fixture(scope="module")
def niqe() -> Niqe:
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.normal(size=(20, 192, 288)), (0, 1.5, 1.5))
    seen = np.concatenate([features(128 + 120 * picture) for picture in noise])
    return Niqe(seen.mean(axis=0), np.cov(seen, rowvar=False))


def boiling(asked: list[int]) -> Method:
    """An enlargement with other noise in every frame."""

    def run(clip: vs.VideoNode) -> Iterator[tuple[str, vs.VideoNode]]:
        large = clip.resize.Bicubic(4 * clip.width, 4 * clip.height)
        planes = pictures.read(large)
        asked.append(len(planes.y))
        noise = np.random.default_rng(1).normal(0, 6, planes.y.shape)
        y = np.clip(planes.y + noise, 0, 255).astype(np.uint8)
        yield "", pictures.as_clip([y, planes.u, planes.v], large)

    return Method("boiling", "1", run)


def test_boiling_is_found(found: Path, niqe: Niqe, tmp_path: Path) -> None:
    scorer = UnreferencedScorer(tmp_path, niqe, 4, 2)
    bicubic = scorer.score(found, methods(FOUND, "cpu")[0])
    asked: list[int] = []
    noisy = scorer.score(found, boiling(asked))
    assert asked == [4]
    assert bicubic.flicker == 0.0
    assert noisy.flicker > 3
    # Two frames of noise differ by the root of two times as much.
    assert noisy.warping == pytest.approx(6 * 2**0.5, rel=0.15)
    assert bicubic.warping < 2
    assert np.isfinite(bicubic.niqe) and noisy.niqe != bicubic.niqe
    assert scorer.score(found, boiling(asked)) == noisy
    assert asked == [4]


def test_results_of_other_sizes_are_refused(found: Path, niqe: Niqe, tmp_path: Path) -> None:
    double = Method("double", "1", lambda clip: iter([("", clip.resize.Point(128, 112))]))
    with pytest.raises(ValueError, match="double: the result is 128x112, 4 frames; the input 64"):
        UnreferencedScorer(tmp_path, niqe, 4, 2).score(found, double)


def test_page(found: Path, niqe: Niqe, tmp_path: Path) -> None:
    scorer = UnreferencedScorer(tmp_path, niqe, 3, 2)
    scores = [scorer.score(found, method) for method in (*methods(FOUND, "cpu")[:2], boiling([]))]
    page = unreferenced.markdown(scores, "python measure.py", 3, 2)
    assert "The first 3 frames" in page and "one frame and pair in 2" in page
    for column in COLUMNS:
        shown = [f"{getattr(score, column.name):.{column.digits}f}" for score in scores]
        assert f"| found | {' | '.join(shown)} |" in page
    assert f"| boiling | {scores[2].niqe:.2f} | {scores[2].warping:.2f} |" in page


def test_the_engine_of_each_method_is_told(found: Path, niqe: Niqe, tmp_path: Path) -> None:
    scorer = UnreferencedScorer(tmp_path, niqe, 2, 1)
    (ours,) = select(FOUND, "cpu", ["SuperRes(4)"])
    assert "ONNX Runtime" in scorer.score(found, ours).engine
    assert scorer.score(found, methods(FOUND, "cpu")[0]).engine == ""
