"""What a run record says, read as plain data: no metric has to be installed to read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..data.tables import read_data
from ..scoring.run import record_path


class Entry(NamedTuple):
    """One line of kind `score`, less the names it is found by."""

    status: str
    value: float | None
    reason: str | None = None
    uncertainty: float | None = None
    inputs: str | None = None
    explanation: str | None = None
    details: Any = None


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A record beside a table.

    - `runs`: the lines that describe runs, oldest first. `identities`: what produced a number, by key.
    - `entries`: the newest line of each (sample id, identity key, dimension).
    - `broken`: the places of lines that cannot be read, and why.
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

    An unfinished last line is left out, as a run that goes on does.
    """
    path = record_path(table)
    if not path.is_file():
        return None
    runs: list[dict[str, Any]] = []
    identities: dict[str, Any] = {}
    entries: dict[tuple[str, str, str], Entry] = {}
    broken: list[str] = []
    lines = read_data(path).split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last line end is unfinished, or nothing
        try:
            said = json.loads(line)
            if said["kind"] == "run":
                _check_run(said)
                runs.append(said)
                identities |= said["identities"]
            elif said["kind"] == "score":
                entries[(said["id"], said["identity"], said["dimension"])] = _entry(said)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            broken.append(f"line {number}: {type(error).__name__}: {error}")
    return RunRecord(path, runs, identities, entries, broken)


def _entry(said: Mapping[str, Any]) -> Entry:
    value, uncertainty = said["value"], said.get("uncertainty")
    return Entry(
        str(said["status"]),
        None if value is None else float(value),
        said.get("reason"),
        None if uncertainty is None else float(uncertainty),
        said.get("inputs"),
        said.get("explanation"),
        said.get("details"),
    )


def _check_run(said: Mapping[str, Any]) -> None:
    for metric in said["metrics"]:
        texts = metric["label"], metric["identity"], *metric["dimensions"]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"a label, an identity or a dimension is no text: {texts}")
    if not all(isinstance(identity, dict) for identity in said["identities"].values()):
        raise TypeError("an identity is no object")
