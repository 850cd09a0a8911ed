"""Columns beside the numbers in the table of a run, of sets and of pairs; and how pairs of two edits ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .results import Column, Results


def compares_pairs(column: Column) -> bool:
    """Whether a column is of a metric that compares two edits."""
    return "rival" in column.fields


def outcomes(results: Results) -> dict[tuple[str, str | None], Counter[str]]:
    """Return by (metric, system) how many scored pairs ended as win, loss, tie and inconsistent.

    >>> from editmetrics import score
    >>> outcomes(score("docs/examples/source", "docs/examples/edited", metrics=["mae"]))
    {}
    """
    counted: dict[tuple[str, str | None], Counter[str]] = {}
    for column in filter(compares_pairs, results.columns):
        for index, sample in enumerate(results.samples):
            score = results.get(index, column)
            if score.ok and "outcome" in score.details:
                key = (column.label, sample.meta.get("system"))
                counted.setdefault(key, Counter())[str(score.details["outcome"])] += 1
    return counted


def columns_beside(results: Results) -> dict[str, list[Any]]:
    """Return the columns beside the numbers of metrics of sets, and of metrics that compare two edits."""
    return _of_sets(results) | _of_pairs(results)


def _of_pairs(results: Results) -> dict[str, list[Any]]:
    """For each metric of pairs how each ended, `LABEL.outcome`, and the answers behind it, `LABEL.orders`."""
    columns: dict[str, list[Any]] = {}
    for column in filter(compares_pairs, results.columns):
        scores = [results.get(index, column) for index in range(len(results))]
        details = [score.details if score.ok else {} for score in scores]
        orders = [", ".join(map(str, one["orders"])) if one.get("orders") else None for one in details]
        columns |= {f"{column.label}.outcome": [one.get("outcome") for one in details]}
        columns |= {f"{column.label}.orders": orders}
    return columns


def _of_sets(results: Results) -> dict[str, list[Any]]:
    """The columns beside the numbers of metrics of sets: ends of intervals, and numbers of images."""
    columns: dict[str, list[Any]] = {}
    counted: dict[str, list[Any]] = {}
    for column in results.columns if any(column.metric.of_sets for column in results.columns) else ():
        details = [results.get(index, column).details for index in range(len(results))]
        for dimension, name in column.names.items():
            ends = [one.get("interval", {}).get(dimension, (None, None)) for one in details]
            columns |= {f"{name}.low": [low for low, _ in ends], f"{name}.high": [high for _, high in ends]}
        counts = {name: [one.get(name) for one in details] for name in ("images", "reference_images")}
        counted |= {name: values for name, values in counts.items() if any(values)}
    return columns | counted
