"""``SuperRes``: enlarges video."""

from pathlib import Path

import vapoursynth as vs

from ..cards import CLEAN_QUANTISER, Card, find, list_models
from ..graph import planes as plane_graph
from ..graph import scenes
from ..graph.clips import ClipFacts, checked, facts
from ..graph.guard import guarded
from ..inference.backends import AnyBackend
from ..inference.probe import ImageModel, SequenceModel, probe
from .file_model import by_file, checked_refine
from .options import Options, check_engine, errors_named, number
from .quantiser import Weighing
from .residual import prepared, residual
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
        scale: 2 or 4 with the shipped models (4 runs an x2 model twice). ``None`` takes the
            model's own, and 2 of those that there are for both. For a file, its scale or a power
            of it.
        model: Name of a shipped model (``vqe.list_models("superres")``), or a word of it, such as
            ``"balanced"``, ``"fast"`` or ``"real"`` (video of unknown history), which takes the
            model made for the scale or size, or the nearest there is; or path of an ``.onnx``
            image model (N x C x H x W, RGB or luma, float32 or float16, x1 to x4), or of a
            PyTorch checkpoint (``.pth``, ``.pt``, ``.ckpt``, ``.safetensors``) of an image or a
            recurrent network (BasicVSR, IconVSR, BasicVSR++, RealBasicVSR).
        detail: 0 is the faithful model, 1 its sibling that was trained for texture, which looks
            sharper and may be less true; values between mix linearly and cost both. Only for
            models whose card names such a sibling.
        width: Instead of ``scale``: width of the result. The model runs as often as it takes to
            exceed it, and a Spline36 reduction does the rest. With ``width`` or ``height`` alone,
            the other follows from the clip's shape.
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
        found = find(_named(model, scale, _enlargement(size, clip) if size else None), "superres")
        check_engine(found, str(model), options.backend)
        kind: ImageModel | SequenceModel | None = None
        if isinstance(found, Card):
            own_scale = found.scale
            models = _with_weights(found, detail)
            _check_heeded(qp, [card for card, _ in models])
        else:
            _check_heeded(qp, [])
            kind = probe(found.path, found.sha256)
            own_scale = kind.scale
            if detail:
                raise ValueError(
                    f"detail={detail!r} needs a shipped model that has a sibling for it; "
                    f"{str(model)!r} is a file"
                )
        refine = checked_refine(refine, kind, str(model))
        passes = _passes_to(size, clip, own_scale, str(model)) if size else None
        clip_facts = facts(clip)
        result = clip if isinstance(found, Card) else guarded(clip, "SuperRes", finite=False)
        for _ in range(_passes(scale, own_scale, str(model)) if passes is None else passes):
            if isinstance(found, Card):
                result = _by_residual(result, clip_facts, models, options, qp)
                # What the first run did not take away is for no other to find.
                qp = CLEAN_QUANTISER
            else:
                assert kind is not None
                larger = by_file(
                    result, clip_facts, found, kind, options, refine=refine, name="SuperRes"
                )
                result = larger.std.CopyFrameProps(result)
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
    name = str(_named(model, scale, None))
    return any(
        run.heeds_quantiser
        for card in list_models("superres")
        # Of a model without a sibling, the filter itself refuses ``detail``.
        if card.name == name and (card.detail or not detail)
        for run, _ in _with_weights(card, detail)
    )


def _named(model: str | Path, scale: object, needed: float | None) -> str | Path:
    """Returns the shipped model that a variant stands for, at a scale or size.

    Args:
        model: As the user gave it; what is no variant comes back as it is.
        scale: As the user gave it.
        needed: Least enlargement for the size asked for, if there is one.
    """
    made = {
        card.scale: card.name  # of several versions the last
        for card in list_models("superres")
        if card.variant == str(model)
    }
    if not made:
        return model
    enough = [own for own in made if own == scale or (needed and own >= needed)]
    # Otherwise in several runs, which the smallest steps suit best.
    return made[min(enough or made)]


_MOST_SCALE = 16


def _powers(own: int) -> list[int]:
    """Returns the scales that a model can give."""
    return [own] if own == 1 else [own**n for n in range(1, 5) if own**n <= _MOST_SCALE]


def _passes(scale: int | None, own: int, model: str) -> int:
    """Returns how often a model has to run for a scale: once for its own, twice for its square."""
    if scale is None:
        return 1
    if isinstance(scale, bool) or not isinstance(scale, int):
        raise ValueError(f"scale={scale!r} must be a whole number")
    possible = _powers(own)
    if scale not in possible:
        raise ValueError(
            f"scale={scale} can't be had with model {model!r}, which gives "
            f"{', '.join(map(str, possible))}; choose one of these, or give width= or height="
        )
    return possible.index(scale) + 1


def _enlargement(size: tuple[int, int], clip: vs.VideoNode) -> float:
    """Returns by how much a clip must be enlarged to have no side too small."""
    width, height = size
    return max(width / int(clip.width), height / int(clip.height))


def _passes_to(size: tuple[int, int], clip: vs.VideoNode, own: int, model: str) -> int:
    """Returns how often a model has to run to reach a size."""
    needed = _enlargement(size, clip)
    for passes, scale in enumerate(_powers(own), 1):
        if scale >= needed:
            return passes
    raise ValueError(
        f"{size[0]}x{size[1]} is {needed:.3g} times the clip's {clip.width}x{clip.height}, and "
        f"model {model!r} gives {_powers(own)[-1]} at most"
    )


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
