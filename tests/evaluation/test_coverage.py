"""Every shipped model has figures on all that its task is measured on."""

import json

import pytest

from vsvqe.cards import list_models, models_folder
from vsvqe.evaluation.coverage import gaps, wanted

# By what a card is for; spelt out, so that a recipe that is lost is noticed.
DEBLOCK = {
    *("hevc22", "hevc32", "hevc37", "hevc42", "avc23", "avc35"),
    *("av1-55", "vp9-50", "mpeg2-20", "uncompressed"),
}
BY_FOUR = {"x4clean", "x4avc"}
ROWS = {
    ("deblock", 1): DEBLOCK,
    ("superres", 2): {"x2clean", "x2avc"} | BY_FOUR,
    ("superres", 4): BY_FOUR,
    ("astf", 1): {"hevc37"},
    ("quantiser", 1): set(),
}


@pytest.mark.parametrize("card", list_models(), ids=lambda card: card.name)
def test_a_card_has_the_figures_of_every_row(card) -> None:
    rows = ROWS[card.task, card.scale]
    assert set(wanted()[card.name]) == rows
    assert set(card.gains) >= rows
    for recipe in rows - {"uncompressed"}:
        for base in {"over input"} if card.scale == 1 else {"over bicubic", "over Lanczos"}:
            figures = card.gains[recipe][base]
            assert {"psnr_y", "ssim_y", "lpips", "tof"} <= set(figures)
            # All six clips; each has a figure.
            for figure in figures.values():
                assert len(figure["clips"]) == 6 and None not in figure["clips"].values()


# What is made up for its look, of video of unknown history, is held to no original.
FAITHFUL = [
    card
    for card in list_models()
    if card.task in ("deblock", "superres") and "real" not in card.name
]


@pytest.mark.parametrize("card", FAITHFUL, ids=lambda card: card.name)
def test_colours_of_what_was_coded_come_no_less_near(card) -> None:
    nearer = []
    for recipe in set(card.gains) - {"uncompressed", "x2clean", "x4clean"}:
        base = card.gains[recipe]["over input" if card.scale == 1 else "over Lanczos"]
        nearer += [base[plane]["mean"] for plane in ("psnr_u", "psnr_v")]
        # The quick ones hardly touch them where little was lost.
        assert min(nearer) > -0.05, recipe
    assert sum(nearer) > 0


def test_what_lacks_is_told(models) -> None:
    assert gaps(models) == gaps(models_folder())
    path = models / "superres-x2-fast-v2.json"
    fields = json.loads(path.read_text())
    del fields["gains"]["x4avc"], fields["gains"]["x2clean"]
    path.write_text(json.dumps(fields))
    assert gaps(models)["superres-x2-fast-v2"] == ["x2clean", "x4avc"]
