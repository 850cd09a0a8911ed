"""HPE-Bench: detection of edited images for each editing model, three quality dimensions, ranking of editing models.

The paper's detection columns are not what their headings say, as its own numbers show. In Table I, "Acc" of the
baselines is the balanced accuracy (R + TNR) / 2, with one true negative rate on the same real images for all editing
models, and "F1" is 2R / (1 + R), the F1 on edited images alone, where nothing can be a false positive. In the row of
the paper's own method the two columns hold that F1 and the recall R. So every figure stands here under its own name,
and the two columns of the baselines once more, as `Table I Acc` and `Table I F1`. "Overall" there is the plain mean
over editing models.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...agreement.correlation import krcc, plcc, rmse, srcc
from ...agreement.labels import auc, balanced_accuracy, f1, f1_positive, recall, specificity
from ...agreement.measure import AgreementError, Floats, Measure
from ...agreement.protocols.figures import average, system_lines, system_means
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, SYSTEM_LEVEL, Line, average_over

QUALITY = ("perceptual_quality", "editing_alignment", "attribute_preservation")
AUTHENTIC = "authentic"
THRESHOLD = 0.5
"""An image whose probability of being authentic is below this is taken for edited."""

DETECTION = (recall, specificity, balanced_accuracy, f1, f1_positive)
TABLE_I = {"Table I Acc": balanced_accuracy, "Table I F1": f1_positive}


def _figures(joined: Joined) -> Iterator[Line]:
    if joined.has_dimension(AUTHENTIC):
        yield from _detection(joined)
    rated = [dimension for dimension in QUALITY if joined.has_dimension(dimension)]
    for dimension in rated:
        yield from joined.correlations(dimension, (srcc, krcc, plcc))
    for dimension in rated:
        yield from system_lines(joined, dimension)
    if len(rated) == len(QUALITY):
        yield from _overall_rank(joined)


def _detection(joined: Joined) -> Iterator[Line]:
    """Edited is positive. Each editing model's images are judged together with all real ones."""
    authentic, real = joined.numbers(f"score.{AUTHENTIC}"), joined.numbers(f"rating.{AUTHENTIC}")
    known = real[~np.isnan(real)]
    if not np.isin(known, (0, 1)).all():
        raise AgreementError(
            f"the column 'rating.{AUTHENTIC}' holds {known[~np.isin(known, (0, 1))][0]:g}; expected 1 for real images "
            "and 0 for edited ones"
        )
    scored = authentic[~np.isnan(authentic)]
    if len(scored) and not (scored.min() >= 0 and scored.max() <= 1):
        raise AgreementError(
            f"the column 'score.{AUTHENTIC}' goes from {scored.min():g} to {scored.max():g}; expected probabilities"
        )
    nameless = (real == 0) & np.array([name is None for name in joined.texts("system")], bool)
    if nameless.any():
        raise AgreementError(f"{nameless.sum()} edited images name no editing model in the column 'system'")
    edited, predicted = 1 - real, np.where(np.isnan(authentic), np.nan, authentic < THRESHOLD)
    rows_of = {f"system={name}": rows | (edited == 0) for name, rows in joined.groups("system", edited == 1).items()}

    def line(group: str, measure: Measure, name: str, rows: np.ndarray, scores: Floats) -> Line:
        used = rows & ~np.isnan(scores)
        left_out = int(rows.sum() - used.sum())
        return joined.line(
            AUTHENTIC, group, name, partial(measure, scores[used], edited[used]), int(used.sum()), left_out
        )

    rated = ~np.isnan(real)
    measures = {measure.name: measure for measure in DETECTION} | TABLE_I
    by_measure: dict[str, list[Line]] = {name: [] for name in measures}
    for group, rows in rows_of.items():
        for name, measure in measures.items():
            by_measure[name].append(line(group, measure, name, rows, predicted))
            yield by_measure[name][-1]
    for name, lines in by_measure.items():
        if lines:
            yield average(joined, lines, average_over("system"), name)
    for measure in DETECTION:
        yield line(ALL, measure, measure.name, rated, predicted)
    yield line(ALL, auc, auc.name, rated, 1 - authentic)


def _overall_rank(joined: Joined) -> Iterator[Line]:
    """Ranks of editing models by the mean of their three mean scores, by people and by the scores: SRCC and RMSE.

    The paper prints such ranks (Table III, "Overall Rank") and not how they come from the three dimensions; neither
    their mean nor the mean of their ranks gives them. The mean is our choice.
    """
    from scipy.stats import rankdata

    scores, ratings, n, left_out = system_means(joined, QUALITY)
    of_scores, of_ratings = (rankdata(-means.mean(axis=0)) for means in (scores, ratings))
    for measure in (srcc, rmse):
        yield joined.line(
            "overall rank",
            SYSTEM_LEVEL,
            measure.name,
            partial(measure, of_scores, of_ratings),
            n,
            left_out,
            groups=len(of_scores),
        )


PROTOCOL = Protocol(
    name="hpe-bench",
    about="HPE-Bench: detection per editing model, SRCC, KRCC and PLCC of three dimensions, ranking of models",
    source="HPE-LSA, Tables I, II and III",
    dimensions={
        "authentic": "rating: 1 for a real image, 0 for an edited one; score: the probability of being real",
        "perceptual_quality": "perceptual quality",
        "editing_alignment": "editing alignment",
        "attribute_preservation": "attribute preservation",
    },
    columns={"system": "the editing model; empty for real images"},
    required=frozenset({"system"}),
    figures=_figures,
)
