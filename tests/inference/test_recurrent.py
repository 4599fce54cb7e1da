"""Networks taken apart into steps: run one by one, they give what the whole network gives."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsvqe.inference import recurrent
from vsvqe.inference.errors import OutOfMemory
from vsvqe.inference.recurrent import StepSession
from vsvqe.inference.session import SessionRequest
from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
from vsvqe.nets.iconvsr import IconVSR
from vsvqe.nets.realbasicvsr import MOST_PASSES, RealBasicVSR
from vsvqe.nets.steps import steps

HEIGHT, WIDTH = 24, 38


class ByTorch:
    """A session of one step that PyTorch computes."""

    description = "PyTorch"

    def __init__(self, network: torch.nn.Module) -> None:
        self._network = network
        self.runs = 0

    def run(self, arrays, out) -> None:
        self.runs += 1
        with torch.inference_mode():
            results = self._network(*map(torch.from_numpy, arrays))
        for target, result in zip(out, results if len(out) > 1 else [results], strict=True):
            assert target.flags.c_contiguous
            target[...] = result.numpy()


NETWORKS = {
    "BasicVSR": lambda: BasicVSR(6, 1),
    "BasicVSR x1": lambda: BasicVSR(6, 1, enlarges=False),
    "RealBasicVSR": lambda: RealBasicVSR(6, 1, 1),
    "IconVSR": lambda: IconVSR(8, 1),
    "BasicVSR++": lambda: BasicVSRPlusPlus(8, 1),
    "BasicVSR++ x1": lambda: BasicVSRPlusPlus(8, 1, enlarges=False),
}
# What this one takes.
MULTIPLE = {"BasicVSR++ x1": 4}


def made(kind: str) -> torch.nn.Module:
    torch.manual_seed(5)
    network = NETWORKS[kind]()
    random = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        # What training begins with at zero would hide half of what is done.
        if "conv_offset" in name:
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=random))
    return network.eval().requires_grad_(False)


def in_steps(network: torch.nn.Module, threshold: float = 255.0, width: int = WIDTH):
    parts = steps(network, HEIGHT, width)
    requests = {
        name: SessionRequest(
            model=Path(name), sha256="", shapes=tuple(step.inputs.items()), half=False
        )
        for name, step in parts.items()
    }
    sessions = {name: ByTorch(step.network) for name, step in parts.items()}
    session = StepSession(
        requests,
        lambda request: sessions[request.model.name],
        most_passes=MOST_PASSES,
        threshold=threshold,
    )
    return session, sessions


@pytest.mark.parametrize("kind", NETWORKS)
@settings(max_examples=3, deadline=None)
@given(length=st.integers(1, 7), seed=st.integers(0, 99))
def test_steps_are_the_network(kind: str, length: int, seed: int) -> None:
    network = made(kind)
    width = WIDTH - WIDTH % MULTIPLE.get(kind, 1)
    session, _ = in_steps(network, width=width)
    run = np.random.default_rng(seed).random((1, length, 3, HEIGHT, width), np.float32)
    given_run = run.copy()
    wanted = network(torch.from_numpy(run)).numpy()
    got = np.empty(wanted.shape, np.float32)
    session.run([run], [got])
    np.testing.assert_array_equal(run, given_run)
    np.testing.assert_allclose(got, wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


def test_a_run_that_does_not_fit_into_memory_is_told_as_that(monkeypatch) -> None:
    """So that tiles are made smaller, as when an engine runs out of it."""
    session, _ = in_steps(made("BasicVSR"))
    run = np.zeros((1, 2, 3, HEIGHT, WIDTH), np.float32)

    def full(*_: object) -> None:
        raise MemoryError("Unable to allocate 1.10 GiB")

    monkeypatch.setattr(recurrent, "_bidirectional", full)
    with pytest.raises(OutOfMemory, match=r"out of memory .*1\.10 GiB"):
        session.run([run], [np.empty((1, 2, 3, 4 * HEIGHT, 4 * WIDTH), np.float32)])


@pytest.mark.parametrize("threshold", [0.0, 10.0, 20.0, 30.0, 255.0])
def test_cleaning_is_repeated_as_by_the_network(threshold: float) -> None:
    network = made("RealBasicVSR")
    network.image_cleaning[1].weight.mul_(0.5)
    run = np.random.default_rng(1).random((1, 2, 3, HEIGHT, WIDTH), np.float32)
    network.threshold = threshold
    frames, passes = network.cleaned(torch.from_numpy(run))
    session, sessions = in_steps(network, threshold)
    got = np.empty((1, 2, 3, 4 * HEIGHT, 4 * WIDTH), np.float32)
    session.run([run], [got])
    assert sessions["cleaning"].runs == 2 * passes
    np.testing.assert_allclose(got, network.basicvsr(frames).numpy(), atol=1e-5)


def test_networks_without_steps() -> None:
    with pytest.raises(ValueError, match="Identity has no such steps"):
        steps(torch.nn.Identity(), HEIGHT, WIDTH)
