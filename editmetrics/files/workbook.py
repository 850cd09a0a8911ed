"""The rows of an Excel workbook (.xlsx), which openpyxl reads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

from .notes import note_once
from .text import DataError


class NoWorkbookReaderError(DataError, ImportError):
    """A workbook cannot be read because openpyxl is not installed."""


def workbook_lines(path: Path, data: bytes) -> Iterator[tuple[int, list[Any]]]:
    """The number and the cells of each line of the first sheet that is not empty; the first one names the columns.

    Formulas are read as the values stored with them, dates as text. Raises `NoWorkbookReaderError` without openpyxl,
    and `DataError` for a file that is no workbook.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise NoWorkbookReaderError(
            f"{path} is an Excel workbook, which openpyxl reads: pip install 'editmetrics[excel]'; or save it as csv"
        ) from error
    from zipfile import BadZipFile

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (BadZipFile, OSError, KeyError, ValueError, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise DataError(f"{path} cannot be read as an Excel workbook ({error}); is its download complete?") from error
    try:
        if len(book.worksheets) > 1:
            note_once(f"{path}: of {len(book.worksheets)} sheets, the first is read: {book.worksheets[0].title!r}")
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # which some programs write wrongly
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            if any(cell is not None for cell in cells):
                yield number, [cell.isoformat() if isinstance(cell, (date, time)) else cell for cell in cells]
    finally:
        book.close()
