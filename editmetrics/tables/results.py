"""The summary of a run: means of each metric, the scores of a few samples, and why others are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from ..files.text import with_arrow
from ..wording import LIKENESS, first_few, plural
from .table import Block, Cell, DataTable, TableCell, number, numbers, text

if TYPE_CHECKING:
    from ..scoring import Results
    from ..scoring.means import Summary

FEW = 12
"""A run with at most this number of samples shows the scores of each, unless it writes a file."""

MANY = 10
"""At most this number of reasons for missing scores are shown."""


def results_blocks(results: Results, written: bool = False) -> Iterator[Block]:
    """The scores of a few samples that are not written to a file, the summary, and the reasons for missing scores."""
    if any(column.metric.of_sets for column in results.columns):
        from .sets import sets_blocks

        yield from (*sets_blocks(results), *problem_lines(results), *_notes(results), *_reused(results))
        return
    if not written and 1 < len(results) <= FEW:
        yield from (_each_sample(results), "")
    summary = results.summary()
    comparison = results.compare() if len(results.systems) > 1 else None
    yield _summary(summary, comparison.best if comparison else {})
    yield from _outcomes(results)
    likeness = [column.label for column in results.columns if column.metric.rewards_no_change()]
    if note := likeness_note(likeness, len(results.columns)):
        yield f"[yellow]{escape(note)}[/]"
    if infinite := sum(line.infinite for line in summary):
        yield f"{plural(infinite, 'infinite score')} (identical images), left out of means and spreads"
    if comparison:
        from .systems import systems_blocks

        yield from systems_blocks(
            comparison, {line.column: with_arrow("", line.dimension.higher_is_better) for line in summary}
        )
    yield from problem_lines(results)
    yield from _notes(results)
    yield from _reused(results)
    if not written and len(results) > 1:
        yield "[dim]Nothing was written; -o scores.csv keeps every score and lets a stopped run resume.[/]"


def likeness_note(labels: Sequence[str], number_of_metrics: int) -> str:
    """The sentence under a table of scores; `labels`: the metrics that reward doing nothing. Empty without one.

    >>> likeness_note(["psnr", "ssim"], 3)
    'psnr, ssim measure how little changed, not whether the instruction was followed.'
    """
    if not labels:
        return ""
    several = len(labels) > 1
    names = ("These" if several else "It") if len(labels) == number_of_metrics else first_few(labels, 8)
    return f"{names} measure{'' if several else 's'} {LIKENESS}."


def _summary(lines: list[Summary], best: Mapping[str, str | None]) -> DataTable:
    systems = any(line.system is not None for line in lines)
    columns = [*text("metric", wrap="never"), *text(*["system"] * systems, wrap="never")]
    columns += numbers("mean", "median", "sd")
    columns += text("best", "worst", wrap="ellipsis")  # these give way first when a terminal is narrow
    columns += [*numbers("n"), *text("not scored", wrap="never")]
    rows: list[Sequence[Cell]] = []
    previous = None
    for line in lines:
        name = "" if line.column == previous else with_arrow(line.column, line.dimension.higher_is_better)
        previous = line.column
        rows.append(
            [
                name,
                *[str(line.system)] * systems,
                TableCell(number(line.mean), mark="best" if systems and best.get(line.column) == line.system else ""),
                line.median,
                line.spread,
                *("-" if end is None else end.removeprefix(f"{line.system}/") for end in (line.best, line.worst)),
                line.n,
                ", ".join(f"{count} {status}" for status, count in line.unscored.items()) or "0",
            ]
        )
    return DataTable(columns, rows)


def _each_sample(results: Results) -> DataTable:
    names = [(column, name) for column in results.columns for name in column.names.items()]
    headings = [name.replace(f"{column.label}.", f"{column.label}.\n", 1) for column, (_, name) in names]
    rows: list[Sequence[Cell]] = []
    for index, sample in enumerate(results.samples):
        cells: list[Cell] = [sample.id]
        for column, (dimension, _) in names:
            score = results.get(index, column)
            cells.append(score[dimension] if dimension in score else TableCell(score.status, mark="warning"))
        rows.append(cells)
    return DataTable([*text("id"), *numbers(*headings)], rows)


def _outcomes(results: Results) -> Iterator[str]:
    """A line for each metric of two edits and system: how its pairs ended."""
    if not any("rival" in column.fields for column in results.columns):
        return
    from ..scoring.beside import outcomes

    for (label, system), counts in outcomes(results).items():
        name = label if system is None else f"{label}, {system}"
        ends = ((counts["win"], "won"), (counts["loss"], "lost"), (counts["tie"], "tied"))
        ended = ", ".join(f"{count} {word}" for count, word in (*ends, (counts["inconsistent"], "inconsistent")))
        yield escape(f"{name}: {ended}")


def problem_lines(results: Results) -> Iterator[str]:
    """A line for each reason why something has no score: which metrics, how many samples, the first of them."""
    reasons: dict[tuple[str, str], dict[str, list[str]]] = {}
    for (label, status, reason), ids in results.problems().items():
        reasons.setdefault((status, reason), {})[label] = ids
    for (status, reason), by_metric in list(reasons.items())[:MANY]:
        ids = list(dict.fromkeys(name for names in by_metric.values() for name in names))
        metrics = "all metrics" if 1 < len(by_metric) == len(results.columns) else ", ".join(by_metric)
        yield f"[yellow]{len(ids)} {status}[/] ({escape(metrics)}): {escape(reason)} [dim]({escape(first_few(ids))})[/]"
    if len(reasons) > MANY:
        yield f"... and {len(reasons) - MANY} more reasons; the column 'problems' of the table has them all."


def _reused(results: Results) -> Iterator[str]:
    if results.reused:
        yield f"{plural(results.reused, 'score')} reused from the record of an earlier run"


def _notes(results: Results) -> Iterator[str]:
    """A line for each note of a metric beside its scores."""
    notes = results.notes()
    for (label, note), ids in list(notes.items())[:MANY]:
        yield f"note ({escape(label)}): {escape(note)} [dim]({escape(first_few(ids))})[/]"
    if len(notes) > MANY:
        yield f"... and {len(notes) - MANY} more notes; the record has them all."
