"""Real ``vspipe``, real encoders, scripts as users write them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.clips import scene
from support.codecs import X264, X265, encode


@pytest.fixture(scope="session")
def vspipe(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a script through vspipe; ``vapoursynth config`` is run once if it has not been."""
    folder = Path(sys.executable).parent
    program = folder / ("vspipe.exe" if sys.platform == "win32" else "vspipe")

    def run(script: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(program), *(options or ("-c", "y4m")), str(script), "-"],
            capture_output=True,
            env=environment,
            timeout=240,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    script = tmp_path_factory.mktemp("vspipe") / "try.vpy"
    script.write_text(
        "import vapoursynth as vs\n"
        "vs.core.std.BlankClip(width=16, height=16, format=vs.YUV420P8, length=1).set_output()\n"
    )
    if run(script).returncode:
        subprocess.run(
            [sys.executable, "-m", "vapoursynth", "config"], check=False, env=environment
        )
    assert run(script).returncode == 0, run(script).stderr.decode()
    return run


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a script that begins with the imports and a helper for the source."""

    def write(text: str) -> Path:
        path = tmp_path / "script.vpy"
        path.write_text(
            "import vapoursynth as vs\nimport vsvqe as vqe\ncore = vs.core\n"
            "def source(path):\n"
            "    return core.bs.VideoSource(path, cachemode=0)\n" + text,
            encoding="utf-8",
        )
        return path

    return write


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compressed videos of 12 frames with sound, 96x64, by encoder."""
    folder = tmp_path_factory.mktemp("compressed")
    return {
        codec[0]: encode(scene(96, 64, 12), folder / f"{codec[0]}.mp4", codec, audio=True)
        for codec in (X264, X265)
    }


@pytest.fixture
def compressed(videos: dict[str, Path]) -> Path:
    """One of them."""
    return videos["libx264"]
