"""Data sets of pairs of edits whose images are in parquet files: rows, images, and scores of pairs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agreement.columns import Table
from ..agreement.preferences import differences as score_differences
from ..files.parquet import StoredImage
from ..files.text import number_in
from ..images.stand_ins import Deferred
from ..pairs.reading import ORDERS_SUFFIX, OUTCOME_SUFFIX
from ..wording import first_few
from .benchmark import BenchmarkError
from .checks import CopyChecks
from .table_layout import rows_of

if TYPE_CHECKING:
    from .load import EvaluatedPart


def stored_rows(
    folder: Path, checks: CopyChecks, required: Collection[str], files: str = "*.parquet"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the location and cells of each row of all parquet files below `folder` whose paths match `files`.

    Columns that are not `required` are allowed. No such file is a problem.
    """
    paths = sorted(folder.rglob(files))
    if not paths:
        checks.add("file", str(folder), f"has no file {files}")
    for path in paths:
        rows = rows_of(path, checks)
        names = list(dict.fromkeys(name for row in rows for name in row.cells))
        if rows and checks.columns(path.name, names, required, names):
            yield from ((f"{path.name}, {row.location}", row.cells) for row in rows)


def stored_image(
    checks: CopyChecks, location: str, row: str, column: str, cell: Any, folder: Path | None = None
) -> Any:
    """Return the image in a cell, which stays in its file, or the path that the cell names inside `folder`.

    Several images in a list are several; an empty cell is a problem, and gives None.
    """
    if isinstance(cell, (list, tuple)):
        return tuple(stored_image(checks, location, row, column, one, folder) for one in cell)
    if isinstance(cell, StoredImage):
        return Deferred(cell.rows, cell.index, cell.column)
    if cell is None:
        checks.add("image", location, f"{column} is empty", row)
        return None
    return checks.image(location, row, cell, folder)


def differences(table: Table, part: EvaluatedPart) -> Table:
    """Return a row for each pair of `part`: the difference of both edits' scores, or the answer of a judge of pairs.

    `table` has a row for each edit, or one for each pair with `METRIC.preference` and `METRIC.outcome`. A pair of which
    an edit has no score has none. Raises `BenchmarkError` if no `id` is one of a pair or of an edit.
    """
    names = table.texts("id")
    if {sample.id for sample in part.samples} & set(names):
        judges = [name.removesuffix(OUTCOME_SUFFIX) for name in table.columns if name.endswith(OUTCOME_SUFFIX)]
        beside = {f"{judge}{end}" for judge in judges for end in (ORDERS_SUFFIX, ".consistent")}
        return replace(table, columns={name: cells for name, cells in table.columns.items() if name not in beside})
    row_of = {name: row for row, name in enumerate(names)}
    edits = [(row_of.get(s.meta["edit"]), row_of.get(s.meta["rival_edit"])) for s in part.samples]
    if not any(one is not None and other is not None for one, other in edits):
        first = part.samples[0]
        raise BenchmarkError(
            f"{table.name} has neither the pairs of {part.benchmark.title} (such as {first.id!r}) nor both edits of "
            f"one (such as {first.meta['edit']!r}); its ids are {first_few(names)}"
        )
    columns: dict[str, Sequence[Any]] = {"id": [sample.id for sample in part.samples]}
    for name in table.measured():
        cells = [*table.column(name), None]
        columns[name] = [_difference(*(cells[-1 if row is None else row] for row in pair)) for pair in edits]
    return replace(table, columns=columns)


def _difference(one: Any, other: Any) -> float | None:
    """The first score less the second; two infinite ones are equal. None where one of them is not a number."""
    first, second = number_in(one), number_in(other)
    gap = math.nan if first is None or second is None else float(score_differences(first, second))
    return None if math.isnan(gap) else gap
