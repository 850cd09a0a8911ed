"""Metrics in one line each, grouped by what a user has, as plain text of at most 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ..listing import Download, Listed
from ..wording import in_words

BETTER = {True: "higher", False: "lower", None: ""}
"""The better direction of a dimension; empty where none is known."""

GROUPS: dict[frozenset[str], str] = {
    frozenset({"source", "edited"}): "A source and its edit",
    frozenset({"edited", "prompt"}): "An image and its prompt",
    frozenset({"source", "edited", "prompt"}): "An edit and its instruction",
    frozenset({"source", "edited", "prompt", "source_prompt"}): "An edit, and a caption of each image",
    frozenset({"source", "edited", "rival", "prompt"}): "Two edits of a source, and their instruction",
    frozenset({"edited"}): "One image",
}
"""The heading of each group, by the fields that its metrics require; other sets of fields are named by their fields."""

SETS = "A set of images and a reference set"

REGION = "with a mask: -m NAME:region=outside compares what should be unchanged"


def grouped(metrics: Iterable[Listed]) -> list[tuple[str, list[Listed]]]:
    """The metrics by what they require, in the order of `GROUPS`."""
    order = list(GROUPS)

    def rank(metric: Listed) -> tuple[int, tuple[str, ...]]:
        needs = frozenset(metric.needs)
        if metric.of_sets:
            return (len(order) + 1, ())
        return (order.index(needs) if needs in GROUPS else len(order), metric.needs)

    ranked = sorted(metrics, key=lambda metric: (rank(metric), metric.name))
    return [
        (SETS if of_sets else GROUPS.get(frozenset(needs)) or f"Samples with {', '.join(needs)}", list(group))
        for (of_sets, needs), group in groupby(ranked, key=lambda one: (one.of_sets, one.needs * (not one.of_sets)))
    ]


def list_lines(metrics: Sequence[Listed]) -> Iterator[str]:
    """A line for each metric under the heading of its group."""
    groups = grouped(metrics)
    width = max([18, *(len(metric.name) for metric in metrics)])
    for index, (heading, members) in enumerate(groups):
        titles = ("better", "download") if index == 0 else ("", "")
        if index:
            yield ""
        yield f"{heading:<{width + 42}}  {titles[0]:<6}  {titles[1]}".rstrip()
        for metric in members:
            better = BETTER[metric.higher_is_better]
            yield f"  {metric.name:<{width}}  {metric.title:<38}  {better:<6}  {metric.cost}"
        if any({"source", "mask"} <= {*metric.needs, *metric.uses} and not metric.trains for metric in members):
            yield f"  ({REGION})"
    if trained := [metric.name for metric in metrics if metric.trains]:
        yield from ("", "Ratings of your own, to learn from ('editmetrics fit NAME')", f"  {', '.join(trained)}")


def weights_lines(metrics: Sequence[Listed]) -> Iterator[str]:
    """Each download with its size, users and licence; then the judges that are asked, and what needs nothing."""
    by_name = {download.name: download for metric in metrics for download in metric.downloads}
    wanted = sorted(by_name.values(), key=lambda one: (one.megabytes is None, one.megabytes or 0, one.name))
    if wanted:
        yield "Downloaded at the first use, or before by 'editmetrics weights pull -m METRIC':"
    for (users, size, licence, here), alike in groupby(wanted, key=lambda one: _facts(one, metrics)):
        names = [download.name for download in alike]
        first, *others = names
        stem = first.rpartition(".")[0]
        label = ", ".join([first, *(name.removeprefix(stem) for name in others)])
        state = "here" if here else "not here"
        yield f"  {label:<50}  {'size unknown' if size is None else in_words(size):>12}  {state}"
        yield from _wrapped(f"for {', '.join(users)}; licence: {licence or 'not known'}")
    if judges := [metric for metric in metrics if metric.judge]:
        yield from ("", "Asked at an endpoint, which may charge for it:")
        for metric in judges:
            yield f"  {metric.name:<18}  {metric.judge}; your own server: -m {metric.name}:model=any,endpoint=URL"
    if untrained := [metric.name for metric in metrics if not metric.ready]:
        yield from ("", "No published weights ('editmetrics fit' trains them):", f"  {', '.join(untrained)}")
    if plain := [metric.name for metric in metrics if not metric.downloads and metric.judge is None]:
        yield from ("", "Nothing to download:", *_wrapped(", ".join(plain), "  "))


def _facts(download: Download, metrics: Sequence[Listed]) -> tuple[tuple[str, ...], float | None, str | None, bool]:
    """The metrics that use a download, its size and licence, and whether it is here: equal ones share a line."""
    users = tuple(metric.name for metric in metrics if download in metric.downloads)
    return users, download.megabytes, download.licence, download.here


def _wrapped(text: str, indent: str = "      ") -> list[str]:
    return textwrap.wrap(text, 80, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
