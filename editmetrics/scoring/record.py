"""The run record: an append-only journal of every score with its identity, which a resumed run reads.

JSON lines. A line of kind "run" describes a run: when, with which versions, and the full identity of each metric
behind its key. A line of kind "score" holds one sample, metric and dimension. All lines of one sample and metric are
written by one system call; a crash can only cost the last, unfinished one.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from collections.abc import Collection, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from ..metric import Metric
from ..outcomes import plain
from ..sample import EditMetricsError, Sample, Score
from .done import CompactDone, Done
from .plan import Column

BEGINNING = b'{"kind":'
"""How every record begins; a file that begins otherwise is somebody else's, and is not touched."""


def record_path(output: str | os.PathLike[str]) -> Path:
    """Where the record of a result file lies: `scores.csv` -> `scores.record.jsonl`."""
    return Path(output).with_suffix(".record.jsonl")


class RecordError(EditMetricsError):
    """The run record cannot be used: another run writes it, or it is something else."""


class Record:
    """The record beside a result file, open for appending; one run at a time holds it."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock, Timeout

        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RecordError(f"{path}: another run is writing it; wait for that run, or give another -o") from None
        self._file: Any = None
        self._synced = time.monotonic()

    def read(self, columns: Iterable[Column], forget: Collection[str] = ()) -> Done:
        """What earlier runs scored under the identities of `columns`, less the scores whose status is in `forget`."""
        metrics = {column.key: column.metric for column in columns}
        dimensions = {key: [d.name for d in metric.dimensions] for key, metric in metrics.items()}
        done: Done = CompactDone(dimensions)
        partial: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for number, line in enumerate(self.complete_lines(), 1):
            try:
                entry = json.loads(line)
                kind = entry["kind"]
                if kind == "score" and entry["identity"] in dimensions:
                    row = (entry["id"], entry["identity"])
                    lines = partial.setdefault(row, [])
                    if entry["dimension"] == dimensions[row[1]][0]:
                        lines.clear()  # a row begins with its primary dimension; an unfinished one is dropped here
                        done.pop(row, None)
                    lines.append(entry)
                    if [said["dimension"] for said in lines] == dimensions[row[1]]:
                        score = _score_of(partial.pop(row), metrics[row[1]])
                        if score.status not in forget:
                            done[row] = (entry["inputs"], score)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise RecordError(
                    f"{self.path}: line {number} is no line of a run record ({error!r}); "
                    "repair or remove that line, or start afresh with --overwrite"
                ) from error
        return done

    def start(self, columns: Iterable[Column], **about: Any) -> None:
        """Open the record for appending and write the line that describes this run."""
        self._file = self.path.open("ab", buffering=0)
        packages = ("editmetrics", "torch", "transformers", "pillow", "numpy")
        self._append(
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
                more["uncertainty"] = number(score.uncertainty[dimension.name])
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
                    "value": number(score[dimension.name]) if scored else None,
                    **more,
                    "inputs": fingerprint,
                    "identity": column.key,
                }
            )
        self._append(*lines)

    def close(self) -> None:
        """Force what was written to the disk and let other runs in."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
        self._lock.release()  # its file stays: removing it would let two runs hold it, each a file of its own

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, *entries: dict[str, Any]) -> None:
        text = "".join(
            json.dumps(entry, ensure_ascii=False, default=plain, allow_nan=False) + "\n" for entry in entries
        )
        data = text.encode("utf-8", errors="backslashreplace")  # what is no text in a file name, as JSON escapes it
        write_all(self._file, data, self.path)
        if time.monotonic() - self._synced > 1.0:  # a power cut costs a second at most; a killed process nothing
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def complete_lines(self) -> Iterable[bytes]:
        """The lines of the file, after cutting off an unfinished last one. Raises `RecordError` for another file."""
        if not self.path.exists():
            return
        end = 0
        with self.path.open("r+b") as file:
            if not file.read(len(BEGINNING)).startswith(BEGINNING[: self.path.stat().st_size]):
                raise RecordError(f"{self.path} is no run record; move it away, or give another -o")
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                yield line
            file.truncate(end)


def write_all(file: Any, data: bytes, path: Path) -> None:
    """Append `data` to an unbuffered file. Raises `OSError`, naming `path`, when the disk does not take all of it."""
    try:
        while data:  # a full disk may take a part of it; the next call then raises
            data = data[file.write(data) :]
    except OSError as error:
        error.filename = str(path)
        raise


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


def number(value: float) -> float | str:
    """A float as JSON has it; the infinite ones, which JSON has not, as "inf" and "-inf"."""
    return value if math.isfinite(value) else str(float(value))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        module = sys.modules.get(package)
        return getattr(module, "__version__", None)
