"""The finished table: one row a sample, written in one stroke as csv, jsonl or parquet."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.rows import write_frame
from ..files.text import escaped
from ..sample import Sample

if TYPE_CHECKING:
    import polars

    from .results import Results


def frame(results: Results) -> polars.DataFrame:
    """The table of `results`; a column is left out when no sample has anything to put there (problems excepted)."""
    import polars

    columns = [_series("id", [sample.id for sample in results.samples])]
    text = {"system": _system, "source": _path("source"), "edited": _path("edited"), "prompt": _prompt}
    text |= _other_columns(results, {"id", *text, "problems"})
    for name, get in text.items():
        said = [get(sample) for sample in results.samples]
        if any(value is not None for value in said):
            columns.append(_series(name, said))
    for column in results.columns:
        for dimension, name in column.names.items():
            columns.append(polars.Series(name, results.values(column, dimension), polars.Float64).fill_nan(None))
    problems: list[list[str]] = [[] for _ in results.samples]
    for column in results.columns:
        scores = [results.get(index, column) for index in range(len(results))]
        if any(score.explanation for score in scores):
            columns.append(_series(f"{column.label}.explanation", [score.explanation for score in scores]))
        for row, score in zip(problems, scores, strict=True):
            if not score.ok:
                row.append(f"{column.label}: {score.status}: {score.reason}")
    columns.append(_series("problems", ["; ".join(row) for row in problems]))
    return polars.DataFrame(columns)


def _other_columns(results: Results, taken: set[str]) -> dict[str, Any]:
    """The columns of a manifest that are kept; one with a name that the table has itself is `manifest.NAME` there."""
    taken |= {name for column in results.columns for name in column.names.values()}
    taken |= {f"{column.label}.explanation" for column in results.columns}
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(key for sample in results.samples for key in sample.meta if key != "system"):
        name = str(key)
        while name in taken | columns.keys():
            name = f"manifest.{name}"
        columns[name] = _meta(key)
    return columns


def write(results: Results, path: Path) -> None:
    """Write the table of `results` to `path`, which is never half a table."""
    write_frame(frame(results), path)


def _system(sample: Sample) -> str | None:
    system = sample.meta.get("system")
    return None if system is None else str(system)


def _path(field: str) -> Any:
    def get(sample: Sample) -> str | None:
        image = getattr(sample, field)
        if not isinstance(image, (str, os.PathLike)):
            return None
        return os.fsdecode(image)

    return get


def _prompt(sample: Sample) -> str | None:
    return sample.prompt if sample.has("prompt") else None


def _meta(key: str) -> Any:
    return lambda sample: sample.meta.get(key)


def _series(name: str, values: list[Any]) -> polars.Series:
    """A column of numbers when all values are numbers, else of text (lists and such as JSON)."""
    import polars

    if all(value is None or type(value) in (int, float) for value in values):
        return polars.Series(name, values, strict=False)
    text = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in values]
    return polars.Series(name, [None if v is None else escaped(v) for v in text], polars.String)
