"""``ASTF``: enhances texture and calm apart, and fuses the two."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import vapoursynth as vs

from ..cards import Card, find, list_models
from ..graph import fusion, scenes
from ..graph import planes as plane_graph
from ..graph.clips import ClipFacts, checked, facts, like
from ..graph.colour import to_picture
from ..graph.guard import guarded
from ..graph.nodes import shared
from ..inference.backends import AnyBackend
from .options import Options, check_engine, errors_named, number, one_of, whole
from .quantiser import Weighing
from .residual import prepared, residual, residuals

type Show = Literal["result", "mask", "stage1", "texture", "smooth"]


def ASTF(
    clip: vs.VideoNode | None = None,
    model: str = "fast",
    *,
    texture: vs.VideoNode | None = None,
    smooth: vs.VideoNode | None = None,
    sharpen: float = 0.0,
    radius: int = 1,
    window: int = 3,
    normalize: fusion.Normalize = "window",
    show: Show = "result",
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
    """Brings back texture where there is some, and calm where there is none.

    Adaptive spatial-temporal fusion: a faithful model repairs the clip (stage 1, a model of
    ``Deblock``), then one network refines that twice, for texture that looks alike and for a
    picture that is smooth and does not flicker. A mask tells where the smooth picture varies in
    space and time, ``mask * texture + (1 - mask) * smooth`` is the result, and it may be sharpened.
    With two clips in place of one, only the fusion is done, of any two enhanced versions of a clip.

    The mask is the variance of the smooth picture's luma over ``2 * radius + 1`` samples across and
    down and ``window`` frames, divided by a scale and limited to 1.

    Texture is partly invented: PSNR falls below that of ``Deblock``, perceptual distance too.

    Args:
        clip: As for ``Deblock``: GRAY, YUV or RGB; integer of 8 to 16 bits, half or single float;
            constant format and size, at least 16x16; progressive.
        model: The second stage: ``"fast"``, or ``"best"``, which looks nearer to the original and
            takes longer.
        texture: With ``smooth`` and without ``clip``: what is wanted where texture is.
        smooth: What is wanted elsewhere, and what the mask is made from; of the format, size,
            length and colour props of ``texture``.
        sharpen: Amount ``a`` of the unsharp masking ``x + a * (x - blurred x)`` of the result, from
            0 (none) to 4; the blur is Gaussian, 3x3. Luma alone of YUV; R, G and B of RGB.
        radius: Samples to each side that the variance looks at, 0 to 12.
        window: Frames that it looks at, odd, 1 to 31, and more than 1 with ``radius=0``. Frames
            beyond a scene cut or the ends of the clip are replaced by the frame itself.
        normalize: The scale of the mask: ``"fixed"`` is the variance of a deviation of 4 codes (of
            8 bits, limited range); ``"window"`` is a ninth of the mean variance of the frames of
            the window where that is larger, so that in a busy picture only the busier parts are
            texture.
        show: ``"result"``; ``"mask"`` (grey, of the clip's depth, full range), ``"texture"`` or
            ``"smooth"``, which go into the fusion, or ``"stage1"``, which both are made from.
        backend: This and all that follows is as for ``Deblock``, and without use for two clips but
            for ``sc`` and ``sc_threshold``.
        device_index: Which GPU.
        num_streams: Chunks computed at the same time; ``None``: 1 or 2, as suits.
        fp16: Whether half precision may be used; ``None``: yes.
        tile: Width and height in pixels of the tiles in which the models run.
        tile_pad: Overlap of the tiles in pixels on each side.
        length: Frames that one call of a model returns.
        overlap: Frames of context on each side of them, in stage 1.
        ensemble: Views of each picture, turned and mirrored, that both stages run on.
        sc: Whether windows end at scene cuts.
        sc_threshold: Of the detector of scene cuts.
        engine_folder: Where built engines are kept for the next time.

    Returns:
        A clip of the same format, size, length and frame rate, with the same props; of two clips,
        those of ``smooth``.

    Raises:
        vapoursynth.Error: An argument, a clip, the model or the backend can't be used; the text
            says what was given, what is accepted and what to do.

    Source:
        Adaptive spatial-temporal fusion of the VUE team in Yang, Timofte et al., "NTIRE 2021
        challenge on quality enhancement of compressed video: methods and results", CVPR Workshops
        2021. The scale of the mask is this package's own, as the paper gives none, and so are the
        networks.

    Example:
        >>> import vapoursynth as vs
        >>> import vsvqe as vqe
        >>> clip = vs.core.bs.VideoSource("input.mp4")  # doctest: +SKIP
        >>> vqe.ASTF(clip, sharpen=0.5).set_output()  # doctest: +SKIP
        >>> crisp = vqe.Deblock(clip, model="other.onnx")  # doctest: +SKIP
        >>> vqe.ASTF(texture=crisp, smooth=vqe.Deblock(clip)).set_output(1)  # doctest: +SKIP
    """
    arguments = locals()
    with errors_named("ASTF"):
        options = Options.among(arguments)
        settings = _Settings(
            sharpen=number("sharpen", sharpen, 0.0, 4.0),
            radius=whole("radius", radius, 0, fusion.MOST_RADIUS),
            window=_window(window, radius),
            normalize=one_of("normalize", normalize, fusion.NORMALIZE),
            show=one_of("show", show, get_args(Show.__value__)),
        )
        if texture is None and smooth is None:
            if clip is None:
                raise ValueError("there is no clip; give one, or two with texture= and smooth=")
            clip, card = checked(clip), card_of(model)
            check_engine(card, str(model), options.backend)
            return _refined(clip, card, options, settings)
        if clip is not None:
            raise ValueError(
                "clip= is given beside texture= or smooth=; give one clip to enhance, or the two "
                "to fuse"
            )
        if settings.show == "stage1":
            raise ValueError("show='stage1' needs clip=; two clips that exist have no first stage")
        return _of_two(_named("texture", texture), _named("smooth", smooth), options, settings)


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """The checked parameters of the fusion; see ``ASTF``."""

    sharpen: float
    radius: int
    window: int
    normalize: fusion.Normalize
    show: Show


def _refined(clip: vs.VideoNode, card: Card, options: Options, settings: _Settings) -> vs.VideoNode:
    """Runs both stages and fuses what they give."""
    clip_facts = facts(clip)
    clip = shared(clip)
    held, seen = prepared(clip, clip_facts, options, "ASTF")
    first = _stage1(card)
    length, _ = options.window(first.radius, seen, aligned=first.aligned)
    weighing = Weighing(card=first, leniency=card.leniency) if first.heeds_quantiser else None
    faithful = residual(seen, clip_facts, first, options, name="ASTF", weighing=weighing)
    stage1 = _plus(_nominal(held, clip_facts), faithful, clip_facts)
    if settings.show == "stage1":
        return _returned(stage1, clip, clip_facts)
    # The second stage asks first, then both of its pictures.
    stage1.std.SetVideoCache(mode=1, fixedsize=1, maxsize=3 * length + 8)
    branches = residuals(
        plane_graph.for_model(stage1, clip_facts),
        clip_facts,
        card,
        replace(options, length=length, overlap=None),
        name="ASTF",
        damaged=seen,
        kept=settings.window + length,
    )
    pictures = {
        name: _plus(stage1, branch, clip_facts)
        for name, branch in zip(card.branches, branches, strict=True)
    }
    both = pictures["texture"], pictures["smooth"]
    return _fused(*both, held, clip, clip_facts, options, settings)


def _of_two(
    texture: vs.VideoNode, smooth: vs.VideoNode, options: Options, settings: _Settings
) -> vs.VideoNode:
    """Fuses two clips of the user's."""
    _check_alike(texture, smooth)
    texture_facts, smooth_facts = facts(texture), facts(smooth)
    if texture_facts != smooth_facts:
        raise ValueError(
            f"texture and smooth say different things about their colours ({texture_facts} and "
            f"{smooth_facts}); convert one of them, or, if only its props are wrong, mend them "
            "with texture.std.CopyFrameProps(smooth)"
        )
    smooth = shared(smooth)
    held = scenes.annotated(smooth, detect=options.sc)
    held.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * settings.window)
    first, second = (
        _nominal(guarded(version, "ASTF"), smooth_facts) for version in (texture, held)
    )
    return _fused(first, second, held, smooth, smooth_facts, options, settings)


def _fused(
    texture: vs.VideoNode,
    smooth: vs.VideoNode,
    annotated: vs.VideoNode,
    clip: vs.VideoNode,
    clip_facts: ClipFacts,
    options: Options,
    settings: _Settings,
) -> vs.VideoNode:
    """Makes the mask and fuses, or returns what is to be shown.

    Args:
        texture: Float32.
        smooth: Float32.
        annotated: The clip that scene cuts are known of.
        clip: What comes in: its format and props go out.
        clip_facts: Of it.
        options: For scene cuts.
        settings: Of the fusion.
    """
    if settings.show in ("texture", "smooth"):
        chosen = texture if settings.show == "texture" else smooth
        return _returned(chosen, clip, clip_facts)
    # Asked for once for every window that it is in, and once for the sum.
    smooth.std.SetVideoCache(mode=1, fixedsize=1, maxsize=settings.window + 2)
    marks = scenes.marked(annotated, options.sc_threshold if options.sc else None)
    luma = to_picture(smooth, clip_facts, 1)
    weights = fusion.mask(luma, marks, settings.radius, settings.window, settings.normalize)
    if settings.show == "mask":
        grey = fusion.full_range(weights, clip.format)
        return grey.std.CopyFrameProps(clip).std.SetFrameProps(_Range=vs.RANGE_FULL)
    planes = fusion.for_planes(weights, smooth.format, clip_facts)
    result = fusion.fused(texture, smooth, planes)
    if settings.sharpen:
        result = fusion.sharpened(result, settings.sharpen)
    return _returned(result, clip, clip_facts)


def _nominal(clip: vs.VideoNode, clip_facts: ClipFacts) -> vs.VideoNode:
    """Returns a clip as float32, nominal range 0 to 1."""
    format = like(clip.format, sample_type=vs.FLOAT, bits_per_sample=32)
    return plane_graph.resized(clip, clip.width, clip.height, clip_facts, format=format)


def _plus(base: vs.VideoNode, added: vs.VideoNode, clip_facts: ClipFacts) -> vs.VideoNode:
    """Adds a model's residual to a float32 clip."""
    wanted = plane_graph.residual_like(added, base.format, clip_facts, base.width, base.height)
    every = range(base.format.num_planes)
    return plane_graph.added(base, [(wanted, 1.0)], base.format, clip_facts, every)


def _returned(picture: vs.VideoNode, clip: vs.VideoNode, clip_facts: ClipFacts) -> vs.VideoNode:
    """Rounds a float32 picture to the clip's format, once, and gives it the clip's props."""
    rounded = plane_graph.resized(picture, clip.width, clip.height, clip_facts, format=clip.format)
    return rounded.std.CopyFrameProps(clip)


def card_of(model: object) -> Card:
    """Returns the model of the second stage that ``model=`` names.

    Raises:
        ValueError: There is none of that name.
    """
    names = [name for card in list_models("astf") for name in (card.variant, card.name)]
    if model not in names:
        raise ValueError(f"model={model!r} must be one of {', '.join(map(repr, names))}")
    card = find(str(model), "astf")
    assert isinstance(card, Card)
    return card


def _stage1(card: Card) -> Card:
    """Returns the model whose pictures another one refines."""
    assert card.refines is not None
    found = find(card.refines, "deblock")
    assert isinstance(found, Card)
    return found


def _window(window: object, radius: object) -> int:
    frames = whole("window", window, 1, fusion.MOST_WINDOW)
    if frames % 2 == 0:
        raise ValueError(f"window={frames} must be odd: as many frames before as after")
    if frames == 1 and radius == 0:
        raise ValueError("radius=0 with window=1 leaves one sample, which has no variance")
    return frames


def _named(name: str, clip: object) -> vs.VideoNode:
    """Checks one of two clips; errors say which."""
    if clip is None:
        raise ValueError(f"{name} is missing; the fusion needs both texture and smooth")
    try:
        return checked(clip)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_alike(texture: vs.VideoNode, smooth: vs.VideoNode) -> None:
    """Refuses two clips that can't be versions of one."""
    facts_of: Sequence[tuple[str, object, object, str]] = (
        ("format", texture.format.name, smooth.format.name, "resize.Bicubic(format=...)"),
        (
            "size",
            f"{texture.width}x{texture.height}",
            f"{smooth.width}x{smooth.height}",
            "resize.Bicubic(width=..., height=...)",
        ),
        ("length", texture.num_frames, smooth.num_frames, "std.Trim(...)"),
    )
    for what, first, second, remedy in facts_of:
        if first != second:
            raise ValueError(
                f"texture and smooth differ in {what}: {first} and {second}; make one like the "
                f"other, for example with texture.{remedy}"
            )
