"""Stand-ins for images: for one that cannot be used, and for one that a data set reads when it is asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_READING = threading.Lock()  # data sets need not bear several threads


@dataclass(frozen=True)
class Unreadable:
    """Stands for an image that is known beforehand not to be usable; reading it raises `ImageError(reason)`.

    A manifest row whose path leaves the manifest's folder has one: that row fails, not the run. With `by_machine`,
    the image may be fine and only this machine could not read it: reading raises `UnavailableError(reason)`.

    >>> from editmetrics.images import read_image
    >>> read_image(Unreadable("row 3 names no edited image"))
    Traceback (most recent call last):
    editmetrics.images.opening.ImageError: row 3 names no edited image
    """

    reason: str
    by_machine: bool = False


@dataclass(frozen=True)
class Deferred:
    """Stands for the image in one column of one row of a data set, all of whose images would not fit in memory.

    >>> Deferred([{"edited": "cat.png"}], 0, "edited").read()
    'cat.png'
    """

    rows: Any
    index: int
    column: str

    def __repr__(self) -> str:
        return f"Deferred(row {self.index}, {self.column!r})"

    def row(self) -> Any:
        """Read the row; where that fails an `Unreadable` with the reason, so that the row costs itself alone."""
        try:
            with _READING:
                return self.rows[self.index]
        except Exception as error:
            return Unreadable(f"row {self.index} of the data set cannot be read: {type(error).__name__}: {error}")

    def read(self, row: Any = None) -> Any:
        """Return the image of this column in its row, which is read unless it is handed over."""
        row = self.row() if row is None else row
        return row if isinstance(row, Unreadable) else file_or_pixels(row.get(self.column))


def file_or_pixels(value: Any) -> Any:
    """Return the bytes or the path of a file that data sets of Hugging Face have as `{"bytes": ..., "path": ...}`.

    Of a list, those of each.
    """
    if isinstance(value, (list, tuple)):
        return [file_or_pixels(one) for one in value]
    if isinstance(value, Mapping) and value.keys() <= {"bytes", "path"}:
        return value.get("bytes") or value.get("path")
    return value
