"""The scripts as they are called, on a clip that is drawn."""

import csv
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsvqe.evaluation import report
from vsvqe.evaluation.measures import MEASURES
from vsvqe.evaluation.scores import Score

SCRIPTS = Path(__file__).parents[2] / "scripts"

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="not run from a checkout")


def _run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPTS / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def folder(large_file: Path, tmp_path: Path) -> Path:
    """A folder of data with one clip."""
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid" / "drawn.mp4").symlink_to(large_file)
    return tmp_path


def test_contact_sheet(folder: Path) -> None:
    run = _run(
        *("contact_sheet.py", "--data", folder, "--recipes", "x2clean", "--backend", "cpu"),
        *("--methods", "Lanczos", "resize.Bilinear(192, 176)", "--crops", "8,8,40,30,corner"),
        *("--work", folder / "work", "--out", folder / "sheets"),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    sheet = np.asarray(Image.open(folder / "sheets" / "x2clean-drawn.png"))
    # Four columns, and the one crop at three frames.
    assert sheet.shape[1] == 4 * (3 * 40 + 6) + 6
    assert sheet.shape[0] == 38 + 3 * (3 * 30 + 18 + 6) + 6


@pytest.mark.slow
def test_evaluation_of_a_chain(folder: Path, data: Path) -> None:
    (folder / "weights").symlink_to(data / "weights")
    out = folder / "out" / "page.md"
    run = _run(
        *("evaluate.py", "--data", folder, "--recipes", "mpeg2-20", "--backend", "cpu"),
        *("--methods", "std.BoxBlur(0, 12, 1, 12, 1)", "--work", folder / "work"),
        *("--out", out, "--plots", out.parent / "plots"),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    page = out.read_text()
    assert "![speed quality](plots/speed_quality.png)" in page
    assert "--methods 'std.BoxBlur(0, 12, 1, 12, 1)'" in page
    with out.with_suffix(".csv").open() as file:
        before, blurred = csv.DictReader(file)
    assert (before["method"], blurred["method"]) == ("input", "std.BoxBlur(0, 12, 1, 12, 1)")
    for measure in ("psnr_y", "ssim_y", "ms_ssim_y"):
        assert float(blurred[measure]) < float(before[measure])
    assert float(blurred["lpips"]) > float(before["lpips"])
    assert float(blurred["blockiness"]) < float(before["blockiness"])


@pytest.mark.slow
def test_evaluation_of_clips_without_an_original(folder: Path, data: Path) -> None:
    (folder / "weights").symlink_to(data / "weights")
    (folder / "valid").rename(folder / "lowq")
    out, sheets = folder / "page.md", folder / "sheets"
    run = _run(
        *("evaluate_real.py", "--data", folder, "--frames", 2, "--backend", "cpu"),
        *("--methods", "Lanczos", "soft: resize.Bilinear(768, 704)", "--work", folder / "work"),
        *("--sheets", sheets, "--out", out),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    page = out.read_text()
    assert "| clip | bicubic | Lanczos | soft |" in page
    assert "The first 2 frames" in page
    # Four columns of crops that are shown twice as large.
    assert Image.open(sheets / "drawn.png").width == 4 * (2 * 176 + 6) + 6


@pytest.mark.parametrize(
    ("script", "mistake", "told"),
    [
        ("evaluate.py", ("--methods", "Deblok()"), "there is no filter Deblok"),
        ("contact_sheet.py", ("--methods", "Lanzcos"), "or take one of 'Lanczos'"),
        ("contact_sheet.py", ("--clips", "nothing"), "no such clips"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(
    script: str, mistake: tuple[str, str], told: str, folder: Path
) -> None:
    run = _run(script, "--data", folder, "--recipes", "hevc37", "--out", folder / "out", *mistake)
    assert run.returncode == 2
    assert told in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_astf_tables(folder: Path, data: Path) -> None:
    (folder / "weights").symlink_to(data / "weights")
    page, figure = folder / "astf.md", folder / "astf.png"
    run = _run(
        *("astf_tables.py", "--data", folder, "--recipe", "uncompressed", "--frames", 2),
        *("--backend", "cpu", "--every", 1, "--work", folder / "work", "--out", page),
        *("--figure", figure, "--shown", "drawn"),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    text = page.read_text()
    rows = ("input", "stage 1", "texture", "smooth", "fused", "fused, sharpen=0.5")
    for row in (*rows, "radius=5", "window=5", 'normalize="fixed"', "fixed"):
        assert f"\n| {row} | " in text
    assert "--backend cpu" in text
    assert Image.open(figure).width > 8 * 2 * 90


def test_pages_of_filters_are_filled_from_what_was_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(recipe: str, method: str, card: str | None, quality: float) -> Score:
        figures = {name: quality / 100 for name in MEASURES}
        return Score(
            recipe=recipe,
            clip="drawn",
            method=method,
            card=card,
            setting="",
            engine="an engine" if card else "",
            kbps=100.0,
            **{**figures, "psnr_y": quality},
        )

    scores = [
        score("hevc37", "input", None, 30.0),
        score("hevc37", "ours", "deblock-x", 30.5),
        score("x2avc", "bicubic", None, 31.0),
        score("x2avc", "ours", "superres-x", 33.0),
    ]
    report.write_csv(scores, tmp_path / "evaluation.csv")
    (tmp_path / "evaluation.md").write_text("# Evaluation\n\n```sh\npython measure.py\n```\n")
    for name in ("deblock", "superres"):
        page = f"before\n<!-- figures: begin -->\n<!-- figures: end -->\n{name}\n"
        (tmp_path / f"{name}.md").write_text(page)
    # In this process, which has imported most of what the script does.
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setattr(sys, "argv", ["filter_pages.py", "figures", "--docs", str(tmp_path)])
    runpy.run_path(str(SCRIPTS / "filter_pages.py"), run_name="__main__")
    deblock, superres = ((tmp_path / f"{n}.md").read_text() for n in ("deblock", "superres"))
    assert "| `deblock-x` | 30.50 | +0.50 |" in deblock
    assert "superres-x" not in deblock
    assert "| `superres-x` | 33.00 | +2.00 |" in superres
    assert "Measured by `python measure.py`" in superres
    assert superres.endswith("superres\n")
