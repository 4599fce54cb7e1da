"""``PlanesNet`` at every scale, and one scale's weights begun from another's."""

import onnx
import onnxruntime as ort
import pytest
import torch

from vsvqe.nets.planes import PlanesNet, with_scale
from vsvqe.nets.window import Window
from vsvqe.training.beginnings import start_from
from vsvqe.training.export import export

WINDOW = Window((-1, 0, 1), aligned=True)


def made(scale: int, blocks: int = 1) -> PlanesNet:
    torch.manual_seed(0)
    net = PlanesNet(WINDOW, scale, channels=8, blocks=blocks)
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    torch.nn.init.normal_(net.tail.bias, std=0.1)
    return net.eval()


def planes() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 3, 20, 28), torch.rand(2, 3, 2, 10, 14) - 0.5


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_residuals_are_as_large_as_the_scale_says(scale: int) -> None:
    with torch.no_grad():
        y, uv = made(scale).windows(*planes())
    assert y.shape == (2, 1, 20 * scale, 28 * scale)
    assert uv.shape == (2, 2, 10 * scale, 14 * scale)


@pytest.mark.parametrize("scale", [0, 3, 8])
def test_other_scales_are_refused(scale: int) -> None:
    with pytest.raises(ValueError, match=f"scale is {scale}, accepted are 1, 2 and 4"):
        PlanesNet(WINDOW, scale)


@pytest.mark.parametrize(("own", "scale"), [(1, 2), (1, 4), (2, 4), (2, 2)])
def test_weights_of_a_smaller_scale_repeat_its_pixels(own: int, scale: int) -> None:
    small, large = made(own), PlanesNet(WINDOW, scale, channels=8, blocks=1)
    large.load_state_dict(with_scale(small.state_dict(), scale))
    with torch.no_grad():
        pairs = zip(small.windows(*planes()), large.windows(*planes()), strict=True)
        for few, many in pairs:
            times = scale // own
            repeated = few.repeat_interleave(times, 2).repeat_interleave(times, 3)
            torch.testing.assert_close(many, repeated)


def test_weights_of_a_larger_scale_do_not_fit() -> None:
    with pytest.raises(ValueError, match="scale 4 don't fit scale 2"):
        with_scale(made(4).state_dict(), 2)


def test_a_training_begins_with_fewer_blocks_and_a_smaller_scale(tmp_path) -> None:
    small = made(2)
    torch.save({"ema": small.state_dict()}, tmp_path / "checkpoint.pt")
    torch.manual_seed(2)
    deep = PlanesNet(WINDOW, 4, channels=8, blocks=3)
    start_from(deep, tmp_path / "checkpoint.pt")
    with torch.no_grad():
        few, many = (net.windows(*planes())[0] for net in (small, deep))
    torch.testing.assert_close(many, few.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_exported_model_gives_the_same(tmp_path, scale: int) -> None:
    net = made(scale)
    path = export(net, tmp_path, "planes", "For tests.", {})
    y, uv = planes()
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    got = session.run(None, {"y": y.numpy(), "uv": uv.flatten(1, 2).numpy()})
    with torch.no_grad():
        for found, wanted in zip(got, net.windows(y, uv), strict=True):
            torch.testing.assert_close(torch.from_numpy(found), wanted, atol=1e-5, rtol=0)


def cleaning() -> PlanesNet:
    torch.manual_seed(2)
    net = PlanesNet(WINDOW, 4, channels=8, blocks=4, cleaning=True)
    for weights in (net.tail.weight, net.cleaner.weight, net.neighbours.weight):
        torch.nn.init.normal_(weights, std=0.1)
    return net.eval()


def test_half_of_the_blocks_clean() -> None:
    net = cleaning()
    with torch.no_grad():
        (y, uv), enlarged = net.stages(*planes())
        for got, wanted in zip(enlarged, net.windows(*planes()), strict=True):
            assert torch.equal(got, wanted)
        net.blocks[2].second.weight.add_(0.1)
        (again, _), others = net.stages(*planes())
    assert y.shape == (2, 1, 20, 28)
    assert uv.shape == (2, 2, 10, 14)
    assert torch.equal(again, y)
    assert not torch.equal(others[0], enlarged[0])


def test_what_was_not_made_for_cleaning_shows_none() -> None:
    with pytest.raises(ValueError, match="not made for cleaning"):
        made(2).stages(*planes())


def test_an_exported_model_shows_no_cleaning(tmp_path) -> None:
    net = cleaning()
    path = export(net, tmp_path, "superres-cleaning-v1", "For tests.", {})
    y, uv = planes()
    session = ort.InferenceSession(path)
    outputs = session.run(None, {"y": y.numpy(), "uv": uv.flatten(1, 2).numpy()})
    with torch.no_grad():
        for got, wanted in zip(outputs, net.windows(y, uv), strict=True):
            torch.testing.assert_close(torch.from_numpy(got), wanted, atol=1e-5, rtol=1e-4)
    assert len(onnx.load(path).graph.output) == 2
