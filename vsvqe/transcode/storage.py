"""Files that appear whole or not at all, and what is said when they can't."""

import errno
import io
import os
from collections.abc import Buffer, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import StorageError


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turns what the system says while a file is written into ``StorageError``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = "the disk is full; make room and repeat the command, which goes on from here"
        elif error.errno == errno.EFBIG:
            said = "the file system or a limit of this account allows no larger file"
        else:
            said = error.strerror or str(error)
        raise StorageError(f"{path} can't be written: {said}") from error


class Unbuffered(io.FileIO):
    """A file for FFmpeg to write to, that holds at once what is written.

    FFmpeg opens a file a second time, by its name, to move the index of an MP4 to the front; what
    still waited in a buffer of Python's would be missing there.
    """

    def __init__(self, path: Path) -> None:
        """Creates the file."""
        super().__init__(str(path), "wb")
        self._failure: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Writes all of it: FFmpeg does not ask how much was."""
        left = memoryview(data).cast("B")
        whole = len(left)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self._failure = self._failure or error
            raise
        return whole

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Raises what the system said first, whatever became of that on its way back."""
        try:
            yield
        except Exception as error:
            if self._failure is not None and error is not self._failure:
                raise self._failure from error
            raise


def flush(path: Path) -> None:
    """Waits until a file is on the disk: a name must not outlive its content in a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def place(unfinished: Path, path: Path) -> None:
    """Gives a complete file its final name, in one step and for good."""
    flush(unfinished)
    os.replace(unfinished, path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
