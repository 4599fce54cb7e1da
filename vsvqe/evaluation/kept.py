"""What was measured once, in files, for the next time."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Kept:
    """Figures by all that they depend on, each in a file of its own."""

    def __init__(self, folder: Path) -> None:
        """Remembers where they are; the folder is made when there is something to keep."""
        self._folder = folder

    def read(self, label: str, key: Sequence[Any]) -> dict[str, Any]:
        """Returns what was kept, nothing if there is none.

        Args:
            label: Begins the name of the file, for people.
            key: All that the figures depend on, as JSON can say it.
        """
        file = self._file(label, key)
        if not file.is_file():
            return {}
        figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return figures

    def write(self, label: str, key: Sequence[Any], figures: Mapping[str, Any]) -> None:
        """Keeps figures in place of what was kept before; see ``read``."""
        file = self._file(label, key)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(figures), encoding="utf-8")
        os.replace(unfinished, file)

    def _file(self, label: str, key: Sequence[Any]) -> Path:
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
        return self._folder / f"{label}-{name}.json"


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
