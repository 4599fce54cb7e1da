import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, scene

import vsvqe as vqe
from vsvqe.filters import damage
from vsvqe.filters.damage import FULL_BELOW, NOTHING_ABOVE, strength_from_psnr


def test_strength_from_psnr():
    psnr = np.array([-np.inf, 20, FULL_BELOW, (FULL_BELOW + NOTHING_ABOVE) / 2, NOTHING_ABOVE, 99])
    wanted = [1, 1, 1, 0.5, 0, 0]
    assert strength_from_psnr(psnr.astype(np.float32)).tolist() == wanted


def test_strength_falls_as_quality_rises():
    strength = strength_from_psnr(np.linspace(20, 60, 200, dtype=np.float32))
    assert (np.diff(strength) <= 0).all()
    assert strength.min() == 0
    assert strength.max() == 1


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_auto_is_that_strength_at_the_extremes(monkeypatch, strength, backend):
    monkeypatch.setattr(
        damage, "strength_from_psnr", lambda psnr: np.full_like(psnr, strength, np.float32)
    )
    clip = scene(length=5)
    auto = vqe.Deblock(clip, "auto", backend=backend)
    assert all_same(auto, vqe.Deblock(clip, strength, backend=backend))


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.GRAY16, vs.RGBS, vs.YUV444P10])
def test_auto_lies_between_nothing_and_everything(format):
    clip = scene(length=3, format=format)
    result = vqe.Deblock(clip, "auto", backend="cpu")
    assert (result.format.id, result.num_frames) == (clip.format.id, 3)
    full = vqe.Deblock(clip, 1.0, backend="cpu")
    for n in range(3):
        for plane in range(clip.format.num_planes):
            a, b, c = (
                np.asarray(x.get_frame(n)[plane]).astype(float) for x in (clip, result, full)
            )
            slack = 1e-5 if clip.format.sample_type == vs.FLOAT else 0.5
            assert (b >= np.minimum(a, c) - slack).all()
            assert (b <= np.maximum(a, c) + slack).all()


def test_auto_does_not_depend_on_how_the_clip_is_cut_into_chunks():
    clip = scene(length=9)
    whole = vqe.Deblock(clip, "auto", backend="cpu", length=9)
    for length in (1, 4):
        assert all_same(vqe.Deblock(clip, "auto", backend="cpu", length=length), whole)


def test_auto_with_tiles():
    clip = scene(160, 128, length=3)
    result = vqe.Deblock(clip, "auto", backend="cpu", tile=(96, 96))
    assert result.get_frame(0).width == 160
