"""Reads from a third-party model file what it does: channels, scale and size demands."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checkpoints import is_checkpoint
from .errors import ModelError
from .stdout import stdout_to_stderr

_SIDE = 64
# Frames that a recurrent network is tried with.
_RUN = 3
# Of the tiles that a network sees which takes squares only.
_SIDE_OF_SQUARES = 256
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class ImageModel:
    """A single-frame model that takes and returns a picture in [0, 1] (N x C x H x W)."""

    input: str
    """Name of its input."""
    channels: int
    """1 (luma) or 3 (RGB)."""
    scale: int
    """How many times larger the output is: 1, 2, 3 or 4."""
    multiple: int
    """Width and height must be a multiple of this."""
    size: tuple[int, int] | None
    """The only width and height that it takes, or ``None`` if any."""
    least: int = 1
    """Width and height must be no less than this."""


@dataclass(frozen=True)
class SequenceModel:
    """A recurrent model that takes and returns runs of RGB frames in [0, 1] (N x T x 3 x H x W)."""

    scale: int
    """How many times larger the output is."""
    multiple: int
    """Width and height must be a multiple of this."""
    refines: bool
    """Whether it cleans the frames first, as often as ``refine`` says."""
    input: str = "input"
    """Name of its input."""
    fixed: bool = False
    """Whether all runs have as many frames as the session was opened for: engines want that."""
    frames: int | None = None
    """The only number of frames that it takes, or ``None`` if any."""


_MAX_REMEMBERED = 32
_remembered: OrderedDict[tuple[str, str], ImageModel | SequenceModel] = OrderedDict()
_lock = threading.Lock()


def probe(model: Path, sha256: str) -> ImageModel | SequenceModel:
    """Finds out what a model file takes and gives, by reading it and by trying it out.

    Args:
        model: The ``.onnx`` file or checkpoint.
        sha256: Hash of its content, by which the answer is remembered.

    Raises:
        ModelError: It can't be read, or is not a model of pictures with 1 or 3 channels.
    """
    key = (model.name, sha256)
    with _lock:
        if key in _remembered:
            return _remembered[key]
    with stdout_to_stderr():
        found = _of_checkpoint(model, sha256) if is_checkpoint(model) else _probe(model)
    with _lock:
        _remembered[key] = found
        while len(_remembered) > _MAX_REMEMBERED:
            _remembered.popitem(last=False)
    return found


def _of_checkpoint(model: Path, sha256: str) -> ImageModel | SequenceModel:
    from ..checkpoints.models import load

    found = load(model, sha256)
    if found.sequence:
        refines = found.architecture == "RealBasicVSR"
        return SequenceModel(found.scale, found.multiple, refines)
    size = None
    if found.square:
        side = -(-max(_SIDE_OF_SQUARES, found.least) // found.multiple) * found.multiple
        size = (side, side)
    multiple = 1 if size else found.multiple
    return ImageModel("input", found.channels, found.scale, multiple, size, found.least)


def _probe(model: Path) -> ImageModel | SequenceModel:
    # ONNX Runtime is imported here and not above: `import vsvqe` must stay quick.
    import onnxruntime as ort

    from .onnx import check_whole, explain, input_dtypes, session_options

    content = model.read_bytes()
    check_whole(model, content)
    options = session_options()
    options.log_severity_level = 4  # sizes that the model refuses are an answer, not an error
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise explain(error, model) from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"{model.name} has {len(inputs)} inputs and {len(outputs)} outputs; "
            "a picture-to-picture model has one of each"
        )
    shape = inputs[0].shape
    if len(shape) not in (4, 5):
        raise ModelError(
            f"{model.name} takes the shape {shape}; N x C x H x W is needed, or N x T x 3 x H x W "
            "for runs of frames"
        )
    dtype = input_dtypes(session, model)[0]
    batch = shape[0] if isinstance(shape[0], int) else 1
    if batch != 1:
        raise ModelError(f"{model.name} takes {batch} pictures at once; one at a time is needed")
    height, width = (side if isinstance(side, int) else None for side in shape[-2:])
    if height == 0 or width == 0:
        raise ModelError(f"{model.name} takes the shape {shape}, which holds no picture")
    if (height is None) != (width is None):
        raise ModelError(f"{model.name} fixes one side only ({shape}); fix both or none")

    refusals: list[str] = []

    def tried(leading: tuple[int, ...], w: int, h: int) -> int | None:
        """Returns the scale at this size, ``None`` if the model does not run or fit there."""
        try:
            (result,) = session.run(None, {inputs[0].name: np.full((*leading, h, w), 0.5, dtype)})
        except Exception as error:
            refusals.append(str(error).strip().splitlines()[0])
            return None
        got: tuple[int, ...] = np.shape(result)
        if got[:-2] != leading:
            refusals.append(f"the shape {(*leading, h, w)} in gave the shape {got}")
            return None
        scale = got[-1] // w
        if got[-2:] != (h * scale, w * scale) or not 1 <= scale <= 4:
            refusals.append(f"{w}x{h} in gave {got[-1]}x{got[-2]} out")
            return None
        return scale

    if len(shape) == 5:
        run, channels = shape[1:3]
        if channels != 3 and isinstance(channels, int):
            raise ModelError(f"{model.name} takes runs of {channels} channels; 3 (RGB) are needed")
        if width is not None:
            raise ModelError(
                f"{model.name} takes runs of frames of {width}x{height} only; export it with "
                "dynamic height and width"
            )
        frames = run if isinstance(run, int) else None
        for multiple in _MULTIPLES:
            side = _SIDE + multiple
            scale = tried((1, frames or _RUN, 3), side, side)
            if scale is not None:
                return SequenceModel(scale, multiple, False, inputs[0].name, True, frames)
        raise ModelError(
            f"{model.name} does not give as many RGB frames as it takes, 1 to 4 times as large: "
            f"{refusals[-1]}"
        )
    for channels in [shape[1]] if isinstance(shape[1], int) else [3, 1]:
        if channels not in (1, 3):
            raise ModelError(
                f"{model.name} takes {channels} channels; 1 (luma) or 3 (RGB) can be used"
            )
        if width is not None and height is not None:
            scale = tried((1, channels), width, height)
            if scale is not None:
                return ImageModel(inputs[0].name, channels, scale, 1, (width, height))
            continue
        for multiple in _MULTIPLES:
            # An odd number of multiples, so that the next larger one would refuse it.
            side = _SIDE + multiple
            scale = tried((1, channels), side, side)
            if scale is not None:
                return ImageModel(inputs[0].name, channels, scale, multiple, None)
    raise ModelError(
        f"{model.name} is not a picture-to-picture model of scale 1 to 4: {refusals[-1]}"
    )
