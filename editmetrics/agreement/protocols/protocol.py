"""A protocol, a published way to compare scores with ratings, and the joined table of both that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files.text import number_in
from ..measure import AgreementError, Floats, Measure, UndefinedError
from ..result import ALL, Line

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class Protocol:
    """A paper's evaluation, from a joined table to its figures.

    - `about`: one line; `source`: the paper and its section.
    - `dimensions`: the rated aspects; the table has `rating.D` and `score.D` for each D, or for those that it is about.
    - `columns`: the other columns that it reads, and their contents; `required`: those that must be present.
    - `figures`: the lines of a checked table.
    """

    name: str
    about: str
    source: str
    dimensions: Mapping[str, str]
    columns: Mapping[str, str]
    required: frozenset[str]
    figures: Callable[[Joined], Iterator[Line]]
    all_dimensions: bool = False
    """True if the figures are defined only with every dimension."""

    def run(
        self,
        table: Mapping[str, Sequence[Any]] | polars.DataFrame,
        score: str = "score",
        higher_is_better: bool = True,
    ) -> list[Line]:
        """Return the figures of `table`, which has one row per item; `score` is the name of the evaluated metric.

        - Columns: `rating.D` and `score.D` for each dimension D, and those of `columns`.
        - `higher_is_better`: False negates the scores, so that a positive correlation is agreement, as papers print it.

        A row with a rating and no score is left out of its figures and counted in their `excluded`; rows without a
        rating are ignored. A figure that is undefined has no value and a note. Raises `AgreementError` for
        missing columns, texts where numbers belong, and columns of different lengths.
        """
        return list(self.figures(self.checked(Joined(table, score, higher_is_better))))

    def checked(self, joined: Joined) -> Joined:
        """Return `joined` if its table has what the figures require. Raises `AgreementError` for missing columns."""
        for column in sorted(self.required):
            if not joined.has(column):
                raise AgreementError(f"protocol {self.name} requires the column {column!r}: {self.columns[column]}")
        present = [name for name in self.dimensions if joined.has_dimension(name)]
        if not present or (self.all_dimensions and len(present) < len(self.dimensions)):
            missing = [name for name in self.dimensions if name not in present]
            raise AgreementError(
                f"protocol {self.name} requires the columns score.D and rating.D for "
                f"{'each' if self.all_dimensions else 'one or more'} D of {', '.join(self.dimensions)}; "
                f"missing for {', '.join(missing)}"
            )
        return joined


class Joined:
    """One row per item: for each dimension D the columns `rating.D` and `score.D`, and columns such as `system`.

    - `table`: from column name to values, all of one length: a mapping of lists or arrays, or a polars table. None, an
      empty text, NaN and infinity are missing values.
    - `score`: the name of the evaluated metric, which every line carries.
    - `higher_is_better`: False negates the scores, so that a positive correlation means agreement, as papers print it.
    - `used`: the rows (rows,) of bool that a correlation was taken of, by dimension and group, once it was.
    """

    def __init__(
        self, table: Mapping[str, Sequence[Any]] | polars.DataFrame, score: str, higher_is_better: bool = True
    ) -> None:
        self.score, self.higher_is_better = score, higher_is_better
        columns = table if isinstance(table, Mapping) else table.to_dict(as_series=False)
        self._numbers: dict[str, Floats] = {}  # each column is read once, and asked for once a group
        self._columns = {name: list(values) for name, values in columns.items()}
        lengths = {len(values) for values in self._columns.values()}
        if len(lengths) > 1:
            raise AgreementError(f"the columns of the table have the lengths {sorted(lengths)}; expected equal ones")
        self.rows = lengths.pop() if lengths else 0
        self.used: dict[tuple[str, str], np.ndarray] = {}

    def has(self, *columns: str) -> bool:
        """Return whether the table has all `columns`."""
        return all(name in self._columns for name in columns)

    def has_dimension(self, dimension: str) -> bool:
        """Return whether the table rates and scores `dimension`. Raises `AgreementError` if it does only one."""
        present = [self.has(f"{kind}.{dimension}") for kind in ("rating", "score")]
        if any(present) and not all(present):
            missing = f"{'score' if present[0] else 'rating'}.{dimension}"
            raise AgreementError(f"the table has no column {missing!r} to compare with {_partner(missing)!r}")
        return all(present)

    def numbers(self, column: str) -> Floats:
        """Return a column as floats (rows,), missing values as NaN. Raises `AgreementError` for text."""
        if column not in self._numbers:
            self._numbers[column] = self._parsed(column)
        return self._numbers[column]

    def _parsed(self, column: str) -> Floats:
        values = np.full(self.rows, np.nan)
        for row, cell in enumerate(self._cells(column)):
            if cell is None or cell == "":
                continue
            number = number_in(cell)
            if number is None:
                raise AgreementError(f"the column {column!r} holds {cell!r} in row {row + 1}; expected a number")
            values[row] = number
        values[np.isinf(values)] = np.nan
        return values

    def texts(self, column: str) -> np.ndarray:
        """Return a column as texts (rows,), missing values as None."""
        return np.array(
            [None if cell is None or cell == "" else str(cell) for cell in self._cells(column)], dtype=object
        )

    def groups(self, column: str, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return a mask of the rows with each value of a column, in order of appearance, within the mask `rows`."""
        values = self.texts(column)
        within = np.ones(self.rows, bool) if rows is None else rows
        return {value: within & (values == value) for value in dict.fromkeys(values[within]) if value is not None}

    def dimension(self, name: str) -> tuple[Floats, Floats]:
        """Return the scores (higher is better) and the ratings of a dimension; missing ones are NaN."""
        scores = self.numbers(f"score.{name}")
        return scores if self.higher_is_better else -scores, self.numbers(f"rating.{name}")

    def correlations(
        self, dimension: str, measures: Sequence[Measure], rows: np.ndarray | None = None, group: str = ALL
    ) -> list[Line]:
        """Return a line for each measure of one dimension over the rows of `group`."""
        scores, ratings = self.dimension(dimension)
        rated = ~np.isnan(ratings) if rows is None else rows & ~np.isnan(ratings)
        used = rated & ~np.isnan(scores)
        left_out = int((rated & ~used).sum())
        self.used[dimension, group] = used
        return [
            self.line(
                dimension,
                group,
                measure.name,
                partial(measure, scores[used], ratings[used]),
                int(used.sum()),
                left_out,
            )
            for measure in measures
        ]

    def line(
        self,
        rating: str,
        group: str,
        measure: str,
        compute: Callable[[], float],
        n: int,
        excluded: int = 0,
        groups: int | None = None,
        note: str | None = None,
    ) -> Line:
        """Return a line with the value of `compute`, or with the reason if that is undefined."""
        try:
            value: float | None = float(compute())
        except UndefinedError as undefined:
            value, note = None, str(undefined)
        return Line(self.score, rating, group, measure, value, None, None, n, excluded, groups, note)

    def _cells(self, column: str) -> list[Any]:
        if column not in self._columns:
            raise AgreementError(f"the table has no column {column!r}; it has {', '.join(self._columns) or 'none'}")
        return self._columns[column]


def _partner(column: str) -> str:
    kind, _, dimension = column.partition(".")
    return f"{'rating' if kind == 'score' else 'score'}.{dimension}"
