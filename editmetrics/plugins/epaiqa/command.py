"""`editmetrics annotate` and `editmetrics explanations`: chat models write explanations, check and compare them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...command_line import (
    CountProgress,
    EndpointOptions,
    Progress,
    SectionedCommand,
    endpoint_options,
    file_option,
    label_scale_option,
    name_value_pairs,
    quiet_option,
    seed_option,
    target_option,
)
from ...wording import first_few

if TYPE_CHECKING:
    from ...judge import Judge
    from ...tables.table import DataTable
    from .annotate import Annotated
    from .explanations import Compared

estimate_option = click.option("--estimate", is_flag=True, help="Print the number of requests needed, and exit.")


@click.command(cls=SectionedCommand)
@click.argument("metric", metavar="METRIC")
@click.argument("ratings", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("more_models", nargs=-1, metavar="")
@click.option(
    "--models",
    multiple=True,
    required=True,
    metavar="MODEL ...",
    help="Two or more chat models: NAME (OpenAI), NAME@URL (OpenAI-compatible server) or local:FOLDER. Repeatable.",
)
@file_option("-o", "--output", show_default="RATINGS_annotated.csv", text="Write the annotated table to this file.")
@target_option
@label_scale_option(1.0, 5.0)
@endpoint_options(endpoint_help="Base URL of the server of models that are named without a URL.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    show_default="the endpoint's",
    help="Maximum number of tokens per answer.",
)
@estimate_option
@seed_option("Random seed for assigning rows to models.")
@quiet_option
def annotate(
    metric: str,
    ratings: Path,
    more_models: tuple[str, ...],
    models: tuple[str, ...],
    output: Path | None,
    targets: tuple[str, ...],
    label_scale: tuple[float, float],
    server: EndpointOptions,
    max_tokens: int | None,
    estimate: bool,
    seed: int,
    quiet: bool,
) -> None:
    """Have chat models write the explanations that METRIC is trained on, and check each other's.

    \b
    editmetrics annotate epaiqa ratings.csv --models gpt-5 gemini@https://x.example/v1 local:runs/backbone
    editmetrics fit epaiqa ratings_annotated.csv -o runs/a --label-scale 1 5

    RATINGS is a manifest with human ratings. Each row is assigned to one model, which writes its explanation; all other
    models must agree with each part of it. Answers are cached: run the same command again to resume and to repeat
    failed requests.
    """
    from ...data import from_manifest
    from ...files.rows import require_writable, write_rows

    output = output or ratings.with_name(f"{ratings.stem}_annotated{ratings.suffix}")
    require_writable(output)
    if output.resolve().parent != ratings.resolve().parent:
        raise click.UsageError(
            f"-o {output}: image paths are relative to {ratings}; write the output to the folder of that file"
        )
    cls = _explained_metric(metric)
    names = [name for text in (*models, *more_models) for name in text.split(",") if name]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise click.UsageError(f"the model {sorted(repeated)[0]} is given twice; a model cannot check itself")
    annotator = cls.annotator(
        {name: _opened(name, server, max_tokens) for name in names},
        from_manifest(ratings).samples,
        targets=name_value_pairs("--target", targets),
        label_scale=label_scale,
        seed=seed,
    )
    click.echo(annotator.plan(), err=True)
    if estimate:
        return
    with CountProgress("answers", quiet) as progress:
        annotated = annotator.run(progress.at)
    rows = _annotated_rows(ratings, annotated)
    write_rows(rows, output)
    click.echo(f"{annotated.kept} of {len(rows)} rows have an explanation; the others are written without one")
    for reason, count in annotated.refusals.most_common():
        click.echo(f"  {count} without: {reason}")
    click.echo(f"wrote {output}")


@click.command(cls=SectionedCommand)
@click.argument("metric", metavar="METRIC")
@click.argument("answers", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("references", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--judge", "model", default="o3-mini", help="Chat model that compares.")
@endpoint_options()
@click.option("--column", show_default="the explanation column", help="Explanation column in ANSWERS.")
@click.option("--reference-column", default="explanation", help="Explanation column in REFERENCES.")
@file_option("-o", "--output", text="Write the votes to this file, one row per id.")
@estimate_option
@quiet_option
def explanations(
    metric: str,
    answers: Path,
    references: Path,
    model: str,
    server: EndpointOptions,
    column: str | None,
    reference_column: str,
    output: Path | None,
    estimate: bool,
    quiet: bool,
) -> None:
    """Have a chat model compare explanations with reference answers, by METRIC's own criteria.

    \b
    editmetrics score test.csv -m epaiqa:weights=runs/a -o scores.csv
    editmetrics explanations epaiqa scores.csv references.csv --judge o3-mini

    ANSWERS is a table that `score -o` wrote; REFERENCES is a table with the same ids and the reference answers.
    """
    from ...files.rows import require_writable, write_rows
    from ...tables.table import show

    if output is not None:
        require_writable(output)
    explanation_judge = _explained_metric(metric).explanation_judge(server.open(model))
    texts, expected = _texts(answers, column), _texts(references, reference_column)
    cost = explanation_judge.estimate(texts, expected)
    click.echo(cost, err=True)
    if estimate:
        return
    with Progress(cost.questions, quiet, ("comparing", "compared", "")) as progress:
        compared = explanation_judge.compare(texts, expected, lambda _: progress.step())
    show([_table(compared)])
    if missing := [name for name in expected if name not in texts]:
        click.echo(f"references without an answer: {first_few(missing)}")
    for concern, problems in compared.left_out.items():
        for name, why in list(problems.items())[:3]:
            click.echo(f"no vote on the {concern} of {name}: {why}", err=True)
    if output is not None:
        names = [name for name in expected if name in texts]
        votes = [{"id": name, **{key: column.get(name) for key, column in compared.votes.items()}} for name in names]
        write_rows(votes, output)
        click.echo(f"wrote {output}")


def _annotated_rows(ratings: Path, annotated: Annotated) -> list[dict[str, Any]]:
    """Return the rows of `ratings` with the explanation of each, its writer and the outcome."""
    from ...files.rows import read_rows
    from ...files.text import mended

    rows = []
    for row, text, writer, outcome in zip(
        read_rows(ratings), annotated.explanations, annotated.writers, annotated.outcomes, strict=True
    ):
        cells = {name: mended(cell) if isinstance(cell, str) else cell for name, cell in row.cells.items()}
        rows.append({**cells, "explanation": text, "annotator": writer, "annotation": outcome})
    return rows


def _explained_metric(name: str) -> Any:
    """Return the class of a metric that learns from explanations."""
    from ...learned_metric import LearnedMetric
    from ...registry import list_metrics, metric_class

    def learns_explanations(metric: str) -> bool:
        cls = metric_class(metric)
        return issubclass(cls, LearnedMetric) and cls.learns_explanations

    if not learns_explanations(name):
        known = [each for each in list_metrics() if learns_explanations(each)]
        raise click.UsageError(f"{name} does not learn from explanations; these metrics do: {', '.join(known)}")
    return metric_class(name)


def _opened(name: str, server: EndpointOptions, max_tokens: int | None) -> Judge:
    """Open the judge of NAME, NAME@URL or local:FOLDER."""
    if name.startswith("local:"):
        from ...judge import open_judge
        from ...mllm.backbone import Backbone

        limit: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
        return open_judge(backbone=Backbone.load(name.removeprefix("local:")), **limit)
    model, at, url = name.partition("@")
    return (dataclasses.replace(server, endpoint=url) if at else server).open(model, max_tokens=max_tokens)


def _table(compared: Compared) -> DataTable:
    from ...tables.table import DataTable, numbers, text

    rows: list[list[str | float | None]] = []
    for concern, votes in compared.votes.items():
        mean = compared.mean(concern)
        shown = "-" if mean is None else f"{mean:.3f}"
        rows.append([concern, shown, len(votes), len(compared.left_out.get(concern, ()))])
    return DataTable([*text("concern", wrap="never"), *numbers("mean (0 to 1)", "n", "without a vote")], rows)


def _texts(file: Path, column: str | None) -> dict[str, str]:
    """Read the texts of a column by id; by default of the column `explanation`, or one whose name ends in it."""
    from ...files.rows import read_rows

    rows = [row.cells for row in read_rows(file)]
    columns = list(dict.fromkeys(name for cells in rows for name in cells))
    if column is None:
        candidates = [name for name in columns if name.endswith(".explanation")]  # a metric's goes before
        candidates = candidates or [name for name in columns if name == "explanation"]  # the manifest's
        if len(candidates) != 1:
            raise click.UsageError(
                f"{file} has {len(candidates)} explanation columns, expected one; choose by --column from: "
                f"{', '.join(columns)}"
            )
        column = candidates[0]
    for name in ("id", column):
        if name not in columns:
            raise click.UsageError(f"{file}: column {name!r} not found; its columns are {', '.join(columns)}")
    texts = {str(cells["id"]): str(cells[column]) for cells in rows if cells.get("id") and cells.get(column)}
    if not texts:
        raise click.UsageError(f"{file}: column {column!r} is empty")
    return texts
