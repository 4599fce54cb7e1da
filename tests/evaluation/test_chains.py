"""Chains of filters in words, as methods."""

import json

import numpy as np
import pytest
import vapoursynth as vs

import vsvqe as vqe
from vsvqe import cards
from vsvqe.evaluation import pictures
from vsvqe.evaluation.chains import parse
from vsvqe.evaluation.methods import chain, methods, select
from vsvqe.evaluation.recipes import RECIPES


def _luma(clip: vs.VideoNode) -> np.ndarray:
    return pictures.read(clip).y


def _run(text: str, clip: vs.VideoNode) -> vs.VideoNode:
    ((_, result),) = chain(text, "cpu").run(clip)
    return result


def test_filters_run_in_order(clip: vs.VideoNode) -> None:
    text = "Deblock(strength=0.5) + resize.Lanczos(width=260, height=196) + std.Invert(0)"
    deblocked = vqe.Deblock(clip, 0.5, backend="cpu")
    expected = deblocked.resize.Lanczos(260, 196).std.Invert(0)
    assert np.array_equal(_luma(_run(text, clip)), _luma(expected))


def test_superres_of_the_package(clip: vs.VideoNode) -> None:
    result = _run("SuperRes(scale=2, detail=0)", clip)
    expected = vqe.SuperRes(clip, 2, backend="cpu")
    assert np.array_equal(_luma(result), _luma(expected))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Deblok()", "no filter Deblok"),
        ("list_models()", "no filter list_models"),
        ("Deblock", "not a call"),
        ("Deblock() - SuperRes()", "not a call"),
        ("Deblock(strength=open('x'))", "malformed"),
        ("Deblock(**{'strength': 1})", r"\*\*"),
        ("std.NoSuchThing()", "no filter std.NoSuchThing"),
        ("__import__('os')", "no filter __import__"),
        ("", "not a chain"),
    ],
)
def test_what_is_no_chain_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


def test_another_model_file_is_another_version(tmp_path) -> None:
    file = tmp_path / "model.onnx"
    versions = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        versions.append(chain(f"Deblock(model={str(file)!r})", "cpu").version)
    assert versions[0] == versions[2] != versions[1]


def test_another_chain_of_the_same_title_is_another_version() -> None:
    first, second = (chain(f"mine: std.{name}(0)", "cpu") for name in ("Invert", "FlipVertical"))
    assert first.name == second.name and first.version != second.version


def test_a_chain_with_a_title(clip: vs.VideoNode) -> None:
    titled = chain("no light: std.Invert(0)", "cpu")
    assert titled.name == "no light"
    ((_, result),) = titled.run(clip)
    assert np.array_equal(_luma(result), _luma(clip.std.Invert(0)))
    # What looks like a title inside of a chain is none.
    assert chain("std.SetFrameProps(a='b: c')", "cpu").name == "std.SetFrameProps(a='b: c')"


def test_shipped_models_count_only_where_they_may_run(tmp_path, models) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"one")
    texts = ("SuperRes()", f"SuperRes(model={str(file)!r})", "ASTF()", "std.Invert(0)")
    before = [chain(text, "cpu").version for text in texts]
    another = next(models.glob("superres-*.onnx"))
    card = another.with_suffix(".json")
    another.unlink()
    card.unlink()
    cards._cards.cache_clear()
    changed = [chain(t, "cpu").version != old for t, old in zip(texts, before, strict=True)]
    assert changed == [True, False, True, False]


def test_what_a_card_says_counts_and_what_was_measured_does_not(models) -> None:
    path = models / "deblock-balanced-v7.json"
    for field, value, counts in (("gains", {}, False), ("response", [[10.0, 0.5, 0.5]], True)):
        before = chain("Deblock()", "cpu").version
        path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
        cards._cards.cache_clear()
        assert (chain("Deblock()", "cpu").version != before) == counts


def test_selection_by_name_and_by_chain() -> None:
    names = [method.name for method in methods(RECIPES["hevc37"], "cpu")]
    wanted = [names[-1], "Lanczos", "Deblock(0.5)"]
    selected = [method.name for method in select(RECIPES["hevc37"], "cpu", wanted)]
    # Lanczos is a method of other recipes.
    assert selected == [names[-1], "Deblock(0.5)"]
    with pytest.raises(ValueError, match="Lanczos"):
        select(RECIPES["hevc37"], "cpu", ["Lanzcos"])
