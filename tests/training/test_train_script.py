"""What `scripts/train.py` begins a training with, and what it exports of one."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from vsvqe.training.designs import DESIGNS

SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="not run from a checkout")


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(SCRIPT.parent)
        yield importlib.import_module("train")
        sys.modules.pop("train")


def test_blocks_that_are_new_depend_on_the_seed_alone(script, tmp_path):
    """Or the faithful end of an interpolation would not be what the training began with."""
    smaller = DESIGNS["superres-x2-plain"].net()
    torch.save({"ema": smaller.state_dict()}, tmp_path / "checkpoint.pt")

    def begun(seed: int) -> dict[str, torch.Tensor]:
        torch.rand(seed)
        return script.begun(
            DESIGNS["superres-x2-real"], seed, tmp_path / "checkpoint.pt"
        ).state_dict()

    one, again, other = begun(1), begun(1), begun(2)
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
    old = smaller.state_dict()
    same = {name for name, tensor in one.items() if torch.equal(tensor, other[name])}
    assert same >= set(old) and all(torch.equal(one[name], old[name]) for name in old)
    assert any(name.startswith("blocks.7") for name in one.keys() - same)
