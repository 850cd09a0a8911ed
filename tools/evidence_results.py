"""The results of `tools.evidence`: a small file that is committed, and the tables of docs/evidence.md made from it."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from editmetrics.files.rows import read_rows

FILE = Path(__file__).parents[1] / "docs" / "evidence" / "results.csv"
"""Where results are kept: a training that stands there is not repeated, on whatever machine."""

COLUMNS = (
    "metric", "variant", "seeds", "dimension", "measure", "value", "least", "greatest", "n", "excluded", "updates",
    "setting", "commit",
)  # fmt: skip
"""A row is the agreement with the truth of one training, or, as the first ones were kept, the mean over several seeds
("0 1 2") with the least and the greatest. `setting` is the digest of all that decides it (`Training.setting`)."""

MEASURES = ("srcc", "auc")
"""Agreement with ratings, and with labels."""

FULL, WHOLE, BASELINE = "full", "whole method", "baseline"
"""The variants that lack nothing: in full, and with the smaller budget of the ablations; and ridge regression."""


class Trained(Protocol):
    """What the table must know of a training."""

    @property
    def name(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def setting(self) -> str: ...
    @property
    def targets(self) -> Mapping[str, str]: ...


class Table:
    """The rows of every training that was tested, added once each."""

    def __init__(self, path: Path = FILE) -> None:
        self.path = path
        self.rows: list[Mapping[str, Any]] = [row.cells for row in read_rows(path)] if path.exists() else []

    def has(self, training: Trained) -> bool:
        """True if this training was tested, with the setting that it has now."""
        about = training.name, training.variant, training.setting
        tested = {
            row["dimension"]
            for row in self.rows
            if (row["metric"], row["variant"], row["setting"]) == about
            and str(training.seed) in str(row["seeds"]).split()
        }
        return set(training.targets) <= tested

    def add(self, training: Trained, rows: Iterable[Mapping[str, Any]], **more: Any) -> None:
        """Write the rows of a training, if no other process has meanwhile; `more` are columns of all of them."""
        self.rows = Table(self.path).rows
        if self.has(training):
            return
        about = {
            "metric": training.name, "variant": training.variant, "seeds": training.seed, "setting": training.setting,
            **more,
        }  # fmt: skip
        measured = [row for row in rows if row["measure"] in MEASURES]
        own = [{key: {**row, **about}.get(key, "") for key in COLUMNS} for row in measured]
        for one in own:
            one["value"] = one["value"] if one["value"] in (None, "") else round(float(one["value"]), 4)
        self.rows += own
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerows(own)

    def with_value(self) -> list[Mapping[str, Any]]:
        """The rows whose measure is defined."""
        return [row for row in self.rows if row["value"] not in (None, "")]

    def of(self, metric: str, variant: str, dimension: str, settings: Iterable[str]) -> Summary | None:
        """The rows of a variant in a dimension, with one of these settings, as one; None without any."""
        chosen = set(settings)
        rows = [
            row for row in self.with_value()
            if (row["metric"], row["variant"], row["dimension"]) == (metric, variant, dimension)
            and row["setting"] in chosen
        ]  # fmt: skip
        return Summary(rows) if rows else None


class Summary:
    """Rows of several trainings that differ in their seed alone."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.values = [float(row["value"]) for row in rows for _ in str(row["seeds"]).split()]
        ends = [float(row[end] or row["value"]) for row in rows for end in ("least", "greatest")]
        self.least, self.greatest = min(ends), max(ends)

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)

    def cells(self, bold: bool = False) -> list[str]:
        """Mean, least and greatest, and the number of seeds, for a table."""
        mean = f"**{self.mean:.3f}**" if bold else f"{self.mean:.3f}"
        spread = f"{self.least:.3f}, {self.greatest:.3f}" if len(self.values) > 1 else ""
        return [mean, spread, str(len(self.values))]


def row(cells: Iterable[str]) -> str:
    """A row of a Markdown table.

    >>> row(["a", "b"])
    '| a | b |'
    """
    return f"| {' | '.join(cells)} |"
