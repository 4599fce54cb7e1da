"""What is measured as compiled in ``scripts/checkpoint_speed.py`` gives the network's pictures."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from vsvqe.nets.basicvsr import BasicVSR
from vsvqe.nets.fsrcnn import FSRCNN

SCRIPTS = Path(__file__).parents[2] / "scripts"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPTS.is_dir(), reason="not run from a checkout"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler"),
]


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: FSRCNN(2), (1, 1, 24, 32)),
        (lambda: BasicVSR(channels=8, blocks=1), (1, 2, 3, 16, 24)),
    ],
    ids=["pictures", "runs"],
)
def test_compiled_networks_give_the_same_pictures(make, shape, monkeypatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    # The script turns its cache off, for all that this process compiles.
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    script = importlib.import_module("checkpoint_speed")
    torch.manual_seed(0)
    network = make().eval().requires_grad_(False)
    picture = np.random.default_rng(0).random(shape, np.float32)
    wanted = network(torch.from_numpy(picture)).numpy()
    assert wanted.std() > 0.01
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    session = script.Compiled(network, picture)
    assert session.seconds > 0
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    got = np.empty_like(wanted)
    session.run([picture], [got])
    np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())
