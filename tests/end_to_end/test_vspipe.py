"""Scripts through vspipe: the stream is valid byte for byte, and what the process computes."""

import re
import runpy
from pathlib import Path

import pytest
import vapoursynth as vs
from support import checkpoints
from support.clips import pictures, scene
from support.codecs import raw, y4m_frames

pytest.importorskip("av")
if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)


def in_process(script: Path) -> vs.VideoNode:
    """The output of a script, run here."""
    vs.clear_outputs()
    try:
        runpy.run_path(str(script))
        return vs.get_output(0).clip
    finally:
        vs.clear_outputs()


def assert_piped(vspipe, script: Path) -> list[bytes]:
    """Asserts that a script's stream holds what its clip holds, and nothing else."""
    run = vspipe(script)
    assert run.returncode == 0, run.stderr.decode()
    header, frames = y4m_frames(run.stdout)
    clip = in_process(script)
    assert f"W{clip.width} H{clip.height} F{clip.fps_num}:{clip.fps_den}" in header
    assert frames == [raw(planes) for planes in pictures(clip)]
    assert len(frames) == clip.num_frames
    return frames


def test_deblock_then_superres(vspipe, script, compressed):
    path = script(
        f"clip = source({str(compressed)!r})\n"
        "clip = vqe.Deblock(clip, backend='cpu')\n"
        "clip = vqe.SuperRes(clip, scale=2, backend='cpu')\n"
        "clip.set_output()\n"
    )
    assert len(assert_piped(vspipe, path)) == 12


def test_superres_then_deblock_with_other_filters(vspipe, script, compressed):
    path = script(
        f"clip = source({str(compressed)!r})\n"
        "clip = clip.std.Crop(left=2, right=8, top=4).resize.Spline36(90, 62)\n"
        "clip = vqe.SuperRes(clip, backend='cpu')\n"
        "clip = clip.std.Transpose().std.FlipHorizontal()\n"
        "clip = vqe.Deblock(clip, 'auto', backend='cpu', num_streams=2)\n"
        "clip = clip.std.Median(planes=0).resize.Bicubic(format=vs.YUV422P10)\n"
        "clip.set_output()\n"
    )
    assert len(assert_piped(vspipe, path)) == 12


DEGRAIN = """
def degrained(clip):
    motion = clip.mv.Super(pel=1)
    back = motion.mv.Analyse(isb=True, blksize=8, overlap=4)
    forth = motion.mv.Analyse(isb=False, blksize=8, overlap=4)
    return clip.mv.Degrain1(motion, back, forth)
"""


@pytest.mark.skipif(not hasattr(vs.core, "mv"), reason="the mvtools plugin is not installed")
@pytest.mark.parametrize(
    "chain",
    [
        "vqe.SuperRes(vqe.Deblock(degrained(clip), backend='cpu'), backend='cpu')",
        "degrained(vqe.SuperRes(vqe.Deblock(clip, backend='cpu'), backend='cpu'))",
        "vqe.Deblock(degrained(vqe.SuperRes(clip, backend='cpu')), backend='cpu')",
    ],
)
def test_with_mvtools(chain, vspipe, script, compressed):
    path = script(DEGRAIN + f"clip = source({str(compressed)!r})\n{chain}.set_output()\n")
    assert len(assert_piped(vspipe, path)) == 12


def test_checkpoints(vspipe, script, compressed, tmp_path):
    # One is converted while the script is loaded, the other runs on PyTorch.
    for name, shapes in (
        ("image", checkpoints.compact(8, 1, 1)),
        ("recurrent", checkpoints.basicvsr(6, 1, mmagic=True)),
    ):
        checkpoints.saved(tmp_path / f"{name}.pth", checkpoints.random(shapes, gain=0.5))
    path = script(
        f"clip = source({str(compressed)!r})\n"
        f"clip = vqe.Deblock(clip, model={str(tmp_path / 'image.pth')!r}, backend='cpu')\n"
        f"clip = vqe.SuperRes(clip, model={str(tmp_path / 'recurrent.pth')!r}, length=5)\n"
        "clip.set_output()\n"
    )
    assert len(assert_piped(vspipe, path)) == 12


def test_on_openvino(vspipe, script, compressed, openvino):
    path = script(
        f"clip = source({str(compressed)!r})\n"
        "clip = vqe.Deblock(clip, backend='openvino', fp16=False)\n"
        "vqe.SuperRes(clip, backend='openvino', fp16=False).set_output()\n"
    )
    assert_piped(vspipe, path)


def test_strength_zero_is_what_the_decoder_gave(vspipe, script, compressed):
    plain = script(f"source({str(compressed)!r}).set_output()\n")
    wanted = vspipe(plain).stdout
    path = script(f"vqe.Deblock(source({str(compressed)!r}), strength=0).set_output()\n")
    assert vspipe(path).stdout == wanted


def test_noise_of_native_libraries_stays_out_of_the_stream(vspipe, script):
    # The core's own clip, so that the script is about what is printed and nothing else.
    path = script(
        "import ctypes, os\n"
        "from vsvqe.inference import session\n"
        "original = session._opened\n"
        "def noisy(*arguments):\n"
        "    print('python')\n"
        "    ctypes.CDLL(None).printf(b'native\\n')\n"
        "    os.write(1, b'descriptor\\n')\n"
        "    return original(*arguments)\n"
        "session._opened = noisy\n"
        "clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=9)\n"
        "vqe.SuperRes(vqe.Deblock(clip, backend='cpu'), backend='cpu').set_output()\n"
    )
    run = vspipe(path)
    assert run.returncode == 0, run.stderr.decode()
    header, frames = y4m_frames(run.stdout)
    assert header.startswith("YUV4MPEG2 C420")
    assert len(frames) == 9
    for text in (b"python", b"native", b"descriptor"):
        assert run.stderr.count(text) >= 2


def test_tiles_that_shrink_while_frames_are_written_divert_none(vspipe, script):
    # A session is then opened in the middle of the stream.
    path = script(
        "import logging\n"
        "logging.basicConfig()\n"
        "from vsvqe.filters import sessions\n"
        "from vsvqe.inference.errors import OutOfMemory\n"
        "original = sessions.open_session\n"
        "left = [3]\n"
        "class Full:\n"
        "    def __init__(self, session): self.session, self.description = session, 'full'\n"
        "    def run(self, arrays, out):\n"
        "        left[0] -= 1\n"
        "        if arrays[0].shape[-1] > 100 and left[0] < 0:\n"
        "            raise OutOfMemory('out of memory')\n"
        "        self.session.run(arrays, out)\n"
        "def opened(request, backend):\n"
        "    session, backend = original(request, backend)\n"
        "    return Full(session), backend\n"
        "sessions.open_session = opened\n"
        "clip = core.std.BlankClip(width=160, height=96, format=vs.YUV420P8, length=80)\n"
        "vqe.Deblock(clip, backend='cpu', length=4).set_output()\n"
    )
    run = vspipe(path)
    assert run.returncode == 0, run.stderr.decode()
    _, frames = y4m_frames(run.stdout)
    assert len(frames) == 80
    assert run.stderr.count(b"out of memory") == 1


@pytest.mark.parametrize(
    "filters",
    [
        "vqe.Deblock(clip, backend='cpu')",
        "vqe.SuperRes(vqe.Deblock(clip, backend='cpu'), backend='cpu')",
        "vqe.ASTF(clip, backend='cpu')",
    ],
)
def test_a_source_that_raises_ends_with_an_error_and_not_with_a_short_file(vspipe, script, filters):
    path = script(
        "blank = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=60)\n"
        "def choose(n):\n"
        "    if n == 40:\n"
        "        raise RuntimeError('the disc has a scratch')\n"
        "    return blank\n"
        "clip = blank.std.FrameEval(choose)\n"
        f"{filters}.set_output()\n"
    )
    run = vspipe(path)
    assert run.returncode != 0
    assert b"the disc has a scratch" in run.stderr
    y4m_frames(run.stdout)  # what was written is whole frames


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("vqe.Deblock(clip, strength=2)", r"Deblock: strength=2 must be from 0 to 1"),
        ("vqe.SuperRes(clip, scale=3)", r"SuperRes: scale=3 can't be had"),
        ("vqe.ASTF(clip, texture=clip)", r"ASTF: .*texture"),
        ("vqe.Deblock(clip, model='none.onnx')", r"Deblock: model file 'none.onnx' can't be read"),
    ],
)
def test_errors_reach_the_user(vspipe, script, call, text):
    path = script(
        "clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=2)\n"
        f"{call}.set_output()\n"
    )
    run = vspipe(path)
    assert run.returncode != 0
    assert run.stdout == b""
    assert re.search(text, run.stderr.decode())


def test_vspipe_info_names_the_size(vspipe, script):
    path = script(
        "clip = core.std.BlankClip(width=64, height=48, format=vs.YUV420P10, length=7,\n"
        "                          fpsnum=24000, fpsden=1001)\n"
        "vqe.SuperRes(clip, scale=4).set_output()\n"
    )
    text = vspipe(path, "--info").stdout.decode()
    for line in ("Width: 256", "Height: 192", "Frames: 7", "24000/1001", "YUV420P10"):
        assert line in text


def test_the_stream_reader_can_fail():
    frames = b"".join(b"FRAME\n" + raw(planes) for planes in pictures(scene(16, 16, 2)))
    whole = b"YUV4MPEG2 C420 W16 H16 F24:1\n" + frames
    assert len(y4m_frames(whole)[1]) == 2
    for broken in (whole[:-1], whole + b"x", b"printed\n" + whole, whole.replace(b"FRA", b"FRX")):
        with pytest.raises((AssertionError, KeyError)):
            y4m_frames(broken)
