"""The parameters that all filters share, and their checks."""

import contextlib
import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import vapoursynth as vs

from ..cards import Card, ModelFile
from ..checkpoints import SUFFIXES, is_checkpoint
from ..graph.chunks import ChunkPlan
from ..graph.clips import pixels_to_length
from ..inference import engines
from ..inference.backends import (
    AnyBackend,
    OnnxCpu,
    OnnxCuda,
    Torch,
    candidates,
    on_gpu,
    thread_count,
)
from ..inference.ensemble import ENSEMBLES
from ..inference.errors import InferenceError
from ..inference.session import has_nvidia_driver

_CPU_STREAMS = 2
# Of the whole numbers among the options.
_LEAST = {"device_index": 0, "num_streams": 1, "tile_pad": 0, "length": 1, "overlap": 0}


@contextlib.contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Turns what a user can act on into ``vs.Error("<name>: ...")``."""
    try:
        yield
    except (InferenceError, ValueError) as error:
        raise vs.Error(f"{name}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Options:
    """The common parameters; see ``Deblock`` for what they mean."""

    backend: str | AnyBackend
    device_index: int
    num_streams: int | None
    fp16: bool | None
    tile: tuple[int, int] | None
    tile_pad: int | None
    length: int | None
    overlap: int | None
    ensemble: int
    sc: bool
    sc_threshold: float
    engine_folder: str | Path | None

    @classmethod
    def among(cls, arguments: Mapping[str, Any]) -> "Options":
        """Returns the options among a filter's arguments, after all checks but those of the model.

        Args:
            arguments: By name; others are left alone.

        Raises:
            ValueError: One is out of its range.
            InferenceError: The backend's name is not known, or the folder can't be written to.
        """
        given = {each.name: arguments[each.name] for each in fields(cls)}
        for name, least in _LEAST.items():
            if name == "device_index" or given[name] is not None:
                given[name] = whole(name, given[name], least)
        options = cls(**given)
        options._check()
        return options

    def _check(self) -> None:
        candidates(self.backend)
        if self.fp16 is not None and not isinstance(self.fp16, bool):
            raise ValueError(f"fp16={self.fp16!r} must be True, False or None")
        if not isinstance(self.sc, bool | int):
            raise ValueError(f"sc={self.sc!r} must be True or False")
        if self.tile is not None:
            if not isinstance(self.tile, Sequence) or len(self.tile) != 2:
                raise ValueError(f"tile={self.tile!r} must be (width, height) in pixels, or None")
            for side in self.tile:
                whole("tile", side, 16)
            if self.tile_pad is not None and min(self.tile) <= 2 * self.tile_pad:
                raise ValueError(
                    f"tile={tuple(self.tile)} leaves no room for tile_pad={self.tile_pad} on both "
                    f"sides; make the tile larger than {2 * self.tile_pad} or tile_pad smaller"
                )
        if whole("ensemble", self.ensemble, 1) not in ENSEMBLES:
            raise ValueError(f"ensemble={self.ensemble!r} must be one of 1, 2, 4 and 8")
        number("sc_threshold", self.sc_threshold, 0.0, 1.0)
        if self.engine_folder is not None:
            if not isinstance(self.engine_folder, str | Path):
                raise ValueError(f"engine_folder={self.engine_folder!r} must be a path or None")
            engines.check_folder(Path(self.engine_folder))

    @property
    def engines(self) -> Path | None:
        """The folder of built engines."""
        return None if self.engine_folder is None else Path(self.engine_folder).resolve()

    def chunked(self, length: int, overlap: int, streams: int) -> ChunkPlan:
        """Returns the plan for chunks of a length and an overlap."""
        return ChunkPlan(
            length=length,
            overlap=overlap,
            streams=streams,
            cut_threshold=self.sc_threshold if self.sc and overlap else None,
        )

    def window(self, radius: int, clip: vs.VideoNode, *, aligned: bool) -> tuple[int, int]:
        """Returns the frames that a chunk gives, and those of context on each of its sides.

        Args:
            radius: Frames that the model sees on each side.
            clip: What it sees.
            aligned: Whether every frame has a window of its own, so that the frames of a chunk
                share no work.

        Raises:
            ValueError: ``overlap`` is less than the model's window.
        """
        overlap = radius if self.overlap is None else self.overlap
        if overlap < radius:
            raise ValueError(
                f"overlap={overlap} is less than the {radius} frames that the model sees on each "
                "side; leave it out or make it larger"
            )
        # Beyond the clip's own frames there are only repetitions.
        overlap = min(overlap, max(radius, clip.num_frames - 1))
        alone = radius == 0 or (aligned and self._several_on_cpu)
        single = 1 if alone else pixels_to_length(clip.width, clip.height)
        return min(self.length or single, clip.num_frames), overlap

    @property
    def _several_on_cpu(self) -> bool:
        """Whether single frames, several at a time, keep all cores busy."""
        return self.cpu_streams(1) > 1 and not on_gpu(self._likely)

    @property
    def _likely(self) -> AnyBackend:
        """The backend that will most likely be taken."""
        if self.backend == "auto":
            return OnnxCuda() if has_nvidia_driver() else OnnxCpu()
        return candidates(self.backend)[0]

    def cpu_streams(self, length: int) -> int:
        """Returns how many chunks are in work at the same time on a CPU.

        Two, each on half of the cores, take less time than one after the other on all: threads
        wait less for each other, and one chunk's frames are copied while the other is inferred.
        More would gain little, hold more memory, and make a single frame wait longer.

        Args:
            length: Frames of a chunk. There are about as many requests for frames under way as
                cores: where these are all for one chunk, a second one would not be begun.
        """
        return self.num_streams or max(1, min(_CPU_STREAMS, thread_count(0) // length))


def check_engine(model: Card | ModelFile, given: str, backend: str | AnyBackend) -> None:
    """Refuses PyTorch for what it can't run, before another model is opened that goes with it.

    Args:
        model: What was found.
        given: As the user named it.
        backend: As the user gave it.

    Raises:
        ValueError: The backend runs checkpoints alone, and the model is none.
    """
    if backend != "torch" and not isinstance(backend, Torch):
        return
    if isinstance(model, ModelFile) and is_checkpoint(model.path):
        return
    named = f"model {given!r}"
    if isinstance(model, Card):
        named += " comes with vsvqe, as an ONNX model"
    else:
        named += " is an ONNX model"
    raise ValueError(
        f"backend='torch' runs checkpoints ({', '.join(SUFFIXES)}), and {named}: leave backend "
        "out, or choose 'openvino', 'cpu', 'cuda' or 'tensorrt'"
    )


def half_precision(options: Options, *, tolerant: bool, backend: str | AnyBackend) -> bool:
    """Whether a model may run in half precision.

    Args:
        options: ``fp16`` decides where it is given.
        tolerant: The model returns residuals: an error of one part in 250 of a residual of a few
            codes is far below rounding, so speed is free. A picture would lose a code or two.
        backend: As the user gave it.

    Raises:
        ValueError: Half precision is asked for by name where there is none.
    """
    if options.fp16 and (backend == "cpu" or isinstance(backend, OnnxCpu)):
        raise ValueError(
            "fp16=True has no use on ONNX Runtime's CPU backend, which computes in fp32; leave it "
            "out, or choose backend='openvino', 'cuda' or 'tensorrt'"
        )
    return tolerant if options.fp16 is None else options.fp16


def one_of[T](name: str, value: object, choices: Sequence[T]) -> T:
    """Returns a value that is one of several.

    Raises:
        ValueError: It is not.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")


def number(name: str, value: object, least: float, most: float = math.inf) -> float:
    """Returns a real number in a range.

    Raises:
        ValueError: It is something else.
    """
    # NumPy's are real numbers too.
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise ValueError(f"{name}={value!r} must be a number")
    if not least <= float(value) <= most:
        bounds = f"from {least:g} to {most:g}" if most < math.inf else f"at least {least:g}"
        raise ValueError(f"{name}={value!r} must be {bounds}")
    return float(value)


def plane_indices(planes: int | Sequence[int] | None, count: int) -> list[int]:
    """Returns which planes to work on, as in the core's filters.

    Args:
        planes: One index, several, or ``None`` for all.
        count: Planes that the clip has.

    Raises:
        ValueError: An index is repeated or does not exist.
    """
    if planes is None:
        return list(range(count))
    if not isinstance(planes, int | Sequence):
        raise ValueError(f"planes={planes!r} must be an index, a list of them, or None")
    chosen = [planes] if isinstance(planes, int) else list(planes)
    for plane in chosen:
        if isinstance(plane, bool) or not isinstance(plane, int) or not 0 <= plane < count:
            raise ValueError(f"planes={planes!r}: the clip has planes 0 to {count - 1}")
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"planes={planes!r} names a plane twice")
    return chosen


def whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """Returns a whole number in a range.

    Raises:
        ValueError: It is something else.
    """
    integral = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    number = int(value) if integral else least - 1  # type: ignore[call-overload]
    if number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        comma = "," if most is None else ""
        raise ValueError(f"{name}={value!r} must be a whole number{comma} {bounds}")
    return number
