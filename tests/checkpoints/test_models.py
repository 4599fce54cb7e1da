"""Which network a checkpoint makes, in the layouts of official code."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from support import checkpoints

from vsvqe.checkpoints.models import load
from vsvqe.inference.errors import ModelError


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def loaded(path):
    return load(path, hashlib.sha256(path.read_bytes()).hexdigest())


def saved(folder, content, name="model.pth"):
    return loaded(checkpoints.saved(folder / name, content))


def result(found, *shape):
    with torch.inference_mode():
        pictures = torch.rand(*shape, generator=torch.Generator().manual_seed(5))
        return found.network(pictures)


SEQUENCES = {
    "BasicVSR": (checkpoints.basicvsr, (6, 2), 4),
    "IconVSR": (checkpoints.iconvsr, (8, 2), 4),
    "BasicVSR++": (checkpoints.basicvsrpp, (8, 2), 4),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_recurrent_networks_of_both_toolboxes(tmp_path, name):
    build, sizes, scale = SEQUENCES[name]
    mmagic = checkpoints.random(build(*sizes, mmagic=True))
    basicsr = dict(zip(build(*sizes, mmagic=False), mmagic.values(), strict=True))
    generator = {f"generator.{key}": tensor for key, tensor in mmagic.items()}
    first = saved(
        tmp_path,
        {
            "meta": {"epoch": 1},
            "state_dict": generator | {"step_counter": torch.zeros(1)},
        },
    )
    second = saved(tmp_path, {"params": basicsr}, "basicsr.pth")
    for found in (first, second):
        assert (found.architecture, found.sequence) == (name, True)
        assert (found.channels, found.scale, found.multiple) == (3, scale, 1)
    shape = (1, 5, 3, 16, 20)
    assert result(first, *shape).shape == (1, 5, 3, 64, 80)
    assert torch.equal(result(first, *shape), result(second, *shape))


def test_basicvsrpp_that_restores(tmp_path):
    shapes = checkpoints.basicvsrpp(8, 1, mmagic=True, enlarges=False)
    found = saved(tmp_path, checkpoints.random(shapes))
    assert (found.architecture, found.scale, found.multiple) == ("BasicVSR++", 1, 4)
    assert result(found, 1, 2, 3, 16, 20).shape == (1, 2, 3, 16, 20)


def test_basicvsr_that_restores(tmp_path):
    shapes = checkpoints.basicvsr(8, 1, mmagic=True, enlarges=False)
    found = saved(tmp_path, checkpoints.random(shapes))
    assert (found.architecture, found.scale, found.multiple) == ("BasicVSR", 1, 1)
    assert result(found, 1, 2, 3, 17, 22).shape == (1, 2, 3, 17, 22)


def test_realbasicvsr_takes_the_averaged_generator(tmp_path):
    shapes = checkpoints.realbasicvsr(6, 1, 2)
    plain, averaged = (checkpoints.random(shapes, seed) for seed in (1, 2))
    state = {f"generator.{key}": tensor for key, tensor in plain.items()}
    state |= {f"generator_ema.{key}": tensor for key, tensor in averaged.items()}
    state |= {
        "generator.step_counter": torch.zeros(1),
        "discriminator.conv_0.weight": torch.zeros(4, 3, 3, 3),
        "perceptual_loss.vgg.mean": torch.zeros(1, 3, 1, 1),
        "step_counter": torch.zeros(1),
    }
    found = saved(tmp_path, {"state_dict": state, "meta": {"mmedit_version": "0.12"}})
    assert (found.architecture, found.sequence, found.scale) == ("RealBasicVSR", True, 4)
    alone = saved(tmp_path, {"params": averaged}, "alone.pth")
    shape = (1, 2, 3, 16, 20)
    assert torch.equal(result(found, *shape), result(alone, *shape))
    other = saved(tmp_path, plain, "plain.pth")
    assert not torch.equal(result(other, *shape), result(alone, *shape))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("mmagic", [True, False])
def test_srresnet_of_later_toolboxes(tmp_path, scale, mmagic):
    shapes = checkpoints.msrresnet(8, 2, scale, mmagic=mmagic)
    found = saved(tmp_path, checkpoints.random(shapes))
    assert (found.architecture, found.sequence, found.scale) == ("MSRResNet", False, scale)
    assert result(found, 1, 3, 10, 12).shape == (1, 3, 10 * scale, 12 * scale)


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_srresnet_as_published(tmp_path, doublings):
    weights = checkpoints.random(checkpoints.srresnet(8, 3, doublings))
    found = saved(tmp_path, {f"module.{key}": tensor for key, tensor in weights.items()})
    assert (found.architecture, found.scale) == ("SRResNet", 2**doublings)
    pictures = result(found, 1, 3, 10, 12)
    assert pictures.shape == (1, 3, 10 * found.scale, 12 * found.scale)
    assert 0 <= pictures.min() < pictures.max() <= 1


def test_published_numbers_of_parameters_of_image_networks():
    def total(shapes):
        running = ("running_mean", "running_var")
        kept = {k: s for k, s in shapes.items() if not k.endswith(running)}
        return sum(torch.Size(shape).numel() for shape in kept.values())

    assert total(checkpoints.srresnet(64, 16, 2)) == 1_549_462
    assert total(checkpoints.msrresnet(64, 16, 4, mmagic=True)) == 1_517_571
    assert total(checkpoints.esrgan(64, 23)) == 16_697_987
    assert total(checkpoints.esrgan(64, 6)) == 4_467_779
    assert total(checkpoints.compact(64, 32, 4)) == 1_213_296
    assert total(checkpoints.compact(64, 16, 4)) == 621_424
    assert total(checkpoints.compact(64, 16, 2)) == 600_652
    assert total(checkpoints.srcnn(1)) == 8_129
    assert total(checkpoints.fsrcnn()) == 12_809


def test_all_parameters_of_a_file_are_in_the_network(tmp_path):
    weights = checkpoints.random(checkpoints.compact(64, 16, 4))
    found = saved(tmp_path, weights)
    assert sum(tensor.numel() for tensor in found.network.parameters()) == 621_424


@pytest.mark.parametrize("name", ["srcnn_x3.pth", "3x_srcnn.pth", "SRCNN-X3-luma.pth"])
def test_the_scale_of_srcnn_is_in_the_name(tmp_path, name):
    weights = checkpoints.random(checkpoints.srcnn(1))
    found = saved(tmp_path, weights, name)
    assert (found.architecture, found.channels, found.scale) == ("SRCNN", 1, 3)
    # A bicubic enlargement, then three convolutions.
    pictures = torch.rand(1, 1, 12, 10, generator=torch.Generator().manual_seed(5))
    x = torch.nn.functional.interpolate(pictures, scale_factor=3, mode="bicubic")
    for i, padding in ((1, 4), (2, 0), (3, 2)):
        weight, bias = weights[f"conv{i}.weight"], weights[f"conv{i}.bias"]
        x = torch.nn.functional.conv2d(x, weight, bias, padding=padding)
        x = x.clamp(min=0) if i < 3 else x
    assert torch.allclose(result(found, 1, 1, 12, 10), x, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_scale_of_fsrcnn_is_in_the_name(tmp_path, scale):
    found = saved(tmp_path, checkpoints.random(checkpoints.fsrcnn()), f"fsrcnn_x{scale}.pth")
    assert (found.architecture, found.channels, found.scale) == ("FSRCNN", 1, scale)
    assert result(found, 1, 1, 10, 12).shape == (1, 1, 10 * scale, 12 * scale)


@pytest.mark.parametrize("name", ["fsrcnn.pth", "fsrcnn_56x12.pth", "fsrcnn_x1.pth"])
def test_fsrcnn_without_a_scale(tmp_path, name):
    with pytest.raises(ModelError, match="do not tell by how much it enlarges; say so in the name"):
        saved(tmp_path, checkpoints.random(checkpoints.fsrcnn()), name)


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", None])
def test_what_spandrel_knows(tmp_path, wrapper):
    weights = checkpoints.random(checkpoints.compact(8, 2, 4))
    found = saved(tmp_path, {wrapper: weights} if wrapper else weights)
    assert (found.sequence, found.channels, found.scale) == (False, 3, 4)
    assert "Compact" in found.architecture
    pictures = result(found, 1, 3, 10, 12)
    assert pictures.shape == (1, 3, 40, 48)
    path = tmp_path / "model.safetensors"
    save_file(weights, path)
    assert torch.equal(result(loaded(path), 1, 3, 10, 12), pictures)


@pytest.mark.parametrize("prefix", ["", "generator.", "generator_ema.", "netG.", "module."])
def test_esrgan_of_all_toolboxes(tmp_path, prefix):
    weights = checkpoints.random(checkpoints.esrgan(8, 2), gain=0.5)
    state = {f"{prefix}{name}": tensor for name, tensor in weights.items()}
    if prefix.startswith("generator"):
        state["step_counter"] = torch.zeros(1)
        state["discriminator.conv0.weight"] = torch.zeros(4, 3, 3, 3)
    found = saved(tmp_path, {"state_dict": state})
    assert (found.architecture, found.scale, found.channels) == ("ESRGAN", 4, 3)
    plain = saved(tmp_path, {"params_ema": weights}, "plain.pth")
    shape = (1, 3, 10, 12)
    assert result(found, *shape).shape == (1, 3, 40, 48)
    assert torch.equal(result(found, *shape), result(plain, *shape))


def test_inputs_are_left_as_they_are(tmp_path):
    # RCAN scales its input to 255 where it lies.
    architectures = pytest.importorskip("spandrel.architectures.RCAN")
    network = architectures.RCAN(n_resgroups=1, n_resblocks=1, n_feats=16, scale=2)
    found = saved(tmp_path, network.state_dict())
    pictures = torch.rand(1, 3, 12, 10)
    before = pictures.clone()
    with torch.inference_mode():
        found.network(pictures)
    assert torch.equal(pictures, before)


def test_a_network_that_nobody_knows(tmp_path):
    with pytest.raises(ModelError, match=r"network of model\.pth is not known .*some\.weight"):
        saved(tmp_path, {"some.weight": torch.zeros(3), "some.bias": torch.zeros(3)})


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
@pytest.mark.parametrize(
    "shapes",
    [
        checkpoints.basicvsr(6, 1, mmagic=True),
        checkpoints.basicvsrpp(8, 1, mmagic=False),
        checkpoints.msrresnet(8, 2, 2, mmagic=True),
        checkpoints.compact(8, 2, 2),
    ],
    ids=["BasicVSR", "BasicVSR++", "MSRResNet", "Compact"],
)
def test_tensors_that_do_not_fit(tmp_path, shapes, change):
    weights = checkpoints.random(shapes)
    name = next(name for name in weights if ".2." in name or ".1." in name)
    if change == "missing":
        del weights[name]
    elif change == "more":
        weights[f"{name.rpartition('.')[0]}.unheard_of"] = torch.zeros(1)
    else:
        weights[name] = torch.zeros(*weights[name].shape, 2)
    with pytest.raises(ModelError, match=r"model\.pth (look like|is not known)"):
        saved(tmp_path, weights)
