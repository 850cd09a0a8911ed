"""A short training, judged from outside: its checkpoint scores fresh edits, by the door that all scores take.

Against images swapped, ratings not normalised, an analysis of other states than those that are read, a tuning that sees
validation data, and weights chosen by other data than that of validation.
"""

import csv
import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, pearsonr, spearmanr

from editmetrics import Sample, create_metric
from editmetrics.data import from_manifest
from editmetrics.images import read_image
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.features import picture_key
from editmetrics.mllm.lora import load_lora, remove_lora
from editmetrics.plugins.hpe_lsa.analysis import analyse
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
from editmetrics.plugins.hpe_lsa.labels import LABEL, labelled
from editmetrics.plugins.hpe_lsa.method import PRESETS
from editmetrics.plugins.hpe_lsa.metric import HPELSA
from tests.worlds.edits import toy_edits

from .conftest import TARGETS

QUALITY = {name: column for name, column in TARGETS.items() if name != "authenticity"}
EDITS = {"train": (160, 31), "val": (32, 32), "fresh": (64, 33)}
"""Number and seed of each set; no crop is in two of them."""


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    return {name: toy_edits(folder / name, count, seed=seed) for name, (count, seed) in EDITS.items()}


@pytest.fixture(scope="module")
def fitted(sets, tmp_path_factory):
    """The folder of a short training, and the pictures that equation 1 saw, by whether it learned from them."""
    folder, seen = tmp_path_factory.mktemp("fitted") / "run", {True: set(), False: set()}
    embed = LayerAssessor.embed

    def spy(assessor, prompts, *more):
        import torch

        seen[torch.is_grad_enabled()].update(picture_key(p) for prompt in prompts for p in prompt.pictures)
        return embed(assessor, prompts, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LayerAssessor, "embed", spy)
        HPELSA(backbone="toy-internvl").to("cpu").fit(
            str(sets["train"]), str(sets["val"]), targets=TARGETS, output_dir=folder, preset="toy", steps=10,
            batch_size=8, evaluate_every=5, decoder_steps=400,
        )  # fmt: skip
    return folder, seen


@pytest.fixture(scope="module")
def metric(fitted):
    return create_metric("hpe_lsa", weights=str(fitted[0]), device="cpu")


def pictures(manifest):
    """The keys of the edited images of a manifest."""
    backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1280)
    return {picture_key(backbone.see(read_image(sample.edited))) for sample in from_manifest(manifest)}


def test_fresh_edits_get_the_scores_that_people_would_give(metric, sets):
    """Of a broken training, the SRCC of 64 edits is above 0.3 once in a hundred draws; of this one they are clear."""
    samples = list(from_manifest(sets["fresh"]))
    scores = metric.score(samples)
    for name, least in (("perceptual_quality", 0.7), ("editing_alignment", 0.35), ("attribute_preservation", 0.35)):
        found = np.array([score[name] for score in scores])
        rated = np.array([float(sample.meta[QUALITY[name]]) for sample in samples])
        assert spearmanr(found, rated)[0] > least, name
        assert pearsonr(found, rated)[0] > least, name
        assert abs(found.mean() - rated.mean()) < 12, name  # of 0 to 100: on the scale, and not at its end
        assert 5 < found.std() < 45, name


def test_fresh_photographs_are_real_and_edits_of_them_are_not(metric, sets):
    images = labelled(list(from_manifest(sets["fresh"])))
    chances = {kind: [] for kind in (0, 1)}
    only = create_metric("hpe_lsa", weights=str(metric.weights), dimension="authenticity", device="cpu")
    for image, score in zip(images, only.score([Sample(s.id, edited=s.edited) for s in images]), strict=True):
        chances[image.meta[LABEL]].append(float(score))
    area = mannwhitneyu(chances[1], chances[0]).statistic / (len(chances[0]) * len(chances[1]))
    assert area > 0.8
    assert (np.mean(np.array(chances[1]) > 0.5) + np.mean(np.array(chances[0]) < 0.5)) / 2 > 0.7


def test_source_and_edited_image_have_their_places(metric, sets):
    (assessor,) = metric.assessors
    sample = next(iter(from_manifest(sets["fresh"])))
    keys = [picture_key(p) for p in assessor.pair(sample.source, sample.edited, "make it blue").pictures]
    see = assessor.backbone.see
    assert keys == [picture_key(see(read_image(image), among=2)) for image in (sample.source, sample.edited)]
    assert keys[0] != keys[1]
    (alone,) = assessor.single(sample.edited).pictures
    assert picture_key(alone) == picture_key(see(read_image(sample.edited)))


def test_equation_1_learns_from_training_data_and_is_judged_by_validation_data(fitted, sets):
    train, held_out = pictures(sets["train"]), pictures(sets["val"])
    learned_from, judged_by = fitted[1][True], fitted[1][False]
    assert len(learned_from & train) > 40  # 10 batches of 8 edits
    assert not learned_from & held_out
    assert held_out <= judged_by
    assert not judged_by & train


def test_what_is_reported_of_validation_data_are_the_scores_of_the_metric(fitted, metric, sets):
    samples = list(from_manifest(sets["val"]))
    scores = metric.score(samples)
    said = json.loads((fitted[0] / "metric.json").read_text())["validation"]
    for name, column in QUALITY.items():
        srcc = spearmanr([s[name] for s in scores], [float(s.meta[column]) for s in samples])[0]
        assert said[name]["srcc"] == pytest.approx(srcc, abs=0.05)  # but for ratings beyond the scale's ends


def test_the_weights_that_validation_data_liked_best_are_kept(fitted):
    said = json.loads((fitted[0] / "metric.json").read_text())["validation"]
    history = [json.loads(row) for row in (fitted[0] / "training" / "decoders" / "history.jsonl").open()]
    merits = [row["validation"] for row in history if row.get("validation") is not None]
    kept = np.mean([said[name]["srcc"] for name in QUALITY] + [said["authenticity"]["auc"]])
    assert len(set(merits)) > 3
    assert max(merits) == pytest.approx(kept, abs=1e-6)


def test_the_analysis_is_of_the_states_that_are_read(fitted, sets):
    """Again, from the checkpoint's adapter and the training's images; the untuned backbone has another profile."""
    (adapter,) = fitted[0].glob("adapter_*")
    backbone = Backbone.load("toy-internvl", device="cpu", image_tokens=1280)
    images = labelled(list(from_manifest(sets["train"])))
    kinds = [[image for image in images if image.meta[LABEL] == kind] for kind in (1, 0)]
    load_lora(backbone, "again", adapter)
    try:
        criterion = PRESETS["toy"][0].criterion
        tuned, untuned = (
            analyse(LayerAssessor(backbone, name, pooling="image"), *kinds, criterion=criterion)
            for name in ("again", None)
        )
    finally:
        remove_lora(backbone, "again")
    rows = list(csv.DictReader((fitted[0] / "layers.csv").open()))
    written = [float(row["ldr"]) for row in rows]
    np.testing.assert_allclose(written, tuned.ldr, rtol=1e-3)
    np.testing.assert_allclose([float(row["kl"]) for row in rows], tuned.kl, atol=0.02)
    assert np.abs(untuned.ldr - tuned.ldr).max() > 0.1 * tuned.ldr.max()
    assert [float(row["share"]) for row in rows] == pytest.approx(tuned.shares.tolist(), abs=0.05)


def test_heads_begin_with_weights_of_their_own(fitted):
    from types import SimpleNamespace

    from editmetrics.plugins.hpe_lsa.fit import new_heads

    def heads(dimensions, seed=0):
        method, recipe = PRESETS["toy"]
        return new_heads(SimpleNamespace(method=method, metric=HPELSA, dimensions=dimensions,
                                         recipe=recipe.adjusted(seed=seed)), 8)  # fmt: skip

    weights = {name: head.layers[0].weight.detach().numpy() for name, head in heads(list(TARGETS)).items()}
    weights |= {f"{name} 1": head.layers[0].weight.detach().numpy() for name, head in heads(list(TARGETS), 1).items()}
    assert len({array.tobytes() for array in weights.values()}) == 8
    (alone,) = heads(["editing_alignment"]).values()
    np.testing.assert_array_equal(alone.layers[0].weight.detach(), weights["editing_alignment"])


def test_the_validation_is_readable_in_80_columns(fitted):
    from io import StringIO

    from rich.console import Console

    from editmetrics.mllm.checkpoint import read_checkpoint
    from editmetrics.tables.table import show
    from editmetrics.tables.training import validation_blocks

    text = StringIO()
    show(validation_blocks(read_checkpoint(fitted[0])), console=Console(file=text, width=80))
    shown = text.getvalue()
    assert "…" not in shown
    assert all(name in shown for name in ("srcc", "plcc", "krcc", "auc", "specificity", *TARGETS))
