"""Is one system better than another: the differences of systems, under the means of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import TYPE_CHECKING

from rich.markup import escape

from ..wording import first_few, plural
from .table import Block, Cell, DataTable, Mark, TableCell, TableColumn, digits_of, numbers, rounded, text

if TYPE_CHECKING:
    from ..agreement.systems import Contest, SystemComparison, SystemDifference

APART = "cannot be told apart"
SHOWN = 3
"""Systems that are named of those that cannot be told apart."""

DRAWN = {"source": "edits of one source drawn together", "sample": "drawn by sample", "row": "drawn one by one"}
"""How a bootstrap draws rows, by what they are clustered by."""


def systems_blocks(comparison: SystemComparison, arrows: Mapping[str, str]) -> Iterator[Block]:
    """A line for each metric: the difference, its interval, p, effect size and verdict; `arrows` by column."""
    if comparison.contests and not any(line.n for contest in comparison for line in contest.lines):
        yield from ("", "[dim]The systems have no samples in common, and are not compared.[/]")
    elif comparison.contests:
        several = len(comparison.systems) > 2
        letters = dict(zip(comparison.systems, ascii_uppercase, strict=False)) if several else {}
        table = systems_table(comparison, arrows, letters if len(letters) == len(comparison.systems) else {})
        yield from ("", replace(table, notes=()))
        if letters:
            yield escape(", ".join(f"{letter}: {name}" for name, letter in letters.items()))
        yield f"[dim]{escape('; '.join(table.notes))}.[/]"


def systems_table(
    comparison: SystemComparison, arrows: Mapping[str, str], letters: Mapping[str | None, str] | None = None
) -> DataTable:
    """The table of `systems_blocks`, with its title and notes; `letters` stand for long names on a terminal."""
    two = len(comparison.systems) == 2
    level = f"{comparison.resampling.level:.0%}".replace("%", " %")
    names = [str(name) for name in comparison.systems]
    columns = [TableColumn("metric", most=None if two else 13)]
    columns += [] if two else text("best\n- next", wrap="never" if letters else "fold")
    columns += numbers("difference", f"{level} interval", "p", "d") + ([] if not two else numbers("n"))
    columns += [TableColumn("better" if two else "ahead of all?", least=20)]
    title = f"{names[0]} - {names[1]}" if two else "The best system of each metric against the others"
    return DataTable(
        columns,
        [_row(contest, arrows, two, letters or {}) for contest in comparison],
        title,
        _notes(comparison),
        name="systems",
        gap=2 if two else 1,
    )


def _row(contest: Contest, arrows: Mapping[str, str], two: bool, letters: Mapping[str | None, str]) -> Sequence[Cell]:
    line = contest.closest
    digits = digits_of(line.low, line.high)
    interval = "-" if line.low is None else f"{rounded(line.low, digits)} to {rounded(line.high, digits)}"
    sign = "+" if (line.difference or 0) > 0 else ""
    verdict, mark = _verdict(contest, line, two, letters)
    one, other = (letters.get(name, str(name)) for name in (line.system, line.other))
    return [
        f"{contest.column}{arrows.get(contest.column, '')}",
        *([] if two else [f"{one} - {other}"]),
        f"{sign}{rounded(line.difference, digits)}",
        interval,
        "-" if line.p is None else f"{line.p:.2g}",
        "-" if line.effect is None else f"{line.effect:+.2f}",
        *([line.n] if two else []),
        TableCell(verdict, mark=mark),
    ]


def _verdict(
    contest: Contest, line: SystemDifference, two: bool, letters: Mapping[str | None, str]
) -> tuple[str, Mark]:
    if contest.best is not None:
        return (contest.best if two else "yes"), "best"
    if two:
        return {"equal": "equal", "too few": "too few samples"}.get(line.verdict, APART), ""
    behind = [other.other for other in contest.lines if other.verdict == "worse"]
    names = first_few([letters.get(name, str(name)) for name in behind or contest.not_told_apart], SHOWN)
    return (f"no, behind {names} on shared samples" if behind else f"{APART} from {names}"), ""


def _notes(comparison: SystemComparison) -> list[str]:
    tests = sum(len(contest.lines) for contest in comparison)
    return [
        "Differences of means over the samples that both have scores of; paired bootstrap, "
        f"{DRAWN[comparison.clustered_by]}",
        f"p is of one test; the verdict is after Holm's correction for {plural(tests, 'test')}",
        "d, the effect size, is the mean of the differences over their standard deviation",
    ]
