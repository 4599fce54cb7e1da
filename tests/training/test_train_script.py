"""What `scripts/train.py` begins a training with, and what it exports of one."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from vsvqe import cards
from vsvqe.nets.planes import PlanesNet
from vsvqe.training import plans
from vsvqe.training.designs import DESIGNS, Material
from vsvqe.training.store import Store

SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="not run from a checkout")


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(SCRIPT.parent)
        yield importlib.import_module("train")
        sys.modules.pop("train")


def test_blocks_that_are_new_depend_on_the_seed_alone(script, tmp_path):
    """Or the faithful end of an interpolation would not be what the training began with."""
    larger = DESIGNS["superres-x2-best"]
    smaller = PlanesNet(larger.net().window, 2, channels=48, blocks=7, quantiser_map=True)
    torch.save({"ema": smaller.state_dict()}, tmp_path / "checkpoint.pt")

    def begun(seed: int) -> dict[str, torch.Tensor]:
        torch.rand(seed)
        return script.begun(larger, seed, tmp_path / "checkpoint.pt").state_dict()

    one, again, other = begun(1), begun(1), begun(2)
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
    old = smaller.state_dict()
    same = {name for name, tensor in one.items() if torch.equal(tensor, other[name])}
    assert same >= set(old) and all(torch.equal(one[name], old[name]) for name in old)
    assert any(name.startswith("blocks.7") for name in one.keys() - same)


MODELS = [card.name for card in cards.list_models()]


@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_model_can_be_made_from_nothing(script, model, tmp_path):
    """Each training of its plan may begin with what the one before it leaves."""
    chain = plans.stages(model)
    assert chain[0].start is None
    finish = plans.finish(model)
    # Of two trainings, the model lies between the one named here and the last one.
    assert plans.family(model) in (chain[-1].design, finish.calm)
    assert finish.calm is None or finish.calm in [stage.design for stage in chain[:-1]]
    card = next(card for card in cards.list_models() if card.name == model)
    assert (finish.told_at_most, finish.leniency or 0.0) == (card.told_at_most, card.leniency)
    assert script.sibling(model) == card.detail
    for stage in chain:
        start = None if stage.start is None else tmp_path / stage.start / "checkpoint.pt"
        net = script.begun(DESIGNS[stage.design], 1, start)
        out = tmp_path / stage.design
        out.mkdir()
        (out / "run.json").write_text(json.dumps({"design": stage.design}))
        torch.save({"ema": net.state_dict()}, out / "checkpoint.pt")


def test_what_lies_between_two_models_is_exported(script, tmp_path):
    paths = {card.name: card.path for card in cards.list_models("superres")}
    calm, vivid = paths["superres-x4-best-v3"], paths["superres-x4-detail-v1"]
    between = argparse.Namespace(
        command="export",
        out=vivid,
        models=tmp_path,
        name="mine",
        calm=calm,
        share=0.25,
        told_at_most=None,
        leniency=None,
    )
    script.write(between)
    # As their design has them: it sees more frames than they did.
    first, second, mixed = (
        script.begun(DESIGNS["superres-x4-detail"], 0, path).state_dict()
        for path in (calm, vivid, tmp_path / "mine.onnx")
    )
    for name, weights in mixed.items():
        expected = 0.75 * first[name] + 0.25 * second[name]
        torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-5)
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["detail"] is None
    training = card["training"]
    told = json.loads(calm.with_suffix(".json").read_text())["training"]
    assert training["steps"] == told["steps"]
    command = f"export --out {vivid.name} --name mine --calm {calm.name} --share 0.25"
    assert training["command"].endswith(command)
    # What is named as a faithful model is comes with that one's sibling.
    script.write(argparse.Namespace(**vars(between) | {"name": "superres-x4-best-v9"}))
    assert json.loads((tmp_path / "superres-x4-best-v9.json").read_text())["detail"] == vivid.stem
    # Of weights alone nobody knows the design.
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(SystemExit, match="nobody knows what"):
        script.write(argparse.Namespace(**vars(between) | {"out": tmp_path}))


def test_a_network_that_sees_more_frames_begins_as_one_that_sees_fewer(script, tmp_path):
    torch.manual_seed(0)
    net = DESIGNS["deblock-balanced"].net().eval()
    for weights in net.parameters():
        torch.nn.init.normal_(weights, std=0.03)
    (tmp_path / "run.json").write_text(json.dumps({"design": "deblock-balanced"}))
    torch.save({"ema": net.state_dict()}, tmp_path / "checkpoint.pt")
    wider = script.begun(DESIGNS["deblock-best"], 1, tmp_path / "checkpoint.pt").eval()
    y, uv = torch.rand(1, 9, 16, 16), torch.rand(1, 9, 2, 8, 8)
    own = [wider.window.offsets.index(offset) for offset in net.window.offsets]
    with torch.no_grad():
        expected = net.residuals(y[:, own], uv[:, own], torch.tensor([30.0]))
        for one, other in zip(wider.residuals(y, uv, torch.tensor([30.0])), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_one_command_makes_a_model_that_the_filter_runs(sources, cache, tmp_path):
    """From sources to a picture: three trainings of a few steps."""
    words = ["make", "deblock-best-v4", "--data", sources, "--work", tmp_path / "work"]
    words += ["--models", tmp_path, "--part", "0.00002", "--passes", "1", "--processes", "1"]
    # Features that have learned nothing tell pictures apart, too.
    features = torchvision.models.squeezenet1_1().features.state_dict(prefix="features.")
    torch.save(features, tmp_path / "features.pth")
    words += ["--weights", tmp_path / "features.pth"]
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "cache").symlink_to(cache)
    subprocess.run([sys.executable, SCRIPT, *map(str, words)], check=True)
    card = json.loads((tmp_path / "deblock-best-v4.json").read_text())
    assert card["scale"] == 1 and card["training"]["steps"] == 1 + 1 + 1
    assert card["training"]["command"].count("train.py train") == 3
    # Run again, it finds all trainings finished.
    subprocess.run([sys.executable, SCRIPT, *map(str, words)], check=True)
    assert json.loads((tmp_path / "deblock-best-v4.json").read_text()) == card


def test_a_cpu_that_would_emulate_bfloat16_trains_in_float32(script, monkeypatch, cache, tmp_path):
    asked = []

    class Asked:
        def __init__(self, task, settings):
            asked.append(settings.low_precision)

        def run(self):
            pass

    monkeypatch.setattr(script, "Trainer", Asked)
    options = argparse.Namespace(
        command="train",
        design="deblock-fast",
        cache=cache,
        out=tmp_path,
        steps=1,
        rate=None,
        seed=1,
        start=None,
        weights=None,
        teacher=None,
        device="cpu",
        threads=1,
        workers=0,
        pause=60.0,
    )
    for native in (True, False):
        monkeypatch.setattr(script, "has_bfloat16", lambda device, native=native: native)
        script.train(options)
    assert asked == [True, False]


def test_what_a_design_needs_is_said_before_it_begins(script, tmp_path):
    options = argparse.Namespace(model="superres-x4-real", work=tmp_path, weights=None)
    with pytest.raises(SystemExit, match="give --weights"):
        script.make(options)
    with pytest.raises(ValueError, match="no model 'nothing' is made here"):
        script.make(argparse.Namespace(model="nothing", work=tmp_path, weights=None))


def test_a_teacher_is_a_model_of_the_same_scale_that_sees_as_much(script, cache):
    task = DESIGNS["deblock-fast"].task(
        DESIGNS["deblock-fast"].net(),
        Material(Store(cache, "[st]*"), Store(cache, "valid-*")),
    )
    teachers = {card.name: card.path for card in cards.list_models()}
    best = script.taught(task, teachers["deblock-best-v4"])
    batch = best.batch(np.random.default_rng(0))
    # All that the teacher sees is drawn; the error is another one than without it.
    assert batch.y.shape[1] == 9
    assert best.loss(batch).requires_grad
    assert not any(weights.requires_grad for weights in best.teacher.parameters())
    for name in ("superres-x2-best-v4", "superres-x2-fast-v2"):
        with pytest.raises(SystemExit, match="another scale, or frames"):
            script.taught(task, teachers[name])
