"""What a run record says, read as plain data: no metric has to be installed to read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..files.journal import complete_lines
from ..files.text import mended, parse_json, stripped
from ..sample import STATUSES
from ..scoring.record import record_path


class Entry(NamedTuple):
    """The line number `line`, of kind `score`, less the names it is found by."""

    status: str
    value: float | None
    line: int
    reason: str | None = None
    uncertainty: float | None = None
    inputs: str | None = None
    explanation: str | None = None
    details: Any = None


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A record beside a table.

    - `runs`: the lines that describe runs, oldest first. `identities`: what produced a number, by key.
    - `entries`: the newest line of each (sample id, identity key, dimension); ids without blanks around them, as
      tables are read.
    - `broken`: the places of lines that cannot be read, or say what no run says, and why.
    """

    path: Path
    runs: Sequence[Mapping[str, Any]]
    identities: Mapping[str, Mapping[str, Any]]
    entries: Mapping[tuple[str, str, str], Entry]
    broken: Sequence[str] = ()

    def metric_of(self, column: str) -> tuple[str, str, str] | None:
        """(label, dimension, identity key) of a column of the table, by the newest run that computed it."""
        for run in reversed(self.runs):
            for metric in run["metrics"]:
                for dimension in metric["dimensions"]:
                    alone = len(metric["dimensions"]) == 1
                    if column == (metric["label"] if alone else f"{metric['label']}.{dimension}"):
                        return metric["label"], dimension, metric["identity"]
        return None


def read_record(table: Path) -> RunRecord | None:
    """The record beside the table `scores.csv`, `scores.record.jsonl`; None where there is none.

    An unfinished last line is left out, as by a run that resumes.
    """
    path = record_path(table)
    if not path.is_file():
        return None
    runs: list[dict[str, Any]] = []
    identities: dict[str, Any] = {}
    entries: dict[tuple[str, str, str], Entry] = {}
    broken: list[str] = []
    for number, line in enumerate(complete_lines(path), 1):
        try:
            said = parse_json(line.decode("utf-8"))
            if not isinstance(said, dict):
                raise TypeError("is no object; expected {...}")
            kind = _text(said, "kind")
            if kind == "run":
                _check_run(said)
                runs.append(said)
                identities |= said["identities"]
            elif kind == "score":
                name = _text(said, "id")
                key = mended(stripped(name) or name), _text(said, "identity"), _text(said, "dimension")
                entries[key] = _entry(said, number)
        except KeyError as error:
            broken.append(f"line {number}: has no {error}")
        except (ValueError, TypeError) as error:
            broken.append(f"line {number}: {mended(str(error))}")
    return RunRecord(path, runs, identities, entries, broken)


def _entry(said: Mapping[str, Any], line: int) -> Entry:
    status, value = _text(said, "status"), _number(said, "value")
    if status not in STATUSES:
        raise ValueError(f"its status is {status!r}; expected {', '.join(STATUSES)}")
    if (status == "ok") != (value is not None):
        raise ValueError(f"its status is {status!r}, and its value {value}; a value goes with 'ok' alone")
    details = said.get("details")
    if details is not None and not isinstance(details, dict):
        raise TypeError(f"its details are {details!r}; expected an object")
    reason, inputs, explanation = (_text(said, name, None) for name in ("reason", "inputs", "explanation"))
    return Entry(status, value, line, reason, _number(said, "uncertainty", None), inputs, explanation, details)


_NEEDED: Any = object()


def _text(said: Mapping[str, Any], name: str, default: Any = _NEEDED) -> Any:
    """The text `name` of a line, which can be written; `TypeError` for what is none."""
    text = said[name] if default is _NEEDED else said.get(name, default)
    if text is default or isinstance(text, str):
        return text and mended(text)
    raise TypeError(f"its {name} is {text!r}; expected text")


def _number(said: Mapping[str, Any], name: str, default: Any = _NEEDED) -> float | None:
    """The number `name` of a line, None where there is none; infinities are "inf" and "-inf"."""
    value = said[name] if default is _NEEDED else said.get(name, default)
    if value is None:
        return None
    infinite = isinstance(value, str) and value in ("inf", "-inf")
    if isinstance(value, bool) or not (infinite or isinstance(value, (int, float))):
        raise TypeError(f"its {name} is {value!r}; expected a number")
    try:
        found = float(value)
    except OverflowError:
        found = math.nan
    if math.isnan(found):
        raise ValueError(f"its {name} is no number that there can be")
    return found


def _check_run(said: Mapping[str, Any]) -> None:
    metrics, identities = said["metrics"], said["identities"]
    if not isinstance(metrics, list) or not all(isinstance(metric, dict) for metric in metrics):
        raise TypeError("its metrics are no list of objects")
    for metric in metrics:
        dimensions = metric["dimensions"]
        texts = [metric["label"], metric["identity"], *(dimensions if isinstance(dimensions, list) else [dimensions])]
        if not isinstance(dimensions, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"a label, an identity or a dimension is no text: {texts}")
    if not isinstance(identities, dict) or not all(isinstance(identity, dict) for identity in identities.values()):
        raise TypeError("an identity is no object")
