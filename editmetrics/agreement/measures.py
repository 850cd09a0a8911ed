"""The measures by name, and how each takes a pair of columns: raw, through the fitted curve, or as labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..wording import expected_one_of
from . import labels
from .correlation import krcc, mae, plcc, rmse, srcc
from .measure import AgreementError, Floats, Measure
from .pairwise import pairwise_measure
from .result import Pair

RAW = {measure.name: measure for measure in (srcc, krcc, plcc, rmse, mae)}
FITTED = {f"{measure.name}_fitted": measure for measure in (plcc, rmse, mae)}
LABEL_MEASURES = {
    measure.name: measure
    for measure in (
        labels.accuracy,
        labels.balanced_accuracy,
        labels.precision,
        labels.recall,
        labels.specificity,
        labels.f1,
        labels.f1_positive,
    )
}
PAIRWISE, AUC = "pairwise_accuracy", labels.auc.name

FOR_NUMBERS = ("srcc", "krcc", "plcc", "plcc_fitted", "rmse_fitted", PAIRWISE)
"""The default for ratings that are numbers, without rmse and mae: these require scores on the scale of the ratings."""

FOR_LABELS = (AUC, *LABEL_MEASURES)
MEASURES = (*RAW, *FITTED, PAIRWISE, *FOR_LABELS)
ERRORS = frozenset({"rmse", "mae", "rmse_fitted", "mae_fitted"})
"""Lower is better for these; higher for the others, once the score's own direction is taken into account."""


@dataclass(frozen=True, eq=False)
class Applied:
    """A measure as it applies to a pair: the values (n,) that it takes for scores, and a note for the reader.

    `values` is None where the measure cannot be applied, and `note` gives the reason. `at_system_level` is the measure
    of the systems' means, None where the measure has none.
    """

    name: str
    measure: Measure
    values: Floats | None
    note: str | None = None
    at_system_level: Measure | None = None


def check_names(names: Sequence[str]) -> None:
    """Raise `AgreementError` for an unknown measure."""
    for name in names:
        if name not in MEASURES:
            raise AgreementError(f"unknown measure {name!r}; {expected_one_of(name, MEASURES)}")


def applied(pair: Pair, names: Sequence[str], rating_tie: float = 0.0) -> list[Applied]:
    """Return the measures `names` (by default all that suit the ratings) as they apply to `pair`, in their order.

    Measures of labels are left out for ratings that are numbers, and the other way round.
    """
    fitting = FOR_LABELS if pair.labels else [name for name in MEASURES if name not in FOR_LABELS]
    default = FOR_LABELS if pair.labels else FOR_NUMBERS
    return [_apply(pair, name, rating_tie) for name in names or default if name in fitting]


def higher_better(pair: Pair) -> Floats:
    """Return the scores, turned so that higher is better."""
    return pair.scores if pair.higher_is_better else -pair.scores


def _apply(pair: Pair, name: str, rating_tie: float) -> Applied:
    if name in RAW:
        return Applied(name, RAW[name], pair.scores, at_system_level=RAW[name])
    if name in FITTED:
        measure = FITTED[name]
        if pair.fit is None:
            return Applied(name, measure, None, pair.fit_problem)
        notes = [f"{pair.fit.direction} curve of {len(pair.fit.parameters)} parameters", pair.fit.edge]
        notes += [] if pair.fit.converged else ["the search did not converge"]
        return Applied(name, measure, pair.fit(pair.scores), "; ".join(filter(None, notes)), measure)
    if name == PAIRWISE:
        tie = pair.tie_threshold or 0.0
        note = f"scores within {tie:g} are tied" if tie else None
        return Applied(name, pairwise_measure(tie, rating_tie), higher_better(pair), note, pairwise_measure())
    if name == AUC:
        return Applied(name, labels.auc, higher_better(pair))
    if pair.threshold is None:
        return Applied(name, LABEL_MEASURES[name], None, "no threshold turns the scores into labels")
    positive = pair.scores >= pair.threshold if pair.higher_is_better else pair.scores <= pair.threshold
    chosen = "" if pair.threshold_given else ", chosen on these items by balanced accuracy"
    note = f"positive {'from' if pair.higher_is_better else 'up to'} {pair.threshold:g}{chosen}"
    return Applied(name, LABEL_MEASURES[name], positive.astype(np.float64), note)
