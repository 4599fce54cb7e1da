import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, pictures, same, scene

import vsvqe as vqe


def test_strength_zero_is_the_input(backend):
    clip = scene()
    assert all_same(vqe.Deblock(clip, 0, backend=backend), clip)
    assert all_same(vqe.Deblock(clip, strength=0.0, backend=backend), clip)


def test_strength_one_is_not_the_input(backend):
    clip = scene()
    assert not all_same(vqe.Deblock(clip, backend=backend), clip)


@pytest.mark.parametrize(
    ("planes", "chosen"), [(None, {0, 1, 2}), (0, {0}), ([1, 2], {1, 2}), ((2,), {2}), ([], set())]
)
@pytest.mark.parametrize("format", [vs.YUV420P8, vs.RGB24])
def test_planes(planes, chosen, format):
    clip = scene(64, 48, 3, format)
    # Of a clean clip, an estimate of the quantiser would have all of it left alone.
    whole = pictures(vqe.Deblock(clip, qp=30, backend="cpu"))
    before = pictures(clip)
    for n, frame in enumerate(pictures(vqe.Deblock(clip, planes=planes, qp=30, backend="cpu"))):
        for plane, samples in enumerate(frame):
            wanted = whole[n] if plane in chosen else before[n]
            assert np.array_equal(samples, wanted[plane])
            assert not np.array_equal(whole[n][plane], before[n][plane])


@pytest.mark.parametrize(
    ("planes", "text"),
    [
        (3, "has planes 0 to 2"),
        (-1, "has planes 0 to 2"),
        ([0, 0], "twice"),
        (True, "planes=True"),
        ("0", "planes="),
        ([0.0], "planes="),
        (1.5, "planes="),
    ],
)
def test_bad_planes(planes, text):
    with pytest.raises(vs.Error, match=f"^Deblock: .*{text}"):
        vqe.Deblock(scene(), planes=planes, backend="cpu")


def test_grey_has_one_plane():
    clip = scene(format=vs.GRAY8)
    assert same(
        pictures(vqe.Deblock(clip, planes=0, backend="cpu"))[0],
        pictures(vqe.Deblock(clip, backend="cpu"))[0],
    )
    with pytest.raises(vs.Error, match=r"^Deblock: planes=1"):
        vqe.Deblock(clip, planes=1, backend="cpu")
