"""Contact sheets: which crops are chosen, and what is drawn where."""

import numpy as np
import pytest
import vapoursynth as vs
from support.clips import from_arrays

from vsvqe.evaluation import pictures
from vsvqe.evaluation.crops import Crop, interesting, parse_crop, parse_place
from vsvqe.evaluation.sheet import Column, draw


def test_texture_edges_and_flat_parts_are_found() -> None:
    rng = np.random.default_rng(1)
    luma = np.full((240, 480), 60.0) + np.linspace(0, 12, 240)[:, None]
    luma[:, 160:320] = rng.normal(128, 50, (240, 160))
    luma[:, 320:] = np.where(np.arange(160) // 20 % 2, 220, 40)
    crops = {crop.label: crop for crop in interesting(luma.clip(0, 255).astype(np.uint8))}
    assert set(crops) == {"texture", "edges", "flat"}
    assert 160 <= crops["texture"].left <= 320 - 96
    assert 320 - 8 <= crops["edges"].left <= 480 - 96
    assert crops["flat"].left <= 160 - 96


def test_crops_do_not_overlap_and_stay_inside() -> None:
    luma = np.random.default_rng(3).integers(0, 255, (120, 320), np.uint8)
    crops = interesting(luma)
    shown = np.zeros(luma.shape, int)
    for crop in crops:
        part = shown[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        assert part.shape == (72, 96)
        part += 1
    assert len(crops) >= 2
    assert shown.max() == 1


def test_frames_too_small_have_none() -> None:
    assert interesting(np.zeros((64, 64), np.uint8)) == []


def test_crops_by_hand() -> None:
    assert parse_crop("1,2,3,4") == Crop(1, 2, 3, 4, "given")
    assert parse_crop("1,2,3,4,a face") == Crop(1, 2, 3, 4, "a face")
    for text in ("1,2,3", "1,2,0,4", "-1,2,3,4", "a,b,c,d"):
        with pytest.raises(ValueError):
            parse_crop(text)


def test_places_of_a_clip() -> None:
    assert parse_place("dog:170,56,a face, from the side") == (
        "dog",
        Crop(170, 56, 96, 72, "a face, from the side"),
    )
    for text in ("170,56,face", "dog:170,56", "dog:a,b,face", "dog:-1,2,face"):
        with pytest.raises(ValueError):
            parse_place(text)


def test_foliage_and_sky_are_told_by_colour() -> None:
    """Noise is foliage only where it is green, a flat part sky only where it is blue and high."""
    rng = np.random.default_rng(5)
    luma = np.full((320, 480), 120.0)
    luma[:160] += np.linspace(0, 20, 160)[:, None]
    luma[160:] = rng.normal(110, 25, (160, 480))
    u, v = np.full((2, 160, 240), 128, np.uint8)
    codes = luma.clip(0, 255).astype(np.uint8)
    grey = {crop.label for crop in interesting(codes, (u, v))}
    assert grey == {"texture", "edges", "flat"}
    # Blue at the top right, green at the bottom left.
    u[:80, 120:], v[:80, 120:] = 150, 110
    u[80:, :120], v[80:, :120] = 110, 115
    found = {crop.label: crop for crop in interesting(codes, (u, v))}
    assert set(found) == {*grey, "green texture", "flat blue"}
    assert found["flat blue"].left >= 240 - 24 and found["flat blue"].top + 36 < 160
    assert found["green texture"].left <= 240 - 48 and found["green texture"].top >= 160 - 24
    # Blue water, which is low, and green paint, which is flat, are neither.
    turned = {crop.label: crop for crop in interesting(codes[::-1].copy(), (u, v))}
    assert "flat blue" not in turned


@pytest.fixture
def clips() -> tuple[vs.VideoNode, vs.VideoNode]:
    """A clip of half the size, and one of which every frame is another colour per quadrant."""
    frames = []
    for n in range(5):
        y = np.kron([[40 + n, 80 + n], [120 + n, 160 + n]], np.ones((32, 32)))
        frames.append([y, np.full((32, 32), 128), np.full((32, 32), 128)])
    original = from_arrays(frames, vs.YUV420P8, _Matrix=1, _Range=0)
    return original.resize.Point(32, 32), original


def test_every_cell_shows_its_clip_crop_and_frame(
    clips: tuple[vs.VideoNode, vs.VideoNode],
) -> None:
    small, original = clips
    crops = [Crop(4, 4, 20, 10, "first"), Crop(40, 36, 20, 10, "second")]
    columns = [
        Column("input", small),
        Column("other", original.std.Invert(0)),
        Column("o", original),
    ]
    sheet = np.asarray(draw(columns, crops, 2, zoom=3))
    rows = [(crops[0], 1), (crops[0], 2), (crops[0], 3), (crops[1], 2)]
    # The gaps and captions between the cells, as they are laid out.
    for number, column in enumerate(columns):
        for line, (crop, n) in enumerate(rows):
            top, left = 38 + line * (30 + 18 + 6) + 18, 6 + number * (60 + 6)
            cell = sheet[top : top + 30, left : left + 60]
            full = pictures.rgb(column.clip[n].resize.Point(64, 64))[0]
            assert np.array_equal(cell[15, 30], full[crop.top + 5, crop.left + 10])
            assert (cell == cell[0, 0]).all()


def test_what_is_outside_is_refused(clips: tuple[vs.VideoNode, vs.VideoNode]) -> None:
    columns = [Column("o", clips[1])]
    inside, outside = Crop(0, 0, 64, 64, ""), Crop(1, 0, 64, 64, "")
    with pytest.raises(ValueError, match="not inside"):
        draw(columns, [outside], 0)
    with pytest.raises(ValueError, match="frame 5"):
        draw(columns, [inside], 5)
    with pytest.raises(ValueError, match="nothing"):
        draw(columns, [], 0)
