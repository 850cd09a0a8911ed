"""Scores against people's preferences: pairs of items, or rankings of several, and which of two people prefer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..agreement.bootstrap import Resampling, bootstrap_interval, cluster_codes
from ..agreement.columns import Table, Tabular, own_columns, read_table
from ..agreement.measure import AgreementError, Floats, UndefinedError
from ..agreement.preferences import CONTRADICTION, calibrated_threshold, differences, predictions, preference_accuracy
from ..agreement.result import ALL, Agreement, Line, Pair, average_over
from ..agreement.significance import Comparison, paired_test
from ..pairs.choices import read_choices
from ..pairs.reading import OUTCOME_SUFFIX
from ..wording import expected_one_of, first_few, plural
from .directions import directions
from .options import AgreementOptions

PREFERENCE = "preference"
WITHOUT, WITH = "pairs_without_ties", "pairs_with_ties"
"""Accuracy over the pairs that people did not tie, and over all pairs."""

OUTCOMES = {"win": 1.0, "loss": -1.0, "tie": 0.0, "inconsistent": CONTRADICTION}


@dataclass(frozen=True, eq=False)
class Preferences:
    """People's preferences (n,): the names of both items, 1, -1 or 0 for a tie, and the row of the table of each."""

    first: Sequence[str]
    second: Sequence[str]
    choice: Floats
    rows: np.ndarray
    left_out: Mapping[str, int]
    ranked: bool


def evaluate_preferences(
    scores: Tabular, preferences: Tabular, options: AgreementOptions | None = None, **changes: Any
) -> Agreement:
    """Return how often each score prefers the item that people prefer.

    - scores: as for `evaluate`: a row for each item, with an `id`, or `system` and an item; the item with the better
      score is predicted. Or the table of an arena, whose judges' outcomes are the predictions.
    - preferences: a row for each pair, with `item_a` and `item_b` (or `system_a`, `system_b` and `item`) and the
      `winner`; or `chosen` and `rejected`; or, for rankings, a row for each `item` with its `rank` in its `group`.
    - options: `columns`, `group_by`, `cluster` (columns of the preferences), `replicates`, `level`, `seed`, `against`,
      `tie_threshold`, `lower_is_better` and `higher_is_better`, as for `evaluate`.

    Each score has two lines: its accuracy without people's ties, and with them, its own ties being differences up to
    the calibrated tie threshold. A contradiction of a judge is wrong in both. Pairs of a ranking are not independent,
    and its group is the cluster by default.

    >>> scores = {"id": ["a", "b", "c"], "psnr": [20, 25, 30]}
    >>> people = {"item_a": ["a", "b", "a"], "item_b": ["b", "c", "c"], "winner": ["b", "c", "c"]}
    >>> evaluate_preferences(scores, people).value("psnr", "pairs_without_ties")
    1.0
    """
    chosen = (options or AgreementOptions()).changed(**changes)
    table, asked = read_table(scores, "the scores"), read_table(preferences, "the preferences")
    own = own_columns(chosen.columns, table, asked)
    table = table.named(own[0], systems=True)
    asked, people = _read(asked, own[1])
    clusters = _clusters(asked, people, chosen.cluster)
    columns = _judges(table) or [name for name in table.measured() if name not in ("rank", "group", "item")]
    if not columns:
        raise AgreementError(f"{table.name} has no column of scores")
    better = directions(
        scores, columns, lower=chosen.lower_is_better, higher=chosen.higher_is_better, known=chosen.known_directions
    )
    notes = [f"rows of {asked.name} left out: {count} ({reason})" for reason, count in people.left_out.items()]
    compared = [_compare(table, people, name, better.get(name, True), chosen.tie_threshold) for name in columns]
    resampling = Resampling(chosen.replicates, chosen.level, chosen.seed)
    groups = {column: np.array(asked.texts(column), object)[people.rows] for column in chosen.group_by}
    lines = [line for one in compared for line in _lines(one, people, groups, clusters, resampling)]
    for one in compared:
        missing = int(np.isnan(one.predicted).sum())
        notes += [f"pairs of which an item has no {one.score}: {missing}"] if missing else []
        notes += [f"{one.score}: differences up to {one.threshold:.4g} are ties"] if one.threshold else []
        contradictions = int((one.predicted == CONTRADICTION).sum())
        wrong = f"{one.score} contradicts itself in {plural(contradictions, 'pair')}, which counts as wrong"
        notes += [wrong] if contradictions else []
    if assumed := [name for name in columns if name not in better and name not in _judges(table)]:
        notes.append(f"taken as higher is better: {', '.join(assumed)} (--lower-is-better NAME where it is not)")
    tests, untested = _tests(compared, people, clusters, chosen)
    settings = {name: getattr(chosen, name) for name in ("replicates", "level", "seed", "cluster")}
    requested = [ALL, *map(average_over, chosen.group_by)]
    pairs = [_as_pair(one, people, better, clusters) for one in compared]
    return Agreement(lines, pairs, tests, notes + untested, settings, requested, untested)


@dataclass(frozen=True, eq=False)
class _Compared:
    """A score on the pairs: predictions (n,) with calibrated ties, and without any; NaN where an item has no score."""

    score: str
    predicted: Floats
    strict: Floats
    threshold: float


def _read(asked: Table, columns: Mapping[str, str]) -> tuple[Table, Preferences]:
    """The table under the names that its columns are read as, and its preferences."""
    read = read_choices(asked.name, asked.columns, columns)
    broken = {"they cannot be read": len(asked.broken)} if asked.broken else {}
    left_out = {**broken, **read.left_out}
    if not read.choices:
        raise AgreementError(f"{asked.name} has no pair with a winner ({first_few(left_out) or 'no row'})")
    people = Preferences(
        ["\0".join(one.first) for one in read.choices],
        ["\0".join(one.second) for one in read.choices],
        np.array([OUTCOMES[one.outcome] for one in read.choices]),
        np.array([one.row for one in read.choices]),
        left_out,
        read.ranked,
    )
    return Table(asked.name, read.cells, asked.broken), people


def _clusters(asked: Table, people: Preferences, cluster: str | None) -> np.ndarray:
    column = cluster or ("group" if people.ranked else None)
    if column is None:
        return np.arange(len(people.rows))
    texts = np.array([str(text) for text in asked.texts(column)])
    return cluster_codes(texts[people.rows], len(people.rows))


def _judges(table: Table) -> list[str]:
    """The judges of an arena's table."""
    return [name.removesuffix(OUTCOME_SUFFIX) for name in table.columns if name.endswith(OUTCOME_SUFFIX)]


def _compare(table: Table, people: Preferences, score: str, higher: bool, threshold: float | None) -> _Compared:
    if f"{score}{OUTCOME_SUFFIX}" in table:
        predicted = _judged(table, people, score)
        return _Compared(score, predicted, predicted, 0.0)
    values = table.numbers(score, infinite=True)[0]
    row_of = _rows_by_name(table, dict.fromkeys([*people.first, *people.second]))
    at = [np.array([row_of.get(name, -1) for name in names]) for names in (people.first, people.second)]
    one, other = (np.where(rows < 0, np.nan, values[rows]) for rows in at)
    gap = differences(one, other) * (1 if higher else -1)
    known = ~np.isnan(gap)
    if not known.any():
        names = first_few(name.replace("\0", "/") for name in people.first)
        raise AgreementError(f"no pair has both items in {table.name} with a {score}: {names}")
    if threshold is None:
        threshold = calibrated_threshold(gap[known], people.choice[known])
    with_ties, strict = (np.where(known, predictions(np.nan_to_num(gap), tie), np.nan) for tie in (threshold, 0.0))
    return _Compared(score, with_ties, strict, threshold)


def _rows_by_name(table: Table, names: Collection[str]) -> dict[str, int]:
    """From each name of an item to its row: its id, its path, and its system with the id inside it or the source.

    Raises `AgreementError` where one of `names` is that of several rows.
    """
    empty: list[str | None] = [None] * len(table)
    ids, edited, systems, sources = (
        table.texts(name) if name in table else empty for name in ("id", "edited", "system", "source")
    )
    inside = [f"{system}\0{(one or '').removeprefix(f'{system}/')}" for system, one in zip(systems, ids, strict=True)]
    by_source = [f"{system}\0{source}" for system, source in zip(systems, sources, strict=True)]
    rows: dict[str, int] = {}
    for column in (ids, edited, inside, by_source):
        counts = Counter(column)
        if repeated := [name for name in names if counts[name] > 1 and name not in rows]:
            shown = first_few(name.replace("\0", "/") for name in repeated)
            raise AgreementError(
                f"several rows of {table.name} are named {shown}; expected one: name both items by unique ids, or by "
                "system_a, system_b and item"
            )
        rows = {name: row for row, name in enumerate(column) if name} | rows
    return rows


def _judged(table: Table, people: Preferences, judge: str) -> Floats:
    """The outcomes of an arena's judge for the first item of each pair."""
    names = ("system", "rival_system", "source", "edited", "rival", f"{judge}{OUTCOME_SUFFIX}")
    texts = {name: table.texts(name) if name in table else [None] * len(table) for name in names}
    outcomes: dict[tuple[str, str], float] = {}
    disputed: set[tuple[str, str]] = set()
    for system, other, source, edited, rival, outcome in zip(*texts.values(), strict=True):
        if outcome in OUTCOMES:
            value = OUTCOMES[outcome]
            turned = value if value == CONTRADICTION else -value
            for one, two in ((f"{system}\0{source}", f"{other}\0{source}"), (str(edited), str(rival))):
                disputed |= {(one, two), (two, one)} if outcomes.get((one, two), value) != value else set()
                outcomes |= {(one, two): value, (two, one): turned}
    pairs = [*zip(people.first, people.second, strict=True)]
    if repeated := dict.fromkeys(pair for pair in pairs if pair in disputed):
        shown = first_few(" and ".join(pair).replace("\0", "/") for pair in repeated)
        raise AgreementError(
            f"{judge} decides differently in several rows of {table.name} on {shown}; expected one row for each pair: "
            "name both items by their paths"
        )
    predicted = np.array([outcomes.get(pair, np.nan) for pair in pairs])
    if np.isnan(predicted).all():
        raise AgreementError(f"no pair of people is among those that {judge} judged")
    return predicted


def _lines(
    one: _Compared, people: Preferences, groups: Mapping[str, np.ndarray], clusters: np.ndarray, resampling: Resampling
) -> Iterator[Line]:
    every = np.ones(len(people.choice), bool)
    for measure in (WITHOUT, WITH):
        yield _line(one, people, measure, ALL, every, clusters, resampling)
        for column, texts in groups.items():
            names = [name for name in dict.fromkeys(texts.tolist()) if name is not None]
            parts = [
                _line(one, people, measure, f"{column}={name}", texts == name, clusters, resampling) for name in names
            ]
            yield from parts
            values = [line.value for line in parts if line.value is not None]
            mean = float(np.mean(values)) if values else None
            n, excluded = sum(line.n for line in parts), sum(line.excluded for line in parts)
            note = None if values else "no group has a value"
            yield Line(
                one.score, PREFERENCE, average_over(column), measure, mean, None, None, n, excluded, len(values), note
            )


def _line(
    one: _Compared,
    people: Preferences,
    measure: str,
    group: str,
    inside: np.ndarray,
    clusters: np.ndarray,
    resampling: Resampling,
) -> Line:
    rows = inside & _usable(one, people, measure)
    n, excluded = int(rows.sum()), int(inside.sum() - rows.sum())
    predicted = (one.strict if measure == WITHOUT else one.predicted)[rows]
    low = high = note = None
    if not n:
        note = "no such pair with both scores"
        return Line(one.score, PREFERENCE, group, measure, None, None, None, n, excluded, note=note)
    value = preference_accuracy(predicted, people.choice[rows])
    if resampling.replicates:
        try:
            low, high = bootstrap_interval(
                preference_accuracy, predicted, people.choice[rows], clusters=clusters[rows], resampling=resampling
            )
        except UndefinedError as undefined:
            note = str(undefined)
    return Line(one.score, PREFERENCE, group, measure, value, low, high, n, excluded, note=note)


def _usable(one: _Compared, people: Preferences, measure: str) -> np.ndarray:
    """The pairs of a measure that have both scores."""
    usable = ~np.isnan(one.predicted)
    return np.asarray(usable & (people.choice != 0) if measure == WITHOUT else usable)


def _tests(
    compared: Sequence[_Compared], people: Preferences, clusters: np.ndarray, options: AgreementOptions
) -> tuple[list[Comparison], list[str]]:
    """Paired tests of each score against one, on the pairs that both have."""
    if options.against is None:
        return [], []
    names = [one.score for one in compared]
    if options.against not in names:
        raise AgreementError(
            f"{options.against!r} is not a score that is evaluated; {expected_one_of(options.against, names)}"
        )
    other = compared[names.index(options.against)]
    resampling = Resampling(options.replicates or 1000, options.level, options.seed)
    tests, untested = [], []
    for one in compared:
        for measure in (WITHOUT, WITH) if one is not other else ():
            rows = _usable(one, people, measure) & _usable(other, people, measure)
            mine, theirs = ((each.strict if measure == WITHOUT else each.predicted)[rows] for each in (one, other))
            try:
                test = paired_test(
                    mine,
                    theirs,
                    people.choice[rows],
                    measure=preference_accuracy,
                    names=(one.score, other.score, PREFERENCE),
                    clusters=clusters[rows],
                    resampling=resampling,
                )
            except UndefinedError as undefined:
                untested.append(f"{one.score} is not tested against {other.score} by {measure}: {undefined}")
                continue
            tests.append(replace(test, measure=measure, excluded=int((~rows).sum())))
    return tests, untested


def _as_pair(one: _Compared, people: Preferences, better: Mapping[str, bool], clusters: np.ndarray) -> Pair:
    """The arrays behind the lines of a score."""
    kept = np.flatnonzero(~np.isnan(one.predicted))
    ids = np.array([f"{a} / {b}".replace("\0", "/") for a, b in zip(people.first, people.second, strict=True)], object)
    return Pair(
        one.score, PREFERENCE, people.rows[kept], ids[kept], one.predicted[kept], people.choice[kept], None, None, {},
        clusters[kept], {}, higher_is_better=better.get(one.score, True), direction_known=one.score in better,
        tie_threshold=one.threshold,
    )  # fmt: skip
