"""The direction of each column of a table of scores: whether higher is better."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..describe import higher_is_better
from ..runs.read_record import read_record


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
    names = _without_aliases(scores, columns)
    claims = {column: higher_is_better(name) for column, name in names.items()}
    claims |= _of_results(scores) | dict(known or {})
    stated = {column: claim for column, claim in claims.items() if claim is not None}
    return stated | dict.fromkeys(higher, True) | dict.fromkeys(lower, False)


def _without_aliases(scores: Any, columns: Iterable[str]) -> dict[str, str]:
    """From each column to the metric that the record beside the table `scores` names for it, or else its own name."""
    record = read_record(Path(scores)) if isinstance(scores, (str, Path)) else None
    return {column: (record.described(column) if record else None) or column for column in columns}


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
