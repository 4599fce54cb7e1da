"""What ``bench`` recommends."""

import json

import pytest
import vapoursynth as vs
from support.clips import scene

import vsvqe as vqe
from vsvqe.evaluation import tuning
from vsvqe.evaluation.tuning import Candidate, Timed


class Clock:
    """A clock that only filters move on, so that a busy machine changes no result."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def slow(self, clip: vs.VideoNode, **settings: float) -> vs.VideoNode:
        """A filter that takes as long as it is told."""
        if settings.get("pause", 0) < 0:
            raise vs.Error("slow: pause must not be negative; think again")

        def wait(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
            self.now += settings.get("pause", 0.004)
            return f

        return clip.std.ModifyFrame(clip, wait)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(tuning, "time", found)
    return found


@pytest.fixture
def clip() -> vs.VideoNode:
    return scene(32, 32, 4).std.Loop(1000)


def test_the_fastest_is_found_and_what_fails_is_told(clip, clock) -> None:
    tried = [Candidate({}), *(Candidate({"pause": pause}) for pause in (0.02, 0.0005, -1))]
    steps: list[int] = []
    found = tuning.timed(clock.slow, clip, tried, 0.1, steps.append)
    assert sum(steps) <= tuning.turns(tried)
    assert [one.candidate.settings for one in found] == [
        *({"pause": 0.0005}, {}, {"pause": 0.02}, {"pause": -1})
    ]
    assert found[-1].fps is None
    assert "must not be negative" in found[-1].reason
    assert [one.fps for one in found[:-1]] == pytest.approx([1 / 0.0005, 1 / 0.004, 1 / 0.02])
    assert tuning.recommended(found) is found[0]


def test_a_trifle_is_not_worth_a_setting() -> None:
    own, other = Candidate({}), Candidate({"length": 4})
    found = [Timed(other, 10.2), Timed(own, 10.0)]
    assert tuning.recommended(found).candidate is own
    assert tuning.recommended([Timed(other, 11.0), Timed(own, 10.0)]).candidate is other


def test_the_command(here, tmp_path) -> None:
    out = tmp_path / "speed.json"
    run = here(
        *("bench", "64x48", "--model", "fast", "--backend", "cpu", "--seconds", 0.01),
        *("--json", out, "-q"),
    )
    assert run.returncode == 0, run.stderr
    tree = json.loads(out.read_text())
    assert tree["size"] == [64, 48]
    assert all(one["fps"] > 0 for one in tree["measured"])
    assert {one["settings"].get("length") for one in tree["measured"]} == {None, 1, 2, 4, 8}
    (fast,) = (card.name for card in vqe.list_models("deblock") if "-fast-" in card.name)
    assert f"vqe.Deblock(clip, model='{fast}'" in run.stdout
    for word in ("huge", "17x16"):
        assert here("bench", word).returncode in (2, 3)
