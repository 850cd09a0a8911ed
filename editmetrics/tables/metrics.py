"""The list of metrics, one metric in full, and other libraries with a bridge to their metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from rich.markup import escape

from ..wording import LIKENESS, in_words
from .metric_list import BETTER
from .table import Block, DataTable, facts, text

WEIGHTS = "its weights: "
"""Before the licence of the weights, in the licence of a metric of another library."""


def metric_blocks(metric: Mapping[str, Any]) -> Iterator[Block]:
    """One metric in full."""
    yield f"[bold]{escape(metric['name'])}[/] (version {metric['version']}, from {escape(metric['package'])})\n"
    yield escape(_documentation(metric["documentation"]))
    needs = ", ".join(metric["needs"]) + (" (a set of images each)" if metric["of_sets"] else "")
    rows = [["needs", needs], ["uses", ", ".join(metric["uses"]) or "nothing more"]]
    if metric["rewards_no_change"]:
        rows.append(["measures", f"{LIKENESS}: an edit that does nothing scores best"])
    for dimension in metric["dimensions"]:
        better = BETTER[dimension["higher_is_better"]]
        parts = [
            _range(dimension) + (f" {dimension['unit']}" if dimension["unit"] else ""),
            f"{better} is better" if better else "no direction known",
            dimension["description"],
        ]
        rows.append(["dimension", f"{dimension['name']}: {', '.join(filter(None, parts))}"])
    for download in metric["downloads"]:
        name, megabytes, licence = download["name"], download["megabytes"], download["licence"] or "not known"
        size = "size unknown" if megabytes is None else in_words(megabytes)
        by_hand = f" (or before, 'editmetrics weights pull {name}')" if download["kind"] == "weights" else ""
        state = "on this machine" if download["here"] else f"downloaded at the first use{by_hand}"
        rows.append([download["kind"], f"{name}: {size}, licence: {licence}; {state}"])
    if metric["judge"]:
        rows.append(["judge", f"{metric['judge']}, asked at an endpoint; the options below choose another"])
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


def _documentation(docstring: str) -> str:
    """The docstring without its `Options:` section, which is shown as a table; each paragraph of prose in one line,
    which is then as wide as the terminal."""
    text = re.sub(r"^Options:\n(?:[ ]+.*\n?|\n(?=[ ]))+\n?", "", docstring, flags=re.MULTILINE).rstrip()
    structured = re.compile(r"^(?:[\s\-*>|]|\d+\. )", re.MULTILINE)
    paragraphs = text.split("\n\n")
    return "\n\n".join(one if structured.search(one) else one.replace("\n", " ") for one in paragraphs)
