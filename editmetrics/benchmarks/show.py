"""The data sets, a copy of one, and figures beside the published ones, as tables."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape

from ..agreement.protocols import PROTOCOLS
from ..agreement.result import Line
from ..tables.agreement import reasons_without_value
from ..tables.table import Block, Cell, DataTable, Mark, TableCell, TableColumn, facts, number, text
from .benchmark import Benchmark
from .catalogue import Published, published
from .evaluation import Evaluation
from .load import Copy

WIDE = 32
"""Characters of measures side by side; more go into another table, for terminals of 80 columns."""

FEW = 12
"""Values of a column are listed with their counts, if not more than this; otherwise only their number and range."""


PREFERRED = {1.0: "the first", -1.0: "the second", 0.0: "ties"}
"""Of a pair's rating, what people prefer."""


def benchmarks_blocks(benchmarks: Iterable[Benchmark]) -> Iterator[Block]:
    """The data sets: a line each."""
    rows: list[Sequence[Cell]] = []
    for bench in benchmarks:
        methods = len({row.method for row in published(bench.name)})
        rows.append(
            [
                bench.name,
                f"{bench.size:,}" if bench.size else "?",
                ", ".join(bench.ratings),
                f"{methods} methods" if methods else "none",
                "yes" if bench.public else "not as a whole",
            ]
        )
    yield DataTable([*text("name", wrap="never"), *text("samples", "ratings", "published", "to be had")], rows)
    yield "[dim]'editmetrics benchmark NAME' says how to get one; 'editmetrics benchmark NAME PATH' checks a copy.[/]"


def benchmark_blocks(bench: Benchmark) -> Iterator[Block]:
    """One data set: its content, how to obtain it, and its terms."""
    rows = []
    for name, rating in bench.ratings.items():
        scale = " or ".join(rating.labels) if rating.labels else f"{rating.low:g} to {rating.high:g}"
        rows.append(["rating", f"{name}: {rating.about}, {scale}"])
    rows.append(["protocol", f"{bench.protocol}: {PROTOCOLS[bench.protocol].source}"])
    rows += [["to get it", bench.obtain], ["terms", bench.terms], ["layout", f"{bench.page} in the documentation"]]
    yield from (f"[bold]{escape(bench.title)}[/]: {escape(bench.paper)}\n", facts(rows))


def copy_blocks(copy: Copy) -> Iterator[Block]:
    """The content of a copy, its problems, and missing samples."""
    bench = copy.benchmark
    yield from (*benchmark_blocks(bench), "")
    complete = f"; a complete copy has {bench.size:,} {bench.unit}" if bench.size else ""
    rows: list[Sequence[Cell]] = [["folder", str(copy.folder)], ["samples", f"{len(copy.samples):,}{complete}"]]
    for name in bench.shown:
        counts = Counter(str(s.meta[name]) for s in copy.samples if s.meta.get(name) is not None)
        rows.append([name, _counted(counts) if counts else TableCell("none given", mark="dim")])
    for name, rating in bench.ratings.items():
        values = [float(s.meta[name]) for s in copy.samples if name in s.meta and not rating.labels]
        if values and bench.pairs:
            counts = Counter(PREFERRED[value] for value in values)
            rows.append([name, ", ".join(f"{counts[text]:,} {text}" for text in PREFERRED.values())])
        elif values:
            mean = sum(values) / len(values)
            rows.append([name, f"{len(values):,} from {min(values):.4g} to {max(values):.4g}, mean {mean:.4g}"])
        elif not rating.labels:
            rows.append([name, "none"])
    yield from (facts(rows), "")
    if copy.notes:
        yield from ("the authors' own files contradict each other:", *map(escape, copy.notes), "")
    images = "every image exists and is complete" if copy.images_checked else "images were not checked"
    if copy.complete:
        unknown = "nothing is wrong, but how many samples a complete copy has is not stated"
        yield f"[bold green]{'complete' if bench.size else unknown}[/]: {images}."
        return
    spoiled = len({problem.row for problem in copy.problems})
    wrong = f"{len(copy.problems):,} problems in {spoiled:,} rows" if copy.problems else f"nothing is wrong, {images}"
    yield from (f"[bold yellow]not a complete copy[/]: {wrong}.", escape(copy.report()))


def evaluation_blocks(evaluation: Evaluation) -> Iterator[Block]:
    """The figures of each rating beside published ones, which their row or heading marks."""
    bench, lines, part = evaluation.benchmark, evaluation.agreement.lines, evaluation.caveat
    yield f"\n[bold]{escape(bench.title)}[/], protocol {bench.protocol} ({escape(PROTOCOLS[bench.protocol].source)})"
    if part:
        yield f"[bold yellow]A part, not the benchmark[/]: {escape(part)}."
    elif bench.size:
        yield "All that the paper evaluates."
    else:
        yield "All of this copy; how many samples a complete one has is not stated."
    for rating in dict.fromkeys(line.rating for line in lines):
        computed = [line for line in lines if line.rating == rating]
        printed = [row for row in evaluation.published if row.rating == rating]
        tables = [*_headlines(computed, printed, bench), *_in_groups(computed, printed, evaluation)]
        for title, table in tables:
            yield f"\n[bold]{escape(title)}[/]" + (f" [yellow](a part: {escape(part)})[/]" if part else "")
            yield table
    yield ""
    if evaluation.published:
        papers = dict.fromkeys(f"{row.paper}, {row.table}" for row in evaluation.published)
        source = f"Rows marked 'published' are the papers' own numbers ({'; '.join(papers)}), not computed here."
    else:
        source = f"No published rows: no table of a paper about {bench.title} was at hand."
    notes = [source, *_doubtful(evaluation), *reasons_without_value(lines), *evaluation.agreement.notes]
    yield from map(escape, notes)


def _headlines(
    computed: Sequence[Line], printed: Sequence[Published], bench: Benchmark
) -> Iterator[tuple[str, DataTable]]:
    """Titles and tables of all groups, published rows beside the computed ones; of single values of a column only those
    that have a headline."""
    groups = list(dict.fromkeys(line.group for line in computed if _is_headline(line.group, bench)))
    printed_groups = list(dict.fromkeys(row.group for row in printed if _is_headline(row.group, bench)))
    beside = {
        next((name for name in bench.headline.get(group, (group,)) if name in groups), group): group
        for group in printed_groups
    }
    for group in dict.fromkeys([*beside, *groups]):
        lines = [line for line in computed if line.group == group]
        rows = [row for row in printed if row.group == beside.get(group)]
        over = "over all items" if group == "all" else group
        count = next((f" ({line.groups})" for line in lines if line.groups), "")
        for measures in _tables_of_measures(lines, [row.measure for row in rows]):
            some = [row for row in rows if row.measure in measures]
            tables = dict.fromkeys(row.table for row in some)
            sources = f"; published: {', '.join(tables)}" if tables else ""
            yield f"{computed[0].rating}, {over}{count}{sources}", _headline(lines, some, measures)


def _is_headline(group: str, bench: Benchmark) -> bool:
    return "=" not in group or group in bench.headline


def _headline(lines: Sequence[Line], rows: Sequence[Published], measures: Sequence[str]) -> DataTable:
    """The computed metrics first, then the published methods, best first."""
    cells: list[Sequence[Cell]] = []
    for score in dict.fromkeys(line.score for line in lines):
        by_measure = {line.measure: line for line in lines if line.score == score}
        first = next(by_measure[name] for name in [*measures, *by_measure] if name in by_measure)
        figures = [_with_interval(by_measure[name]) if name in by_measure else "" for name in measures]
        cells.append([TableCell(score, mark="bold"), "this run", *figures, f"{first.n:,}", f"{first.excluded:,}"])
    by_method: dict[tuple[str, str], dict[str, Published]] = {}
    for row in rows:
        by_method.setdefault((row.method, row.table), {})[row.measure] = row
    leading = next((name for name in measures if any(name in values for values in by_method.values())), "")
    best_first = sorted(by_method.items(), key=lambda item: -item[1][leading].value if leading in item[1] else 2.0)
    several = len({row.table for row in rows}) > 1  # the heading names a single one
    for (method, name), values in best_first:
        source = f"published, {name}" if several else "published"
        figures = [_figure(values[measure].value) if measure in values else "" for measure in measures]
        cells.append([TableCell(method, mark="dim"), TableCell(source, mark="dim"), *figures])
    columns = [*_columns("metric", []), *text("", wrap="never"), *_columns("", measures)[1:]]
    return DataTable(columns, cells)


def _in_groups(
    computed: Sequence[Line], printed: Sequence[Published], evaluation: Evaluation
) -> Iterator[tuple[str, DataTable]]:
    """Titles and tables by column: a row for each of its values, one metric and the paper's own method in columns."""
    bench = evaluation.benchmark
    own = {
        (line.score, line.group, line.measure): line for line in computed if not _is_headline(line.group, bench)
    }  # fmt: skip
    columns = dict.fromkeys(group.partition("=")[0] for _, group, _ in own)
    for score in dict.fromkeys(score for score, _, _ in own):
        for column in columns:
            lines = {(group, m): line for (s, group, m), line in own.items() if s == score and _column(group) == column}
            rows = [r for r in printed if _column(r.group) == column and r.method in bench.methods]
            for measures in _tables_of_measures(list(lines.values())):
                title = f"{computed[0].rating} of {score}, by {column}"
                yield title, _by_value(column, measures, lines, [r for r in rows if r.measure in measures])


def _by_value(
    column: str, measures: Sequence[str], by_group: Mapping[tuple[str, str], Line], rows: Sequence[Published]
) -> DataTable:
    printed = {(row.group, row.method, row.measure): row for row in rows}
    beside = list(dict.fromkeys((row.method, row.measure) for row in rows))
    cells: list[Sequence[Cell]] = []
    for group in dict.fromkeys(group for group, _ in by_group):
        lines = [by_group.get((group, measure)) for measure in measures]
        published_rows = [printed.get((group, *key)) for key in beside]
        figures = [_with_interval(line) if line else "" for line in lines]
        figures += [_figure(row.value) if row else "" for row in published_rows]
        if first := next((line for line in lines if line), None):
            cells.append([group.partition("=")[2], *figures, f"{first.n:,}", f"{first.excluded:,}"])
    headings = [f"{method}\npublished\n{_heading(measure)}" for method, measure in beside]
    return DataTable(_columns(column, measures, headings), cells)


def _columns(first: str, measures: Sequence[str], published_headings: Sequence[str] = ()) -> list[TableColumn]:
    """A column of text, then columns of figures, published ones dimmed, and counts."""

    def figure(heading: str, mark: Mark = "") -> TableColumn:
        return TableColumn(heading, "right", mark=mark, least=6)

    columns = [TableColumn(first, least=16, most=32), *(figure(_heading(name)) for name in measures)]
    columns += [figure(heading, "dim") for heading in published_headings]
    return [*columns, figure("n"), figure("left\nout")] if measures else columns


def _heading(measure: str) -> str:
    """A measure's name in lines of a column's width."""
    return "\n".join(textwrap.wrap(measure.replace("_", " "), 10, break_long_words=False))


def _column(group: str) -> str | None:
    return group.partition("=")[0] if "=" in group else None


def _figure(value: float | None) -> str:
    """A figure to four decimals, as papers print them; large ones as elsewhere."""
    return f"{value:.4f}" if value is not None and abs(value) < 10 else number(value)


def _with_interval(line: Line) -> str:
    """The value of a line, and below it its interval, if it has one."""
    interval = "" if line.low is None or line.high is None else f"\n{line.low:.2f} to {line.high:.2f}"
    return _figure(line.value) + interval


def _tables_of_measures(lines: Sequence[Line], published_measures: Iterable[str] = ()) -> Iterator[list[str]]:
    """Distinct measures, in parts that are of the same items, since a row has one count, and fit side by side."""
    counts: dict[str, list[tuple[str, str, int, int]]] = {}
    for line in lines:
        counts.setdefault(line.measure, []).append((line.score, line.group, line.n, line.excluded))
    alike: dict[tuple[Any, ...], list[str]] = {}
    for measure, counted in counts.items():
        alike.setdefault(tuple(counted), []).append(measure)
    parts = list(alike.values()) or [[]]
    parts[0] += [name for name in dict.fromkeys(published_measures) if name not in counts]
    for part in parts:
        yield from _few_at_a_time(part)


def _few_at_a_time(measures: Iterable[str]) -> Iterator[list[str]]:
    """Distinct measures, in parts that fit side by side on a terminal."""
    some: list[str] = []
    taken = 0
    for name in dict.fromkeys(measures):
        width = 2 + max(6, *(len(word) for word in name.replace("_", " ").split()))
        if some and taken + width > WIDE:
            yield some
            some, taken = [], 0
        some.append(name)
        taken += width
    if some:
        yield some


def _doubtful(evaluation: Evaluation) -> list[str]:
    """Notes on published numbers, with their methods."""
    notes: dict[str, list[str]] = {}
    for row in evaluation.published:
        if row.note:
            notes.setdefault(f"{row.table}, {row.note}", []).append(row.method)
    return [
        f"published, {note} ({len(methods)}: {', '.join(dict.fromkeys(methods))})" for note, methods in notes.items()
    ]


def _counted(counts: Counter[str]) -> str:
    if len(counts) <= FEW:
        return ", ".join(f"{value} {count:,}" for value, count in sorted(counts.items()))
    least, most = min(counts.values()), max(counts.values())
    each = f"{least:,} each" if least == most else f"{least:,} to {most:,} each"
    return f"{len(counts)} values, {each}: " + textwrap.shorten(", ".join(counts), 120, placeholder=" ...")
