"""What ``bench`` recommends."""

import json
import random

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
    found = tuning.timed(clock.slow, clip, tried, 0.1, 3, steps.append)
    assert sum(steps) <= tuning.steps(tried, 3)
    assert [one.candidate.settings for one in found] == [
        *({"pause": 0.0005}, {}, {"pause": 0.02}, {"pause": -1})
    ]
    assert found[-1].fps is None
    assert "must not be negative" in found[-1].reason
    assert [one.fps for one in found[:-1]] == pytest.approx([1 / 0.0005, 1 / 0.004, 1 / 0.02])
    assert tuning.recommended(found) is found[0]


def test_a_trifle_is_not_worth_a_setting() -> None:
    own, other = Candidate({}), Candidate({"length": 4})
    found = [Timed(other, [10.2] * 3), Timed(own, [10.0] * 3)]
    assert tuning.recommended(found).candidate is own
    found = [Timed(other, [11.0] * 3), Timed(own, [10.0] * 3)]
    assert tuning.recommended(found).candidate is other


def noisy(rng: random.Random, speeds: list[float], noise: float, drift: float) -> list[Timed]:
    """Turns on a machine that other work slows, by chance and all candidates alike."""
    candidates = [Candidate({"length": n} if n else {}) for n in range(len(speeds))]
    others = [rng.gauss(0, drift) for _ in range(tuning.TURNS)]
    found = [
        Timed(candidate, [speed * 2 ** (other + rng.gauss(0, noise)) for other in others])
        for candidate, speed in zip(candidates, speeds, strict=True)
    ]
    return sorted(found, key=lambda one: -(one.fps or 0))


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_chance_is_seldom_recommended(noise: float) -> None:
    rng = random.Random(1)
    runs = [noisy(rng, [10.0] * 11, noise, 0.5) for _ in range(300)]
    chosen = [tuning.recommended(found).candidate.settings for found in runs]
    assert sum(settings != {} for settings in chosen) <= 0.06 * len(chosen)


def test_a_real_difference_is_found_in_noise_that_all_share() -> None:
    rng = random.Random(2)
    runs = [noisy(rng, [10.0] * 10 + [12.5], 0.05, 0.5) for _ in range(300)]
    chosen = [tuning.recommended(found).candidate.settings for found in runs]
    assert sum(settings == {"length": 10} for settings in chosen) >= 0.95 * len(chosen)


def test_the_command(here, tmp_path) -> None:
    out = tmp_path / "speed.json"
    run = here(
        *("bench", "64x48", "--model", "fast", "--backend", "cpu", "--seconds", 0.01),
        *("--turns", 3),
        *("--json", out, "-q"),
    )
    assert run.returncode == 0, run.stderr
    tree = json.loads(out.read_text())
    assert tree["size"] == [64, 48]
    assert tree["margin"] >= 1.03
    assert {len(one["turns"]) for one in tree["measured"]} == {3}
    assert all(one["fps"] > 0 for one in tree["measured"])
    assert {one["settings"].get("length") for one in tree["measured"]} == {None, 1, 2, 4, 8}
    (fast,) = (card.name for card in vqe.list_models("deblock") if "-fast-" in card.name)
    assert f"vqe.Deblock(clip, model='{fast}'" in run.stdout
    for word in ("huge", "17x16"):
        assert here("bench", word).returncode in (2, 3)
