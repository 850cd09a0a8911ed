"""Tables for a terminal: the summary of a run, the list of metrics, one metric in full."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..wording import first_few
from .plain_text import plain

if TYPE_CHECKING:
    from ..scoring import Results
    from ..scoring.results import Summary
    from ..suites import Suite

FEW = 12
"""Up to so many samples, a run that writes no file shows each one's scores."""

MANY = 10
"""So many different reasons for missing scores are shown."""

BETTER = {True: "higher", False: "lower", None: ""}
"""What is said of a dimension's direction; nothing where none is known."""


class PlainConsole(Console):
    """A console whose only escape sequences are its own: those of its styles and of its progress bars."""

    def render_str(self, text: str, *arguments: Any, **options: Any) -> Text:
        return super().render_str(plain(text), *arguments, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def number(value: float | None) -> str:
    """A number to four significant digits; a dash where there is none.

    >>> number(31.41592), number(0.000123456), number(None), number(math.inf)
    ('31.42', '0.0001235', '-', 'inf')
    """
    if value is None or not math.isfinite(value):
        return "-" if value is None else f"{value:g}"
    return f"{value:.4g}" if value == 0 or 1e-4 <= abs(value) < 1e6 else f"{value:.3e}"


def show_results(results: Results, output: Path | None = None, console: Console | None = None) -> None:
    """What a run found: each sample's scores if they are few and kept nowhere, the summary, and what was not scored."""
    console = console or standard_output()
    if output is None and 1 < len(results) <= FEW:
        console.print(_each_sample(results), "")
    summary = results.summary()
    console.print(_summary(summary))
    if infinite := sum(line.infinite for line in summary):
        console.print(f"{infinite} scores are infinite (identical images); means and spreads leave them out.")
    for line in [*_problems(results), *_notes(results)]:
        console.print(line)
    if results.reused:
        console.print(f"{results.reused} scores were taken over from the record of an earlier run.")
    if output is not None:
        console.print(f"wrote {escape(str(output))}")
    elif len(results) > 1:
        console.print("[dim]Nothing was written; -o scores.csv keeps every score and lets a stopped run go on.[/]")


def show_metrics(described: Iterable[dict[str, Any]], console: Console | None = None) -> None:
    """The list of metrics: a line for each dimension."""
    console = console or standard_output()
    table = _table()
    for heading in ("metric", "inputs", "dimension", "better", "range", "weights", "what it is"):
        table.add_column(heading, no_wrap=heading in ("metric", "better", "range"), overflow="fold")
    for metric in described:
        weights = metric["weights"].values()
        for first, dimension in enumerate(metric["dimensions"]):
            name = dimension["name"] + (f" ({dimension['unit']})" if dimension["unit"] else "")
            better = BETTER[dimension["higher_is_better"]]
            columns = [name, better, _range(dimension)]
            none = "to train" if metric["learned"] else "none"
            here = none if not weights else "here" if all(weights) else "to download"
            if first == 0:
                inputs = ", ".join(metric["needs"])
                table.add_row(metric["name"], inputs, *columns, here, escape(metric["summary"]))
            else:
                table.add_row("", "", *columns, "", escape(dimension["description"]))
    console.print(table)
    console.print("[dim]'editmetrics info NAME' shows one in full.[/]")


def show_suites(suites: Iterable[Suite], console: Console | None = None) -> None:
    """The suites: a line for each column of a benchmark's table, and what it is multiplied by there."""
    console = console or standard_output()
    table = _table()
    for heading in ("suite", "column", "metric", "printed"):
        table.add_column(heading, no_wrap=heading in ("suite", "printed"), overflow="fold")
    for suite in suites:
        for first, column in enumerate(suite.columns):
            times = "" if column.times == 1 else f"times {column.times:g}"
            table.add_row("" if first else suite.name, column.heading, escape(column.spec), times)
    console.print("")
    console.print(table)
    console.print("[dim]'editmetrics score --suite NAME ...' runs one.[/]")


def show_metric(metric: dict[str, Any], console: Console | None = None) -> None:
    """One metric in full."""
    console = console or standard_output()
    console.print(f"[bold]{metric['name']}[/] (version {metric['version']}, from {metric['package']})\n")
    console.print(escape(_without_options(metric["documentation"])), highlight=False)
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("needs", ", ".join(metric["needs"]))
    facts.add_row("uses", ", ".join(metric["uses"]) or "nothing more")
    for dimension in metric["dimensions"]:
        better = BETTER[dimension["higher_is_better"]]
        said = [
            _range(dimension) + (f" {dimension['unit']}" if dimension["unit"] else ""),
            f"{better} is better" if better else "no direction known",
            dimension["description"],
        ]
        facts.add_row("dimension", escape(f"{dimension['name']}: {', '.join(filter(None, said))}"))
    for checkpoint, here in metric["weights"].items():
        advice = (
            "on this machine" if here else f"not on this machine; 'editmetrics weights pull {checkpoint}' downloads it"
        )
        facts.add_row("weights", f"{checkpoint}: {advice}")
    facts.add_row("paper", escape(metric["paper"] or "none"))
    facts.add_row("licence", escape(metric["licence"] or "not stated"))
    console.print()
    console.print(facts)
    if metric["options"]:
        options = _table()
        options.add_column("option", no_wrap=True)
        options.add_column("type", overflow="fold")
        options.add_column("default", overflow="fold")
        options.add_column("meaning", overflow="fold", ratio=1)
        for option in metric["options"]:
            default = "none" if option["default"] is None else str(option["default"])
            options.add_row(option["name"], escape(option["type"]), escape(default), escape(option["description"]))
        console.print()
        console.print(options)


def _summary(lines: list[Summary]) -> Table:
    systems = any(line.system is not None for line in lines)
    table = _table()
    table.add_column("metric", no_wrap=True)
    if systems:
        table.add_column("system", no_wrap=True)
    for heading in ("mean", "median", "sd"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("best", "worst"):  # these give way first when a terminal is narrow
        table.add_column(heading, overflow="ellipsis")
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("not scored", no_wrap=True)
    leaders = _leaders(lines)
    previous = None
    for line in lines:
        arrow = {True: " ↑", False: " ↓", None: ""}[line.dimension.higher_is_better]
        name = "" if line.column == previous else f"{escape(line.column)}{arrow}"
        previous = line.column
        mean = f"[bold]{number(line.mean)}[/]" if systems and line in leaders else number(line.mean)
        unscored = ", ".join(f"{count} {status}" for status, count in line.unscored.items()) or "0"
        cells = [
            mean,
            number(line.median),
            number(line.spread),
            *(escape(_without_system(name, line.system)) for name in (line.best, line.worst)),
        ]
        table.add_row(name, *([escape(str(line.system))] if systems else []), *cells, str(line.n), unscored)
    return table


def _without_system(name: str | None, system: str | None) -> str:
    return "-" if name is None else name.removeprefix(f"{system}/")


def _leaders(lines: list[Summary]) -> list[Summary]:
    """For each metric and dimension the system whose mean is best."""
    best: dict[str, tuple[float, Summary]] = {}
    for line in lines:
        if line.mean is not None and line.dimension.higher_is_better is not None:
            merit = line.mean if line.dimension.higher_is_better else -line.mean
            if line.column not in best or merit > best[line.column][0]:
                best[line.column] = merit, line
    return [line for _, line in best.values()]


def _each_sample(results: Results) -> Table:
    table = _table()
    table.add_column("id", overflow="fold")
    for column in results.columns:
        for name in column.names.values():
            heading = name.replace(f"{column.label}.", f"{column.label}.\n", 1)  # a dimension stands under its metric
            table.add_column(escape(heading), justify="right", no_wrap=True, vertical="bottom")
    for index, sample in enumerate(results.samples):
        cells = []
        for column in results.columns:
            score = results.get(index, column)
            cells += [number(score[name]) if name in score else f"[yellow]{score.status}[/]" for name in column.names]
        table.add_row(escape(sample.id), *cells)
    return table


def _problems(results: Results) -> Iterator[str]:
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


def _notes(results: Results) -> Iterator[str]:
    """A line for each thing that a metric noted beside its scores."""
    notes = results.notes()
    for (label, note), ids in list(notes.items())[:MANY]:
        yield f"note ({escape(label)}): {escape(note)} [dim]({escape(first_few(ids))})[/]"
    if len(notes) > MANY:
        yield f"... and {len(notes) - MANY} more notes; the record has them all."


def _range(dimension: dict[str, Any]) -> str:
    low, high = (dimension[end] for end in ("low", "high"))
    return f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"


def _table() -> Table:
    """A table without lines, its columns two blanks apart."""
    return Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))


def _without_options(documentation: str) -> str:
    """The docstring without its `Options:` section, which is shown as a table."""
    import re

    return re.sub(r"^Options:\n(?:[ ]+.*\n?|\n(?=[ ]))+\n?", "", documentation, flags=re.MULTILINE).rstrip()


def standard_output() -> Console:
    """Standard output; as wide as the terminal, and no narrower than its lines need where there is none."""
    console = PlainConsole(file=_below(sys.stdout), highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    return console


def error_output() -> Console:
    """Standard error, for progress bars."""
    return PlainConsole(file=_below(sys.stderr))


def _below(stream: Any) -> Any:
    """The stream that a console may write its own escape sequences to; the program filters those of all others."""
    return getattr(stream, "rich_proxied_file", stream)
