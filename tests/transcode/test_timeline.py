"""Times of frames, and the words for them."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vsvqe.transcode.timeline import Timeline, constant, excerpt, increasing

FILM = Timeline([100, 140, 180, 300, 320, 360], Fraction(1, 1000), Fraction(25))


@pytest.mark.parametrize(
    ("words", "frames"),
    [
        ("10s", (0, 6)),
        ("0.08s", (0, 2)),
        ("2f@1f", (1, 3)),
        ("0.1@0.08", (2, 3)),
        ("1f@0.1s", (2, 3)),
        ("0.2s@0:00.2", (3, 6)),
        ("99f@5f", (5, 6)),
    ],
)
def test_excerpts_name_frames(words: str, frames: tuple[int, int]) -> None:
    assert excerpt(words).frames(FILM) == frames


@pytest.mark.parametrize(
    ("words", "seconds"), [("1@1:23", 83), ("1@1:02:03", 3723), ("1@7.5s", 7.5)]
)
def test_starts_are_times(words: str, seconds: float) -> None:
    assert excerpt(words).start.seconds == Fraction(seconds)


@pytest.mark.parametrize("words", ["", "soon", "10s@", "0s", "0f", "-1s", "1:2:3:4", "5s@4s@3s"])
def test_other_words_are_refused(words: str) -> None:
    if words == "10s@":
        assert excerpt(words) == excerpt("10s")
        return
    with pytest.raises(ValueError, match=r"10s@1:23|more than 0"):
        excerpt(words)


def test_an_excerpt_behind_the_end_is_refused() -> None:
    for words in ("1s@9s", "1s@6f"):
        with pytest.raises(ValueError, match="begins after the clip"):
            excerpt(words).frames(FILM)


@given(st.integers(1, 2000), st.integers(0, 1999), st.integers(1, 500))
def test_seconds_of_a_constant_rate_are_frames(length: int, start: int, wanted: int) -> None:
    film = constant(length, Fraction(24000, 1001))
    start %= length
    # In the middle of the frame, so that decimals do not matter.
    at = (start + 0.5) * 1001 / 24000
    words = f"{wanted * 1001 / 24000 - 0.001:.6f}s@{at:.6f}s"
    assert excerpt(words).frames(film) == (start, min(start + wanted, length))


@given(st.lists(st.integers(-1000, 10**12), min_size=1, max_size=60))
@example([0, 9000, 11999, 9000, 21001])
@example([5, 5, 5])
def test_mended_stamps_grow_and_most_stay(stamps: list[int]) -> None:
    found, changed = increasing(stamps)
    assert len(found) == len(stamps)
    assert all(a < b for a, b in pairwise(found))
    assert changed == sum(a != b for a, b in zip(found, stamps, strict=True))


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=60, unique=True), st.data())
def test_one_wrong_stamp_changes_no_other(values: list[int], data: st.DataObject) -> None:
    stamps = [4 * value for value in sorted(values)]
    place = data.draw(st.integers(1, len(stamps) - 2))
    wrong = [*stamps[:place], stamps[place - 1], *stamps[place + 1 :]]
    found, changed = increasing(wrong)
    assert changed == 1
    differing = [n for n, (a, b) in enumerate(zip(found, wrong, strict=True)) if a != b]
    assert differing[0] in (place - 1, place)


def test_stamps_that_grow_stay() -> None:
    assert increasing(FILM.stamps) == (list(FILM.stamps), 0)
