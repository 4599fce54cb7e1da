"""Measures what ``Stabilize`` takes: on one core and on two, for a jump, and of memory.

What two cores can give at most is measured beside it: two processes of one thread each, which share
nothing but the machine.

Decoded frames are held in memory, so decoding is in none of the figures. Speeds are what `vspipe`
says of its own run. Every figure is of processes of their own, which take turns; all but those of
memory, which is measured on Linux only, are medians.

Example:
    python scripts/stabilize_scaling.py data/shaky/gopro_max_heromode.mp4 --out docs/stabilize.md
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# The checkout's own code is measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vsvqe.evaluation.sections import fill_section

ROOT = Path(__file__).resolve().parents[1]

# Of a run whose speed is measured: several times what a frame's window has.
LENGTH = 800

# A palindrome has no cut where it begins anew. The last line of a run is the figure.
PREPARE = """\
import resource, time
import cv2
import vapoursynth as vs
import vsvqe as vqe
threads = {threads}
vs.core.num_threads = threads
cv2.setNumThreads(1)
shot = vs.core.bs.VideoSource({path!r}, cachemode=0)[:100].resize.Bicubic(848, 480)
shot.std.SetVideoCache(mode=1, fixedsize=1, maxsize=100)
clip = (shot + shot[::-1]).std.Loop({length} // 200 + 1)[:{length}]
for frame in shot.frames(close=True):
    pass
steady = vqe.Stabilize(clip)
"""
JUMP = """\
began = time.perf_counter()
steady.get_frame({frame}).close()
print(time.perf_counter() - began)
"""
MEMORY = """\
for frame in steady.frames(close=True):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # KiB on Linux
"""
SPEED = "steady.set_output()\n"
SPOKEN = re.compile(r"\(([\d.]+) fps\)")


def figure(body: str, path: Path, *, threads: int, length: int, frame: int = 0) -> float:
    """Runs a script in a process of its own and returns the number that it prints last."""
    text = (PREPARE + body).format(
        path=str(path.resolve()), threads=threads, length=length, frame=frame
    )
    ((printed, _),) = outputs([sys.executable, "-c", text], 1)
    return float(printed.split()[-1])


def speed(path: Path, processes: int, *, threads: int, length: int) -> float:
    """Returns the frames a second that processes of `vspipe` together give."""
    text = (PREPARE + SPEED).format(path=str(path.resolve()), threads=threads, length=length)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "steady.vpy")
        script.write_text(text, encoding="utf-8")
        vspipe = Path(sys.executable).with_name("vspipe")
        said = outputs([str(vspipe), str(script), "--"], processes)
    return sum(float(SPOKEN.findall(errors)[-1]) for _, errors in said)


def outputs(command: list[str], count: int) -> list[tuple[str, str]]:
    """Runs a command in several processes at a time; returns what each prints, and its errors."""
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    # Each says less than what a pipe holds, so none waits for another to be read.
    said = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, said, strict=True):
        if process.returncode:
            raise SystemExit(f"{command[0]} failed:\n{errors}")
    return said


def table(path: Path, turns: int, jump: int, lengths: tuple[int, int]) -> list[str]:
    """Measures everything; returns the rows of a table."""
    one, two, apart, start, far = ([] for _ in range(5))
    for _ in range(turns):
        one.append(speed(path, 1, threads=1, length=LENGTH))
        two.append(speed(path, 1, threads=2, length=LENGTH))
        apart.append(speed(path, 2, threads=1, length=LENGTH))
        start.append(figure(JUMP, path, threads=2, length=jump + 1000, frame=200))
        far.append(figure(JUMP, path, threads=2, length=jump + 1000, frame=jump))
    ratio, most = (
        statistics.median(b / a for a, b in zip(one, both, strict=True)) for both in (two, apart)
    )
    peaks = [figure(MEMORY, path, threads=2, length=length) for length in lengths]
    return [
        f"| 848x480, decoding left out, {LENGTH} frames | |",
        "| --- | --: |",
        f"| one thread | {statistics.median(one):.1f} frames/s |",
        f"| two threads | {statistics.median(two):.1f} frames/s |",
        f"| two against one, median of the turns | {ratio:.2f} |",
        f"| two processes of one thread, together, against one | {most:.2f} |",
        f"| first frame asked for is 200 | {statistics.median(start):.2f} s |",
        f"| first frame asked for is {jump} | {statistics.median(far):.2f} s |",
        f"| most memory in a run of {lengths[0]} frames | {peaks[0]:.0f} MiB |",
        f"| most memory in a run of {lengths[1]} frames | {peaks[1]:.0f} MiB |",
    ]


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description="Measures what Stabilize takes.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--jump", type=int, default=5000, help="frame to jump to")
    parser.add_argument("--lengths", type=int, nargs=2, default=(300, 1500), help="of long runs")
    parser.add_argument("--out", type=Path, help="file whose section `scaling` is filled")
    options = parser.parse_args()
    lines = table(options.clip, options.turns, options.jump, tuple(options.lengths))
    command = ["python", "scripts/stabilize_scaling.py", f"data/shaky/{options.clip.name}"]
    command += ["--turns", str(options.turns), "--jump", str(options.jump), "--lengths"]
    command += [*map(str, options.lengths), "--out", "docs/stabilize.md"]
    lines += ["", f"Measured by `{shlex.join(command)}`."]
    if options.out is None:
        print("\n".join(lines))
    else:
        fill_section(options.out, "scaling", "\n".join(lines))


if __name__ == "__main__":
    main()
