"""Tables for a terminal: the data sets, a copy of one, and figures beside the published ones."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..agreement.protocols import PROTOCOLS
from ..agreement.result import Line
from ..report.terminal import number, standard_output
from .benchmark import Benchmark
from .catalogue import Published, published
from .evaluation import Evaluation
from .load import Copy

LABEL = 32
"""Names of metrics and methods that are longer than this are broken."""

WIDE = 32
"""So many characters of measures stand side by side; of more there are several tables, for terminals of 80 columns."""

REASONS = 5
"""So many reasons for figures without a value are told."""

FEW = 12
"""Up to so many values of a column are listed with their counts; of more, the number and the ends."""


def show_benchmarks(benchmarks: Iterable[Benchmark], console: Console | None = None) -> None:
    """The data sets: a line each."""
    console = console or standard_output()
    table = _table("name", "samples", "ratings", "published", "to be had", numbers=False)
    for bench in benchmarks:
        size = f"{bench.size:,}" if bench.size else "?"
        methods = len({row.method for row in published(bench.name)})
        rows = f"{methods} methods" if methods else "none"
        table.add_row(bench.name, size, ", ".join(bench.ratings), rows, "yes" if bench.public else "not as a whole")
    console.print(table)
    console.print(
        "[dim]'editmetrics benchmark NAME' says how to get one; 'editmetrics benchmark NAME PATH' checks a copy.[/]"
    )


def show_benchmark(bench: Benchmark, console: Console | None = None) -> None:
    """One data set: what it is, where it is to be had and on which terms."""
    console = console or standard_output()
    console.print(f"[bold]{escape(bench.title)}[/]: {escape(bench.paper)}\n")
    facts = _facts()
    for name, rating in bench.ratings.items():
        scale = " or ".join(rating.labels) if rating.labels else f"{rating.low:g} to {rating.high:g}"
        facts.add_row("rating", f"{name}: {escape(rating.about)}, {scale}")
    facts.add_row("protocol", f"{bench.protocol}: {escape(PROTOCOLS[bench.protocol].source)}")
    facts.add_row("to get it", escape(bench.obtain))
    facts.add_row("terms", escape(bench.terms))
    facts.add_row("layout", f"{bench.page} in the documentation")
    console.print(facts)


def show_copy(copy: Copy, console: Console | None = None) -> None:
    """What a copy holds, what is wrong with it and what it lacks."""
    console = console or standard_output()
    show_benchmark(copy.benchmark, console)
    console.print()
    facts = _facts()
    facts.add_row("folder", escape(str(copy.folder)))
    of = f"; a complete copy has {copy.benchmark.size:,} {copy.benchmark.what}" if copy.benchmark.size else ""
    facts.add_row("samples", f"{len(copy.samples):,}{of}")
    for name in copy.benchmark.shown:
        counts = Counter(str(s.meta[name]) for s in copy.samples if s.meta.get(name) is not None)
        facts.add_row(name, escape(_counted(counts)) if counts else "[dim]none said[/]")
    for name, rating in copy.benchmark.ratings.items():
        if not rating.labels:
            values = [float(s.meta[name]) for s in copy.samples if name in s.meta]
            said = (
                f"{len(values):,} from {min(values):.4g} to {max(values):.4g}, mean {sum(values) / len(values):.4g}"
                if values
                else "none"
            )
            facts.add_row(name, said)
    console.print(facts)
    console.print()
    looked = "every image is there and whole" if copy.images_checked else "images were not looked at"
    if copy.complete:
        unknown = "nothing is wrong, but how many samples a complete copy has is not stated"
        console.print(f"[bold green]{'complete' if copy.benchmark.size else unknown}[/]: {looked}.")
        return
    spoiled = len({problem.row for problem in copy.problems})
    wrong = f"{len(copy.problems):,} problems in {spoiled:,} rows" if copy.problems else f"nothing is wrong, {looked}"
    console.print(f"[bold yellow]no complete copy[/]: {wrong}.")
    console.print(copy.report(), markup=False, highlight=False)


def show_evaluation(found: Evaluation, console: Console | None = None) -> None:
    """The figures of each rating beside those that papers print, which say in their row or heading that they are."""
    console = console or standard_output()
    bench, lines = found.benchmark, found.agreement.lines
    console.print(
        f"\n[bold]{escape(bench.title)}[/], protocol {bench.protocol} ({escape(PROTOCOLS[bench.protocol].source)})"
    )
    if found.said:
        console.print(f"[bold yellow]A part, not the benchmark[/]: {escape(found.said)}.")
    elif bench.size:
        console.print("All that the paper evaluates.")
    else:
        console.print("All of this copy; how many samples a complete one has is not stated.")
    ratings = dict.fromkeys([*(line.rating for line in lines), *(row.rating for row in found.published)])
    for rating in ratings:
        ours = [line for line in lines if line.rating == rating]
        if not ours:
            continue
        theirs = [row for row in found.published if row.rating == rating]
        for title, table in [*_headlines(ours, theirs, bench), *_in_groups(ours, theirs, found)]:
            part = f" [yellow](a part: {escape(found.said)})[/]" if found.said else ""
            console.print(f"\n[bold]{escape(title)}[/]{part}")
            console.print(table)
    console.print()
    if found.published:
        papers = dict.fromkeys(f"{row.paper}, {row.table}" for row in found.published)
        said = f"Rows marked 'published' are the papers' own numbers ({'; '.join(papers)}), not computed here."
    else:
        said = f"No published rows: no table of a paper about {bench.title} was at hand."
    for note in [said, *_doubtful(found), *_undefined(lines), *found.agreement.notes]:
        console.print(escape(note))


def _headlines(ours: Sequence[Line], theirs: Sequence[Published], bench: Benchmark) -> Iterator[tuple[str, Table]]:
    """Titles and tables of all groups that are no single value of a column, published ones beside ours."""
    groups = list(dict.fromkeys(line.group for line in ours if "=" not in line.group))
    printed = list(dict.fromkeys(row.group for row in theirs if "=" not in row.group))
    beside = {
        next((name for name in bench.headline.get(group, (group,)) if name in groups), group): group
        for group in printed
    }
    for group in dict.fromkeys([*beside, *groups]):
        lines = [line for line in ours if line.group == group]
        rows = [row for row in theirs if row.group == beside.get(group)]
        over = "over all items" if group == "all" else group
        count = next((f" ({line.groups})" for line in lines if line.groups), "")
        for measures in _few_at_a_time([*(line.measure for line in lines), *(row.measure for row in rows)]):
            some = [row for row in rows if row.measure in measures]
            tables = dict.fromkeys(row.table for row in some)
            beside_them = f"; published: {', '.join(tables)}" if tables else ""
            yield f"{ours[0].rating}, {over}{count}{beside_them}", _headline(lines, some, measures)


def _headline(lines: Sequence[Line], rows: Sequence[Published], measures: Sequence[str]) -> Table:
    """Our metrics first, then the published methods, best first."""
    table = _table("metric", "", *map(_heading, measures), "n", "left\nout")
    for score in dict.fromkeys(line.score for line in lines):
        values = {line.measure: line for line in lines if line.score == score}
        first = next(iter(values.values()))
        cells = [_figure(values[name].value) if name in values else "" for name in measures]
        table.add_row(f"[bold]{escape(score)}[/]", "this run", *cells, f"{first.n:,}", f"{first.excluded:,}")
    by_method: dict[tuple[str, str], dict[str, Published]] = {}
    for row in rows:
        by_method.setdefault((row.method, row.table), {})[row.measure] = row
    leading = next((name for name in measures if any(name in of for of in by_method.values())), "")
    best_first = sorted(by_method.items(), key=lambda item: -item[1][leading].value if leading in item[1] else 2.0)
    for (method, name), of in best_first:
        cells = [_figure(of[measure].value) if measure in of else "" for measure in measures]
        said = f"published, {name}" if len({row.table for row in rows}) > 1 else "published"  # the heading says which
        table.add_row(f"[dim]{escape(method)}[/]", f"[dim]{escape(said)}[/]", *cells, "", "")
    return table


def _in_groups(ours: Sequence[Line], theirs: Sequence[Published], found: Evaluation) -> Iterator[tuple[str, Table]]:
    """Titles and tables by column: a row for each of its values, one metric and the paper's own method in columns."""
    own = {(line.score, line.group, line.measure): line for line in ours if "=" in line.group}
    columns = dict.fromkeys(group.partition("=")[0] for _, group, _ in own)
    for score in dict.fromkeys(score for score, _, _ in own):
        for column in columns:
            of = {(group, m): line for (s, group, m), line in own.items() if s == score and _column(group) == column}
            rows = [r for r in theirs if _column(r.group) == column and r.method in found.benchmark.methods]
            for measures in _few_at_a_time(measure for _, measure in of):
                title = f"{ours[0].rating} of {score}, by {column}"
                yield title, _by_value(column, measures, of, [r for r in rows if r.measure in measures])


def _by_value(
    column: str, measures: Sequence[str], of: Mapping[tuple[str, str], Line], rows: Sequence[Published]
) -> Table:
    printed = {(row.group, row.method, row.measure): row for row in rows}
    beside = list(dict.fromkeys((row.method, row.measure) for row in rows))
    names = [f"[dim]{escape(method)}\npublished\n{_heading(measure)}[/]" for method, measure in beside]
    table = _table(escape(column), *map(_heading, measures), *names, "n", "left\nout")
    for group in dict.fromkeys(group for group, _ in of):
        lines = [of.get((group, measure)) for measure in measures]
        cells = [_figure(line.value) if line else "" for line in lines]
        for method, measure in beside:
            row = printed.get((group, method, measure))
            cells.append(f"[dim]{_figure(row.value)}[/]" if row else "")
        if first := next((line for line in lines if line), None):
            table.add_row(escape(group.partition("=")[2]), *cells, f"{first.n:,}", f"{first.excluded:,}")
    return table


def _heading(measure: str) -> str:
    """A measure's name in lines of a column's width."""
    return "\n".join(textwrap.wrap(measure.replace("_", " "), 10, break_long_words=False))


def _column(group: str) -> str | None:
    return group.partition("=")[0] if "=" in group else None


def _figure(value: float | None) -> str:
    """A figure to four decimals, as papers print them; large ones as elsewhere."""
    return f"{value:.4f}" if value is not None and abs(value) < 10 else number(value)


def _few_at_a_time(measures: Iterable[str]) -> Iterator[list[str]]:
    """Different measures, as many at a time as a terminal has room for."""
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


def _doubtful(found: Evaluation) -> list[str]:
    """What is noted of published numbers, and of whose."""
    notes: dict[str, list[str]] = {}
    for row in found.published:
        if row.note:
            notes.setdefault(f"{row.table}, {row.note}", []).append(row.method)
    return [f"published, {note} ({len(of)}: {', '.join(dict.fromkeys(of))})" for note, of in notes.items()]


def _undefined(lines: Sequence[Line]) -> list[str]:
    """Why figures have no value: the first of each reason, and how many there are."""
    reasons: dict[str, list[Line]] = {}
    for line in lines:
        if line.value is None:
            reasons.setdefault(line.note or "", []).append(line)
    said = [
        f"{len(found)} without a value, such as {found[0].measure} of {found[0].score}, {found[0].rating} "
        f"({found[0].group}): {reason}"
        for reason, found in reasons.items()
    ]
    return said[:REASONS] + ([f"... and {len(said) - REASONS} more reasons"] if len(said) > REASONS else [])


def _counted(counts: Counter[str]) -> str:
    if len(counts) <= FEW:
        return ", ".join(f"{value} {count:,}" for value, count in sorted(counts.items()))
    least, most = min(counts.values()), max(counts.values())
    each = f"{least:,} each" if least == most else f"{least:,} to {most:,} each"
    return f"{len(counts)} values, {each}: " + textwrap.shorten(", ".join(counts), 120, placeholder=" ...")


def _facts() -> Table:
    facts = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    return facts


def _table(first: str, *headings: str, numbers: bool = True) -> Table:
    """A table without lines: a column of text, then columns of numbers (but for one without a heading), or of text."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    if numbers:
        table.add_column(first, overflow="fold", min_width=16, max_width=LABEL, vertical="bottom")
    else:
        table.add_column(first, no_wrap=True)
    for heading in headings:
        if numbers and heading:
            table.add_column(heading, justify="right", min_width=6, overflow="fold", vertical="bottom")
        else:
            table.add_column(heading, no_wrap=numbers, overflow="fold", vertical="bottom" if numbers else "top")
    return table
