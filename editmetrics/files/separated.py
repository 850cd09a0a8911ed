"""How other programs write a csv: the separator of its cells, and numbers with a decimal comma."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .notes import note_once

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""The separators between the cells of a csv; of those that are as frequent, the first is taken."""

_WHOLE = re.compile(r"[+-]?\d+|[+-]?inf|nan", re.IGNORECASE)
_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d*|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""A number that is "1,234": with a decimal comma, or with one between its thousands."""


@dataclass(frozen=True)
class CsvLayout:
    """The separator of a csv, and the number of lines before its heading (1 for Excel's `sep=;`)."""

    separator: str
    skipped: int = 0


def layout_of(text: str, suffix: str) -> CsvLayout:
    r"""Return the layout that the first line declares or shows; quoted cells do not count.

    >>> layout_of("id;mos\na;3,5\n", ".csv"), layout_of('"a;b",c\n', ".csv").separator
    (CsvLayout(separator=';', skipped=0), ',')
    """
    first = re.split(r"\r\n|\n|\r", text, maxsplit=1)[0]
    if declared := re.fullmatch(r"\s*sep=(.)\s*", first, re.IGNORECASE):
        return CsvLayout(declared[1], 1)
    bare = re.sub(r'"[^"]*"', "", first)
    if suffix in (".tsv", ".tab") and "\t" in bare:
        return CsvLayout("\t")
    return CsvLayout(max(SEPARATORS, key=bare.count))


def with_decimal_points(
    path: Path, layout: CsvLayout, columns: Sequence[str], rows: Sequence[dict[str, str | None]]
) -> None:
    """Replace, in `rows`, decimal commas by points, and log how the file was read; with commas as separator, neither.

    A column has decimal commas if most of its cells are numbers, some of them with a comma and none with a point. Where
    every comma of the file could stand between thousands ("1,234"), the cells are left as they are.
    """
    if layout.separator == ",":
        return
    separator = SEPARATORS.get(layout.separator, repr(layout.separator))
    separated = f"{path}: its cells are separated by {separator}"
    numbers = {name: cells for name in columns if (cells := _comma_cells([row.get(name) for row in rows]))}
    if not numbers:
        if separator != "tabs" or ".csv" in path.suffixes:
            note_once(separated)
    elif all(_THOUSANDS.fullmatch(cell) for cells in numbers.values() for cell in cells):
        name, cells = next(iter(numbers.items()))
        note_once(
            f"{separated}; {cells[0]!r} in column {name!r} may be a decimal or thousands, and is left as a text: "
            "write decimals with a point"
        )
    else:
        note_once(f"{separated}, and its numbers have decimal commas")
        for row in rows:
            for name in numbers:
                if (cell := row.get(name)) and _COMMA.fullmatch(cell):
                    row[name] = cell.replace(".", "").replace(",", ".")


def _comma_cells(cells: Sequence[str | None]) -> list[str]:
    """The numbers with a comma in a column of numbers; none if another cell has a decimal point."""
    filled = [cell for cell in cells if cell]
    commas = [cell for cell in filled if _COMMA.fullmatch(cell)]
    whole = sum(_WHOLE.fullmatch(cell) is not None for cell in filled)
    if 2 * (len(commas) + whole) < len(filled) or any(_POINT.fullmatch(cell) for cell in filled):
        return []
    return commas
