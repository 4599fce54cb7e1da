"""What `scripts/ablations.py` makes of runs and chunks, with networks whose results are known."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "scripts" / "ablations.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="not run from a checkout")


@pytest.fixture(scope="module")
def ablations():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(SCRIPT.parent)
        return importlib.import_module("ablations")


def mean_of_the_run(frames: torch.Tensor) -> torch.Tensor:
    """Four times as large; every frame gets the mean of its run."""
    mean = frames.mean(dim=1, keepdim=True).expand_as(frames)
    return mean.repeat_interleave(4, 3).repeat_interleave(4, 4)


def numbered(length: int) -> torch.Tensor:
    return torch.arange(float(length)).view(1, -1, 1, 1, 1).expand(1, length, 3, 8, 8) / length


def test_chunks_see_their_overlap_and_nothing_else(ablations) -> None:
    frames = numbered(10)
    got = ablations.chunked(mean_of_the_run, 4, 1)(frames)[0, :, 0, 0, 0] * 10
    # Frames 0 to 4, then 3 to 8, then 7 to 9.
    np.testing.assert_allclose(got, [2.0] * 4 + [5.5] * 4 + [8.0] * 2, rtol=1e-5)
    whole = ablations.chunked(mean_of_the_run, 10, 0)(frames)
    torch.testing.assert_close(whole, mean_of_the_run(frames))


def test_border_errors_are_relative_to_one_run(ablations) -> None:
    frames = numbered(30)
    # The original differs from the mean of the run by a tenth; from any other by more or less.
    run = ablations.Run(frames, mean_of_the_run(frames) + 0.1)
    rows = ablations.borders([run], mean_of_the_run)
    assert len(rows) == 2 + len(ablations.OVERLAPS)
    errors = ablations.errors_of(run, ablations.chunked(mean_of_the_run, ablations.CHUNK, 0))
    relative = errors / 0.01
    overlap, at_borders, inside, cost = rows[2].strip("| ").split(" | ")
    assert (overlap, cost) == ("0", "1.00")
    assert float(at_borders) == pytest.approx(relative[[11, 12, 23, 24]].mean(), abs=1e-3)
    assert float(inside) == pytest.approx(
        relative[[4, 5, 6, 7, 16, 17, 18, 19, 28, 29]].mean(), abs=1e-3
    )


def test_longer_runs_are_told_apart(ablations) -> None:
    frames = numbered(30)
    run = ablations.Run(frames, mean_of_the_run(frames) + 0.01)
    rows = ablations.lengths([run], mean_of_the_run)[2:]
    assert [int(row.split("|")[1]) for row in rows] == [1, 5, 10, 30]
    decibels = [float(row.split("|")[2]) for row in rows]
    assert decibels[-1] == pytest.approx(40.0, abs=0.01)
    assert decibels[0] < decibels[-1] - 10


def test_the_flow_of_a_shift(ablations) -> None:
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 72, 72, generator=random)
    smooth = torch.nn.functional.avg_pool2d(noise, 7, 1)
    first, second = smooth[..., :64, 1:65], smooth[..., :64, 0:64]
    # What is at x in the first picture is at x + 1 in the second.
    flow = ablations.SearchedFlow()(first, second)
    assert flow.shape == (1, 2, 64, 64)
    assert flow[0, 0, 16:48, 16:48].median().item() == pytest.approx(1.0, abs=0.2)
    assert flow[0, 1, 16:48, 16:48].median().item() == pytest.approx(0.0, abs=0.2)
