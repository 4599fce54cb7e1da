"""Own models (planes layout): a clip in, the residual that the model wants added out."""

from collections.abc import Sequence
from functools import partial
from itertools import batched

import numpy as np
import vapoursynth as vs

from ..cards import Card
from ..graph import chunks, flow, planes, scenes
from ..graph.clips import ClipFacts
from ..graph.guard import guarded
from ..graph.nodes import own_node, shared, uncached
from ..inference.pool import side_by_side
from ..inference.tiles import Geometry, Size, TiledRunner
from ..inference.workspace import Workspace
from ..motion.alignment import alignment
from .options import Options, half_precision
from .quantiser import Plane, Weighing, settled
from .sessions import Sessions

# Prop of a repaired frame: what it was made of.
_DAMAGED = "_VQEDamaged"

# The model's smallest unit: two luma pixels and one chroma sample.
_CELL = 2


def residual(
    seen: vs.VideoNode,
    facts: ClipFacts,
    card: Card,
    options: Options,
    *,
    name: str,
    weighing: Weighing | None = None,
) -> vs.VideoNode:
    """Runs a model of the planes layout that gives one residual; see ``residuals``."""
    (result,) = residuals(seen, facts, card, options, name=name, weighing=weighing)
    return result


def residuals(
    seen: vs.VideoNode,
    facts: ClipFacts,
    card: Card,
    options: Options,
    *,
    name: str,
    weighing: Weighing | None = None,
    damaged: vs.VideoNode | None = None,
    kept: int = 0,
) -> list[vs.VideoNode]:
    """Runs a model of the planes layout over a clip.

    Args:
        seen: From ``planes.for_model`` and ``scenes.annotated``.
        facts: The clip's colour facts.
        card: The model.
        options: Checked common parameters.
        name: The filter, for error messages.
        weighing: How much of each frame's residual is wanted, and its quantiser; ``None``: all that
            the model asks for, by an estimate where it heeds that.
        damaged: What ``seen`` was made of, as the model sees that, for one that refines another's
            pictures.
        kept: Frames whose residuals are kept, for who asks again.

    Returns:
        For each branch of the model a float32 clip of ``card.scale`` times the size, for
        ``planes.residual_like``.
    """
    if weighing is None and card.heeds_quantiser:
        weighing = Weighing(card=card)
    branches = len(card.branches) or 1
    half = half_precision(options, tolerant=True, backend=options.backend)
    length, overlap = options.window(card.radius, seen, aligned=card.aligned)
    frames = length + 2 * overlap
    height, width = seen.height, seen.width
    meter = weighing.meter(options, height, width) if weighing else None
    if card.aligned or meter:
        seen = flow.annotated(seen, facts, back=min(card.offsets) < 0, meter=meter)
    if card.aligned:
        # One window for each frame of the chunk.
        count, spare = length, 0
    else:
        # All frames at once: a model gives all but `radius` of each side, and what a larger
        # overlap gives beyond the chunk is cut off again.
        count, spare = frames, overlap - card.radius
    opened = Sessions(
        path=card.path,
        sha256=card.sha256,
        shapes=lambda width, height: (
            ("y", (count, card.luma_channels, height, width)),
            ("uv", (count, card.chroma_channels, height // 2, width // 2)),
        ),
        cell=_CELL,
        half=half,
        options=options,
        cpu_streams=options.cpu_streams(length),
    )
    runner = TiledRunner(
        opened,
        Geometry(
            inputs=(_CELL, _CELL // 2),
            outputs=(_CELL * card.scale, _CELL // 2 * card.scale) * branches,
        ),
        (seen.width // _CELL, seen.height // _CELL),
        tile_in_cells(options, _CELL),
        pad_in_cells(options, _CELL, card.receptive_field),
        reach=-(-card.receptive_field // _CELL),
    )
    plan = options.chunked(length, overlap, opened.streams)
    reader = planes.PlaneReader(seen, facts)
    beside = None
    if damaged is not None:
        beside = planes.PlaneReader(damaged, facts)
        seen = seen.std.ClipToProp(damaged, prop=_DAMAGED)
    format = planes.residual_format(seen)

    run = [(frames, 1, height, width), (frames, 2, height // 2, width // 2)]
    windows = [
        (count, card.luma_channels, height, width),
        (count, card.chroma_channels, height // 2, width // 2),
    ]
    given = length if card.aligned else frames - 2 * card.radius
    results = [(given, n, h * card.scale, w * card.scale) for _, n, h, w in run] * branches
    workspace = Workspace([*run, *windows, *results] if card.aligned else [*windows, *results])

    def quantisers(window: Sequence[vs.VideoFrame], y: Plane, count: int) -> Plane | None:
        """Returns those of the frames of a chunk, if they matter."""
        if weighing is None:
            return None
        if meter is None:
            return np.full(count, weighing.qp, np.float32)
        told = flow.told(window)
        found = (settled(told, overlap + i, card.radius) for i in range(count))
        return np.array(
            [meter.alone(y[overlap + i, 0]) if q is None else q for i, q in enumerate(found)],
            np.float32,
        )

    def process(window: Sequence[vs.VideoFrame], out: Sequence[chunks.Picture]) -> None:
        with workspace.borrowed() as (y, uv, *others):
            inputs, outputs = others[: -2 * branches], others[-2 * branches :]
            looked_at = {overlap + i + k for i in range(len(out)) for k in card.offsets}
            reader.read(window, y, uv, looked_at if card.aligned else None)
            if beside is not None:
                beside.read([f.props[_DAMAGED] for f in window], y[:, 1:], uv[:, 2:])
            if card.aligned:
                steps = flow.steps(window)
                aligned = (
                    partial(
                        alignment,
                        y[:, 0],
                        uv,
                        steps,
                        overlap + i,
                        card.offsets,
                        card.kernel,
                        inputs[0][i],
                        inputs[1][i],
                    )
                    for i in range(len(out))
                )
                chained = side_by_side(aligned, plan.streams)
                side_by_side((job for jobs in chained for job in jobs), plan.streams)
            quantiser = quantisers(window, y, len(out))
            if card.quantiser_map and weighing and quantiser is not None:
                levels = card.levels(weighing.told(quantiser))
                inputs[1][: len(out), -1] = levels[:, None, None]
            runner.run(inputs or [y, uv], outputs)
            factors = weighing.factors(quantiser) if weighing and quantiser is not None else None
            for i, picture in enumerate(out):
                for branch, (luma, chroma) in enumerate(batched(outputs, 2)):
                    results = (luma[spare + i, 0], *chroma[spare + i])
                    for plane, (target, result) in enumerate(zip(picture, results, strict=False)):
                        part = target[branch * len(result) :][: len(result)]
                        if factors is None:
                            np.copyto(part, result)
                        else:
                            np.multiply(result, factors[i, min(plane, 1)], out=part)

    # The branches of a frame lie under each other.
    result = chunks.in_chunks(
        seen,
        plan,
        process,
        name=name,
        format=format,
        width=width * card.scale,
        height=height * card.scale * branches,
    )
    if card.aligned or meter:
        result = flow.cleaned(result)
    if damaged is not None:
        result = result.std.RemoveFrameProps(_DAMAGED)
    if kept:
        result = own_node(result)
        result.std.SetVideoCache(mode=1, fixedsize=1, maxsize=kept)
    if branches == 1:
        return [result]
    size = (width * card.scale, height * card.scale)
    return [uncached(result.std.CropAbs(*size, top=size[1] * branch)) for branch in range(branches)]


def prepared(
    clip: vs.VideoNode, facts: ClipFacts, options: Options, name: str
) -> tuple[vs.VideoNode, vs.VideoNode]:
    """Returns the clip as the one node that all else takes it from, and what the model sees."""
    # Guarded last: a frame that only the detector looks at may be what it is.
    held = guarded(scenes.annotated(clip, detect=options.sc), name)
    seen = shared(planes.for_model(held, facts))
    # The model asks for frames first, and the picture that the residual is added to asks again.
    held.std.SetVideoCache(mode=1, fixedsize=1, maxsize=24)
    return held, seen


def tile_in_cells(options: Options, cell: int) -> Size | None:
    """Returns the tile size in cells, rounded up."""
    if options.tile is None:
        return None
    return -(-options.tile[0] // cell), -(-options.tile[1] // cell)


def pad_in_cells(options: Options, cell: int, default: int) -> int:
    """Returns the tiles' padding in cells, rounded up.

    Raises:
        ValueError: The tile has no room for it.
    """
    pad = default if options.tile_pad is None else options.tile_pad
    if options.tile is not None and min(options.tile) <= 2 * (-(-pad // cell) * cell):
        raise ValueError(
            f"tile={tuple(options.tile)} leaves no room for a padding of {pad} pixels on both "
            f"sides; make the tile larger than {2 * (-(-pad // cell) * cell)}, or set tile_pad"
        )
    return -(-pad // cell)
