"""The files of a run in progress: its record, which a resumed run reads, and the samples under way.

The record is a journal of every score with its identity. A line of kind "run" describes a run: when, with which
versions, and the full identity of each metric behind its key. A line of kind "score" holds one sample, metric and
dimension. All lines of one sample and metric are written by one system call; a crash costs the last, unfinished one.

A sample that kills the process must not end every run: those that were under way when a run was killed are tried again
at the end of the next one, each alone. One that was alone when the process was killed, twice, is given up.
"""

from __future__ import annotations

import json
import os
import platform
import re
import struct
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..files.text import json_ready
from ..files.writing import Journal, complete_lines
from ..metric import Metric
from ..sample import Sample, Score
from .results import Column

TRIES_ALONE = 2

Row = tuple[str, str]
"""A sample's id and the key of a metric's identity."""

Done = MutableMapping[Row, tuple[str, Score]]
"""From (sample id, identity key) to (fingerprint of what was scored, score)."""

ABSENT = "a sample of this kind has none"
"""The reason beside an optional dimension that a score does not have."""

BEGINNING = b'{"kind":'
"""How every record begins."""


def record_path(output: str | os.PathLike[str]) -> Path:
    """Where the record of a result file lies: `scores.csv` -> `scores.record.jsonl`."""
    return Path(output).with_suffix(".record.jsonl")


class Record(Journal):
    """The record beside a result file; one run at a time holds it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, beginning=BEGINNING)

    def read(self, columns: Iterable[Column], forget: Collection[str] = ()) -> Done:
        """Read what earlier runs scored under the identities of `columns`, without statuses in `forget`."""
        metrics = {column.key: column.metric for column in columns}
        dimensions = {key: [d.name for d in metric.dimensions] for key, metric in metrics.items()}
        done: Done = CompactDone(dimensions)
        partial: dict[tuple[str, str], list[dict[str, Any]]] = {}

        def take(entry: dict[str, Any]) -> None:
            if entry["kind"] != "score" or entry["identity"] not in dimensions:
                return
            row = (entry["id"], entry["identity"])
            lines = partial.setdefault(row, [])
            if entry["dimension"] == dimensions[row[1]][0]:
                lines.clear()  # a row begins with its primary dimension; an unfinished one is dropped here
                done.pop(row, None)
            lines.append(entry)
            if [line["dimension"] for line in lines] == dimensions[row[1]]:
                score = _score_of(partial.pop(row), metrics[row[1]])
                if score.status not in forget:
                    done[row] = (entry["inputs"], score)

        self.each(take)
        return done

    def start(self, columns: Iterable[Column], **about: Any) -> None:
        """Append the line that describes this run."""
        packages = ("editmetrics", "torch", "transformers", "pillow", "numpy")
        self.append(
            {
                "kind": "run",
                "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "python": platform.python_version(),
                "platform": platform.platform(),
                "versions": {name: _version(name) for name in packages},
                "metrics": [
                    {
                        "label": c.label,
                        "identity": c.key,
                        "device": c.metric.device,
                        "dimensions": list(c.names),
                        "higher_is_better": {d.name: d.higher_is_better for d in c.metric.dimensions},
                        "rewards_no_change": c.metric.rewards_no_change(),
                        "of_sets": c.metric.of_sets,
                    }
                    for c in columns
                ],
                "identities": {column.key: column.identity for column in columns},
                **about,
            }
        )

    def write(self, sample: Sample, column: Column, fingerprint: str, score: Score) -> None:
        """Append one sample's score by one metric, a line for each dimension."""
        system = {"system": sample.meta["system"]} if "system" in sample.meta else {}
        lines = []
        for dimension in column.metric.dimensions:
            scored = dimension.name in score
            more: dict[str, Any] = {} if scored else {"reason": score.reason or ABSENT}
            if score.uncertainty and dimension.name in score.uncertainty:
                more["uncertainty"] = json_ready(score.uncertainty[dimension.name])
            if dimension.primary:  # said once for all dimensions
                more |= {name: value for name in ("explanation", "details") if (value := getattr(score, name))}
            lines.append(
                {
                    "kind": "score",
                    "id": sample.id,
                    **system,
                    "metric": column.label,
                    "dimension": dimension.name,
                    "status": "ok" if scored else "skipped" if score.ok else score.status,
                    "value": json_ready(score[dimension.name]) if scored else None,
                    **more,
                    "inputs": fingerprint,
                    "identity": column.key,
                }
            )
        self.append(*lines)


class CompactDone(Done):
    """`Done` in about 150 bytes a plain score: numbers and fingerprint are packed, and anything said beside is kept.

    `dimensions` are the names of each identity key's dimensions, in order.

    >>> done = CompactDone({"a1": ["psnr"]})
    >>> done["cat", "a1"] = "00" * 16, Score({"psnr": 31.5})
    >>> done["cat", "a1"]
    ('00000000000000000000000000000000', Score(psnr=31.5))
    """

    def __init__(self, dimensions: Mapping[str, Sequence[str]]) -> None:
        self._dimensions = {key: list(names) for key, names in dimensions.items()}
        self._rows: dict[str, dict[str, bytes | tuple[str, Score]]] = {key: {} for key in dimensions}
        self._ids: dict[str, str] = {}  # one text for all metrics of a sample

    def __setitem__(self, row: Row, scored: tuple[str, Score]) -> None:
        id_, key = row
        fingerprint, score = scored
        beside = score.explanation or score.uncertainty or score.details
        plain = score.ok and not beside and list(score) == self._dimensions[key]
        packed: bytes | tuple[str, Score] = scored
        if plain and re.fullmatch(r"[0-9a-f]{32}", fingerprint):
            packed = bytes.fromhex(fingerprint) + struct.pack(f"{len(score)}d", *score.values())
        self._rows[key][self._ids.setdefault(id_, id_)] = packed

    def __getitem__(self, row: Row) -> tuple[str, Score]:
        id_, key = row
        packed = self._rows[key][id_]
        if not isinstance(packed, bytes):
            return packed
        names = self._dimensions[key]
        values = struct.unpack(f"{len(names)}d", packed[16:])
        return packed[:16].hex(), Score(dict(zip(names, values, strict=True)))

    def __delitem__(self, row: Row) -> None:
        del self._rows[row[1]][row[0]]

    def __iter__(self) -> Iterator[Row]:
        return ((id_, key) for key, rows in self._rows.items() for id_ in rows)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))


class UnderWay:
    """The file that says which samples were begun; removed when the run ends by itself, however it ends."""

    def __init__(self, record: Path) -> None:
        self.path = record.with_name(f".{record.name}.under_way")
        self.alone: Counter[str] = Counter()
        """How often each sample was alone under way in runs that were killed."""
        self.begun: set[str] = set()
        for line in complete_lines(self.path):
            try:
                entry = json.loads(line)
                self.begun.add(entry["id"])
                self.alone[entry["id"]] += bool(entry["alone"])
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line names no sample
        self._journal = Journal(self.path, lock=False)

    def suspects(self, unfinished: Iterable[str]) -> set[str]:
        """The samples among `unfinished` that were under way when an earlier run was killed."""
        return self.begun & set(unfinished)

    def begin(self, id_: str, alone: bool = False) -> None:
        """Note, before anything is done with it, that a sample is begun."""
        self._journal.append({"id": id_, "alone": alone})

    def end(self) -> None:
        """Forget it all: the process has survived."""
        self._journal.close()
        self.path.unlink(missing_ok=True)

    def given_up(self, id_: str) -> str | None:
        """Why the sample is not tried again; None where it is."""
        if self.alone[id_] < TRIES_ALONE:
            return None
        return (
            f"the process was killed {self.alone[id_]} times while it scored this sample alone (out of memory, or a "
            "crash inside a library); '--retry failed' tries it again"
        )


def _score_of(lines: list[dict[str, Any]], metric: Metric) -> Score:
    """The score that `lines` hold, one for each dimension. Raises `ValueError` for one that `metric` could not give."""
    for line in lines:
        if isinstance(line["value"], bool) or not isinstance(line["inputs"], str):
            raise ValueError(f"the value is {line['value']!r}, the inputs are {line['inputs']!r}")
    score = _joined(lines)
    if problem := metric.problem_of(score):
        raise ValueError(problem)
    return score


def _joined(lines: list[dict[str, Any]]) -> Score:
    first = lines[0]
    unscored = next((line for line in lines if line["status"] != "ok" and line["reason"] != ABSENT), None)
    return Score(
        {line["dimension"]: float(line["value"]) for line in lines if line["status"] == "ok"},
        status=unscored["status"] if unscored else "ok",
        reason=unscored["reason"] if unscored else None,
        explanation=first.get("explanation"),
        uncertainty={line["dimension"]: float(line["uncertainty"]) for line in lines if "uncertainty" in line} or None,
        details=first.get("details"),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        module = sys.modules.get(package)
        return getattr(module, "__version__", None)
