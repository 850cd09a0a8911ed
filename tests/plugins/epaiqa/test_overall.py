"""Overall quality of its parts: against sums over all outcomes, least squares of scipy, and the scores of the parts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from editmetrics.data import from_manifest
from editmetrics.mllm import readouts
from editmetrics.plugins.epaiqa.metric import EPAIQA
from editmetrics.plugins.epaiqa.overall import fitted_share, overall_of_parts
from tests.worlds.regions import DIMENSIONS, toy_region_edits


@pytest.fixture(autouse=True)
def _whatever_the_mass(monkeypatch):
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)


def test_mean_and_deviation_are_those_of_all_outcomes():
    """Three completions, five levels of harmony and five of naturalness, each drawn for itself."""
    random = np.random.default_rng(4)
    completion, harmony, natural = (random.dirichlet(np.ones(size)) for size in (3, 5, 5))
    outcomes = [
        (p * q * r, (1, 2, 0.7 * h + 0.3 * n)[c])
        for (c, p), (h, q), (n, r) in itertools.product(
            enumerate(completion), enumerate(harmony, 1), enumerate(natural, 1)
        )
    ]
    mean = sum(p * x for p, x in outcomes)
    deviation = sum(p * (x - mean) ** 2 for p, x in outcomes) ** 0.5
    levels = np.arange(1, 6)
    parts = [(p @ levels, (p @ levels**2 - (p @ levels) ** 2) ** 0.5) for p in (harmony, natural)]
    assert overall_of_parts(tuple(completion), *parts, share=0.7) == pytest.approx((mean, deviation))


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("true_share", [0.6, 1.5])
def test_the_share_is_that_of_least_squares_between_0_and_1(true_share, noise):
    random = np.random.default_rng(3)
    harmony, natural = random.uniform(1, 5, (2, 40))
    overall = true_share * harmony + (1 - true_share) * natural + noise * random.normal(size=40)
    best = minimize_scalar(
        lambda s: np.square(s * harmony + (1 - s) * natural - overall).sum(), bounds=(0, 1), method="bounded",
        options={"xatol": 1e-10},
    ).x  # fmt: skip
    assert fitted_share(harmony, natural, overall) == pytest.approx(best, abs=1e-6)


def test_there_is_no_share_of_few_edits_or_of_parts_that_are_alike():
    assert fitted_share([1, 2], [2, 1], [1, 2]) is None
    assert fitted_share([3.0] * 9, [3.0] * 9, [2.0] * 9) is None


def test_a_training_records_the_share_and_scores_with_it(random_backbone, tmp_path):
    train, val = (toy_region_edits(tmp_path / name, 24, seed=seed) for name, seed in (("train", 1), ("val", 2)))
    EPAIQA(backbone=str(random_backbone)).to("cpu").fit(
        train, val, targets={name: name for name in DIMENSIONS}, label_scale=(1, 5), output_dir=tmp_path / "run",
        preset="toy", stages=("quantitative", "explained"), quantitative_steps=2, explained_steps=2, batch_size=4,
        max_tokens=4, saved="float32",
    )  # fmt: skip
    samples = list(from_manifest(val))
    metric = EPAIQA(weights=str(tmp_path / "run"), explain=False, overall="parts").to("cpu")
    share = metric.checkpoint.settings["harmony_share"]
    scores = metric.score(samples)
    followed = [
        (score["harmony"], score["local_naturalness"], float(sample.meta["overall_quality"]))
        for score, sample in zip(scores, samples, strict=True)
        if sample.meta["prompt_completion"] == "3.000"
    ]
    assert share == pytest.approx(fitted_share(*zip(*followed, strict=True)), abs=1e-4)
    for score in scores:
        mean, deviation = score["prompt_completion"], score.uncertainty["prompt_completion"]
        moments = np.array([[1, 1, 1], [1, 2, 3], [1, 4, 9]])
        completion = np.linalg.solve(moments, [1, mean, deviation**2 + mean**2])
        parts = [(score[name], score.uncertainty[name]) for name in ("harmony", "local_naturalness")]
        value, spread = overall_of_parts(completion, *parts, share=share)
        assert (score["overall_quality"], score.uncertainty["overall_quality"]) == pytest.approx(
            (value, spread), abs=1e-4
        )
    chain = EPAIQA(weights=str(tmp_path / "run"), explain=False).to("cpu")
    assert chain.score(samples[:1])[0]["overall_quality"] != pytest.approx(scores[0]["overall_quality"], abs=1e-4)


def test_without_a_part_there_is_no_overall_quality(random_backbone, tmp_path):
    """A region that no answer gives: no naturalness, and nothing to put overall quality together of."""
    sample = next(iter(from_manifest(toy_region_edits(tmp_path, 4, seed=3))))
    metric = EPAIQA(backbone=str(random_backbone), region="model", explain=False, overall="parts").to("cpu")
    score = metric(sample)
    assert "overall_quality" not in score
    assert "no local_naturalness to put it together of" in score.reason
    assert score.status == "unparseable"
