"""The recurrent networks against forward passes unrolled by hand, with SciPy for what is warped."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage
from support import checkpoints
from torch.nn import functional

from vsvqe.checkpoints import layouts
from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.basicvsrpp import Alignment, BasicVSRPlusPlus
from vsvqe.nets.edvr import AttentionFusion, Deformable, FeatureExtractor
from vsvqe.nets.iconvsr import IconVSR, _around
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.recurrent import warped
from vsvqe.nets.spynet import SPyNet, flows

pytestmark = pytest.mark.usefixtures("inference")

SIDES = (20, 28)


@pytest.fixture(scope="module")
def frames():
    """Five smooth frames that move: 1 x 5 x 3 x 20 x 28."""
    random = np.random.default_rng(3)
    canvas = ndimage.gaussian_filter(random.random((3, 40, 60)), (0, 2, 2))
    canvas = (canvas - canvas.min()) / np.ptp(canvas)
    run = [canvas[:, 4 + t : 4 + t + SIDES[0], 5 + 2 * t : 5 + 2 * t + SIDES[1]] for t in range(5)]
    return torch.from_numpy(np.stack(run)[None]).float()


def sampled(features, u, v, *, border):
    """Samples C x H x W at (x + u, y + v) by SciPy."""
    y, x = np.mgrid[0 : features.shape[1], 0 : features.shape[2]].astype(float)
    mode = "nearest" if border else "grid-constant"
    return np.stack(
        [ndimage.map_coordinates(c, [y + v, x + u], order=1, mode=mode) for c in features]
    )


def moved(features, flow, *, border=False):
    """The same for a batch of one, in torch's clothes."""
    result = sampled(features[0].numpy(), *flow[0].numpy(), border=border)
    return torch.from_numpy(result).float()[None]


class Weights:
    """Applies the layers of a state dict by name."""

    def __init__(self, weights):
        self.weights = weights

    def conv(self, name, x, stride=1):
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.conv2d(x, weight, bias, stride, weight.shape[-1] // 2)

    def stack(self, name, x, count):
        x = leaky(self.conv(f"{name}.main.0", x))
        for i in range(count):
            hidden = self.conv(f"{name}.main.2.{i}.conv1", x).clamp(min=0)
            x = x + self.conv(f"{name}.main.2.{i}.conv2", hidden)
        return x

    def enlarged(self, x):
        for i in (1, 2):
            wide = self.conv(f"upsample{i}.upsample_conv", x)
            x = leaky(functional.pixel_shuffle(wide, 2))
        return self.conv("conv_last", leaky(self.conv("conv_hr", x)))

    def flow(self, first, second):
        """SPyNet at sizes that 32 divides."""
        mean, std = self.weights["spynet.mean"], self.weights["spynet.std"]
        pairs = [((first - mean) / std, (second - mean) / std)]
        for _ in range(5):
            pairs.insert(0, tuple(functional.avg_pool2d(x, 2) for x in pairs[0]))
        flow = torch.zeros(1, 2, *pairs[0][0].shape[2:])
        for level, (one, other) in enumerate(pairs):
            if level:
                size = one.shape[2:]
                flow = 2 * functional.interpolate(flow, size, mode="bilinear", align_corners=True)
            x = torch.cat((one, moved(other, flow, border=True), flow), 1)
            for i in range(5):
                x = self.conv(f"spynet.basic_module.{level}.basic_module.{i}.conv", x)
                x = x.clamp(min=0) if i < 4 else x
            flow = flow + x
        return flow


def leaky(x):
    return torch.where(x > 0, x, 0.1 * x)


def enlarged(picture, scale):
    """Bilinearly, pixel edges aligned, by hand."""
    height, width = picture.shape[2:]
    y = np.clip((np.arange(scale * height) + 0.5) / scale - 0.5, 0, height - 1)
    x = np.clip((np.arange(scale * width) + 0.5) / scale - 0.5, 0, width - 1)
    grid = np.meshgrid(y, x, indexing="ij")
    channels = [ndimage.map_coordinates(c, grid, order=1) for c in picture[0].numpy()]
    return torch.from_numpy(np.stack(channels)).float()[None]


def assert_close(got, wanted, tolerance=2e-4):
    assert got.shape == wanted.shape
    assert wanted.abs().max() > 0.01
    assert (got - wanted).abs().max() <= tolerance * max(1.0, float(wanted.abs().max()))


def filled(network, shapes, seed=0, gain=0.7):
    """Gives a network random weights, and returns them; flows stay within a few pixels."""
    weights = checkpoints.random(shapes, seed, gain)
    for name in weights:
        if ".basic_module.4.conv" in name:
            weights[name] *= 0.3
    network.load_state_dict(weights)
    return Weights(weights)


def test_published_numbers_of_parameters():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    assert round(count(SPyNet()) / 1e6, 2) == 1.44
    assert round(count(BasicVSR()) / 1e6, 2) == 6.29
    assert round(count(BasicVSR(blocks=15)) / 1e6, 2) == 4.08
    assert count(BasicVSR()) - count(BasicVSR(enlarges=False)) == 8 * 9 * 64**2 + 8 * 64
    assert round(count(IconVSR()) / 1e6, 1) == 8.7
    assert round(count(BasicVSRPlusPlus()) / 1e6, 2) == 7.32
    assert round(count(RealBasicVSR()) / 1e6, 2) == 6.29


@pytest.mark.parametrize(
    ("network", "shapes"),
    [
        (lambda: BasicVSR(64, 30), checkpoints.basicvsr(64, 30, mmagic=True)),
        (lambda: IconVSR(64, 30), checkpoints.iconvsr(64, 30, mmagic=True)),
        (lambda: BasicVSRPlusPlus(64, 7), checkpoints.basicvsrpp(64, 7, mmagic=True)),
        (
            lambda: BasicVSRPlusPlus(64, 7, enlarges=False),
            checkpoints.basicvsrpp(64, 7, mmagic=True, enlarges=False),
        ),
        (lambda: RealBasicVSR(64, 20, 20), checkpoints.realbasicvsr(64, 20, 20)),
    ],
    ids=["BasicVSR", "IconVSR", "BasicVSR++", "BasicVSR++ x1", "RealBasicVSR"],
)
def test_names_and_shapes_are_the_published_ones(network, shapes):
    with torch.device("meta"):
        own = {name: tuple(tensor.shape) for name, tensor in network().state_dict().items()}
    assert own == shapes


@settings(max_examples=30)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.booleans(),
    st.floats(-6, 6, allow_subnormal=False),
    st.integers(0, 99),
)
def test_warping_is_bilinear_sampling(height, width, border, reach, seed):
    random = np.random.default_rng(seed)
    features = random.random((2, height, width)).astype(np.float32)
    flow = (reach * (random.random((2, height, width)) - 0.5)).astype(np.float32)
    got = warped(torch.from_numpy(features)[None], torch.from_numpy(flow)[None], border=border)
    if width == 1 or height == 1:
        # One column has no width to measure coordinates by; what comes out is still a sample.
        assert torch.isfinite(got).all()
        return
    wanted = sampled(features, *flow, border=border)
    np.testing.assert_allclose(got[0].numpy(), wanted, atol=2e-4)


@pytest.mark.parametrize("sides", [(32, 64), (64, 32)])
def test_spynet(frames, sides):
    network = SPyNet()
    shapes = {k.removeprefix("spynet."): v for k, v in checkpoints.spynet(mmagic=True).items()}
    by_hand = filled(network, shapes)
    by_hand.weights = {f"spynet.{name}": tensor for name, tensor in by_hand.weights.items()}
    first, second = (functional.interpolate(frames[:, t], sides, mode="bilinear") for t in (0, 2))
    assert_close(network(first, second), by_hand.flow(first, second), 1e-3)


def test_spynet_resizes_what_32_does_not_divide(frames):
    network = SPyNet()
    shapes = {k.removeprefix("spynet."): v for k, v in checkpoints.spynet(mmagic=True).items()}
    filled(network, shapes)
    first, second = frames[:, 0], frames[:, 2]  # 20 x 28
    large = [functional.interpolate(x, (32, 32), mode="bilinear") for x in (first, second)]
    wanted = functional.interpolate(network(*large), SIDES, mode="bilinear")
    wanted = wanted * torch.tensor([28 / 32, 20 / 32]).reshape(1, 2, 1, 1)
    assert_close(network(first, second), wanted)


def test_flows_of_a_run(frames):
    network = SPyNet()
    shapes = {k.removeprefix("spynet."): v for k, v in checkpoints.spynet(mmagic=True).items()}
    filled(network, shapes)
    from_past, from_future = flows(network, frames)
    assert from_past.shape == from_future.shape == (1, 4, 2, *SIDES)
    assert_close(from_past[:, 2], network(frames[:, 3], frames[:, 2]))
    assert_close(from_future[:, 2], network(frames[:, 2], frames[:, 3]))


@pytest.mark.parametrize("enlarges", [True, False])
def test_basicvsr(frames, enlarges):
    network = BasicVSR(6, 2, enlarges=enlarges)
    by_hand = filled(network, checkpoints.basicvsr(6, 2, mmagic=True, enlarges=enlarges))
    run = [frames[:, t] for t in range(3)]
    later, state = {}, torch.zeros(1, 6, *SIDES)
    for t in (2, 1, 0):
        if t < 2:
            state = moved(state, network.spynet(run[t], run[t + 1]))
        state = by_hand.stack("backward_resblocks", torch.cat((run[t], state), 1), 2)
        later[t] = state
    wanted, state = [], torch.zeros(1, 6, *SIDES)
    for t in (0, 1, 2):
        if t > 0:
            state = moved(state, network.spynet(run[t], run[t - 1]))
        state = by_hand.stack("forward_resblocks", torch.cat((run[t], state), 1), 2)
        fused = leaky(by_hand.conv("fusion", torch.cat((later[t], state), 1)))
        if enlarges:
            wanted.append(by_hand.enlarged(fused) + enlarged(run[t], 4))
        else:
            hidden = leaky(by_hand.conv("conv_hr", fused))
            wanted.append(by_hand.conv("conv_last", hidden) + run[t])
    assert_close(network(frames[:, :3]), torch.stack(wanted, 1))


def test_iconvsr(frames):
    network = IconVSR(8, 1, interval=2)
    by_hand = filled(network, checkpoints.iconvsr(8, 1, mmagic=True))
    run = [frames[:, t] for t in range(5)]
    keys = {0: [4, 3, 0, 1, 2], 2: [0, 1, 2, 3, 4], 4: [2, 3, 4, 1, 0]}
    refill = {key: network.edvr(frames[:, window]) for key, window in keys.items()}
    later, state = {}, torch.zeros(1, 8, *SIDES)
    for t in (4, 3, 2, 1, 0):
        if t < 4:
            state = moved(state, network.spynet(run[t], run[t + 1]))
        if t in keys:
            state = by_hand.conv("backward_fusion", torch.cat((state, refill[t]), 1))
        state = by_hand.stack("backward_resblocks", torch.cat((run[t], state), 1), 1)
        later[t] = state
    wanted, state = [], torch.zeros(1, 8, *SIDES)
    for t in range(5):
        if t > 0:
            state = moved(state, network.spynet(run[t], run[t - 1]))
        if t in keys:
            state = by_hand.conv("forward_fusion", torch.cat((state, refill[t]), 1))
        state = by_hand.stack("forward_resblocks", torch.cat((run[t], later[t], state), 1), 1)
        wanted.append(by_hand.enlarged(state) + enlarged(run[t], 4))
    assert_close(network(frames), torch.stack(wanted, 1))


@pytest.mark.parametrize("sides", [(17, 22), (20, 28)])
@pytest.mark.parametrize("length", [1, 2, 5, 7])
def test_iconvsr_takes_runs_and_sizes_of_all_kinds(length, sides):
    network = IconVSR(8, 1).eval()
    result = network(torch.rand(1, length, 3, *sides))
    assert result.shape == (1, length, 3, 4 * sides[0], 4 * sides[1])
    assert torch.isfinite(result).all()


def test_windows_of_key_frames():
    assert _around(0, 9, 2) == [4, 3, 0, 1, 2]
    assert _around(1, 9, 2) == [3, 0, 1, 2, 3]
    assert _around(5, 9, 2) == [3, 4, 5, 6, 7]
    assert _around(8, 9, 2) == [6, 7, 8, 5, 4]
    assert _around(0, 9, 3) == [6, 5, 4, 0, 1, 2, 3]
    assert _around(0, 3, 2) == [0, 0, 0, 1, 2]


def deformed(x, offset, mask, weight, bias, groups):
    """A modulated deformable 3x3 convolution, tap by tap, by SciPy."""
    channels, (height, width) = x.shape[1], x.shape[2:]
    each = channels // groups
    y, x_ = np.mgrid[0:height, 0:width].astype(float)
    total = bias.reshape(-1, 1, 1).repeat(1, height, width).double().numpy()
    for channel in range(channels):
        group = channel // each
        for tap in range(9):
            at = 2 * (9 * group + tap)
            dy, dx = offset[0, at].numpy(), offset[0, at + 1].numpy()
            where = [y + tap // 3 - 1 + dy, x_ + tap % 3 - 1 + dx]
            values = ndimage.map_coordinates(
                x[0, channel].numpy(), where, order=1, mode="grid-constant"
            )
            values = values * mask[0, 9 * group + tap].numpy()
            total += weight[:, channel, tap // 3, tap % 3].numpy()[:, None, None] * values
    return torch.from_numpy(total).float()[None]


@pytest.fixture(params=["PyTorch", "ONNX"])
def form(request, monkeypatch):
    """The convolution as torchvision has it, and as it is exported."""
    if request.param == "ONNX":
        monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)


@pytest.mark.usefixtures("form")
def test_deformable_convolution():
    random = torch.Generator().manual_seed(0)
    layer = Deformable(8)
    by_hand = filled(layer, {k[2:]: v for k, v in checkpoints.deformable("d", 8).items()})
    features, guide = (torch.randn(1, 8, 9, 11, generator=random) for _ in range(2))
    found = by_hand.conv("conv_offset", guide)
    mask = torch.sigmoid(found[:, 144:])
    weights = by_hand.weights
    wanted = deformed(features, found[:, :144], mask, weights["weight"], weights["bias"], 8)
    assert_close(layer(features, guide), wanted)


@pytest.mark.usefixtures("form")
def test_alignment_adds_to_the_flow():
    random = torch.Generator().manual_seed(1)
    layer = Alignment(8, most=3.0)
    prefix = "deform_align.backward_1."
    shapes = checkpoints.basicvsrpp(8, 1, mmagic=True)
    shapes = {k.removeprefix(prefix): v for k, v in shapes.items() if k.startswith(prefix)}
    by_hand = filled(layer, shapes)
    states, condition, first, second = (
        torch.randn(1, count, 9, 11, generator=random) for count in (16, 24, 2, 2)
    )
    x = torch.cat((condition, first, second), 1)
    for i in (0, 2, 4):
        x = leaky(by_hand.conv(f"conv_offset.{i}", x))
    found = by_hand.conv("conv_offset.6", x)
    offset = 3.0 * torch.tanh(found[:, :288])
    for tap in range(144):  # eight groups see the first state, eight the second
        flow = first if tap < 72 else second
        offset[:, 2 * tap] += flow[:, 1]
        offset[:, 2 * tap + 1] += flow[:, 0]
    mask = torch.sigmoid(found[:, 288:])
    weights = by_hand.weights
    wanted = deformed(states, offset, mask, weights["weight"], weights["bias"], 16)
    assert_close(layer(states, condition, first, second), wanted)


@pytest.mark.parametrize("enlarges", [True, False])
def test_basicvsrpp(frames, enlarges):
    network = BasicVSRPlusPlus(8, 1, enlarges=enlarges)
    shapes = checkpoints.basicvsrpp(8, 1, mmagic=True, enlarges=enlarges)
    by_hand = filled(network, shapes)
    run = [frames[:, t] for t in range(4)]
    if enlarges:
        seen, spatial = run, [by_hand.stack("feat_extract", x, 5) for x in run]
    else:
        seen = [
            functional.interpolate(x, scale_factor=0.25, mode="bicubic", align_corners=False)
            for x in run
        ]
        spatial = []
        for x in run:
            for i in (0, 2):
                x = leaky(by_hand.conv(f"feat_extract.{i}", x, 2))
            spatial.append(by_hand.stack("feat_extract.4", x, 5))
    blank = torch.zeros_like(spatial[0])
    found = {}
    for branch in ("backward_1", "forward_1", "backward_2", "forward_2"):
        order = [3, 2, 1, 0] if branch.startswith("backward") else [0, 1, 2, 3]
        states = {}
        for place, t in enumerate(order):
            state = blank
            if place > 0:
                near = order[place - 1]
                first = network.spynet(seen[t], seen[near])
                older, second, far_state = blank, torch.zeros_like(first), blank
                if place > 1:
                    far = order[place - 2]
                    second = first + moved(network.spynet(seen[near], seen[far]), first)
                    older = states[far]
                    far_state = moved(older, second)
                condition = torch.cat((moved(states[near], first), spatial[t], far_state), 1)
                align = network.deform_align[branch]
                state = align(torch.cat((states[near], older), 1), condition, first, second)
            seen_so_far = [spatial[t], *(found[other][t] for other in found), state]
            x = torch.cat(seen_so_far, 1)
            states[t] = state + by_hand.stack(f"backbone.{branch}", x, 1)
        found[branch] = states
    wanted = []
    for t in range(4):
        x = torch.cat((spatial[t], *(found[branch][t] for branch in found)), 1)
        picture = by_hand.enlarged(by_hand.stack("reconstruction", x, 5))
        wanted.append(picture + (enlarged(run[t], 4) if enlarges else run[t]))
    assert_close(network(frames[:, :4]), torch.stack(wanted, 1), 1e-3)


def halved(features):
    """The largest and the mean of 3x3 around every other sample; outside, zero counts as a mean."""
    grown = [
        np.pad(features[0].numpy(), ((0, 0), (1, 1), (1, 1)), constant_values=edge)
        for edge in (-np.inf, 0.0)
    ]
    windows = [sliding_window_view(x, (3, 3), (1, 2))[:, ::2, ::2] for x in grown]
    both = windows[0].max((3, 4)), windows[1].mean((3, 4))
    return torch.from_numpy(np.concatenate(both)).float()[None]


class Edvr:
    """EDVR's feature extractor, step by step as the paper and BasicSR's code have it."""

    def __init__(self, by_hand):
        self.conv = lambda name, x, stride=1: by_hand.conv(f"edvr.{name}", x, stride)
        self.weights = by_hand.weights

    def active(self, name, *x, stride=1):
        return leaky(self.conv(name, torch.cat(x, 1), stride))

    def sampled(self, name, features, guide):
        name = f"pcd_alignment.{name}"
        found = self.conv(f"{name}.conv_offset", guide)
        mask = torch.sigmoid(found[:, 144:])
        weight, bias = (self.weights[f"edvr.{name}.{kind}"] for kind in ("weight", "bias"))
        return deformed(features, found[:, :144], mask, weight, bias, 8)

    def pyramid(self, frame):
        x = leaky(self.conv("conv_first", frame))
        for i in range(5):
            hidden = self.conv(f"feature_extraction.{i}.conv1", x).clamp(min=0)
            x = x + self.conv(f"feature_extraction.{i}.conv2", hidden)
        levels = [x]
        for level in (2, 3):
            x = self.active(f"feat_l{level}_conv1.conv", x, stride=2)
            x = self.active(f"feat_l{level}_conv2.conv", x)
            levels.append(x)
        return levels

    def aligned(self, neighbour, centre):
        a = "pcd_alignment"
        offset = self.active(f"{a}.offset_conv1.l3.conv", neighbour[2], centre[2])
        offset3 = self.active(f"{a}.offset_conv2.l3.conv", offset)
        features3 = leaky(self.sampled("dcn_pack.l3", neighbour[2], offset3))
        offset = self.active(f"{a}.offset_conv1.l2.conv", neighbour[1], centre[1])
        offset = self.active(f"{a}.offset_conv2.l2.conv", offset, 2 * enlarged(offset3, 2))
        offset2 = self.active(f"{a}.offset_conv3.l2.conv", offset)
        features2 = self.sampled("dcn_pack.l2", neighbour[1], offset2)
        features2 = self.active(f"{a}.feat_conv.l2.conv", features2, enlarged(features3, 2))
        offset = self.active(f"{a}.offset_conv1.l1.conv", neighbour[0], centre[0])
        offset = self.active(f"{a}.offset_conv2.l1.conv", offset, 2 * enlarged(offset2, 2))
        offset1 = self.active(f"{a}.offset_conv3.l1.conv", offset)
        features1 = self.sampled("dcn_pack.l1", neighbour[0], offset1)
        features1 = torch.cat((features1, enlarged(features2, 2)), 1)
        features1 = self.conv(f"{a}.feat_conv.l1.conv", features1)  # the only one without
        guide = self.active(f"{a}.cas_offset_conv1.conv", features1, centre[0])
        guide = self.active(f"{a}.cas_offset_conv2.conv", guide)
        return leaky(self.sampled("cas_dcnpack", features1, guide))

    def fused(self, frames, centre):
        f = "fusion"
        own = self.conv(f"{f}.temporal_attn1", frames[centre])
        weighed = []
        for frame in frames:
            other = self.conv(f"{f}.temporal_attn2", frame)
            weighed.append(frame / (1 + torch.exp(-(other * own).sum(1, keepdim=True))))
        features = self.active(f"{f}.feat_fusion.conv", *weighed)
        attention = self.active(f"{f}.spatial_attn1.conv", *weighed)
        attention = self.active(f"{f}.spatial_attn2.conv", halved(attention))
        coarse = self.active(f"{f}.spatial_attn_l1.conv", attention)
        coarse = self.active(f"{f}.spatial_attn_l2.conv", halved(coarse))
        coarse = self.active(f"{f}.spatial_attn_l3.conv", coarse)
        attention = self.active(f"{f}.spatial_attn3.conv", attention) + enlarged(coarse, 2)
        attention = self.active(f"{f}.spatial_attn4.conv", attention)
        attention = self.conv(f"{f}.spatial_attn5", enlarged(attention, 2))
        added = self.active(f"{f}.spatial_attn_add1.conv", attention)
        added = self.conv(f"{f}.spatial_attn_add2", added)
        return features * 2 / (1 + torch.exp(-attention)) + added


def test_edvr_extracts_features_of_the_middle_frame(frames):
    network = FeatureExtractor(8, 5)
    shapes = checkpoints.edvr(8, 5, mmagic=True)
    by_hand = filled(network, {k.removeprefix("edvr."): v for k, v in shapes.items()}, gain=1.0)
    edvr = Edvr(Weights({f"edvr.{name}": tensor for name, tensor in by_hand.weights.items()}))
    levels = [edvr.pyramid(frames[:, t]) for t in range(5)]
    aligned = [edvr.aligned(level, levels[2]) for level in levels]
    # What is tested is no identity: frames differ once they are aligned, too.
    assert (aligned[0] - aligned[2]).abs().max() > 0.01
    assert_close(network(frames), edvr.fused(aligned, 2))


@pytest.mark.parametrize(("channels", "blocks", "millions"), [(64, 10, 3.3), (128, 40, 20.6)])
def test_edvr_has_the_published_number_of_parameters(channels, blocks, millions):
    # EDVR-M and EDVR-L, of whose whole the extractor is a part.
    whole = checkpoints.whole_edvr(channels, blocks)
    assert round(sum(math.prod(shape) for shape in whole.values()) / 1e6, 1) == millions
    official = {f"edvr.{name}": torch.empty(shape, device="meta") for name, shape in whole.items()}
    renamed = {name: tuple(t.shape) for name, t in layouts.recurrent(official).items()}
    with torch.device("meta"):
        own = {
            f"edvr.{k}": tuple(t.shape) for k, t in FeatureExtractor(channels).state_dict().items()
        }
    rest = ("edvr.reconstruction.", "edvr.upconv", "edvr.conv_hr.", "edvr.conv_last.")
    assert own == {name: s for name, s in renamed.items() if not name.startswith(rest)}


def test_attention_weighs_frames_by_likeness():
    # One that is the centre frame counts fully, one that is its opposite not at all.
    fusion = AttentionFusion(4, 3, 1)
    for name, tensor in fusion.state_dict().items():
        tensor.zero_()
        if name.startswith("temporal") and name.endswith("weight"):
            for i in range(4):
                tensor[i, i, 1, 1] = 1.0
    for i in range(3):
        fusion.feat_fusion.conv.weight[0, 4 * i, 0, 0] = 1.0
    centre = torch.full((1, 4, 8, 8), 5.0)
    result = fusion(torch.stack((centre, centre, -centre), 1))
    # Features times twice the sigmoid of no attention.
    assert torch.allclose(result[:, 0], torch.tensor(10.0), atol=1e-4)


@pytest.mark.parametrize(("threshold", "passes"), [(255.0, 1), (11.0, 1), (9.0, 3), (0.0, 3)])
def test_cleaning_is_repeated_while_it_changes_much(frames, threshold, passes):
    network = RealBasicVSR(4, 1, 1, threshold)
    for tensor in network.image_cleaning.state_dict().values():
        tensor.zero_()
    network.image_cleaning[1].bias.fill_(-10 / 255)  # every pass takes off ten codes
    cleaned, done = network.cleaned(frames)
    assert done == passes
    assert_close(cleaned, frames - passes * 10 / 255)
    assert_close(network(frames[:, :2]), network.basicvsr(frames[:, :2] - passes * 10 / 255))


def test_cleaning_stops_when_it_has_converged(frames):
    network = RealBasicVSR(4, 1, 1, threshold=40.0)
    for tensor in network.image_cleaning.state_dict().values():
        tensor.zero_()
    # A channel for each colour; each pass takes off four fifths of what is left.
    for i in range(3):
        network.image_cleaning[0].main[0].weight[i, i, 1, 1] = 1.0
        network.image_cleaning[1].weight[i, i, 1, 1] = -0.8
    cleaned, done = network.cleaned(frames)
    assert done == 2  # the first pass takes off some 100 codes, the second 20, a third 4
    assert_close(cleaned, frames * 0.2**done)


def test_longer_runs_change_what_a_frame_gets(frames):
    network = BasicVSR(6, 2)
    filled(network, checkpoints.basicvsr(6, 2, mmagic=True))
    assert (network(frames)[:, 1] - network(frames[:, :2])[:, 1]).abs().max() > 1e-3
    alone = network(frames[:, 1:2])
    assert alone.shape == (1, 1, 3, 80, 112)


@pytest.mark.parametrize("kind", ["basicvsr", "iconvsr", "basicvsrpp"])
def test_basicsr_names(kind):
    build = getattr(checkpoints, kind)
    ours, theirs = (build(8, 2, mmagic=mmagic) for mmagic in (True, False))
    renamed = layouts.recurrent({name: torch.empty(shape) for name, shape in theirs.items()})
    assert {name: tuple(tensor.shape) for name, tensor in renamed.items()} == ours
