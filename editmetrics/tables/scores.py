"""Tables of scores in percent, as papers print them: rows are models, columns are groups of questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .table import RULE, Cell, DataTable, Mark, TableCell, TableColumn, numbers, percent, text

ABREAST = 5
"""Models side by side on a terminal."""


class MeanScore(NamedTuple):
    """A mean in percent, the ends of its interval, and the number of questions; None if unknown."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0

    @property
    def interval(self) -> str:
        """The interval as text.

        >>> MeanScore(58.2, 56.38, 60.05, 2765).interval
        '56.4-60.0'
        """
        return "" if self.low is None or self.high is None else f"{self.low:.1f}-{self.high:.1f}"


def score_column(group: str, name: str) -> TableColumn:
    """A column of scores; an overall column has no group."""
    return TableColumn(name, "right", "never", group)


@dataclass(frozen=True)
class ScoreTable:
    """A table: `rows` of models and `baselines`, which are never the best; a mean in each for each column."""

    name: str
    title: str
    columns: Sequence[TableColumn]
    rows: Mapping[str, Sequence[MeanScore]]
    baselines: Mapping[str, Sequence[MeanScore]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    level: float = 0.95

    def ranks(self, index: int) -> dict[str, Mark]:
        """The best and the second of the rows in a column; empty when there is one row only, or none differ."""
        means = {name: round(row[index].mean, 2) for name, row in self.rows.items() if row[index].mean is not None}  # type: ignore[arg-type]
        ordered = sorted(set(means.values()), reverse=True)
        if len(ordered) < 2:
            return {}
        marks: dict[float, Mark] = dict(zip(ordered, ("best", "second"), strict=False))
        return {name: marks[mean] for name, mean in means.items() if mean in marks}

    def by_model(self) -> DataTable:
        """The table as papers print it: baselines, then a row for each model."""
        ranks = [self.ranks(index) for index in range(len(self.columns))]
        rows: list[Sequence[Cell]] = [
            [TableCell(name, mark="dim"), *(TableCell(percent(value.mean), mark="dim") for value in values)]
            for name, values in self.baselines.items()
        ]
        rows += [RULE] if rows else []
        for name, values in self.rows.items():
            cells = [
                TableCell(
                    percent(value.mean),
                    [value.interval] if value.interval else [],
                    marks.get(name, ""),
                    f"n = {value.n}",
                )
                for value, marks in zip(values, ranks, strict=True)
            ]
            rows.append([name, *cells])
        return DataTable([*text("Model"), *self.columns], rows, self.title, self.notes, self.name)

    def by_column(self) -> Iterator[DataTable]:
        """The table turned, for a terminal: of one model with interval and n, of several the means side by side."""
        names = list(self.rows)
        alone = len(names) == 1
        starts = range(0, len(names), ABREAST)
        for start in starts:
            chosen = names[start : start + ABREAST]
            headings = ["score, %", f"{self.level:.0%} interval", "n"] if alone else chosen
            yield DataTable(
                [*text("", wrap="never"), *numbers(*headings, *self.baselines, wrap="fold")],
                list(self._turned(chosen, alone)),
                self.title if start == 0 else "",
                self.notes if start == starts[-1] else (),
            )

    def _turned(self, names: Sequence[str], alone: bool) -> Iterator[Sequence[Cell]]:
        """A row for each column; before the first of a group, a line with the group's name."""
        previous = ""
        for index, column in enumerate(self.columns):
            if column.group and column.group != previous:
                yield [column.group]
            previous = column.group
            values, ranks = [self.rows[name][index] for name in names], self.ranks(index)
            cells = [TableCell(percent(v.mean), mark=ranks.get(n, "")) for n, v in zip(names, values, strict=True)]
            more = [values[0].interval, f"{values[0].n:,}"] if alone else []
            baselines = [percent(row[index].mean) for row in self.baselines.values()]
            yield [f"  {column.heading}" if column.group else column.heading, *cells, *more, *baselines]

    def csv_rows(self) -> Iterator[dict[str, Any]]:
        """A row for each number: table, row, group, column, score in percent, its interval, n."""
        for kind, rows in (("baseline", self.baselines), ("model", self.rows)):
            for name, values in rows.items():
                for column, value in zip(self.columns, values, strict=True):
                    names = {"table": self.name, "kind": kind, "row": name, "group": column.group}
                    figures = {"score": value.mean, "low": value.low, "high": value.high, "n": value.n}
                    yield {**names, "column": column.heading, **figures}


def count_table(
    name: str, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> DataTable:
    """A table of counts, shares and words: the first column is text, the others are aligned to the right."""
    columns = [*text(headings[0]), *numbers(*headings[1:], wrap="fold")]
    return DataTable(columns, rows, title, notes, name)
