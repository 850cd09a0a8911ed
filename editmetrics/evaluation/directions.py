"""The direction of each column of a table of scores: whether higher is better."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..describe import higher_is_better


def directions(
    scores: Any,
    columns: Iterable[str],
    *,
    lower: Collection[str] = (),
    higher: Collection[str] = (),
    known: Mapping[str, bool | None] | None = None,
) -> dict[str, bool]:
    """Return whether higher is better, for each of `columns` whose direction is known.

    Strongest first: the caller's `lower` and `higher`; `known`, from a caller that knows its columns; the `Dimension`s
    of `scores`, when it is the `Results` of a run; the metric that the column is named after.
    """
    claims = {column: higher_is_better(column) for column in columns} | _of_results(scores) | dict(known or {})
    stated = {column: claim for column, claim in claims.items() if claim is not None}
    return stated | dict.fromkeys(higher, True) | dict.fromkeys(lower, False)


def _of_results(scores: Any) -> dict[str, bool | None]:
    """The directions of a run's columns, by the dimensions of its metrics; empty for any other table."""
    from ..scoring.results import Results

    if not isinstance(scores, Results):
        return {}
    return {
        column.names[dimension.name]: dimension.higher_is_better
        for column in scores.columns
        for dimension in column.metric.dimensions
    }
