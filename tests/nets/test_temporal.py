"""Networks over several frames: what they see, and that a stream may reuse what it has."""

import pytest
import torch
from torch.nn import functional

from vsvqe.nets.planes import WindowNet
from vsvqe.nets.temporal import RecurrentNet, TwoStageNet

NETS = [lambda: TwoStageNet(12, 1), lambda: RecurrentNet(12, 1, 4)]


def made(make) -> WindowNet:
    torch.manual_seed(0)
    net = make()
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    return net.eval()


def picture(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, frames, 24, 32), torch.rand(2, frames, 2, 12, 16) - 0.5


@pytest.mark.parametrize("make", NETS)
def test_all_frames_count_and_residuals_have_the_size_of_the_planes(make) -> None:
    net = made(make)
    y, uv = picture(len(net.window.offsets))
    with torch.no_grad():
        luma, chroma = net.windows(y, uv)
        assert luma.shape == (2, 1, 24, 32) and chroma.shape == (2, 2, 12, 16)
        for frame in range(y.shape[1]):
            other = y.clone()
            other[:, frame] += 0.1
            assert not torch.equal(net.windows(other, uv)[0], luma)


@pytest.mark.parametrize("make", NETS)
def test_untrained_networks_leave_pictures_alone(make) -> None:
    net = make()
    luma, chroma = net.windows(*picture(len(net.window.offsets)))
    assert not luma.any() and not chroma.any()


def test_a_stream_gets_what_windows_get() -> None:
    net = made(NETS[1])
    y, uv = picture(4)
    luma = functional.pixel_unshuffle(y.reshape(8, 1, 24, 32) - 0.5, 2).reshape(2, 4, 4, 12, 16)
    frames = torch.cat((luma, uv), dim=2)
    state = torch.zeros(2, 12, 12, 16)
    with torch.no_grad():
        for frame in (3, 2, 1, 0):
            state = net.step(frames[:, frame], state)
        torch.testing.assert_close(net.forward(frames), state)
        expected = functional.pixel_shuffle(0.1 * net.tail(state)[:, :4], 2)
        torch.testing.assert_close(net.windows(y, uv)[0], expected)


def test_triplets_are_taken_in_order() -> None:
    net = made(NETS[0])
    frames = torch.rand(1, 5, 6, 8, 8)
    with torch.no_grad():
        parts = [net.triplet(frames[:, k : k + 3]) for k in (0, 1, 2)]
        torch.testing.assert_close(net.forward(frames), net.fused(torch.cat(parts, dim=1)))
