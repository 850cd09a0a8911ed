"""A fitted combination of score columns: its numbers, the file that keeps them, its predictions for other tables."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..agreement.columns import Table, Tabular, read_table
from ..agreement.measure import AgreementError, Floats
from ..files.overwrite import check_text
from ..files.rows import require_writable, write_rows
from ..files.writing import replacing
from ..runs.identity import changes
from ..runs.read_record import read_record
from ..wording import expected_one_of, first_few, plural
from .regressors import FittedRegressor, restored_regressor

SUFFIX = ".safetensors"
COLUMN, PROBLEMS = "combined", "problems"
"""The columns that an applied combination adds to a table, or fills in."""

FORMAT = "editmetrics combination 1"


@dataclass(frozen=True)
class FittedFacts:
    """The items that a combination was fitted on.

    - `rating`: the column that it predicts. `items`, `groups`, `group`: their numbers, and the column of groups.
    - `low`, `high`: the range of each score column there. `identities`: of each column that a record identifies.
    - `agreement`: the held-out measures, with their intervals. `seed`: of the fit.
    """

    rating: str
    items: int
    groups: int
    group: str | None
    low: Sequence[float]
    high: Sequence[float]
    identities: Mapping[str, Any]
    agreement: Mapping[str, Sequence[float | None]]
    seed: int


@dataclass(frozen=True, eq=False)
class Combination:
    """A regressor of the score `columns`, in this order. `predict` takes arrays, `apply` a table.

    `digest` identifies its numbers: the SHA-256 of everything that a file of it holds.
    """

    regressor: FittedRegressor
    columns: Sequence[str]
    facts: FittedFacts

    def predict(self, scores: Floats) -> Floats:
        """Return predicted ratings (n,) of scores (n, p), all finite, in the order of `columns`."""
        return self.regressor.predict(np.asarray(scores, float).reshape(-1, len(self.columns)))

    @property
    def digest(self) -> str:
        return hashlib.sha256(self._bytes()).hexdigest()

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write a .safetensors file, atomically. Raises `DataError` where it may not be written."""
        path = Path(path)
        check_combination_path(path, overwrite)
        with replacing(path) as temporary:
            temporary.write_bytes(self._bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Combination:
        """Read what `save` wrote; nothing in the file is executed. Raises `AgreementError` for any other file."""
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        try:
            with safe_open(path, "numpy") as file:
                words = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise AgreementError(f"{path} cannot be read as a combination: {error}") from error
        try:
            about = json.loads(words["combination"])
            if about["format"] != FORMAT:
                raise ValueError(f"its format is {about['format']!r}; expected {FORMAT!r}")
            columns = [str(name) for name in about["columns"]]
            facts = FittedFacts(**about["facts"])
            if not len(columns) == len(facts.low) == len(facts.high):
                raise ValueError("its ranges are not those of its columns")
            return cls(restored_regressor(about["regressor"], arrays, len(columns)), columns, facts)
        except (KeyError, TypeError, ValueError) as error:
            raise AgreementError(
                f"{path} is not a combination that 'editmetrics combine --save' wrote: {error}"
            ) from error

    def apply(self, scores: Tabular, columns: Mapping[str, str] | None = None) -> AppliedCombination:
        """Return the prediction for each row of a table of scores; a row that lacks a score has a reason instead.

        `columns`: headings to read as other columns, as for `evaluate`. Raises `AgreementError` for a missing column.
        """
        table = read_table(scores, "the table of scores").named(columns)
        for name in self.columns:
            if name not in table:
                raise AgreementError(
                    f"{table.name} has no column {name!r}, which the combination was fitted on; "
                    f"{expected_one_of(name, table.columns)}"
                )
        both = [table.numbers(name) for name in self.columns]
        values, problems = np.stack([v for v, _ in both], axis=1), np.stack([p for _, p in both], axis=1)
        reasons = [
            "; ".join(
                f"{COLUMN}: {name} is {problem}" for name, problem in zip(self.columns, row, strict=True) if problem
            )
            for row in problems
        ]
        complete = np.array([not reason for reason in reasons], bool)
        predicted = np.full(len(table), np.nan)
        if complete.any():
            predicted[complete] = self.predict(values[complete])
        return AppliedCombination(table, predicted, reasons, self.digest, self._notes(table, values[complete], scores))

    def _notes(self, table: Table, values: Floats, scores: Tabular) -> list[str]:
        """Columns that reach beyond the range of the fit, and columns that another metric, or version, computed."""
        notes = []
        for index, name in enumerate(self.columns):
            low, high = self.facts.low[index], self.facts.high[index]
            outside = int(((values[:, index] < low) | (values[:, index] > high)).sum())
            if outside:
                rows = plural(outside, "row")
                notes.append(f"{name}: {rows} outside {low:.4g} to {high:.4g}, the range that it was fitted on")
        record = read_record(Path(scores)) if isinstance(scores, (str, Path)) else None
        for name, identity in self.facts.identities.items():
            column = record.columns.get(name) if record else None
            if record and column and (changed := changes(identity, record.identities[column.key])):
                words = [f"{key} was {before}, is {after}" for key, before, after in changed]
                notes.append(f"{name} was computed otherwise than for the fit: {first_few(words)}")
        return notes

    def _bytes(self) -> bytes:
        from safetensors.numpy import save

        about = {"format": FORMAT, "regressor": self.regressor.name, "columns": list(self.columns)}
        words = {"combination": json.dumps({**about, "facts": asdict(self.facts)})}  # one word: several have no order
        return bytes(save({name: np.ascontiguousarray(a) for name, a in self.regressor.arrays().items()}, words))


@dataclass(frozen=True, eq=False)
class AppliedCombination:
    """The rows of a table with their predictions (n,), NaN where `reasons` (n,) say why; `notes` for the reader."""

    scores: Table
    values: Floats
    reasons: Sequence[str]
    digest: str
    notes: Sequence[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every row has a prediction."""
        return not any(self.reasons)

    def rows(self) -> list[dict[str, Any]]:
        """Return the table's rows with `combined`, the file that it comes from, and `problems`."""
        names = [name for name in self.scores.columns if name != PROBLEMS]
        cells = zip(*(self.scores.columns[name] for name in names), strict=True)
        before = self.scores.columns.get(PROBLEMS, [None] * len(self.values))
        return [
            dict(zip(names, row, strict=True))
            | {COLUMN: float(value), f"{COLUMN}.by": f"sha256:{self.digest[:16]}"}
            | {PROBLEMS: "; ".join(filter(None, [str(old or ""), reason]))}
            for row, value, old, reason in zip(cells, self.values, before, self.reasons, strict=True)
        ]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as csv, jsonl or parquet, by the suffix."""
        write_rows(self.rows(), Path(path))


def check_combination_path(path: Path, overwrite: bool) -> None:
    """Raise `DataError` unless a combination may be written to `path`: it replaces no file of another kind."""
    require_writable(path, (SUFFIX,), "a combination")
    check_text(path, [FORMAT], "combination", overwrite)
