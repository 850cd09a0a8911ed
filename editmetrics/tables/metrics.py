"""The list of metrics, one metric in full, suites, and other libraries with a bridge to their metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from .table import Block, Cell, DataTable, TableColumn, facts, text

if TYPE_CHECKING:
    from ..suites import Suite

BETTER = {True: "higher", False: "lower", None: ""}
"""The better direction of a dimension; empty where none is known."""

WEIGHTS = "its weights: "
"""Before the licence of the weights, in the licence of a metric of another library."""


def metrics_blocks(described: Iterable[Mapping[str, Any]]) -> Iterator[Block]:
    """The list of metrics: a line for each dimension."""
    columns = [*text("metric", wrap="never"), *text("inputs", "dimension"), *text("better", "range", wrap="never")]
    columns += text("weights", "what it is")
    rows: list[Sequence[Cell]] = []
    for metric in described:
        weights = metric["weights"].values()
        none = "to train" if metric["learned"] else "none"
        stored = none if not weights else "here" if all(weights) else "to download"
        for index, dimension in enumerate(metric["dimensions"]):
            name = dimension["name"] + (f" ({dimension['unit']})" if dimension["unit"] else "")
            cells = [name, BETTER[dimension["higher_is_better"]], _range(dimension)]
            if index == 0:
                rows.append([metric["name"], ", ".join(metric["needs"]), *cells, stored, metric["summary"]])
            else:
                rows.append(["", "", *cells, "", dimension["description"]])
    yield DataTable(columns, rows)
    yield "[dim]'editmetrics info NAME' shows one in full.[/]"


def suites_blocks(suites: Iterable[Suite]) -> Iterator[Block]:
    """The suites: a line for each column of a benchmark's table, and its factor there."""
    columns = [*text("suite", wrap="never"), *text("column", "metric"), *text("printed", wrap="never")]
    rows = [
        [
            "" if index else suite.name,
            column.heading,
            column.spec,
            "" if column.times == 1 else f"times {column.times:g}",
        ]
        for suite in suites
        for index, column in enumerate(suite.columns)
    ]
    yield from ("", DataTable(columns, rows), "[dim]'editmetrics score --suite NAME ...' runs one.[/]")


def metric_blocks(metric: Mapping[str, Any]) -> Iterator[Block]:
    """One metric in full."""
    yield f"[bold]{escape(metric['name'])}[/] (version {metric['version']}, from {escape(metric['package'])})\n"
    yield escape(_without_options(metric["documentation"]))
    rows = [["needs", ", ".join(metric["needs"])], ["uses", ", ".join(metric["uses"]) or "nothing more"]]
    for dimension in metric["dimensions"]:
        better = BETTER[dimension["higher_is_better"]]
        parts = [
            _range(dimension) + (f" {dimension['unit']}" if dimension["unit"] else ""),
            f"{better} is better" if better else "no direction known",
            dimension["description"],
        ]
        rows.append(["dimension", f"{dimension['name']}: {', '.join(filter(None, parts))}"])
    for name, stored in metric["weights"].items():
        absent = f"not on this machine; 'editmetrics weights pull {name}' downloads it"
        rows.append(["weights", f"{name}: {'on this machine' if stored else absent}"])
    rows += [["paper", metric["paper"] or "none"], ["licence", metric["licence"] or "not stated"]]
    yield from ("", facts(rows))
    if metric["options"]:
        options = [
            [
                option["name"],
                option["type"],
                "none" if option["default"] is None else str(option["default"]),
                option["description"],
            ]
            for option in metric["options"]
        ]
        yield from ("", DataTable([*text("option", wrap="never"), *text("type", "default", "meaning")], options))


def bridges_blocks(bridges: Iterable[Mapping[str, Any]]) -> Iterator[Block]:
    """A line for each library with a bridge: how to list its metrics, or how to install it."""
    rows = []
    for bridge in bridges:
        package, licence = bridge["package"], bridge["licence"]
        if bridge["version"]:
            advice = f"{package} {bridge['version']} ({licence}): editmetrics list {bridge['library']}"
        else:
            advice = f"not installed: pip install {package} ({licence})"
        rows.append([f"{bridge['library']}/...", advice])
    yield from ("\nOther libraries' metrics, by name:", DataTable([TableColumn(""), TableColumn("")], rows))


def library_blocks(library: Mapping[str, Any]) -> Iterator[Block]:
    """Every metric of a library, under its licence; then the ones it does not offer, by reason."""
    yield f"[bold]{escape(library['package'])} {library['version']}[/], licence: {escape(library['licence'])}\n"
    columns = [*text(f"{library['library']}/", wrap="never"), *text("inputs"), *text("better", "range", wrap="never")]
    weights = any(WEIGHTS in metric["licence"] for metric in library["metrics"])
    columns += text("its weights") if weights else []
    rows = []
    for metric in library["metrics"]:
        (dimension,) = metric["dimensions"]
        name = metric["name"].partition("/")[2]
        cells = [name, ", ".join(metric["needs"]), BETTER[dimension["higher_is_better"]], _bridged_range(dimension)]
        licence = metric["licence"].partition(WEIGHTS)[2].partition(" by ")[0] or "-"
        rows.append([*cells, licence] if weights else cells)
    yield DataTable(columns, rows)
    reasons = sorted(library["not_offered"].items(), key=lambda pair: pair[1])
    for reason, names in groupby(reasons, key=lambda pair: pair[1]):
        yield f"\n[dim]not offered, since {escape(reason)}:[/] {escape(', '.join(name for name, _ in names))}"
    yield f"\n[dim]'editmetrics info {escape(library['library'])}/NAME' shows one in full.[/]"


def _range(dimension: Mapping[str, Any]) -> str:
    low, high = dimension["low"], dimension["high"]
    return f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"


def _bridged_range(dimension: Mapping[str, Any]) -> str:
    """The declared range, or the library's own statement where that is not enforced; "" where neither is known."""
    if dimension["low"] is None and dimension["high"] is None:
        return str(dimension["description"]).partition(",")[0]
    return _range(dimension)


def _without_options(documentation: str) -> str:
    """The docstring without its `Options:` section, which is shown as a table."""
    return re.sub(r"^Options:\n(?:[ ]+.*\n?|\n(?=[ ]))+\n?", "", documentation, flags=re.MULTILINE).rstrip()
