"""Scores of ffmpeg's own filters, frame by frame."""

import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np

_FIELDS = {"psnr": "psnr_y:", "ssim": "Y:"}


def ffmpeg_scores(name: str, clean: np.ndarray, damaged: np.ndarray) -> np.ndarray:
    """Runs the ``psnr`` or ``ssim`` filter of the ffmpeg binary over two luma clips."""
    _, height, width = clean.shape
    raw = ["-f", "rawvideo", "-pixel_format", "gray", "-video_size", f"{width}x{height}"]
    with tempfile.TemporaryDirectory() as folder:
        for file, clip in (("damaged", damaged), ("clean", clean)):
            (Path(folder) / file).write_bytes(np.ascontiguousarray(clip).tobytes())
        inputs = [*raw, "-i", "damaged", *raw, "-i", "clean"]
        output = ["-lavfi", f"{name}=stats_file=stats", "-f", "null", "-"]
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *inputs, *output],
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        lines = (Path(folder) / "stats").read_text().splitlines()
    field = _FIELDS[name]
    return np.array([_value(line, field) for line in lines if field in line])


def _value(line: str, field: str) -> float:
    (word,) = (word for word in line.split() if word.startswith(field))
    return float(word.removeprefix(field))
