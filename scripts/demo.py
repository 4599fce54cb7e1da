"""Makes a short clip, compresses it, restores and doubles it with vsvqe, and measures the gain.

Everything is written to the folder `demo`: the compressed clip, the script `restore.vpy`, what
`vspipe` made of it, and a picture that shows both. Needs `pip install ".[demo]"` and
`vapoursynth config`; neither a clip nor ffmpeg.

Example:
    python scripts/demo.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

import vsvqe as vqe
from demo_scenes import HEIGHT, SCENE_FRAMES, WIDTH, frames
from vsvqe.evaluation import pictures
from vsvqe.evaluation.encode import encode_clip, encode_frames
from vsvqe.evaluation.recipes import source
from vsvqe.metrics.psnr import psnr
from vsvqe.metrics.ssim import ssim

RATE = Fraction(25)
CRF = 28

SCRIPT = """\
import logging

import vapoursynth as vs
import vsvqe as vqe

logging.basicConfig(level=logging.INFO)  # says on standard error which backend runs
clip = vs.core.bs.VideoSource("compressed.mp4", cachemode=0)  # beside this script
clip = vqe.Deblock(clip)
clip = vqe.SuperRes(clip, scale=2)
clip.set_output()
"""

# What the picture shows of the double-size frames, at 200 %: frame, left, top.
CROP_WIDTH, CROP_HEIGHT, ZOOM = 152, 104, 2
CROPS = (
    (SCENE_FRAMES // 2, 532, 118),
    (2 * SCENE_FRAMES - 3, 446, 122),
    (2 * SCENE_FRAMES - 3, 300, 330),
)


@dataclass(frozen=True)
class Row:
    """One line of the table of figures."""

    name: str
    psnr: float
    ssim: float


def main() -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description="Compress, restore, enlarge, compare.")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)

    print("Drawing two seconds of video ...", flush=True)
    original = drawn()
    small = original.resize.Bicubic(WIDTH // 2, HEIGHT // 2)
    compressed = folder / "compressed.mp4"
    encode_clip(small, compressed, "libx264", {"preset": "medium", "crf": str(CRF)})

    script = folder / "restore.vpy"
    script.write_text(SCRIPT, encoding="utf-8")
    print(f"Running vspipe -c y4m {script} - ...", flush=True)
    began = time.perf_counter()
    restored, engines = piped(script, folder / "restored.mp4")
    seconds = time.perf_counter() - began

    damaged = source(compressed)
    at_size = [row("compressed", small, damaged), row("Deblock", small, vqe.Deblock(damaged))]
    doubled = {
        "bicubic": pictures.read(damaged.resize.Bicubic(WIDTH, HEIGHT)),
        "Lanczos": pictures.read(damaged.resize.Lanczos(WIDTH, HEIGHT)),
        "Deblock + SuperRes": restored,
    }
    truth = pictures.read(original)
    at_double = [scored(name, truth, planes) for name, planes in doubled.items()]
    shown = [doubled["bicubic"], restored, truth]
    before_after([pictures.as_clip(p, original) for p in shown], folder / "before_after.png")

    print()
    print(table(f"at {WIDTH // 2}x{HEIGHT // 2}, against the uncompressed clip", at_size))
    print(table(f"at {WIDTH}x{HEIGHT}, against the original", at_double))
    count = original.num_frames
    print(f"{count} frames in {seconds:.1f} s with start-up: {count / seconds:.1f} frames/s")
    for engine in engines:
        print(f"  {engine}")
    print()
    print(f"The compressed clip:   {told(compressed)}")
    print(f"Restored and doubled:  {told(folder / 'restored.mp4')}, nearly lossless")
    print(f"Made by the script:    {script.resolve()}")
    print(f"Look at this first:    {told(folder / 'before_after.png')}")


def drawn() -> vs.VideoNode:
    """Returns the original: 4:2:0, 8 bits, BT.709."""
    rgb = np.stack(list(frames()))
    blank = vs.core.std.BlankClip(
        format=vs.RGB24,
        width=WIDTH,
        height=HEIGHT,
        length=len(rgb),
        fpsnum=RATE.numerator,
        fpsden=RATE.denominator,
    )
    clip = pictures.as_clip([rgb[..., plane] for plane in range(3)], blank)
    return clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709)


def piped(script: Path, result: Path) -> tuple[pictures.Planes, list[str]]:
    """Runs a script with vspipe and encodes what comes out, as ``vspipe | ffmpeg`` would.

    Args:
        script: The .vpy file.
        result: The video file to write.

    Returns:
        The frames before they were encoded, and what the filters said of their backends.

    Raises:
        SystemExit: vspipe failed; its own message has been printed.
    """
    vspipe = Path(sys.executable).with_name("vspipe")
    log = result.with_suffix(".log")
    seen: list[np.ndarray] = []

    def through(pipe: object) -> Iterator[av.VideoFrame]:
        with av.open(pipe, format="yuv4mpegpipe") as container:
            for frame in container.decode(video=0):
                seen.append(frame.to_ndarray(format="yuv420p"))
                yield frame

    with (
        log.open("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [vspipe, "-c", "y4m", script, "-"], stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        options = {"preset": "medium", "crf": "14"}
        try:
            encode_frames(through(process.stdout), result, "libx264", options, RATE)
        except av.error.FFmpegError as error:
            process.wait()
            raise SystemExit(f"vspipe gave no video ({error}):\n{log.read_text()}") from error
    said = log.read_text(encoding="utf-8")
    if process.returncode:
        raise SystemExit(f"vspipe failed:\n{said}")
    engines = [line.split(":", 2)[-1] for line in said.splitlines() if " runs on " in line]
    raw = np.stack(seen).reshape(len(seen), -1)
    luma, chroma = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
    y, u, v = np.split(raw, [luma, luma + chroma], axis=1)
    half = (-1, HEIGHT // 2, WIDTH // 2)
    planes = pictures.Planes(y.reshape(-1, HEIGHT, WIDTH), u.reshape(half), v.reshape(half))
    return planes, engines


def row(name: str, reference: vs.VideoNode, clip: vs.VideoNode) -> Row:
    """Measures a clip."""
    return scored(name, pictures.read(reference), pictures.read(clip))


def scored(name: str, reference: pictures.Planes, planes: pictures.Planes) -> Row:
    """Measures frames."""
    quality = float(psnr(reference.y, planes.y).mean())
    return Row(name, quality, float(ssim(reference.y, planes.y).mean()))


def table(title: str, rows: list[Row]) -> str:
    """Returns rows as text, with the difference to the first."""
    lines = [f"{title:<52}  PSNR-Y dB           SSIM-Y"]
    first = rows[0]
    for line in rows:
        gains = f"({line.psnr - first.psnr:+.2f})", f"({line.ssim - first.ssim:+.4f})"
        lines.append(
            f"  {line.name:<50}  {line.psnr:5.2f} {gains[0] if line is not first else '':<9}"
            f"     {line.ssim:.4f} {gains[1] if line is not first else ''}"
        )
    return "\n".join(lines) + "\n"


def before_after(clips: list[vs.VideoNode], path: Path) -> None:
    """Draws the same parts of several clips beside each other.

    Args:
        clips: Compressed and enlarged, restored, original.
        path: The picture to write.
    """
    titles = (f"x264 CRF {CRF}, bicubic x2", "Deblock + SuperRes x2", "original")
    gap, head = 6, 26
    wide, high = CROP_WIDTH * ZOOM, CROP_HEIGHT * ZOOM
    size = (len(clips) * (wide + gap) - gap, head + len(CROPS) * (high + gap) - gap)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, (clip, title) in enumerate(zip(clips, titles, strict=True)):
        x = column * (wide + gap)
        draw.text((x + wide / 2, head / 2), title, "black", ImageFont.load_default(16), "mm")
        for line, (number, left, top) in enumerate(CROPS):
            picture = Image.fromarray(pictures.rgb(clip[number])[0])
            part = picture.crop((left, top, left + CROP_WIDTH, top + CROP_HEIGHT))
            sheet.paste(part.resize((wide, high), 0), (x, head + line * (high + gap)))
    sheet.save(path, optimize=True)


def told(path: Path) -> str:
    """Returns where a file is and how large."""
    return f"{path.resolve()} ({path.stat().st_size / 1000:.0f} kB)"


if __name__ == "__main__":
    main()
