"""`editmetrics annotate`: chat models write what a metric is to learn to say, and check one another."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from .endpoint_options import endpoint_options, given_options
from .progress import EVERY
from .streams import unfiltered


@click.command()
@click.argument("metric", metavar="METRIC")
@click.argument("ratings", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("more_models", nargs=-1, metavar="")
@click.option(
    "--models",
    multiple=True,
    required=True,
    metavar="MODEL ...",
    help="Two or more chat models: NAME of OpenAI, NAME@URL of any OpenAI-compatible endpoint, or local:FOLDER.",
)
@click.option("--endpoint", metavar="URL", help="Where the models without a URL of their own are served.")
@click.option("--key-variable", help="The environment variable with the key, where it is not the usual one.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: RATINGS_annotated.csv.")
@click.option("--target", "targets", multiple=True, metavar="DIMENSION=COLUMN", help="The column that rates it.")
@click.option("--label-scale", type=float, nargs=2, default=(1.0, 5.0), show_default=True, metavar="LOW HIGH")
@endpoint_options(whose="an endpoint")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer; left to the endpoint without it.")
@click.option("--estimate", is_flag=True, help="Say how many requests it would take, and stop.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the draw of which model writes for which row.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def annotate(
    metric: str,
    ratings: Path,
    more_models: tuple[str, ...],
    models: tuple[str, ...],
    output: Path | None,
    **options: Any,
) -> None:
    """Have chat models write the explanations that METRIC is trained on, and check one another's.

    \b
    editmetrics annotate epaiqa ratings.csv --models gpt-5 gemini@https://x.example/v1 local:runs/backbone
    editmetrics fit epaiqa ratings_annotated.csv -o runs/a --label-scale 1 5

    RATINGS is a manifest with the human ratings. For each row one model is drawn to write, and all the others must
    agree with each piece. Answers are kept: the same command goes on after a stop, and asks again what failed.
    """
    from ..data import from_manifest
    from ..files.rows import read_rows, require_writable, write_rows
    from ..files.text import mended
    from .fit import _pairs

    output = output or ratings.with_name(f"{ratings.stem}_annotated{ratings.suffix}")
    require_writable(output)
    if output.resolve().parent != ratings.resolve().parent:
        raise click.UsageError(f"{output} is in another folder than {ratings}, whose images are named from there")
    cls = _annotating(metric)
    names = [name for given in (*models, *more_models) for name in given.split(",") if name]
    if twice := {name for name in names if names.count(name) > 1}:
        raise click.UsageError(f"the model {sorted(twice)[0]} is named twice; a model cannot check itself")
    annotator = cls.annotator(
        {name: _opened(name, options) for name in names},
        from_manifest(ratings).samples,
        targets=_pairs("--target", options["targets"]),
        label_scale=options["label_scale"],
        seed=options["seed"],
    )
    click.echo(annotator.plan(), err=True)
    if options["estimate"]:
        return
    with _Answers(options["quiet"]) as told:
        found = annotator.run(told)
    rows = []
    for row, text, writer, outcome in zip(
        read_rows(ratings), found.explanations, found.writers, found.outcomes, strict=True
    ):
        cells = {name: mended(cell) if isinstance(cell, str) else cell for name, cell in row.cells.items()}
        rows.append({**cells, "explanation": text, "annotator": writer, "annotation": outcome})
    write_rows(rows, output)
    click.echo(f"{found.kept} of {len(rows)} rows have an explanation; the others are kept without one")
    for reason, count in found.refusals.most_common():
        click.echo(f"  {count} lost: {reason}")
    click.echo(f"wrote {output}")


def _annotating(name: str) -> Any:
    """The class of a metric that explanations can be written for."""
    from ..registry import list_metrics, metric_class

    cls = metric_class(name)
    if not _learns_explanations(cls):
        able = [each for each in list_metrics() if _learns_explanations(metric_class(each))]
        raise click.UsageError(f"{name} does not learn from explanations; those that do: {', '.join(able) or 'none'}")
    return cls


def _learns_explanations(cls: type) -> bool:
    from ..learned_metric import LearnedMetric

    return issubclass(cls, LearnedMetric) and cls.learns_explanations


def _opened(name: str, options: dict[str, Any]) -> Any:
    """The judge of NAME, NAME@URL or local:FOLDER."""
    from ..judge import open_judge

    limit = {} if options["max_tokens"] is None else {"max_tokens": options["max_tokens"]}
    if name.startswith("local:"):
        from ..mllm.backbone import Backbone

        return open_judge(backbone=Backbone.load(name.removeprefix("local:")), **limit)
    model, at, url = name.partition("@")
    return open_judge(
        model,
        endpoint=url if at else options["endpoint"],
        key_variable=options["key_variable"],
        **given_options(options),
        **limit,
    )


class _Answers:
    """Says how many answers have come: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self._said = quiet, time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> _Answers:
        return self

    def __call__(self, count: int, total: int) -> None:
        if self.quiet:
            return
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = click.progressbar(length=total, label="answers", file=unfiltered(sys.stderr))
                self._bar.__enter__()
            self._bar.update(1)
        elif time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            click.echo(f"{count} of at most {total} answers", err=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()
