"""PyTorch checkpoints in both filters: image networks on every engine, recurrent ones in chunks."""

import dataclasses
import hashlib
import logging
import math
import os
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
import vapoursynth as vs
from safetensors.torch import save_file
from spandrel.architectures.SwinIR import SwinIR
from support import checkpoints
from support.clips import all_same, from_arrays, picture, pictures, psnr, same, scene
from support.models import nearest
from torch.nn import functional

import vsvqe as vqe
from vsvqe.checkpoints import models
from vsvqe.checkpoints.models import load
from vsvqe.graph.chunks import present
from vsvqe.inference import conversion
from vsvqe.inference import session as sessions
from vsvqe.inference.errors import ModelError, OutOfMemory
from vsvqe.inference.openvino import imported
from vsvqe.inference.session import SessionRequest
from vsvqe.inference.torch import TorchSession

core = vs.core
ENGINES = ["cpu", "openvino", "torch"]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    """A small SRVGGNetCompact, x2."""
    return image_model(tmp_path_factory.mktemp("compact") / "compact.pth", 2)


@pytest.fixture(scope="module")
def restoring(tmp_path_factory):
    """The same at x1."""
    return image_model(tmp_path_factory.mktemp("restoring") / "restoring.pth", 1)


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory):
    """A small BasicVSR."""
    path = tmp_path_factory.mktemp("recurrent") / "BasicVSR.pth"
    weights = checkpoints.random(checkpoints.basicvsr(6, 1, mmagic=True), gain=0.6)
    for name in weights:
        if ".basic_module.4.conv" in name:
            weights[name] *= 0.3
    return checkpoints.saved(
        path, {"state_dict": {f"generator.{k}": v for k, v in weights.items()}}
    )


@pytest.fixture(scope="module")
def cleaning(tmp_path_factory):
    """A small RealBasicVSR."""
    path = tmp_path_factory.mktemp("cleaning") / "RealBasicVSR.pth"
    weights = checkpoints.random(checkpoints.realbasicvsr(6, 1, 1), gain=0.5)
    return checkpoints.saved(path, {"params": weights})


@pytest.fixture(scope="module")
def deformable(tmp_path_factory):
    """Small networks that align by deformable convolution, by name."""
    folder = tmp_path_factory.mktemp("deformable")
    every = {
        "IconVSR": checkpoints.iconvsr(8, 1, mmagic=True),
        "BasicVSR++": checkpoints.basicvsrpp(8, 1, mmagic=False, enlarges=False),
    }
    return {
        name: checkpoints.saved(folder / f"{name}.pth", checkpoints.random(shapes, gain=0.5))
        for name, shapes in every.items()
    }


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """A small SwinIR, x2, the second of whose blocks shifts its windows."""
    torch.manual_seed(0)
    network = SwinIR(
        upscale=2,
        img_size=16,
        window_size=8,
        depths=[2],
        embed_dim=12,
        num_heads=[2],
        mlp_ratio=2,
        upsampler="pixelshuffledirect",
    )
    path = tmp_path_factory.mktemp("windows") / "swinir.pth"
    return checkpoints.saved(path, {"params": network.state_dict()})


def image_model(path, scale):
    weights = checkpoints.random(checkpoints.compact(8, 2, scale), gain=0.5)
    return checkpoints.saved(path, {"params": weights})


def by_hand(path, frames):
    """SRVGGNetCompact with two middle layers, on N x 3 x H x W."""
    weights = torch.load(path, weights_only=True)["params"]
    x = frames
    for i in range(0, 7, 2):
        x = functional.conv2d(x, weights[f"body.{i}.weight"], weights[f"body.{i}.bias"], padding=1)
        if i < 6:
            slope = weights[f"body.{i + 1}.weight"].reshape(1, -1, 1, 1)
            x = torch.where(x > 0, x, slope * x)
    scale = round((x.shape[1] / 3) ** 0.5)
    x = functional.pixel_shuffle(x, scale)
    return x + frames.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def tensor(clip):
    """The frames of an RGBS clip, N x 3 x H x W."""
    return torch.from_numpy(np.stack([np.stack(planes) for planes in pictures(clip)]))


def network_of(path):
    return load(path, hashlib.sha256(path.read_bytes()).hexdigest()).network


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [(64, 48), (33, 17)])
def test_image_networks_on_every_engine(compact, engine, size, request):
    if engine == "openvino":
        request.getfixturevalue("openvino")
    clip = scene(*size, 2, vs.RGBS)
    result = vqe.SuperRes(clip, model=compact, backend=engine)
    assert (result.width, result.height) == (2 * size[0], 2 * size[1])
    wanted = by_hand(compact, tensor(clip)).clamp(0, 1)
    assert wanted.std() > 0.05
    assert (tensor(result) - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
def test_networks_of_windows_take_all_sizes(windows, engine, request):
    if engine == "openvino":
        request.getfixturevalue("openvino")
    # One side is a multiple of the windows' 8, the other is not.
    clip = scene(32, 44, 1, vs.RGBS)
    result, wanted = (
        tensor(vqe.SuperRes(clip, model=windows, backend=backend)) for backend in (engine, "torch")
    )
    assert wanted.std() > 0.05
    assert (result - wanted).abs().max() < 1e-4


@pytest.mark.parametrize(("scale", "thousands"), [(2, 878), (3, 886), (4, 897)])
def test_light_swinir_as_published(scale, thousands, tmp_path):
    shapes = checkpoints.light_swinir(scale)
    # The paper counts neither the tables of relative positions nor, as ever, what is not learned.
    learned = [
        math.prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(("bias_table", "position_index", "attn_mask"))
    ]
    assert round(sum(learned) / 1e3) == thousands
    torch.manual_seed(0)
    network = SwinIR(
        upscale=scale,
        window_size=8,
        depths=[6] * 4,
        embed_dim=60,
        num_heads=[6] * 4,
        mlp_ratio=2,
        upsampler="pixelshuffledirect",
    ).eval()
    weights = network.state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == shapes
    path = checkpoints.saved(tmp_path / "swinir.pth", {"params": weights})
    clip = scene(24, 17, 1, vs.RGBS)
    result = vqe.SuperRes(clip, model=path, backend="torch")
    assert (result.width, result.height) == (24 * scale, 17 * scale)
    with torch.inference_mode():
        wanted = network(tensor(clip)).clamp(0, 1)
    assert wanted.std() > 0.01
    assert (tensor(result) - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV422P10, vs.GRAY16, vs.RGB24])
def test_formats_and_props_stay(compact, restoring, format):
    clip = scene(48, 32, 2, format).std.SetFrameProps(_SARNum=4, _SARDen=3, Custom=b"x")
    for filter, model, scale in ((vqe.SuperRes, compact, 2), (vqe.Deblock, restoring, 1)):
        result = filter(clip, model=str(model))
        assert result.format.id == clip.format.id
        assert (result.width, result.num_frames) == (48 * scale, 2)
        assert dict(result.get_frame(1).props) == dict(clip.get_frame(1).props)


def test_auto_converts_and_says_so(compact, caplog, fresh_sessions):
    with caplog.at_level(logging.INFO, "vsvqe"):
        vqe.SuperRes(scene(48, 32, 1), model=compact)
    assert "compact" in caplog.text
    assert "PyTorch" not in caplog.text


def test_what_can_not_be_converted_runs_on_pytorch(
    compact, tmp_path, caplog, fresh_sessions, monkeypatch
):
    monkeypatch.setattr(conversion, "_error", lambda *_: 0.5)
    path = tmp_path / "other.pth"
    path.write_bytes(compact.read_bytes())
    clip = scene(48, 32, 1, vs.RGBS)
    with caplog.at_level(logging.INFO, "vsvqe"):
        result = vqe.SuperRes(clip, model=path)
    assert "runs on PyTorch" in caplog.text
    assert "gives other pictures there, 0.5 off" in caplog.text
    assert (tensor(result) - by_hand(path, tensor(clip)).clamp(0, 1)).abs().max() < 1e-5
    with pytest.raises(vs.Error, match=r"^SuperRes: other.pth .*can't be converted.*'torch' runs"):
        vqe.SuperRes(clip, model=path, backend="cpu")


def test_engines_that_can_not_take_a_conversion(compact, tmp_path, fresh_sessions, monkeypatch):
    def refuse(*_):
        raise ModelError("late.onnx can't be read by it")

    monkeypatch.setattr(sessions, "_on_onnx_engine", refuse)
    clip = scene(48, 32, 1, vs.RGBS)
    result = vqe.SuperRes(clip, model=compact)
    assert (tensor(result) - by_hand(compact, tensor(clip)).clamp(0, 1)).abs().max() < 1e-5
    with pytest.raises(vs.Error, match=r"can't be read by it; backend='torch' runs the checkpoint"):
        vqe.SuperRes(clip, model=compact, backend="cpu")


class Unspeakable(torch.nn.Module):
    """What ONNX has no operator for."""

    def forward(self, pictures):
        return torch.special.bessel_j0(pictures)


def test_a_failed_conversion_is_quiet(compact, tmp_path, capfd, fresh_sessions, monkeypatch):
    found = load(compact, hashlib.sha256(compact.read_bytes()).hexdigest())
    found = dataclasses.replace(found, network=Unspeakable(), scale=1)
    monkeypatch.setattr(models, "load", lambda *_: found)
    path = tmp_path / "unspeakable.pth"
    path.write_bytes(compact.read_bytes())
    capfd.readouterr()
    with pytest.raises(vs.Error, match=r"can't be converted to ONNX \(.*bessel.*'torch' runs it"):
        vqe.Deblock(scene(), model=path, backend="cpu")
    written = capfd.readouterr()
    assert written.out == ""
    assert "graph" not in written.err


def test_nothing_is_converted_in_a_frame_callback(compact, tmp_path, fresh_sessions):
    # What the exporter may print would be in the middle of the video.
    path = tmp_path / "late.pth"
    path.write_bytes(compact.read_bytes())
    clip = scene(48, 32, 2, vs.RGBS)
    late = clip.resize.Point(96, 64).std.FrameEval(lambda n: vqe.SuperRes(clip, model=path))
    assert (tensor(late) - by_hand(path, tensor(clip)).clamp(0, 1)).abs().max() < 1e-4
    (session,) = sessions._cache.values()
    assert session.description.startswith("PyTorch")


def test_conversions_are_kept_in_the_engine_folder(compact, tmp_path, fresh_sessions, monkeypatch):
    folder, clip = tmp_path / "engines", scene(48, 32, 1, vs.RGBS)
    first = picture(vqe.SuperRes(clip, model=compact, backend="cpu", engine_folder=folder))
    (file,) = folder.iterdir()
    assert file.suffix == ".onnx"
    monkeypatch.setattr(conversion, "_known", {})
    monkeypatch.setattr(conversion, "_export", lambda *_: pytest.fail("converted again"))
    result = vqe.SuperRes(clip, model=compact, backend="cpu", engine_folder=folder)
    assert same(picture(result), first)
    changed = image_model(tmp_path / "compact.pth", 1)
    monkeypatch.undo()
    assert vqe.SuperRes(clip, model=changed, backend="cpu", engine_folder=folder).width == 48
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("network", ["Compact", "IconVSR", "BasicVSR++"])
def test_half_precision(compact, deformable, network):
    model, filter = compact, vqe.SuperRes
    if network != "Compact":
        model = deformable[network]
        filter = vqe.SuperRes if network == "IconVSR" else vqe.Deblock
    clip = scene(32, 24, 2, vs.RGBS)
    exact, half = (
        tensor(filter(clip, model=model, backend="torch", fp16=fp16)) for fp16 in (None, True)
    )
    assert exact.std() > 0.05
    assert (exact - half).abs().mean() < 0.005
    assert (exact - half).abs().max() < 0.1


@pytest.fixture
def opened(monkeypatch):
    """Gets the half precision that engines are asked for, by the name of the step."""
    asked = {}
    open_step = sessions._on_onnx_engine

    def noting(request, backend):
        asked[request.model.stem] = request.half
        return open_step(request, backend)

    monkeypatch.setattr(sessions, "_on_onnx_engine", noting)
    return asked


# The slowest two to convert are compared step by step where steps are tested.
@pytest.mark.parametrize("network", ["BasicVSR", "RealBasicVSR"])
def test_half_precision_of_recurrent_networks_on_openvino(
    recurrent, cleaning, deformable, network, opened, openvino, fresh_sessions, caplog
):
    model = {"BasicVSR": recurrent, "RealBasicVSR": cleaning, **deformable}[network]
    filter = vqe.Deblock if network == "BasicVSR++" else vqe.SuperRes
    clip = scene(64, 48, 4, vs.RGBS)
    exact = tensor(filter(clip, model=model, backend="openvino"))
    assert not any(opened.values())
    with caplog.at_level(logging.INFO, "vsvqe"):
        half = tensor(filter(clip, model=model, backend="openvino", fp16=True))
    in_full = {name for name, asked in opened.items() if not asked}
    assert {name.partition("_")[0] for name in in_full} <= {"flow", "align", "refill"}
    assert len(opened) > len(in_full) > 0
    assert exact.std() > 0.05
    assert (exact - half).abs().mean() < 0.003
    assert (exact - half).abs().max() < 0.05
    if "BF16" in imported().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert "OpenVINO, CPU, bf16, frame by frame" in caplog.text
        assert (exact - half).abs().max() > 1e-5


def test_sizes_that_a_network_demands(tmp_path):
    # BasicVSR++ that restores works at a quarter of the size.
    shapes = checkpoints.basicvsrpp(8, 1, mmagic=True, enlarges=False)
    path = checkpoints.saved(tmp_path / "restoring.pth", checkpoints.random(shapes, gain=0.5))
    clip = scene(37, 30, 3, vs.YUV444P8)
    result = vqe.Deblock(clip, model=path, backend="torch")
    assert (result.width, result.height) == (37, 30)
    rgb = vqe.Deblock(clip.resize.Point(format=vs.RGBS), model=path, backend="torch")
    grown = functional.pad(tensor(clip.resize.Point(format=vs.RGBS)), (0, 3, 0, 2), "replicate")
    with torch.inference_mode():
        wanted = network_of(path)(grown[None])[0, ..., :30, :37].clamp(0, 1)
    assert (tensor(rgb) - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
@pytest.mark.parametrize("refine", [None, 0])
def test_recurrent_networks_on_every_engine(recurrent, cleaning, engine, refine, request):
    if engine == "openvino":
        request.getfixturevalue("openvino")
    model = recurrent if refine is None else cleaning
    # Neither side is a multiple of 32, and the last run is shorter than the others.
    clip = scene(50, 36, 7, vs.RGBS)
    arguments = {"model": model, "refine": refine, "length": 4, "overlap": 1}
    result, wanted = (
        tensor(vqe.SuperRes(clip, backend=backend, **arguments)) for backend in (engine, "torch")
    )
    assert wanted.std() > 0.05
    assert (result - wanted).abs().max() < 2e-5


def test_recurrent_networks_are_kept_in_the_engine_folder(recurrent, tmp_path, fresh_sessions):
    clip = scene(32, 24, 3, vs.RGBS)
    arguments = {"model": recurrent, "backend": "cpu", "engine_folder": tmp_path}
    first = pictures(vqe.SuperRes(clip, **arguments))
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith("-32x24")
    files = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert {file.stem for file in files} == {"flow", "align", "back", "onward"}
    sessions._cache.clear()
    again = pictures(vqe.SuperRes(clip, **arguments))
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == files
    # One that somebody took away is made anew, with the others.
    (folder / "onward.onnx").unlink()
    sessions._cache.clear()
    again = pictures(vqe.SuperRes(clip, **arguments))
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert {file.stem for file in folder.iterdir()} == {"flow", "align", "back", "onward"}


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
@pytest.mark.parametrize("network", ["IconVSR", "BasicVSR++"])
def test_deformable_alignment_on_every_engine(deformable, network, engine, request):
    if engine == "openvino":
        request.getfixturevalue("openvino")
    # Of the sides neither network takes both as they are.
    clip = scene(38, 34, 7, vs.RGBS)
    arguments = {"model": deformable[network], "length": 4, "overlap": 1}
    filter = vqe.SuperRes if network == "IconVSR" else vqe.Deblock
    result, wanted = (
        tensor(filter(clip, backend=backend, **arguments)) for backend in (engine, "torch")
    )
    assert wanted.std() > 0.05
    assert (result - wanted).abs().max() < 2e-5


def test_steps_that_can_not_be_converted(recurrent, tmp_path, fresh_sessions, caplog, monkeypatch):
    monkeypatch.setattr(conversion, "_error_of_steps", lambda *_: 0.5)
    path = tmp_path / "other.pth"
    path.write_bytes(recurrent.read_bytes())
    clip = scene(32, 24, 2)
    with pytest.raises(vs.Error, match=r"^SuperRes: other.pth .*0.5 off.*'torch' runs"):
        vqe.SuperRes(clip, model=path, backend="cpu")
    assert vqe.SuperRes(clip, model=path).get_frame(0).width == 128
    assert "'torch' runs it" in caplog.text


@pytest.mark.parametrize("backend", ["torch", vqe.Backend.Torch(device="cpu")])
def test_pytorch_runs_checkpoints_only(backend, tmp_path):
    path = nearest(tmp_path, scale=2)
    ships = "comes with vsvqe, as an ONNX model"
    shipped = [(vqe.SuperRes, "superres-x2-best-v4"), (vqe.SuperRes, "fast")]
    shipped += [(vqe.Deblock, "balanced"), (vqe.ASTF, "best")]
    calls = [(filter, {"model": name}, f"{name!r} {ships}") for filter, name in shipped]
    calls += [(vqe.SuperRes, {}, f"'balanced' {ships}")]
    calls += [(vqe.SuperRes, {"model": path}, f"{str(path)!r} is an ONNX model")]
    for filter, arguments, named in calls:
        with pytest.raises(vs.Error) as caught:
            filter(scene(), backend=backend, **arguments)
        assert str(caught.value) == (
            f"{filter.__name__}: backend='torch' runs checkpoints (.pth, .pt, .ckpt, .safetensors)"
            f", and model {named}: leave backend out, or choose 'openvino', 'cpu', 'cuda' or "
            "'tensorrt'"
        )


def test_pytorch_devices(compact):
    with pytest.raises(ValueError, match=r"^Torch\(device='tpu'\): it is one of"):
        vqe.Backend.Torch(device="tpu")
    with pytest.raises(vs.Error, match=r"^SuperRes: PyTorch .*no device 'cuda'"):
        backend = vqe.Backend.Torch(device="cuda")
        vqe.SuperRes(scene(), model=compact, backend=backend, device_index=99)
    result = vqe.SuperRes(
        scene(), model=compact, backend=vqe.Backend.Torch(device="cpu", threads=1)
    )
    assert result.get_frame(0).width == 128


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch has no CUDA device here")
@pytest.mark.parametrize("fp16", [False, True])
def test_pytorch_on_a_gpu(compact, recurrent, fp16):
    clip = scene(64, 48, 12, vs.RGBS)
    for model in (compact, recurrent):
        cpu, gpu = (
            tensor(vqe.SuperRes(clip, model=model, backend=backend, fp16=half, length=3))
            for backend, half in (
                (vqe.Backend.Torch(device="cpu"), False),
                (vqe.Backend.Torch(device="cuda"), fp16),
            )
        )
        assert (cpu - gpu).abs().max() < (0.1 if fp16 else 5e-3)


CONTENT = {
    "text": b"<html>404</html>" * 40,
    "empty": b"",
    "zip": b"PK\3\4" + bytes(range(200)),
}


@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors"])
def test_bad_files_are_refused_at_once(filter, content, suffix, tmp_path):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(CONTENT[content])
    with pytest.raises(
        vs.Error, match=rf"^{filter.__name__}: bad\{suffix} is not a checkpoint"
    ) as e:
        filter(scene(), model=path)
    assert "Traceback" not in str(e.value)


@pytest.mark.parametrize("package", ["torch", "spandrel", "safetensors"])
def test_packages_that_are_missing(compact, package, python, tmp_path):
    path = compact
    if package == "safetensors":
        path = tmp_path / "model.safetensors"
        path.write_bytes(b"")
    run = python(
        "import sys; sys.modules[sys.argv[2]] = None\n"
        "import vapoursynth as vs, vsvqe as vqe\n"
        "clip = vs.core.std.BlankClip(width=32, height=32, format=vs.YUV420P8)\n"
        "try: vqe.SuperRes(clip, model=sys.argv[1])\n"
        "except vs.Error as error: print(error)\n",
        path,
        package,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"SuperRes: {path.name} ")
    assert package in run.stdout
    assert 'pip install "vsvqe[torch]"' in run.stdout


def test_a_missing_file():
    with pytest.raises(vs.Error, match=r"^SuperRes: model file 'none.pth' can't be read: No such"):
        vqe.SuperRes(scene(), model="none.pth")


@pytest.fixture
def latin_name(tmp_path):
    """Gives a path with a byte that is no UTF-8 where the file system takes one, as Linux's do."""

    def path(suffix):
        result = tmp_path / os.fsdecode(b"caf\xe9" + os.fsencode(suffix))
        try:
            result.touch()
        except (OSError, UnicodeError):
            pytest.skip("names are UTF-8 here")
        return result

    return path


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
def test_names_that_are_no_utf_8(compact, engine, suffix, latin_name, tmp_path, request):
    if engine == "openvino":
        request.getfixturevalue("openvino")
    path = latin_name(suffix)
    if suffix == ".onnx":
        if engine == "torch":
            pytest.skip("it runs checkpoints")
        path.write_bytes(nearest(tmp_path, scale=2).read_bytes())
    elif suffix == ".safetensors":
        save_file(torch.load(compact, weights_only=True)["params"], path.with_name("plain"))
        path.with_name("plain").rename(path)
    else:
        path.write_bytes(compact.read_bytes())
    clip = scene(32, 24, 1, vs.RGBS)
    engines = tmp_path / "engines"
    result = tensor(vqe.SuperRes(clip, model=path, backend=engine, engine_folder=engines))
    wanted = by_hand(compact, tensor(clip)).clamp(0, 1)
    if suffix == ".onnx":
        wanted = tensor(clip).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert (result - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
def test_names_of_recurrent_networks_that_are_no_utf_8(
    recurrent, engine, latin_name, tmp_path, request
):
    if engine == "openvino":
        request.getfixturevalue("openvino")
    path = latin_name(".pth")
    path.write_bytes(recurrent.read_bytes())
    clip = scene(32, 24, 2, vs.RGBS)
    arguments = {"backend": engine, "engine_folder": tmp_path / "engines"}
    assert all_same(
        vqe.SuperRes(clip, model=path, **arguments),
        vqe.SuperRes(clip, model=recurrent, **arguments),
    )


def test_errors_with_names_that_are_no_utf_8(latin_name, tmp_path):
    weights = checkpoints.random(checkpoints.compact(8, 2, 1))
    weights["body.2.weight"] *= 1e38
    weights["body.4.weight"] *= 1e38
    path = checkpoints.saved(latin_name(".pth"), weights)
    result = vqe.Deblock(scene(length=1), model=path, backend="torch")
    with pytest.raises(vs.Error, match=r"Deblock: frames 0 to 0: caf\\udce9.pth answered with NaN"):
        result.get_frame(0)
    folder = latin_name("")
    folder.unlink()
    with pytest.raises(vs.Error, match=r"^SuperRes: engine_folder='.*caf\\udce9' is no UTF-8 in"):
        vqe.SuperRes(scene(), engine_folder=folder)


def test_unknown_networks(tmp_path):
    path = checkpoints.saved(tmp_path / "odd.pth", {"a.weight": torch.zeros(3)})
    with pytest.raises(vs.Error, match=r"^Deblock: the network of odd.pth is not known"):
        vqe.Deblock(scene(), model=path)


def test_results_that_are_no_numbers(tmp_path):
    weights = checkpoints.random(checkpoints.compact(8, 2, 1))
    weights["body.2.weight"] *= 1e38
    weights["body.4.weight"] *= 1e38
    path = checkpoints.saved(tmp_path / "wild.pth", weights)
    result = vqe.Deblock(scene(length=1), model=path, backend="torch")
    with pytest.raises(
        vs.Error, match=r"Deblock: frames 0 to 0: wild.pth answered with NaN or inf"
    ):
        result.get_frame(0)


def test_running_out_of_memory_is_told_apart(compact, monkeypatch):
    sha256 = hashlib.sha256(compact.read_bytes()).hexdigest()
    shapes = (("input", (1, 3, 16, 16)),)
    request = SessionRequest(model=compact, sha256=sha256, shapes=shapes, half=False)
    session = TorchSession(request, vqe.Backend.Torch(device="cpu"))

    def full(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(session, "_network", full)
    arrays = np.zeros((1, 3, 16, 16), np.float32), np.zeros((1, 3, 32, 32), np.float32)
    with pytest.raises(OutOfMemory, match=r"out of memory while running compact.pth"):
        session.run([arrays[0]], [arrays[1]])


def reference(path, clip, length, overlap, starts=(0,)):
    """Every frame as the network gives it for the chunk's run, computed without the filter."""
    network, frames = network_of(path), tensor(clip)
    bounds = [*starts, len(frames)]
    result = {}
    for first in range(0, len(frames), length):
        wanted = range(first, min(first + length, len(frames)))
        for start, end in pairwise(bounds):
            inside = [n for n in wanted if start <= n < end]
            if not inside:
                continue
            begin = max(inside[0] - overlap, start)
            # The window has as many frames after a scene's first wanted one as after the chunk's.
            stop = min(inside[0] + length + overlap, end)
            if inside[0] == first:
                stop = min(first + length + overlap, end)
            with torch.inference_mode():
                run = network(frames[None, begin:stop])[0].clamp(0, 1)
            result |= {n: run[n - begin] for n in inside}
    return torch.stack([result[n] for n in range(len(frames))])


@pytest.mark.parametrize(("length", "overlap"), [(4, 2), (3, 0), (20, 5), (1, 1)])
def test_chunks_of_recurrent_networks(recurrent, length, overlap):
    clip = scene(32, 24, 10, vs.RGBS)
    arguments = {"model": recurrent, "length": length, "overlap": overlap}
    result = vqe.SuperRes(clip, backend="torch", sc=False, **arguments)
    assert (result.width, result.height, result.num_frames) == (128, 96, 10)
    wanted = reference(recurrent, clip, min(length, 10), overlap)
    assert wanted.std() > 0.05
    assert (tensor(result) - wanted).abs().max() < 1e-4


def test_a_short_clip_is_one_run(recurrent):
    clip = scene(32, 24, 7, vs.RGBS)
    with torch.inference_mode():
        wanted = network_of(recurrent)(tensor(clip)[None])[0].clamp(0, 1)
    assert (
        tensor(vqe.SuperRes(clip, model=recurrent, backend="torch")) - wanted
    ).abs().max() < 1e-4


def test_recurrent_runs_end_at_cuts(recurrent):
    first, second = scene(32, 24, 6, vs.RGBS, 0), scene(32, 24, 6, vs.RGBS, 1)
    joined = (first + second).std.SetFrameProps(_SceneChangePrev=0)
    marked = joined.std.FrameEval(
        lambda n: joined.std.SetFrameProps(_SceneChangePrev=int(n == 6)) if n == 6 else joined
    )
    arguments = {"model": recurrent, "length": 4, "overlap": 2, "backend": "torch"}
    result = tensor(vqe.SuperRes(marked, **arguments))
    wanted = reference(recurrent, marked, 4, 2, starts=(0, 6))
    assert (result - wanted).abs().max() < 1e-4
    # Nothing of the other scene is in it: another one before the cut changes nothing after it.
    other = scene(32, 24, 6, vs.RGBS, 2) + second
    other = other.std.CopyFrameProps(marked)
    assert torch.equal(tensor(vqe.SuperRes(other, **arguments))[6:], result[6:])
    assert not torch.equal(tensor(vqe.SuperRes(joined, **arguments, sc=False))[6:], result[6:])


@pytest.mark.parametrize("num_streams", [1, 3])
def test_random_access_is_linear_access(recurrent, num_streams, threads):
    def made():
        clip = scene(32, 24, 14)
        arguments = {"length": 3, "overlap": 2, "num_streams": num_streams}
        return vqe.SuperRes(clip, model=recurrent, **arguments)

    threads(1)
    linear = pictures(made())
    threads(4)
    order = list(range(14))
    random.Random(0).shuffle(order)
    shuffled = made()
    for n in order:
        assert same(picture(shuffled, n), linear[n])
    futures = [made().get_frame_async(n) for n in order[:4]]
    for n, future in zip(order, futures, strict=False):
        with future.result(timeout=60) as frame:
            assert same([np.array(frame[p]) for p in range(3)], linear[n])


LONG_CLIP = """
import dataclasses, sys
import psutil, torch, vapoursynth as vs
import vsvqe as vqe
from vsvqe.inference import torch as sessions

class Nearest(torch.nn.Module):
    # What a network computes takes time, and is nothing to what it leaves behind.
    def forward(self, frames):
        return frames.repeat_interleave(4, 3).repeat_interleave(4, 4)

load = sessions.load
sessions.load = lambda *file: dataclasses.replace(load(*file), network=Nearest())
vs.core.max_cache_size = 32
clip = vs.core.std.BlankClip(format=vs.YUV444PS, width=64, height=48, length=640)
clip = vqe.SuperRes(clip, model=sys.argv[1], backend="torch", length=10, overlap=1)
for n in range(640):
    clip.get_frame(n).close()
    if n in (99, 639):
        print(psutil.Process().memory_info().rss / 2**20)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip(recurrent, python):
    pytest.importorskip("psutil")
    run = python(LONG_CLIP, recurrent)
    assert run.returncode == 0, run.stderr
    early, late = map(float, run.stdout.split())
    # 540 results of 256x192 in three float planes are over 300 MiB.
    assert late - early < 48


def test_tiles_of_recurrent_networks(tmp_path):
    # Without flow, nothing reaches further than the overlap of the tiles.
    weights = checkpoints.random(checkpoints.basicvsr(6, 1, mmagic=True), gain=0.6)
    for name in weights:
        if ".basic_module.4.conv" in name:
            weights[name] *= 0
    path = checkpoints.saved(tmp_path / "still.pth", weights)
    clip = scene(120, 80, 2, vs.RGBS)
    whole, tiled = (
        tensor(vqe.SuperRes(clip, model=path, tile=tile, backend="torch"))
        for tile in (None, (80, 80))
    )
    assert (whole - tiled).abs().max() < 1e-4


def test_refine_repeats_the_cleaning(cleaning):
    clip = scene(32, 24, 3, vs.RGBS)
    network = network_of(cleaning)
    frames = tensor(clip)[None]
    with torch.inference_mode():
        once = frames + network.image_cleaning(frames[0])[None]
        thrice = once
        for _ in range(2):
            thrice = thrice + network.image_cleaning(thrice[0])[None]
        wanted = {None: once, 255: once, 0: thrice}
        for refine, cleaned in wanted.items():
            result = tensor(vqe.SuperRes(clip, model=cleaning, refine=refine, backend="torch"))
            expected = network.basicvsr(cleaned)[0].clamp(0, 1)
            assert (result - expected).abs().max() < 1e-4
    assert (once - thrice).abs().max() > 0.01


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "cpu"])
def test_tiles_are_cleaned_alike(tmp_path, engine, request):
    """How often is decided by the whole frame, and not by each tile."""
    if engine == "openvino":
        request.getfixturevalue("openvino")
    weights = checkpoints.random(checkpoints.realbasicvsr(6, 1, 1), gain=0.6)
    for name in weights:
        if ".basic_module.4.conv" in name or name.startswith("image_cleaning"):
            weights[name] *= 0  # nothing reaches further than the overlap of the tiles
    # A channel for each colour; each pass takes off half of what is left.
    for i in range(3):
        weights["image_cleaning.0.main.0.weight"][i, i, 1, 1] = 1.0
        weights["image_cleaning.1.weight"][i, i, 1, 1] = -0.5
    path = checkpoints.saved(tmp_path / "RealBasicVSR.pth", weights)
    # Dark at the left and bright at the right, 102 codes in the mean: passes take off 51, 26 and
    # 13 of them, at the right 77, 38 and 19, at the left 26, 13 and 6.
    columns = np.linspace(0.0, 0.8, 120, dtype=np.float32)
    plane = np.ascontiguousarray(np.broadcast_to(columns, (80, 120)))
    clip = from_arrays([[plane, plane, plane]] * 2, vs.RGBS)
    once, twice, thrice = (
        tensor(vqe.SuperRes(clip, model=path, refine=refine, backend="torch"))
        for refine in (60, 30, 1)
    )
    assert min((once - twice).abs().max(), (twice - thrice).abs().max()) > 0.03
    tiled = vqe.SuperRes(clip, model=path, refine=30, backend=engine, tile=(80, 80))
    assert (tensor(tiled) - twice).abs().max() < 1e-4


@pytest.mark.parametrize("refine", [-1, 256, "much", True, float("nan")])
def test_bad_refine(cleaning, refine):
    with pytest.raises(vs.Error, match=r"^SuperRes: refine=.* must be"):
        vqe.SuperRes(scene(), model=cleaning, refine=refine)


def test_refine_is_for_realbasicvsr(recurrent, compact):
    for arguments in ({"model": recurrent}, {"model": compact}, {}):
        with pytest.raises(vs.Error, match=r"^SuperRes: refine=5 is for RealBasicVSR checkpoints"):
            vqe.SuperRes(scene(), refine=5, **arguments)


def test_recurrent_networks_repeat_themselves(recurrent):
    # x16 is twice x4.
    clip = scene(16, 16, 2, vs.RGBS)
    arguments = {"model": recurrent, "backend": "torch"}
    sixteen = vqe.SuperRes(clip, scale=16, **arguments)
    twice = vqe.SuperRes(vqe.SuperRes(clip, **arguments), **arguments)
    assert all_same(sixteen, twice)


def test_frames_that_stand_in_are_left_out():
    a, b, c = object(), object(), object()
    assert present([a, a, a, b, c, c], 2) == ([a, b, c], 0)
    assert present([a, b, c], 1) == ([a, b, c], 1)
    assert present([a, a, b, c], 3) == ([a, b, c], 2)
    assert present([a, a, a], 1) == ([a], 0)


def photograph(data, name, side):
    """A photograph as an 8-bit 4:2:0 clip of one frame."""
    cv2 = pytest.importorskip("cv2")
    image = cv2.imread(str(next((data / "images").glob(f"{name}_*.png"))))[:side, :side, ::-1]
    rgb = from_arrays([list(image.transpose(2, 0, 1))], vs.RGB24)
    return rgb.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709)


@pytest.mark.parametrize(
    ("name", "least"), [("realesr-animevideov3_from_ncnn_fp16", 24), ("srgan_x4_iseebetter", 24)]
)
def test_real_checkpoints_that_enlarge(data, name, least):
    model = data / "weights" / f"{name}.pth"
    large = photograph(data, "Set5/img_001", 160)
    small = large.resize.Bicubic(40, 40)
    for backend in ("auto", "torch"):
        result = vqe.SuperRes(small, model=model, backend=backend)
        assert (result.width, result.height) == (160, 160)
        # A picture of the same, in the same place: not shifted, dimmed or of other contrast.
        assert psnr(result.resize.Bicubic(40, 40), small) > least
        assert psnr(result, large) > least
        assert abs(np.mean(picture(result)[0]) - np.mean(picture(small)[0])) < 3


def test_a_real_checkpoint_that_denoises(data):
    clip = photograph(data, "Set5/img_001", 160)
    noise = np.random.default_rng(0).normal(0, 25 * 219 / 255, (160, 160))
    planes = picture(clip)
    planes[0] = np.clip(np.rint(planes[0] + noise), 0, 255).astype(np.uint8)
    noisy = from_arrays([planes], vs.YUV420P8).std.CopyFrameProps(clip)
    result = vqe.Deblock(noisy, model=data / "weights" / "dncnn_25.pth")
    assert psnr(result, clip) > psnr(noisy, clip) + 7
