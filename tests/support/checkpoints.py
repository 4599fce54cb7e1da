"""Checkpoints with random weights under the names and of the shapes that official code gives them.

Names and shapes are spelled out here, from the published files' layouts, and not taken from
``vsvqe.nets``.
"""

from pathlib import Path

import torch
from torch import Tensor

type Shapes = dict[str, tuple[int, ...]]

PYRAMID = [(32, 8), (64, 32), (32, 64), (16, 32), (2, 16)]


def conv(name: str, outputs: int, inputs: int, side: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def merged(*parts: Shapes) -> Shapes:
    return {name: shape for part in parts for name, shape in part.items()}


def blocks(name: str, count: int, channels: int) -> Shapes:
    return merged(
        *(conv(f"{name}.{i}.conv{j}", channels, channels) for i in range(count) for j in (1, 2))
    )


def stack(name: str, inputs: int, channels: int, count: int) -> Shapes:
    return conv(f"{name}.main.0", channels, inputs) | blocks(f"{name}.main.2", count, channels)


def spynet(prefix: str = "spynet", *, mmagic: bool) -> Shapes:
    result: Shapes = {f"{prefix}.mean": (1, 3, 1, 1), f"{prefix}.std": (1, 3, 1, 1)}
    for level in range(6):
        for i, (outputs, inputs) in enumerate(PYRAMID):
            layer = f"{i}.conv" if mmagic else f"{2 * i}"
            name = f"{prefix}.basic_module.{level}.basic_module.{layer}"
            result |= conv(name, outputs, inputs, 7)
    return result


def tail(channels: int, *, mmagic: bool, enlarges: bool = True) -> Shapes:
    if not enlarges:
        return conv("conv_hr", 64, channels) | conv("conv_last", 3, 64)
    first, second = (
        ("upsample1.upsample_conv", "upsample2.upsample_conv") if mmagic else ("upconv1", "upconv2")
    )
    return merged(
        conv(first, 4 * channels, channels),
        conv(second, 256, channels),
        conv("conv_hr", 64, 64),
        conv("conv_last", 3, 64),
    )


def basicvsr(channels: int, count: int, *, mmagic: bool, enlarges: bool = True) -> Shapes:
    kind = "resblocks" if mmagic else "trunk"
    return merged(
        spynet(mmagic=mmagic),
        stack(f"backward_{kind}", channels + 3, channels, count),
        stack(f"forward_{kind}", channels + 3, channels, count),
        conv("fusion", channels, 2 * channels, 1),
        tail(channels, mmagic=mmagic, enlarges=enlarges),
    )


def realbasicvsr(channels: int, count: int, cleaning: int) -> Shapes:
    below = {f"basicvsr.{k}": v for k, v in basicvsr(channels, count, mmagic=True).items()}
    return merged(
        stack("image_cleaning.0", 3, channels, cleaning),
        conv("image_cleaning.1", 3, channels),
        below,
    )


def deformable(name: str, channels: int) -> Shapes:
    """With eight groups: 8 x 9 taps x (two offsets and a mask)."""
    own = {f"{name}.weight": (channels, channels, 3, 3), f"{name}.bias": (channels,)}
    return own | conv(f"{name}.conv_offset", 216, channels)


def edvr(channels: int, frames: int, *, mmagic: bool) -> Shapes:
    """EDVR's feature extractor, as IconVSR has it."""
    wrapped = ".conv" if mmagic else ""
    align = "edvr.pcd_alignment" if mmagic else "edvr.pcd_align"
    parts = [conv("edvr.conv_first", channels, 3), blocks("edvr.feature_extraction", 5, channels)]
    for level in (2, 3):
        for i in (1, 2):
            name = f"feat_l{level}_conv{i}.conv" if mmagic else f"conv_l{level}_{i}"
            parts.append(conv(f"edvr.{name}", channels, channels))
    for level in (1, 2, 3):
        parts.append(conv(f"{align}.offset_conv1.l{level}{wrapped}", channels, 2 * channels))
        twice = 1 if level == 3 else 2
        parts.append(conv(f"{align}.offset_conv2.l{level}{wrapped}", channels, twice * channels))
        parts.append(deformable(f"{align}.dcn_pack.l{level}", channels))
        if level < 3:
            parts.append(conv(f"{align}.offset_conv3.l{level}{wrapped}", channels, channels))
            parts.append(conv(f"{align}.feat_conv.l{level}{wrapped}", channels, 2 * channels))
    parts += [
        conv(f"{align}.cas_offset_conv1{wrapped}", channels, 2 * channels),
        conv(f"{align}.cas_offset_conv2{wrapped}", channels, channels),
        deformable(f"{align}.cas_dcnpack", channels),
        conv("edvr.fusion.temporal_attn1", channels, channels),
        conv("edvr.fusion.temporal_attn2", channels, channels),
        conv(f"edvr.fusion.feat_fusion{wrapped}", channels, frames * channels, 1),
        conv(f"edvr.fusion.spatial_attn1{wrapped}", channels, frames * channels, 1),
        conv(f"edvr.fusion.spatial_attn2{wrapped}", channels, 2 * channels, 1),
        conv(f"edvr.fusion.spatial_attn3{wrapped}", channels, channels),
        conv(f"edvr.fusion.spatial_attn4{wrapped}", channels, channels, 1),
        conv("edvr.fusion.spatial_attn5", channels, channels),
        conv(f"edvr.fusion.spatial_attn_l1{wrapped}", channels, channels, 1),
        conv(f"edvr.fusion.spatial_attn_l2{wrapped}", channels, 2 * channels),
        conv(f"edvr.fusion.spatial_attn_l3{wrapped}", channels, channels),
        conv(f"edvr.fusion.spatial_attn_add1{wrapped}", channels, channels, 1),
        conv("edvr.fusion.spatial_attn_add2", channels, channels, 1),
    ]
    return merged(*parts)


def whole_edvr(channels: int, count: int, *, frames: int = 5) -> Shapes:
    """EDVR as BasicSR has it, without what is for blurred frames; ``count`` blocks at its end."""
    below = edvr(channels, frames, mmagic=False)
    return merged(
        {name.removeprefix("edvr."): shape for name, shape in below.items()},
        blocks("reconstruction", count, channels),
        conv("upconv1", 4 * channels, channels),
        conv("upconv2", 256, channels),
        conv("conv_hr", 64, 64),
        conv("conv_last", 3, 64),
    )


def iconvsr(channels: int, count: int, *, mmagic: bool, frames: int = 5) -> Shapes:
    kind = "resblocks" if mmagic else "trunk"
    return merged(
        edvr(channels, frames, mmagic=mmagic),
        spynet(mmagic=mmagic),
        conv("backward_fusion", channels, 2 * channels),
        stack(f"backward_{kind}", channels + 3, channels, count),
        conv("forward_fusion", channels, 2 * channels),
        stack(f"forward_{kind}", 2 * channels + 3, channels, count),
        tail(channels, mmagic=mmagic),
    )


def basicvsrpp(channels: int, count: int, *, mmagic: bool, enlarges: bool = True) -> Shapes:
    parts = [spynet(mmagic=mmagic)]
    if enlarges:
        parts.append(stack("feat_extract", 3, channels, 5))
    else:
        parts += [
            conv("feat_extract.0", channels, 3),
            conv("feat_extract.2", channels, channels),
            stack("feat_extract.4", channels, channels, 5),
        ]
    for i, branch in enumerate(("backward_1", "forward_1", "backward_2", "forward_2")):
        align = f"deform_align.{branch}"
        parts += [
            {f"{align}.weight": (channels, 2 * channels, 3, 3), f"{align}.bias": (channels,)},
            conv(f"{align}.conv_offset.0", channels, 3 * channels + 4),
            conv(f"{align}.conv_offset.2", channels, channels),
            conv(f"{align}.conv_offset.4", channels, channels),
            conv(f"{align}.conv_offset.6", 27 * 16, channels),
            stack(f"backbone.{branch}", (2 + i) * channels, channels, count),
        ]
    parts += [stack("reconstruction", 5 * channels, channels, 5), tail(channels, mmagic=mmagic)]
    return merged(*parts)


def msrresnet(channels: int, count: int, scale: int, *, mmagic: bool) -> Shapes:
    body = "trunk_net" if mmagic else "body"
    steps = (2, 2) if scale == 4 else (scale,)
    names = [
        f"upsample{i}.upsample_conv" if mmagic else f"upconv{i}" for i, _ in enumerate(steps, 1)
    ]
    return merged(
        conv("conv_first", channels, 3),
        blocks(body, count, channels),
        *(
            conv(name, channels * step**2, channels)
            for name, step in zip(names, steps, strict=True)
        ),
        conv("conv_hr", channels, channels),
        conv("conv_last", 3, channels),
    )


def srresnet(channels: int, count: int, doublings: int) -> Shapes:
    """The original, as many repositories number its stages."""

    def norm(name: str) -> Shapes:
        kinds = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{kind}": (channels,) for kind in kinds}

    parts = [conv("block1.0", channels, 3, 9), {"block1.1.weight": (1,)}]
    for i in range(2, count + 2):
        parts += [
            conv(f"block{i}.conv1", channels, channels),
            norm(f"block{i}.bn1"),
            {f"block{i}.prelu.weight": (1,)},
            conv(f"block{i}.conv2", channels, channels),
            norm(f"block{i}.bn2"),
        ]
    parts += [conv(f"block{count + 2}.0", channels, channels), norm(f"block{count + 2}.1")]
    for i in range(doublings):
        parts.append(conv(f"block{count + 3}.{i}.conv", 4 * channels, channels))
        parts.append({f"block{count + 3}.{i}.prelu.weight": (1,)})
    parts.append(conv(f"block{count + 3}.{doublings}", 3, channels, 9))
    return merged(*parts)


def srcnn(channels: int) -> Shapes:
    return merged(
        conv("conv1", 64, channels, 9), conv("conv2", 32, 64, 1), conv("conv3", channels, 32, 5)
    )


def fsrcnn(channels: int = 1) -> Shapes:
    parts = [conv("first_part.0", 56, channels, 5), {"first_part.1.weight": (56,)}]
    sizes = [(12, 56, 1), *[(12, 12, 3)] * 4, (56, 12, 1)]
    for i, (outputs, inputs, side) in enumerate(sizes):
        parts.append(conv(f"mid_part.{2 * i}", outputs, inputs, side))
        parts.append({f"mid_part.{2 * i + 1}.weight": (outputs,)})
    parts.append({"last_part.weight": (56, channels, 9, 9), "last_part.bias": (channels,)})
    return merged(*parts)


def compact(channels: int, count: int, scale: int) -> Shapes:
    """SRVGGNetCompact of Real-ESRGAN."""
    parts = [conv("body.0", channels, 3), {"body.1.weight": (channels,)}]
    for i in range(1, count + 1):
        parts += [conv(f"body.{2 * i}", channels, channels)]
        parts += [{f"body.{2 * i + 1}.weight": (channels,)}]
    parts.append(conv(f"body.{2 * count + 2}", 3 * scale**2, channels))
    return merged(*parts)


def esrgan(channels: int, count: int, growth: int = 32) -> Shapes:
    """RRDBNet at x4 as Real-ESRGAN, BasicSR, mmagic and mmediting name it."""
    parts = [conv("conv_first", channels, 3)]
    for i in range(count):
        for j in (1, 2, 3):
            for k in range(1, 6):
                outputs = growth if k < 5 else channels
                inputs = channels + (k - 1) * growth
                parts.append(conv(f"body.{i}.rdb{j}.conv{k}", outputs, inputs))
    names = ("conv_body", "conv_up1", "conv_up2", "conv_hr")
    parts += [conv(name, channels, channels) for name in names]
    return merged(*parts, conv("conv_last", 3, channels))


def light_swinir(scale: int) -> Shapes:
    """The lightweight SwinIR: 60 channels, four groups of six blocks, windows of 8x8, six heads."""

    def norm(name: str) -> Shapes:
        return {f"{name}.weight": (60,), f"{name}.bias": (60,)}

    def linear(name: str, outputs: int, inputs: int) -> Shapes:
        return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}

    parts = [conv("conv_first", 60, 3), norm("patch_embed.norm"), norm("norm")]
    for i in range(4):
        for j in range(6):
            name = f"layers.{i}.residual_group.blocks.{j}"
            attention = f"{name}.attn"
            parts += [
                norm(f"{name}.norm1"),
                {f"{attention}.relative_position_bias_table": (15 * 15, 6)},
                {f"{attention}.relative_position_index": (64, 64)},
                linear(f"{attention}.qkv", 180, 60),
                linear(f"{attention}.proj", 60, 60),
                norm(f"{name}.norm2"),
                linear(f"{name}.mlp.fc1", 120, 60),
                linear(f"{name}.mlp.fc2", 60, 120),
            ]
            if j % 2:  # these shift their windows
                parts.append({f"{name}.attn_mask": (64, 64, 64)})
        parts.append(conv(f"layers.{i}.conv", 60, 60))
    parts += [conv("conv_after_body", 60, 60), conv("upsample.0", 3 * scale**2, 60)]
    return merged(*parts)


def random(shapes: Shapes, seed: int = 0, gain: float = 1.0) -> dict[str, Tensor]:
    """Weights that keep signals at about their size, so that every layer counts."""
    generator = torch.Generator().manual_seed(seed)
    result = {}
    for name, shape in shapes.items():
        if name.endswith(".mean"):
            result[name] = torch.tensor([0.485, 0.456, 0.406]).reshape(shape)
        elif name.endswith(".std"):
            result[name] = torch.tensor([0.229, 0.224, 0.225]).reshape(shape)
        elif len(shape) == 4:
            deviation = gain * (shape[1] * shape[2] * shape[3]) ** -0.5
            result[name] = torch.randn(shape, generator=generator) * deviation
        elif name.endswith(("running_var", "1.weight", "prelu.weight")):
            result[name] = torch.rand(shape, generator=generator) * 0.5 + 0.25
        else:
            result[name] = torch.randn(shape, generator=generator) * 0.1
    return result


def saved(path: Path, content: object) -> Path:
    """Writes what ``torch.save`` writes."""
    torch.save(content, path)
    return path
