"""Fixtures; the helpers themselves are in ``support``."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Several processes test at once: threads of PyTorch would wait for cores that another process has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import support.models
import vapoursynth as vs

import vsvqe
from vsvqe import cards
from vsvqe.inference import session

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
# To look for more: pytest --hypothesis-profile=explore
hypothesis.settings.register_profile("explore", deadline=None, max_examples=300)
hypothesis.settings.load_profile("default")

HAS_OPENVINO = importlib.util.find_spec("openvino") is not None
BACKENDS = [
    "cpu",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(not HAS_OPENVINO, reason="the openvino package is not installed"),
    ),
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend that runs without a GPU."""
    return str(request.param)


@pytest.fixture
def openvino() -> None:
    """Skips where the openvino package is missing."""
    if not HAS_OPENVINO:
        pytest.skip("the openvino package is not installed")


@pytest.fixture
def no_gpu() -> None:
    """Skips where there is an NVIDIA driver."""
    if session.has_nvidia_driver():
        pytest.skip("there is an NVIDIA GPU here")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real clips, described in its README."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VSVQE_TEST_DATA", beside))
    if not (folder / "valid").is_dir():
        pytest.skip("no real clips here; VSVQE_TEST_DATA names their folder")
    return folder


@pytest.fixture
def fresh_sessions() -> Iterator[None]:
    """Empties the process-wide cache of sessions, before and after."""
    session._cache.clear()
    session._reported.clear()
    yield
    session._cache.clear()
    session._reported.clear()


@contextlib.contextmanager
def models_from(folder: Path) -> Iterator[Path]:
    """Lets the package find its shipped models in another folder."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(cards, "models_folder", lambda: folder)
        cards._cards.cache_clear()
        yield folder
    cards._cards.cache_clear()


def copy_models(folder: Path) -> Path:
    """Copies the shipped models to a new folder."""
    folder.mkdir()
    for file in cards.models_folder().iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    """A copy of the folder of shipped models, free to be damaged."""
    with models_from(copy_models(tmp_path / "models")) as folder:
        yield folder


@contextlib.contextmanager
def stand_ins(factory: pytest.TempPathFactory, *, aligned: bool) -> Iterator[Path]:
    """Puts models under the names of the shipped ones in which every frame of a window counts.

    What is to be shown of windows, chunks and tiles shows in these, however little a trained
    model may care.
    """
    folder = copy_models(factory.mktemp("stand-ins") / "models")
    support.models.windowed(folder, "deblock", 1, aligned=aligned)
    support.models.windowed(folder, "superres", 2, aligned=aligned)
    with models_from(folder):
        yield folder


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand-ins that see a run of frames."""
    with stand_ins(tmp_path_factory, aligned=False) as folder:
        yield folder


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand-ins that want their neighbours aligned."""
    with stand_ins(tmp_path_factory, aligned=True) as folder:
        yield folder


@pytest.fixture(scope="module", params=["shipped", "windowed", "aligned"])
def either(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The shipped models, then both kinds of stand-ins."""
    # Not by way of the fixtures above: they would live on, one over the other, to the end of the
    # module.
    if request.param == "shipped":
        yield request.param
        return
    with stand_ins(tmp_path_factory, aligned=request.param == "aligned"):
        yield request.param


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the core's number of threads, until the end of the test."""
    before = vs.core.num_threads

    def set_to(count: int) -> None:
        vs.core.num_threads = count

    yield set_to
    vs.core.num_threads = before


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """An environment for subprocesses that import the vsvqe under test."""
    package = str(Path(vsvqe.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def python(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python code in a process of its own."""

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=240,
            check=False,
        )

    return run
