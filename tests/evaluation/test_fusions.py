"""The versions of ASTF and their tables, on a clip that is drawn."""

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import all_same, largest_difference, pictures, scene

import vsvqe as vqe
from vsvqe.evaluation import fusions


@pytest.fixture(scope="module")
def damaged() -> vs.VideoNode:
    return scene(64, 48, 4)


@pytest.fixture(scope="module")
def made(damaged: vs.VideoNode) -> fusions.Versions:
    return fusions.versions(damaged, "fast", "cpu")


def test_versions_are_what_the_filter_shows(damaged: vs.VideoNode, made: fusions.Versions) -> None:
    for name in ("stage1", "texture", "smooth"):
        shown = vqe.ASTF(damaged, show=name, backend="cpu")
        # Rounded twice, a tie at 8 bits may fall to the other side.
        assert largest_difference(fusions.rounded(getattr(made, name)), shown) <= 1


def test_rows_in_memory_are_what_the_filter_gives(
    damaged: vs.VideoNode, made: fusions.Versions
) -> None:
    rows = fusions.main_rows(damaged, made, "fast", "cpu", 0.5)
    assert list(rows)[:5] == ["input", "stage 1", "texture", "smooth", "fused"]
    assert all_same(rows["fused"], vqe.ASTF(damaged, backend="cpu"))
    sharp = vqe.ASTF(damaged, backend="cpu", sharpen=0.5)
    assert largest_difference(rows["fused, sharpen=0.5"], sharp) <= 1


def test_other_masks(made: fusions.Versions) -> None:
    found = fusions.ablations(made)
    usual, mask = next(iter(found.values()))
    assert all_same(usual, fusions.rounded(vqe.ASTF(texture=made.texture, smooth=made.smooth)))
    expected = np.mean([planes[0].mean() / 65535 for planes in pictures(mask)])
    assert fusions.share(mask) == pytest.approx(expected, abs=1e-6)
    # The input's mask weighs as the filter's own would.
    own = vqe.ASTF(texture=made.texture, smooth=made.smooth, show="mask")
    weighed = made.smooth.std.MaskedMerge(made.texture, own, first_plane=True)
    assert largest_difference(fusions.rounded(weighed), usual) <= 1
    assert all(not all_same(clip, usual) for clip, _ in list(found.values())[1:5])


def test_a_fixed_scale_does_not_flicker(made: fusions.Versions) -> None:
    found = fusions.scale_flicker(made)
    assert found["fixed"]["change"] == found["fixed"]["alone"] == 0.0
    assert found["maximum of each frame"]["alone"] > 0.0
    still = made._replace(**{name: clip[0] * 4 for name, clip in made._asdict().items()})
    assert all(figure["mask"] == 0.0 for figure in fusions.scale_flicker(still).values())


def test_a_mask_to_look_at(damaged: vs.VideoNode, made: fusions.Versions) -> None:
    mask = vqe.ASTF(texture=made.texture, smooth=made.smooth, show="mask")
    seen, samples = pictures(fusions.mask_picture(mask, damaged)), pictures(mask)
    for (luma, u, v), (weights,) in zip(seen, samples, strict=True):
        np.testing.assert_allclose(luma, weights / 65535 * 219 + 16, atol=0.51)
        assert (u == 128).all() and (v == 128).all()


class NoFeatures:
    """Stands for LPIPS, whose weights are not needed to measure colours."""

    def features(self, pictures: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).random((64, 8))

    def distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.zeros(len(first))


def test_colours_are_measured(damaged: vs.VideoNode) -> None:
    judge = fusions.Judge(damaged, NoFeatures(), 1)  # type: ignore[arg-type]
    figures = judge.all_figures(damaged.std.Expr(["", "x 2 +", "x 4 -"]))
    for name, codes in (("psnr_u", 2.0), ("psnr_v", 4.0)):
        assert figures[name] == pytest.approx(20 * np.log10(255 / codes), abs=0.2)
