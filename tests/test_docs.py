"""The documentation: Python blocks are run, shell blocks name options that exist, links lead on."""

import contextlib
import inspect
import io
import re
import runpy
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import vapoursynth as vs
from support import checkpoints
from support.clips import scene
from support.codecs import encode
from support.models import nearest

import vsvqe as vqe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# A comment before a block may give it values, in Python, that its page does not show.
_BLOCK = re.compile(
    r"(?:^<!-- given: (?P<given>.*?) -->\n+)?^```(?P<kind>\w+)\n(?P<code>.*?)^```", re.S | re.M
)
_LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")
# What depends on hardware may be refused, if it says so.
_NEEDS = re.compile(r"OnnxCuda|TensorRT|device=\"GPU\"")

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not run from a checkout")


class Block(NamedTuple):
    page: str
    line: int
    kind: str
    given: str
    code: str


def blocks(kind: str) -> list[Any]:
    found = []
    for page in PAGES if (ROOT / "docs").is_dir() else []:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match["kind"] == kind:
                line = text.count("\n", 0, match.start("code")) + 1
                block = Block(page.name, line, kind, match["given"] or "", match["code"])
                found.append(pytest.param(block, id=f"{page.name}:{line}"))
    return found


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives headings."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.+?) *$", without_code(page), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = (f"{anchor}-{number}" for number in range(1, len(found) + 1))
        found.add(anchor if anchor not in found else next(a for a in again if a not in found))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(without_code(page)):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_and_picture_can_be_reached() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in _LINK.findall(without_code(page))
    }
    files = {path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".png")}
    assert not files - linked - {ROOT / "docs" / "README.md"}
    contents = without_code(ROOT / "docs" / "README.md")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in contents, page.name


def test_there_are_examples() -> None:
    assert len(blocks("python")) > 10
    assert len(blocks("sh")) > 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that examples name."""
    folder = tmp_path_factory.mktemp("docs")
    encode(scene(160, 96, 6), folder / "input.mp4", ("libx264", {"preset": "veryfast"}))
    for name, scale in (("other.onnx", 1), ("model.onnx", 2)):
        nearest(folder, scale=scale).rename(folder / name)
    restoring = checkpoints.basicvsrpp(8, 1, mmagic=True, enlarges=False)
    for name, shapes in (
        ("model", checkpoints.compact(8, 1, 2)),
        ("realesr-animevideov3", checkpoints.compact(8, 1, 4)),
        ("RealESRGAN_x4plus", checkpoints.compact(8, 1, 4)),
        ("dncnn_25", checkpoints.compact(8, 1, 1)),
        ("RealBasicVSR_x4", checkpoints.realbasicvsr(8, 1, 1)),
        ("basicvsr_plusplus_ntire_decompress", restoring),
    ):
        checkpoints.saved(folder / f"{name}.pth", checkpoints.random(shapes))
    (folder / "engines").mkdir()
    return folder


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    clip = scene(160, 96, 6)
    names: dict[str, Any] = {"vs": vs, "vqe": vqe, "core": vs.core, "clip": clip, "np": np}
    exec(block.given, names)
    try:
        exec(compile(block.code, f"{block.page}:{block.line}", "exec"), names)
        check_signatures(names)
        result = names["clip"]
        if isinstance(result, vs.VideoNode):
            result.get_frame(1).close()
    except vs.Error as error:
        assert _NEEDS.search(block.code), error
        assert re.search(r"CUDA|TensorRT|GPU", str(error))
    finally:
        vs.clear_outputs()


def check_signatures(names: dict[str, Any]) -> None:
    """Filters that a block defines are shown as they are."""
    for name in set(names) & set(vqe.__all__):
        shown, real = (
            [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]
            for f in (names[name], getattr(vqe, name))
        )
        assert shown == real, name


@cache
def help_of(script: str, *command: str) -> str:
    """What a script says of itself, run in this process: all share what they import."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", [script, *command, "--help"])
        patch.syspath_prepend(ROOT / "scripts")
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / script), run_name="__main__")
    assert not end.value.code
    return said.getvalue()


@cache
def help_of_command(name: str) -> set[str]:
    """The options of a command; of one with commands of its own, those of all."""
    import rich_click as click

    from vsvqe.cli.app import main

    command: Any = main.get_command(click.Context(main), name)
    assert command is not None, f"there is no vsvqe {name}"
    every = [command, *getattr(command, "commands", {}).values()]
    return {"--help"} | {option for one in every for p in one.params for option in p.opts}


@pytest.mark.parametrize("block", blocks("sh"))
def test_shell_names_what_exists(block: Block) -> None:
    lines = block.code.replace("\\\n", " ").splitlines()
    commands = [shlex.split(part) for line in lines for part in re.split(r"\||&&", line)]
    for words in filter(None, commands):
        if len(words) > 1 and words[1].startswith("scripts/"):
            script = words[1]
            assert (ROOT / script).is_file()
            command = words[2:3] if script.endswith(("train.py", "ablations.py")) else []
            known = help_of(script, *command)
            for option in (word for word in words if word.startswith("--")):
                assert option in known, f"{script} has no {option}"
        elif words[0] == "vsvqe" and not words[1].startswith("-"):
            known = help_of_command(words[1])
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in known, f"vsvqe {words[1]} has no {option}"
        else:
            known_tools = r"(\.venv/bin/)?(python3?|pip|vapoursynth|vspipe|ffmpeg|ruff|mypy|vsvqe)$"
            assert re.match(known_tools, words[0]), words
