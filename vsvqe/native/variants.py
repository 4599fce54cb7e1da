"""Which files hold the compiled code, by processor. It knows nothing but Python: it builds, too."""

import platform
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "built"

_SUFFIXES = {"win32": ".dll", "darwin": ".dylib"}


def variants() -> dict[str, str]:
    """Returns what the compiler calls the processors that there is code for, the best first.

    By the name of the variant; none for machines that the package has no code for.
    """
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return {"avx512": "x86_64_v4", "avx2": "x86_64_v3"}
    if machine in ("aarch64", "arm64") and sys.platform != "win32":
        return {"arm64": "generic"}
    return {}


def path(variant: str) -> Path:
    """Returns where the library of a variant is, if it was built."""
    return FOLDER / f"kernels-{variant}{_SUFFIXES.get(sys.platform, '.so')}"
