"""The data sets by name, and what papers print of them; each is imported on access.

A data set is a folder here: `reader.py` holds its `BENCHMARK`, `protocol.py` its `PROTOCOL`, `published.csv` the
papers' numbers, and `small_copy.py` writes a small made-up copy for tests.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..agreement.protocols import ROOMS
from ..lazy_table import LazyTable
from ..wording import expected_one_of, plural
from .benchmark import Benchmark, BenchmarkError

FOLDERS = {room.replace("_", "-"): room for room in sorted(ROOMS.values())}
"""From a data set's name to its folder here."""

BENCHMARKS: LazyTable[Benchmark] = LazyTable(
    {name: f"{__package__}.{folder}.reader" for name, folder in FOLDERS.items()}, "BENCHMARK"
)


def benchmark(name: str) -> Benchmark:
    """Return the data set called `name`. Raises `BenchmarkError` with the nearest names for another, and with all data
    sets of a name that several have.

    >>> benchmark("agiqa-3k").size
    2982
    """
    if name not in BENCHMARKS:
        named = [each for each in BENCHMARKS.values() if name.casefold() in each.also_called]
        if named:
            choices = " or ".join(f"{each.name} ({each.paper})" for each in named)
            raise BenchmarkError(f"{name!r} is what others call {plural(len(named), 'data set')}; use {choices}")
        raise BenchmarkError(f"no data set is named {name!r}; {expected_one_of(name, BENCHMARKS)}")
    return BENCHMARKS[name]


@dataclass(frozen=True)
class Published:
    """One number of a paper's table. Measures and groups are named as the protocol names them.

    - `note`: why the print is doubtful.
    """

    paper: str
    table: str
    method: str
    rating: str
    group: str
    measure: str
    value: float
    note: str | None = None


def published(name: str) -> Sequence[Published]:
    """Return the published numbers of a data set, in the order of the tables; none where no paper's table was at hand.

    >>> row = next(r for r in published("evalmi-50k") if r.method == "LMM4LMM" and r.measure == "srcc")
    >>> row.table, row.rating, row.value
    ('Table 2', 'perception', 0.8863)
    """
    return published_in(FOLDERS[name])


@cache
def published_in(folder: str) -> Sequence[Published]:
    """Return the published numbers in a folder here."""
    path = Path(__file__).parent / folder / "published.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            Published(**{**row, "value": float(row["value"]), "note": row["note"] or None})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        )
