"""Tables, sections and cards from scores that were made up."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from vsvqe.evaluation import report, sections
from vsvqe.evaluation.measures import MEASURES
from vsvqe.evaluation.scores import Score


def _score(recipe: str, clip: str, method: str, quality: float, card: str | None = None) -> Score:
    return Score(
        recipe=recipe,
        clip=clip,
        method=method,
        card=card,
        setting="",
        engine="an engine" if card else "",
        kbps=None if recipe == "uncompressed" else 100.0,
        psnr_y=quality,
        psnr_u=quality + 5,
        psnr_v=quality + 6,
        ssim_y=quality / 100,
        ms_ssim_y=quality / 100,
        lpips=1 / quality,
        tof=0.1,
        flicker=math.nan if clip == "cat" else 1 / quality,
        blockiness=2.0,
    )


@pytest.fixture
def scores() -> list[Score]:
    return [
        _score("hevc37", "dog", "input", 30.0),
        _score("hevc37", "cat", "input", 32.0),
        _score("hevc37", "dog", "ffmpeg spp", 30.25),
        _score("hevc37", "cat", "ffmpeg spp", 32.25),
        _score("hevc37", "dog", "ours", 31.0, "deblock-x"),
        _score("hevc37", "cat", "ours", 32.5, "deblock-x"),
        _score("uncompressed", "dog", "input", math.inf),
        _score("uncompressed", "dog", "ours", 60.0, "deblock-x"),
    ]


def test_markdown_has_means_gains_and_every_clip(scores: list[Score]) -> None:
    text = report.markdown(scores, "python scripts/evaluate.py", 4)
    assert "| ours | **31.75** (+0.75) | **36.75** (+0.75) | **37.75** (+0.75) |" in text
    assert "| ours | 32.50 (+0.50) | 31.00 (+1.00) |" in text
    assert "| input | **equal** |" in text
    assert "nan" not in text
    assert all(measure.title in text for measure in MEASURES.values())
    # A clip in which nothing is flat is left out of the mean.
    assert "| **0.100** (+0.000) | **0.032** (-0.001) | **2.00** (+0.00) |" in text
    assert "| *kbit/s* | *100* | *100* |" in text


def test_plots_are_shown(scores: list[Score]) -> None:
    text = report.markdown(scores, "", 4, [Path("plots/speed_quality.png")])
    assert "![speed quality](plots/speed_quality.png)" in text


def test_summary_has_the_worst_clip_and_the_best_of_the_others(scores: list[Score]) -> None:
    (row,) = (line for line in report.summary(scores, "").splitlines() if "deblock-x" in line)
    assert "31.75 | +0.75 | +0.50 | +0.25 | +0.75, +0.75 |" in row


def test_scores_come_back_from_a_file(scores: list[Score], tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    report.write_csv(scores, path)
    # Not a number is not equal to itself, but its text is.
    assert list(map(repr, report.read_csv(path))) == list(map(repr, scores))


def test_section_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    for text in ("new \\1", "newer"):
        sections.fill_section(page, "figures", text)
    assert page.read_text() == (
        "before\n<!-- figures: begin -->\n\nnewer\n\n<!-- figures: end -->\nafter\n"
    )
    with pytest.raises(ValueError, match="no section"):
        sections.fill_section(page, "speed", "")


def test_cards_keep_what_else_they_say(scores: list[Score], tmp_path: Path) -> None:
    card = tmp_path / "deblock-x.json"
    card.write_text(json.dumps({"name": "deblock-x", "gains": {"avc35": {"kept": 1}}}))
    assert report.update_cards(scores, "the command", tmp_path) == [card]
    fields = json.loads(card.read_text())
    assert fields["name"] == "deblock-x"
    assert fields["gains"]["avc35"] == {"kept": 1}
    gain = fields["gains"]["hevc37"]["over input"]["psnr_y"]
    assert gain == {"mean": 0.75, "clips": {"cat": 0.5, "dog": 1.0}}
    assert fields["gains"]["uncompressed"]["psnr_y"]["mean"] == 60.0


def test_an_unchanged_clip_has_no_psnr_in_a_card(scores: list[Score], tmp_path: Path) -> None:
    card = tmp_path / "deblock-x.json"
    card.write_text(json.dumps({"name": "deblock-x"}))
    same = [
        replace(score, psnr_y=math.inf) if score.recipe == "uncompressed" else score
        for score in scores
    ]
    report.update_cards(same, "the command", tmp_path)
    fields = json.loads(card.read_text(), parse_constant=pytest.fail)
    psnr = fields["gains"]["uncompressed"]["psnr_y"]
    assert set(psnr["clips"].values()) == {psnr["mean"]} == {None}


def test_new_scores_take_the_place_of_old_ones(scores: list[Score], tmp_path: Path) -> None:
    report.write_csv(scores, tmp_path / "old.csv")
    old = report.read_csv(tmp_path / "old.csv")
    new = [
        _score("hevc37", clip, method, quality, "deblock-y")
        for clip in ("dog", "cat")
        for method, quality in (("newer", 33.0), ("input", 29.0))
    ]
    order = {"hevc37": ["input", "newer", "ffmpeg spp"], "uncompressed": ["input", "ours"]}
    both = report.added(old, new, order)
    (coded, clean) = report.tables(both)
    assert coded.methods == ["input", "newer", "ffmpeg spp"]
    assert coded.values("input", "psnr_y") == [29.0, 29.0]
    assert coded.values("newer", "psnr_y") == [33.0, 33.0]
    assert coded.values("ffmpeg spp", "psnr_y") == [32.25, 30.25]
    assert clean.methods == ["input", "ours"]
    # What no table has any more is gone.
    assert not [score for score in both if score.recipe == "hevc37" and score.method == "ours"]


def test_scores_of_different_encodes_are_told() -> None:
    one, again = _score("hevc37", "dog", "input", 30.0), _score("hevc37", "dog", "ours", 31.0)
    assert report.mixed([one, again]) == []
    assert report.mixed([one, replace(again, kbps=1.5)]) == [("hevc37", "dog")]
    # Another clip has another rate.
    assert report.mixed([one, replace(again, clip="cat", kbps=1.5)]) == []
