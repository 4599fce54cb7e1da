"""The trainings: which network, on which pairs, with which loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from vsvqe.motion.alignment import Box
from vsvqe.nets.planes import PlanesNet, WindowNet
from vsvqe.nets.refine import RefineNet
from vsvqe.nets.window import Window
from vsvqe.training.judge import Judge
from vsvqe.training.losses import (
    CHROMA_WEIGHT,
    charbonnier,
    crisper,
    flat_error,
    grid_error,
    mixed_error,
    relative_error,
)
from vsvqe.training.pairs import (
    Batch,
    Pair,
    Pairs,
    assemble,
    cut,
    find_pairs,
    resized,
)
from vsvqe.training.perceptual import Perceptual, Views, to_rgb
from vsvqe.training.resample import chroma_shift
from vsvqe.training.stage1 import Stage1
from vsvqe.training.store import Store
from vsvqe.training.temporal import relative_change, warped_difference
from vsvqe.training.trainer import Unopposed

VALIDATION_SIDE = {1: 256, 2: 160, 4: 80}
# What the filters will be told of the quantiser is an estimate: how far off it is, and what
# share of the way to this quantiser, at most, it goes too far with finer ones; by scale. Of clips
# that it was not trained on, that of Deblock told 14 for clean ones (8 to 26), 27 for 20, 29 for
# 24, and 36 for 36; that of SuperRes 11 for clean ones of half the size (8 to 18), and 28 for 28.
QUANTISER_DOUBT = 2.0
_DRAWN_TO, _DRAWN_BY = 32.0, {1: 0.7, 2: 0.4, 4: 0.4}
PERCEPTUAL_WEIGHT = 0.05
# Of Charbonnier's mean error beside the perceptual distance, in both branches of ASTF. The paper
# gives its texture branch LPIPS alone, and weighs 0.15 times the sum of the errors with 10000 times
# LPIPS in the smooth one: by the sum over these batches, an error of 3. The filter bank makes the
# distance larger here; and texture that is held a little is as near by networks that did not train
# it, and by 0.3 dB nearer in PSNR.
FAITH = 0.15
# Of that of chroma in it, which nothing else teaches.
CHROMA_FAITH = 1.0
# More of it where the picture is flat: what a network makes up there flickers, and nobody but the
# network that trains it takes it for texture.
CALM_FAITH = 40.0
# The first stage keeps texture: held as firmly, that branch would add next to none.
CALM_TEXTURE = 1.0
# Of the unsharp masking of what both branches are to give, as Real-ESRGAN (Wang et al., ICCV
# workshops, 2021) has it: a network that can't know what was lost gives too little of it.
TARGET_SHARPENING = 0.12
# Of a judge's verdict beside the absolute error: RealBasicVSR's.
ADVERSARIAL_WEIGHT = 0.05
# Of a grid beside LPIPS, which takes one for texture: one of a code costs as much as LPIPS of 0.01.
GRID_WEIGHT = 500.0
# Samples that the bicubic kernel reaches far, in planes that are made smaller by it.
CLEANING_BORDER = 2


@dataclass
class Restoration(Unopposed):
    """Deblock (scale 1) or SuperRes (scale 2 or 4).

    Attributes:
        net: The network.
        pairs: The training data.
        valid: Clips never trained on.
        count: Windows in a batch.
        size: Side of the crops.
        steady_weight: Of how much the error changes from a frame to the next, along the motion;
            beside the error itself.
        chroma_weight: Of the squared error of chroma beside that of luma.
    """

    net: WindowNet
    pairs: Pairs
    valid: Store
    count: int
    size: int
    steady_weight: float = field(default=0.0, kw_only=True)
    chroma_weight: float = field(default=CHROMA_WEIGHT, kw_only=True)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draws a batch."""
        return self.drawn(rng, self.net.window)

    def drawn(self, rng: np.random.Generator, window: Window) -> Batch:
        """Draws a batch of windows, of couples of frames where they are to be steady."""
        if self.steady_weight:
            return self.pairs.couples(rng, self.count // 2, self.size, window)
        return self.pairs.batch(rng, self.count, self.size, window)

    def loss(self, batch: Batch) -> Tensor:
        """Returns the error of the restored frames."""
        return self.error(batch, *self.residuals(batch))

    def error(self, batch: Batch, residual_y: Tensor, residual_uv: Tensor) -> Tensor:
        """Returns the error of the frames with the residuals added."""
        y = batch.base_y + residual_y - batch.target_y
        uv = batch.base_uv + residual_uv - batch.target_uv
        error = relative_error(y, uv, batch.mse, self.chroma_weight)
        if batch.flow is not None:
            # Of the errors, not the pictures: what the original changes may change, wherever the
            # flow is wrong.
            error = error + self.steady_weight * relative_change(y, batch.mse, batch.flow)
        return error

    def residuals(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the residuals of the network, told what an estimate may tell of the quantiser."""
        heeded = self.net.heeds_quantiser
        scale = self.net.scale
        quantiser = estimate_like(batch.quantiser, scale) if heeded else batch.quantiser
        return self.net.residuals(batch.y, batch.uv, quantiser)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns the mean gain in PSNR-Y over the base, for every kind of damage."""
        assert isinstance(net, WindowNet)

        def restored(batch: Batch) -> tuple[Tensor, Tensor]:
            return net.residuals(batch.y, batch.uv, batch.quantiser)

        return gains(self.valid, self.pairs.kinds, net.window, net.scale, restored)


@dataclass
class Distillation(Restoration):
    """Restoration by a small network that is shown what a large one makes of the frames.

    The target is a mean of the clean frame and the large network's result. What nobody can restore
    weighs less in it, so a small network wastes less on it.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, whose
    mean of two losses comes to a mean of two targets for squared errors.

    Attributes:
        teacher: The large network; where both see aligned frames, its window holds that of the
            small one.
        share: Weight of its results, 0 to 1.
    """

    teacher: WindowNet = field(kw_only=True)
    share: float = field(default=0.5, kw_only=True)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draws the teacher's windows; what the small network sees is in them or follows them."""
        if self._holds:
            # Resampled as the small network will find them.
            window = self.teacher.window._replace(kernel=self.net.window.kernel)
            return self.drawn(rng, window)
        # The same places twice: what is drawn does not depend on the window.
        again = copy.deepcopy(rng)
        seen = self.drawn(rng, self.teacher.window)
        own = super().batch(again)
        return seen._replace(y=torch.cat((seen.y, own.y), 1), uv=torch.cat((seen.uv, own.uv), 1))

    def loss(self, batch: Batch) -> Tensor:
        """Returns the error against the mean of clean frame and the teacher's result."""
        teacher = self.teacher.to(batch.y.device)
        offsets = self.teacher.window.offsets
        seen = len(offsets)
        with torch.no_grad():
            y, uv = teacher.residuals(batch.y[:, :seen], batch.uv[:, :seen], batch.quantiser)
        own = (
            [offsets.index(offset) for offset in self.net.window.offsets]
            if self._holds
            else list(range(seen, seen + len(self.net.window.offsets)))
        )
        return super().loss(
            batch._replace(
                y=batch.y[:, own],
                uv=batch.uv[:, own],
                target_y=batch.target_y.lerp(batch.base_y + y, self.share),
                target_uv=batch.target_uv.lerp(batch.base_uv + uv, self.share),
            )
        )

    @property
    def _holds(self) -> bool:
        """Whether the teacher's windows hold what the small network sees."""
        return self.teacher.window.aligned == self.net.window.aligned


@dataclass
class Cleaning(Restoration):
    """SuperRes that is to clean the frames before it enlarges them.

    The first stage of RealBasicVSR (Chan et al., CVPR 2022): the error of the result, and that of
    what is cleaned against the original at the size of the damaged frames, with equal weights.
    """

    def loss(self, batch: Batch) -> Tensor:
        """Returns the errors of the enlarged and of the cleaned frames."""
        cleaned, (y, uv) = _stages(self.net, batch)
        error = mixed_error(batch.base_y + y - batch.target_y, batch.base_uv + uv - batch.target_uv)
        return error + mixed_error(*_cleaning_errors(self.net, batch, cleaned))


@dataclass
class Perceived(Restoration):
    """Restoration that minds how alike pictures look.

    Attributes:
        perceptual: The perceptual distance.
    """

    perceptual: Perceptual = field(kw_only=True)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns the gains in PSNR-Y, and the perceptual distances as `<damage>-lpips`."""
        assert isinstance(net, WindowNet)
        distances: dict[str, list[float]] = {}
        for pair in find_pairs(self.valid, self.pairs.kinds, net.scale):
            batch = validation_batch(self.valid, pair, net.window, net.scale)
            with torch.no_grad():
                y, uv = net.residuals(batch.y, batch.uv, batch.quantiser)
                distance = self.perceptual.to(y.device).lpips(
                    batch.base_y + y, batch.base_uv + uv, batch.target_y, batch.target_uv
                )
            distances.setdefault(damage_name(pair) + "-lpips", []).append(distance.mean().item())
        means = {name: float(np.mean(values)) for name, values in distances.items()}
        return super().validate(net) | means


@dataclass
class Textured(Perceived):
    """Restoration that keeps texture, which what is nearest on average has less of.

    Attributes:
        weight: Of the perceptual distance beside the error.
    """

    weight: float = field(kw_only=True)

    def error(self, batch: Batch, residual_y: Tensor, residual_uv: Tensor) -> Tensor:
        """Returns the error and the perceptual distance of the frames with the residuals added."""
        error = super().error(batch, residual_y, residual_uv)
        # Colour is the error's alone: LPIPS, of RGB, rewards chroma that is changed too much.
        y, uv = batch.base_y + residual_y, batch.base_uv + residual_uv.detach()
        # Its differences of features are too fine for half precision.
        with torch.autocast(batch.y.device.type, enabled=False):
            perceptual = self.perceptual.to(y.device)
            alike = perceptual(y, uv, batch.target_y, batch.target_uv, Views().draw()).mean()
            alike = alike + GRID_WEIGHT * grid_error(residual_y, 2 * self.net.scale)
        total: Tensor = error + self.weight * alike
        return total


@dataclass
class Detail(Perceived):
    """SuperRes towards what looks alike rather than what is nearest on average.

    Attributes:
        weight: Of the perceptual distance beside the absolute error.
        grid_weight: Of a grid beside the perceptual distance.
        grid_period: Of the widest grid that counts. The pixel shuffle of a network could draw one
            of twice its scale.
        calm_weight: Of the error where the original is flat; beside the absolute error.
        cleaning_weight: Of the error of what is cleaned before it is enlarged, see ``Cleaning``;
            beside the absolute error.
        views: How the perceptual distance looks.
        opponent: Judges the pictures, if they are to pass as real.
        opponent_weight: Of its verdict beside the absolute error.
    """

    weight: float = field(default=PERCEPTUAL_WEIGHT, kw_only=True)
    grid_weight: float = field(default=GRID_WEIGHT, kw_only=True)
    grid_period: int = field(default=2, kw_only=True)
    calm_weight: float = field(default=0.0, kw_only=True)
    cleaning_weight: float = field(default=0.0, kw_only=True)
    views: Views = field(default=Views(), kw_only=True)
    opponent: Judge | None = field(default=None, kw_only=True)
    opponent_weight: float = field(default=ADVERSARIAL_WEIGHT, kw_only=True)

    def loss(self, batch: Batch) -> Tensor:
        """Returns the absolute error plus the perceptual distance of the restored frames."""
        cleaned = None
        if self.cleaning_weight:
            cleaned, (residual_y, residual_uv) = _stages(self.net, batch)
        else:
            residual_y, residual_uv = self.residuals(batch)
        y, uv = batch.base_y + residual_y, batch.base_uv + residual_uv
        absolute = (y - batch.target_y).abs().mean() + (uv - batch.target_uv).abs().mean()
        # Its differences of features are too fine for half precision.
        with torch.autocast(batch.y.device.type, enabled=False):
            perceptual = self.perceptual.to(y.device)
            alike = perceptual(y, uv, batch.target_y, batch.target_uv, self.views.draw()).mean()
            alike = alike + self.grid_weight * grid_error(residual_y, self.grid_period)
            total: Tensor = absolute + self.weight * alike
            if self.opponent is not None:
                pictures = to_rgb(y, uv), to_rgb(batch.target_y, batch.target_uv)
                total = total + self.opponent_weight * self.opponent.verdict(*pictures)
        if self.calm_weight:
            total = total + self.calm_weight * flat_error(y, batch.target_y)
        if batch.flow is not None:
            # Of the errors, not the pictures: what the original changes may change, wherever the
            # flow is wrong.
            first, second = (y - batch.target_y).chunk(2)
            total = total + self.steady_weight * warped_difference(first, second, batch.flow)
        if cleaned is not None:
            errors = _cleaning_errors(self.net, batch, cleaned)
            total = total + self.cleaning_weight * sum(error.abs().mean() for error in errors)
        return total


@dataclass
class Refinement(Unopposed):
    """ASTF's second stage: texture that looks alike, and a picture that is calm.

    The losses are those of the paper (NTIRE 2021, section on the VUE team): LPIPS for texture,
    Charbonnier and LPIPS for the smooth picture, on crops of 64x64. With LPIPS alone, texture is
    drawn as a grid: so that is made small too.

    Attributes:
        net: The network.
        pairs: The training data of Deblock.
        valid: Clips never trained on.
        stage1: Makes what the network sees.
        perceptual: The perceptual distance.
        count: Crops in a batch.
        size: Side of the crops.
    """

    net: RefineNet
    pairs: Pairs
    valid: Store
    stage1: Stage1
    perceptual: Perceptual
    count: int = 16
    size: int = 64

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draws a batch of what the first stage makes of damaged crops."""
        margin = self.stage1.margin
        windows = self.pairs.batch(rng, self.count, self.size + 2 * margin, self.stage1.window)
        return self.stage1.enhanced(windows, margin)

    def loss(self, batch: Batch) -> Tensor:
        """Returns the sum of what both branches are to make small."""
        texture, smooth = self._refined(self.net, batch)
        target = (crisper(batch.target_y, TARGET_SHARPENING), batch.target_uv)
        both = [torch.cat(planes) for planes in zip(texture, smooth, strict=True)]
        # Its differences of features are too fine for half precision.
        with torch.autocast(batch.y.device.type, enabled=False):
            # Colour is the error's alone, as in ``Textured``.
            seen = both[0], both[1].detach()
            alike = self.perceptual.to(batch.y.device)(*seen, *target, Views().draw())
            crisp, calm = alike.chunk(2)
            grid = grid_error(texture[0] - batch.base_y)
            vivid = crisp.mean() + GRID_WEIGHT * grid + FAITH * _faith(texture, target)
            vivid = vivid + CALM_TEXTURE * flat_error(texture[0], batch.target_y)
            steady = calm.mean() + FAITH * _faith(smooth, target)
            steady = steady + CALM_FAITH * flat_error(smooth[0], batch.target_y)
        total: Tensor = vivid + steady
        return total

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Returns the gains in PSNR-Y over the first stage, and the perceptual distances."""
        assert isinstance(net, RefineNet)
        figures: dict[str, list[float]] = {}
        for pair in find_pairs(self.valid, self.pairs.kinds, 1):
            windows = validation_batch(self.valid, pair, self.stage1.window, 1)
            batch = self.stage1.enhanced(windows, self.stage1.margin)
            with torch.no_grad():
                texture, smooth = self._refined(net, batch)
                given = (batch.base_y, batch.base_uv)
                before = (batch.base_y - batch.target_y).square().mean((1, 2, 3))
                for name, (y, uv) in {"given": given, "texture": texture, "smooth": smooth}.items():
                    after = (y - batch.target_y).square().mean((1, 2, 3))
                    gain = (10.0 * torch.log10(before / after)).mean()
                    perceptual = self.perceptual.to(y.device)
                    distance = perceptual.lpips(y, uv, batch.target_y, batch.target_uv)
                    row = f"{damage_name(pair)}-{name}"
                    if name != "given":
                        figures.setdefault(row, []).append(gain.item())
                    figures.setdefault(f"{row}-lpips", []).append(distance.mean().item())
        return {name: float(np.mean(values)) for name, values in figures.items()}

    def _refined(
        self, net: RefineNet, batch: Batch
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Returns the planes of the texture and of the smooth pictures."""
        residuals = net(batch.y, batch.uv.flatten(1, 2))
        base = (batch.base_y, batch.base_uv)
        texture_y, texture_uv, smooth_y, smooth_uv = (
            plane + residual for plane, residual in zip(base * 2, residuals, strict=True)
        )
        return (texture_y, texture_uv), (smooth_y, smooth_uv)


def _stages(net: WindowNet, batch: Batch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns the residuals of the cleaned and of the enlarged frames."""
    assert isinstance(net, PlanesNet)
    return net.stages(batch.y, batch.uv)


def _cleaning_errors(
    net: WindowNet, batch: Batch, cleaned: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Returns by what cleaned frames differ from the original at their size."""
    index, scale = net.window.centre, 1.0 / net.scale
    wanted = (
        resized(batch.target_y, scale, 0.0),
        resized(batch.target_uv, scale, chroma_shift(scale)),
    )
    given = (batch.y[:, index : index + 1], batch.uv[:, index])
    # At its border, a crop lacks what the original was made smaller from.
    inner = slice(CLEANING_BORDER, -CLEANING_BORDER)
    luma, chroma = (
        (before + residual - after)[..., inner, inner]
        for before, residual, after in zip(given, cleaned, wanted, strict=True)
    )
    return luma, chroma


def _faith(planes: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """Returns the mean error of luma and chroma."""
    return charbonnier(planes[0], target[0]) + CHROMA_FAITH * charbonnier(planes[1], target[1])


def estimate_like(quantiser: Tensor, scale: int) -> Tensor:
    """Returns what an estimate may tell of windows, as wrong as it is on clips it does not know.

    Args:
        quantiser: Theirs, `[N]`.
        scale: 1 for Deblock, 2 or 4 for SuperRes.
    """
    finer = (_DRAWN_TO - quantiser).clamp_min(0.0)
    drawn = _DRAWN_BY[scale] * torch.rand_like(quantiser) * finer
    return quantiser + drawn + QUANTISER_DOUBT * torch.randn_like(quantiser)


def gains(
    store: Store,
    kinds: Sequence[str],
    window: Window,
    scale: int,
    restore: Callable[[Batch], tuple[Tensor, Tensor]],
) -> dict[str, float]:
    """Returns the mean gain in PSNR-Y over the base, for every kind of damage.

    Args:
        store: Clips never trained on.
        kinds: Of damaged clips, see ``Entry``.
        window: The frames that the network sees.
        scale: Size of its output relative to the input.
        restore: Gives the residuals of a batch, as ``WindowNet.windows`` does.
    """
    found: dict[str, list[float]] = {}
    for pair in find_pairs(store, kinds, scale):
        batch = validation_batch(store, pair, window, scale)
        with torch.no_grad():
            y, _ = restore(batch)
        before = (batch.base_y - batch.target_y).square().mean((1, 2, 3))
        after = (batch.base_y + y - batch.target_y).square().mean((1, 2, 3))
        gain = (10.0 * torch.log10(before / after)).mean()
        found.setdefault(damage_name(pair), []).append(gain.item())
    return {name: float(np.mean(values)) for name, values in found.items()}


def validation_batch(store: Store, pair: Pair, window: Window, scale: int) -> Batch:
    """Returns the middle of three frames of a clip."""
    side = VALIDATION_SIDE[scale]
    height, width = (min(side, n) for n in (pair.damaged.height, pair.damaged.width))
    top = (pair.damaged.height - height) // 4 * 2
    left = (pair.damaged.width - width) // 4 * 2
    frames = np.linspace(3, pair.damaged.frames - 4, 3).astype(int)
    box = Box(top, left, height, width)
    crops = [cut(store, pair, scale, int(frame), window, box) for frame in frames]
    return assemble(crops, scale, window.centre)


def damage_name(pair: Pair) -> str:
    """Returns what was done to the damaged clip: the encoder, or the kind without one."""
    return pair.damaged.recipe.partition(" ")[0] or pair.damaged.kind
