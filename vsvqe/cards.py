"""Model cards: what the package ships, looked up by name, and files of the user's own by path."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checkpoints import SUFFIXES
from .inference.errors import ModelError
from .motion.alignment import KERNELS, Kernel

# What models are told of video that nobody compressed: so little that it can't be seen.
CLEAN_QUANTISER = 10.0

_FILES = (".onnx", *SUFFIXES)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a shipped model is; the fields of ``models/<name>.json``."""

    name: str
    """By which ``model=`` finds it."""
    task: str
    """``"deblock"``, ``"superres"``, ``"astf"`` (the second stage of ``ASTF``) or ``"quantiser"``
    (the estimate of how coarsely video was quantised)."""
    description: str
    """What it is good for, in a sentence."""
    scale: int
    """Output size over input size."""
    layout: str
    """``"planes"``: luma and chroma planes in, residuals of both out; ``"luma"``: luma in."""
    offsets: tuple[int, ...]
    """The frames that it sees to enhance one, relative to that one."""
    aligned: bool
    """Whether it wants the others brought to where the content of the enhanced one is."""
    kernel: Kernel = "bicubic"
    """By which these are resampled."""
    receptive_field: int
    """Luma pixels of the input, to one side, that an output pixel depends on."""
    base: str | None
    """Resizer of the picture that the residual is added to; ``None`` for the input itself."""
    parameters: int
    """Number of weights."""
    licence: str
    """SPDX identifier."""
    file: str
    """Name of the ``.onnx`` file beside the card."""
    sha256: str
    """Hash of that file."""
    branches: tuple[str, ...] = ()
    """Names of the residuals, of a model that gives several."""
    refines: str | None = None
    """Name of the model whose pictures it takes, each beside the clip's own."""
    leniency: float = 0.0
    """By how much finer that model is told that the video was quantised."""
    response: tuple[tuple[float, float, float], ...] = ()
    """How much of its residual is to be added: quantisers on the scale of H.264 and HEVC, and for
    each the factors of luma and chroma, linear in between. Empty: always all of it."""
    quantiser_map: tuple[float, float] | None = None
    """Of a model that is told the quantiser, as one channel more beside the chroma of its windows:
    the quantisers that are -1 and 1 there, linear in between. ``None``: it is not told."""
    told_at_most: float | None = None
    """The coarsest quantiser that it is told, if that is not the coarsest there is: one that was
    trained for texture makes up more than looks alike if it is told how much was lost."""
    detail: str | None = None
    """Name of the sibling that ``detail=`` moves towards, if there is one."""
    training: dict[str, Any] = field(default_factory=dict, hash=False)
    """Command, data, seed, hours and date."""
    gains: dict[str, Any] = field(default_factory=dict, hash=False)
    """Measured gains, by evaluation recipe."""

    @property
    def radius(self) -> int:
        """Frames of context that it needs, at most, on each side."""
        return max(abs(offset) for offset in self.offsets)

    @property
    def luma_channels(self) -> int:
        """Channels of its luma: a frame, an aligned window, or a picture and what it is made of."""
        if self.aligned:
            return len(self.offsets)
        return 1 if self.refines is None else 2

    @property
    def chroma_channels(self) -> int:
        """Channels of the chroma that it takes: of as many frames, and of its map."""
        return 2 * self.luma_channels + (self.quantiser_map is not None)

    @property
    def heeds_quantiser(self) -> bool:
        """Whether what it gives depends on how coarsely the video was quantised."""
        return bool(self.response) or self.quantiser_map is not None

    @property
    def variant(self) -> str:
        """The word before the version in its name, such as ``"fast"`` or ``"balanced"``."""
        *_, word, _ = ("", *self.name.split("-"))
        return word

    @property
    def version(self) -> int:
        """The number at the end of its name."""
        return int(self.name.rpartition("-v")[2])

    def factors(self, quantiser: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what the luma and the chroma residual are multiplied by, N x 2.

        Args:
            quantiser: Of N frames.
        """
        factors = np.ones((len(quantiser), 2), np.float32)
        if self.response:
            knots, *both = zip(*self.response, strict=True)
            for plane, response in enumerate(both):
                factors[:, plane] = np.interp(quantiser, knots, response)
        return factors

    def levels(self, quantiser: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what the quantiser map of a model that has one holds, N, in [-1, 1].

        Args:
            quantiser: Of N frames.
        """
        assert self.quantiser_map is not None
        return np.interp(quantiser, self.quantiser_map, (-1.0, 1.0)).astype(np.float32)

    @property
    def path(self) -> Path:
        """Where the model file is."""
        return models_folder() / self.file


@dataclass(frozen=True)
class ModelFile:
    """A model of the user's own, named by its path."""

    path: Path
    sha256: str


def models_folder() -> Path:
    """Returns the folder of the shipped models, in the installed package or in a checkout."""
    installed = Path(__file__).parent / "models"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "models"


def list_models(task: str | None = None) -> list[Card]:
    """Lists the models that come with the package.

    Args:
        task: ``"deblock"``, ``"superres"``, ``"astf"``, ``"quantiser"``, or ``None`` for all.

    Returns:
        Their cards, by name: size, window, training and measured gains.

    Example:
        >>> import vsvqe as vqe
        >>> [card.name for card in vqe.list_models("superres")]  # doctest: +SKIP
    """
    return [card for card in _cards() if task is None or card.task == task]


def newest(cards: Iterable[Card]) -> list[Card]:
    """Returns those of which there is no newer version, by name."""
    last = {card.name.rpartition("-v")[0]: card for card in sorted(cards, key=lambda c: c.version)}
    return sorted(last.values(), key=lambda card: card.name)


def find(model: str | Path, task: str) -> Card | ModelFile:
    """Looks up a model by its name or path and checks that its file is whole.

    Args:
        model: Name of a shipped model, its variant where the task has one model of that variant
            (the newest version is taken), or path of an ``.onnx`` file or a checkpoint.
        task: What the model must be for, if it is a shipped one.

    Raises:
        ModelError: There is none, it is for another task, or its file is damaged.
    """
    if not isinstance(model, str | Path):
        raise ModelError(f"model={model!r} must be the name of a model or the path of a file")
    names = [card.name for card in list_models(task)]
    for card in list_models():
        if card.name == str(model):
            if card.task != task:
                raise ModelError(
                    f"model {card.name!r} is for {card.task}; for {task} there are: "
                    f"{', '.join(names)}"
                )
            _check(card)
            return card
    variants = newest(card for card in list_models(task) if card.variant == str(model))
    if len(variants) == 1:
        _check(variants[0])
        return variants[0]
    try:
        path = Path(model).expanduser()
    except RuntimeError as error:
        raise ModelError(f"model={str(model)!r}: {error}") from error
    if path.suffix.lower() not in _FILES:
        raise ModelError(
            f"model={str(model)!r} is neither the path of a file ({', '.join(_FILES)}) nor one of "
            f"the models that come with vsvqe: {', '.join(names)}"
        )
    try:
        return ModelFile(path, _sha256(path, path.stat().st_mtime_ns))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"model file {str(path)!r} can't be read: {reason}") from error


def _check(card: Card) -> None:
    try:
        found = _sha256(card.path, card.path.stat().st_mtime_ns)
    except OSError as error:
        raise ModelError(
            f"the file of model {card.name!r} can't be read ({card.path}: {error.strerror}); "
            "install vsvqe again"
        ) from error
    if found != card.sha256:
        raise ModelError(
            f"the file of model {card.name!r} is damaged or was changed ({card.path}: sha256 is "
            f"{found[:12]}..., its card says {card.sha256[:12]}...); install vsvqe again"
        )


@cache
def _sha256(path: Path, _modified_ns: int) -> str:
    """Returns the hash of a file; remembered until the file changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _cards() -> tuple[Card, ...]:
    return tuple(sorted(_read_cards(), key=lambda card: card.name))


def _read_cards() -> Iterator[Card]:
    for path in models_folder().glob("*.json"):
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            tuples = {
                "offsets": tuple(fields["offsets"]),
                "branches": tuple(fields.get("branches", ())),
                "response": tuple(map(tuple, fields.get("response", ()))),
                "quantiser_map": _quantiser_map(fields),
            }
            if fields.get("kernel", "bicubic") not in KERNELS:
                raise ValueError(f"kernel is {fields['kernel']!r}, known are {', '.join(KERNELS)}")
            yield Card(**fields | tuples)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"the model card {path} can't be read: {error}") from error


def _quantiser_map(fields: dict[str, Any]) -> tuple[float, float] | None:
    """Returns the field of a card, checked."""
    bounds = fields.get("quantiser_map")
    if bounds is None:
        return None
    if not _rising(bounds):
        raise ValueError(f"quantiser_map is {bounds!r}, not two quantisers, the finer first")
    if fields.get("branches") or not fields["aligned"] or 1 not in fields["offsets"]:
        raise ValueError("quantiser_map is for models of aligned windows that hold the next frame")
    return float(bounds[0]), float(bounds[1])


def _rising(bounds: object) -> bool:
    """Whether something is two finite numbers, the smaller first."""
    match bounds:
        case [int() | float() as lower, int() | float() as upper]:
            return math.isfinite(lower) and math.isfinite(upper) and lower < upper
    return False
