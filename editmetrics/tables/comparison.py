"""The comparison of two runs: first the changes of identities, which decide whether numbers are comparable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from ..wording import first_few, plural
from .table import Block, Cell, DataTable, Mark, TableCell, number, numbers, text

if TYPE_CHECKING:
    from ..runs.comparison import Moved, RunComparison

VERDICTS: dict[str, tuple[str, Mark]] = {
    "better": ("better", "good"),
    "worse": ("worse", "bad"),
    "noise": ("noise", ""),
    "equal": ("the same", ""),
    "too few": ("too few", ""),
}
DRAWN = {"source": "drawn by source", "sample": "drawn by request", "row": "drawn one by one"}
SHOWN_FIELDS, SHOWN_MOVERS, SHOWN_LOST = 12, 3, 5
LONGEST_VALUE = 60


def comparison_blocks(comparison: RunComparison) -> Iterator[Block]:
    """Identities, inputs, a line for each metric and system, the largest movers, and the notes."""
    yield from _identities(comparison)
    yield from _inputs(comparison)
    yield from ("", _table(comparison), "")
    settings = comparison.settings
    yield (
        f"[dim]a: {escape(str(comparison.a))}, b: {escape(str(comparison.b))}, {comparison.matched} samples in both. "
        f"Means and b - a over what both runs scored; {settings['level']:.0%} intervals, samples "
        f"{DRAWN[settings['clusters']]}. p is of each test alone. b is better or worse where p, after Holm's "
        "correction for all lines, is small enough; else it is no more than noise. lost, new: scored in a only, in b "
        "only.[/]"
    )
    yield from _movers(comparison)
    for column, ids in comparison.lost.items():
        yield f"[yellow]newly failed[/], {escape(column)}: {escape(first_few(ids, SHOWN_LOST))}"
    for note in comparison.notes:
        yield f"note: {escape(note)}"


def _identities(comparison: RunComparison) -> Iterator[str]:
    unknown = [change.column for change in comparison.identities if not change.known]
    columns_of: dict[tuple[tuple[str, str | None, str | None], ...], list[str]] = {}
    for change in comparison.identities:
        if change.known:
            columns_of.setdefault(tuple(change.fields), []).append(change.column)
    for fields, columns in columns_of.items():
        yield f"[bold red]Not comparable:[/] what produced {escape(', '.join(columns))} is not the same:"
        for name, before, after in fields[:SHOWN_FIELDS]:
            yield f"  {escape(name)}: {_shortened(before)} -> {_shortened(after)}"
        if len(fields) > SHOWN_FIELDS:
            yield f"  and {len(fields) - SHOWN_FIELDS} more fields"
    if unknown:
        names = escape(", ".join(unknown))
        yield f"[yellow]Not known to be comparable:[/] a run has no record of what produced {names}"
    if not comparison.identities:
        yield "The identities of all metrics are the same in both runs: their numbers are comparable."


def _inputs(comparison: RunComparison) -> Iterator[str]:
    columns_of: dict[tuple[int, int, int], list[str]] = {}
    for column, counts in comparison.inputs.items():
        columns_of.setdefault((counts["same"], counts["changed"], counts["unknown"]), []).append(column)
    for (same, changed, unknown), columns in columns_of.items():
        total = plural(same + changed + unknown, "sample")
        parts = [f"{changed} of {total} with other images or texts in b"] if changed else []
        parts += [f"the content of {plural(unknown, 'sample')} is not known"] if unknown else []
        if parts:
            names = "" if len(columns_of) == 1 else f" ({escape(', '.join(columns))})"
            yield f"Content: {'; '.join(parts)}{names}."
        elif len(columns_of) == 1:
            yield f"Content: equal images and texts in both runs ({plural(same, 'sample')})."


def _shortened(value: str | None) -> str:
    if value is None:
        return "(none)"
    return escape(value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…")


def _table(comparison: RunComparison) -> DataTable:
    systems = any(line.system is not None for line in comparison.moved)
    columns = [*text("metric\n  system" if systems else "metric")]
    columns += [*numbers("a\nb", "b - a\n(interval)", "p", "samples"), *text("b is", wrap="never")]
    rows: list[Sequence[Cell]] = []
    previous = None
    for line in comparison.moved:
        name = line.column if line.column == line.other else f"{line.column} / {line.other}"
        name = f"{name} {line.arrow}"
        if systems and line.column != previous:
            rows.append([TableCell(name, mark="bold")])
        previous = line.column
        interval = "" if line.low is None or line.verdict == "equal" else f"({number(line.low)}, {number(line.high)})"
        sign = "+" if (line.difference or 0) > 0 else ""
        verdict, mark = VERDICTS[line.verdict]
        rows.append(
            [
                f"  {line.system or '(none)'}" if systems else name,
                f"{number(line.mean_a)}\n{number(line.mean_b)}",
                f"{sign}{number(line.difference)}\n{interval}",
                "-" if line.p is None else f"{line.p:.2g}",
                _counts(line),
                TableCell(verdict, mark=mark),
            ]
        )
    return DataTable(columns, rows)


def _counts(line: Moved) -> str:
    """The number of samples that moved each way; of those in one run only, where there are any."""
    counts = {"lost": line.newly_failed, "new": line.newly_scored, "in neither": line.neither}
    parts = [f"{line.better} better", f"{line.worse} worse"]
    parts += [f"{count} {word}" for word, count in {"same": line.equal, **counts}.items() if count]
    return "\n".join(parts)


def _movers(comparison: RunComparison) -> Iterator[str]:
    for column in dict.fromkeys(mover.column for mover in comparison.movers):
        for word, sign in (("lost", -1), ("gained", 1)):
            moved = [mover for mover in comparison.movers if mover.column == column and mover.gain * sign > 0]
            if moved:
                samples = (f"{escape(m.id)} ({number(m.a)} -> {number(m.b)})" for m in moved[:SHOWN_MOVERS])
                yield f"{escape(column)}, {word} most: {', '.join(samples)}"
