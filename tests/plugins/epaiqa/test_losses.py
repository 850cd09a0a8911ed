"""The loss of each stage, against transformers' own from `labels`, for questions and answers that are written out here.

The whole way from a rating to a loss is under test: the level's word, the region that is cut out, the order of the
images, the token that ends a turn, which state predicts which token, and how answers of several lengths are weighed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from editmetrics import EditMetricsError, Sample
from editmetrics.plugins.epaiqa import fit as training
from editmetrics.plugins.epaiqa.metric import EPAIQA
from tests.plugins.epaiqa.test_prompts import ANSWERS, SUPPLEMENT
from tests.plugins.native_losses import END, ROUNDING, answered, before_each_stage, language_loss

DIMENSIONS = ("overall_quality", "harmony", "local_naturalness", "prompt_completion")
ROWS = (  # harmony and naturalness with the level of each, by five equal parts of 1 to 5; overall; completion
    ((1.0, "bad"), (5.0, "excellent"), (2.0, "poor"), 3),
    ((1.79, "bad"), (4.2, "excellent"), (1.2, "bad"), 1),
    ((1.8, "poor"), (3.4, "good"), (2.2, "poor"), 2),
    ((3.0, "fair"), (2.6, "fair"), (4.5, "excellent"), 3),
    ((3.5, "good"), (2.59, "poor"), (3.2, "fair"), 3),
)
COMPLETIONS = {1: "Non-Completion", 2: "Partial Completion", 3: "Full Completion"}
REGION, WRITTEN = "0.5,0.25,0.5,0.5", "(0.50, 0.25, 0.50, 0.50)"
CUT = (slice(0, 32), slice(16, 48))
"""The region in pixels: rows, columns."""


def rows(seed, reasons="It is said why. "):
    random = np.random.default_rng(seed)

    def picture(darkest, brightest):
        return random.integers(darkest, brightest, (64, 64, 3), dtype=np.uint8)

    samples = []
    for number, ((harmony, _), (natural, _), (overall, level), completion) in enumerate(ROWS):
        why = reasons * (1 + 2 * number)  # of several lengths
        text = f"The prompt completion is {COMPLETIONS[completion]}. {why}Therefore, the overall editing quality "
        text += f"level of the image is {level}"
        ratings = dict(zip(DIMENSIONS, (overall, harmony, natural, completion), strict=True))
        meta = {**{name: str(value) for name, value in ratings.items()}, "region": REGION, "explanation": text}
        pictures = {"source": picture(0, 80), "edited": picture(160, 256)}
        pictures["edited"][CUT] //= 4  # so that the region alone looks unlike the whole
        samples.append(Sample(f"{seed}-{number}", prompt="make it red", meta=meta, **pictures))
    return samples


def question(kind, *images):
    """The supplement's question, with images at their places."""
    first, *rest = SUPPLEMENT[kind].split("[image]")
    return [first, *(part for pair in zip(images, rest, strict=True) for part in pair)]


def expected(backbone, lesson, samples):
    """transformers' own loss of the question that a lesson is named by."""
    name, kind = lesson.id.removesuffix(")").split(" (")
    number = next(index for index, sample in enumerate(samples) if sample.id == name)
    source, edited = samples[number].source, samples[number].edited
    (_, harmony), (_, natural), _, _ = ROWS[number]
    asked = {
        "grounding": ([*question("grounding", source, edited)], f"{ANSWERS['grounding']} {WRITTEN}."),
        "harmony": (question("harmony", edited), f"Harmony level is: {harmony}."),
        "local_naturalness": (question("naturalness", edited[CUT]), f"Naturalness level is: {natural}."),
        "explained": (question("explained", source, edited), samples[number].meta["explanation"]),
    }
    parts, answer = asked[kind]
    return language_loss(backbone, parts, answer + END)


@pytest.fixture
def fit(random_backbone, tmp_path):
    def run(train, validation, targets=None, **settings):
        return EPAIQA(backbone=str(random_backbone)).to("cpu").fit(
            train, validation, targets=targets or {n: n for n in DIMENSIONS}, max_tokens=2,
            output_dir=tmp_path / "run", preset="toy",
            **{"label_scale": (1, 5), "batch_size": 2, "read_weight": 1.0, **settings},
        )  # fmt: skip

    return run


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_each_stage_has_the_loss_that_transformers_gives_its_answers(fit, monkeypatch, tuning):
    train, compared = rows(1), {}

    def compare(stage, module, lessons, loss):
        losses = [expected(module.assessor.backbone, lesson, train) for lesson in lessons]
        compared[stage] = len(lessons)
        assert loss == pytest.approx(np.mean(losses), rel=ROUNDING), stage

    before_each_stage(monkeypatch, compare)
    steps = {f"{stage}_steps": 1 for stage in ("grounding", "quantitative", "explained")}
    fit(train, rows(2), tuning=tuning, rehearsal=0.0, **steps)
    assert compared == {"grounding": 5, "quantitative": 10, "explained": 5}


def test_what_scores_are_read_from_weighs_as_it_is_told(fit, monkeypatch):
    """A weighted mean: 4 for the completion's first token and for the level at the end, not for one in the reasons."""
    compared = []

    def compare(stage, module, lessons, loss):
        backbone, losses = module.assessor.backbone, []
        for sample, (*_, (_, level), completion) in zip(train, ROWS, strict=True):
            parts = question("explained", sample.source, sample.edited)
            inputs = answered(backbone, parts, sample.meta["explanation"] + END)
            labels = inputs.pop("labels")[0].numpy()
            first, last = (backbone.tokenizer(f" {words}", add_special_tokens=False)["input_ids"][0]
                           for words in (COMPLETIONS[completion], level))  # fmt: skip
            with torch.no_grad():
                logits = log_softmax(backbone.model(**inputs).logits[0].double().numpy(), axis=-1)
            at = np.flatnonzero(labels >= 0)
            weights = np.ones(len(at))
            weights[[np.flatnonzero(labels[at] == first)[0], np.flatnonzero(labels[at] == last)[-1]]] = 4
            losses.append(np.average(-logits[at - 1, labels[at]], weights=weights))
        compared.append(len(lessons))
        assert loss == pytest.approx(np.mean(losses), rel=ROUNDING)

    before_each_stage(monkeypatch, compare)
    train = rows(1, reasons="It is good, not bad. ")
    fit(train, rows(2), stages=("explained",), explained_steps=1, read_weight=4.0)
    assert compared == [5]


@pytest.mark.parametrize("column", [False, True])
def test_soft_levels_are_gaussians_around_the_ratings(fit, monkeypatch, column):
    """The loss of the answer with its word, with the word's cross-entropy put in place by the distribution's."""
    train, compared, widths = rows(1), [], [0.2, 0.9, 0.4, 0.05, 0.6] if column else [0.1 * (5 - 1)] * 5
    train = [replace(s, meta={**s.meta, "harmony.sd": w}) for s, w in zip(train, widths, strict=True)]

    def compare(stage, module, lessons, loss):
        backbone = module.assessor.backbone
        words = [backbone.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0]
                 for word in ("bad", "poor", "fair", "good", "excellent")]  # fmt: skip
        losses = []
        for sample, ((rating, word), *_), width in zip(train, ROWS, widths, strict=True):
            inputs = answered(backbone, question("harmony", sample.edited), f"Harmony level is: {word}.{END}")
            labels = inputs.pop("labels")[0].numpy()
            with torch.no_grad():
                logits = log_softmax(backbone.model(**inputs).logits[0].double().numpy(), axis=-1)
            masses = np.diff(norm.cdf(np.linspace(1, 5, 6), rating, width))
            soft = masses / masses.sum()
            losses.append(np.mean([
                -soft @ logits[at - 1, words] if labels[at] in words else -logits[at - 1, labels[at]]
                for at in np.flatnonzero(labels >= 0)
            ]))  # fmt: skip
        compared.append(len(lessons))
        assert loss == pytest.approx(np.mean(losses), rel=ROUNDING)

    before_each_stage(monkeypatch, compare)
    settings = {"rater_spread": ".sd"} if column else {"soft_width": 0.1}
    fit(train, rows(2), targets={"harmony": "harmony"}, stages=("quantitative",), quantitative_steps=1,
        level_labels="soft", **settings)  # fmt: skip
    assert compared == [5]


def test_the_weights_with_the_best_region_on_the_validation_data_are_kept(fit, monkeypatch):
    """Each stage is measured on validation rows alone, and ends with the weights that were best there."""
    validation = rows(2)
    values = iter([0.2, 0.7, 0.1, 0.4])
    measured = []

    def measure(assessor, tasks, size):
        assert {task.sample.id for task in tasks} == {sample.id for sample in validation}
        weights = assessor.backbone.projector.state_dict()
        measured.append({name: tensor.clone() for name, tensor in weights.items()})
        return {"n": len(tasks), "mean_iou": next(values, 0.0), "without_box": 0}

    monkeypatch.setattr(training, "mean_iou", measure)
    fit(rows(1), validation, stages=("grounding",), grounding_steps=4, evaluate_every=1, saved="float32")
    *during, after = measured
    same = [all(bool((weights[name] == after[name]).all()) for name in after) for weights in during]
    assert same == [False, True, False, False]


@pytest.mark.parametrize(("rehearsal", "best"), [(0.0, 1), (0.4, 2)])
def test_stage_3_keeps_the_weights_that_are_best_in_all_that_it_teaches_and_repeats(fit, monkeypatch, rehearsal, best):
    """Overall quality alone would keep the first weights; completion counts as much, and so do repeated dimensions."""
    overall, completion, levels = (0.9, 0.5, 0.5), (0.1, 0.6, 0.5), (0.9, 0.1, 0.95)
    snapshots = []

    def row(values):
        value = values[min(len(snapshots), 3) - 1]
        return {"n": 5, "srcc": value, "plcc": value}

    def explained(assessor, *_):
        weights = assessor.backbone.projector.state_dict()
        snapshots.append({name: tensor.clone() for name, tensor in weights.items()})
        return {"overall_quality": row(overall), "prompt_completion": row(completion)}

    monkeypatch.setattr(training, "overall_agreement", explained)
    monkeypatch.setattr(training, "level_agreement", lambda *_: row(levels))
    steps = {"quantitative_steps": 1, "explained_steps": 3, "evaluate_every": 1, "saved": "float32"}
    fit(rows(1), rows(2), stages=("quantitative", "explained"), rehearsal=rehearsal, **steps)
    *during, after = snapshots
    same = [all(bool((weights[name] == after[name]).all()) for name in after) for weights in during]
    assert same == [number == best for number in range(3)]


def in_percent(samples):
    """The ratings of 1 to 5 on another scale, which a metric that is to be trained is told."""
    for sample in samples:
        for name in DIMENSIONS[:3]:
            sample.meta[name] = str(25 * (float(sample.meta[name]) - 1))
    return samples


def expected_word(backbone, parts, answer, words, chosen):
    """sum_k k P(w_k) over `words`, where the answer says the `chosen` one, from transformers' own logits."""
    ids = [backbone.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in words]
    inputs = answered(backbone, parts, answer + END)
    labels = inputs.pop("labels")[0].numpy()
    with torch.no_grad():
        logits = backbone.model(**inputs).logits[0].double().numpy()
    at = np.flatnonzero(labels == ids[words.index(chosen)])[0]
    return softmax(logits[at - 1, ids]) @ np.arange(1, len(words) + 1)


def test_terms_compare_expected_levels_with_their_ratings(fit, monkeypatch):
    """Of each kind of question the hinge of its pairs, and the error; a correlation would magnify rounding."""
    compared, words = {}, ["bad", "poor", "fair", "good", "excellent"]
    train, terms = in_percent(rows(1)), {}

    def compare(stage, module, lessons, loss):
        backbone = module.assessor.backbone
        kinds = [name for name in ("harmony", "local_naturalness") if f"({name})" in str(lessons)]
        terms[stage] = []
        for kind in kinds if stage == "quantitative" else ():
            ratings, read = [], []
            for sample, row in zip(train, ROWS, strict=True):
                rating, chosen = row[kind != "harmony"]
                name, image = kind.removeprefix("local_"), sample.edited if kind == "harmony" else sample.edited[CUT]
                answer = f"{name.capitalize()} level is: {chosen}."
                read.append(expected_word(backbone, question(name, image), answer, words, chosen))
                ratings.append(rating)
            pairs = [(i, j) for i, j in permutations(range(len(train)), 2) if ratings[i] > ratings[j]]
            hinges = [max(0, (ratings[i] - ratings[j]) - (read[i] - read[j])) for i, j in pairs]
            terms[stage].append(0.5 * np.mean(hinges) + 2 * np.abs(np.subtract(read, ratings)).mean())
        language = np.mean([expected(backbone, lesson, train) for lesson in lessons])
        compared[stage] = len(lessons)
        share = len(train) / len(lessons)  # those of one kind; the rest are repeated from stage 1, and have no rating
        assert loss == pytest.approx(language + share * sum(terms[stage]), rel=ROUNDING), stage

    before_each_stage(monkeypatch, compare)
    steps = {f"{stage}_steps": 1 for stage in ("grounding", "quantitative", "explained")}
    fit(train, in_percent(rows(2)), label_scale=(0, 100), loss="cross_entropy+0.5*margin+2*l1", rehearsal=0.5, **steps)
    assert compared == {"grounding": 5, "quantitative": 20, "explained": 10}


@pytest.mark.parametrize("loss", ["plcc", "tdrl+plcc", "cross_entropy+", "cross_entropy+mse"])
def test_another_loss_is_refused_before_anything_is_computed(fit, loss):
    with pytest.raises(EditMetricsError, match=re.escape(f"loss={loss.removeprefix('cross_entropy+')!r}")):
        fit(rows(1), rows(2), loss=loss)


def test_terms_need_examples_to_compare(fit):
    with pytest.raises(EditMetricsError, match="compares 3 examples or more"):
        fit(rows(1), rows(2), loss="cross_entropy+plcc")
