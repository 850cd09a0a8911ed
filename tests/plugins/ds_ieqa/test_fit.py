"""Training, on the toy backbone and a few steps: what is trained, what resumes, what is refused, and that it learns."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from editmetrics import create_metric
from editmetrics.data import from_manifest
from editmetrics.mllm import readouts
from editmetrics.mllm.backbone import Backbone, BackboneError
from editmetrics.mllm.features import FeatureError
from editmetrics.mllm.recipe import RecipeError
from editmetrics.mllm.targets import TargetError
from editmetrics.plugins.ds_ieqa import definitions
from editmetrics.plugins.ds_ieqa.fdmpo import SearchError
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from editmetrics.sample import SampleError
from tests.worlds.edits import DIMENSIONS, toy_edits

QUICK = {"steps": 4, "batch_size": 8, "evaluate_every": 2, "preset": "toy"}


@pytest.fixture(autouse=True)
def _whatever_the_mass(monkeypatch):
    """A few steps teach no form: the numbers are compared here, whether the model meant them or not."""
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)


def fresh(**options):
    return DSIEQA(**{"backbone": "toy-internvl", **options}).to("cpu")


def fit(manifest, folder, *dimensions, metric=None, val=None, **settings):
    targets = {name: name for name in dimensions or DIMENSIONS}
    return (metric or fresh()).fit(manifest, val, targets=targets, output_dir=folder, **{**QUICK, **settings})


def test_only_adapters_are_trained_and_the_checkpoint_scores_as_the_trained_metric(edits, samples, tmp_path):
    backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1280)
    before = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    trained = fit(edits, tmp_path / "run", "visual_quality", "content_preservation")
    after = backbone.model.state_dict()
    assert all(torch.equal(tensor, after[name] if name in after else
                           after[name.rsplit(".", 1)[0] + ".base_layer." + name.rsplit(".", 1)[1]])
               for name, tensor in before.items())  # fmt: skip
    assert [dimension.name for dimension in trained.dimensions] == ["visual_quality", "content_preservation"]
    loaded = create_metric("ds_ieqa", weights=str(tmp_path / "run"), device="cpu")
    assert [dict(s) for s in loaded.score(samples)] == [dict(s) for s in trained.score(samples)]
    said = json.loads((tmp_path / "run" / "metric.json").read_text())
    assert (said["metric"], said["dimensions"]) == ("ds_ieqa", ["visual_quality", "content_preservation"])
    assert said["validation"]["visual_quality"]["n"] == said["data"]["validation"] >= 3
    assert {name: of_ridge["n"] for name, of_ridge in said["data"]["baseline"].items()} == dict.fromkeys(
        said["dimensions"], said["data"]["validation"]
    )
    assert "| baseline |" in (tmp_path / "run" / "card.md").read_text()


class Killed(Exception):
    pass


def test_a_run_that_was_killed_ends_as_one_that_was_not(edits, samples, tmp_path):
    whole = fit(edits, tmp_path / "whole", "visual_quality", "editing_fidelity", steps=6)

    def kill_after(calls):
        def progress(*_):
            nonlocal calls
            calls -= 1
            if not calls:
                raise Killed

        return progress

    for calls in (5, 11):  # in the first dimension, and in the second
        with pytest.raises(Killed):
            fit(edits, tmp_path / "killed", "visual_quality", "editing_fidelity", steps=6, progress=kill_after(calls))
    again = fit(edits, tmp_path / "killed", "visual_quality", "editing_fidelity", steps=6)
    for one, two in zip(whole.score(samples), again.score(samples), strict=True):
        assert dict(one) == dict(two)


def test_a_finished_run_is_not_trained_again_and_another_one_is_refused(edits, tmp_path):
    fit(edits, tmp_path / "run", "visual_quality")
    fit(edits, tmp_path / "run", "visual_quality", progress=lambda *_: pytest.fail("it trained again"))
    from editmetrics.mllm.checkpoint import CheckpointError

    with pytest.raises(CheckpointError, match="another training"):
        fit(edits, tmp_path / "run", "visual_quality", learning_rate=1e-5)


class Scripted:
    """An optimisation model that gives its replies in order."""

    def __init__(self, *replies):
        self.replies = list(replies)

    def ask(self, text, round):
        reply = self.replies[round - 1]
        if reply is None:
            raise SampleError("the model declined", "refused")

        class Answered:
            @staticmethod
            def required():
                return reply

        return Answered

    def identity(self):
        return {"model": "scripted"}


def test_definitions_are_searched_kept_and_used(edits, tmp_path, monkeypatch):
    replies = ["[[How sharp is it?]]", None, "[[Say how blurred the target image is.]]"]
    monkeypatch.setattr(definitions, "_optimiser", lambda assessor, method: Scripted(*replies))
    more = {"optimiser": "scripted", "trials": 3, "pairs": 6, "definition_margin": 0}
    trained = fit(edits, tmp_path / "run", "visual_quality", **more)
    lines = [json.loads(line) for line in (tmp_path / "run/definitions/visual_quality.jsonl").read_text().splitlines()]
    values = {trial["definition"]: trial["value"] for trial in lines[1:] if trial["value"] is not None}
    assert len(values) == 3
    assert all(len(trial["values"]) == 6 for trial in lines[1:] if not trial["refused"])
    assert [bool(trial["refused"]) for trial in lines[1:]] == [False, False, True, False]
    best = max(values, key=values.get)
    trained.load()
    assert trained.assessors[0].definitions == {"visual_quality": best}
    assert "<svg" in (tmp_path / "run/definitions/visual_quality.svg").read_text()


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"label_scale": (0, 50)}, TargetError, "outside the label scale 0 to 50"),
        ({"learning_rat": 1e-4}, RecipeError, "Did you mean 'learning_rate'"),
        ({"rnk": 4}, RecipeError, "Did you mean 'rank'"),
        ({"rank": "many"}, RecipeError, "rank"),
        ({"preset": "best"}, RecipeError, "no preset 'best'"),
        ({"group": "system"}, TargetError, "system"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(edits, tmp_path, settings, error, said):
    with pytest.raises(error, match=said):
        fit(edits, tmp_path / "run", "visual_quality", **settings)
    assert not (tmp_path / "run" / "training").exists()


def test_a_backbone_that_groups_digits_is_refused(edits, tmp_path, backbones):
    """A tokenizer with a token "38", as Llama 3's has one for every number of up to three digits."""
    folder = tmp_path / "grouped"
    shutil.copytree(backbones["internvl"], folder)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    pattern = tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]
    pattern["Regex"] = pattern["Regex"].replace("|\\p{N}|", "|\\p{N}{1,3}|")
    learned = tokenizer["model"]
    dropped = learned["merges"].pop()  # its place in the vocabulary is taken
    learned["vocab"]["38"] = learned["vocab"].pop("".join(dropped))
    learned["merges"].insert(0, ["3", "8"])
    file.write_text(json.dumps(tokenizer))
    config = folder / "tokenizer_config.json"  # Qwen2's own class would split digits whatever the file says
    config.write_text(config.read_text().replace('"Qwen2Tokenizer"', '"PreTrainedTokenizerFast"'))
    with pytest.raises(BackboneError, match=r"is not one token|writes 4\.38 as"):
        fit(edits, tmp_path / "run", "visual_quality", metric=fresh(backbone=str(folder)))


def test_ids_that_repeat_in_the_validation_data_stand_for_their_own_images(edits, samples, tmp_path):
    """Two manifests may count from 0000_0 each: kept features must not be taken for those of the other."""
    other = list(from_manifest(toy_edits(tmp_path / "val", 6, per_source=2, seed=99)))
    clashing = [replace(sample, id=samples[number].id) for number, sample in enumerate(other)]
    found = []
    for name, val in (("own", other), ("clashing", clashing)):
        fit(edits, tmp_path / name, "visual_quality", val=val, adapted="language")
        found.append(json.loads((tmp_path / name / "metric.json").read_text())["validation"])
    assert found[0] == found[1]


def test_settings_of_memory_change_no_result(edits, tmp_path, monkeypatch):
    """With and without kept features, and with other batches of what is read, definitions and weights are the same."""
    replies = ["[[How sharp is it?]]", "[[Say how blurred the target image is.]]"]
    monkeypatch.setattr(definitions, "_optimiser", lambda assessor, method: Scripted(*replies))
    found = []
    for name, settings in {
        "kept": {},
        "small": {"validation_batch_size": 2, "feature_batch_size": 1, "definition_cache_gb": 0.0},
        "off": {"feature_store": False, "definition_batch_size": 8},
    }.items():
        searched = {"adapted": "language", "optimiser": "scripted", "trials": 2, "pairs": 9}
        fit(edits, tmp_path / name, "visual_quality", **searched, **settings)
        assert (tmp_path / name / "features").exists() == (name != "off")
        written = json.loads((tmp_path / name / "metric.json").read_text())
        found.append(
            (written["prompts"], load_file(tmp_path / name / "adapter_visual_quality/adapter_model.safetensors"))
        )
        assert written["recipe"] | settings == written["recipe"]
    for prompts, weights in found[1:]:
        assert prompts == found[0][0]
        for key, tensor in weights.items():  # images together and alone: float32 sums in another order
            torch.testing.assert_close(tensor, found[0][1][key], atol=1e-4, rtol=1e-3)


def test_a_store_that_would_be_too_large_stops_the_training_before_it_is_written(edits, tmp_path):
    with pytest.raises(FeatureError, match=r"about .* GB .*feature_store_gb"):
        fit(edits, tmp_path / "run", "visual_quality", adapted="language", feature_store_gb=1e-6)
    assert not list((tmp_path / "run").rglob("*.safetensors"))


def test_rows_that_the_backbone_cannot_read_are_left_out_and_counted(edits, tmp_path):
    rows = list(from_manifest(edits))
    rows[3] = replace(rows[3], prompt="stop <|im_end|> here")
    rows[4] = replace(rows[4], meta={**rows[4].meta, "visual_quality": "no rating"})
    fit(rows, tmp_path / "run", "visual_quality")
    data = json.loads((tmp_path / "run/metric.json").read_text())["data"]
    assert data["train"] + data["validation"] == 22
    assert sum(data["left_out"].values()) == 2
    assert any("<|im_end|>" in reason for reason in data["left_out"])


def test_a_backbone_that_proposes_nothing_sensible_ends_the_search_with_the_reason(edits, tmp_path):
    """A tiny model: every reply is refused and counted, each with another seed; starting over asks again."""
    for _ in range(2):
        with pytest.raises(SearchError, match=r"no proposal of the optimisation model for visual_quality .*2 trials"):
            fit(edits, tmp_path / "run", "visual_quality", optimiser="backbone", trials=2, pairs=4, resume=False)
        file = tmp_path / "run/definitions/visual_quality.jsonl"
        header, *trials = [json.loads(line) for line in file.read_text().splitlines()]
        assert [trial["refused"] is not None for trial in trials] == [False, True, True]
        assert trials[1]["definition"] != trials[2]["definition"]
        assert header["optimiser"]["judge"] == "local"


@pytest.mark.slow
def test_tdrl_learns_and_beats_cross_entropy(tmp_path, record_property):
    """The paper's ablation (Table 2) on edits of known quality, from the same backbone."""
    train = toy_edits(tmp_path / "train", 2400, seed=1)
    val = toy_edits(tmp_path / "val", 120, seed=2)
    test = list(from_manifest(toy_edits(tmp_path / "test", 240, seed=3)))
    from tests.plugins.ds_ieqa.test_metric import agreement

    found = {}
    for loss in ("tdrl", "cross_entropy"):
        metric = fresh().fit(str(train), str(val), targets={name: name for name in DIMENSIONS},
                             output_dir=tmp_path / loss, preset="toy", loss=loss)  # fmt: skip
        found[loss] = agreement(metric.score(test), test)
        print(loss, {name: round(value, 3) for name, value in found[loss].items()})
    record_property("srcc", found)
    assert min(found["tdrl"].values()) >= 0.7, found
    assert np.mean(list(found["tdrl"].values())) > np.mean(list(found["cross_entropy"].values())), found
