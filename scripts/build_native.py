"""Compiles what is in C, when the package is built; by itself, into the source tree.

The compiler comes from PyPI (`ziglang`), so that none has to be installed. The library that it
makes is for the machine that the package is built on, and for several generations of its
processors.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

ROOT = Path(__file__).parents[1]
NATIVE = ROOT / "vsvqe" / "native"

_FLAGS = (
    "-shared",
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
# Half of what these processors can do would lie idle otherwise.
_WIDE = {"avx512": ("-mprefer-vector-width=512",)}
# Of the oldest Linux that the library is for.
_GLIBC = "2.17"
# It takes five. A compiler that hangs must not hang an installation.
_SECONDS = 300


class NativeBuildHook(BuildHookInterface[Any]):
    """Compiles the library into the wheel, and names the machines that the wheel is for."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Is called by hatchling before a wheel is put together."""
        built = build()
        if not built:
            return
        build_data["artifacts"] += [f"/{path.relative_to(ROOT).as_posix()}" for path in built]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"


def build() -> list[Path]:
    """Compiles all variants for this machine, and returns their files; none if there are none."""
    variants = _variants()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(_compiled, variants.path(name), name, processor, Path(scratch, name))
            for name, processor in variants.variants().items()
        ]
        return [job.result() for job in jobs]


def _compiled(path: Path, variant: str, processor: str, scratch: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    scratch.mkdir()
    # A cache of its own works where there is no home to write to, and for several at a time.
    caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(scratch))
    staged = path.with_suffix(".new")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", _target(), f"-mcpu={processor}"]
    command += [*_FLAGS, *_WIDE.get(variant, ()), "-o", str(staged)]
    command += map(str, sorted(NATIVE.glob("*.c")))
    subprocess.run(command, check=True, env=os.environ | caches, cwd=scratch, timeout=_SECONDS)
    os.replace(staged, path)
    return path


def _target() -> str:
    """Returns what the compiler calls this system."""
    machine = "x86_64" if platform.machine().lower() in ("x86_64", "amd64") else "aarch64"
    if sys.platform == "win32":
        return f"{machine}-windows-gnu"
    if sys.platform == "darwin":
        return f"{machine}-macos"
    return f"{machine}-linux-musl" if _musl() else f"{machine}-linux-gnu.{_GLIBC}"


def _platform() -> str:
    """Returns what a wheel for this system calls it."""
    best = next(platform_tags())
    if sys.platform != "linux" or _musl():
        return best
    return f"manylinux_{_GLIBC.replace('.', '_')}_{platform.machine()}"


def _musl() -> bool:
    return any(tag.startswith("musllinux") for tag in platform_tags())


def _variants() -> ModuleType:
    """Returns a module of the package without the package, whose needs are not there."""
    spec = importlib.util.spec_from_file_location("variants", NATIVE / "variants.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    for made in build():
        print(made.relative_to(ROOT))
