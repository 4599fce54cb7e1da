"""One source, its filters and its result, from the first look to the last rename."""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import av
import vapoursynth as vs

from .. import list_models
from ..inference.backends import thread_count
from ..inference.engines import ENGINES
from ..inference.packages import installed_version
from ..inference.session import engines_noted
from . import images, integrity, mux, segments, timeline
from .companions import Keep
from .encoder import GRID, Encoding, Picture, pixel_format
from .errors import FilterError, SourceError, StorageError
from .journal import PLACED, SOUND, Journal
from .script import Call, Script, reason, refusals
from .storage import place, written
from .timeline import Excerpt, Timeline

logger = logging.getLogger(__name__)

IMAGE_RATE = Fraction(25)
"""Frames a second of images whose rate nobody says."""

# Their version may change a pixel; PyTorch and spandrel run or convert checkpoints.
_PACKAGES = (
    "vsvqe",
    "av",
    "numpy",
    "onnx",
    "opencv-python-headless",
    "scipy",
    "spandrel",
    "torch",
    *ENGINES,
)
_PROBED = 1 << 20


class Progress(Protocol):
    """Is told how far a job is."""

    def begin(self, text: str, total: int) -> None:
        """Begins a stage of so many steps."""

    def advance(self, steps: int, *, found: bool = False) -> None:
        """Goes on; ``found``: these steps were done by an earlier run."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done; nothing happens before ``run`` or ``script``."""

    source: str
    """A video file, or a pattern of numbered images."""
    result: str
    """The same."""
    filters: Sequence[Call]
    encoding: Encoding | None = None
    """``None`` for images, and where only the script is wanted."""
    pixel_format: str | None = None
    """FFmpeg's name; ``None`` takes what is nearest to the clip."""
    excerpt: Excerpt | None = None
    fps: Fraction | None = None
    """Constant frame rate, instead of the source's time stamps."""
    keep: Keep = field(default_factory=Keep)
    accept_damaged: bool = False
    overwrite: bool = False
    restart: bool = False

    def script(self) -> str:
        """Returns the script that ``run`` would run, after trying that it can be.

        Raises:
            TranscodeError: It can't.
        """
        return Opened(self).script.text

    def run(self, progress: Progress) -> None:
        """Makes the result, or goes on making it.

        Raises:
            TranscodeError: It can't be made; what is finished is kept for the next time.
        """
        self._check_result()
        if not self.from_images:
            with self._damage():
                integrity.check_length(Path(self.source))
        if self.restart:
            shutil.rmtree(self._folder, ignore_errors=True)
        opened = Opened(self)
        if not self.to_images:
            assert self.encoding is not None
            mux.rehearse(
                self._container, self.encoding, opened.picture, self._companions, self.keep
            )
        with written(self._folder):
            self._folder.parent.mkdir(parents=True, exist_ok=True)
        known = self._folder.is_dir()
        with Journal(self._folder, _identity(self, opened)) as journal:
            try:
                self._check_existing(opened, journal)
                self._check_pictures(opened, journal, progress)
            except (StorageError, SourceError):
                if not known:
                    journal.remove()
                raise
            progress.begin(Path(self.source).name, opened.clip.num_frames)
            if self.to_images:
                self._write_images(opened, journal, progress)
            else:
                self._write_video(opened, journal, progress)
            journal.remove()

    def _check_existing(self, opened: "Opened", journal: Journal) -> None:
        """Checks that nobody else's file has the name of the result."""
        existing = self._existing(opened)
        if existing and not self.overwrite and not journal.noted(PLACED):
            raise StorageError(f"{existing} exists; --overwrite replaces it")

    def _check_pictures(self, opened: "Opened", journal: Journal, progress: Progress) -> None:
        """Checks that the source decodes, unless an earlier run has."""
        if self.from_images or journal.noted(SOUND):
            return
        progress.begin(f"checking {Path(self.source).name}", len(opened.timeline))
        # With a rate of the user's own, times are not those of the source.
        part = self.excerpt is not None and self.fps is None
        start = opened.timeline.start if part else Fraction(0)
        end = opened.timeline.end if part else None
        with self._damage():
            integrity.check_pictures(Path(self.source), start, end, progress.advance)
            journal.note(SOUND)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Says what can be done about a damaged source, or only warns where that is accepted."""
        try:
            yield
        except SourceError as error:
            if not self.accept_damaged:
                remedy = "get it again, or take what is there with --accept-damaged"
                raise SourceError(f"{error}; {remedy}") from error
            logger.warning("%s", error)

    @property
    def from_images(self) -> bool:
        """Whether the source is numbered images."""
        return images.is_pattern(self.source)

    @property
    def to_images(self) -> bool:
        """Whether the result is."""
        return images.is_pattern(self.result)

    def _write_video(self, opened: "Opened", journal: Journal, progress: Progress) -> None:
        assert self.encoding is not None
        entries = segments.encode_missing(
            opened.clip, opened.picture, self.encoding, opened.timeline, journal, progress.advance
        )
        result = Path(self.result)
        unfinished = journal.folder / f"unfinished{result.suffix}"
        mux.mux(
            unfinished,
            self._container,
            [segments.segment_path(journal, entry.segment) for entry in entries],
            entries,
            opened.timeline,
            self._companions,
            self.keep,
            excerpt=self.excerpt is not None,
        )
        with written(result):
            journal.note(PLACED)
            place(unfinished, result)

    def _write_images(self, opened: "Opened", journal: Journal, progress: Progress) -> None:
        with written(Path(self.result)):
            Path(self.result).parent.mkdir(parents=True, exist_ok=True)
            journal.note(PLACED)
        images.write_missing(
            opened.clip, self.result, opened.first_number, journal, progress.advance
        )

    @property
    def _container(self) -> str:
        return mux.CONTAINERS[Path(self.result).suffix.lower()]

    @property
    def _companions(self) -> Path | None:
        """The file with what travels beside the picture."""
        return None if self.from_images else Path(self.source)

    @property
    def _folder(self) -> Path:
        """Where finished segments wait: beside the result, on the same disk."""
        result = Path(self.result)
        return result.with_name(f"{result.name.replace('%', '')}.vsvqe")

    def _existing(self, opened: "Opened") -> Path | None:
        result = Path(self.result)
        if self.to_images:
            result = images.name(self.result, opened.first_number)
        return result if result.exists() else None

    def _check_result(self) -> None:
        """Checks what can be known of the result before anything is opened."""
        suffix = Path(self.result).suffix.lower()
        known = images.SUFFIXES if self.to_images else mux.CONTAINERS
        if suffix not in known:
            what = "images" if self.to_images else "video"
            raise StorageError(
                f"{self.result}: {what} is written as {', '.join(known)}"
                + ("" if self.to_images else "; numbered images as frames/%05d.png")
            )
        if not self.from_images and not Path(self.source).is_file():
            raise SourceError(f"there is no file {self.source}")
        same = not self.from_images and Path(self.result).exists()
        if same and os.path.samefile(self.source, self.result):
            raise StorageError(f"{self.result} is the source itself; name another file")


class Opened:
    """A job whose script has been run."""

    def __init__(self, job: Job) -> None:
        """Opens the source and builds the filters.

        Raises:
            TranscodeError: The source, a filter, or the encoder refuses.
        """
        self._job = job
        self.script = Script(job.filters)
        numbers = images.numbers(job.source) if job.from_images else None
        self.first_number = numbers[0] if numbers else 1
        path = job.source if job.from_images else str(Path(job.source).resolve())
        self.script.open(path, self.first_number if numbers else None)
        source = self.script.clip
        if numbers and source.num_frames != len(numbers):
            raise SourceError(
                f"of {len(numbers)} images {job.source}, {source.num_frames} could be read; "
                "one of them is damaged"
            )
        full = self._timeline(source)
        with engines_noted() as self.engines:
            self.script.filter()
        self._check(full)
        self.timeline = self._trimmed(full)
        self.pixel_format = self._converted()

    @property
    def clip(self) -> vs.VideoNode:
        """What will be written."""
        return self.script.clip

    @cached_property
    def picture(self) -> Picture:
        """What the encoder is told."""
        try:
            with self.clip.get_frame(0) as frame:
                props = dict(frame.props)
        except vs.Error as error:
            raise FilterError(f"the first frame can't be had: {reason(error)}") from error
        return Picture(
            self.clip.width,
            self.clip.height,
            self.pixel_format,
            self.timeline.rate,
            self.timeline.time_base,
            props,
        )

    def _timeline(self, source: vs.VideoNode) -> Timeline:
        job = self._job
        fps = job.fps or (IMAGE_RATE if job.from_images else None)
        if fps is None:
            return timeline.of_file(Path(job.source), source)
        self.script.run(
            f"clip = clip.std.AssumeFPS(fpsnum={fps.numerator}, fpsden={fps.denominator})"
        )
        return timeline.constant(source.num_frames, fps)

    def _check(self, full: Timeline) -> None:
        if self.clip.num_frames != len(full):
            raise FilterError(
                f"the filters made {self.clip.num_frames} frames of {len(full)}; only filters that "
                "keep the number of frames can be used"
            )
        if not self.clip.width or self.clip.format is None:
            raise FilterError("the clip changes its size or format from frame to frame")

    def _trimmed(self, full: Timeline) -> Timeline:
        if self._job.excerpt is None:
            return full
        try:
            first, end = self._job.excerpt.frames(full)
        except ValueError as error:
            raise SourceError(str(error)) from error
        # Behind the filters: they see what is around the excerpt, as in the whole clip.
        self.script.run(f"clip = clip[{first}:{end}]")
        return full.cut(first, end)

    def _converted(self) -> str:
        """Converts to what the encoder or the images take; returns the pixel format."""
        job = self._job
        if job.to_images:
            name, target = "", images.target_format(self.clip, Path(job.result).suffix.lower())
            changed = None if target == int(self.clip.format.id) else target
        elif job.encoding is None:
            return ""
        else:
            name, changed = pixel_format(self.clip, job.encoding.codec, job.pixel_format)
        if changed is not None:
            with refusals("conversion"):
                self.script.run(self._conversion(changed))
        return name

    def _conversion(self, target: int) -> str:
        new, old = vs.core.get_video_format(target), self.clip.format
        matrix = ""
        if new.color_family == vs.RGB != old.color_family:
            matrix = self._said("_Matrix", "matrix_in")
        elif old.color_family == vs.RGB != new.color_family:
            matrix = ", matrix=vs.MATRIX_BT709"
        dither = ", dither_type='ordered'" if new.bits_per_sample < old.bits_per_sample else ""
        return f"clip = clip.resize.Bicubic(format=vs.{new.name}{matrix}{dither})"

    def _said(self, prop: str, argument: str) -> str:
        """Returns an argument with the usual matrix where frames do not say theirs."""
        with self.clip.get_frame(0) as frame:
            known = frame.props.get(prop, vs.MATRIX_UNSPECIFIED)
        if known != vs.MATRIX_UNSPECIFIED or self.clip.format.color_family != vs.YUV:
            return ""
        large = self.clip.width > 1024 or self.clip.height > 576
        return f", {argument}=vs.MATRIX_{'BT709' if large else 'ST170_M'}"


def _identity(job: Job, opened: Opened) -> Mapping[str, Any]:
    """Returns all that the result depends on, under names for people."""
    return {
        "source": _source_identity(job),
        "script": opened.script.text,
        "models": sorted(card.sha256 for card in list_models()) + _files(job.filters),
        "engines": sorted(opened.engines),
        "encoder": asdict(job.encoding) if job.encoding else None,
        "pixel format": opened.pixel_format,
        "timing": [str(opened.timeline.time_base), len(opened.timeline), str(job.fps)],
        "streams": [job.keep.audio, job.keep.subtitles, job.keep.metadata],
        "versions": {
            **{name: installed_version(name) for name in _PACKAGES},
            "vapoursynth": str(vs.core.core_version),
            "ffmpeg": str(av.library_versions),
            "plugins": {plugin.namespace: str(plugin.version) for plugin in vs.core.plugins()},
        },
        # How many threads an encoder has changes what it decides.
        "number of cores": thread_count(0),
        "grid": GRID,
    }


def _source_identity(job: Job) -> list[object]:
    if job.from_images:
        return [
            job.source,
            [_stamp(images.name(job.source, n)) for n in images.numbers(job.source)],
        ]
    path = Path(job.source)
    with path.open("rb") as file:
        beginning = file.read(_PROBED)
        file.seek(max(0, path.stat().st_size - _PROBED))
        ends = hashlib.sha256(beginning + file.read()).hexdigest()
    return [str(path.resolve()), *_stamp(path), ends]


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _files(filters: Sequence[Call]) -> list[str]:
    """Returns the hashes of files that arguments name, such as a user's own models."""
    hashes = []
    for call in filters:
        for path in map(Path, call.files):
            with suppress(OSError), path.open("rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes
