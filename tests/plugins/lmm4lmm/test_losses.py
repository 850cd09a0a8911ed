"""The loss of each stage, against transformers' own from `labels` and a plain L1, of questions written out here."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from editmetrics import Sample, create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.plugins.lmm4lmm import fit as training
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from editmetrics.testing import tiny_backbone
from tests.plugins.native_losses import END, ROUNDING, before_each_stage, language_loss, last_state

RATINGS = {"perception": (10.0, 28.0, 29.0, 46.0, 99.0, 100.0), "correspondence": (100.0, 81.0, 60.0, 40.0, 41.0, 0.0)}
LEVELS = {  # equation 2: five equal parts of the lowest to the highest rating, each closed above
    "perception": ("bad", "bad", "poor", "poor", "excellent", "excellent"),
    "correspondence": ("excellent", "excellent", "fair", "poor", "fair", "bad"),
}
QUESTIONS = {
    "perception": "How would you rate the quality of this image?",
    "correspondence": "How would you rate the correspondence of this image and its prompt? prompt: a red hill",
}
STARTS = {
    "perception": "The quality of the image is",
    "correspondence": "The correspondence of the image and its prompt is",
}
ASKED, KNOWN = "Is the hill red? Answer yes or no.", ("yes", "no", "no", "yes", "no", "yes")
BOTH = {name: name for name in RATINGS}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return str(tiny_backbone("internvl", tmp_path_factory.mktemp("backbone"), layers=2))


def rows(seed):
    random = np.random.default_rng(seed)
    return [
        Sample(f"{seed}-{number}", edited=random.integers(0, 256, (64, 64, 3), dtype=np.uint8), prompt="a red hill",
               questions=(ASKED,), meta={**{name: str(values[number]) for name, values in RATINGS.items()},
               "answers": json.dumps([KNOWN[number]])})
        for number in range(6)
    ]  # fmt: skip


def fit(backbone, folder, train, validation, **settings):
    return LMM4LMM(backbone=backbone).to("cpu").fit(
        train, validation, targets=BOTH, group=None, output_dir=folder, preset="toy",
        **{"steps": 1, "level_steps": 1, "batch_size": 2, "level_batch_size": 2, **settings},
    )  # fmt: skip


def language(backbone, train, lessons):
    """transformers' own loss of the levels of both dimensions and of the answers, as far as `lessons` have them."""
    known = {sample.id: number for number, sample in enumerate(train)}
    seen = {}
    losses = []
    for lesson in lessons:
        number = known[lesson.id]
        turn = seen[lesson.id] = seen.get(lesson.id, -1) + 1  # perception, correspondence, the question
        if len(lessons) == len(train):
            turn = 2
        image = train[number].edited
        if turn == 2:
            losses.append(language_loss(backbone, [image, ASKED], KNOWN[number].capitalize() + END))
        else:
            name = list(RATINGS)[turn]
            answer = f"{STARTS[name]} {LEVELS[name][number]}.{END}"
            losses.append(language_loss(backbone, [image, QUESTIONS[name]], answer))
    return float(np.mean(losses))


def l1(backbone, head, train, name):
    """The mean distance of the head's numbers from ratings with mean 0 and deviation 1, in plain matrix products."""
    states = torch.stack([last_state(backbone, [s.edited, QUESTIONS[name]], STARTS[name]) for s in train])
    layers = list(head.state_dict().values())
    for number, (weight, bias) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
        states = (states if number == 0 else states.clamp(min=0)) @ weight.T + bias
    ratings = np.array(RATINGS[name])
    wanted = (ratings - ratings.mean()) / ratings.std()
    return float(np.abs(states[:, 0].numpy() - wanted).mean())


def test_each_stage_has_the_loss_of_its_kind(backbone, tmp_path, monkeypatch):
    train, compared = rows(1), {}

    def compare(stage, module, lessons, loss):
        own = module.assessor.backbone
        expected = l1(own, module.head, train, stage) if stage in RATINGS else language(own, train, lessons)
        compared[stage] = len(lessons)
        assert loss == pytest.approx(expected, rel=ROUNDING), stage

    before_each_stage(monkeypatch, compare)
    fit(backbone, tmp_path / "run", train, rows(2), answers="answers", level_loss="answer", answer_words=("Yes", "No"))
    assert compared == {"projector": 18, "perception": 6, "correspondence": 6, "questions": 6}


def test_the_word_alone_is_taught_where_that_is_asked_for(backbone, tmp_path, monkeypatch):
    """The loss of "... is excellent" less that of "... is": what is left is the word's."""
    train = rows(1)

    def compare(stage, module, lessons, loss):
        if stage != "projector":
            return
        own = module.assessor.backbone
        losses = []
        for sample, level in zip(train, LEVELS["perception"], strict=True):
            parts, start = [sample.edited, QUESTIONS["perception"]], STARTS["perception"]
            whole, tokens = language_loss(own, parts, f"{start} {level}"), len(own.tokens(f"{start} {level}"))
            losses.append(tokens * whole - (tokens - 1) * language_loss(own, parts, start))
        assert loss == pytest.approx(np.mean(losses), rel=10 * ROUNDING)  # a difference of sums

    before_each_stage(monkeypatch, compare)
    LMM4LMM(backbone=backbone).to("cpu").fit(
        train, rows(2), targets={"perception": "perception"}, group=None, output_dir=tmp_path / "run", preset="toy",
        steps=1, level_steps=1, level_batch_size=2, batch_size=2, level_loss="word",
    )  # fmt: skip


def test_the_weights_that_are_best_on_the_validation_data_are_kept(backbone, tmp_path, monkeypatch):
    validation = rows(2)
    values = iter([0.2, 0.7, 0.1, 0.4])
    measured = []

    def measure(assessor, pictures, examples, dimension, read, size):
        assert {example.sample.id for example in examples} == {sample.id for sample in validation}
        measured.append([tensor.clone() for tensor in assessor.heads[dimension].state_dict().values()])
        return {"n": len(examples), "srcc": next(values, 0.0), "plcc": 0.0}

    monkeypatch.setattr(training, "agreement", measure)
    settings = {"levels": False, "steps": 4, "evaluate_every": 1}
    LMM4LMM(backbone=backbone).to("cpu").fit(
        rows(1), validation, targets={"perception": "perception"}, group=None, output_dir=tmp_path / "run",
        preset="toy", batch_size=2, **settings,
    )  # fmt: skip
    *during, after = measured
    same = [all(bool((one == other).all()) for one, other in zip(head, after, strict=True)) for head in during]
    assert same == [False, True, False, False]


def test_scores_are_on_the_scale_of_the_ratings(backbone, tmp_path):
    """A head that has learned nothing yet says about the mean rating of the training, not about 0."""
    train = rows(1)
    fit(backbone, tmp_path / "run", train, rows(2), steps=1, level_steps=1, learning_rate=1e-9)
    scores = create_metric("lmm4lmm", weights=str(tmp_path / "run"), device="cpu", explain=False).score(rows(3))
    for name, ratings in RATINGS.items():
        assert abs(np.mean([score[name] for score in scores]) - np.mean(ratings)) < np.std(ratings)
    assert Backbone.load(backbone, device="cpu").hidden_size == 64
