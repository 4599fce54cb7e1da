"""What is trained under which name: network, data, loss and rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from torch import nn

from vsvqe.nets.discriminators import UNetDiscriminator
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.quantiser import QuantiserNet
from vsvqe.nets.refine import RefineNet
from vsvqe.nets.window import Window
from vsvqe.training import tasks
from vsvqe.training.judge import Judge
from vsvqe.training.pairs import REAL, Pairs
from vsvqe.training.perceptual import Perceptual, Views
from vsvqe.training.quantisation import Quantisation
from vsvqe.training.stage1 import Stage1
from vsvqe.training.store import Store

# Encoders refine what they repeat: later frames tell more about a frame than earlier ones.
_CODED = Window((-2, -1, 0, 1, 2, 3, 4), aligned=True)
# Frames that are refined are four or eight apart: one lies always ahead within eight.
_FAR_AHEAD = Window((-2, -1, 0, 1, 2, 3, 4, 6, 8), aligned=True)
# Half of what alignment costs beside the smallest network, for a hundredth of what it gains.
_AHEAD = Window((-1, 0, 1, 2, 4), aligned=True, kernel="bilinear")

_DEBLOCK = "Removes compression artifacts of H.264, HEVC and MPEG-4, from QP 20 to 42"
_SUPERRES = "Doubles the size, of clean and of moderately compressed video"
# Side of what is seen of each window, by scale.
_FAITHFUL_SIZE = {2: 72, 4: 48}
# Windows, and the side of what is seen of each, by scale.
_DETAIL_BATCH = {2: (8, 72), 4: (6, 48)}
# Of crops that were not coded, where ``detail`` learns texture: what was coded lost the most of it.
_DETAIL_CLEAN = 0.5
# Of LPIPS beside the absolute error where texture has to be made up.
_REAL_PERCEPTUAL = 0.1
# The same where ``detail`` mixes what comes with a faithful model.
_DETAIL_PERCEPTUAL = 0.2
# Of grids beside LPIPS, by four: cells of 8x8 pixels show sooner than smaller ones. By two it is
# too much: where an edge needs some kinds of pixels more than others, flat pixels around it made up
# for that.
_REAL_GRID_BY_FOUR = 3000.0
# Of the error where the original is flat beside the absolute error.
_ADVERSARIAL_CALM = 1.0
# Of how much the error changes from frame to frame beside the error.
_STEADY = 0.5
# Of the squared error of chroma beside that of luma, where SuperRes is to be faithful. Enlarged by
# a bicubic kernel, chroma has an eighth of luma's error where it was coded, and a 25th where it was
# not: weighed as elsewhere, it learned next to nothing. As in the mean of six parts of Y and one
# each of U and V it would have 4, which cost luma of clean clips 0.13 dB.
_COLOUR = 1.5
# Of the change of the error from frame to frame beside the absolute error.
_REAL_STEADY = 1.0
# Of what is cleaned beside the absolute error, as in RealBasicVSR.
_CLEANING = 1.0
# Of the filter bank beside LPIPS.
_BANK = 0.4
# What the second stages of ASTF refine. With later models they would have to be trained anew.
_REFINED = "deblock-balanced-v7"
# Of crops from filmed photographs, where texture is made up: most video has less of it than they.
_REFINED_STILLS = 0.3
# Every third view at half the size: what is trained since is looked at in more sizes.
_HALVED = Views(1.0 / 3.0, 2.0, 2.0)
# Features of the discriminator at full size. RealBasicVSR has 64, for networks of 16 times as many
# weights as the light ones.
_JUDGE_CHANNELS = 16
# That of the network; there it is twice as high.
_JUDGE_RATE = 2e-4


@dataclass(frozen=True)
class Material:
    """What a training works with.

    Attributes:
        store: Clips to train on.
        valid: Clips never trained on.
        weights: SqueezeNet's features, see ``Perceptual``; for designs that are perceptual.
    """

    store: Store
    valid: Store
    weights: Path | None = None


@dataclass(frozen=True)
class Design:
    """Everything that makes a model, but data and time.

    Attributes:
        description: One sentence for people.
        net: Makes the network.
        task: Given the network and material, returns the training.
        rate: Highest learning rate.
        low_precision: Whether it may be trained in bfloat16.
        perceptual: Whether the loss needs the weights of SqueezeNet.
    """

    description: str
    net: Callable[[], nn.Module]
    task: Callable[[nn.Module, Material], tasks.Restoration | tasks.Refinement | Quantisation]
    rate: float = 1e-3
    low_precision: bool = True
    perceptual: bool = False


def _deblock(net: nn.Module, material: Material) -> tasks.Restoration:
    assert isinstance(net, PlanesNet)
    pairs = Pairs(material.store, 1)
    return tasks.Restoration(
        net,
        pairs,
        material.valid,
        count=8,
        size=112,
        steady_weight=_STEADY,
        chroma_weight=_COLOUR,
    )


def _superres(net: nn.Module, material: Material) -> tasks.Restoration:
    assert isinstance(net, PlanesNet)
    return tasks.Restoration(
        net,
        Pairs(material.store, net.scale),
        material.valid,
        count=16,
        size=_FAITHFUL_SIZE[net.scale],
        steady_weight=_STEADY,
        chroma_weight=_COLOUR,
    )


def _cleaning(net: nn.Module, material: Material) -> tasks.Cleaning:
    assert isinstance(net, PlanesNet)
    pairs = Pairs(material.store, net.scale, REAL[net.scale])
    return tasks.Cleaning(net, pairs, material.valid, count=48 // net.scale, size=48)


def _adversarial(net: nn.Module, material: Material) -> tasks.Detail:
    return replace(
        _real(net, material),
        calm_weight=_ADVERSARIAL_CALM,
        cleaning_weight=_CLEANING,
        steady_weight=_REAL_STEADY,
        views=_HALVED,
        opponent=_judge(),
    )


def _adversarial_by_four(net: nn.Module, material: Material) -> tasks.Detail:
    return replace(_adversarial(net, material), grid_weight=_REAL_GRID_BY_FOUR)


def _real(net: nn.Module, material: Material) -> tasks.Detail:
    assert isinstance(net, PlanesNet)
    return tasks.Detail(
        net,
        Pairs(material.store, net.scale, REAL[net.scale]),
        material.valid,
        # The smallest clips that are quartered have no more; as much of the results for each scale.
        count=96 // net.scale**2,
        size=48,
        perceptual=_perceptual(material),
        weight=_REAL_PERCEPTUAL,
        grid_period=2 * net.scale,
    )


def _detail(net: nn.Module, material: Material) -> tasks.Detail:
    assert isinstance(net, PlanesNet)
    count, size = _DETAIL_BATCH[net.scale]
    return tasks.Detail(
        net,
        Pairs(material.store, net.scale, clean_share=_DETAIL_CLEAN),
        material.valid,
        count=count,
        size=size,
        perceptual=_perceptual(material),
        weight=_DETAIL_PERCEPTUAL,
        grid_period=2 * net.scale,
        opponent=_judge(),
    )


def _textured(net: nn.Module, material: Material, begun_with: str, weight: float) -> tasks.Textured:
    plain = DESIGNS[begun_with].task(net, material)
    assert isinstance(plain, tasks.Restoration)
    given = {each.name: getattr(plain, each.name) for each in fields(plain)}
    return tasks.Textured(**given, perceptual=_perceptual(material), weight=weight)


def _detail_by_four(net: nn.Module, material: Material) -> tasks.Detail:
    return replace(_detail(net, material), grid_weight=_REAL_GRID_BY_FOUR)


def _refinement(net: nn.Module, material: Material) -> tasks.Refinement:
    assert isinstance(net, RefineNet)
    pairs = Pairs(material.store, 1, stills_share=_REFINED_STILLS)
    perceptual = _perceptual(material)
    return tasks.Refinement(net, pairs, material.valid, Stage1(net.stage1), perceptual)


def _judge() -> Judge:
    return Judge(UNetDiscriminator(channels=_JUDGE_CHANNELS), _JUDGE_RATE)


def _perceptual(material: Material) -> Perceptual:
    if material.weights is None:
        raise ValueError("this design is perceptual: give the weights of SqueezeNet")
    return Perceptual(material.weights, _BANK)


def _quantisation(
    net: nn.Module,
    material: Material,
    kinds: Sequence[str] = ("coded",),
    windows: int = 12_000,
) -> Quantisation:
    assert isinstance(net, QuantiserNet)
    pairs = Pairs(material.store, 1, kinds, stills_share=0.5, clean_share=0.2)
    return Quantisation(net, pairs, material.valid, windows)


DESIGNS = {
    "deblock-fast": Design(
        f"{_DEBLOCK}, in little time; looks at five aligned frames.",
        lambda: PlanesNet(_AHEAD, 1, channels=32, blocks=3, responsive=True, quantiser_map=True),
        _deblock,
    ),
    "deblock-balanced": Design(
        f"{_DEBLOCK}; looks at seven aligned frames.",
        lambda: PlanesNet(_CODED, 1, channels=48, blocks=4, responsive=True, quantiser_map=True),
        _deblock,
    ),
    "deblock-best": Design(
        f"{_DEBLOCK}, as well as time allows; looks at nine aligned frames; begins with "
        "deblock-balanced.",
        lambda: PlanesNet(
            _FAR_AHEAD, 1, channels=48, blocks=12, responsive=True, quantiser_map=True
        ),
        _deblock,
        rate=3e-4,
    ),
    "superres-x2-fast": Design(
        f"{_SUPERRES}, in little time; looks at five aligned frames; begins with deblock-fast.",
        lambda: PlanesNet(_AHEAD, 2, channels=32, blocks=6, quantiser_map=True),
        _superres,
    ),
    "superres-x2-best": Design(
        f"{_SUPERRES}, as well as time allows; looks at nine aligned frames; begins with "
        "deblock-balanced.",
        lambda: PlanesNet(_FAR_AHEAD, 2, channels=48, blocks=12, quantiser_map=True),
        _superres,
    ),
    "superres-x2-balanced": Design(
        f"{_SUPERRES}; looks at seven aligned frames; begins with deblock-balanced.",
        lambda: PlanesNet(_CODED, 2, channels=48, blocks=6, quantiser_map=True),
        _superres,
    ),
    "superres-x2-detail": Design(
        "Doubles the size with crisper texture, at some cost in PSNR; looks at nine aligned "
        "frames; begins with superres-x2-best.",
        lambda: PlanesNet(_FAR_AHEAD, 2, channels=48, blocks=12, quantiser_map=True),
        _detail,
        rate=2e-4,
        perceptual=True,
    ),
    "superres-x2-cleaning": Design(
        "Doubles the size of video of unknown history, with less of its damage; cleans before it "
        "enlarges; looks at nine aligned frames; begins with superres-x2-best.",
        lambda: PlanesNet(_FAR_AHEAD, 2, channels=48, blocks=12, cleaning=True),
        _cleaning,
        rate=5e-4,
    ),
    "superres-x2-real": Design(
        "Doubles the size of video of unknown history, with texture that passes for real and less "
        "of its damage; looks at nine aligned frames; begins with superres-x2-cleaning.",
        lambda: PlanesNet(_FAR_AHEAD, 2, channels=48, blocks=12, cleaning=True),
        _adversarial,
        rate=2e-4,
        perceptual=True,
    ),
    "superres-x4-fast": Design(
        "Makes clean and moderately compressed video four times as large, in little time; looks at "
        "five aligned frames; begins with superres-x2-fast.",
        lambda: PlanesNet(_AHEAD, 4, channels=32, blocks=6, quantiser_map=True),
        _superres,
    ),
    "superres-x4-best": Design(
        "Makes clean and moderately compressed video four times as large, as well as time allows; "
        "looks at nine aligned frames; begins with superres-x2-best.",
        lambda: PlanesNet(_FAR_AHEAD, 4, channels=48, blocks=12, quantiser_map=True),
        _superres,
    ),
    "superres-x4-balanced": Design(
        "Makes clean and moderately compressed video four times as large; looks at seven aligned "
        "frames; begins with superres-x2-balanced.",
        lambda: PlanesNet(_CODED, 4, channels=48, blocks=6, quantiser_map=True),
        _superres,
    ),
    "superres-x4-cleaning": Design(
        "Makes video of unknown history four times as large, with less of its damage; cleans "
        "before it enlarges; looks at nine aligned frames; begins with superres-x4-best.",
        lambda: PlanesNet(_FAR_AHEAD, 4, channels=48, blocks=12, cleaning=True),
        _cleaning,
        rate=5e-4,
    ),
    "superres-x4-real": Design(
        "Makes video of unknown history four times as large, with texture that passes for real and "
        "less of its damage; looks at nine aligned frames; begins with superres-x4-cleaning.",
        lambda: PlanesNet(_FAR_AHEAD, 4, channels=48, blocks=12, cleaning=True),
        _adversarial_by_four,
        rate=2e-4,
        perceptual=True,
    ),
    "superres-x4-detail": Design(
        "Makes clean and moderately compressed video four times as large, with crisper texture, at "
        "some cost in PSNR; looks at nine aligned frames; begins with superres-x4-best.",
        lambda: PlanesNet(_FAR_AHEAD, 4, channels=48, blocks=12, quantiser_map=True),
        _detail_by_four,
        rate=2e-4,
        perceptual=True,
    ),
    "astf-fast": Design(
        "Refines what Deblock gives, towards texture and towards calm, for ASTF to fuse.",
        lambda: RefineNet(_REFINED, channels=32, blocks=3, branch_blocks=2),
        _refinement,
        perceptual=True,
    ),
    "astf-best": Design(
        "Refines what Deblock gives, towards texture and towards calm, for ASTF to fuse; takes its "
        "time; begins with astf-fast.",
        lambda: RefineNet(_REFINED, channels=32, blocks=7, branch_blocks=6),
        _refinement,
        perceptual=True,
    ),
    "quantiser": Design(
        "Estimates the quantiser that a compressed frame was coded with, for Deblock.",
        QuantiserNet,
        _quantisation,
        # Its layers are too small to gain from it.
        low_precision=False,
    ),
    "quantiser-superres": Design(
        "Estimates the quantiser that a compressed frame was coded with, for SuperRes: knows video "
        "that was made smaller before it was coded.",
        QuantiserNet,
        # What was made smaller is crisper: by the others alone it is told too coarse.
        partial(_quantisation, kinds=("coded", "half-coded", "quarter-coded"), windows=18_000),
        low_precision=False,
    ),
}

# What gains PSNR alone leaves less texture than it finds, and so less that motion can be told by.
# What is shipped lies on the way from there to these, see ``plans``.
# By what these begin with: the weight of LPIPS beside the error. Of SuperRes, who wants more has
# ``detail``.
_TEXTURED = {
    "deblock-fast": 3.0,
    "deblock-balanced": 3.0,
    "deblock-best": 3.0,
    "superres-x2-balanced": 1.0,
}
for _name, _weight in _TEXTURED.items():
    DESIGNS[f"{_name}-textured"] = replace(
        DESIGNS[_name],
        description=f"{DESIGNS[_name].description} Keeps texture; begins with {_name}.",
        task=partial(_textured, begun_with=_name, weight=_weight),
        rate=2e-4,
        perceptual=True,
    )
