"""Generated parts of pages: what scripts measured goes where a page has a place for it."""

import os
import re
from pathlib import Path


def fill_section(path: Path, name: str, text: str) -> None:
    """Replaces what is between ``<!-- name: begin -->`` and ``<!-- name: end -->`` in a file.

    Raises:
        ValueError: The file has no such section.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
    old = path.read_text(encoding="utf-8")
    if not section.search(old):
        raise ValueError(f"{path} has no section {begin} ... {end}")
    write(path, section.sub(lambda _: f"\n{text}\n\n", old))


def write(path: Path, text: str) -> None:
    """Writes a file, at once or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
