"""`editmetrics list`: every metric at a glance, those that match a query, or those of another library."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from ..command_line import completed_by, fields_named, json_option
from ..sample import FIELDS
from ..wording import either

if TYPE_CHECKING:
    from ..listing import Listed
    from ..registry import BrokenPlugin


@click.command("list")
@click.argument("query", nargs=-1, shell_complete=completed_by("metric_names"))
@click.option(
    "--needs",
    multiple=True,
    metavar="FIELD,...",
    shell_complete=completed_by("field_names"),
    help=f"List only metrics that require these fields: {either(FIELDS)}. Repeatable.",
)
@click.option("--weights", is_flag=True, help="Show what is downloaded, how large it is, and its licence.")
@json_option
def list_(query: tuple[str, ...], needs: tuple[str, ...], weights: bool, as_json: bool) -> None:
    """List metrics in a line each, grouped by what they need.

    \b
    editmetrics list                         built-in metrics and those of plugins
    editmetrics list instruction             those whose name or description has this word
    editmetrics list --needs source,prompt   those that look at the source and at the prompt
    editmetrics list --weights               what they download, how large it is, its licence
    editmetrics list piq                     metrics of another library, through the bridge to it
    """
    from ..registry import BRIDGES

    fields = fields_named("--needs", needs, FIELDS)
    if len(query) == 1 and query[0] in BRIDGES and not fields and not weights:
        _library(query[0], as_json)
        return
    metrics, broken = _metrics()
    chosen = [metric for metric in metrics if fields <= {*metric.needs}]
    if query:
        chosen = _matching(chosen, query)
    if as_json:
        _as_json([metric.name for metric in chosen], broken)
        return
    if not chosen:
        raise click.UsageError(f"no metric requires {' and '.join(sorted(fields))}")
    from ..tables.metric_list import list_lines, weights_lines

    for line in weights_lines(chosen) if weights else list_lines(chosen):
        click.echo(line)
    if not (query or fields or weights):
        _about_others()
    for plugin in broken:
        click.echo(f"unusable: {plugin.name} of {plugin.package}: {plugin.reason}", err=True)


def _metrics() -> tuple[list[Listed], list[BrokenPlugin]]:
    """Return all metrics, and those that cannot be used or described."""
    from ..listing import listed
    from ..registry import BrokenPlugin, broken_plugins, list_metrics, metric_class

    metrics, unusable = [], []
    for name in list_metrics():
        try:
            metrics.append(listed(name))
        except Exception as error:  # an exception in a plugin's class affects that plugin alone
            package = metric_class(name).__module__.partition(".")[0]
            unusable.append(BrokenPlugin(name, package, f"it cannot be described: {type(error).__name__}: {error}"))
    return metrics, [*broken_plugins(), *unusable]


def _matching(metrics: list[Listed], query: Sequence[str]) -> list[Listed]:
    """Choose the metrics whose texts have all words of `query`, or else the words that are closest to them.

    Raises the error of an unknown name if none has.
    """
    words = _words(" ".join(query)).split()
    texts = {metric.name: _words(" ".join([metric.name, metric.title, metric.summary, *metric.dimensions]))
             for metric in metrics}  # fmt: skip
    vocabulary = sorted({word for text in texts.values() for word in text.split()})
    close = [(get_close_matches(word, vocabulary, n=1, cutoff=0.75) or [word])[0] for word in words]
    for tried in (words, close):
        if chosen := [metric for metric in metrics if all(_has(texts[metric.name], word) for word in tried)]:
            if tried is not words:
                click.echo(f"note: nothing matches {' '.join(words)!r}; shown for {' '.join(tried)!r}", err=True)
            return chosen
    from ..registry import unknown_metric

    raise unknown_metric(" ".join(query), f"no metric matches {' '.join(query)!r}.")


def _has(text: str, word: str) -> bool:
    """Whether a word of `text` begins with `word`, or is `word` where that is short."""
    return any(each == word or (len(word) > 2 and each.startswith(word)) for each in text.split())


def _words(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower())


def _library(name: str, as_json: bool) -> None:
    from .. import describe
    from ..tables.metrics import library_blocks
    from ..tables.table import show

    of_library = describe.library(name)
    if as_json:
        click.echo(json.dumps(of_library, indent=2, ensure_ascii=False))
        return
    show(library_blocks(of_library))


def _as_json(names: Sequence[str], broken: Sequence[BrokenPlugin]) -> None:
    from .. import describe
    from ..suites import SUITES, broken_suites
    from ..suites.explain import described

    usable = [SUITES[name] for name in SUITES if name not in broken_suites()]
    listing: dict[str, Any] = {
        "metrics": [describe.metric(name) for name in names],
        "suites": [described(suite) for suite in usable],
        "broken": [vars(plugin) for plugin in broken],
        "bridges": describe.bridges(),
    }
    click.echo(json.dumps(listing, indent=2, ensure_ascii=False))


def _about_others() -> None:
    """Name the libraries with a bridge, the suites, and the commands that tell more."""
    from ..registry import BRIDGES, bridge
    from ..suites import SUITES

    click.echo("\nMetrics of other libraries, such as pyiqa/musiq for one image")
    for name in BRIDGES:
        advice = f"editmetrics list {name}" if bridge(name).installed else f"pip install {bridge(name).package}"
        click.echo(f"  {name + '/...':<18}  {advice}")
    click.echo("\nBenchmarks as published ('editmetrics suite NAME' explains one)")
    for line in textwrap.wrap(", ".join(SUITES), 76):
        click.echo(f"  {line}")
    click.echo("\n'editmetrics choose' starts from a task; 'editmetrics info NAME' shows one metric.")
