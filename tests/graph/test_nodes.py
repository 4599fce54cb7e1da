"""Callbacks side by side: as many as were asked for, and what they give does not depend on it."""

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.threads import AtOnce

from vsvqe.graph.carriers import carriers
from vsvqe.graph.nodes import in_turns


def numbered(length: int) -> vs.VideoNode:
    """Frames that know their number."""
    return carriers(length).std.FrameEval(
        lambda n: vs.core.std.BlankClip(
            format=vs.GRAY8, width=1, height=1, color=n % 251, keep=True
        )
    )


def tripled(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
    """Writes what it is called with to props."""
    frame = f[0].copy()
    frame.props["number"] = n
    frame.props["seen"] = [int(np.asarray(one[0])[0, 0]) for one in f]
    return frame


@settings(max_examples=25)
@given(length=st.integers(1, 40), streams=st.integers(1, 9), data=st.data())
def test_every_frame_gets_its_own_whatever_the_streams(length, streams, data):
    inputs = [numbered(length), numbered(length).std.Reverse()]
    result = in_turns(inputs, tripled, streams)
    assert (result.num_frames, result.fps) == (length, inputs[0].fps)
    order = data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=8))
    for n in order:
        with result.get_frame(n) as frame:
            assert frame.props["number"] == n
            assert frame.props["seen"] == [n, length - 1 - n]


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_so_many_at_a_time_and_no_more(streams, threads):
    threads(6)
    at_once = AtOnce()

    def callback(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        at_once.spend(0.01)
        return f[0]

    result = in_turns([carriers(30), carriers(30)], callback, streams)
    for _ in result.frames(close=True, prefetch=12):
        pass
    assert at_once.most == streams
