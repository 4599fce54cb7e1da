"""Recurrent models of the user's own: runs of frames in, the model's pictures of them out."""

import dataclasses
from collections.abc import Sequence

import vapoursynth as vs

from ..cards import ModelFile
from ..graph import chunks, colour, scenes
from ..graph.clips import ClipFacts, pixels_to_length
from ..graph.nodes import own_node
from ..inference.probe import SequenceModel
from ..inference.session import Part
from ..inference.tiles import Geometry, TiledRunner
from ..inference.workspace import Workspace
from .options import Options, half_precision
from .picture import DEFAULT_PAD, fill, write
from .refinement import Refining
from .residual import pad_in_cells, tile_in_cells
from .sessions import Sessions

# Frames that a chunk gives: many, because those of context on both sides are computed besides; and
# not more, because features of all of them are in memory at once.
_LONGEST, _SHORTEST = 24, 8
# What a frame of context adds falls to a quarter from one to the next: see docs/ablations.md.
_OVERLAP = 4


def _runs(
    clip: vs.VideoNode, model: ModelFile, recurrent: SequenceModel, options: Options
) -> tuple[int, int]:
    """Returns the frames that a chunk gives, and those of context on each of its sides.

    Raises:
        ValueError: The model takes runs of one length only, and another is asked for.
    """
    if recurrent.frames is None:
        overlap = _OVERLAP if options.overlap is None else options.overlap
        # Beyond the clip's own frames there are none.
        overlap = min(overlap, max(_OVERLAP, clip.num_frames - 1))
        usual = max(_SHORTEST, pixels_to_length(clip.width, clip.height, _LONGEST))
        return min(options.length or usual, clip.num_frames), overlap
    # A quarter of a short run is context on each side.
    usual = min(_OVERLAP, recurrent.frames // 4)
    overlap = usual if options.overlap is None else options.overlap
    length = recurrent.frames - 2 * overlap
    if length < 1 or (options.length is not None and options.length != length):
        raise ValueError(
            f"{model.path.name} takes runs of {recurrent.frames} frames: length and twice overlap "
            "must make as many; leave them out"
        )
    return min(length, clip.num_frames), overlap


def sequence(
    clip: vs.VideoNode,
    facts: ClipFacts,
    model: ModelFile,
    recurrent: SequenceModel,
    options: Options,
    *,
    refine: float | None,
    name: str,
) -> vs.VideoNode:
    """Runs a recurrent model over a clip.

    Every chunk of a fixed grid is computed alone, with frames of context on both sides; no state is
    carried from one to the next. At cuts, and at the ends of the clip, runs are shorter.

    Args:
        clip: From ``clips.checked``.
        facts: Its colour facts.
        model: The file.
        recurrent: What was read from it.
        options: Checked common parameters.
        refine: Threshold of the cleaning's repetition, in 255ths; ``None``: the model's own.
        name: The filter, for error messages.

    Returns:
        A clip in the format of ``clip``, the model's scale times as large.
    """
    half = half_precision(options, tolerant=False, backend=options.backend)
    cell, scale = recurrent.multiple, recurrent.scale
    seen = colour.to_picture(scenes.annotated(clip, detect=options.sc), facts, 3)
    size = (-(-seen.width // cell), -(-seen.height // cell))
    length, overlap = _runs(clip, model, recurrent, options)
    frames = recurrent.frames or length + 2 * overlap

    def opened(part: Part | None) -> tuple[TiledRunner, int]:
        """Returns what runs the model, or a part of it, and how many chunks are in work at once."""
        sessions = Sessions(
            path=model.path,
            sha256=model.sha256,
            shapes=lambda width, height: ((recurrent.input, (1, frames, 3, height, width)),),
            cell=cell,
            half=half,
            options=options,
            # Features of all frames of a chunk are in memory.
            cpu_streams=options.num_streams or 1,
            part=part,
        )
        grown = 1 if part == "cleaning" else scale
        runner = TiledRunner(
            sessions,
            Geometry(inputs=(cell,), outputs=(cell * grown,)),
            size,
            tile_in_cells(options, cell),
            pad_in_cells(options, cell, DEFAULT_PAD),
        )
        return runner, sessions.streams

    width, height = size[0] * cell, size[1] * cell
    shape = (1, frames, 3, height, width)
    runner: TiledRunner | Refining
    if refine is None:
        runner, streams = opened(None)
    else:
        # Imported here: PyTorch, which comes with it, takes a moment.
        from ..nets.realbasicvsr import MOST_PASSES

        (cleaning, _), (enlarging, streams) = opened("cleaning"), opened("enlarging")
        runner = Refining(cleaning, enlarging, threshold=refine, most=MOST_PASSES, shape=shape)
    plan = dataclasses.replace(
        options.chunked(length, overlap, streams),
        # Without context too: a chunk has many frames.
        cut_threshold=options.sc_threshold if options.sc else None,
    )
    workspace = Workspace([shape, (*shape[:3], height * scale, width * scale)])

    def process(window: Sequence[vs.VideoFrame], out: Sequence[chunks.Picture]) -> None:
        run, wanted = chunks.present(window, plan.overlap)
        with workspace.borrowed() as (array, result):
            given = frames if recurrent.fixed else len(run)
            array, result = array[:, :given], result[:, :given]
            for frame, target in zip(run, array[0], strict=False):
                fill(target, frame)
            # What a fixed run has more than the scene repeats its last frame.
            array[0, len(run) :] = array[0, len(run) - 1]
            runner.run([array], [result])
            for picture, found in zip(out, result[0, wanted:], strict=False):
                write(found, picture, model)

    enhanced = chunks.in_chunks(
        own_node(seen),  # `in_chunks` sets its cache
        plan,
        process,
        name=name,
        format=seen.format,
        width=seen.width * scale,
        height=seen.height * scale,
    )
    return colour.from_picture(enhanced, clip, facts)
