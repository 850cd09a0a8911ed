"""Three stages on the toy backbone and a few steps: what is trained, what resumes, what is left out and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from editmetrics import create_metric
from editmetrics.agreement.correlation import plcc, srcc
from editmetrics.mllm import readouts
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.mllm.fitting import FitJob
from editmetrics.mllm.recipe import RecipeError
from editmetrics.mllm.targets import TargetError
from editmetrics.plugins.epaiqa.lessons import RehearsedLessons, read_materials
from editmetrics.plugins.epaiqa.method import PRESETS
from editmetrics.plugins.epaiqa.metric import EPAIQA
from editmetrics.sample import EditMetricsError
from tests.worlds.regions import DIMENSIONS

QUICK = {"preset": "toy", "batch_size": 4, "evaluate_every": 2, "max_tokens": 8} | {
    f"{stage}_steps": 2 for stage in ("grounding", "quantitative", "explained")
}


@pytest.fixture(autouse=True)
def _whatever_the_mass(monkeypatch):
    """A few steps teach no form: the numbers are compared here, whether the model meant them or not."""
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)


def fresh(**options):
    return EPAIQA(**{"backbone": "toy-llava", **options}).to("cpu")


def fit(data, folder, *stages, metric=None, targets=DIMENSIONS, **settings):
    chosen = {"stages": stages} if stages else {}
    return (metric or fresh()).fit(
        data, targets={name: name for name in targets}, label_scale=(1, 5), output_dir=folder,
        **{**QUICK, **chosen, **settings},
    )  # fmt: skip


def state(folder):
    return load_file(folder / "backbone" / "model.safetensors")


def test_stage_1_leaves_the_language_model_as_it_is(edits, tmp_path):
    before = Backbone.load("toy-llava", device="cpu").model.state_dict()
    fit(edits, tmp_path / "run", "grounding", saved="float32")
    after = Backbone.load(tmp_path / "run" / "backbone", device="cpu").model.state_dict()
    same = {name: torch.equal(tensor, after[name]) for name, tensor in before.items()}
    language = [name for name in same if "language_model" in name or "lm_head" in name]
    assert len(language) > 40
    assert all(same[name] for name in language)
    for part in ("vision_tower", "multi_modal_projector"):
        assert not all(same[name] for name in same if part in name)


def test_stages_2_and_3_train_everything(edits, tmp_path):
    before = Backbone.load("toy-llava", device="cpu").model.state_dict()
    fit(edits, tmp_path / "run", "quantitative", saved="float32")
    after = Backbone.load(tmp_path / "run" / "backbone", device="cpu").model.state_dict()
    for part in ("vision_tower", "multi_modal_projector", "language_model", "lm_head"):
        assert any(not torch.equal(before[name], after[name]) for name in before if part in name), part


def test_three_stages_make_one_checkpoint_that_scores_as_it_was_validated(edits, samples, tmp_path):
    fit(edits, tmp_path / "run")
    said = json.loads((tmp_path / "run" / "metric.json").read_text())
    assert said["dimensions"] == list(DIMENSIONS)
    assert said["settings"]["stages"] == ["grounding", "quantitative", "explained"]
    assert set(said["validation"]) == {"region", *DIMENSIONS}
    assert {d: m["n"] for d, m in said["data"]["baseline"].items()} == {
        d: said["validation"][d]["n"] for d in DIMENSIONS
    }
    loaded = create_metric("epaiqa", weights=str(tmp_path / "run"), device="cpu", max_tokens=8)
    scores = loaded.score(samples)
    held_out = said["validation"]["harmony"]["n"]
    made = materials(edits, "quantitative", targets={"harmony": "harmony"}, cot=None)
    ids = [task.sample.id for task in made.validation["quantitative"]]
    assert len(ids) == held_out
    by_id = {sample.id: score["harmony"] for sample, score in zip(samples, scores, strict=True)}
    ratings = {sample.id: float(sample.meta["harmony"]) for sample in samples}
    both = [by_id[name] for name in ids], [ratings[name] for name in ids]
    assert srcc(*both) == said["validation"]["harmony"]["srcc"]
    assert plcc(*both) == pytest.approx(
        said["validation"]["harmony"]["plcc"], abs=1e-4
    )  # it was validated as it is saved
    assert not any(score.details.get("zero_shot") for score in scores)


@pytest.mark.parametrize(("rehearsal", "repeated"), [(0.0, 0), (0.5, 6), (0.25, 2)])
def test_a_stage_rehearses_what_came_before(rehearsal, repeated):
    stage, earlier = list("abcdef"), [list("12345"), list("6789")]
    mixed = [RehearsedLessons(stage, earlier, rehearsal, seed=1)[index] for index in range(6 + repeated)]
    assert mixed[:6] == stage
    assert len(set(mixed[6:])) == repeated  # none twice, as long as there are enough
    assert set(mixed[6:]) <= set("123456789")
    assert len(RehearsedLessons(stage, [], rehearsal, seed=1)) == 6


class Killed(Exception):
    pass


@pytest.mark.parametrize("calls", [2, 5, 8])
def test_a_run_that_was_killed_in_any_stage_ends_as_one_that_was_not(edits, tmp_path, whole, calls):
    left = calls

    def progress(*_):
        nonlocal left
        left -= 1
        if not left:
            raise Killed

    with pytest.raises(Killed):
        fit(edits, tmp_path / "run", progress=progress)
    fit(edits, tmp_path / "run")
    one, other = state(whole), state(tmp_path / "run")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.fixture(scope="module")
def whole(edits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(edits, folder)
    return folder


def test_a_finished_run_is_not_trained_again_and_another_is_refused(edits, whole):
    def never(*_):
        raise AssertionError("it trains again")

    fit(edits, whole, progress=never)
    with pytest.raises(CheckpointError, match="another training"):
        fit(edits, whole, learning_rate=3e-3)


def test_a_stage_goes_on_from_the_weights_of_another_run(edits, samples, tmp_path):
    fit(edits, tmp_path / "one", "grounding")
    grounded = fresh(backbone=None, weights=str(tmp_path / "one"))
    assert grounded.zero_shot
    assert len(grounded.dimensions) == 4
    second = fit(edits, tmp_path / "two", "quantitative", metric=grounded)
    assert [d.name for d in second.dimensions] == ["harmony", "local_naturalness"]
    assert second.primary().name == "harmony"
    assert second.checkpoint.settings["stages"] == ["grounding", "quantitative"]
    score = second(samples[0])
    assert list(score) == ["harmony", "local_naturalness"]
    assert score.explanation is None
    third = fit(edits, tmp_path / "three", "explained", metric=second)
    assert [d.name for d in third.dimensions] == list(DIMENSIONS)


def test_an_adapter_leaves_the_backbone_alone_and_comes_back(edits, samples, tmp_path):
    raw = Backbone.load("toy-llava", device="cpu", image_tokens=EPAIQA.IMAGE_TOKENS)
    before = {name: tensor.clone() for name, tensor in raw.model.state_dict().items()}
    trained = fit(edits, tmp_path / "run", "grounding", tuning="lora", rank=4)
    weights = load_file(tmp_path / "run" / "adapter_epaiqa" / "adapter_model.safetensors")
    changed = {name for name, tensor in weights.items() if "lora_B" in name and tensor.any()}
    assert changed
    assert all("vision_tower" in name for name in changed)  # stage 1: not the language model's
    assert not (tmp_path / "run" / "backbone").exists()
    more = fit(edits, tmp_path / "more", "quantitative", metric=trained, tuning="lora", rank=4)
    weights = load_file(tmp_path / "more" / "adapter_epaiqa" / "adapter_model.safetensors")
    assert any("language_model" in name and tensor.any() for name, tensor in weights.items() if "lora_B" in name)
    loaded = create_metric("epaiqa", weights=str(tmp_path / "more"), device="cpu")
    assert [dict(s) for s in loaded.score(samples[:3])] == [dict(s) for s in more.score(samples[:3])]
    after = raw.model.state_dict()
    for name, tensor in before.items():
        kept = (
            after[name] if name in after else after[f"{name.rpartition('.')[0]}.base_layer.{name.rpartition('.')[2]}"]
        )
        assert torch.equal(tensor, kept)
    with pytest.raises(EditMetricsError, match="continue with tuning=lora"):
        fit(edits, tmp_path / "full", "explained", metric=more)


def test_the_backbone_of_others_is_not_trained(edits, tmp_path):
    other = Backbone.load("toy-llava", device="cpu", image_tokens=EPAIQA.IMAGE_TOKENS)
    before = {name: tensor.clone() for name, tensor in other.model.state_dict().items()}
    fit(edits, tmp_path / "run", "quantitative")
    assert all(torch.equal(tensor, other.model.state_dict()[name]) for name, tensor in before.items())


def materials(samples, *stages, **more):
    targets = more.pop("targets", {name: name for name in DIMENSIONS})
    method = replace(PRESETS["toy"][0], stages=stages, **more)
    job = FitJob(
        EPAIQA, samples, None, targets, (1, 5), "source", Path("unused"), False, None, method, PRESETS["toy"][1]
    )
    return read_materials(job, fresh().region_of)


def test_the_rows_of_each_stage_are_those_that_have_what_it_learns_from(samples):
    changed = [replace(sample, meta=dict(sample.meta)) for sample in samples]
    changed[0].meta["region"] = "0.9,0.9,0.9,0.9"
    changed[1].meta["region"] = ""
    changed[2].meta["harmony"] = ""
    changed[3].meta["explanation"] = None
    changed[4].meta["explanation"] = "It is good."
    changed[5].meta["explanation"] = changed[5].meta["explanation"].rpartition(" ")[0] + " nice"
    every = materials(samples, "grounding", "quantitative", "explained")
    fewer = materials(changed, "grounding", "quantitative", "explained")

    def count(made, stage, kind=None):
        tasks = [*made.train[stage], *made.validation[stage]]
        return sum(kind in (None, task.kind) for task in tasks)

    assert count(every, "grounding") - count(fewer, "grounding") == 2
    assert count(every, "quantitative", "harmony") - count(fewer, "quantitative", "harmony") == 1  # it needs no region
    assert count(every, "quantitative", "local_naturalness") - count(fewer, "quantitative", "local_naturalness") == 2
    lost = count(every, "explained") - count(fewer, "explained")
    assert 1 <= lost <= 3  # those in the validation part need no chain of thought
    assert any("lies outside the image" in reason for reason in fewer.left_out)
    assert {"no region", "no rating in harmony"} <= set(fewer.left_out)
    shared = {task.sample.id for tasks in fewer.train.values() for task in tasks}
    assert not shared & {task.sample.id for tasks in fewer.validation.values() for task in tasks}


def test_a_chain_of_thought_that_contradicts_the_ratings_is_left_out(samples):
    other = {"1.000": "3", "2.000": "1", "3.000": "2"}
    changed = [
        replace(sample, meta={**sample.meta, "prompt_completion": other[sample.meta["prompt_completion"]]})
        for sample in samples[:10]
    ]
    made = materials([*changed, *samples[10:]], "explained")
    (reason,) = made.left_out
    assert reason == "explanation says another completion or level than the ratings"
    assert set(made.left_out[reason]) <= {sample.id for sample in changed}


def test_without_chains_of_thought_the_level_alone_is_learned(samples):
    made = materials(samples, "explained", cot=None)
    answers = {task.answer for task in made.train["explained"]}
    assert all(answer.startswith("The prompt completion is ") and "The harmony" not in answer for answer in answers)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"stages": ()}, EditMetricsError, "no stage"),
        ({"stages": ("ground",)}, RecipeError, "stages"),
        ({"stages": ("explained",), "targets": ("harmony",)}, TargetError, "needs a column for overall_quality"),
        ({"stages": ("quantitative",), "targets": ("overall_quality",)}, TargetError, "needs a column for harmony"),
        ({"step": 3}, RecipeError, "Did you mean 'steps'"),
        ({"cot": "reasons", "stages": ("explained",)}, TargetError, "no row is left to train"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_reason(edits, tmp_path, settings, error, said):
    with pytest.raises(error, match=said):
        fit(edits, tmp_path / "run", **settings)
