"""Networks made smaller: what must stay stays, and what is lost is little."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from vsvqe.nets.blocks import ExpandedConv, separable3x3
from vsvqe.nets.planes import PlanesNet
from vsvqe.nets.window import Window
from vsvqe.training.export import check, planes_model, random_shapes
from vsvqe.training.pairs import Pairs
from vsvqe.training.slimming import pruned, quantise
from vsvqe.training.store import Store
from vsvqe.training.tasks import Distillation, Restoration

WINDOW = Window((0, 1, 2), aligned=True)


def net(**shape) -> PlanesNet:
    """A network whose output is not zero, as that of an untrained one is."""
    torch.manual_seed(0)
    made = PlanesNet(WINDOW, channels=16, blocks=2, **shape)
    for layer in (made.tail, made.neighbours):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return made.eval()


def inputs(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.random((1, 3, 64, 48), np.float32)
    return {"y": y, "uv": rng.random((1, 6, 32, 24), np.float32) - np.float32(0.5)}


def test_channels_that_do_nothing_are_pruned_first() -> None:
    whole = net()
    idle = {0: [1, 5, 6, 11], 1: [0, 3, 14, 15]}
    with torch.no_grad():
        for number, channels in idle.items():
            whole.blocks[number].first.weight[channels] = 0.0
            whole.blocks[number].first.bias[channels] = 0.0
    slim = pruned(whole, 12)
    arrays = [torch.from_numpy(array) for array in inputs(1).values()]
    with torch.no_grad():
        for ours, theirs in zip(slim(*arrays), whole(*arrays), strict=True):
            torch.testing.assert_close(ours, theirs)
    assert sum(p.numel() for p in slim.parameters()) < sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize("convolution", [ExpandedConv, separable3x3])
def test_other_convolutions_are_exported(convolution) -> None:
    made = net(convolution=convolution)
    model = planes_model(made)
    check(made, model, random_shapes(made))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 2 + 2 * 2 * (2 if convolution is separable3x3 else 1)


def test_eight_bits_are_nearly_as_good(tmp_path: Path) -> None:
    whole, small = tmp_path / "whole.onnx", tmp_path / "small.onnx"
    onnx.save(planes_model(net()), whole)
    quantise(whole, small, [inputs(seed) for seed in range(4)])
    kinds = [node.op_type for node in onnx.load(small).graph.node]
    assert kinds.count("Conv") == 6 and "DequantizeLinear" in kinds
    eight_bits = [i for i in onnx.load(small).graph.initializer if i.data_type == 3 and i.dims]
    assert sum(np.prod(i.dims) for i in eight_bits) >= 4 * 16 * 16 * 9

    def residual(path: Path) -> np.ndarray:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return session.run(None, inputs(9))[0]

    expected = residual(whole)
    error = np.abs(residual(small) - expected).mean()
    assert 0.0 < error < 0.03 * np.abs(expected).mean()


def test_a_pupil_learns_from_clean_frames_and_from_the_teacher(cache: Path) -> None:
    store, valid = Store(cache, "[st]*"), Store(cache, "valid-*")
    pupil, teacher = net(hidden=8), net()
    pupil.window = Window((0, 2), aligned=True)
    pupil.neighbours = torch.nn.Conv2d(6, 16, 3, padding=1, bias=False)
    usual = {"pairs": Pairs(store, 1), "valid": valid, "count": 4, "size": 32}
    task = Distillation(pupil, **usual, teacher=teacher, share=0.0)
    batch = task.batch(np.random.default_rng(3))
    assert batch.y.shape[1] == 3
    own = batch._replace(y=batch.y[:, [0, 2]], uv=batch.uv[:, [0, 2]])
    torch.testing.assert_close(task.loss(batch), Restoration(pupil, **usual).loss(own))

    same = Distillation(teacher, **usual, teacher=teacher, share=1.0)
    assert same.loss(batch) == 0.0
    half = Distillation(teacher, **usual, teacher=teacher, share=0.5)
    torch.testing.assert_close(half.loss(batch), Restoration(teacher, **usual).loss(batch) / 4)


def test_a_pupil_of_frames_as_they_are_learns_from_a_teacher_of_aligned_ones(cache: Path) -> None:
    store, valid = Store(cache, "[st]*"), Store(cache, "valid-*")
    teacher = net()
    torch.manual_seed(1)
    pupil = PlanesNet(Window((-1, 0, 1), aligned=False), channels=8, blocks=1)
    torch.nn.init.normal_(pupil.tail.weight, std=0.05)
    usual = {"pairs": Pairs(store, 1), "valid": valid, "count": 4, "size": 32}
    task = Distillation(pupil, **usual, teacher=teacher, share=0.0)
    batch = task.batch(np.random.default_rng(3))
    alone = Restoration(pupil, **usual)
    assert batch.y.shape[1] == 3 + 3
    # Without a share of the teacher's, what it is taught is what it would be taught alone.
    own = alone.batch(np.random.default_rng(3))
    torch.testing.assert_close(task.loss(batch), alone.loss(own))
    # And the teacher is asked of its own frames.
    seen = Restoration(teacher, **usual).batch(np.random.default_rng(3))
    with torch.no_grad():
        y, uv = teacher.windows(seen.y, seen.uv)
    taught = own._replace(target_y=own.base_y + y, target_uv=own.base_uv + uv)
    task.share = 1.0
    torch.testing.assert_close(task.loss(batch), alone.loss(taught))
