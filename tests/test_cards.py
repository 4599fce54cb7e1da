import hashlib
import json
from pathlib import Path

import pytest
import vapoursynth as vs
from support import networks
from support.clips import all_same, scene

import vsvqe as vqe
from vsvqe import cards
from vsvqe.cards import Card, ModelFile, find, list_models, newest
from vsvqe.inference.errors import ModelError

SHIPPED = [card.name for card in vqe.list_models()]


def refused(text: str, **arguments) -> str:
    with pytest.raises(vs.Error, match=rf"^Deblock: .*{text}") as error:
        vqe.Deblock(scene(), backend="cpu", **arguments)
    return str(error.value)


def test_every_task_has_a_model():
    names = {
        task: [card.name for card in vqe.list_models(task)]
        for task in ("deblock", "superres", "astf", "quantiser")
    }
    assert names["deblock"] == [
        "deblock-balanced-v7",
        "deblock-best-v4",
        "deblock-fast-v9",
    ]
    assert "superres-x2-fast-v2" in names["superres"]
    assert names["astf"] == ["astf-best-v7", "astf-fast-v7"]
    assert names["quantiser"] == ["quantiser-superres-v1", "quantiser-v3"]
    assert sorted(name for found in names.values() for name in found) == sorted(SHIPPED)
    assert vqe.list_models("stabilize") == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_whole(name):
    card = next(card for card in vqe.list_models() if card.name == name)
    assert hashlib.sha256(card.path.read_bytes()).hexdigest() == card.sha256
    assert find(name, card.task) == card
    assert card.licence
    assert card.description
    assert card.scale in (1, 2, 4)
    assert card.parameters > 0
    assert (card.base is None) == (card.task != "superres")


def test_list_models_can_not_be_spoilt():
    vqe.list_models().clear()
    assert [card.name for card in vqe.list_models()] == SHIPPED
    with pytest.raises(AttributeError):
        vqe.list_models()[0].scale = 3  # type: ignore[misc]


def test_finds_files_by_path(tmp_path):
    path = tmp_path / "own.onnx"
    path.write_bytes(b"whatever")
    found = find(path, "deblock")
    assert isinstance(found, ModelFile)
    assert found.sha256 == hashlib.sha256(b"whatever").hexdigest()
    assert find(str(path), "superres") == found


def test_a_copy_elsewhere_works(models):
    clip = scene(length=2)
    result = vqe.Deblock(clip, backend="cpu")
    assert result.get_frame(0).width == clip.width
    assert vqe.list_models("deblock")[0].path.parent == models


def test_wrong_hash(models):
    file = models / "deblock-balanced-v7.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "install vsvqe again" in refused("damaged or was changed")


def test_truncated(models):
    file = models / "deblock-balanced-v7.onnx"
    file.write_bytes(file.read_bytes()[:1000])
    assert "install vsvqe again" in refused("damaged or was changed")


def test_missing(models):
    (models / "deblock-balanced-v7.onnx").unlink()
    assert "install vsvqe again" in refused("can't be read")


@pytest.mark.parametrize(
    "content", ["{", "[]", '"text"', "{}", '{"name": "deblock-balanced-v7"}', ""]
)
def test_broken_card(models, content):
    (models / "deblock-balanced-v7.json").write_text(content)
    cards._cards.cache_clear()
    assert "deblock-balanced-v7.json" in refused("card")


def test_card_with_an_unknown_field(models):
    path = models / "deblock-balanced-v7.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    cards._cards.cache_clear()
    assert "colour" in refused("card")


@pytest.mark.parametrize(
    "bounds", [[], [10.0], [42.0, 10.0], [10.0, 10.0], ["10", "42"], [10, float("inf")], 42, True]
)
def test_card_with_an_odd_quantiser_map(models, bounds):
    path = models / "deblock-balanced-v7.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantiser_map": bounds}))
    cards._cards.cache_clear()
    message = refused("quantiser_map is .* not two quantisers, the finer first")
    assert "deblock-balanced-v7.json" in message


def test_card_with_an_unknown_kernel(models):
    path = models / "deblock-balanced-v7.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kernel": "sinc"}))
    cards._cards.cache_clear()
    assert "deblock-balanced-v7.json" in refused("kernel is 'sinc', known are bicubic, bilinear")


@pytest.mark.parametrize("fields", [{"aligned": False}, {"offsets": [-1, 0]}, {"branches": ["a"]}])
def test_card_of_a_model_that_can_not_be_told_the_quantiser(models, fields):
    path = models / "deblock-balanced-v7.json"
    told = {"quantiser_map": [10.0, 42.0], **fields}
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    cards._cards.cache_clear()
    assert "deblock-balanced-v7.json" in refused("quantiser_map is for models of aligned")


@pytest.mark.parametrize("told", [False, True])
def test_card_and_model_disagree_about_the_quantiser_map(models, told):
    networks.told(models, quantiser_map=not told)
    path = models / f"{networks.TOLD}.json"
    bounds = [10.0, 42.0] if told else None
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantiser_map": bounds}))
    cards._cards.cache_clear()
    message = refused("takes 'uv' of the shape", model=networks.TOLD)
    assert f"{networks.TOLD}.onnx" in message


def test_missing_estimate(models):
    for name in ("quantiser-v3.onnx", "quantiser-v3.json"):
        (models / name).unlink()
    cards._cards.cache_clear()
    refused("quantiser-v3")
    # Where nothing is to be estimated, it is not missed.
    assert vqe.Deblock(scene(length=1), qp=30, backend="cpu").get_frame(0).width == 64


def test_no_models_at_all(models):
    for file in models.iterdir():
        file.unlink()
    cards._cards.cache_clear()
    assert vqe.list_models() == []
    refused("deblock-balanced-v7")


def test_damage_done_later_is_noticed(models):
    clip = scene(length=2)
    before = vqe.Deblock(clip, backend="cpu")
    wanted = before.get_frame(1)
    file = models / "deblock-balanced-v7.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    refused("damaged")
    # What is open already goes on.
    assert wanted.width == before.get_frame(0).width


def test_errors_say_what_there_is():
    with pytest.raises(ModelError, match="deblock-balanced-v7"):
        find("nothing", "deblock")
    assert isinstance(find("deblock-balanced-v7", "deblock"), Card)
    assert all_same(
        vqe.Deblock(scene(length=1), model="deblock-balanced-v7", backend="cpu"),
        vqe.Deblock(scene(length=1), backend="cpu"),
    )


@pytest.mark.parametrize("task", ["deblock", "astf"])
def test_a_variant_is_enough_where_there_is_one(task: str) -> None:
    for card in newest(list_models(task)):
        assert find(card.variant, task) == card


def test_the_newest_version_is_the_one_with_the_highest_number(models: Path) -> None:
    card, *others = newest(list_models("astf"))
    fields = json.loads((models / f"{card.name}.json").read_text())
    later = card.name.rpartition("-v")[0] + "-v10"
    (models / f"{later}.json").write_text(json.dumps(fields | {"name": later}))
    cards._cards.cache_clear()
    names = [each.name for each in newest(list_models("astf"))]
    assert sorted(names) == sorted([later, *(other.name for other in others)])
    assert find(card.name, "astf") == card
    found = find(card.variant, "astf")
    assert isinstance(found, Card) and found.name == later


def test_a_variant_of_several_scales_is_for_the_filter() -> None:
    with pytest.raises(ModelError, match="superres-x4-balanced"):
        find("balanced", "superres")
