"""Read a run record as plain data: no metric has to be installed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..files.text import mended, parse_json, stripped
from ..files.writing import complete_lines
from ..sample import STATUSES
from ..scoring.record import record_path


class ScoreEntry(NamedTuple):
    """A line of kind `score`, number `line`, without the names that are its key."""

    status: str
    value: float | None
    line: int
    reason: str | None = None
    uncertainty: float | None = None
    inputs: str | None = None
    explanation: str | None = None
    details: Any = None


class MetricColumn(NamedTuple):
    """The label, dimension and identity key behind a column of the table.

    `rewards_no_change`, `higher_is_better` and `of_sets` are None if not recorded.
    """

    label: str
    dimension: str
    key: str
    rewards_no_change: bool | None = None
    higher_is_better: bool | None = None
    of_sets: bool | None = None


@dataclass(frozen=True, eq=False)
class RunRecord:
    """The record beside a table.

    - `runs`: the lines that describe runs, oldest first. `identities`: by key.
    - `entries`: the newest line of each (sample id, identity key, dimension); ids are stripped of blanks, as in tables.
    - `broken`: lines that cannot be read or are invalid, each with its number and the reason.
    """

    path: Path
    runs: Sequence[Mapping[str, Any]]
    identities: Mapping[str, Mapping[str, Any]]
    entries: Mapping[tuple[str, str, str], ScoreEntry]
    broken: Sequence[str] = ()

    @cached_property
    def columns(self) -> dict[str, MetricColumn]:
        """The metric of each column of the table, by the newest run that computed it."""
        columns: dict[str, MetricColumn] = {}
        for run in self.runs:
            for metric in run["metrics"]:
                label, dimensions = metric["label"], metric["dimensions"]
                directions = metric.get("higher_is_better")
                for dimension in dimensions:
                    name = label if len(dimensions) == 1 else f"{label}.{dimension}"
                    columns[name] = MetricColumn(
                        label,
                        dimension,
                        metric["identity"],
                        _truth(metric.get("rewards_no_change")),
                        _truth(directions.get(dimension)) if isinstance(directions, dict) else None,
                        _truth(metric.get("of_sets")),
                    )
        return columns

    def described(self, column: str) -> str | None:
        """The column under the name of its metric, `METRIC.DIMENSION`, which an alias hides; None if not recorded."""
        metric = self.columns.get(column)
        name = self.identities.get(metric.key, {}).get("metric") if metric else None
        return f"{name}.{metric.dimension}" if metric and isinstance(name, str) else None

    def entry(self, column: str, sample: str) -> ScoreEntry | None:
        """The newest line of a column and sample id; None if the record has none."""
        metric = self.columns.get(column)
        return self.entries.get((sample, metric.key, metric.dimension)) if metric else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def read_record(table: Path) -> RunRecord | None:
    """Read the record beside the table: `scores.record.jsonl` for `scores.csv`; None if it does not exist.

    An unfinished last line is left out, as in a run that is resumed.
    """
    path = record_path(table)
    if not path.is_file():
        return None
    runs: list[dict[str, Any]] = []
    identities: dict[str, Any] = {}
    entries: dict[tuple[str, str, str], ScoreEntry] = {}
    broken: list[str] = []
    for number, data in enumerate(complete_lines(path), 1):
        try:
            line = parse_json(data.decode("utf-8"))
            if not isinstance(line, dict):
                raise TypeError("not an object; expected {...}")
            kind = _text(line, "kind")
            if kind == "run":
                _check_run(line)
                runs.append(line)
                identities |= line["identities"]
            elif kind == "score":
                name = _text(line, "id")
                key = mended(stripped(name) or name), _text(line, "identity"), _text(line, "dimension")
                entries[key] = _entry(line, number)
        except KeyError as error:
            broken.append(f"line {number}: has no {error}")
        except (ValueError, TypeError) as error:
            broken.append(f"line {number}: {mended(str(error))}")
    return RunRecord(path, runs, identities, entries, broken)


def _entry(line: Mapping[str, Any], number: int) -> ScoreEntry:
    status, value = _text(line, "status"), _number(line, "value")
    if status not in STATUSES:
        raise ValueError(f"its status is {status!r}; expected {', '.join(STATUSES)}")
    if (status == "ok") != (value is not None):
        raise ValueError(f"its status is {status!r}, and its value {value}; only 'ok' has a value")
    details = line.get("details")
    if details is not None and not isinstance(details, dict):
        raise TypeError(f"its details are {details!r}; expected an object")
    reason, inputs, explanation = (_text(line, name, None) for name in ("reason", "inputs", "explanation"))
    return ScoreEntry(status, value, number, reason, _number(line, "uncertainty", None), inputs, explanation, details)


_REQUIRED: Any = object()


def _text(line: Mapping[str, Any], name: str, default: Any = _REQUIRED) -> Any:
    """The text `name` of a line, mended for writing; `TypeError` for other types."""
    text = line[name] if default is _REQUIRED else line.get(name, default)
    if text is default or isinstance(text, str):
        return text and mended(text)
    raise TypeError(f"its {name} is {text!r}; expected text")


def _number(line: Mapping[str, Any], name: str, default: Any = _REQUIRED) -> float | None:
    """The number `name` of a line, None for null; infinities are "inf" and "-inf"."""
    value = line[name] if default is _REQUIRED else line.get(name, default)
    if value is None:
        return None
    infinite = isinstance(value, str) and value in ("inf", "-inf")
    if isinstance(value, bool) or not (infinite or isinstance(value, (int, float))):
        raise TypeError(f"its {name} is {value!r}; expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"its {name} is not a finite number or an infinity")
    return number


def _check_run(line: Mapping[str, Any]) -> None:
    metrics, identities = line["metrics"], line["identities"]
    if not isinstance(metrics, list) or not all(isinstance(metric, dict) for metric in metrics):
        raise TypeError("its metrics are not a list of objects")
    for metric in metrics:
        dimensions = metric["dimensions"]
        texts = [metric["label"], metric["identity"], *(dimensions if isinstance(dimensions, list) else [dimensions])]
        if not isinstance(dimensions, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"a label, an identity or a dimension is not text: {texts}")
    if not isinstance(identities, dict) or not all(isinstance(identity, dict) for identity in identities.values()):
        raise TypeError("an identity is not an object")
