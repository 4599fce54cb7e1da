"""Flow as frame props: which frames it belongs to, and that it stays inside."""

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import scene

import vsvqe as vqe
from vsvqe.graph import flow, planes
from vsvqe.graph.clips import facts
from vsvqe.motion.alignment import UNITS


def frames_of(clip: vs.VideoNode, order: list[int]) -> list[vs.VideoFrame]:
    annotated = flow.annotated(planes.for_model(clip, facts(clip)), facts(clip), back=True)
    return [annotated.get_frame(n) for n in order]


@pytest.mark.parametrize(
    "format", [vs.YUV420P8, vs.GRAY8, vs.YUV444P16, vs.YUV420PH, vs.RGB24, vs.GRAYS]
)
def test_it_is_the_motion_to_the_next_frame_and_back(format):
    steps = flow.steps(frames_of(scene(160, 112, 4, format, speed=(3, 2)), [0, 1, 2, 3]))
    assert len(steps) == 3
    onward = np.median([step.onward[8:-8, 8:-8] for step in steps], axis=(0, 1, 2)) / UNITS
    back = np.median([step.back[8:-8, 8:-8] for step in steps], axis=(0, 1, 2)) / UNITS
    assert np.abs(np.abs(onward) - (3, 2)).max() < 0.2
    assert np.abs(onward + back).max() < 0.2


def test_full_range_moves_alike():
    limited, full = (
        flow.steps(frames_of(scene(96, 64, 2, full_range=full_range), [0, 1]))[0]
        for full_range in (False, True)
    )
    assert np.abs(limited.onward - full.onward).mean() < 0.1 * UNITS


def test_a_repeated_frame_has_no_step():
    steps = flow.steps(frames_of(scene(64, 48, 3), [0, 0, 1, 1, 2, 2]))
    assert [step is None for step in steps] == [True, False, True, False, True]


@pytest.mark.usefixtures("aligned")
@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
def test_nothing_of_it_comes_out(filter):
    props = dict(filter(scene(), backend="cpu").get_frame(3).props)
    assert not [name for name in props if name.startswith("_VQE")]
