"""A script with all filters in the previewers that people have, without a screen."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from cli.movies import movie
from PIL import Image
from support.clips import pictures

if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)

FRAMES, RELOADS = 24, 10
SCRIPT = """\
import vapoursynth as vs
import vsvqe as vqe

clip = vs.core.bs.VideoSource({path!r}, cachemode=0)
clip = vqe.Stabilize(clip)
clip = vqe.Deblock(clip, model="deblock-fast-v9")
clip = vqe.ASTF(clip)
clip = vqe.SuperRes(clip, model="superres-x2-fast-v2")
clip.set_output()
"""
# They want different versions of one package, and so an environment each.
INSTALL = {
    "vsview": 'pip install "vsvqe[preview]"',
    "vspreview": 'pip install vspreview "vsjetpack<2"',
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTALL)
def test_seeking_and_reloading(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: {INSTALL[name]}")
    film = movie(tmp_path / "film.mkv", FRAMES, size=(128, 96), beside=False)
    script, shown, screenshot = (tmp_path / part for part in ("four.vpy", "shown.png", "shot.png"))
    script.write_text(SCRIPT.format(path=str(film)))
    run = subprocess.run(
        [
            *(sys.executable, Path(__file__).with_name("drive.py"), name, script),
            *map(str, (FRAMES, RELOADS, shown, screenshot)),
        ],
        capture_output=True,
        text=True,
        # Their settings stay away from the user's.
        env={**environment, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path)},
        cwd=tmp_path,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert result["errors"] == []

    # A frame is the same whenever it is looked at, and no two are.
    hashes = list(result["seen"].values())
    assert len(hashes) > FRAMES / 2
    assert all(len(found) == 1 for found in hashes)
    assert len({found[0] for found in hashes}) == len(hashes)

    # Ten reloads leave nothing open, and no memory behind: a filter that stayed would show.
    assert len(set(result["files"][1:])) == 1
    memory = [size / 2**20 for size in result["memory"]]
    assert max(memory[-4:]) < max(memory[1:5]) + 100

    names: dict = {}
    exec(script.read_text(), names)
    vs.clear_outputs()
    rgb = names["clip"][0].resize.Bicubic(format=vs.RGB24, matrix_in=vs.MATRIX_BT709)
    wanted = np.stack(pictures(rgb)[0], axis=-1).astype(int)
    got = np.asarray(Image.open(shown).convert("RGB")).astype(int)
    assert got.shape == wanted.shape
    # Each resamples chroma in its own way.
    assert abs(got - wanted).mean() < 2
    window = np.asarray(Image.open(screenshot).convert("RGB")).astype(int)
    assert window.shape[0] > got.shape[0]
    assert window.std() > 10
