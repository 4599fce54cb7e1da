"""``models``, ``doctor`` and ``metrics``, compared with what others say."""

import csv
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image
from support.clips import pictures, scene
from support.codecs import encode

import vsvqe as vqe
from vsvqe.cli import doctor as doctor_module
from vsvqe.native.library import variant

if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)


def test_models_are_listed_shown_and_found(here):
    listed = json.loads(here("models", "list", "--json").stdout)
    assert [fields["name"] for fields in listed] == [card.name for card in vqe.list_models()]
    card = vqe.list_models("deblock")[-1]
    shown = here("models", "show", card.name)
    assert shown.returncode == 0
    assert card.sha256 in shown.stdout
    assert here("models", "where", card.name).stdout.strip() == str(card.path)
    assert card.name in here("models").stdout
    unknown = here("models", "show", "deblock-v0")
    assert unknown.returncode == 2
    assert card.name in unknown.stderr


def test_a_damaged_model_is_found(here, models):
    assert here("models", "verify").returncode == 0
    (models / "quantiser-v3.onnx").write_bytes(b"damaged")
    verified = here("models", "verify")
    assert verified.returncode == 4
    assert "'quantiser-v3' is damaged" in verified.stderr
    assert f"{vqe.list_models('deblock')[0].name}: whole" in verified.stdout


def test_the_doctor_starts_what_works_here(here):
    found = {f["about"]: f for f in json.loads(here("doctor", "--json").stdout)}
    assert found["backend cpu"]["state"] == "ok"
    assert "enhanced a frame" in found["backend cpu"]["found"]
    assert found["models"]["state"] == "ok"
    assert found["compiled code"]["found"] == variant()
    assert f"{sys.version_info.major}.{sys.version_info.minor}." in found["Python"]["found"]
    for finding in found.values():
        assert finding["state"] == "ok" or finding["remedy"], finding


def test_the_doctor_fixes_what_it_safely_can(here, monkeypatch, tmp_path):
    marker = tmp_path / "fixed"

    def check():
        state = "ok" if marker.exists() else "bad"
        fix = (sys.executable, "-c", f"open({str(marker)!r}, 'w')")
        yield doctor_module.Finding("patient", state, "looked at", "do it", fix)

    monkeypatch.setattr(doctor_module, "CHECKS", (check,))
    broken = here("doctor")
    assert broken.returncode == 1
    assert "-> do it" in broken.stdout
    assert "--fix" in broken.stderr
    assert not marker.exists()
    assert here("doctor", "--fix").returncode == 0
    assert marker.exists()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    clip = scene(96, 64, 6)
    good = encode(clip, folder / "good.mkv", ("ffv1", {}))
    bad = encode(clip, folder / "bad.mkv", ("libx264", {"crf": "40", "preset": "veryfast"}))
    return good, bad


def test_metrics_agree_with_opencv(here, pair, tmp_path):
    good, bad = pair
    table, plot = tmp_path / "frames.csv", tmp_path / "plot.png"
    run = here(
        *("metrics", good, bad, good, "-m", "psnr_y", "-m", "psnr_u", "-m", "ssim_y", "-q"),
        *("--label", "truth", "--label", "worse", "--label", "same"),
        *("--csv", table, "--plot", plot, "--json"),
    )
    assert run.returncode == 0, run.stderr
    truth, damaged = (
        pictures(vs.core.bs.VideoSource(str(path), cachemode=0)) for path in (good, bad)
    )
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == ["worse"] * 6 + ["same"] * 6
    for row, one, two in zip(rows, truth, damaged, strict=False):
        for plane, name in ((0, "psnr_y"), (1, "psnr_u")):
            wanted = cv2.PSNR(one[plane], two[plane], 255)
            assert float(row[name]) == pytest.approx(wanted, abs=1e-3)
    worse, same = json.loads(run.stdout)
    assert worse["metrics"]["psnr_y"]["mean"] == pytest.approx(
        np.mean([float(row["psnr_y"]) for row in rows[:6]]), abs=1e-3
    )
    assert same["metrics"]["psnr_y"]["mean"] is None
    assert same["metrics"]["ssim_y"]["mean"] == pytest.approx(1)
    assert Image.open(plot).width > 500


def test_metrics_of_other_sizes_want_to_be_asked(here, pair, tmp_path):
    small = encode(scene(48, 32, 6), tmp_path / "small.mkv", ("ffv1", {}))
    refused = here("metrics", pair[0], small, "-q")
    assert refused.returncode == 3
    assert "--resize" in refused.stderr
    resized = here("metrics", pair[0], small, "-q", "--resize")
    assert resized.returncode == 0
    assert "bicubic" in resized.stdout


def test_the_module_says_what_is_missing(environment):
    code = "import sys; sys.modules['rich_click'] = None\nfrom vsvqe.__main__ import main\nmain()"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 1
    assert 'pip install "vsvqe[cli]"' in run.stderr
    assert "Traceback" not in run.stderr
