"""Opens a script in a previewer without a screen, seeks, reloads, and tells what was seen.

A program of its own: previewers own the VapourSynth core of their process. The result is JSON on
standard output.

Usage: python drive.py PREVIEWER SCRIPT FRAMES RELOADS PICTURE SCREENSHOT
"""

import hashlib
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psutil

SEEKS = 8
SECONDS = 120


class Previewer(Protocol):
    """What is done to each of them."""

    def open(self, script: Path) -> None: ...

    def seek(self, frame: int) -> None: ...

    def reload(self) -> None: ...

    def image(self) -> Any:
        """The picture on show, as a QImage."""

    def window(self) -> Any: ...


class VsView:
    def __init__(self) -> None:
        from vsview.app.main import Application, MainWindow
        from vsview.app.plugins.manager import PluginManager

        self._app = Application([sys.argv[0]], no_settings=True)
        PluginManager.load()
        self._window = MainWindow()
        self._window.show()

    def open(self, script: Path) -> None:
        button, loaded = self._window.load_new_script(script)
        self._workspace = button.workspace
        self._until(loaded.done)
        assert loaded.result() == 0
        self._until(lambda: self._workspace.playback.can_reload)

    def seek(self, frame: int) -> None:
        playback = self._workspace.playback
        playback.request_frame(frame)
        self._until(lambda: playback.state.current_frame == frame and playback.can_reload)
        self._settle()

    def reload(self) -> None:
        loaded = self._workspace.reload_content()
        self._until(loaded.done)
        assert loaded.result() == 0
        self._until(lambda: self._workspace.playback.can_reload)

    def image(self) -> Any:
        return self._workspace.tab_manager.current_view.pixmap_item.pixmap().toImage()

    def window(self) -> Any:
        return self._window

    def _until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < end, "the previewer does not answer"
            self._app.processEvents()
            time.sleep(0.002)

    def _settle(self) -> None:
        for _ in range(5):
            self._app.processEvents()


class VsPreview:
    def __init__(self) -> None:
        # First of all, as its own entry point does.
        from vspreview.init import QApplication, set_vsengine_loop

        self._app = QApplication(sys.argv[:1])
        set_vsengine_loop()

    def open(self, script: Path) -> None:
        from vspreview.main import MainWindow

        self._window = MainWindow(script.parent, True, True, False)
        self._window.load_script(script)
        self._app.processEvents()
        assert not self._window.script_exec_failed

    def seek(self, frame: int) -> None:
        self._window.switch_frame(frame)
        self._app.processEvents()

    def reload(self) -> None:
        self._window.reload_script()
        self._app.processEvents()
        assert not self._window.script_exec_failed

    def image(self) -> Any:
        return self._window.current_scene.pixmap().toImage()

    def window(self) -> Any:
        return self._window


PREVIEWERS = {"vsview": VsView, "vspreview": VsPreview}


class Complaints(logging.Handler):
    """Collects what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> None:
    name, script, length, reloads, picture, screenshot = sys.argv[1:]
    previewer: Previewer = PREVIEWERS[name]()
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    rng, process = random.Random(1), psutil.Process()
    seen: dict[int, set[str]] = {}
    memory, files = [], []
    previewer.open(Path(script))
    for turn in range(int(reloads) + 1):
        if turn:
            previewer.reload()
        for frame in rng.choices(range(int(length)), k=SEEKS):
            previewer.seek(frame)
            seen.setdefault(frame, set()).add(digest(previewer.image()))
        memory.append(process.memory_info().rss)
        files.append(process.num_fds() if hasattr(process, "num_fds") else 0)
    previewer.seek(0)
    previewer.image().save(picture)
    previewer.window().grab().save(screenshot)
    result = {
        "seen": {frame: sorted(hashes) for frame, hashes in seen.items()},
        "memory": memory,
        "files": files,
        "errors": complaints.said,
    }
    print(json.dumps(result), flush=True)
    # Windows, threads and the core go down in an order of their own; that is not what is tested.
    os._exit(0)


def digest(image: Any) -> str:
    """Of the pixels alone: what is beyond a line's end is not defined."""
    shown = image.convertToFormat(image.Format.Format_RGB32)
    rows = (
        bytes(memoryview(line(shown, row)).cast("B")[: 4 * shown.width()])
        for row in range(shown.height())
    )
    return hashlib.sha256(b"".join(rows)).hexdigest()


def line(image: Any, row: int) -> Any:
    """The bytes of a line, in either of Qt's bindings."""
    found = image.constScanLine(row)
    if hasattr(found, "setsize"):
        found.setsize(image.bytesPerLine())
    return found


if __name__ == "__main__":
    main()
