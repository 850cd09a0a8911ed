"""A run's outcome on standard output for programs: one JSON document, or the rows of its table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..files.text import json_ready
from .thresholds import CheckedMean

if TYPE_CHECKING:
    from ..scoring import Results

SCHEMA = 1
"""Version of the JSON document; raised when a field changes its meaning or goes. New fields do not raise it."""


def run_as_json(
    results: Results, about: Mapping[str, Any], checked_means: Sequence[CheckedMean], exit_code: int
) -> dict[str, Any]:
    """The document of `score --json`, which docs/results.md describes; `about` are facts on the run."""
    return {
        "schema": SCHEMA,
        "samples": len(results),
        "systems": [system for system in results.systems if system is not None],
        **about,
        "reused": results.reused,
        "metrics": [
            {
                "column": line.column,
                "metric": line.label,
                "dimension": line.dimension.name,
                "unit": line.dimension.unit,
                "higher_is_better": line.dimension.higher_is_better,
                "system": line.system,
                "mean": line.mean,
                "median": line.median,
                "sd": line.spread,
                "best": line.best,
                "worst": line.worst,
                "scored": line.n,
                "infinite": line.infinite,
                "not_scored": line.unscored,
            }
            for line in results.summary()
        ],
        "problems": [
            {"metric": metric, "status": status, "reason": reason, "ids": ids}
            for (metric, status, reason), ids in results.problems().items()
        ],
        "thresholds": [check.as_json() for check in checked_means],
        "exit_code": exit_code,
    }


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document as JSON; infinite numbers are the texts "inf" and "-inf"."""
    click.echo(json.dumps(json_ready(document), indent=2, ensure_ascii=False, allow_nan=False))


def print_rows(results: Results, suffix: str) -> None:
    """Print the table of a run as a file with this suffix (".csv" or ".jsonl") would hold it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"scores{suffix}"
        results.write(path)
        click.echo(path.read_text(encoding="utf-8"), nl=False)
