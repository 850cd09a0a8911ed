"""Pick-a-Pic v1: accuracy on one split, with a tie threshold that is chosen on another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.measure import Floats, UndefinedError
from ...agreement.preferences import CONTRADICTION
from ...agreement.protocols.pair_figures import COLUMNS, PAIRS, choices, correct, item_names, share_line
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line
from ..pair_layout import PREFERENCE

TEST, VALIDATION = "test_unique", "validation_unique"
GRID = np.array([0, *(2 * np.arctanh(np.arange(1, 10) / 10)), np.inf])
"""Differences of scores at which a softmax gives two images probabilities that differ by 0, 0.1, ..., 0.9 and 1."""


def _figures(joined: Joined) -> Iterator[Line]:
    scores, people = joined.dimension(PREFERENCE)
    splits, items = joined.texts("split"), item_names(joined)
    test, validation = (~np.isnan(people) & (splits == name) for name in (TEST, VALIDATION))
    gaps = np.abs(scores[validation & ~np.isnan(scores)])
    for measure, thresholds in (("accuracy", GRID), ("accuracy_own_threshold", np.unique([0, *gaps]))):
        credits = np.array([credit(choices(joined, PREFERENCE, float(t)), people) for t in _finite(thresholds)])
        known = validation & ~np.isnan(credits[0])
        if not known.any():
            yield _without_threshold(joined, measure, int(test.sum()))
            continue
        best = credits[int(credits[:, known].mean(axis=1).argmax())]
        yield share_line(joined, PREFERENCE, measure, ALL, best[test], items[test])
    decided = test & (people != 0)
    strict = correct(choices(joined, PREFERENCE), people)
    yield share_line(joined, PREFERENCE, PAIRS, ALL, strict[decided], items[decided])


def credit(chosen: Floats, people: Floats) -> Floats:
    """Return 1 for the choice of people, half where one of both is a tie, 0 for the other image; NaN without a choice.

    >>> credit(np.array([1.0, 0, 1, -1, 0]), np.array([1.0, 1, 0, 1, 0])).tolist()
    [1.0, 0.5, 0.5, 0.0, 1.0]
    """
    half = ((chosen == 0) | (people == 0)) & (chosen != CONTRADICTION)
    values = np.where(chosen == people, 1.0, np.where(half, 0.5, 0.0))
    return np.where(np.isnan(chosen), np.nan, values)


def _finite(thresholds: Floats) -> Floats:
    return np.minimum(thresholds, np.finfo(float).max / 4)


def _without_threshold(joined: Joined, measure: str, count: int) -> Line:
    def refuse() -> float:
        raise UndefinedError(f"no pair of {VALIDATION} has a score, to choose the tie threshold on")

    return joined.line(PREFERENCE, ALL, measure, refuse, 0, count)


PROTOCOL = Protocol(
    name="pickapic-v1",
    about="Pick-a-Pic v1: accuracy on test_unique, half for one-sided ties, threshold from validation_unique",
    source="Pick-a-Pic, arXiv 2305.01569; eval_preference_predictor.py of yuvalkirstain/PickScore at f79607f; "
    "accuracy_own_threshold, pairs_without_ties and intervals are ours",
    dimensions={PREFERENCE: "which of two images the user prefers; 0 for a tie"},
    columns={"split": "test_unique or validation_unique", **COLUMNS},
    required=frozenset({"split"}),
    figures=_figures,
)
