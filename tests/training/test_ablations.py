"""What `scripts/ablations.py` makes of runs and chunks, with networks whose results are known."""

import importlib
import sys
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


@pytest.fixture(scope="module")
def light(ablations):
    return sys.modules["light_networks"]


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
    assert len(rows) == 4 + len(ablations.OVERLAPS)
    errors = ablations.errors_of(run, ablations.chunked(mean_of_the_run, ablations.CHUNK, 0))
    relative = errors / 0.01
    overlap, at_borders, inside, ratio, cost = rows[2].strip("| ").split(" | ")
    assert (overlap, cost) == ("0", "1.00")
    assert float(at_borders) == pytest.approx(relative[[11, 12, 23, 24]].mean(), abs=1e-3)
    assert float(inside) == pytest.approx(
        relative[[4, 5, 6, 7, 16, 17, 18, 19, 28, 29]].mean(), abs=1e-3
    )
    assert float(ratio) == pytest.approx(float(at_borders) / float(inside), rel=1e-3)
    within = [float(row.split("|")[4]) <= 1.05 for row in rows[2:-2]]
    told = rows[-1].removeprefix("The error at borders is within 5 % of the error inside ")
    first = ablations.OVERLAPS[within.index(True)] if any(within) else None
    assert told == (
        "with none of these overlaps." if first is None else f"from an overlap of {first} on."
    )


def test_longer_runs_are_told_apart(ablations) -> None:
    frames = numbered(30)
    run = ablations.Run(frames, mean_of_the_run(frames) + 0.01)
    rows = ablations.lengths([run], mean_of_the_run)[2:]
    assert [int(row.split("|")[1]) for row in rows] == [1, 5, 10, 30]
    decibels = [float(row.split("|")[2]) for row in rows]
    assert decibels[-1] == pytest.approx(40.0, abs=0.01)
    assert decibels[0] < decibels[-1] - 10


def test_passes_of_cleaning(ablations, light) -> None:
    network = light.LightRealVSR().requires_grad_(False)
    network.basicvsr.tail.bias.zero_()
    network.image_cleaning[1].bias.fill_(-4 / 255)  # every pass takes off four codes
    frames = numbered(5) * 0.5 + 0.3
    # The original is eight codes darker: two passes too few, one too many, three too many.
    large = frames.repeat_interleave(4, 3).repeat_interleave(4, 4)
    rows = ablations.cleaning([ablations.Run(frames, large - 8 / 255)], network)
    fixed = [row.strip("| ").split(" | ") for row in rows[2:7]]
    assert [int(row[0]) for row in fixed] == [0, 1, 2, 3, 5]
    wanted = [20 * np.log10(255 / codes) for codes in (8, 4, 4, 12)]
    decibels = [float(row[1]) for row in fixed]
    assert [*decibels[:2], *decibels[3:]] == pytest.approx(wanted, abs=0.01)
    assert decibels[2] > 60
    assert fixed[0][2:] == ["-"] * 3
    assert all(row[2:] == ["4.00"] * 3 for row in fixed[1:])
    # Four codes are less than five, so the first pass is the last; they are no less than four and
    # less, so there are three.
    dynamic = {row.split(" | ")[0][2:]: row.strip("| ").split(" | ") for row in rows[12:]}
    for threshold in ("6", "5"):
        assert dynamic[threshold][1:3] == ["1.00", "1, 0, 0"]
        assert float(dynamic[threshold][3]) == pytest.approx(wanted[1], abs=0.01)
    for threshold in ("3", "2.5", "2", "1.5"):
        assert dynamic[threshold][1:3] == ["3.00", "0, 0, 1"]
        assert float(dynamic[threshold][3]) == pytest.approx(wanted[2], abs=0.01)
    best = dynamic["best for each clip, 0 to 3"]
    assert best[1:4] == ["2.00", "0, 1, 0", fixed[2][1]]


def test_thresholds_tell_clips_apart(ablations, light) -> None:
    network = light.LightRealVSR().requires_grad_(False)
    network.basicvsr.tail.bias.zero_()
    for tensor in network.image_cleaning.state_dict().values():
        tensor.zero_()
    # Every pass takes off a hundredth of what there is.
    for i in range(3):
        network.image_cleaning[0].main[0].weight[i, i, 1, 1] = 1.0
        network.image_cleaning[1].weight[i, i, 1, 1] = -0.01
    clips = []
    for codes in (100, 240, 500):
        frames = torch.full((1, 3, 3, 8, 8), codes / 255)
        clips.append(ablations.Run(frames, frames.repeat_interleave(4, 3).repeat_interleave(4, 4)))
    rows = ablations.cleaning(clips, network)
    assert rows[3].split(" | ")[2:] == ["2.80", "1.00", "5.00 |"]
    dynamic = {row.split(" | ")[0][2:]: row.split(" | ")[1:3] for row in rows[12:]}
    assert dynamic["6"] == ["1.00", "3, 0, 0"]
    # The brightest changes by five codes, then by 4.95.
    assert dynamic["4"] == ["1.67", "2, 0, 1"]
    # The middle one by 2.4, then by 2.38.
    assert dynamic["2"] == ["2.33", "1, 0, 2"]


def test_cleaning_has_a_loss_of_its_own(light) -> None:
    network = light.LightRealVSR()
    clean = torch.rand(1, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    small = torch.nn.functional.avg_pool2d(clean.flatten(0, 1), 4).view(1, 3, 3, 16, 16)
    task = light.LightReal.__new__(light.LightReal)
    task.net = network
    with torch.inference_mode():
        right = task.loss(light.Run(small, clean)).item()
        enlarged = light.charbonnier(network.basicvsr(small), clean).item()
        assert right == pytest.approx(enlarged, abs=1e-5)
        # A tenth too bright, that is the cleaning's error.
        network.image_cleaning[1].bias.fill_(0.1)
        brighter = light.charbonnier(network.basicvsr(small + 0.1), clean).item()
        wrong = task.loss(light.Run(small, clean)).item()
    assert wrong == pytest.approx(brighter + 0.1, abs=1e-4)


def test_the_flow_of_a_shift(light) -> None:
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 72, 72, generator=random)
    smooth = torch.nn.functional.avg_pool2d(noise, 7, 1)
    first, second = smooth[..., :64, 1:65], smooth[..., :64, 0:64]
    # What is at x in the first picture is at x + 1 in the second.
    flow = light.SearchedFlow()(first, second)
    assert flow.shape == (1, 2, 64, 64)
    assert flow[0, 0, 16:48, 16:48].median().item() == pytest.approx(1.0, abs=0.2)
    assert flow[0, 1, 16:48, 16:48].median().item() == pytest.approx(0.0, abs=0.2)
