"""Windows over props, against the same computed from a list."""

import random
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from vsvqe.graph.windows import over_windows

core = vs.core


def numbered(values: list[int], starts: set[int]) -> vs.VideoNode:
    """Tiny frames that carry these numbers."""
    blank = core.std.BlankClip(format=vs.GRAY8, width=1, height=1, length=len(values), keep=True)

    def write(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["Value"] = values[n]
        frame.props["Start"] = int(n in starts)
        return frame

    return blank.std.ModifyFrame(blank, write)


def windows(frames: Sequence[int], centres: range, radius: int) -> Iterator[dict]:
    for centre in centres:
        first = max(0, centre - radius)
        yield {"Window": frames[first : centre + radius + 1], "Centre": centre - first}


def windowed(clip: vs.VideoNode, radius: int, length: int) -> vs.VideoNode:
    return over_windows(
        clip,
        radius,
        length,
        lambda props: int(props["Value"]),
        partial(windows, radius=radius),
        starts_scene=lambda props: bool(props["Start"]),
        name="Test",
    )


@settings(max_examples=25)
@given(
    values=st.lists(st.integers(0, 1000), min_size=1, max_size=40),
    radius=st.integers(0, 50),
    length=st.integers(1, 20),
    starts=st.sets(st.integers(0, 39), max_size=4),
    seed=st.integers(0, 9),
)
def test_windows(values, radius, length, starts, seed):
    result = windowed(numbered(values, starts), radius, length)
    assert result.num_frames == len(values)
    order = list(range(len(values)))
    random.Random(seed).shuffle(order)
    for n in order:
        first = max([n - radius, 0] + [s for s in starts if s <= n])
        last = min([n + radius, len(values) - 1] + [s - 1 for s in starts if s > n])
        with result.get_frame(n) as frame:
            window = frame.props["Window"]
            window = window if isinstance(window, list) else [window]
            assert window == values[first : last + 1]
            assert frame.props["Centre"] == n - first
            assert frame.props["Value"] == values[n]


def test_errors_name_the_frame():
    def fail(frames, centres):
        for centre in centres:
            if frames[centre] == 7:
                raise RuntimeError("no path here")
            yield {}

    clip = over_windows(
        numbered(list(range(12)), set()),
        2,
        4,
        lambda props: int(props["Value"]),
        fail,
        starts_scene=lambda props: False,
        name="Test",
    )
    clip.get_frame(0).close()
    with pytest.raises(vs.Error, match="Test: frame 7: no path here"):
        clip.get_frame(6)


def test_the_middle_of_a_chunk_has_the_next_one_begun() -> None:
    """Or all threads but one would wait whenever a chunk ends."""
    computed: list[int] = []

    def compute(frames: Sequence[int], centres: range) -> Iterator[dict]:
        computed.append(frames[centres.start])
        yield from windows(frames, centres, 0)

    result = over_windows(
        numbered(list(range(100, 130)), set()),
        0,
        10,
        lambda props: int(props["Value"]),
        compute,
        starts_scene=lambda props: False,
        name="Test",
    )
    for frame, begun in ((0, [100]), (4, [100]), (5, [100, 110]), (10, [100, 110])):
        with result.get_frame(frame) as got:
            assert got.props["Value"] == 100 + frame
        assert computed == begun
    # There is none after the last.
    with result.get_frame(25) as got:
        assert got.props["Value"] == 125
    assert computed == [100, 110, 120]
