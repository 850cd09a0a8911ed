"""Small tables of scores for the tests, made in memory."""

from pathlib import Path

import numpy as np

from editmetrics.runs.scored_table import ScoreColumn, ScoredTable


def column(name, values, *, higher=True, statuses=None):
    values = np.asarray(values, np.float64)
    said = np.where(np.isnan(values), "failed" if statuses is None else statuses, "ok").astype(object)
    reasons = np.where(np.isnan(values), "why", "").astype(object)
    return ScoreColumn(name, name, values, said, reasons, np.full(len(values), np.nan), higher)


def table(columns, systems=None, items=None, clusters=None, **more):
    n = len(columns[0].values)
    items = list(range(n)) if items is None else list(items)
    clusters = np.unique(items, return_inverse=True)[1] if clusters is None else clusters
    empty = [None] * n
    return ScoredTable(
        path=Path("scores.csv"),
        ids=[f"{number}" for number in range(n)],
        systems=systems or empty,
        sources=empty,
        edits=empty,
        prompts=empty,
        columns=columns,
        items=items,
        clusters=clusters,
        clustered_by="source",
        **more,
    )
