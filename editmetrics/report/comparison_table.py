"""The comparison of two runs as a table for a terminal: what changed in the identities first, for it decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from ..wording import first_few
from .terminal import number, standard_output

if TYPE_CHECKING:
    from rich.console import Console

    from .comparison import Moved, RunComparison

WORDS = {
    "better": "[bold green]better[/]",
    "worse": "[bold red]worse[/]",
    "noise": "noise",
    "equal": "the same",
    "too few": "too few",
}
SHOWN_FIELDS = 12
SHOWN_MOVERS = 3
LONGEST_VALUE = 60


def show_comparison(found: RunComparison, output: Path | None = None, console: Console | None = None) -> None:
    """Identities, inputs, a line for each metric and system, the largest movers, and the notes."""
    console = console or standard_output()
    for line in [*_identities(found), *_inputs(found)]:
        console.print(line)
    console.print("", _table(found), "")
    how = found.settings
    drawn = {"source": "drawn by source", "sample": "drawn by request", "row": "drawn one by one"}
    console.print(
        f"[dim]a: {escape(str(found.a))}, b: {escape(str(found.b))}, {found.matched} samples in both. Means and b - a "
        f"over what both runs scored; {how['level']:.0%} intervals, samples {drawn[how['clusters']]}. p is of each "
        "test alone. b is better or worse where p, after Holm's correction for all lines, is small enough; else it is "
        "no more than noise. lost, new: scored in a only, in b only.[/]"
    )
    for line in [*_movers(found), *_lost(found)]:
        console.print(line)
    for note in found.notes:
        console.print(f"note: {escape(note)}")
    if output is not None:
        console.print(f"wrote {escape(str(output))}")


def _identities(found: RunComparison) -> Iterator[str]:
    changed = [change for change in found.identities if change.known]
    unknown = [change.column for change in found.identities if not change.known]
    said: dict[tuple[tuple[str, str | None, str | None], ...], list[str]] = {}
    for change in changed:
        said.setdefault(tuple(change.fields), []).append(change.column)
    for fields, columns in said.items():
        yield f"[bold red]Not comparable:[/] what produced {escape(', '.join(columns))} is not the same:"
        for name, before, after in fields[:SHOWN_FIELDS]:
            yield f"  {escape(name)}: {_value(before)} -> {_value(after)}"
        if len(fields) > SHOWN_FIELDS:
            yield f"  and {len(fields) - SHOWN_FIELDS} more fields"
    if unknown:
        said_of = escape(", ".join(unknown))
        yield f"[yellow]Not known to be comparable:[/] a run has no record of what produced {said_of}"
    if not found.identities:
        yield "The identities of all metrics are the same in both runs: their numbers are comparable."


def _inputs(found: RunComparison) -> Iterator[str]:
    said: dict[tuple[int, int, int], list[str]] = {}
    for column, counts in found.inputs.items():
        said.setdefault((counts["same"], counts["changed"], counts["unknown"]), []).append(column)
    for (same, changed, unknown), columns in said.items():
        parts = [f"{changed} of {same + changed + unknown} samples have other images or texts in b"] if changed else []
        parts += [f"of {unknown} samples the content is not known"] if unknown else []
        if parts:
            names = "" if len(said) == 1 else f" ({escape(', '.join(columns))})"
            yield f"Content: {'; '.join(parts)}{names}."
        elif len(said) == 1:
            yield f"Content: all {same} samples have the same images and texts in both runs."


def _value(value: str | None) -> str:
    if value is None:
        return "(none)"
    return escape(value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…")


def _table(found: RunComparison) -> Table:
    systems = any(line.system is not None for line in found.moved)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("metric\n  system" if systems else "metric", overflow="fold")
    for heading in ("a\nb", "b - a\n(interval)", "p", "samples"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("b is", no_wrap=True)
    previous = None
    for line in found.moved:
        name = escape(f"{_named(line)} {line.arrow}")
        if systems and line.column != previous:
            table.add_row(f"[bold]{name}[/]")
        previous = line.column
        interval = "" if line.low is None or line.verdict == "equal" else f"({number(line.low)}, {number(line.high)})"
        sign = "+" if (line.difference or 0) > 0 else ""
        table.add_row(
            f"  {escape(line.system or '(none)')}" if systems else name,
            f"{number(line.mean_a)}\n{number(line.mean_b)}",
            f"{sign}{number(line.difference)}\n{interval}",
            "-" if line.p is None else f"{line.p:.2g}",
            _counts(line),
            WORDS[line.verdict],
        )
    return table


def _named(line: Moved) -> str:
    return line.column if line.column == line.other else f"{line.column} / {line.other}"


def _counts(line: Moved) -> str:
    """How many samples moved which way; what is in one run only is told where there is any."""
    said = [f"{line.better} better", f"{line.worse} worse"]
    said += [f"{line.equal} same"] if line.equal else []
    said += [f"[yellow]{line.newly_failed} lost[/]"] if line.newly_failed else []
    said += [f"{line.newly_scored} new"] if line.newly_scored else []
    said += [f"{line.neither} in neither"] if line.neither else []
    return "\n".join(said)


def _movers(found: RunComparison) -> Iterator[str]:
    for column in dict.fromkeys(mover.column for mover in found.movers):
        of_column = [mover for mover in found.movers if mover.column == column]
        for word, sign in (("lost", -1), ("gained", 1)):
            moved = [mover for mover in of_column if mover.gain * sign > 0][:SHOWN_MOVERS]
            if moved:
                said = ", ".join(f"{escape(m.id)} ({number(m.a)} -> {number(m.b)})" for m in moved)
                yield f"{escape(column)}, {word} most: {said}"


def _lost(found: RunComparison) -> Iterator[str]:
    for column, ids in found.lost.items():
        yield f"[yellow]newly failed[/], {escape(column)}: {escape(first_few(ids, 5))}"
