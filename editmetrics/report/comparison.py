"""What a comparison of two runs found, and the files that keep it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ..files.atomic import write_text
from ..files.overwrite import check_json, check_table
from ..files.rows import require_writable
from ..files.text import json_ready

COMPARISON_SUFFIXES = (".json", ".csv")
Verdict = Literal["better", "worse", "noise", "equal", "too few"]


@dataclass(frozen=True)
class Moved:
    """One column and system, `b` against `a`, over the samples that are in both runs.

    - `mean_a`, `mean_b`, `difference` (b - a), `low`, `high`, `p`: over the `n` samples that both have a finite score
      of. `p` is of this test alone; `verdict` is after Holm's correction for all of them.
    - `better`, `worse`, `equal`: how many samples moved which way, infinite scores included.
    - `newly_failed`, `newly_scored`, `neither`: how many have a score in `a` only, in `b` only, in neither.
    """

    column: str
    other: str
    system: str | None
    higher_is_better: bool
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    better: int
    worse: int
    equal: int
    newly_failed: int
    newly_scored: int
    neither: int
    verdict: Verdict

    @property
    def arrow(self) -> str:
        return "↑" if self.higher_is_better else "↓"


@dataclass(frozen=True)
class Mover:
    """A sample that moved far: `gain` is the difference, turned so that more is better."""

    column: str
    id: str
    a: float
    b: float
    gain: float


@dataclass(frozen=True)
class IdentityChange:
    """How what produced a column differs: (field, in a, in b); `known` is False where a run has no record of it."""

    column: str
    known: bool
    fields: Sequence[tuple[str, str | None, str | None]]


@dataclass(frozen=True, eq=False)
class RunComparison:
    """What `compare` found.

    - `identities`: the columns whose numbers are not comparable, or are not known to be.
    - `inputs`: by column, how many samples were scored on the same content in both runs, on other content, and where
      that is not known.
    - `lost`: the first samples that `b` failed on, by column. `notes`: what is in one run only.
    """

    a: Path
    b: Path
    matched: int
    identities: Sequence[IdentityChange]
    inputs: Mapping[str, Mapping[str, int]]
    moved: Sequence[Moved]
    movers: Sequence[Mover]
    lost: Mapping[str, Sequence[str]]
    notes: Sequence[str]
    settings: Mapping[str, Any]

    @property
    def comparable(self) -> bool:
        """Whether every column has the same identity in both runs."""
        return not self.identities

    @property
    def without_value(self) -> list[Moved]:
        """The lines without a difference, since no sample has a finite score in both runs."""
        return [line for line in self.moved if line.difference is None and line.verdict != "equal"]

    @property
    def worse(self) -> bool:
        """Whether anything got worse by more than noise."""
        return any(line.verdict == "worse" for line in self.moved)

    def write(self, path: Path) -> None:
        """Write all of it as .json, or the lines as .csv. Raises `ReportError` for other suffixes."""
        check_output(path, overwrite=True)
        if path.suffix.lower() == ".json":
            said = {
                "a": str(self.a),
                "b": str(self.b),
                "matched": self.matched,
                "comparable": self.comparable,
                "identities": [asdict(change) for change in self.identities],
                "inputs": self.inputs,
                "moved": [asdict(line) for line in self.moved],
                "movers": [json_ready(asdict(mover)) for mover in self.movers],
                "newly_failed": self.lost,
                "notes": self.notes,
                "settings": self.settings,
            }
            text = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        else:
            stream = io.StringIO(newline="")
            writer = csv.DictWriter(stream, [field.name for field in fields(Moved)], lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(line) for line in self.moved)
            text = stream.getvalue()
        write_text(path, text)


def check_output(path: Path, overwrite: bool = False) -> None:
    """Raise `DataError` unless a comparison can be written to `path`.

    That takes a known suffix, an existing folder, and no other file in its place, unless `overwrite`.
    """
    require_writable(path, COMPARISON_SUFFIXES, "a comparison")
    if path.suffix.lower() == ".json":
        check_json(path, ("a", "b", "matched", "moved", "movers"), overwrite)
    else:
        check_table(path, ("column", "other", "mean_a", "mean_b", "verdict"), overwrite)
