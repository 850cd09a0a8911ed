"""Agreement of scores with human ratings: two tables in; every number with its interval and its exclusions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..agreement.bootstrap import REPLICATES, Resampling, cluster_codes
from ..agreement.columns import Table, Tabular, named_tables, read_table
from ..agreement.join import join
from ..agreement.labels import best_threshold
from ..agreement.lines import lines_of
from ..agreement.logistic import Direction, fit_logistic
from ..agreement.measure import AgreementError, UndefinedError, paired
from ..agreement.measures import ERRORS, FITTED, FOR_LABELS, FOR_NUMBERS, PAIRWISE, Applied, applied, higher_better
from ..agreement.pairing import RatedItems, match_columns
from ..agreement.pairwise import calibrated_tie_threshold
from ..agreement.result import ALL, SYSTEM_LEVEL, Agreement, Line, Pair, average_over
from ..agreement.significance import Comparison, paired_test
from ..wording import expected_one_of, first_few, plural
from .directions import directions
from .options import AgreementOptions

_SUITS = {True: "it requires labels, such as yes and no", False: "it requires ratings that are numbers"}


def evaluate(scores: Tabular, ratings: Tabular, options: AgreementOptions | None = None, **changes: Any) -> Agreement:
    """Return the agreement of every score column with its rating column.

    - scores, ratings: a table on disk (csv, xlsx, jsonl, parquet, ...), a mapping of columns or a polars table, one
      row an item; scores may also be the `Results` of `score`.
    - options: `AgreementOptions`: columns, measures, groups, intervals and tests; all have defaults. Each may also be a
      keyword: `evaluate(scores, ratings, cluster="source")`.

    Every row of the ratings counts in every line, as measured (`n`) or left out (`excluded`). An undefined measure has
    no value, and a note gives the reason. Raises `AgreementError` for tables that cannot be joined, for columns that do
    not exist, and when no score column matches a rating column.

    >>> scores = {"id": ["a", "b", "c", "d"], "psnr": [20, 25, 30, 28]}
    >>> agreement = evaluate(scores, {"id": ["d", "c", "b", "a"], "mos": [70, 80, 50, 40]})
    >>> agreement.value("psnr", "srcc"), agreement.line("psnr", "srcc").n
    (1.0, 4)
    """
    chosen = (options or AgreementOptions()).changed(**changes)
    tables = named_tables(
        read_table(scores, "the table of scores"),
        read_table(ratings, "the table of ratings"),
        chosen.columns,
        chosen.on,
    )
    items = RatedItems(*tables, join(*tables, chosen.on))
    matched = match_columns(*tables, chosen.pairs, chosen.positive)
    _check_scores(chosen, matched)
    notes = [note for table in tables for note in _broken(table)] + items.joined.notes(*tables)
    labels = _ItemLabels.read(items, chosen)
    if (chosen.replicates or chosen.against) and chosen.cluster is None and labels.share_sources:
        notes.append("items share sources but are resampled one by one; --cluster source draws them together")
    better = directions(
        scores,
        [score for score, _ in matched],
        lower=chosen.lower_is_better,
        higher=chosen.higher_is_better,
        known=chosen.known_directions,
    )
    pairs: list[Pair] = []
    for score, rating in matched:
        pair, reasons = _pair(items, labels, score, rating, better, chosen)
        pairs.append(_calibrated(pair, chosen, tables[0].are_labels(score)))
        notes += items.excluded(reasons, score, rating)
    lines = list(_lines(pairs, items, labels, chosen))
    if assumed := list(dict.fromkeys(pair.score for pair in pairs if not pair.direction_known)):
        notes.append(f"taken as higher is better: {', '.join(assumed)} (--lower-is-better NAME where it is not)")
    unanswered = [name for name in dict.fromkeys(chosen.measures) if name not in {line.measure for line in lines}]
    notes += [f"{name} suits none of the ratings: {_SUITS[name in FOR_LABELS]}" for name in unanswered]
    comparisons, untested = _comparisons(pairs, chosen, len(items), labels.clusters)
    settings = {name: getattr(chosen, name) for name in ("replicates", "level", "seed", "cluster")}
    settings |= {"columns_read_as": headings} if (headings := {**tables[0].headings, **tables[1].headings}) else {}
    return Agreement(
        lines,
        pairs,
        comparisons,
        notes + untested,
        {**settings, "system": labels.system, "fit": chosen.fit},
        [ALL, *map(average_over, chosen.group_by), *([SYSTEM_LEVEL] if chosen.system else [])],
        unanswered + untested,
    )


@dataclass(frozen=True, eq=False)
class _ItemLabels:
    """Texts (rated,) that tell rated items apart: their groups, systems, sources and clusters."""

    groups: Mapping[str, np.ndarray]
    system: str | None
    systems: np.ndarray | None
    sources: np.ndarray | None
    clusters: np.ndarray | None

    @classmethod
    def read(cls, items: RatedItems, options: AgreementOptions) -> _ItemLabels:
        system = options.system or ("system" if items.has("system") else None)
        return cls(
            {column: items.texts(column) for column in options.group_by},
            system,
            items.texts(system) if system else None,
            items.texts("source") if items.has("source") else None,
            _clusters(items, options.cluster),
        )

    @property
    def share_sources(self) -> bool:
        return self.sources is not None and len(set(self.sources)) < len(self.sources)


def _pair(
    items: RatedItems,
    labels: _ItemLabels,
    score: str,
    rating: str,
    better: Mapping[str, bool],
    options: AgreementOptions,
) -> tuple[Pair, np.ndarray]:
    """The items that have both the score and the rating; and for each rated item why it is left out, else ""."""
    x, y, reasons = items.numbers(score, rating, options.scale, options.positive)
    kept = np.flatnonzero(reasons == "")
    pair = Pair(
        score=score,
        rating=rating,
        rows=kept,
        ids=items.joined.ids[kept],
        scores=x[kept],
        ratings=y[kept],
        systems=None if labels.systems is None else labels.systems[kept],
        sources=None if labels.sources is None else labels.sources[kept],
        groups={column: texts[kept] for column, texts in labels.groups.items()},
        clusters=cluster_codes(None if labels.clusters is None else labels.clusters[kept].astype(str), len(kept)),
        excluded=Counter(reason for reason in reasons.tolist() if reason),
        higher_is_better=better.get(score, True),
        direction_known=score in better,
        labels=items.are_labels(rating, options.positive),
    )
    return pair, reasons


def _lines(pairs: Sequence[Pair], items: RatedItems, labels: _ItemLabels, options: AgreementOptions) -> Iterator[Line]:
    """All lines of all pairs."""
    rated_in = {column: Counter(text for text in texts if text is not None) for column, texts in labels.groups.items()}
    resampling = Resampling(options.replicates, options.level, options.seed)
    for pair in pairs:
        measures = applied(pair, options.measures, options.rating_tie)
        if options.fit is None and not options.measures:
            measures = [measure for measure in measures if measure.name not in FITTED]
        yield from lines_of(pair, measures, len(items), rated_in, resampling)


def _calibrated(pair: Pair, options: AgreementOptions, are_answers: bool) -> Pair:
    """The pair with all that its measures take from the items as a whole: curve, threshold, tie threshold.

    A curve goes the way that the score claims, where that is known. Scores that are answers (yes and no, 1 and 0) are
    labels already.
    """
    threshold, tie_threshold = options.threshold, options.tie_threshold
    if pair.labels:
        if threshold is not None or are_answers:
            return replace(pair, threshold=0.5 if threshold is None else threshold, threshold_given=True)
        try:
            best = best_threshold(higher_better(pair), pair.ratings)
        except UndefinedError:
            return pair  # the measures that need it give the reason
        return replace(pair, threshold=best if pair.higher_is_better else -best)
    if PAIRWISE in (options.measures or FOR_NUMBERS) and tie_threshold is None:
        with suppress(UndefinedError):  # every measure gives the reason itself
            tie_threshold = calibrated_tie_threshold(pair.scores, pair.ratings, rating_tie=options.rating_tie)
    pair = replace(pair, tie_threshold=tie_threshold)
    if options.fit is None:
        return replace(pair, fit_problem="no curve was requested")
    claimed: Direction = "increasing" if pair.higher_is_better else "decreasing"
    direction = claimed if pair.direction_known else None
    try:
        return replace(pair, fit=fit_logistic(pair.scores, pair.ratings, options.fit, direction, pair.clusters))
    except UndefinedError as undefined:
        return replace(pair, fit_problem=str(undefined))


def _comparisons(
    pairs: Sequence[Pair], options: AgreementOptions, rated: int, clusters: np.ndarray | None
) -> tuple[list[Comparison], list[str]]:
    """Each score against `options.against`, on the items that have both; and a note for each test without a result."""
    comparisons, notes = [], []
    for other in [pair for pair in pairs if pair.score == options.against]:
        for pair in pairs:
            if pair.rating != other.rating or pair.score == other.score:
                continue
            names = options.measures or (("auc",) if pair.labels else ("srcc",))
            both = zip(applied(pair, names, options.rating_tie), applied(other, names, options.rating_tie), strict=True)
            for one, two in both:
                try:
                    test = _test(pair, one, other, two, options, clusters)
                except UndefinedError as undefined:
                    notes.append(f"{pair.score} cannot be tested against {other.score} by {one.name}: {undefined}")
                else:
                    comparisons.append(replace(test, measure=one.name, excluded=rated - test.n))
    return comparisons, notes


def _test(
    pair: Pair, one: Applied, other: Pair, two: Applied, options: AgreementOptions, clusters: np.ndarray | None
) -> Comparison:
    """The paired test of one measure. Raises `UndefinedError` where a score has no value of it."""
    if one.values is None or two.values is None:
        raise UndefinedError(str((one if one.values is None else two).note))
    shared, at, at_other = np.intersect1d(pair.rows, other.rows, return_indices=True)
    return paired_test(
        _comparable(one, pair)[at],
        _comparable(two, other)[at_other],
        pair.ratings[at],
        names=(pair.score, other.score, pair.rating),
        measure=(one.measure, two.measure),
        lower_is_better=one.name in ERRORS,
        clusters=None if clusters is None else clusters[shared].astype(str),
        resampling=Resampling(options.replicates or REPLICATES, options.level, options.seed),
    )


def _comparable(measure: Applied, pair: Pair) -> np.ndarray:
    """The values of a measure, turned so that a larger one is better agreement for scores of either direction."""
    values, _ = paired(measure.values if measure.values is not None else [], pair.ratings)
    turned = measure.name in ("srcc", "krcc", "plcc") and not pair.higher_is_better
    return -values if turned else values


def _check_scores(options: AgreementOptions, matched: Sequence[tuple[str, str]]) -> None:
    """Raise `AgreementError` for an option that names a column that is not evaluated."""
    known = list(dict.fromkeys(score for score, _ in matched))
    named = [*options.lower_is_better, *options.higher_is_better, *([options.against] if options.against else [])]
    for name in named:
        if name not in known:
            raise AgreementError(f"{name!r} is not a score that is evaluated; {expected_one_of(name, known)}")


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
        raise AgreementError(
            f"{plural(len(missing), 'rated item')} without {cluster} ({first_few(missing)}); fill in the column"
        )
    return clusters
