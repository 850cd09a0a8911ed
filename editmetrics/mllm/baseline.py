"""The baseline of a trained metric: ridge regression on global image statistics, on the same rows.

A metric that learned to judge edits should predict people's ratings better than forty numbers of colours, sharpness and
size do. Every checkpoint says whether it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..agreement.correlation import krcc, plcc, srcc
from ..agreement.labels import auc, balanced_accuracy, best_threshold
from ..agreement.measure import UndefinedError, defined
from .survey import Surveyed
from .targets import Example

PENALTIES = 10.0 ** np.arange(-4, 4.25, 0.25)
"""Penalties that are tried, per training row, of standardised statistics."""

FARTHEST = 5.0
"""A statistic farther from the training mean, in deviations, is put there: one odd image should not decide."""

DECIDING = ("test srcc", "test auc", "srcc", "auc")
"""The measures by which metric and baseline are compared: the first that both have."""


class Ridge(NamedTuple):
    """A ridge regression: the prediction is `intercept + weights . z`, z the standardised statistics."""

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    intercept: float
    penalty: float

    def predict(self, statistics: np.ndarray) -> np.ndarray:
        """Predictions (n,) for statistics (n, p)."""
        return self.intercept + standardised(statistics, self.mean, self.deviation) @ self.weights


def ridge(statistics: np.ndarray, ratings: np.ndarray) -> Ridge:
    """Fit a ridge regression of ratings (n,) on statistics (n, p), in closed form.

    w = (Z'Z + a I)^-1 Z'(y - mean y) of standardised statistics Z, with the penalty a = n `PENALTIES` that has the
    least generalised cross-validation error n |y - H y|^2 / (n - tr H)^2, where H = 1/n + Z (Z'Z + a I)^-1 Z'.
    Source: Hoerl & Kennard 1970; Golub, Heath & Wahba 1979.

    >>> x = np.arange(8.0)[:, None]
    >>> ridge(x, 3 * x[:, 0]).predict(np.array([[3.5]])).round(6).tolist()
    [10.5]
    """
    mean, deviation = statistics.mean(axis=0), statistics.std(axis=0)
    deviation = np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1), deviation, np.inf)  # a constant tells nothing
    z, count = standardised(statistics, mean, deviation), len(ratings)
    centre, intercept = z.mean(axis=0), float(ratings.mean())  # not 0 where some were put nearer
    left, singular, right = np.linalg.svd(z - centre, full_matrices=False)
    projected = left.T @ (ratings - intercept)
    outside = float(((ratings - intercept) ** 2).sum() - (projected**2).sum())
    best, least = 0.0, np.inf
    for penalty in count * PENALTIES:
        kept = singular**2 / (singular**2 + penalty)
        free = count - 1 - kept.sum()
        error = count * (outside + (((1 - kept) * projected) ** 2).sum()) / free**2 if free > 1e-9 else np.inf
        if error < least:
            best, least = float(penalty), error
    best = best or float(count * PENALTIES[-1])
    weights = right.T @ (projected * singular / (singular**2 + best))
    return Ridge(mean, deviation, weights, intercept - float(centre @ weights), best)


def standardised(statistics: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Statistics (n, p) less their mean (p,), in deviations (p,), at most `FARTHEST` away."""
    return np.clip((statistics - mean) / deviation, -FARTHEST, FARTHEST)


def is_label(ratings: Sequence[float]) -> bool:
    """Return whether ratings are labels: 0 and 1, and nothing between.

    >>> is_label([0, 1, 1.0]), is_label([0.0, 0.5, 1.0]), is_label([1, 1])
    (True, False, False)
    """
    return set(ratings) == {0.0, 1.0}


def measured_baseline(
    parts: Mapping[str, Sequence[Example]], surveyed: Mapping[int, Surveyed | None]
) -> dict[str, dict[str, Any]]:
    """The agreement with ratings, by dimension, of ridge regressions that learned from the part "train".

    - `parts`: "train", "validation" and, where it was set aside, "test"; an example without a rating of a dimension is
      not used for it. `surveyed`: what was measured, by id(sample).

    Statistics of the edited image and, where every row has a source, their change from it. For ratings SRCC, PLCC and
    KRCC, for labels AUC and balanced accuracy with the threshold that is best on the training part; those of the test
    part are called "test srcc" and so on. A measure that is undefined is None.
    """
    dimensions = dict.fromkeys(name for examples in parts.values() for example in examples for name in example.targets)
    baseline: dict[str, dict[str, Any]] = {}
    for dimension in dimensions:
        rows = {name: _rows(examples, dimension, surveyed) for name, examples in parts.items()}
        everything = [one for of_part in rows.values() for one, _ in of_part]
        with_source = all(one.to_source is not None for one in everything)
        tables = {name: _table([one for one, _ in of_part], with_source) for name, of_part in rows.items() if of_part}
        ratings = {name: np.array([rating for _, rating in of_part]) for name, of_part in rows.items()}
        if "train" not in tables:
            continue
        fitted = ridge(tables["train"], ratings["train"])
        learned = fitted.predict(tables["train"]), ratings["train"]
        baseline[dimension] = {
            f"{'test ' if name == 'test' else ''}{measure}": value
            for name in tables if name != "train"
            for measure, value in agreement_of(fitted.predict(tables[name]), ratings[name], learned).items()
        }  # fmt: skip
    return baseline


def agreement_of(
    predicted: np.ndarray, ratings: np.ndarray, learned: tuple[np.ndarray, np.ndarray]
) -> dict[str, float | int | None]:
    """Agreement of predictions with ratings, or labels; `learned` are predictions and ratings of the training part."""
    count: dict[str, float | int | None] = {"n": len(ratings)}
    if not is_label(learned[1].tolist()):
        return {m.name: defined(m, predicted, ratings) for m in (srcc, plcc, krcc)} | count
    try:
        positive = (predicted >= best_threshold(*learned)).astype(float)
    except UndefinedError:
        positive = np.ones(len(ratings))
    return {"auc": defined(auc, predicted, ratings)} | {
        balanced_accuracy.name: defined(balanced_accuracy, positive, ratings)
    } | count  # fmt: skip


class BaselineComparison(NamedTuple):
    """A metric and its baseline by one measure of one dimension; a value is None where it is undefined."""

    dimension: str
    measure: str
    metric: float | None
    baseline: float

    @property
    def beaten(self) -> bool:
        """Whether the metric is better than the baseline."""
        return self.metric is not None and self.metric > self.baseline

    def __str__(self) -> str:
        measure = self.measure.removeprefix("test ").upper() + (" on the test part" * self.measure.startswith("test "))
        return (
            f"{self.dimension}: the metric ({measure} {_number(self.metric)}) does not beat ridge regression on "
            f"image statistics ({_number(self.baseline)})"
        )


def comparisons(
    validation: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]
) -> list[BaselineComparison]:
    """Compare each dimension of `validation` with the baseline, by the first of `DECIDING` that both have.

    >>> (one,) = comparisons({"quality": {"srcc": 0.5}}, {"quality": {"srcc": 0.75, "plcc": 0.7}})
    >>> print(one)
    quality: the metric (SRCC 0.500) does not beat ridge regression on image statistics (0.750)
    """
    compared = []
    for dimension, measured in baseline.items():
        of_metric = validation.get(dimension, {})
        measure = next((name for name in DECIDING if name in of_metric and measured.get(name) is not None), None)
        if measure is not None:
            compared.append(BaselineComparison(dimension, measure, of_metric[measure], measured[measure]))
    return compared


def beside_baseline(
    validation: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a table of a validation: each dimension, on validation and test data, and its baseline below it.

    A measure that the metric does not have is left out.

    >>> beside_baseline({"quality": {"srcc": 0.5, "test srcc": 0.4}}, {"quality": {"srcc": 0.75}})
    [('quality', {'srcc': 0.5}), ('  baseline', {'srcc': 0.75}), ('quality, test', {'srcc': 0.4})]
    """
    rows = []
    for dimension, measured in validation.items():
        for prefix, label in (("", dimension), ("test ", f"{dimension}, test")):
            of_baseline = {name: value for name, value in baseline.get(dimension, {}).items() if name in measured}
            both = (label, measured), ("  baseline", of_baseline)
            for name, measures in both:
                own = {key.removeprefix(prefix): value for key, value in measures.items()
                       if key.startswith("test ") == bool(prefix)}  # fmt: skip
                rows += [(name, own)] if own else []
    return rows


def _rows(
    examples: Sequence[Example], dimension: str, surveyed: Mapping[int, Surveyed | None]
) -> list[tuple[Surveyed, float]]:
    both = [(surveyed[id(example.sample)], example.targets.get(dimension)) for example in examples]
    return [(one, rating) for one, rating in both if one is not None and rating is not None]


def _table(rows: Sequence[Surveyed], with_source: bool) -> np.ndarray:
    return np.stack([
        one.edited if not with_source or one.to_source is None else np.concatenate([one.edited, one.to_source])
        for one in rows
    ])  # fmt: skip


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
