"""Scores through real encoders and filters; what is kept, and what is measured again."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import psnr

from vsvqe.evaluation.measures import MEASURES
from vsvqe.evaluation.methods import Method, methods
from vsvqe.evaluation.plots import write_plots
from vsvqe.evaluation.recipes import RECIPES, damaged, source
from vsvqe.evaluation.scores import Score, Scorer
from vsvqe.evaluation.speed import measure

HEVC = RECIPES["hevc37"]


class Difference:
    """Stands in for LPIPS, whose weights are no part of the project."""

    def distance(self, reference: np.ndarray, picture: np.ndarray) -> np.ndarray:
        return np.abs(reference.astype(float) - picture).mean(axis=(1, 2, 3))


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return Scorer(tmp_path, Difference(), 2)


def _blurs(asked: list[str]) -> Method:
    """A method with three settings, that remembers which ones were computed."""

    def run(clip: vs.VideoNode) -> Iterator[tuple[str, vs.VideoNode]]:
        for radius in (9, 1, 5):

            def seen(n: int, f: vs.VideoFrame, radius: int = radius) -> vs.VideoFrame:
                asked.append(f"radius={radius}")
                return f

            blurred = clip.std.BoxBlur(0, radius, 1, radius, 1)
            yield f"radius={radius}", blurred.std.ModifyFrame(blurred, seen)

    return Method("blur", "1", run)


def test_figures_of_the_best_setting(scorer: Scorer, large_file: Path, tmp_path: Path) -> None:
    score = scorer.score(large_file, HEVC, _blurs([]))
    best = damaged(large_file, HEVC, tmp_path).std.BoxBlur(0, 1, 1, 1, 1)
    assert score.setting == "radius=1"
    for plane, figure in enumerate((score.psnr_y, score.psnr_u, score.psnr_v)):
        assert figure == pytest.approx(psnr(source(large_file), best, plane), abs=1e-6)
    assert all(math.isfinite(getattr(score, name)) for name in set(MEASURES) - {"flicker"})
    assert score.kbps is not None and 10 < score.kbps < 1000


def test_unchanged_clip(scorer: Scorer, large_file: Path) -> None:
    recipe = RECIPES["uncompressed"]
    score = scorer.score(large_file, recipe, methods(recipe, "cpu")[0])
    assert (score.psnr_y, score.lpips, score.tof, score.kbps) == (math.inf, 0.0, 0.0, None)
    assert [score.ssim_y, score.ms_ssim_y] == pytest.approx([1.0, 1.0], abs=1e-6)


def test_kept_score_is_not_computed_again(scorer: Scorer, large_file: Path) -> None:
    first = scorer.score(large_file, HEVC, _blurs([]))
    asked: list[str] = []
    again = scorer.score(large_file, HEVC, _blurs(asked))
    assert json.dumps(asdict(again)) == json.dumps(asdict(first))
    assert asked == []


def test_missing_figures_are_added_to_a_kept_score(
    scorer: Scorer, large_file: Path, tmp_path: Path
) -> None:
    first = scorer.score(large_file, HEVC, _blurs([]))
    (file,) = (tmp_path / "scores").glob("*.json")
    older = {key: value for key, value in asdict(first).items() if key not in ("flicker", "kbps")}
    file.write_text(json.dumps(older | {"tof": 123.0}))
    asked: list[str] = []
    again = scorer.score(large_file, HEVC, _blurs(asked))
    # What was kept stays, and only the setting that was best then is computed.
    assert again.tof == 123.0
    assert again.kbps == first.kbps
    assert again.flicker == pytest.approx(first.flicker, nan_ok=True)
    assert set(asked) == {"radius=1"}
    assert json.loads(file.read_text())["kbps"] == first.kbps


def test_result_of_another_size_is_refused(scorer: Scorer, large_file: Path) -> None:
    enlarge = Method("large", "1", lambda clip: iter([("", clip.resize.Point(384, 352))]))
    with pytest.raises(ValueError, match="large on hevc37: the result is 384x352"):
        scorer.score(large_file, HEVC, enlarge)


def test_plots_from_scores_and_speeds(scorer: Scorer, large_file: Path, tmp_path: Path) -> None:
    names = ("hevc32", "x2avc")
    scores: list[Score] = []
    speeds = []
    for recipe in (RECIPES[name] for name in names):
        compared = methods(recipe, "cpu")[:1]
        if recipe.scale == 1:
            compared.append(_blurs([]))
        scores += [scorer.score(large_file, recipe, method) for method in compared]
        speeds += measure(large_file, recipe, compared, scores, tmp_path)
    written = write_plots(scores, speeds, tmp_path / "plots")
    assert [path.name for path in written] == [
        "rate_quality_x1.png",
        "rate_quality_x2.png",
        "speed_quality.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert {(speed.recipe, speed.method) for speed in speeds} == {
        (score.recipe, score.method) for score in scores
    }
    assert all(speed.fps > 0 for speed in speeds)


def test_speed_is_that_of_the_filter(large_file: Path, tmp_path: Path) -> None:
    def slow(clip: vs.VideoNode) -> Iterator[tuple[str, vs.VideoNode]]:
        import time

        def wait(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
            time.sleep(0.05)
            return f

        yield "", clip.std.ModifyFrame(clip, wait)

    method = Method("slow", "1", slow)
    score = Score(
        recipe="hevc37", clip="large", method="slow", card=None, setting="", engine="", kbps=1.0,
        psnr_y=1.0, psnr_u=1.0, psnr_v=1.0, ssim_y=1.0, ms_ssim_y=1.0, lpips=1.0, tof=1.0,
        flicker=1.0, blockiness=1.0,
    )  # fmt: skip
    (speed,) = measure(large_file, HEVC, [method], [score], tmp_path)
    assert 0 < speed.fps < 20.5
