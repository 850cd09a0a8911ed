"""A row that papers make of others: a regressor of their scores, which `editmetrics combine` fits, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...agreement.splits import split
from ...combining.cross_validation import held_out
from ...combining.regressors import chosen_regressors
from ...files.text import number_in
from ...sample import EditMetricsError
from ...wording import plural
from .method_scores import MethodScores, RatedPart
from .paper_table import CombinedScores

FOLDS = 5
"""Of the sources of the evaluated samples."""

FEWEST = 20
"""Samples, 16 of them to fit on: with fewer, a forest whose leaves have five is a constant."""


class TooFewScoresError(EditMetricsError):
    """Scores that are too few to fit a regressor; the message has their number."""


def combined_scores(part: RatedPart, row: CombinedScores, scores: Sequence[MethodScores], spec: str) -> MethodScores:
    """Return what a regressor of `scores`, in the order of `row.scores`, predicts of each evaluated sample.

    It is fitted to the other samples of the part: of five folds, to the four that hold no sample of the same source.
    The samples are those with a rating that the protocol compares, and with every score. Raises `TooFewScoresError` for
    less than 20 of them, `SplitError` for fewer sources than folds, and `AgreementError` without scikit-learn.
    """
    chosen_regressors((row.regressor,))
    cells = [method.cells.get(one.rating, {}) for method, one in zip(scores, row.scores, strict=True)]
    ratings = part.ratings_of(row.rating)
    names = [name for name in ratings if all(_is_score(of_method.get(name)) for of_method in cells)]
    if len(names) < FEWEST:
        count = f"{len(names)} of {plural(len(ratings), 'sample')} with a rating have"
        raise TooFewScoresError(f"{count} all scores that it combines; {FEWEST} are required")
    values = np.array([[float(of_method[name]) for of_method in cells] for name in names])
    source_of = dict(zip(part.table["id"], part.sources, strict=True))
    fold = split([source_of[name] for name in names], (1,) * FOLDS)
    predicted = held_out(row.regressor, values, np.array([ratings[name] for name in names]), fold)
    return MethodScores({row.rating: dict(zip(names, predicted.tolist(), strict=True))}, spec=spec)


def _is_score(cell: Any) -> bool:
    number = number_in(cell)
    return number is not None and math.isfinite(number)
