"""What may repair a clip: our filters, and what else people have."""

import ast
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import vapoursynth as vs

import vsvqe

from ..cards import Card, list_models, newest
from ..metrics.psnr import psnr
from . import chains
from .pictures import Bytes, Planes, as_clip, read
from .recipes import RECIPES, Recipe

_TITLED = re.compile(r"(?P<title>[^()'\":]+): (?P<chain>.+)", re.DOTALL)

type Strength = float | Literal["auto"]
"""See ``Deblock``."""

type Candidates = Iterator[tuple[str, vs.VideoNode]]
"""Settings in words, and what they make of the clip."""


@dataclass(frozen=True)
class Method:
    """One way to repair or enlarge a clip."""

    name: str
    """As the tables show it."""
    version: str
    """Changes whenever its result may change; a part of the key of kept scores."""
    run: Callable[[vs.VideoNode], Candidates]
    """Gives one result, or several to choose the best of."""
    card: str | None = None
    """The shipped model whose gains it measures."""


def methods(recipe: Recipe, backend: str) -> list[Method]:
    """Returns what is compared on a recipe; the first one is what gains are counted from."""
    if recipe.scale > 1:
        return [*_resizers(recipe.scale), *_our_superres(recipe, backend)]
    unchanged = Method("input", "1", lambda clip: iter([("", clip)]))
    if recipe.encoder is None:
        # On what was compressed, "auto" is full strength, or near to it.
        return [unchanged, *_our_deblock(backend, (1.0, "auto"))]
    return [unchanged, *_other_deblockers(), *_our_deblock(backend, (1.0,))]


def select(recipe: Recipe, backend: str, wanted: Sequence[str]) -> list[Method]:
    """Returns the methods with the given names; other words are chains of filters.

    Args:
        recipe: See ``methods``.
        backend: See ``methods``.
        wanted: Names of methods, as the tables show them, or chains, see ``chain``. A name that
            this recipe does not have, but others do, is left out.

    Raises:
        ValueError: A word is neither the name of a method of any recipe nor a chain.
    """
    own = {method.name: method for method in methods(recipe, backend)}
    known = {method.name for other in RECIPES.values() for method in methods(other, backend)}
    try:
        return [
            own[word] if word in own else chain(word, backend)
            for word in wanted
            if word in own or word not in known
        ]
    except ValueError as error:
        names = ", ".join(repr(name) for name in sorted(known))
        raise ValueError(f"{error}; or take one of {names}") from error


def chain(text: str, backend: str) -> Method:
    """Returns a chain of filters as a method.

    Args:
        text: See ``chains.parse``; the tables may show another name, which goes before:
            ``Real-ESRGAN: SuperRes(model='realesrgan.pth')``.
        backend: For our filters that do not name another.

    Raises:
        ValueError: The text is no chain.
    """
    titled = _TITLED.fullmatch(text)
    steps = chains.parse(titled["chain"] if titled else text)

    def run(clip: vs.VideoNode) -> Candidates:
        for step in steps:
            clip = step.run(clip, backend)
        yield "", clip

    # Which of the models a chain opens is its filters' choice: any that changes may change it.
    shipped = list_models() if any(step.runs_shipped_models for step in steps) else []
    models = _version(shipped, backend) if any(step.is_ours for step in steps) else ""
    version = [models, *(step.version for step in steps)]
    if titled:
        # Scores are kept by name, and the name of one chain may be given to another.
        version.append(titled["chain"])
    return Method(titled["title"] if titled else text, " ".join(version), run)


def best(
    candidates: Iterable[tuple[str, vs.VideoNode]], luma: Bytes
) -> tuple[str, Planes, vs.VideoNode]:
    """Returns the candidate of the highest PSNR: its setting, its frames and itself.

    Args:
        candidates: Settings in words, with 8-bit 4:2:0 clips.
        luma: Of the original, frames x height x width.

    Raises:
        ValueError: A candidate has not the size and length of the original.
    """
    setting, result, highest = "", None, -np.inf
    for words, clip in candidates:
        planes = read(clip)
        if planes.y.shape != luma.shape:
            shapes = [f"{w}x{h}, {n} frames" for n, h, w in (planes.y.shape, luma.shape)]
            raise ValueError(f"the result is {shapes[0]}, the original {shapes[1]}")
        quality = psnr(luma, planes.y).mean()
        if quality > highest:
            setting, result, highest = words, (planes, clip), quality
    assert result is not None
    return setting, *result


def _resizers(scale: int) -> list[Method]:
    def bicubic(clip: vs.VideoNode) -> Candidates:
        yield "", clip.resize.Bicubic(clip.width * scale, clip.height * scale)

    def lanczos(clip: vs.VideoNode) -> Candidates:
        yield "", clip.resize.Lanczos(clip.width * scale, clip.height * scale)

    return [Method("bicubic", "1", bicubic), Method("Lanczos", "1", lanczos)]


def _other_deblockers() -> list[Method]:
    """Filters of ffmpeg and of the deblock plugin, each at several settings.

    The best setting is chosen with the original at hand, for every clip anew, which nobody could
    do in practice: the comparison errs on their side.
    """
    found = []
    ffmpeg = _ffmpeg()
    if ffmpeg is not None:
        weak_strong = tuple(f"deblock=filter={kind}" for kind in ("weak", "strong"))
        spp = tuple(f"spp=quality=4:qp={qp}" for qp in (2, 4, 6, 9, 13))
        found.append(Method("ffmpeg deblock", repr(weak_strong), _by_ffmpeg(ffmpeg, weak_strong)))
        found.append(Method("ffmpeg spp", repr(spp), _by_ffmpeg(ffmpeg, spp)))
    if hasattr(vs.core, "deblock"):
        quants = (20, 30, 40, 50)
        found.append(Method("core.deblock", repr(quants), _by_plugin(quants)))
    return found


def _by_plugin(quants: Sequence[int]) -> Callable[[vs.VideoNode], Candidates]:
    def run(clip: vs.VideoNode) -> Candidates:
        for quant in quants:
            yield f"quant={quant}", clip.deblock.Deblock(quant=quant)

    return run


def _by_ffmpeg(ffmpeg: str, filters: Sequence[str]) -> Callable[[vs.VideoNode], Candidates]:
    """Runs a filter of ffmpeg over the decoded frames, in raw video on both sides."""

    def run(clip: vs.VideoNode) -> Candidates:
        planes = read(clip)
        frames = [np.concatenate([p.ravel() for p in f]) for f in zip(*planes, strict=True)]
        raw = np.stack(frames)
        size = ["-video_size", f"{clip.width}x{clip.height}", "-pixel_format", "yuv420p"]
        for description in filters:
            command = [ffmpeg, "-v", "error", "-f", "rawvideo", *size, "-i", "-"]
            command += ["-vf", description, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
            done = subprocess.run(command, input=raw.tobytes(), stdout=subprocess.PIPE, check=True)
            result = np.frombuffer(done.stdout, np.uint8).reshape(raw.shape)
            yield description, as_clip(_split(result, planes), clip)

    return run


def _split(raw: np.ndarray, like: Planes) -> Planes:
    ends = np.cumsum([plane[0].size for plane in like])[:-1]
    pieces = np.split(raw, ends, axis=1)
    return Planes(*(p.reshape(plane.shape) for p, plane in zip(pieces, like, strict=True)))


def _ffmpeg() -> str | None:
    """Returns the ffmpeg tool of the ``imageio-ffmpeg`` package, or the one on the path."""
    try:
        import imageio_ffmpeg
    except ImportError:
        return shutil.which("ffmpeg")
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _our_deblock(backend: str, strengths: Sequence[Strength]) -> list[Method]:
    result = []
    for card in newest(list_models("deblock")):
        for strength in strengths:

            def run(
                clip: vs.VideoNode, card: Card = card, strength: Strength = strength
            ) -> Candidates:
                yield "", vsvqe.Deblock(clip, strength, card.name, backend=backend)

            metered = card.heeds_quantiser or strength == "auto"
            used = [card, *(list_models("quantiser") if metered else [])]
            shown = "strength=1" if strength == 1.0 else 'strength="auto"'
            result.append(
                Method(
                    f"{card.name}, {shown}",
                    _version(used, backend),
                    run,
                    card.name if strength == 1.0 else None,
                )
            )
    return result


def _our_superres(recipe: Recipe, backend: str) -> list[Method]:
    result, scale = [], recipe.scale
    cards = [card for card in list_models("superres") if scale in (card.scale, card.scale**2)]
    for card in cards:

        def run(clip: vs.VideoNode, card: Card = card) -> Candidates:
            yield "", vsvqe.SuperRes(clip, scale, card.name, backend=backend)

        used = [card, *(list_models("quantiser") if card.heeds_quantiser else [])]
        result.append(Method(card.name, _version(used, backend), run, card.name))
    if recipe.encoder is not None and cards:
        chained = [*newest(list_models("deblock"))[:1], _default(cards, scale)]

        def both(clip: vs.VideoNode) -> Candidates:
            deblocked = vsvqe.Deblock(clip, backend=backend)
            yield "", vsvqe.SuperRes(deblocked, scale, backend=backend)

        shipped = [*list_models("deblock"), *list_models("quantiser"), *cards]
        version = _version(shipped, backend)
        result.append(Method(" + ".join(card.name for card in chained), version, both))
    return result


def _default(cards: Sequence[Card], scale: int) -> Card:
    """Returns the model that SuperRes takes for a scale when none is named."""
    return next((card for card in cards if card.scale == scale), cards[0])


def _version(cards: Sequence[Card], backend: str) -> str:
    # What a card says counts as well as its file: factors, and what the model is told.
    models = repr([replace(card, training={}, gains={}) for card in cards])
    return " ".join([hashlib.sha256(models.encode()).hexdigest(), backend, _code_hash()])


@cache
def _code_hash() -> str:
    """Hashes what the filters' code does: not its comments, docstrings or layout."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in ("filters", "graph", "inference", "motion"):
        for path in sorted((package / folder).glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                body = getattr(node, "body", None)
                if isinstance(body, list):
                    node.body = [child for child in body if not _is_docstring(child)]  # type: ignore[attr-defined]
            digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:16]


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
