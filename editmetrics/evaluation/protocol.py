"""A protocol on two tables: join scores and ratings, and take the figures of each metric on what it scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..agreement.columns import Table, Tabular, named_tables, read_table
from ..agreement.join import On, join
from ..agreement.measure import AgreementError
from ..agreement.pairing import Pairs, RatedItems
from ..agreement.protocols.protocol import Protocol
from ..agreement.result import Agreement, Line
from ..wording import expected_one_of
from .directions import directions


def evaluate_protocol(
    protocol: Protocol,
    scores: Tabular,
    ratings: Tabular,
    *,
    pairs: Pairs = None,
    on: Sequence[On] = (),
    columns: Mapping[str, str] | None = None,
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
) -> Agreement:
    """Return the figures of `protocol` for every metric of `scores`, as an `Agreement` without pairs.

    - scores, ratings: as for `evaluate`; joined in the same way, by `on`, with `columns` read as others. The ratings'
      columns are named after the protocol's dimensions; its other columns (`split`, `system`, ...) may be in either, or
      a metric's own as `METRIC.COLUMN` in the scores.
    - pairs: the score column and dimension of each comparison. By default a column named `DIMENSION` or
      `METRIC.DIMENSION` is compared with its dimension, and all those of one METRIC are run together.
    - lower_is_better, higher_is_better: score columns of that direction, for metrics that are not installed, or to
      overrule them. Scores that are lower for better images are negated, so that agreement is positive, as papers
      print it.

    Raises `AgreementError` when no column matches a dimension, and for columns that the protocol requires.

    >>> from editmetrics.agreement.protocols import PROTOCOLS
    >>> scores = {"id": list("abcd"), "m.harmony": [1, 2, 3, 4]}
    >>> ratings = {"id": list("abcd"), "harmony": [2, 1, 3, 5], "edit_type": ["style"] * 4}
    >>> evaluate_protocol(PROTOCOLS["epaiqa"], scores, ratings).value("m", "srcc")
    0.8
    """
    left, right = named_tables(read_table(scores, "the scores"), read_table(ratings, "the ratings"), columns, on)
    items = RatedItems(left, right, join(left, right, on))
    rated = [dimension for dimension in protocol.dimensions if dimension in right]
    if not rated:
        raise AgreementError(
            f"{right.name} has no column of protocol {protocol.name}; name its ratings {', '.join(protocol.dimensions)}"
        )
    shared = {column: items.texts(column).tolist() for column in protocol.columns if items.has(column)}
    lines: list[Line] = []
    notes = items.joined.notes(left, right)
    by_metric = _by_metric(left, rated, pairs)
    matched_columns = [column for matched in by_metric.values() for column in matched.values()]
    better = directions(scores, matched_columns, lower=lower_is_better, higher=higher_is_better)
    for metric, columns_of in by_metric.items():
        own = [name for name in protocol.columns if f"{metric}.{name}" in left]
        table = shared | {name: _scored_cells(left, f"{metric}.{name}", items) for name in own}
        turned = {not better.get(column, True) for column in columns_of.values()}
        if len(turned) > 1:
            raise AgreementError(
                f"{', '.join(columns_of.values())} differ in direction: some are lower is better; run them separately"
            )
        for dimension, column in columns_of.items():
            table[f"score.{dimension}"] = _scored_cells(left, column, items)
            table[f"rating.{dimension}"] = list(right.column(dimension))
        lines += protocol.run(table, metric, higher_is_better=turned != {True})
        if turned == {True}:
            notes.append(f"{metric} is lower is better and was negated, so that higher is better")
    return Agreement(lines, [], [], notes, {"protocol": protocol.name, "source": protocol.source})


def _scored_cells(scores: Table, column: str, items: RatedItems) -> list[Any]:
    """The cells of a column of scores for each rated item; None for one without a row."""
    cells = [*scores.column(column), None]
    return [cells[row] for row in items.joined.score_row]


def _by_metric(scores: Table, rated: Sequence[str], pairs: Pairs) -> dict[str, dict[str, str]]:
    """For each metric, from dimension to score column."""
    listed = list(pairs.items() if isinstance(pairs, Mapping) else pairs or ())
    if not listed:
        ends = {dimension: (dimension, f".{dimension}") for dimension in rated}
        listed = [(c, d) for c in scores.columns for d, (name, end) in ends.items() if c == name or c.endswith(end)]
    by_metric: dict[str, dict[str, str]] = {}
    for column, dimension in listed:
        scores.column(column)
        if dimension not in rated:
            raise AgreementError(f"{dimension!r} is not a rating of this protocol; {expected_one_of(dimension, rated)}")
        metric = column.removesuffix(dimension).rstrip(".") or "score"
        if dimension in by_metric.setdefault(metric, {}):
            raise AgreementError(f"two columns of {metric} match {dimension}; choose one with pairs (--pair)")
        by_metric[metric][dimension] = column
    if not by_metric:
        raise AgreementError(
            f"no score column is named after a dimension ({', '.join(rated)}), alone or after 'METRIC.'; "
            f"name the columns: --pair {next(iter(scores.columns))}={rated[0]} (pairs= in Python)"
        )
    return by_metric
