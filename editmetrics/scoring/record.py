"""The run record: an append-only journal of every score with its identity, which a resumed run reads.

JSON lines. A line of kind "run" describes a run: when, with which versions, and the full identity of each metric
behind its key. A line of kind "score" holds one sample, metric and dimension. All lines of one sample and metric are
written by one system call; a crash can only cost the last, unfinished one.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Collection, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from ..files.journal import Journal
from ..files.text import json_ready
from ..metric import Metric
from ..sample import Sample, Score
from .done import CompactDone, Done
from .plan import Column

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
        """What earlier runs scored under the identities of `columns`, less the scores whose status is in `forget`."""
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
                    {"label": c.label, "identity": c.key, "device": c.metric.device, "dimensions": list(c.names)}
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
            more: dict[str, Any] = {} if scored else {"reason": score.reason}
            if score.uncertainty and dimension.name in score.uncertainty:
                more["uncertainty"] = json_ready(score.uncertainty[dimension.name])
            if dimension.primary:  # said once for all dimensions
                more |= {name: said for name in ("explanation", "details") if (said := getattr(score, name))}
            lines.append(
                {
                    "kind": "score",
                    "id": sample.id,
                    **system,
                    "metric": column.label,
                    "dimension": dimension.name,
                    "status": "ok" if scored else score.status,
                    "value": json_ready(score[dimension.name]) if scored else None,
                    **more,
                    "inputs": fingerprint,
                    "identity": column.key,
                }
            )
        self.append(*lines)


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
    unscored = next((line for line in lines if line["status"] != "ok"), None)
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
