"""Training, on the toy backbone and a few steps: what each stage changes, what resumes, what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import spearmanr

from editmetrics import create_metric
from editmetrics.data import from_manifest
from editmetrics.mllm import loop
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import read_checkpoint
from editmetrics.mllm.projector import projector_tensors
from editmetrics.mllm.recipe import Recipe, RecipeError
from editmetrics.mllm.targets import TargetError
from editmetrics.plugins.lmm4lmm.method import PRESETS
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from tests.worlds.images import toy_images

QUICK = {"steps": 4, "level_steps": 4, "batch_size": 8, "level_batch_size": 8, "evaluate_every": 2, "preset": "toy"}
BOTH = {"perception": "perception", "correspondence": "correspondence"}


def fit(manifest, folder, *, targets=BOTH, **settings):
    metric = LMM4LMM(backbone="toy-internvl").to("cpu")
    return metric.fit(manifest, targets=targets, group="scene", output_dir=folder, **{**QUICK, **settings})


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    return fit(images, folder, answers="answers"), folder


def test_the_first_stage_trains_the_projector_the_second_adapters_and_head(images, tmp_path, monkeypatch):
    """All parameters of the model, before and after each stage."""
    backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1792)
    projector = {id(parameter) for parameter in backbone.projector.parameters()}
    changed = {}
    plain_train = loop.train

    def watched(module, lessons, run, **more):
        before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
        history = plain_train(module, lessons, run, **more)
        kinds = {}
        for name, parameter in module.named_parameters():
            kind = (
                "projector" if id(parameter) in projector else "adapter" if ".lora_" in name
                else "head" if name.startswith("head.") else "backbone"
            )  # fmt: skip
            kinds.setdefault(kind, set()).add(torch.equal(before[name], parameter))
        changed[run.folder.name] = {kind for kind, same in kinds.items() if False in same}
        return history

    monkeypatch.setattr(loop, "train", watched)
    state = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items() if ".lora_" not in name}
    fit(images, tmp_path / "run", answers="answers")
    assert changed == {
        "projector": {"projector"}, "perception": {"adapter", "head"}, "correspondence": {"adapter", "head"},
        "questions": {"adapter"},
    }  # fmt: skip
    after = backbone.model.state_dict()
    assert all(torch.equal(tensor, after[_now(name, after)]) for name, tensor in state.items())


def _now(name, state):
    """peft puts `base_layer` into the names of layers that have or had an adapter."""
    path, kind = name.rsplit(".", 1)
    return name if name in state else f"{path}.base_layer.{kind}"


def test_the_checkpoint_scores_as_the_trained_metric_and_has_its_projector(trained, samples):
    metric, folder = trained
    loaded = create_metric("lmm4lmm", weights=str(folder), device="cpu")
    for one, two in zip(metric.score(samples), loaded.score(samples), strict=True):
        assert (dict(one), one.details) == (dict(two), two.details)
    checkpoint = read_checkpoint(folder)
    assert (list(checkpoint.parts), sorted(checkpoint.adapters)) == (
        ["projector"], ["correspondence", "perception", "questions"],
    )  # fmt: skip
    own = projector_tensors(Backbone.load("toy-internvl", device="cpu", image_tokens=1792))
    part = checkpoint.load_part("projector")
    assert own.keys() == part.keys()
    assert any(not torch.equal(own[name], part[name]) for name in own)
    assert checkpoint.settings["level_ends"]["perception"][0] < checkpoint.settings["level_ends"]["perception"][1]
    assert checkpoint.validation["questions"]["n"] > 0
    assert set(checkpoint.data["baseline"]) == {"perception", "correspondence"}


def test_scores_use_the_trained_projector(trained, samples):
    metric, _ = trained
    metric.load()
    (assessor,) = metric.assessors
    prompts = [assessor.prepare(_pixels(samples[0]), samples[0].prompt, ())["scored"]["perception"]]
    without = replace(assessor, projectors={})
    rated = []
    for one in (assessor, without):
        with torch.no_grad(), one.at_work("perception"):
            rated.append(float(one.rate("perception", prompts)))
    assert rated[0] != rated[1]


def _pixels(sample):
    from editmetrics.images import eight_bits, read_image

    return eight_bits(read_image(sample.edited))


class Killed(Exception):
    pass


def test_a_run_that_was_killed_ends_as_one_that_was_not(images, samples, trained, tmp_path):
    whole, _ = trained

    def kill_after(calls):
        def progress(*_):
            nonlocal calls
            calls -= 1
            if not calls:
                raise Killed

        return progress

    for calls in (5, 5, 10):  # in the first stage, in the first dimension, and later
        with pytest.raises(Killed):
            fit(images, tmp_path / "killed", answers="answers", progress=kill_after(calls))
    again = fit(images, tmp_path / "killed", answers="answers")
    for one, two in zip(whole.score(samples), again.score(samples), strict=True):
        assert dict(one) == dict(two)


def test_a_finished_run_is_not_trained_again(images, trained):
    _, folder = trained
    fit(images, folder, answers="answers", progress=lambda *_: pytest.fail("it trained again"))


def test_as_in_the_repository_each_dimension_has_a_projector_of_its_own(images, tmp_path):
    metric = fit(images, tmp_path / "run", together=False, answers="answers", steps=1, level_steps=1)
    checkpoint = read_checkpoint(tmp_path / "run")
    assert list(checkpoint.parts) == ["projector_perception", "projector_correspondence"]
    assert "questions" not in checkpoint.settings["projectors"]  # from the backbone's own
    assert [dimension.name for dimension in metric.dimensions] == list(BOTH)


@pytest.mark.parametrize("part", ["vision", "language", None])
def test_the_parts_that_lora_adapts_are_those_of_table_6(images, samples, tmp_path, part):
    metric = fit(images, tmp_path / "run", targets={"perception": "perception"}, levels=False, adapted=part)
    checkpoint = read_checkpoint(tmp_path / "run")
    assert list(checkpoint.heads) == ["perception"]
    (score,) = metric.score(samples[:1])
    assert score.ok
    if part is None:
        assert list(checkpoint.adapters) == []
        return
    tensors = load_file(checkpoint.adapter("perception") / "adapter_model.safetensors")
    of_vision = {".vision_tower." in name or ".encoder." in name for name in tensors}
    assert of_vision == {part == "vision"}


def test_one_dimension_needs_no_prompt(images, tmp_path):
    metric = fit(images, tmp_path / "run", targets={"perception": "perception"}, steps=1, level_steps=1)
    assert (metric.required(), [d.name for d in metric.dimensions]) == ({"edited"}, ["perception"])


def test_what_is_trained_stays_in_float32_on_a_bfloat16_backbone(images, tmp_path):
    """An update of a hundred-thousandth would vanish in bfloat16, which has eight binary digits."""
    metric = LMM4LMM(backbone="toy-internvl", dtype="bfloat16").to("cpu")
    metric.fit(images, targets={"perception": "perception"}, group="scene", output_dir=tmp_path / "run",
               **{**QUICK, "steps": 1, "level_steps": 4, "level_learning_rate": 1e-6})  # fmt: skip
    checkpoint = read_checkpoint(tmp_path / "run")
    part, own = checkpoint.load_part("projector"), Backbone.load("toy-internvl", device="cpu", dtype="bfloat16")
    change = max(float((part[name] - tensor).abs().max()) for name, tensor in projector_tensors(own).items())
    assert 0 < change < 1e-5


def test_the_two_named_recipes_are_those_of_paper_and_repository():
    (paper, paper_recipe), (repository, repository_recipe) = PRESETS["paper"], PRESETS["repository"]
    first, second = paper.first_stage(paper_recipe), paper_recipe
    assert (first.epochs, second.epochs, first.learning_rate, second.learning_rate) == (1, 5, 1e-5, 1e-5)
    assert (first.batch_size, second.batch_size, second.betas) == (8, 8, (0.9, 0.999))
    first, second = repository.first_stage(repository_recipe), repository_recipe
    assert (first.epochs, second.epochs, first.learning_rate, second.learning_rate) == (50, 50, 4e-5, 4e-5)
    assert (first.batch_size, second.batch_size, second.weight_decay, second.warmup_ratio) == (8, 4, 0.01, 0.03)
    assert {(m.rank, m.alpha, m.dropout, m.side, m.hidden) for m in (paper, repository)} == {
        (8, 16.0, 0.05, 1024, (1024, 256, 64, 16))
    }
    assert (paper.together, repository.together) == (True, False)
    assert isinstance(second, Recipe)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"label_scale": (0, 50)}, TargetError, "outside the label scale 0 to 50"),
        ({"rnk": 4}, RecipeError, "Did you mean 'rank'"),
        ({"preset": "best"}, RecipeError, "no preset 'best'"),
        ({"answers": "prompt"}, TargetError, "expected yes or no|no training sample has questions"),
        ({"answers": "gold"}, TargetError, "no training sample has questions with answers in 'gold'"),
        ({"level_steps": 0}, RecipeError, "level_steps"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(images, tmp_path, settings, error, said):
    with pytest.raises(error, match=said):
        fit(images, tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "training").exists()


@pytest.mark.parametrize(("answers", "said"), [(["yes"], "1 answer in gold for 2"), (["maybe", "no"], "'maybe'")])
def test_answers_that_do_not_fit_the_questions_are_refused(images, tmp_path, answers, said):
    rows = [replace(row, meta={**row.meta, "gold": json.dumps(answers)}) for row in from_manifest(images)]
    with pytest.raises(TargetError, match=said):
        fit(rows, tmp_path / "run", answers="gold")


@pytest.mark.slow
def test_both_stages_agree_with_the_known_quality_of_new_images(tmp_path, record_property):
    """New images of the same photographs; beside it, the paper's ablation of the first stage (Table 6).

    The ablation is recorded and not asserted: on edits as simple as these, a second stage alone is as good.
    """
    train, val = toy_images(tmp_path / "train", 1600, seed=1), toy_images(tmp_path / "val", 96, seed=2)
    test = list(from_manifest(toy_images(tmp_path / "test", 600, seed=3)))
    found = {}
    for levels in (True, False):
        metric = LMM4LMM(backbone="toy-internvl", explain=False).to("cpu")
        metric = metric.fit(str(train), str(val), targets=BOTH, group=None, preset="toy", levels=levels,
                            output_dir=tmp_path / f"levels-{levels}")  # fmt: skip
        scores = metric.score(test)
        found[levels] = {
            name: spearmanr([s[name] for s in scores], [float(s.meta[name]) for s in test])[0] for name in BOTH
        }
    record_property("srcc", found)
    assert min(found[True].values()) >= 0.8, found
