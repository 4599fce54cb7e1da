"""``SuperRes``: enlarges video."""

from collections.abc import Collection
from pathlib import Path

import vapoursynth as vs

from ..cards import CLEAN_QUANTISER, Card, ModelFile, find, list_models, newest
from ..graph import planes as plane_graph
from ..graph import scenes
from ..graph.clips import ClipFacts, checked, facts
from ..graph.guard import guarded
from ..graph.nodes import shared
from ..inference.backends import AnyBackend
from ..inference.probe import probe
from .file_model import by_file, checked_refine
from .options import Options, check_engine, errors_named, number
from .quantiser import Weighing
from .residual import prepared, residual
from .scales import possible, to_reach, to_scale
from .size import reduced, wanted_size

DEFAULT_MODEL = "balanced"


def SuperRes(
    clip: vs.VideoNode,
    scale: int | None = None,
    model: str | Path = DEFAULT_MODEL,
    detail: float = 0.0,
    *,
    width: int | None = None,
    height: int | None = None,
    qp: float | None = None,
    refine: float | None = None,
    backend: str | AnyBackend = "auto",
    device_index: int = 0,
    num_streams: int | None = None,
    fp16: bool | None = None,
    tile: tuple[int, int] | None = None,
    tile_pad: int | None = None,
    length: int | None = None,
    overlap: int | None = None,
    ensemble: int = 1,
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
        scale: 2, 4, 8 or 16 with the shipped models. ``None`` takes the model's own, and 2 of
            those that there are for both 2 and 4. What no model gives by itself is made by as few
            runs as it takes, the smallest step first: 8 by the models for 2 and then 4, or by one
            for 2 three times. For a file, its scale or a power of it.
        model: Name of a shipped model (``vqe.list_models("superres")``), or a word of it, such as
            ``"balanced"``, ``"fast"`` or ``"real"`` (video of unknown history), which takes the
            model made for the scale or size, or several in turn; or path of an ``.onnx``
            image model (N x C x H x W, RGB or luma, float32 or float16, x1 to x4), or of a
            PyTorch checkpoint (``.pth``, ``.pt``, ``.ckpt``, ``.safetensors``) of an image or a
            recurrent network (BasicVSR, IconVSR, BasicVSR++, RealBasicVSR).
        detail: 0 is the faithful model, 1 its sibling that was trained for texture, which looks
            sharper and may be less true; values between mix linearly and cost both. Only for
            models whose card names such a sibling.
        width: Instead of ``scale``: width of the result. As few runs as it takes reach or exceed
            it, as for ``scale``, and a Spline36 reduction does the rest. With ``width`` or
            ``height`` alone, the other follows from the clip's shape.
        height: Height of the result.
        qp: How coarsely the clip was quantised, as for ``Deblock``; ``None`` estimates it. Only
            for shipped models that go by it, which take as much away as they enlarge.
        refine: For RealBasicVSR, 0 to 255: the picture is cleaned again until a pass changes it
            by less than so many 255ths on average, three times at most. ``None`` cleans once, as
            255 does; 5 suits checkpoints trained with a GAN, 1.5 others; 0 cleans three times.
        backend: As for ``Deblock``, and so for all that follow.
        device_index: Which GPU.
        num_streams: Chunks computed at the same time; ``None``: 1 or 2, as suits.
        fp16: Whether half precision may be used.
        tile: Width and height of tiles in pixels of the input.
        tile_pad: Overlap of tiles in pixels of the input.
        length: Frames that one call of the model returns.
        overlap: Frames of context on each side of them.
        ensemble: Views of each picture, turned and mirrored, that the model runs on: 1, 2, 4 or 8.
        sc: Whether windows end at scene cuts.
        sc_threshold: Of the detector, 0 to 1.
        engine_folder: Where built engines are kept.

    Returns:
        A clip ``scale`` times as wide and high, or of the size asked for, else the same: format,
        length, frame rate and props. The sample aspect ratio stays what it was, unless width and
        height are both given and change the shape.

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
        >>> vqe.SuperRes(clip, height=1080).set_output()  # doctest: +SKIP
    """
    arguments = locals()
    with errors_named("SuperRes"):
        clip = checked(clip)
        options = Options.among(arguments)
        detail = number("detail", detail, 0.0, 1.0)
        if qp is not None:
            qp = number("qp", qp, 0.0, 51.0)
        size = wanted_size(clip, scale, width, height)
        shipped = _shipped(model)
        clip_facts = facts(clip)
        clip = shared(clip)
        if isinstance(shipped, ModelFile):
            check_engine(shipped, str(model), options.backend)
            kind = probe(shipped.path, shipped.sha256)
            if detail:
                raise ValueError(
                    f"detail={detail!r} needs a shipped model that has a sibling for it; "
                    f"{str(model)!r} is a file"
                )
            _check_heeded(qp, [])
            refine = checked_refine(refine, kind, str(model))
            result = guarded(clip, "SuperRes", finite=False)
            for _ in _steps([kind.scale], scale, size, clip, str(model)):
                result = shared(result)
                larger = by_file(
                    result, clip_facts, shipped, kind, options, refine=refine, name="SuperRes"
                )
                result = larger.std.CopyFrameProps(result)
        else:
            checked_refine(refine, None, str(model))
            steps = _steps(shipped, scale, size, clip, str(model))
            check_engine(shipped[steps[0]], str(model), options.backend)
            runs = [_with_weights(shipped[step], detail) for step in steps]
            _check_heeded(qp, [card for card, _ in runs[0]])
            result = clip
            for models in runs:
                result = _by_residual(result, clip_facts, models, options, qp)
                # What the first run did not take away is for no other to find.
                qp = CLEAN_QUANTISER
        return reduced(result, clip, size, clip_facts) if size else result


def goes_by_quantiser(
    model: str | Path = DEFAULT_MODEL, scale: int | None = None, detail: float = 0.0
) -> bool:
    """Tells whether ``qp`` counts with these arguments of ``SuperRes``.

    Args:
        model: As there.
        scale: As there.
        detail: As there.

    Example:
        >>> from vsvqe.filters.superres import goes_by_quantiser
        >>> goes_by_quantiser("balanced", 2), goes_by_quantiser("model.onnx")
        (True, False)
    """
    named = {card.scale: card for card in list_models("superres") if card.name == str(model)}
    found = _made(str(model)) or named
    # Where the filter itself refuses the model or the scale, or knows no sibling, nothing counts.
    steps = (min(found),) if found and scale is None else to_scale(found, scale or 0)
    if steps is None or (detail and found[steps[0]].detail is None):
        return False
    return any(run.heeds_quantiser for run, _ in _with_weights(found[steps[0]], detail))


def _shipped(model: str | Path) -> ModelFile | dict[int, Card]:
    """Returns the file that a user named, or the shipped models by their scales."""
    made = _made(str(model))
    if made:
        # Their files are looked at, too.
        return {scale: _card(card.name) for scale, card in made.items()}
    found = find(model, "superres")
    return {found.scale: found} if isinstance(found, Card) else found


def _made(variant: str) -> dict[int, Card]:
    """Returns the newest models of a variant, by their scales."""
    cards = newest(card for card in list_models("superres") if card.variant == variant)
    return {card.scale: card for card in cards}


def _card(name: str) -> Card:
    found = find(name, "superres")
    assert isinstance(found, Card)
    return found


def _steps(
    own: Collection[int],
    scale: object,
    size: tuple[int, int] | None,
    clip: vs.VideoNode,
    model: str,
) -> tuple[int, ...]:
    """Returns the scales of the models that run one after the other.

    Args:
        own: Scales of the models that there are.
        scale: As the user gave it.
        size: That is asked for, if it is one.
        clip: To be enlarged.
        model: As the user gave it.

    Raises:
        ValueError: The scale, or the size, can't be had.
    """
    most = possible(own)
    if size is not None:
        needed = _enlargement(size, clip)
        steps = to_reach(own, needed)
        if steps is None:
            raise ValueError(
                f"{size[0]}x{size[1]} is {needed:.3g} times the clip's {clip.width}x{clip.height}, "
                f"and model {model!r} gives {most[-1]} at most"
            )
        return steps
    if scale is None:
        return (min(own),)
    if isinstance(scale, bool) or not isinstance(scale, int):
        raise ValueError(f"scale={scale!r} must be a whole number")
    steps = to_scale(own, scale)
    if steps is None:
        raise ValueError(
            f"scale={scale} can't be had with model {model!r}, which gives "
            f"{', '.join(map(str, most))}; choose one of these, or give width= or height="
        )
    return steps


def _enlargement(size: tuple[int, int], clip: vs.VideoNode) -> float:
    """Returns by how much a clip must be enlarged to have no side too small."""
    width, height = size
    return max(width / int(clip.width), height / int(clip.height))


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
    sibling = _card(card.detail)
    if detail == 1.0:
        return [(sibling, 1.0)]
    return [(card, 1.0 - detail), (sibling, detail)]


def _check_heeded(qp: float | None, cards: list[Card]) -> None:
    """Sees to it that a quantiser is given to models that go by it only."""
    if qp is None or any(card.heeds_quantiser for card in cards):
        return
    heeding = [card.name for card in list_models("superres") if card.heeds_quantiser]
    running = " and ".join(repr(card.name) for card in cards) or "this one"
    raise ValueError(
        f"qp={qp:g} is for models that go by the quantiser ({', '.join(heeding)}); leave it out "
        f"with {running}"
    )


def _by_residual(
    clip: vs.VideoNode,
    clip_facts: ClipFacts,
    models: list[tuple[Card, float]],
    options: Options,
    qp: float | None,
) -> vs.VideoNode:
    held, seen = prepared(clip, clip_facts, options, "SuperRes")
    scale = models[0][0].scale
    base = plane_graph.enlarged(held, scale, clip_facts)
    residuals = []
    for card, weight in models:
        weighing = Weighing(card=card, qp=qp) if card.heeds_quantiser else None
        wanted = residual(seen, clip_facts, card, options, name="SuperRes", weighing=weighing)
        wanted = plane_graph.residual_like(wanted, clip.format, clip_facts, base.width, base.height)
        residuals.append((wanted, weight))
    every = range(clip.format.num_planes)
    result = plane_graph.added(base, residuals, clip.format, clip_facts, every)
    # The resizer writes what it knows of the colours into the props; give back what came in.
    return scenes.cleaned(result.std.CopyFrameProps(held))
