"""`editmetrics explanations`: a chat model compares a metric's explanations with reference answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..wording import first_few
from .endpoint_options import endpoint_options, given_options
from .streams import unfiltered


@click.command()
@click.argument("metric", metavar="METRIC")
@click.argument("answers", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("references", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--judge", "model", default="o3-mini", show_default=True, help="The chat model that compares.")
@click.option("--endpoint", metavar="URL", help="An OpenAI-compatible base URL; OpenAI's without it.")
@click.option("--key-variable", help="The environment variable with the key, where it is not the usual one.")
@endpoint_options(whose="the endpoint")
@click.option("--column", help="The column of ANSWERS with the explanations. Default: the one that is called so.")
@click.option("--reference-column", default="explanation", show_default=True, help="That of REFERENCES.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The votes, a row for each id.")
@click.option("--estimate", is_flag=True, help="Say how many requests it would take, and stop.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def explanations(metric: str, answers: Path, references: Path, model: str, **options: Any) -> None:
    """Have a chat model compare explanations with reference answers, by METRIC's own criteria.

    \b
    editmetrics score test.csv -m epaiqa:weights=runs/a -o scores.csv
    editmetrics explanations epaiqa scores.csv references.csv --judge o3-mini

    ANSWERS is what `score -o` wrote; REFERENCES a table with the ids and the reference answers.
    """
    from ..files.rows import require_writable, write_rows
    from ..judge import open_judge
    from ..tables.terminal import show
    from .annotate import _annotating

    if options["output"] is not None:
        require_writable(options["output"])
    asked = {name: options[name] for name in ("endpoint", "key_variable")}
    judge = open_judge(model, **asked, **given_options(options))
    comparing = _annotating(metric).explanation_judge(judge)
    said = _texts(answers, options["column"])
    expected = _texts(references, options["reference_column"])
    estimate = comparing.estimate(said, expected)
    click.echo(estimate, err=True)
    if options["estimate"]:
        return
    hidden = options["quiet"] or not sys.stderr.isatty()
    bar: Any = click.progressbar(length=estimate.questions, label="answers", file=unfiltered(sys.stderr), hidden=hidden)
    with bar:
        found = comparing.compare(said, expected, lambda _: bar.update(1))
    show([_table(found)])
    if missing := [name for name in expected if name not in said]:
        click.echo(f"{len(missing)} references have no answer: {first_few(missing)}")
    for concern, problems in found.left_out.items():
        for name, why in list(problems.items())[:3]:
            click.echo(f"{concern} of {name} has no vote: {why}", err=True)
    if options["output"] is not None:
        names = [name for name in expected if name in said]
        write_rows(
            [{"id": n, **{c: votes.get(n) for c, votes in found.votes.items()}} for n in names], options["output"]
        )
        click.echo(f"wrote {options['output']}")


def _table(comparison: Any) -> Any:
    from ..tables.model import DataTable, numbers, text

    rows = []
    for concern, votes in comparison.votes.items():
        mean = comparison.mean(concern)
        shown = "-" if mean is None else f"{mean:.3f}"
        rows.append([concern, shown, len(votes), len(comparison.left_out.get(concern, ()))])
    return DataTable([*text("concern", wrap="never"), *numbers("mean (0 to 1)", "n", "without a vote")], rows)


def _texts(file: Path, column: str | None) -> dict[str, str]:
    """The texts of a column by id; without a column, the one that is called `explanation`, or ends so."""
    from ..files.rows import read_rows

    rows = [row.cells for row in read_rows(file)]
    columns = list(dict.fromkeys(name for cells in rows for name in cells))
    if column is None:
        found = [name for name in columns if name.endswith(".explanation")]  # a metric's, beside which may stand
        found = found or [name for name in columns if name == "explanation"]  # that of the manifest
        if len(found) != 1:
            raise click.UsageError(
                f"{file} has {len(found)} columns of explanations; say which: --column, one of {', '.join(columns)}"
            )
        column = found[0]
    for name in ("id", column):
        if name not in columns:
            raise click.UsageError(f"{file} has no column {name!r}; it has {', '.join(columns)}")
    texts = {str(cells["id"]): str(cells[column]) for cells in rows if cells.get("id") and cells.get(column)}
    if not texts:
        raise click.UsageError(f"{file} has no text in {column!r}")
    return texts
