"""Losses beside the paper's: correlation and weights in the second stage, soft levels in the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import norm, pearsonr

from editmetrics.mllm.recipe import RecipeError
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from editmetrics.testing import tiny_backbone
from tests.plugins.lmm4lmm import test_losses as papers
from tests.plugins.native_losses import ROUNDING, answered, before_each_stage, last_state

SPREADS = (4.0, 9.0, 9.0, 20.0, 9.0, 1.0)
NAME = "perception"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return str(tiny_backbone("internvl", tmp_path_factory.mktemp("backbone"), layers=2))


def rows(seed):
    return [replace(s, meta={**s.meta, "perception.sd": w}) for s, w in zip(papers.rows(seed), SPREADS, strict=True)]


def fit(backbone, folder, **settings):
    return LMM4LMM(backbone=backbone).to("cpu").fit(
        rows(1), rows(2), targets={NAME: NAME}, group=None, output_dir=folder, preset="toy",
        **{"steps": 1, "level_steps": 1, "batch_size": 3, "level_batch_size": 2, "rater_spread": ".sd", **settings},
    )  # fmt: skip


def test_ratings_are_learned_by_a_weighted_sum_of_terms(backbone, tmp_path, monkeypatch):
    train, compared = rows(1), []

    def compare(stage, module, lessons, loss):
        if stage != NAME:
            return
        states = torch.stack([last_state(module.assessor.backbone, [s.edited, papers.QUESTIONS[NAME]],
                                         papers.STARTS[NAME]) for s in train])  # fmt: skip
        with torch.no_grad():
            predicted = module.head(states)[:, 0].double().numpy()
        ratings = np.array(papers.RATINGS[NAME])
        wanted = (ratings - ratings.mean()) / ratings.std()
        weights = 1 / (np.square(SPREADS) + np.median(SPREADS) ** 2)
        weights /= weights.mean()
        covariance = np.cov(predicted, wanted, aweights=weights)
        plcc = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        expected = np.mean(weights * np.abs(predicted - wanted)) + 2 * (1 - plcc)
        assert abs(plcc - pearsonr(predicted, wanted).statistic) > 1e-3  # the weights matter
        compared.append(stage)
        assert loss == pytest.approx(expected, rel=10 * ROUNDING)  # small differences of states, divided by each other

    before_each_stage(monkeypatch, compare)
    fit(backbone, tmp_path / "run", loss="l1+2*plcc", levels=False)
    assert compared == [NAME]


def test_soft_levels_are_gaussians_around_the_ratings(backbone, tmp_path, monkeypatch):
    train, compared = rows(1), []

    def compare(stage, module, lessons, loss):
        if stage != "projector":
            return
        own = module.assessor.backbone
        words = [own.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0]
                 for word in ("bad", "poor", "fair", "good", "excellent")]  # fmt: skip
        losses = []
        for sample, rating, spread in zip(train, papers.RATINGS[NAME], SPREADS, strict=True):
            inputs = answered(own, [sample.edited, papers.QUESTIONS[NAME]], papers.STARTS[NAME])
            del inputs["labels"]
            with torch.no_grad():
                logits = own.model(**inputs).logits[0, -1].double().numpy()
            masses = np.diff(norm.cdf(np.linspace(10, 100, 6), rating, spread))  # the training ratings' range
            losses.append(-(masses / masses.sum()) @ log_softmax(logits)[words])
        compared.append(stage)
        assert loss == pytest.approx(np.mean(losses), rel=ROUNDING)

    before_each_stage(monkeypatch, compare)
    fit(backbone, tmp_path / "run", level_loss="soft")
    assert compared == ["projector"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"loss": "plcc"}, r"does not teach the unit of the ratings; add l1 or l2: l1\+plcc"),
     ({"loss": "l1+srcc"}, "not a sum of different terms"),
     ({"loss": "l1+plcc", "batch_size": 2}, "compares 3 examples or more, and only 2 are in memory")],
)  # fmt: skip
def test_losses_that_teach_no_rating_are_refused_before_anything_is_trained(backbone, tmp_path, settings, why):
    with pytest.raises(RecipeError, match=why):
        fit(backbone, tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "training").exists()
