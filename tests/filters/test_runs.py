"""Recurrent networks as ONNX files: runs of frames in, as many out."""

import random

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, picture, pictures, same, scene
from support.models import averaging_runs

import vsvqe as vqe

ENGINES = ["cpu", "openvino"]


def averaged(clip: vs.VideoNode, scenes: list[range], scale: int) -> list[np.ndarray]:
    """What ``averaging_runs`` makes of each scene as a whole."""
    frames = np.stack([np.stack(frame) for frame in pictures(clip)])
    results = []
    for part in scenes:
        for n in part:
            near = frames[max(part.start, n - 1) : min(part.stop, n + 2)]
            results.append(near.mean(axis=0).repeat(scale, axis=1).repeat(scale, axis=2))
    return results


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("frames", ["t", 7])
@pytest.mark.parametrize("scale", [1, 2])
def test_runs_are_what_the_network_makes_of_the_scene(tmp_path, request, engine, frames, scale):
    """Wherever chunks meet, and where a scene, or the clip, ends."""
    if engine == "openvino":
        request.getfixturevalue("openvino")
    first, second = scene(32, 24, 11, vs.RGBS, seed=1), scene(32, 24, 6, vs.RGBS, seed=2)
    cut = [
        first[:-1],
        first[-1].std.SetFrameProps(_SceneChangeNext=1),
        second[0].std.SetFrameProps(_SceneChangePrev=1),
        second[1:],
    ]
    clip = vs.core.std.Splice(cut).std.SetFrameProps(_Range=1)
    model = averaging_runs(tmp_path, scale=scale, frames=frames)
    filter = vqe.SuperRes if scale > 1 else vqe.Deblock
    arguments = {} if frames == 7 else {"length": 4, "overlap": 1}
    result = filter(clip, model=model, backend=engine, **arguments)
    wanted = averaged(clip, [range(11), range(11, 17)], scale)
    order = list(range(17))
    random.Random(3).shuffle(order)
    for n in order:
        got = np.stack(picture(result, n))
        # What a run has beyond the end of a scene is its last frame once more.
        if n in (10, 16):
            frame = [np.stack(picture(clip, k)) for k in (n - 1, n)]
            expected = (frame[0] + 2 * frame[1]) / 3
            expected = expected.repeat(scale, axis=1).repeat(scale, axis=2)
        else:
            expected = wanted[n]
        assert np.abs(got - expected).max() < 2e-5, n


def test_shorter_than_a_run(tmp_path):
    model = averaging_runs(tmp_path, frames=9)
    for length in (1, 2, 5):
        clip = scene(32, 24, length, vs.YUV420P8)
        result = vqe.Deblock(clip, model=model, backend="cpu")
        assert result.num_frames == length
        assert all(np.ptp(planes[0]) > 0 for planes in pictures(result))


def test_more_context_than_the_clip_has_costs_nothing(tmp_path):
    clip, model = scene(32, 24, 6), averaging_runs(tmp_path)
    one, other = (
        vqe.Deblock(clip, model=model, backend="cpu", overlap=overlap) for overlap in (10**6, 5)
    )
    assert all_same(one, other)


def test_the_same_however_it_is_asked_for(tmp_path):
    clip = scene(32, 24, 20, vs.YUV420P10)
    model = averaging_runs(tmp_path, frames=7)
    one = vqe.Deblock(clip, model=model, backend="cpu")
    other = vqe.Deblock(clip, model=model, backend="cpu", num_streams=3)
    assert same(picture(one, 13), picture(other, 13))
    assert all_same(one, other)


@pytest.mark.parametrize(
    "arguments", [{"length": 4}, {"overlap": 4}, {"length": 7, "overlap": 1}, {"overlap": 100}]
)
def test_runs_of_one_length_only(tmp_path, arguments):
    model = averaging_runs(tmp_path, frames=7)
    with pytest.raises(vs.Error, match=r"^Deblock: runs7x1\.onnx takes runs of 7 frames"):
        vqe.Deblock(scene(32, 24, 20), model=model, backend="cpu", **arguments)
    vqe.Deblock(scene(32, 24, 20), model=model, backend="cpu", length=5, overlap=1)
