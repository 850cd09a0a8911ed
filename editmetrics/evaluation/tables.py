"""How well scores agree with human ratings: two tables in, every number with its interval and its exclusions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import numpy as np

from ..agreement.bootstrap import LEVEL, REPLICATES, cluster_codes
from ..agreement.columns import Table, Tabular, read_table
from ..agreement.join import join
from ..agreement.labels import best_threshold
from ..agreement.lines import Resampling, lines_of
from ..agreement.logistic import Direction, fit_logistic
from ..agreement.measure import AgreementError, UndefinedError, paired
from ..agreement.measures import (
    ERRORS,
    FITTED,
    FOR_LABELS,
    FOR_NUMBERS,
    PAIRWISE,
    Applied,
    applied,
    check_names,
    toward_quality,
)
from ..agreement.pairing import Pairs, RatedItems, meeting_columns
from ..agreement.pairwise import calibrated_tie_threshold
from ..agreement.result import ALL, SYSTEM_LEVEL, Agreement, Line, Pair, average_over
from ..agreement.significance import Comparison, paired_test
from ..wording import first_few
from .directions import directions

_SUITS = {True: "it needs labels, such as yes and no", False: "it needs ratings that are numbers"}


def evaluate(
    scores: Tabular,
    ratings: Tabular,
    *,
    pairs: Pairs = None,
    on: Sequence[str] = (),
    measures: Sequence[str] = (),
    group_by: Sequence[str] = (),
    system: str | None = None,
    cluster: str | None = None,
    replicates: int = 0,
    level: float = LEVEL,
    seed: int = 0,
    fit: Literal[4, 5] | None = 4,
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
    known_directions: Mapping[str, bool | None] | None = None,
    scale: tuple[float, float] | None = None,
    against: str | None = None,
    positive: str | None = None,
    threshold: float | None = None,
    tie_threshold: float | None = None,
    rating_tie: float = 0.0,
) -> Agreement:
    """The agreement of every score column with the rating column that it meets.

    - scores, ratings: a csv, jsonl or parquet file, a mapping of columns or a polars table, one row an item; scores may
      also be the `Results` of `score`.
    - pairs: which score column meets which rating column. By default equal names meet (of `METRIC.DIMENSION`, the
      dimension counts, too), and where there is one rating column, all scores meet it.
    - on: the columns to join by. By default `id`, else `id` and `system`, else the path `edited`.
    - measures: names of `agreement.measures.MEASURES`; by default those that suit the ratings.
    - group_by: columns whose groups are measured one by one and averaged. system: the column of the system level; by
      default `system` where there is one.
    - cluster: the column whose items are resampled together (`source`). replicates: of the bootstrap; 0: no intervals.
    - fit: 4 or 5 parameters of the logistic curve, None for none.
    - lower_is_better, higher_is_better: scores of that direction. Otherwise the direction is that of the metric: as the
      `Results` say it, or as it is installed. known_directions: the same from a caller that knows its columns, from
      name to whether higher is better. Scores of no known direction are taken as higher is better; a note says so.
    - scale: (low, high) of the ratings; what lies outside is left out and counted.
    - against: a score column that every other one is tested against on the same items, by `measures` (default: SRCC,
      AUC for labels), with 1000 replicates unless told otherwise.
    - positive: the rating that is the positive label, where ratings are words. threshold: scores from here on (up to
      here, for lower is better) are predicted positive; by default the one with the best balanced accuracy.
    - tie_threshold: scores that differ by no more are a tie, in pairwise accuracy; by default calibrated. rating_tie:
      the same of ratings.

    Every row of the ratings is counted in every line, as measured (`n`) or left out (`excluded`). A measure that is
    undefined has no value, and a note says why. Raises `AgreementError` for tables that cannot be joined, for columns
    that are not there, and when no score meets a rating.

    >>> scores = {"id": ["a", "b", "c", "d"], "psnr": [20, 25, 30, 28]}
    >>> found = evaluate(scores, {"id": ["d", "c", "b", "a"], "mos": [70, 80, 50, 40]})
    >>> found.value("psnr", "srcc"), found.line("psnr", "srcc").n
    (1.0, 4)
    """
    check_names(measures)
    if fit not in (4, 5, None):
        raise AgreementError(f"fit is {fit!r}; expected 4, 5 or None")
    if not 0 < level < 1:
        raise AgreementError(f"the level of the intervals is {level}; expected a number between 0 and 1, such as 0.95")
    if threshold is not None and not np.isfinite(threshold):
        raise AgreementError(f"the threshold is {threshold}; expected a number in the unit of the scores")
    if scale is not None and not scale[0] < scale[1]:
        raise AgreementError(f"the scale is {scale[0]} to {scale[1]}; expected the lowest rating first")
    tables = read_table(scores, "the table of scores"), read_table(ratings, "the table of ratings")
    items = RatedItems(*tables, join(*tables, on))
    meeting = meeting_columns(*tables, pairs, positive)
    _check_scores([*lower_is_better, *higher_is_better, *([against] if against else [])], meeting)
    notes = [note for table in tables for note in _broken(table)] + items.joined.notes(*tables)
    asked = [ALL, *map(average_over, group_by), *([SYSTEM_LEVEL] if system else [])]
    system = system or ("system" if items.has("system") else None)
    grouped = {column: items.texts(column) for column in group_by}
    systems = items.texts(system) if system else None
    sources = items.texts("source") if items.has("source") else None
    clusters = _clusters(items, cluster)
    if (replicates or against) and cluster is None and _repeats(sources):
        notes.append("items share sources but are resampled one by one; --cluster source draws them together")
    better = directions(
        scores, [score for score, _ in meeting], lower=lower_is_better, higher=higher_is_better, known=known_directions
    )
    found: list[Pair] = []
    lines: list[Line] = []
    for score, rating in meeting:
        x, y, reasons = items.numbers(score, rating, scale, positive)
        kept = np.flatnonzero(reasons == "")
        pair = Pair(
            score=score,
            rating=rating,
            rows=kept,
            ids=items.joined.ids[kept],
            scores=x[kept],
            ratings=y[kept],
            systems=None if systems is None else systems[kept],
            sources=None if sources is None else sources[kept],
            groups={column: texts[kept] for column, texts in grouped.items()},
            clusters=cluster_codes(None if clusters is None else clusters[kept].astype(str), len(kept)),
            excluded=Counter(reason for reason in reasons.tolist() if reason),
            higher_is_better=better.get(score, True),
            direction_known=score in better,
            labels=items.are_labels(rating, positive),
        )
        found.append(
            _calibrated(pair, measures, fit, threshold, tables[0].are_labels(score), tie_threshold, rating_tie)
        )
        notes += items.excluded(reasons, score, rating)
    rated_in = {column: Counter(text for text in texts if text is not None) for column, texts in grouped.items()}
    resampling = Resampling(replicates, level, seed)
    for pair in found:
        chosen = applied(pair, measures, rating_tie)
        if fit is None and not measures:
            chosen = [measure for measure in chosen if measure.name not in FITTED]
        lines += lines_of(pair, chosen, len(items), rated_in, resampling)
    if assumed := list(dict.fromkeys(pair.score for pair in found if not pair.direction_known)):
        notes.append(f"taken as higher is better: {', '.join(assumed)} (--lower-is-better NAME where it is not)")
    unanswered = [name for name in dict.fromkeys(measures) if name not in {line.measure for line in lines}]
    notes += [f"{name} suits none of the ratings: {_SUITS[name in FOR_LABELS]}" for name in unanswered]
    comparisons: list[Comparison] = []
    if against:
        resampling = Resampling(replicates or REPLICATES, level, seed)
        comparisons, said = _comparisons(found, against, measures, rating_tie, resampling, len(items), clusters)
        notes += said
        unanswered += said
    settings = {
        "replicates": replicates,
        "level": level,
        "seed": seed,
        "cluster": cluster,
        "system": system,
        "fit": fit,
    }
    return Agreement(lines, found, comparisons, notes, settings, asked, unanswered)


def _calibrated(
    pair: Pair,
    measures: Sequence[str],
    fit: Literal[4, 5] | None,
    threshold: float | None,
    answers: bool,
    tie_threshold: float | None,
    rating_tie: float,
) -> Pair:
    """The pair with all that its measures take from the items as a whole: curve, threshold, tie threshold.

    A curve goes the way that the score claims, where that is known. Scores that are answers (yes and no, 1 and 0) are
    labels already.
    """
    if pair.labels:
        if threshold is not None or answers:
            return replace(pair, threshold=0.5 if threshold is None else threshold, threshold_given=True)
        try:
            best = best_threshold(toward_quality(pair), pair.ratings)
        except UndefinedError:
            return pair  # the measures that need it say so
        return replace(pair, threshold=best if pair.higher_is_better else -best)
    wanted = measures or FOR_NUMBERS
    if PAIRWISE in wanted and tie_threshold is None:
        with suppress(UndefinedError):  # which every measure says of itself
            tie_threshold = calibrated_tie_threshold(pair.scores, pair.ratings, rating_tie=rating_tie)
    pair = replace(pair, tie_threshold=tie_threshold)
    if fit is None:
        return replace(pair, fit_problem="no curve was asked for")
    claimed: Direction = "increasing" if pair.higher_is_better else "decreasing"
    direction = claimed if pair.direction_known else None
    try:
        return replace(pair, fit=fit_logistic(pair.scores, pair.ratings, fit, direction, pair.clusters))
    except UndefinedError as undefined:
        return replace(pair, fit_problem=str(undefined))


def _comparisons(
    pairs: Sequence[Pair],
    against: str,
    measures: Sequence[str],
    rating_tie: float,
    how: Resampling,
    rated: int,
    clusters: np.ndarray | None,
) -> tuple[list[Comparison], list[str]]:
    """Each score against one, on the items that have both; and notes on what could not be tested."""
    found, notes = [], []
    for other in [pair for pair in pairs if pair.score == against]:
        for pair in pairs:
            if pair.rating != other.rating or pair.score == against:
                continue
            shared, at, at_other = np.intersect1d(pair.rows, other.rows, return_indices=True)
            names = measures or (("auc",) if pair.labels else ("srcc",))
            for one, two in zip(applied(pair, names, rating_tie), applied(other, names, rating_tie), strict=True):
                try:
                    if one.values is None or two.values is None:
                        raise UndefinedError(str((one if one.values is None else two).note))
                    test = paired_test(
                        _comparable(one, pair)[at],
                        _comparable(two, other)[at_other],
                        pair.ratings[at],
                        names=(pair.score, against, pair.rating),
                        measure=one.measure,
                        other_measure=two.measure,
                        lower_is_better=one.name in ERRORS,
                        clusters=None if clusters is None else clusters[shared].astype(str),
                        replicates=how.replicates,
                        level=how.level,
                        seed=how.seed,
                    )
                except UndefinedError as undefined:
                    notes.append(f"{pair.score} cannot be tested against {against} by {one.name}: {undefined}")
                    continue
                found.append(replace(test, measure=one.name, excluded=rated - test.n))
    return found, notes


def _comparable(measure: Applied, pair: Pair) -> np.ndarray:
    """The values of a measure, turned so that a larger one is better agreement for scores of either direction."""
    values, _ = paired(measure.values if measure.values is not None else [], pair.ratings)
    turned = measure.name in ("srcc", "krcc", "plcc") and not pair.higher_is_better
    return -values if turned else values


def _check_scores(names: Sequence[str], meeting: Sequence[tuple[str, str]]) -> None:
    known = list(dict.fromkeys(score for score, _ in meeting))
    for name in names:
        if name not in known:
            raise AgreementError(f"{name!r} is no score that is evaluated; these are {', '.join(known)}")


def _broken(table: Table) -> list[str]:
    if not table.broken:
        return []
    return [f"rows of {table.name} that cannot be read: {len(table.broken)} ({first_few(table.broken)})"]


def _clusters(items: RatedItems, cluster: str | None) -> np.ndarray | None:
    """The cluster of each rated item. Raises `AgreementError` when one has none."""
    if cluster is None:
        return None
    clusters = items.texts(cluster)
    if missing := [name for name, text in zip(items.joined.ids, clusters, strict=True) if text is None]:
        raise AgreementError(f"{len(missing)} rated items have no {cluster} ({first_few(missing)}); fill in the column")
    return clusters


def _repeats(sources: np.ndarray | None) -> bool:
    return sources is not None and len(set(sources)) < len(sources)
