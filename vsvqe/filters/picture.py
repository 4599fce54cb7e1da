"""Image models of the user's own: a clip in, the model's picture of it out."""

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..cards import ModelFile
from ..graph import chunks, colour, planes
from ..graph.clips import ClipFacts
from ..graph.guard import not_finite
from ..graph.nodes import own_node
from ..inference.probe import ImageModel
from ..inference.tiles import Geometry, TiledRunner
from ..inference.workspace import Workspace
from .options import Options, half_precision
from .residual import pad_in_cells, tile_in_cells
from .sessions import Sessions

# The receptive field of a foreign model is not known; this much hides most seams.
DEFAULT_PAD = 32

# Of pictures of more pixels, networks that compute at their size hold gigabytes: one at a time.
_LARGE = 1 << 22


def picture(
    clip: vs.VideoNode,
    facts: ClipFacts,
    model: ModelFile,
    image: ImageModel,
    options: Options,
    *,
    name: str,
) -> vs.VideoNode:
    """Runs an image model on every frame of a clip.

    Args:
        clip: From ``clips.checked``.
        facts: Its colour facts.
        model: The file.
        image: What was read from it.
        options: Checked common parameters.
        name: The filter, for error messages.

    Returns:
        A clip in the format of ``clip``, the model's scale times as large.
    """
    half = half_precision(options, tolerant=False, backend=options.backend)
    length, overlap = options.window(0, clip, aligned=False)
    cell = image.multiple
    seen = colour.to_picture(clip, facts, image.channels)
    least = -(-image.least // cell)
    size = (max(-(-seen.width // cell), least), max(-(-seen.height // cell), least))
    if image.size is not None and options.tile not in (None, image.size):
        raise ValueError(
            f"{model.path.name} runs at {image.size[0]}x{image.size[1]} only; leave tile out"
        )
    if image.size is not None and options.ensemble > 1 and image.size[0] != image.size[1]:
        raise ValueError(
            f"{model.path.name} runs at {image.size[0]}x{image.size[1]} only, which can't be "
            f"turned for ensemble={options.ensemble}; leave ensemble out"
        )
    columns, rows = image.size or options.tile or (seen.width, seen.height)
    large = columns * rows * image.scale**2 > _LARGE
    opened = Sessions(
        path=model.path,
        sha256=model.sha256,
        shapes=lambda width, height: ((image.input, (1, image.channels, height, width)),),
        cell=cell,
        half=half,
        options=options,
        cpu_streams=options.num_streams or (1 if large else options.cpu_streams(length)),
    )
    if image.size is None:
        tile, pad = tile_in_cells(options, cell), pad_in_cells(options, cell, DEFAULT_PAD)
        if tile is not None:
            tile = (max(tile[0], least), max(tile[1], least))
    else:
        tile = image.size
        pad = min(DEFAULT_PAD if options.tile_pad is None else options.tile_pad, min(tile) // 4)
    geometry = Geometry(inputs=(cell,), outputs=(cell * image.scale,))
    runner = TiledRunner(opened, geometry, size, tile, pad, fixed=image.size is not None)
    plan = options.chunked(length, overlap, opened.streams)
    shape = (1, image.channels, size[1] * cell, size[0] * cell)

    workspace = Workspace([shape, (*shape[:2], shape[2] * image.scale, shape[3] * image.scale)])

    def process(window: Sequence[vs.VideoFrame], out: Sequence[chunks.Picture]) -> None:
        for frame, picture in zip(window[plan.overlap :], out, strict=False):
            with workspace.borrowed() as (array, result):
                fill(array[0], frame)
                runner.run([array], [result])
                write(result[0], picture, model)

    enhanced = chunks.in_chunks(
        own_node(seen),  # `in_chunks` sets its cache
        plan,
        process,
        name=name,
        format=seen.format,
        width=seen.width * image.scale,
        height=seen.height * image.scale,
    )
    return colour.from_picture(enhanced, clip, facts)


def fill(array: NDArray[np.float32], frame: vs.VideoFrame) -> None:
    """Copies a frame to the upper left of an array, clamped, and repeats its edges to the rest.

    Args:
        array: C x H x W, at least as large as the frame.
        frame: ``RGBS`` or ``GRAYS``.

    Raises:
        ValueError: The frame holds NaN or infinity.
    """
    height, width = frame.height, frame.width
    for channel, target in enumerate(array):
        # Clamped, because colours that RGB can't hold would come out as specks.
        if not planes.clamped(np.asarray(frame[channel]), target[:height, :width]):
            raise not_finite(channel)
    array[..., width:] = array[..., width - 1 : width]
    array[..., height:, :] = array[..., height - 1 : height, :]


def write(result: NDArray[np.float32], picture: chunks.Picture, model: ModelFile) -> None:
    """Copies a model's picture to a frame, clamped.

    Args:
        result: C x H x W, at least as large as the frame.
        picture: The planes of the frame.
        model: For the error message.

    Raises:
        ValueError: The result holds NaN or infinity.
    """
    for target, channel in zip(picture, result, strict=True):
        height, width = target.shape
        if not planes.clamped(channel[:height, :width], target):
            raise ValueError(
                f"{model.path.name} answered with NaN or infinity; if it runs in half "
                "precision, pass fp16=False or use a float32 version of the file"
            )
