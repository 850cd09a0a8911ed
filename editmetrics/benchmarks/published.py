"""What papers print of a data set: numbers copied from their tables, kept apart from ours and always marked so.

`published/NAME.csv` has a line for each number: paper, table, method, rating, group, measure, value, and a note where
the print is doubtful. Measures and groups are named as the protocol names them.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Published:
    """One number of a paper's table."""

    paper: str
    table: str
    method: str
    rating: str
    group: str
    measure: str
    value: float
    note: str | None = None


@cache
def published(name: str) -> Sequence[Published]:
    """The published numbers of a data set, in the order of the tables; none where no paper's table was at hand.

    >>> row = next(r for r in published("evalmi-50k") if r.method == "LMM4LMM" and r.measure == "srcc")
    >>> row.table, row.rating, row.value
    ('Table 2', 'perception', 0.8863)
    """
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            Published(**{**row, "value": float(row["value"]), "note": row["note"] or None})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        )
