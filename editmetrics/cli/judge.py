"""`editmetrics judge`: try a judge, and manage the cache of its answers."""

from __future__ import annotations

import click

from ..command_line import EndpointOptions, endpoint_options
from ..wording import plural

path_option = click.option(
    "--path", type=click.Path(), show_default="$EDITMETRICS_HOME/judge/answers.sqlite", help="Cache file to use."
)


@click.group()
def judge() -> None:
    """Ask a chat model, and manage its cache of answers.

    \b
    editmetrics judge ask "Is it sharp?" cat.png --model gpt-5
    editmetrics judge ask "Is it sharp?" cat.png --endpoint http://localhost:8000/v1
    """


@judge.command("ask")
@click.argument("text")
@click.argument("images", nargs=-1, type=click.Path())
@click.option("--model", default="any", help="Name of the model; use 'any' if the server hosts a single model.")
@click.option("--temperature", type=float, show_default="the endpoint's", help="Sampling temperature of the model.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    show_default="the endpoint's",
    help="Maximum number of tokens per answer.",
)
@endpoint_options()
@click.option("--refresh", is_flag=True, help="Ask again even if the answer is cached, and replace the cached answer.")
def ask(
    text: str,
    images: tuple[str, ...],
    model: str,
    temperature: float | None,
    max_tokens: int | None,
    server: EndpointOptions,
    refresh: bool,
) -> None:
    """Ask TEXT about IMAGES, and show the answer and its provenance."""
    answer = server.open(model, refresh=refresh, temperature=temperature, max_tokens=max_tokens).ask(text, images)
    click.echo(answer.text)
    provenance = answer.provenance()
    labels = ("model", "served", "created", "finish")
    facts = [f"{label} {provenance[label]}" for label in labels if label in provenance]
    facts += [f"{count} {label.replace('_', ' ')}" for label, count in provenance["usage"].items()]
    click.echo("; ".join(facts + (["from the cache"] if answer.cached else [])), err=True)


@judge.command("cache")
@path_option
def cache(path: str | None) -> None:
    """Show the path of the cache, and the number of answers of each model."""
    from ..judge import Cache

    answers = Cache(path)
    click.echo(answers.path)
    summary = answers.summary() if answers.path.exists() else []
    if not summary:
        click.echo("the cache is empty")
        return
    from ..tables.table import DataTable, numbers, show, text

    columns = [*text("model", "served"), *numbers("answers", wrap="fold"), *text("first asked", "last asked")]
    rows = [[kept.model, kept.served or "-", str(kept.answers), kept.first, kept.last] for kept in summary]
    show([DataTable(columns, rows)])


@judge.command("clear")
@click.option("--model", help="Delete only the answers of this model.")
@path_option
@click.option("--yes", is_flag=True, help="Delete without asking for confirmation.")
def clear(model: str | None, path: str | None, yes: bool) -> None:
    """Delete cached answers; their questions will be asked, and paid for, again."""
    from ..judge import Cache

    answers = Cache(path)
    if not answers.path.exists():
        click.echo("the cache is empty")
        return
    count = sum(kept.answers for kept in answers.summary() if model in (None, kept.model))
    if count and not yes:
        click.confirm(f"delete {plural(count, 'answer')} from {answers.path}?", abort=True, err=True)
    click.echo(f"deleted {plural(answers.clear(model), 'answer')}")
