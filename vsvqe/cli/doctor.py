"""``vsvqe doctor``: whether this machine can run the filters, and what to do where it can't."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import rich_click as click
import vapoursynth as vs
from rich.text import Text

import vsvqe

from ..cards import find, list_models
from ..inference import nvidia, openvino
from ..inference.errors import InferenceError, ModelError
from ..inference.packages import is_installed
from ..inference.session import has_nvidia_driver
from ..native import library
from . import console
from .exits import Exit

GOOD, MISSING, BAD = "ok", "missing", "bad"
_STYLES = {GOOD: "green", MISSING: "yellow", BAD: "bold red"}
_SECONDS = 120


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    state: str
    """``ok``; ``missing``: works without; ``bad``: something does not work."""
    found: str
    remedy: str | None = None
    """What to type or do."""
    fix: tuple[str, ...] | None = None
    """A command that is safe to run unasked with ``--fix``."""


@click.command()
@click.option("--fix", is_flag=True, help="Run what is safe to run of the remedies.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(fix: bool, as_json: bool) -> None:
    """Look at everything the filters need on this machine.

    Every backend is really started and enhances a frame. Exit code 1 if something is broken; what
    is merely not installed is named with the line that installs it.
    """
    found = []
    for check in CHECKS:
        for finding in check():
            if finding.state != GOOD and fix and finding.fix:
                finding = _fixed(finding, check)
            found.append(finding)
            if not as_json:
                _show(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    elif any(finding.fix and finding.state != GOOD for finding in found):
        console.say("vsvqe doctor --fix runs the remedies that are safe to run.")
    if any(finding.state == BAD for finding in found):
        raise SystemExit(Exit.FAILED)


def _show(finding: Finding) -> None:
    mark = Text(f"{finding.state:8}", style=_STYLES[finding.state])
    console.out.print(mark + Text(f"{finding.about}: {finding.found}"), soft_wrap=True)
    if finding.remedy and finding.state != GOOD:
        console.out.print(Text(f"{'':8}-> {finding.remedy}"), soft_wrap=True)


def _fixed(finding: Finding, check: Callable[[], Iterator[Finding]]) -> Finding:
    assert finding.fix is not None
    console.say(f"running {' '.join(finding.fix)}")
    done = subprocess.run(
        finding.fix, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    console.say((done.stdout + done.stderr).strip())
    return next((again for again in check() if again.about == finding.about), finding)


def _python() -> Iterator[Finding]:
    good = sys.version_info >= (3, 12)
    found = f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"
    yield Finding("Python", GOOD if good else BAD, found, "install Python 3.12 or newer")
    yield Finding("vsvqe", GOOD, f"{version('vsvqe')} in {Path(vsvqe.__file__).parent}")


def _vapoursynth() -> Iterator[Finding]:
    yield Finding("VapourSynth", GOOD, f"R{vs.core.core_version.release_major}")
    yield _vspipe()
    names = sorted(plugin.namespace for plugin in vs.core.plugins())
    yield Finding("plugins", GOOD, ", ".join(names))
    source = Finding(
        "BestSource",
        GOOD if hasattr(vs.core, "bs") else MISSING,
        "core.bs opens video files" if hasattr(vs.core, "bs") else "not installed",
        "pip install vapoursynth-bestsource",
    )
    yield source
    if hasattr(vs.core, "ov"):
        yield Finding(
            "vapoursynth-mlrt-ov",
            BAD,
            "installed; its libraries have the names of those of the openvino package",
            "pip uninstall vapoursynth-mlrt-ov, or do without backend='openvino'",
        )


def _vspipe() -> Finding:
    """Runs a script of one frame, as an encoder's pipe would."""
    config = (sys.executable, "-m", "vapoursynth", "config")
    beside = Path(sys.executable).with_name("vspipe.exe" if os.name == "nt" else "vspipe")
    program = str(beside) if beside.is_file() else shutil.which("vspipe")
    if program is None:
        return Finding("vspipe", MISSING, "not found", "pip install vapoursynth")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "try.vpy"
        script.write_text(
            "import vapoursynth as vs\n"
            "vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=1).set_output()\n"
        )
        try:
            done = subprocess.run(
                [program, str(script), "-"],
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return Finding("vspipe", BAD, str(error), "vapoursynth config", config)
    if done.returncode == 0 and len(done.stdout) == 256:
        return Finding("vspipe", GOOD, f"{program} runs scripts")
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return Finding(
        "vspipe", BAD, said[-1] if said else "gives no frame", "vapoursynth config", config
    )


def _compiled() -> Iterator[Finding]:
    variant = library.variant()
    yield Finding(
        "compiled code",
        MISSING if variant is None else GOOD,
        "none for this processor: all works, and slower" if variant is None else variant,
        "install vsvqe again, on this machine",
    )


def _models() -> Iterator[Finding]:
    for card in list_models():
        try:
            find(card.name, card.task)
        except ModelError as error:
            yield Finding(f"model {card.name}", BAD, str(error), "install vsvqe again")
            return
    yield Finding("models", GOOD, f"{len(list_models())}, all whole")


def _backends() -> Iterator[Finding]:
    """Starts each backend in a process of its own: a driver that crashes is a finding too."""
    import onnxruntime

    providers = ", ".join(onnxruntime.get_available_providers())
    yield Finding("ONNX Runtime", GOOD, f"{onnxruntime.__version__}, built with {providers}")
    gpu = has_nvidia_driver()
    for name in ("cpu", "openvino", "cuda", "tensorrt"):
        if name in ("cuda", "tensorrt") and not gpu:
            continue
        yield _backend(name)
    if not gpu:
        yield Finding(
            "NVIDIA GPU",
            MISSING,
            "no driver; the CPU will do",
            'with such a GPU: install its driver, then pip install "vsvqe[cuda]"',
        )


_TRY = """
import sys
import vapoursynth as vs, vsvqe as vqe
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=64, length=2)
clip = clip.std.SetFrameProps(_Matrix=1)
vqe.Deblock(clip, model=sys.argv[2], backend=sys.argv[1]).get_frame(0).close()
"""


def _backend(name: str) -> Finding:
    smallest = min(list_models("deblock"), key=lambda card: card.parameters)
    package = Path(vsvqe.__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY, name, smallest.name],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired:
        return Finding(f"backend {name}", BAD, f"did nothing for {_SECONDS} s")
    if done.returncode == 0:
        return Finding(f"backend {name}", GOOD, "started and enhanced a frame")
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    said = said.removeprefix("vapoursynth.Error: ")
    extra = {"openvino": "openvino", "cuda": "cuda", "tensorrt": "cuda"}.get(name)
    installed = name != "openvino" or is_installed("openvino")
    return Finding(
        f"backend {name}",
        BAD if installed else MISSING,
        said,
        f'pip install "vsvqe[{extra}]"' if extra else "pip install --force-reinstall onnxruntime",
    )


def _gpu() -> Iterator[Finding]:
    if not has_nvidia_driver():
        return
    try:
        rows = nvidia.query("name", "driver_version", "memory.free", "memory.total")
    except InferenceError as error:
        yield Finding("NVIDIA GPU", BAD, str(error), "install the driver again")
        return
    for index, (name, driver, free, total) in enumerate(rows):
        yield Finding(f"GPU {index}", GOOD, f"{name}, driver {driver}, {free} of {total} free")
    wanted = ("nvidia-cuda-runtime", "nvidia-cublas", "nvidia-cudnn-cu13", "tensorrt-cu13-libs")
    for package in wanted:
        there = is_installed(package)
        yield Finding(
            package,
            GOOD if there else MISSING,
            version(package) if there else "not installed",
            'pip install "vsvqe[cuda]"',
        )


def _openvino() -> Iterator[Finding]:
    if not is_installed("openvino"):
        yield Finding("OpenVINO", MISSING, "not installed", 'pip install "vsvqe[openvino]"')
        return
    core = openvino.imported().Core()
    devices = [f"{d} ({core.get_property(d, 'FULL_DEVICE_NAME')})" for d in core.available_devices]
    yield Finding("OpenVINO", GOOD, f"{version('openvino')}, devices: {', '.join(devices)}")


def _encoders() -> Iterator[Finding]:
    import av

    found = []
    for name in ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks"):
        try:
            av.codec.Codec(name, "w")
        except ValueError:
            continue
        found.append(name)
    yield Finding(
        "encoders",
        GOOD if found else BAD,
        f"PyAV {av.__version__}: {', '.join(found)}",
        "pip install av",
    )


def _folders() -> Iterator[Finding]:
    for about, folder in (
        ("temporary files", Path(tempfile.gettempdir())),
        ("this folder", Path.cwd()),
    ):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            state, said = BAD, f"{folder}: {error.strerror or error}"
        else:
            free = shutil.disk_usage(folder).free / 2**30
            state, said = GOOD, f"{folder} can be written to, {free:.1f} GiB free"
        yield Finding(about, state, said, "name or change to a folder of your own")


CHECKS: Sequence[Callable[[], Iterator[Finding]]] = (
    _python,
    _vapoursynth,
    _compiled,
    _models,
    _backends,
    _gpu,
    _openvino,
    _encoders,
    _folders,
)
"""Everything that is looked at, in this order."""
