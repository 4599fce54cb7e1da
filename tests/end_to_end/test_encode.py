"""The whole way: a compressed file, a script, vspipe piped to ffmpeg, a file again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import bars, difference, pictures
from support.codecs import audio_packets, decode, encode, video_facts

import vsvqe as vqe

ffmpeg = pytest.importorskip("imageio_ffmpeg")
if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)

LOSSLESS = {"codec": ["-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"], "suffix": ".mkv"}


@pytest.fixture
def piped(vspipe, environment):
    """Runs ``vspipe script | ffmpeg``, with the sound of the source beside it."""

    def run(script: Path, source: Path, out: Path, *codec: str) -> None:
        writer = subprocess.Popen(
            [str(Path(sys.executable).parent / "vspipe"), "-c", "y4m", str(script), "-"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        reader = subprocess.run(
            [
                *(ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", "-", "-i", str(source)),
                *("-map", "0:v", "-map", "1:a?", "-c:a", "copy", *codec, str(out)),
            ],
            stdin=writer.stdout,
            capture_output=True,
            timeout=200,
            check=False,
        )
        assert writer.stdout is not None
        writer.stdout.close()
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors.decode()
        assert reader.returncode == 0, reader.stderr.decode()

    return run


CHAINS = {
    "deblock first": (
        "clip = vqe.Deblock(clip, backend='cpu')\n"
        "clip = clip.std.Crop(top=2).resize.Bicubic(96, 60)\n"
        "clip = vqe.SuperRes(clip, backend='cpu')\n",
        (192, 120),
    ),
    "superres first": (
        "clip = vqe.SuperRes(clip, backend='cpu')\n"
        "clip = clip.std.Median(planes=0)\n"
        "clip = vqe.Deblock(clip, 0.7, backend='cpu')\n",
        (192, 128),
    ),
    "astf between": (
        "clip = clip.std.Crop(left=2, right=4)\n"
        "clip = vqe.ASTF(clip, sharpen=0.2, backend='cpu')\n"
        "crisp = clip.std.Convolution([0, -1, 0, -1, 12, -1, 0, -1, 0])\n"
        "clip = vqe.ASTF(texture=crisp, smooth=vqe.Deblock(clip, backend='cpu'))\n"
        "clip = clip.std.FlipHorizontal()\n",
        (90, 64),
    ),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_lossless_file_holds_what_the_filters_gave(chain, compressed, script, piped, tmp_path):
    text, size = CHAINS[chain]
    path = script(f"clip = source({str(compressed)!r})\n{text}clip.set_output()\n")
    out = tmp_path / "out.mkv"
    piped(path, compressed, out, *("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"))
    width, height, pixels, rate = video_facts(out)
    assert (width, height, pixels) == (*size, "yuv420p")
    assert abs(float(rate) - 24000 / 1001) < 0.01
    names: dict = {}
    exec(path.read_text(), names)
    vs.clear_outputs()
    wanted = pictures(names["clip"])
    got = decode(out)
    assert len(got) == len(wanted) == 12
    assert max(difference(a, b) for a, b in zip(got, wanted, strict=True)) == 0


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_frame_count_format_and_sound(encoder, videos, script, piped, tmp_path):
    compressed = videos["libx265" if encoder == "libx264" else "libx264"]
    path = script(
        f"clip = source({str(compressed)!r})\n"
        "clip = vqe.SuperRes(vqe.Deblock(clip, 'auto'), scale=2)\n"
        "clip.set_output()\n"
    )
    out = tmp_path / "out.mp4"
    piped(path, compressed, out, "-c:v", encoder, "-preset", "ultrafast", "-crf", "20")
    assert len(decode(out)) == 12
    assert video_facts(out)[:3] == (192, 128, "yuv420p")
    sound = audio_packets(compressed)
    assert len(sound) > 10
    assert audio_packets(out) == sound


def test_ten_bits_stay_ten_bits(compressed, script, piped, tmp_path):
    path = script(
        f"clip = source({str(compressed)!r}).resize.Bicubic(format=vs.YUV420P10)\n"
        "vqe.Deblock(clip, backend='cpu').set_output()\n"
    )
    out = tmp_path / "out.mkv"
    piped(
        path,
        compressed,
        out,
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "lossless=1:log-level=none",
    )
    assert video_facts(out)[:3] == (96, 64, "yuv420p10le")
    wanted = vqe.Deblock(
        vs.core.bs.VideoSource(str(compressed), cachemode=0).resize.Bicubic(format=vs.YUV420P10),
        backend="cpu",
    )
    for got, expected in zip(decode(out), pictures(wanted), strict=True):
        assert difference(got, expected) == 0


def test_colour_bars_at_strength_zero(script, piped, tmp_path):
    source = encode(bars(), tmp_path / "bars.mp4", ("libx264", {"crf": "10"}))
    path = script(f"vqe.Deblock(source({str(source)!r}), strength=0).set_output()\n")
    out = tmp_path / "out.mkv"
    piped(path, source, out, "-c:v", "libx264", "-crf", "1")
    before, after = decode(source), decode(out)
    assert len(before) == len(after) == 8
    for a, b in zip(before, after, strict=True):
        for x, y in zip(a, b, strict=True):
            # Away from the edges of the bars, where an encoder may do as it likes.
            assert np.median(np.abs(x.astype(int) - y)) <= 1
            columns = x.shape[1] // 8
            centres = slice(columns // 2, None, columns)
            assert np.abs(x[:, centres].astype(int) - y[:, centres]).max() <= 1
