"""What of a result is already there, so that a killed command can go on."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from .errors import StorageError
from .storage import flush

_NAME = "journal.jsonl"

PLACED = "placed"
"""The result was about to take its final name: what has it now is ours."""
SOUND = "sound"
"""The source was found to be whole."""


@dataclass(frozen=True)
class Entry:
    """One finished segment."""

    segment: int
    sha256: str
    order: tuple[int, ...]
    """The number within the segment of each of its packets, in decode order."""


class Journal:
    """A folder of finished segments beside the result, and the list of them.

    A segment counts only when its line is complete and its file has the hash that the line says:
    whatever a crash, a full disk or a power cut left of others is computed again.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Describes the folder; ``__enter__`` makes or reopens it.

        Args:
            folder: Where segments go; of this result alone.
            identity: All that the result depends on.
        """
        self.folder = folder
        self._identity = json.loads(json.dumps(identity))
        self._entries: dict[int, Entry] = {}
        self._notes: set[str] = set()
        self._lock = FileLock(folder / "lock")

    def __enter__(self) -> Self:
        """Locks the folder and reads what is in it.

        Raises:
            StorageError: It can't be made, another process uses it, or it is of another command.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError(f"another process is writing this result ({self.folder})") from error
        except OSError as error:
            raise StorageError(
                f"{self.folder} can't be written to: {error.strerror or error}"
            ) from error
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Unlocks the folder; what is in it stays."""
        self._lock.release()

    def finished(self, segment: int, paths: Sequence[Path]) -> Entry | None:
        """Returns what is known of a segment if it is finished and its files are whole."""
        entry = self._entries.get(segment)
        if entry is None or not all(path.is_file() for path in paths):
            return None
        return entry if _sha256(paths) == entry.sha256 else None

    def finish(
        self, segment: int, unfinished: Sequence[Path], paths: Sequence[Path], order: Sequence[int]
    ) -> None:
        """Gives the files of a segment their names: from now on it counts.

        Args:
            segment: Its number.
            unfinished: The complete files, in the folder.
            paths: Their final names, on the same disk.
            order: See ``Entry``.
        """
        for path in unfinished:
            flush(path)
        entry = Entry(segment, _sha256(unfinished), tuple(order))
        for old, new in zip(unfinished, paths, strict=True):
            os.replace(old, new)
        self._append(asdict(entry))
        self._entries[segment] = entry

    def note(self, word: str) -> None:
        """Notes something that holds from now on; ``PLACED`` or ``SOUND``."""
        self._append({"note": word})
        self._notes.add(word)

    def noted(self, word: str) -> bool:
        """Whether this run or an earlier one has noted it."""
        return word in self._notes

    def remove(self) -> None:
        """Removes the folder: the result is complete."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> None:
        lines = self._lines()
        if not lines:
            self._write_first()
            return
        changed = sorted(
            key
            for key in {*lines[0], *self._identity}
            if lines[0].get(key) != self._identity.get(key)
        )
        if changed:
            raise StorageError(
                f"{self.folder} holds the beginning of a result that differs in: "
                f"{', '.join(changed)}; repeat the command that began it, or start over with "
                "--restart"
            )
        for line in lines[1:]:
            if "note" in line:
                self._notes.add(line["note"])
            else:
                self._entries[line["segment"]] = Entry(
                    line["segment"], line["sha256"], tuple(line["order"])
                )

    def _lines(self) -> list[dict[str, Any]]:
        """Reads the journal up to the first line that a crash cut short, and cuts it there."""
        path = self.folder / _NAME
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
        found, whole = [], 0
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                found.append(json.loads(line))
            except ValueError:
                break
            whole += len(line)
        if whole < len(data):
            with path.open("r+b") as file:
                file.truncate(whole)
        return found

    def _write_first(self) -> None:
        try:
            self._append(self._identity)
        except OSError as error:
            raise StorageError(
                f"{self.folder} can't be written to: {error.strerror or error}"
            ) from error

    def _append(self, line: Mapping[str, Any]) -> None:
        with (self.folder / _NAME).open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _sha256(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
