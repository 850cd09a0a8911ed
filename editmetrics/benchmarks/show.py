"""Tables for a terminal: the data sets, a copy of one, and figures beside the published ones."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..agreement.protocols import PROTOCOLS
from ..agreement.result import Line
from ..report.terminal import number, standard_output
from .benchmark import Benchmark
from .evaluation import Evaluation
from .load import Copy
from .published import Published, published

FEW = 12
"""Up to so many values of a column are listed with their counts; of more, the number and the ends."""


def show_benchmarks(benchmarks: Iterable[Benchmark], console: Console | None = None) -> None:
    """The data sets: a line each."""
    console = console or standard_output()
    table = _table("name", "samples", "ratings", "published", "to be had")
    table.columns[1].justify = "right"
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
        console.print(f"[bold green]complete[/]: {looked}.")
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
    else:
        console.print("All that the paper evaluates.")
    ratings = dict.fromkeys([*(line.rating for line in lines), *(row.rating for row in found.published)])
    for rating in ratings:
        ours = [line for line in lines if line.rating == rating]
        if not ours:
            continue
        theirs = [row for row in found.published if row.rating == rating]
        for group in _headlines(ours, theirs, bench):
            console.print()
            console.print(_headline(ours, theirs, group, found))
        if grouped := _in_groups(ours, theirs, found):
            console.print()
            console.print(grouped)
    console.print()
    if found.published:
        papers = dict.fromkeys(f"{row.paper}, {row.table}" for row in found.published)
        said = f"Rows marked 'published' are the papers' own numbers ({'; '.join(papers)}), not computed here."
    else:
        said = f"No published rows: no table of a paper about {bench.title} was at hand."
    for note in [said, *_doubtful(found), *_undefined(lines), *found.agreement.notes]:
        console.print(escape(note))


def _headlines(ours: Sequence[Line], theirs: Sequence[Published], bench: Benchmark) -> list[str]:
    """The groups that are no single value of a column: of the published numbers, and those of ours beside them."""
    groups = dict.fromkeys(row.group for row in theirs if "=" not in row.group)
    shown = {_beside(ours, group, bench) for group in groups}
    return [*groups, *(g for g in dict.fromkeys(line.group for line in ours) if "=" not in g and g not in shown)]


def _beside(ours: Sequence[Line], group: str, bench: Benchmark) -> str:
    """The group of ours that stands beside a published one."""
    there = {line.group for line in ours}
    return next((name for name in bench.headline.get(group, (group,)) if name in there), group)


def _headline(ours: Sequence[Line], theirs: Sequence[Published], group: str, found: Evaluation) -> Table:
    """Our metrics first, then the published methods, best first."""
    own = _beside(ours, group, found.benchmark)
    lines = [line for line in ours if line.group == own]
    rows = [row for row in theirs if row.group == group]
    measures = list(dict.fromkeys([*(line.measure for line in lines), *(row.measure for row in rows)]))
    groups = next((line.groups for line in lines), None)
    over = ("over all items" if own == "all" else own) + (f" ({groups})" if groups else "")
    rating = (lines or ours)[0].rating
    table = _table(rating, "", *(name.replace("_", " ") for name in measures), "n", "left out")
    table.title = _titled(f"{rating}, {over}", found)
    for column in table.columns[2:]:
        column.justify = "right"
    for score in dict.fromkeys(line.score for line in lines):
        values = {line.measure: line for line in lines if line.score == score}
        first = next(iter(values.values()))
        cells = [number(values[name].value) if name in values else "" for name in measures]
        table.add_row(f"[bold]{escape(score)}[/]", "this run", *cells, f"{first.n:,}", f"{first.excluded:,}")
    by_method: dict[tuple[str, str], dict[str, Published]] = {}
    for row in rows:
        by_method.setdefault((row.method, row.table), {})[row.measure] = row
    leading = next((name for name in measures if any(name in of for of in by_method.values())), "")
    best_first = sorted(by_method.items(), key=lambda item: -item[1][leading].value if leading in item[1] else 2.0)
    for (method, name), of in best_first:
        cells = [number(of[measure].value) if measure in of else "" for measure in measures]
        table.add_row(f"[dim]{escape(method)}[/]", f"[dim]published, {escape(name)}[/]", *cells, "", "")
    return table


def _in_groups(ours: Sequence[Line], theirs: Sequence[Published], found: Evaluation) -> Table | None:
    """Each value of a column: our metrics, and the paper's own methods beside them."""
    groups = [group for group in dict.fromkeys(line.group for line in ours) if "=" in group]
    if not groups:
        return None
    own = {(line.group, line.score, line.measure): line for line in ours}
    columns = list(dict.fromkeys((line.score, line.measure) for line in ours if "=" in line.group))
    printed = {(r.group, r.method, r.measure): r for r in theirs if r.method in found.benchmark.methods}
    beside = list(dict.fromkeys((method, measure) for group, method, measure in printed if group in groups))
    several = len({score for score, _ in columns}) > 1
    table = _table(
        "",
        *(
            f"{escape(score)}\n{measure.replace('_', ' ')}" if several else measure.replace("_", " ")
            for score, measure in columns
        ),
        *(f"[dim]{escape(method)},\npublished\n{measure.replace('_', ' ')}[/]" for method, measure in beside),
        "n",
        "left out",
    )
    table.title = _titled(ours[0].rating + ("" if several else f" of {columns[0][0]}"), found)
    for column in table.columns[1:]:
        column.justify = "right"
    for group in groups:
        here = {key: own[group, key[0], key[1]] for key in columns if (group, key[0], key[1]) in own}
        cells = [number(here[key].value) if key in here else "" for key in columns]
        cells += [
            f"[dim]{number(printed[group, key[0], key[1]].value)}[/]" if (group, key[0], key[1]) in printed else ""
            for key in beside
        ]
        first = next(iter(here.values()))
        table.add_row(escape(group), *cells, f"{first.n:,}", f"{first.excluded:,}")
    return table


def _doubtful(found: Evaluation) -> list[str]:
    """What is noted of published numbers, and of how many."""
    notes = Counter(f"{row.method}: {row.note}" for row in found.published if row.note)
    return [f"published, {note}" + (f" ({count} numbers)" if count > 1 else "") for note, count in notes.items()]


def _undefined(lines: Sequence[Line]) -> list[str]:
    reasons: dict[str, list[Line]] = {}
    for line in lines:
        if line.value is None:
            reasons.setdefault(line.note or "", []).append(line)
    return [
        f"{len(found)} figures have no value, such as {found[0].measure} of {found[0].score}, {found[0].rating} "
        f"({found[0].group}): {reason}"
        for reason, found in reasons.items()
    ]


def _titled(text: str, found: Evaluation) -> str:
    return f"[bold]{escape(text)}[/]" + (f" [yellow](a part: {escape(found.said)})[/]" if found.said else "")


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


def _table(*headings: str) -> Table:
    table = Table(
        box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), title_justify="left", title_style=""
    )
    for heading in headings:
        table.add_column(heading, overflow="fold", vertical="top")
    return table
