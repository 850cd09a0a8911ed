"""What the method learns, on edits of known quality that no training has seen: the shipped toy, and stage 1's worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from editmetrics import Sample, create_metric
from editmetrics.agreement.correlation import srcc
from editmetrics.data import from_manifest
from editmetrics.plugins.epaiqa.answers import read_explained
from editmetrics.plugins.epaiqa.box import Box, given_box
from tests.plugins.projectors import without_projector
from tests.worlds.edits import HELD_OUT
from tests.worlds.regions import DIMENSIONS, toy_region_edits

HELD_OUT_SEED, OTHERS_SEED, ABLATION_SEED = 52711, 52712, 52714
"""Nothing was chosen on these edits: they were first scored when all training was over."""

SEEDS = (0, 1, 2)
"""Of the projector that is drawn anew, of the training edits and of their order."""


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """200 edits of crops that no training has seen."""
    return list(from_manifest(toy_region_edits(tmp_path_factory.mktemp("held_out"), 200, seed=HELD_OUT_SEED)))


@pytest.fixture(scope="module")
def scores(held_out):
    """The shipped toy's scores, with its own regions."""
    return create_metric("epaiqa", weights="toy", region="model", max_tokens=64, device="cpu").score(held_out)


def completion(sample):
    return float(sample.meta["prompt_completion"])


def rank_correlation(scores, samples, dimension):
    both = [(score[dimension], float(sample.meta[dimension])) for score, sample in zip(scores, samples, strict=True)
            if dimension in score]  # fmt: skip
    assert len(both) >= 0.9 * len(samples)
    return srcc(*zip(*both, strict=True))


def test_the_region_is_found_far_better_than_by_the_mean_box(scores, held_out):
    truth = [given_box(sample.meta["region"]) for sample in held_out]
    mean = Box(*(float(np.mean([getattr(box, part) for box in truth])) for part in "xywh"))
    by_the_mean = np.mean([mean.iou(box) for box in truth])
    found = [Box(*score.details["region"]) if "region" in score.details else None for score in scores]
    overlaps = [0.0 if box is None else box.iou(true) for box, true in zip(found, truth, strict=True)]
    assert np.mean(overlaps) > by_the_mean + 0.2


def test_edits_like_those_of_the_training_keep_their_scores(scores):
    """The least mass of 200 edits was 0.98; without a chain of thought its weights are read where they would write one.

    What is refused here is a region that the model's own answer does not give."""
    for score in scores:
        assert all(mass >= 0.9 for mass in score.details["level_mass"].values())
    assert np.mean([score.ok for score in scores]) >= 0.99


def test_trained_weights_give_no_level_where_they_were_not_about_to_name_one():
    """Photographs of docs/examples, of which no stage has taught anything."""
    examples = Path(__file__).parents[3] / "docs" / "examples"
    prompts = {"cat": "Give the cat bright blue eyes.", "coins": "Make the coins look like gold."}
    samples = [
        Sample(name, edited=examples / "edited" / f"{name}.jpg", source=examples / "source" / f"{name}.jpg",
               prompt=prompt,
               meta={"region": "0.5,0.5,0.4,0.4"})
        for name, prompt in prompts.items()
    ]  # fmt: skip
    scores = create_metric("epaiqa", weights="toy", max_tokens=64, device="cpu").score(samples)
    assert {score.status for score in scores} == {"unparseable"}
    for score in scores:
        masses = score.details["level_mass"]
        assert set(score) == set(score.uncertainty) == {name for name, mass in masses.items() if mass >= 0.5}
        assert all(f"{name}: the model was not about to name a level" in score.reason
                   for name in masses if name not in score)  # fmt: skip


@pytest.mark.parametrize("dimension", ["harmony", "local_naturalness"])
def test_harmony_and_naturalness_rank_as_they_were_made(held_out, dimension):
    """SRCC was 0.890 and 0.935, with the regions that were edited."""
    given = create_metric("epaiqa", weights="toy", explain=False, device="cpu").score(held_out)
    assert rank_correlation(given, held_out, dimension) >= 0.8


def test_overall_quality_agrees_where_the_instruction_is_followed(scores, held_out):
    """Section 5.1 compares overall quality at full completion alone: SRCC was 0.660."""
    followed = [(s, edit) for s, edit in zip(scores, held_out, strict=True) if completion(edit) == 3]
    assert rank_correlation(*zip(*followed, strict=True), "overall_quality") > 0.5


def test_whether_the_instruction_was_followed_is_told(scores, held_out):
    """SRCC was 0.697: three values, which half of the edits share."""
    assert rank_correlation(scores, held_out, "prompt_completion") > 0.5


def test_the_explanations_have_the_form_and_lead_to_the_level(scores):
    read = [read_explained(score.explanation) for score in scores]
    whole = [said for said in read if said.completion and said.level]
    assert len(whole) >= 0.9 * len(read)
    assert all((said.pieces.harmony is not None) == (said.completion == 3) for said in whole)


@pytest.mark.slow
@pytest.mark.xfail(reason="it is not, for any seed: see 'What was measured' in docs/metrics/epaiqa.md", strict=True)
@pytest.mark.parametrize("seed", SEEDS)
def test_overall_quality_is_better_with_stage_1_than_without(tmp_path, seed):
    """Tables 6 and 7 on toy edits: 1,300 updates of stage 3, after 300 of stage 1 and without.

    The projector is drawn anew, as nothing else of the toy backbone is: its own was trained on where shapes are, and
    leaves stage 1 little to teach. Some nine minutes of one core for each seed.
    """
    train = toy_region_edits(tmp_path / "train", 2500, seed=5000 + seed)
    validate = toy_region_edits(tmp_path / "validate", 96, seed=6000)
    test = list(from_manifest(toy_region_edits(tmp_path / "test", 400, seed=ABLATION_SEED)))
    followed = [edit for edit in test if completion(edit) == 3]
    found = {}
    for name, stages in {"with": ("grounding", "explained"), "without": ("explained",)}.items():
        backbone = without_projector("toy-llava", tmp_path / f"backbone {name}", seed)
        metric = create_metric("epaiqa", backbone=str(backbone), max_tokens=64, device="cpu").fit(
            train, validate, targets={dimension: dimension for dimension in DIMENSIONS}, label_scale=(1, 5),
            output_dir=tmp_path / name, preset="toy", stages=stages, grounding_steps=300, explained_steps=1300,
            rehearsal=0.0, evaluate_every=10000, seed=seed,
        )  # fmt: skip
        found[name] = rank_correlation(metric.score(followed), followed, "overall_quality")
    assert found["with"] > found["without"] + 0.1, found


def test_photographs_that_no_training_has_seen(tmp_path):
    """Other photographs altogether; that they are harder is expected, and not hidden."""
    samples = list(from_manifest(toy_region_edits(tmp_path, 100, seed=OTHERS_SEED, photographs=HELD_OUT)))
    scores = create_metric("epaiqa", weights="toy", explain=False, device="cpu").score(samples)
    assert rank_correlation(scores, samples, "harmony") > 0.6
