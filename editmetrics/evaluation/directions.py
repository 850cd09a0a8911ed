"""Which way is better, of each column of a table of scores."""

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
    """From each of `columns` whose direction is known to whether higher is better.

    Strongest first: what the caller says (`lower`, `higher`); `known`, where the caller knows its columns; the
    `Dimension`s of `scores`, where it is the `Results` of a run; the metric that the column is named after.
    """
    claims = {column: higher_is_better(column) for column in columns} | _of_results(scores) | dict(known or {})
    said = {column: claim for column, claim in claims.items() if claim is not None}
    return said | dict.fromkeys(higher, True) | dict.fromkeys(lower, False)


def _of_results(scores: Any) -> dict[str, bool | None]:
    """What the dimensions of a run's `Results` say of its columns; nothing of any other table."""
    from ..scoring.results import Results

    if not isinstance(scores, Results):
        return {}
    return {
        column.names[dimension.name]: dimension.higher_is_better
        for column in scores.columns
        for dimension in column.metric.dimensions
    }
