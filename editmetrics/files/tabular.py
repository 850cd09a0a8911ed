"""Results that are a table: for polars, for pandas, and as a notebook shows them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from .escaping import escape_html

if TYPE_CHECKING:
    import pandas
    import polars


ROWS = 50
"""How many rows of an overview a notebook shows."""


class Tabular:
    """A result with a `table`, a row for each of its numbers or samples, and an `overview` of few rows."""

    @abstractmethod
    def table(self) -> polars.DataFrame:
        """Return everything."""

    @abstractmethod
    def overview(self) -> polars.DataFrame:
        """Return what a reader wants to see first."""

    def to_polars(self) -> polars.DataFrame:
        """Return the table as a polars data frame."""
        return self.table()

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas data frame; a missing number is NaN. Requires pandas.

        Raises `ImportError` where it is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas requires pandas, which is not installed: pip install pandas") from error
        return pandas.DataFrame(self.table().to_dict(as_series=False))

    def _repr_html_(self) -> str:
        overview = self.overview()
        head = "".join(f"<th>{escape_html(name)}</th>" for name in overview.columns)
        rows = ["".join(f"<td>{escape_html(_shown(cell))}</td>" for cell in row) for row in overview.head(ROWS).rows()]
        more = f"<p>{len(overview) - ROWS} more rows</p>" if len(overview) > ROWS else ""
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return (
            f"<p>{escape_html(repr(self))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
        )


def _shown(cell: Any) -> str:
    if cell is None:
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
