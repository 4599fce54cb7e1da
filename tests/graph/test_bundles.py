"""Frames near one, against the numbers that they carry."""

import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.threads import AtOnce

from vsvqe.graph.bundles import Near, bundled, unbundled, with_near
from vsvqe.graph.carriers import carriers


def numbered(length: int) -> vs.VideoNode:
    """Frames that know their number."""

    def write(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["Number"] = n
        return frame

    blank = carriers(length)
    return blank.std.ModifyFrame(blank, write)


@settings(max_examples=40)
@given(
    length=st.integers(1, 60),
    before=st.integers(0, 30),
    after=st.integers(0, 30),
    threads=st.sampled_from([1, 2, 7, 9, 20]),
    data=st.data(),
)
def test_every_frame_gets_those_near_it(length, before, after, threads, data):
    def list_near(n: int, f: list[vs.VideoFrame], near: Near) -> vs.VideoFrame:
        frame = f[0].copy()
        distances = range(max(-before, -n), min(after, length - 1 - n) + 1)
        frame.props["Near"] = [near[distance].props["Number"] for distance in distances]
        frame.props["Called"] = n
        return frame

    usual, vs.core.num_threads = vs.core.num_threads, threads
    try:
        clip = numbered(length)
        result = with_near(clip, bundled(clip), before, after, list_near, others=[clip])
    finally:
        vs.core.num_threads = usual
    assert (result.num_frames, result.fps) == (length, clip.fps)
    for n in data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=8)):
        with result.get_frame(n) as frame:
            found = frame.props["Near"]
            assert (found if isinstance(found, list) else [found]) == list(
                range(max(0, n - before), min(length - 1, n + after) + 1)
            )
            assert frame.props["Called"] == frame.props["Number"] == n


@pytest.mark.parametrize("length", [1, 8, 13])
def test_bundles_may_be_undone(length):
    clip = numbered(length)
    undone = unbundled(bundled(clip), clip)
    assert [frame.props["Number"] for frame in undone.frames(close=True)] == list(range(length))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_all_threads_work(count, threads):
    threads(count)
    at_once = AtOnce()

    def work(n: int, f: list[vs.VideoFrame], near: Near) -> vs.VideoFrame:
        at_once.spend(0.01)
        return near[0]

    clip = numbered(60)
    result = with_near(clip, bundled(clip), 3, 3, work, others=[clip])
    for _ in result.frames(close=True, prefetch=12):
        pass
    assert at_once.most == count
