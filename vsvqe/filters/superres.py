"""``SuperRes``: enlarges video."""

from pathlib import Path

import vapoursynth as vs

from ..cards import Card, ModelFile, find, list_models
from ..graph import planes as plane_graph
from ..graph import scenes
from ..graph.clips import ClipFacts, checked, facts
from ..inference.backends import AnyBackend
from ..inference.probe import probe
from .options import Options, errors_named, number
from .picture import picture
from .residual import prepared, residual

DEFAULT_MODEL = "superres-x2-balanced-v1"


def SuperRes(
    clip: vs.VideoNode,
    scale: int | None = None,
    model: str | Path = DEFAULT_MODEL,
    detail: float = 0.0,
    *,
    backend: str | AnyBackend = "auto",
    device_index: int = 0,
    num_streams: int | None = None,
    fp16: bool | None = None,
    tile: tuple[int, int] | None = None,
    tile_pad: int | None = None,
    length: int | None = None,
    overlap: int | None = None,
    sc: bool = True,
    sc_threshold: float = scenes.DEFAULT_THRESHOLD,
    engine_folder: str | Path | None = None,
) -> vs.VideoNode:
    """Enlarges video, clean or compressed, with more detail than a resizer gives.

    The shipped models look at several consecutive frames (never across a scene cut) and return
    what has to be added to a bicubic enlargement, which keeps the chroma exactly at its location;
    the sum is formed at 16 bits or more and rounded once.

    Args:
        clip: As for ``Deblock``: GRAY, YUV or RGB; integer of 8 to 16 bits, half or single float;
            constant format and size, at least 16x16; progressive.
        scale: 2 or 4 with the shipped models (4 runs the x2 model twice, unless ``model`` is an
            x4 one). ``None`` takes the model's own. For an ``.onnx`` file, its scale or a power
            of it.
        model: Name of a shipped model (``vqe.list_models("superres")``), or path of an ``.onnx``
            image model (N x C x H x W, RGB or luma, float32 or float16, x1 to x4).
        detail: 0 is the faithful model, 1 its sibling that was trained for texture, which looks
            sharper and may be less true; values between mix linearly and cost both. Only for
            models whose card names such a sibling.
        backend: As for ``Deblock``, and so for all that follow.
        device_index: Which GPU.
        num_streams: Chunks computed at the same time.
        fp16: Whether half precision may be used.
        tile: Width and height of tiles in pixels of the input.
        tile_pad: Overlap of tiles in pixels of the input.
        length: Frames that one call of the model returns.
        overlap: Frames of context on each side of them.
        sc: Whether windows end at scene cuts.
        sc_threshold: Of the detector, 0 to 1.
        engine_folder: Where built engines are kept.

    Returns:
        A clip ``scale`` times as wide and high, else the same: format, length, frame rate and
        props. The sample aspect ratio stays what it was.

    Raises:
        vapoursynth.Error: An argument, the clip, the model or the backend can't be used; the
            text says what was given, what is accepted and what to do.

    Source:
        A plain residual stack at half resolution with sub-pixel convolution (Shi et al., CVPR
        2016) as the last step.

    Example:
        >>> import vapoursynth as vs
        >>> import vsvqe as vqe
        >>> clip = vs.core.bs.VideoSource("input.mp4")  # doctest: +SKIP
        >>> vqe.SuperRes(clip, scale=2).set_output()  # doctest: +SKIP
    """
    with errors_named("SuperRes"):
        clip = checked(clip)
        options = Options(
            backend=backend,
            device_index=device_index,
            num_streams=num_streams,
            fp16=fp16,
            tile=tile,
            tile_pad=tile_pad,
            length=length,
            overlap=overlap,
            sc=sc,
            sc_threshold=sc_threshold,
            engine_folder=engine_folder,
        ).checked()
        detail = number("detail", detail, 0.0, 1.0)
        found = find(model, "superres")
        if isinstance(found, Card):
            own_scale = found.scale
            models = _with_weights(found, detail)
        else:
            own_scale = probe(found.path, found.sha256).scale
            if detail:
                raise ValueError(
                    f"detail={detail!r} needs a shipped model that has a sibling for it; "
                    f"{str(model)!r} is a file"
                )
        clip_facts = facts(clip)
        for _ in range(_passes(scale, own_scale, str(model))):
            if isinstance(found, Card):
                clip = _by_residual(clip, clip_facts, models, options)
            else:
                clip = _by_picture(clip, clip_facts, found, options)
        return clip


def _passes(scale: int | None, own: int, model: str) -> int:
    """Returns how often a model has to run for a scale: once for its own, twice for its square."""
    if scale is None:
        return 1
    if isinstance(scale, bool) or not isinstance(scale, int):
        raise ValueError(f"scale={scale!r} must be a whole number")
    possible = [own] if own == 1 else [own**n for n in range(1, 5) if own**n <= 16]
    if scale not in possible:
        raise ValueError(
            f"scale={scale} can't be had with model {model!r}, which gives "
            f"{', '.join(map(str, possible))}; choose one of these and resize the rest, for "
            "example with clip.resize.Spline36"
        )
    return possible.index(scale) + 1


def _with_weights(card: Card, detail: float) -> list[tuple[Card, float]]:
    """Returns the models to run and the weight of each."""
    if detail == 0.0:
        return [(card, 1.0)]
    if card.detail is None:
        siblings = [other.name for other in list_models("superres") if other.detail]
        raise ValueError(
            f"detail={detail!r}: model {card.name!r} has no sibling trained for texture; "
            + (f"these have one: {', '.join(siblings)}" if siblings else "no shipped model has one")
        )
    sibling = find(card.detail, "superres")
    assert isinstance(sibling, Card)
    if detail == 1.0:
        return [(sibling, 1.0)]
    return [(card, 1.0 - detail), (sibling, detail)]


def _by_residual(
    clip: vs.VideoNode,
    clip_facts: ClipFacts,
    models: list[tuple[Card, float]],
    options: Options,
) -> vs.VideoNode:
    held, seen = prepared(clip, clip_facts, options)
    scale = models[0][0].scale
    base = plane_graph.enlarged(held, scale, clip_facts)
    residuals = []
    for card, weight in models:
        wanted = residual(seen, clip_facts, card, options, name="SuperRes")
        wanted = plane_graph.residual_like(wanted, clip.format, clip_facts, base.width, base.height)
        residuals.append((wanted, weight))
    every = range(clip.format.num_planes)
    result = plane_graph.added(base, residuals, clip.format, clip_facts, every)
    # The resizer writes what it knows of the colours into the props; give back what came in.
    return scenes.cleaned(result.std.CopyFrameProps(held))


def _by_picture(
    clip: vs.VideoNode, clip_facts: ClipFacts, model: ModelFile, options: Options
) -> vs.VideoNode:
    return picture(clip, clip_facts, model, options, name="SuperRes").std.CopyFrameProps(clip)
