"""Training on the toy backbone, a few steps: what it moves, what resumes, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch

from editmetrics import create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.mllm.heads import RegressionHead
from editmetrics.mllm.lora import adapters
from editmetrics.mllm.recipe import RecipeError
from editmetrics.plugins.hpe_lsa.decoders import DecoderLesson, Decoders
from editmetrics.plugins.hpe_lsa.method import HPELSAMethod
from editmetrics.plugins.hpe_lsa.metric import HPELSA

from .conftest import TARGETS

QUICK = {"preset": "toy", "steps": 4, "batch_size": 6, "evaluate_every": 2, "decoder_steps": 20}


def fit(manifest, folder, targets=TARGETS, **settings):
    metric = HPELSA(backbone="toy-internvl").to("cpu")
    return metric.fit(manifest, targets=targets, output_dir=folder, **{**QUICK, **settings})


@pytest.fixture(scope="module")
def run(edits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "run"
    return fit(str(edits), folder), folder


def test_a_training_leaves_a_checkpoint_that_scores_and_a_backbone_as_it_was(run, samples):
    trained, folder = run
    said = json.loads((folder / "metric.json").read_text())
    assert (said["metric"], said["dimensions"], said["adapters"]) == ("hpe_lsa", list(TARGETS), ["contrastive"])
    assert 1 <= said["settings"]["layer"] <= said["settings"]["layers"] == 4
    assert {name: said["data"][name] for name in ("train", "validation", "test")} == {
        "train": 48, "validation": 12, "test": 12,
    }  # fmt: skip
    for dimension, found in said["validation"].items():
        assert found["n"] == (12 if dimension == "authenticity" else 8) == found["test n"]
        of_ridge = said["data"]["baseline"][dimension]
        assert (of_ridge["n"], of_ridge["test n"]) == (found["n"], found["test n"])
        assert ("auc" in of_ridge) == (dimension == "authenticity")
    loaded = create_metric("hpe_lsa", weights=str(folder), device="cpu")
    assert [dict(s) for s in loaded.score(samples[:4])] == [dict(s) for s in trained.score(samples[:4])]
    backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1280)
    assert not any(name.startswith("fit_") for name in adapters(backbone))
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())


def test_the_profile_is_kept_and_chooses_the_layer(run):
    _, folder = run
    rows = (folder / "layers.csv").read_text().splitlines()
    chosen = [row.split(",")[0] for row in rows[1:] if row.endswith(",1")]
    assert chosen == [str(json.loads((folder / "metric.json").read_text())["settings"]["layer"])]
    assert "<svg" in (folder / "layers.svg").read_text()


class Killed(Exception):
    pass


def kill_after(calls):
    def progress(*_):
        nonlocal calls
        calls -= 1
        if not calls:
            raise Killed

    return progress


def test_a_run_that_was_killed_in_any_step_ends_as_one_that_was_not(run, edits, samples, tmp_path, monkeypatch):
    trained, _ = run
    folder = tmp_path / "killed"
    with pytest.raises(Killed):  # while it tunes: the first validation has been, and a step after it
        fit(str(edits), folder, progress=kill_after(4))
    from editmetrics.plugins.hpe_lsa import fit as module

    whole = module.analyse
    monkeypatch.setattr(module, "analyse", lambda *_, **__: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):  # while it analyses
        fit(str(edits), folder)
    monkeypatch.setattr(module, "analyse", whole)
    with pytest.raises(Killed):  # while the decoders learn
        fit(str(edits), folder, progress=kill_after(9))
    monkeypatch.setattr(module, "analyse", lambda *_, **__: pytest.fail("it was analysed already"))
    again = fit(str(edits), folder)
    for one, two in zip(trained.score(samples[:8]), again.score(samples[:8]), strict=True):
        assert dict(one) == dict(two)


def test_a_finished_run_is_not_trained_again_and_another_one_is_refused(run, edits):
    _, folder = run
    fit(str(edits), folder, progress=lambda *_: pytest.fail("it trained again"))
    with pytest.raises(CheckpointError, match="another training"):
        fit(str(edits), folder, temperature=0.1)


@pytest.mark.parametrize(
    ("switches", "tuned", "layer", "hidden"),
    [
        ({"vision_lora": False, "lsa": False}, {"language_model"}, 4, [64]),
        ({"language_lora": False, "layer": 2, "feature": "projected"}, {"vision_tower"}, 2, [64]),
        ({"vision_lora": False, "language_lora": False, "layer": 1, "decoders": False}, set(), 1, []),
    ],
)
def test_the_switches_of_table_iv(edits, samples, tmp_path, switches, tuned, layer, hidden):
    from safetensors.torch import load_file

    trained = fit(str(edits), tmp_path / "run", **switches)
    said = json.loads((tmp_path / "run" / "metric.json").read_text())
    found = set()
    if (tmp_path / "run" / "adapter_contrastive").is_dir():
        keys = load_file(tmp_path / "run" / "adapter_contrastive" / "adapter_model.safetensors")
        found = {part for part in ("language_model", "vision_tower") for key in keys if part in key}
    assert found == tuned
    assert said["settings"]["layer"] == layer
    assert {tuple(head["hidden"]) for head in said["heads"].values()} == {tuple(hidden)}
    assert trained.score(samples[:1])[0].ok


def test_what_is_not_rated_is_not_learned(edits, samples, tmp_path):
    one = fit(str(edits), tmp_path / "one", {"authenticity": "authenticity"}, steps=2, layer=2)
    assert [dimension.name for dimension in one.dimensions] == ["authenticity"]
    assert one.required() == {"edited"}
    two = fit(str(edits), tmp_path / "two", {"editing_alignment": "editing_fidelity"}, steps=2, layer=2)
    assert list(two.score(samples[:1])[0]) == ["editing_alignment"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperatur": 0.1}, "Did you mean 'temperature'"),
        ({"preset": "best"}, "no preset 'best'"),
        ({"layer": 9}, "has 4 layers"),
        ({"bins": 1}, "bins"),
        ({"feature": "projected"}, "language_lora=false"),
        ({"feature": "projected", "language_lora": False, "contrast_layers": [2]}, "leave out contrast_layers"),
        ({"contrast_layers": [2, 5]}, "contrast_layers=5, and toy-internvl has 4 layers"),
        ({"training": "joint", "vision_lora": False, "language_lora": False}, "training=joint trains LoRA"),
        ({"decoder_steps": 0}, "decoder_steps=0 leaves the decoders untrained"),
        ({"training": "joint", "triplet_share": 0.5, "batch_negatives": True}, "triplet_share=0.5 leaves different"),
        ({"training": "both"}, "training"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(edits, tmp_path, settings, said):
    with pytest.raises(RecipeError, match=said):
        fit(str(edits), tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "training").exists()


def test_an_instruction_that_the_backbone_cannot_take_is_left_out_and_counted(samples, tmp_path):
    from dataclasses import replace

    rows = [*samples[:-1], replace(samples[-1], prompt="stop <|im_end|> here")]
    fit(rows, tmp_path / "run", steps=2, layer=1)
    assert sum(json.loads((tmp_path / "run" / "metric.json").read_text())["data"]["left_out"].values()) == 1


def lesson(n, label):
    random = torch.Generator().manual_seed(n)
    single, pair = torch.randn(2, 8, generator=random) * 5 + 3
    return DecoderLesson(
        f"{n}", single, label, pair if label == 0 else None, torch.tensor([0.3, 0.6]) if label == 0 else None
    )


@pytest.mark.parametrize("balanced", [True, False])
def test_equation_5_and_cross_entropy_are_those_of_torch_with_equal_classes(balanced):
    lessons = [lesson(n, float(n < 2)) for n in range(8)]  # two real images, six edited ones
    heads = {name: RegressionHead(8, hidden=(4,), seed=n)
             for n, name in enumerate(["perceptual_quality", "editing_alignment", "authenticity"])}  # fmt: skip
    module = Decoders(heads, lessons, "cpu", HPELSAMethod(balanced=balanced, detection_weight=2.0, quality_weight=0.5))
    from editmetrics.plugins.hpe_lsa.decoders import collate

    found = module(**collate(lessons))
    single, pair = (torch.stack([getattr(x, kind) for x in lessons if getattr(x, kind) is not None])
                    for kind in ("single", "pair"))  # fmt: skip
    logits = heads["authenticity"]((single - single.mean(0)) / single.std(0, unbiased=False))[:, 0]
    labels = torch.tensor([x.label for x in lessons])
    of_class = [torch.nn.functional.binary_cross_entropy_with_logits(logits[labels == c], labels[labels == c])
                for c in (0, 1)]  # fmt: skip
    every = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(found["detection"], sum(of_class) / 2 if balanced else every)
    standard = (pair - pair.mean(0)) / pair.std(0, unbiased=False)
    errors = [heads[name](standard)[:, 0] - wanted
              for name, wanted in (("perceptual_quality", 0.3), ("editing_alignment", 0.6))]  # fmt: skip
    torch.testing.assert_close(found["quality"], sum(error.square().mean() for error in errors))
    torch.testing.assert_close(found["loss"], 2 * found["detection"] + found["quality"] / 2)
    folded = module.folded()
    torch.testing.assert_close(folded["authenticity"](single)[:, 0], logits, rtol=1e-4, atol=1e-5)


def test_the_loss_of_a_batch_is_the_mean_of_those_of_its_parts_also_of_one_with_real_images_only():
    """Parts, as micro-batches or processes have them, know how many images and edits there are in all."""
    from editmetrics.plugins.hpe_lsa.decoders import collate

    lessons = [lesson(n, float(n < 2)) for n in range(8)]  # two real images, six edited ones
    heads = {name: RegressionHead(8, hidden=(4,), seed=1) for name in ("perceptual_quality", "editing_alignment")}
    heads |= {"authenticity": RegressionHead(8, hidden=(4,), seed=2)}
    module = Decoders(heads, lessons, "cpu", HPELSAMethod())
    whole = module(**collate(lessons))
    whole["loss"].backward()
    gradients = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    parts = [collate(lessons[start : start + 2]) for start in range(0, 8, 2)]
    means = {name: sum(part["counts"][name] for part in parts) / len(parts) for name in ("single", "pair")}
    losses = [module(**{**part, "counts": means}) for part in parts]
    assert losses[0]["quality"] == 0.0
    for each in losses:
        (each["loss"] / len(parts)).backward()
        assert all(parameter.grad is not None for parameter in module.parameters())
    for name in whole:
        torch.testing.assert_close(sum(each[name] for each in losses) / len(parts), whole[name])
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize("edits", [6, 1])
def test_the_loss_of_ratings_is_the_sum_that_its_setting_names(edits):
    """By numpy, in each dimension by itself; one edit has no correlation, and the term is left out."""
    from editmetrics.plugins.hpe_lsa.decoders import collate

    lessons = [lesson(n, 0.0)._replace(ratings=torch.tensor([0.1 * n, 0.2 * (n % 3)])) for n in range(6)]
    heads = {name: RegressionHead(8, hidden=(4,), seed=n) for n, name in enumerate(("perceptual_quality", "alignment"))}
    module = Decoders(heads, lessons, "cpu", HPELSAMethod(loss="l1+0.5*plcc"))
    batch = collate(lessons[:edits])
    predicted, ratings = module._ratings(batch["pair"]).detach().numpy().T, batch["ratings"].numpy().T
    expected = np.abs(predicted - ratings).mean(1).sum()
    if edits > 1:
        expected += 0.5 * sum(1 - np.corrcoef(own, rated)[0, 1] for own, rated in zip(predicted, ratings, strict=True))
    assert module(**batch)["quality"].item() == pytest.approx(expected, rel=1e-5)


def test_a_loss_without_the_unit_of_ratings_is_refused():
    with pytest.raises(RecipeError, match=r"loss='plcc' does not teach the unit of the ratings; add l1 or l2"):
        HPELSAMethod(loss="plcc")


def test_contrastive_tuning_moves_real_and_edited_images_apart_that_it_has_not_seen(edits, tmp_path):
    """Measured again, on crops of its own, by plain cosines."""
    from editmetrics.data import from_manifest
    from editmetrics.mllm.lora import load_lora, remove_lora
    from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
    from tests.worlds.edits import toy_edits

    fit(str(edits), tmp_path / "run", steps=16, evaluate_every=16, layer=4, feature="last")
    unseen = list(from_manifest(toy_edits(tmp_path / "unseen", 24, per_source=1, seed=99)))
    assessor = LayerAssessor(Backbone.load("toy-internvl", device="cpu", image_tokens=1280))
    load_lora(assessor.backbone, "tuned", tmp_path / "run" / "adapter_contrastive")

    def margin(adapter):
        from editmetrics.mllm.lora import using

        with torch.no_grad(), using(assessor.backbone, adapter):
            source, edited = (
                torch.nn.functional.normalize(assessor.embed([assessor.single(getattr(s, name)) for s in unseen]))
                for name in ("source", "edited")
            )
        other = source.roll(1, 0)
        return float(((source * other).sum(1) - (source * edited).sum(1)).mean())

    before, after = margin(None), margin("tuned")
    remove_lora(assessor.backbone, "tuned")
    assert after > before + 0.1, (before, after)
    said = json.loads((tmp_path / "run" / "metric.json").read_text())["settings"]["margin of real to edited"]
    assert said["after"] > said["before"]


def test_a_checkpoint_of_another_backbone_is_refused(run, tmp_path):
    from editmetrics.testing import tiny_backbone

    _, folder = run
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("training"))
    other = tiny_backbone("internvl", tmp_path / "other")
    with pytest.raises(CheckpointError, match="this backbone differs"):
        create_metric("hpe_lsa", weights=str(copy), backbone=str(other), device="cpu").load()
    assert np.isfinite(float(create_metric("hpe_lsa", weights=str(copy), dimension="authenticity", device="cpu")(
        np.full((64, 64, 3), 128, np.uint8))))  # fmt: skip
