"""The rows of an Excel workbook (.xlsx), as the rows of other tables."""

from __future__ import annotations

from pathlib import Path

from ..files.rows import Row
from ..registry import MissingPackageError
from .findings import Findings


def spreadsheet_rows(path: Path, findings: Findings) -> list[Row]:
    """The rows of the first sheet of `path`, whose first row names the columns; a problem when it cannot be read.

    Formulas stand for the values that were stored with them. Raises `MissingPackageError` without openpyxl.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name} is an Excel workbook, which openpyxl reads: pip install 'editmetrics[benchmarks]'"
        ) from error
    from zipfile import BadZipFile

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, OSError, KeyError, ValueError, openpyxl.utils.exceptions.InvalidFileException) as error:
        findings.add("file", path.name, f"cannot be read as an Excel workbook ({error}); is its download complete?")
        return []
    try:
        lines = book.worksheets[0].iter_rows(values_only=True)
        header = [str(cell).strip() if cell is not None else "" for cell in next(lines, ())]
        named = [(place, name) for place, name in enumerate(header) if name]
        if twice := sorted({name for _, name in named if header.count(name) > 1}):
            findings.add("column", path.name, f"has the column {', '.join(twice)} more than once")
        rows = []
        for number, cells in enumerate(lines, 2):
            found = {name: cells[place] if place < len(cells) else None for place, name in named}
            if any(cell is not None for cell in found.values()):
                rows.append(Row(f"row {number}", found))
        return rows
    finally:
        book.close()
