"""`editmetrics judge`: try a judge, and look after the answers that it has given."""

from __future__ import annotations

from typing import Any

import click

from .endpoint_options import endpoint_options, given_options


@click.group()
def judge() -> None:
    """Ask a chat model, and look after its cache of answers.

    \b
    editmetrics judge ask "Is it sharp?" cat.png --model gpt-5
    editmetrics judge ask "Is it sharp?" cat.png --endpoint http://localhost:8000/v1
    """


@judge.command("ask")
@click.argument("text")
@click.argument("images", nargs=-1, type=click.Path())
@click.option("--model", default="any", show_default=True, help="Its name; 'any' is whichever the endpoint serves.")
@click.option("--endpoint", help="An OpenAI-compatible base URL; OpenAI's without it.")
@click.option("--key-variable", help="The environment variable with the key, where it is not the usual one.")
@click.option("--temperature", type=float, help="Left to the endpoint without it.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Left to the endpoint without it.")
@endpoint_options(whose="the endpoint")
@click.option("--refresh", is_flag=True, help="Ask even if the cache has the answer, and replace it.")
def ask(text: str, images: tuple[str, ...], refresh: bool, **options: Any) -> None:
    """Ask TEXT about IMAGES, and show the answer and where it comes from."""
    from ..judge import open_judge

    same = {name: options[name] for name in ("endpoint", "key_variable", "temperature", "max_tokens")}
    answer = open_judge(options["model"], refresh=refresh, **same, **given_options(options)).ask(text, images)
    click.echo(answer.text)
    came = answer.provenance()
    said = [f"{label} {came[label]}" for label in ("model", "served", "created", "finish") if label in came]
    said += [f"{count} {label.replace('_', ' ')}" for label, count in came["usage"].items()]
    click.echo("; ".join(said + (["from the cache"] if answer.cached else [])), err=True)


@judge.command("cache")
@click.option("--path", type=click.Path(), help="Another cache than the usual one.")
def cache(path: str | None) -> None:
    """Show where the answers are kept, and how many of which model."""
    from ..judge import Cache

    answers = Cache(path)
    click.echo(answers.path)
    summary = answers.summary() if answers.path.exists() else []
    if not summary:
        click.echo("nothing is kept")
        return
    from ..tables.model import DataTable, numbers, text
    from ..tables.terminal import show

    columns = [*text("model", "served"), *numbers("answers", wrap="fold"), *text("first asked", "last asked")]
    rows = [[kept.model, kept.served, kept.answers, kept.first, kept.last] for kept in summary]
    show([DataTable(columns, rows)])


@judge.command("clear")
@click.option("--model", help="Forget the answers of this model only.")
@click.option("--path", type=click.Path(), help="Another cache than the usual one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(model: str | None, path: str | None, yes: bool) -> None:
    """Forget answers; their questions are asked, and paid for, again."""
    from ..judge import Cache

    answers = Cache(path)
    if not answers.path.exists():
        click.echo("nothing is kept")
        return
    count = sum(kept.answers for kept in answers.summary() if model in (None, kept.model))
    if count and not yes:
        click.confirm(f"forget {count} answers in {answers.path}?", abort=True, err=True)
    click.echo(f"forgot {answers.clear(model)} answers")
