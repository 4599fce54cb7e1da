"""``Stabilize`` in scripts through vspipe, and on real clips."""

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import pictures, same, scene
from support.codecs import encode, y4m_frames

from .test_vspipe import assert_piped

pytest.importorskip("av")
if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)

import vsvqe as vqe
from vsvqe.metrics import stability


@pytest.fixture(scope="module")
def shaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compressed clip whose camera jumps to and fro."""
    clip = scene(160, 96, 24, speed=(0, 0))
    wide = scene(200, 136, 24, speed=(0, 0))
    rng = np.random.default_rng(0)
    places = rng.integers(8, 32, (24, 2))
    frames = [
        wide[n].std.CropAbs(160, 96, int(x) // 2 * 2, int(y) // 2 * 2)
        for n, (x, y) in enumerate(places)
    ]
    joined = vs.core.std.Splice(frames).std.CopyFrameProps(clip)
    return encode(joined, tmp_path_factory.mktemp("shaken") / "shaken.mp4")


@pytest.mark.parametrize("border", ["fill", "crop", "zoom"])
def test_through_vspipe(vspipe, script, shaken, border):
    path = script(
        f"clip = source({str(shaken)!r})\n"
        f"vqe.Stabilize(clip, border={border!r}, dxmax=12, dymax=8, zoommax=1.1, rotmax=3)"
        ".set_output()\n"
    )
    assert len(assert_piped(vspipe, path)) == 24


def test_between_other_filters(vspipe, script, shaken):
    path = script(
        f"clip = source({str(shaken)!r})\n"
        "clip = vqe.Stabilize(vqe.Deblock(clip, backend='cpu'))\n"
        "clip = vqe.SuperRes(clip, backend='cpu')\n"
        "vqe.Stabilize(clip, tripod=True).set_output()\n"
    )
    assert len(assert_piped(vspipe, path)) == 24


def test_clip_and_mask_are_two_outputs(vspipe, script, shaken):
    path = script(
        f"clip, mask = vqe.Stabilize(source({str(shaken)!r}), mask=True)\n"
        "clip.set_output(0)\n"
        "mask.resize.Point(format=vs.YUV444P8, matrix=1, range=0).set_output(1)\n"
    )
    run = vspipe(path, "-c", "y4m", "-o", "1")
    assert run.returncode == 0, run.stderr.decode()
    header, frames = y4m_frames(run.stdout)
    assert "W160 H96" in header
    lumas = np.stack([np.frombuffer(frame, np.uint8)[: 160 * 96] for frame in frames])
    assert lumas.shape[0] == 24
    assert set(np.unique(lumas)) == {16, 235}


def test_errors_reach_the_user(vspipe, script):
    path = script(
        "clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=2)\n"
        "vqe.Stabilize(clip, border='blur').set_output()\n"
    )
    run = vspipe(path)
    assert run.returncode != 0
    assert run.stdout == b""
    assert b"Stabilize: border='blur' must be one of 'fill', 'mirror'" in run.stderr


def real(data: Path, name: str, first: int, last: int) -> vs.VideoNode:
    path = data / "shaky" / name
    if not path.exists():
        pytest.skip(f"{name} is not among the real clips here")
    return vs.core.bs.VideoSource(str(path), cachemode=0)[first:last]


def lumas(clip: vs.VideoNode) -> np.ndarray:
    return np.stack([planes[0] for planes in pictures(clip)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["meshflow_video1.m4v", "meshflow_video5.m4v"])
def test_real_clips_get_steady(data, name):
    clip = real(data, name, 100, 170)
    steady = vqe.Stabilize(clip)
    before, after = (stability.motions(lumas(c)) for c in (clip, steady))
    aspect = clip.width / clip.height
    assert stability.jitter(after, aspect) < 0.2 * stability.jitter(before, aspect)
    registered = stability.registrations(lumas(clip), lumas(steady), every=20)
    assert stability.cropping_ratio(registered) == pytest.approx(1.0, abs=0.01)
    assert stability.distortion(registered) > 0.9


@pytest.mark.slow
def test_a_seek_in_a_real_clip_gives_the_same(data):
    clip = real(data, "meshflow_video1.m4v", 0, 200)
    run = vqe.Stabilize(clip, smoothing=10)
    wanted = {n: planes for n, planes in enumerate(pictures(run[100:116]), 100)}
    again = vqe.Stabilize(clip, smoothing=10)
    for n in (110, 101, 115, 100):
        with again.get_frame(n) as frame:
            assert same([np.array(frame[p]) for p in range(3)], wanted[n])
