"""Tables of scores in percent, as papers print them: rows are models, columns are groups of questions.

Here are the tables themselves and how a terminal shows them (columns below each other, with intervals);
`score_files` writes them as Markdown, HTML, LaTeX and csv.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

ABREAST = 5
"""So many models stand beside each other on a terminal."""


class Value(NamedTuple):
    """A mean in percent, the ends of its interval, and over how many questions; None where there is none."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0


class Column(NamedTuple):
    """What stands over a column: its group and its own name; an overall column has no group."""

    group: str
    name: str


@dataclass(frozen=True)
class ScoreTable:
    """A table: `rows` of models and `baselines`, which are never the best; a value in each for each column."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Mapping[str, Sequence[Value]]
    baselines: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    level: float = 0.95

    def ranks(self, index: int) -> dict[str, str]:
        """Which rows are "best" and "second" in a column; nothing where there is one row only, or none differ."""
        means = {name: round(row[index].mean, 2) for name, row in self.rows.items() if row[index].mean is not None}  # type: ignore[arg-type]
        ordered = sorted(set(means.values()), reverse=True)
        if len(ordered) < 2:
            return {}
        marks = dict(zip(ordered, ("best", "second"), strict=False))
        return {name: marks[mean] for name, mean in means.items() if mean in marks}


@dataclass(frozen=True)
class CountTable:
    """A table of plain cells: counts, shares, words. The first column is text, the others are right-aligned."""

    name: str
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def percent(value: float | None) -> str:
    """A percentage as papers print it; a dash where there is none.

    >>> percent(58.2278), percent(None)
    ('58.23', '-')
    """
    return "-" if value is None else f"{value:.2f}"


def interval(value: Value) -> str:
    """The interval of a value; nothing where there is none.

    >>> interval(Value(58.2, 56.38, 60.05, 2765))
    '56.4-60.0'
    """
    return "" if value.low is None or value.high is None else f"{value.low:.1f}-{value.high:.1f}"


def show_scores(table: ScoreTable, console: Console) -> None:
    """A row for each column of the table: of one model with interval, number and baselines, else the models abreast."""
    console.print(f"[bold]{escape(table.title)}[/]")
    if len(table.rows) == 1:
        console.print(_of_one_model(table))
    else:
        names = list(table.rows)
        for start in range(0, len(names), ABREAST):
            console.print(_abreast(table, names[start : start + ABREAST]))
    for note in table.notes:
        console.print(escape(sentence(note)))
    console.print()


def show_counts(table: CountTable, console: Console) -> None:
    console.print(f"[bold]{escape(table.title)}[/]")
    shown = _plain(table.headings)
    for row in table.rows:
        shown.add_row(*map(escape, row))
    console.print(shown)
    for note in table.notes:
        console.print(escape(sentence(note)))
    console.print()


def _of_one_model(table: ScoreTable) -> Table:
    ((_, values),) = table.rows.items()
    shown = _plain(["", "score, %", f"{table.level:.0%} interval", "n", *table.baselines])
    for index, label in _labels(table, shown):
        value = values[index]
        blind = [percent(row[index].mean) for row in table.baselines.values()]
        shown.add_row(label, percent(value.mean), interval(value), f"{value.n:,}", *blind)
    return shown


def _abreast(table: ScoreTable, names: Sequence[str]) -> Table:
    shown = _plain(["", *names, *table.baselines])
    for index, label in _labels(table, shown):
        ranks = table.ranks(index)
        cells = []
        for name in names:
            text = percent(table.rows[name][index].mean)
            cells.append({"best": f"[bold]{text}[/]", "second": f"[underline]{text}[/]"}.get(ranks.get(name, ""), text))
        shown.add_row(label, *cells, *(percent(row[index].mean) for row in table.baselines.values()))
    return shown


def _labels(table: ScoreTable, shown: Table) -> Iterator[tuple[int, str]]:
    """Each column's number and label; before the first of a group, a line with the group's name."""
    previous = ""
    for index, column in enumerate(table.columns):
        if column.group and column.group != previous:
            shown.add_row(escape(column.group))
        previous = column.group
        yield index, f"  {escape(column.name)}" if column.group else escape(column.name)


def _plain(headings: Sequence[str]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        style: dict[str, Any] = {"overflow": "fold", "vertical": "bottom"}
        shown.add_column(escape(heading), justify="right" if index else "left", no_wrap=not heading, **style)
    return shown


def sentence(text: str) -> str:
    """A note as a sentence: with a capital, and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?")) else f"{text}."
