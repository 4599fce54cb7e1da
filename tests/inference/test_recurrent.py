"""Networks taken apart into steps: run one by one, they give what the whole network gives."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from vsvqe.inference import recurrent
from vsvqe.inference.errors import OutOfMemory
from vsvqe.inference.recurrent import StepSession
from vsvqe.inference.session import SessionRequest
from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.basicvsrpp import BasicVSRPlusPlus
from vsvqe.nets.iconvsr import IconVSR
from vsvqe.nets.realbasicvsr import RealBasicVSR
from vsvqe.nets.steps import example, steps

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


def in_steps(network: torch.nn.Module, width: int = WIDTH, only: tuple[str, ...] = ()):
    parts = steps(network, HEIGHT, width)
    parts = {name: step for name, step in parts.items() if not only or name in only}
    requests = {
        name: SessionRequest(
            model=Path(name), sha256="", shapes=tuple(step.inputs.items()), half=False
        )
        for name, step in parts.items()
    }
    sessions = {name: ByTorch(step.network) for name, step in parts.items()}
    return StepSession(requests, lambda request: sessions[request.model.name]), sessions


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


def test_parts_of_realbasicvsr() -> None:
    network = made("RealBasicVSR")
    run = np.random.default_rng(1).random((1, 3, 3, HEIGHT, WIDTH), np.float32)
    session, _ = in_steps(network, only=("cleaning",))
    cleaner = np.empty_like(run)
    session.run([run], [cleaner])
    wanted, passes = network.cleaned(torch.from_numpy(run))
    assert passes == 1
    assert np.abs(cleaner - run).max() > 0.01
    np.testing.assert_allclose(cleaner, wanted.numpy(), atol=1e-6)
    np.testing.assert_allclose(
        network.part("cleaning")(torch.from_numpy(run)).numpy(), wanted.numpy(), atol=1e-6
    )
    session, _ = in_steps(network, only=("flow", "align", "back", "onward"))
    got = np.empty((1, 3, 3, 4 * HEIGHT, 4 * WIDTH), np.float32)
    session.run([cleaner], [got])
    np.testing.assert_allclose(got, network(torch.from_numpy(run)).numpy(), atol=1e-5)


class Sampler(TorchDispatchMode):
    """Notes whether anything is sampled where a tensor says."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.samples |= any(word in str(func) for word in ("grid_sampler", "deform_conv2d"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_samples_is_exact_and_the_rest_is_not(kind: str) -> None:
    """Places of many pixels do not fit half precision; convolutions do, and are the work."""
    width = WIDTH - WIDTH % MULTIPLE.get(kind, 1)
    for name, step in steps(made(kind), HEIGHT, width).items():
        with torch.inference_mode(), Sampler() as sampler:
            step.network(*example(step))
        assert step.exact == sampler.samples, name


def test_networks_without_steps() -> None:
    with pytest.raises(ValueError, match="Identity has no such steps"):
        steps(torch.nn.Identity(), HEIGHT, WIDTH)
