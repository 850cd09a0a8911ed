"""The report as tables of text, which Markdown and LaTeX write each in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..wording import first_few
from .findings import Findings, agreement_lines, agreement_notes
from .identity import fields
from .leaderboard import Board
from .leaderboard import Cell as Mean
from .scored import short_names
from .standing import orders
from .terminal import number

if TYPE_CHECKING:
    from ..agreement.result import Agreement

MEANS_ABREAST, CORRELATIONS_ABREAST = 4, 8
"""So many metrics stand beside each other on a page of paper; more go into another table."""

FIRST = 5
"""So many of the worst, best and most disputed are listed."""

SHOWN_IDS = 5
LONGEST_TEXT = 200


@dataclass(frozen=True)
class Cell:
    """Text, with lines of something small behind or below it; `strong` where it is the best."""

    text: str
    small: Sequence[str] = ()
    strong: bool = False


@dataclass(frozen=True)
class PlainTable:
    """`texts`: how many columns on the left hold words; the others hold numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    texts: int
    note: str = ""


def plain_tables(found: Findings) -> Iterator[PlainTable]:
    """Leaderboard, groups, agreement, correlations, what to look at first, failures, provenance; in parts if wide."""
    for board in found.boards:
        yield from _parts(_board(found, board), MEANS_ABREAST)
    if found.agreement is not None:
        yield _agreement(found, found.agreement)
    names = [*short_names(found.columns), *(f"{rating.name} (people)" for rating in found.ratings)]
    if len(names) > 1:
        rows = [
            [Cell(name), *(Cell("-" if cell.value is None else f"{cell.value:.2f}") for cell in line)]
            for name, line in zip(names, found.correlations, strict=True)
        ]
        note = "SRCC over the samples that both have scored, turned so that better is more."
        yield from _parts(PlainTable("Correlations between metrics", ["", *names], rows, 1, note), CORRELATIONS_ABREAST)
    yield from _first(found)
    yield _failures(found)
    yield from _provenance(found)


def _board(found: Findings, board: Board) -> PlainTable:
    grouped = board.column is not None
    header = [*([board.column or ""] if grouped else []), "system", "samples"]
    header += [f"{name} {c.arrow}" for name, c in zip(short_names(found.columns), found.columns, strict=True)]
    rows = [
        [
            *([Cell(line.group or "")] if grouped else []),
            Cell(line.system or ("(none)" if found.compared else "all")),
            Cell(str(line.samples)),
            *map(_mean, line.cells),
        ]
        for line in board.lines
    ]
    drawn = {"source": "edits of one source together", "sample": "answers to one request together", "row": "one by one"}
    note = (
        f"Means over the finite scores, with {found.level:.0%} intervals from {found.replicates} resamples that draw "
        f"{drawn[found.table.clustered_by]}. "
    )
    note += (
        f"Bold: ahead of every other system in paired tests on the samples that both have scored, p < "
        f"{1 - found.level:.2g} after Bonferroni's correction."
        if found.compared
        else "One system, so nothing is ranked."
    )
    title = f"By {board.column}" if grouped else "Leaderboard" if found.compared else "Mean scores"
    return PlainTable(title, header, rows, 2 if grouped else 1, note)


def _mean(cell: Mean) -> Cell:
    small = [] if cell.low is None else [f"{number(cell.low)} to {number(cell.high)}"]
    small += [f"{cell.infinite} infinite"] if cell.infinite else []
    small += [f"{count} {status}" for status, count in cell.unscored.items()]
    return Cell(number(cell.mean), small, cell.best)


def _parts(table: PlainTable, abreast: int) -> Iterator[PlainTable]:
    """The table, or several of at most `abreast` columns of numbers; the words on the left are in all of them."""
    kept = table.texts + (1 if "samples" in table.header else 0)
    wide = len(table.header) - kept
    for start in range(kept, kept + wide, abreast):
        columns = [*range(kept), *range(start, min(start + abreast, len(table.header)))]
        title = table.title if start == kept else f"{table.title}, continued"
        yield PlainTable(
            title,
            [table.header[c] for c in columns],
            [[row[c] for c in columns] for row in table.rows],
            table.texts,
            table.note if start + abreast >= len(table.header) else "",
        )


def _agreement(found: Findings, agreement: Agreement) -> PlainTable:
    rows = []
    arrows = {column.name: column.arrow for column in found.columns}
    for score, rating, measures in agreement_lines(agreement):
        lines = [measures[name] for name in ("srcc", "plcc")]
        values = [
            Cell(number(line.value), [] if line.low is None else [f"{number(line.low)} to {number(line.high)}"])
            for line in lines
        ]
        rows.append(
            [
                Cell(f"{score} {arrows[score]}"),
                Cell(rating),
                *values,
                Cell(str(lines[0].n)),
                Cell(str(lines[0].excluded)),
            ]
        )
    note = "Correlations have the sign of the numbers: where lower is better, a negative one agrees. "
    note += "; ".join(agreement_notes(agreement))
    return PlainTable("Agreement with people", ["score", "rating", "SRCC", "PLCC", "n", "left out"], rows, 2, note)


def _first(found: Findings) -> Iterator[PlainTable]:
    titles = {"worst": "Worst", "best": "Best", "disputed": "Most disputed"}
    table = found.table
    for name, order in orders(found.standing).items():
        by = found.standing.dispute if name == "disputed" else found.standing.merit
        rows = [
            [
                Cell(table.ids[row]),
                Cell(_cut(table.prompts[row] or "")),
                Cell(found.standing.disputants[row] if name == "disputed" else ""),
                Cell(f"{100 * by[row]:.0f} %"),
            ]
            for row in order[:FIRST]
        ]
        rows = rows if name == "disputed" else [[*row[:2], row[3]] for row in rows]
        last = ["between", "apart"] if name == "disputed" else ["mean percentile"]
        if rows:
            yield PlainTable(titles[name], ["pair", "prompt", *last], rows, 3 if name == "disputed" else 2)


def _failures(found: Findings) -> PlainTable:
    rows = []
    for failure in found.failures:
        names = [found.table.ids[row] for row in failure.rows]
        said = first_few(names, SHOWN_IDS)
        rows.append(
            [
                Cell(failure.metrics),
                Cell(failure.status),
                Cell(_cut(failure.reason)),
                Cell(_cut(said)),
                Cell(str(len(names))),
            ]
        )
    note = "" if rows else "Every metric has scored every sample."
    return PlainTable("What was not scored", ["metrics", "status", "reason", "pairs", "n"], rows, 4, note)


def _provenance(found: Findings) -> Iterator[PlainTable]:
    table = found.table
    done: dict[str, None] = {}
    for column in found.columns:
        if column.label in done:
            continue
        done[column.label] = None
        identity = table.identity_of(column)
        if identity is None:
            rows = [[Cell("identity"), Cell("not known")]]
        else:
            rows = [[Cell("key"), Cell(column.identity or "")]]
            rows += [[Cell(name), Cell(_cut(value))] for name, value in fields(identity).items()]
        yield PlainTable(f"Identity of {column.label}", ["field", "value"], rows, 2)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
