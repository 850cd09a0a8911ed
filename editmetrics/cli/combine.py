"""`editmetrics combine`: which metrics, together, predict people's ratings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..command_line import (
    SectionedCommand,
    columns_option,
    file_option,
    higher_option,
    level_option,
    lower_option,
    map_option,
    name_value_pairs,
    on_option,
    overwrite_option,
    resamples_option,
    seed_option,
)


@click.command(cls=SectionedCommand)
@click.argument("scores", type=click.Path(path_type=Path))
@click.argument("ratings", type=click.Path(path_type=Path), required=False)
@columns_option("all columns of scores")
@click.option(
    "--rating", metavar="COLUMN", show_default="the only one, or the only MOS", help="Rating column to predict."
)
@click.option(
    "--regressor",
    "regressors",
    multiple=True,
    type=click.Choice(["ridge", "svr", "forest"]),
    show_default="all that are installed",
    help="Fit this regressor. Repeatable.",
)
@click.option(
    "--group", metavar="COLUMN", show_default="source, if present", help="Keep rows of one value together in a fold."
)
@click.option("--folds", type=click.IntRange(min=2), default=5, help="Number of folds.")
@click.option("--fold-column", "fold", metavar="COLUMN", help="Take the folds from this column, such as a paper's.")
@on_option
@map_option
@lower_option
@higher_option
@click.option(
    "--no-baseline",
    "baseline",
    flag_value=False,
    default=True,
    show_default=False,
    help="Do not measure ridge regression on statistics of the images, where they are at hand.",
)
@resamples_option(100, 1000)
@level_option
@seed_option("Random seed of folds, forests and the bootstrap.")
@click.option(
    "--apply",
    "applied",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Predict with this saved combination, for a table of scores without ratings.",
)
@file_option("-o", "--output", text="Write all numbers (.json, .csv); with --apply, the table with its predictions.")
@file_option("--save", text="Write the best combination, fitted to all items (.safetensors).")
@file_option("--plot", text="Draw agreement and importance (.png, .svg or .pdf).")
@overwrite_option()
def combine(
    scores: Path,
    ratings: Path | None,
    applied: Path | None,
    output: Path | None,
    save: Path | None,
    plot: Path | None,
    overwrite: bool,
    columns: tuple[str, ...],
    **values: Any,
) -> None:
    """Find which metrics, together, predict your raters.

    \b
    SCORES   table with one row per image and a column per metric, as 'editmetrics score -o' writes it
    RATINGS  table with the human ratings, one row per image

    \b
    editmetrics combine scores.csv ratings.csv
    editmetrics combine scores.csv ratings.csv --plot parts.png --save mine.safetensors
    editmetrics combine other.csv --apply mine.safetensors -o predicted.csv

    Regressors (ridge, support vectors, random forest) are fitted to all but one fold of sources and predict that one.
    Images that lack a score are left out and counted.

    Exit codes: 0 success; 1 aborted; 2 usage error; 3 some numbers, or some rows of --apply, have no value.
    """
    chosen = name_value_pairs("--map", columns, "NAME=COLUMN")
    if applied is not None:
        _apply(applied, scores, ratings, output, overwrite, chosen)
        return
    if ratings is None:
        raise click.UsageError("RATINGS is missing: a table of human ratings; or --apply a saved combination")
    from ..agreement.result import check_output
    from ..combining import CombineOptions
    from ..combining import combine as fit
    from ..combining.combination import check_combination_path
    from ..report.agreement_plots import check_plot
    from ..tables.combination import combined_blocks
    from ..tables.table import show

    for path, check in ((output, check_output), (save, check_combination_path), (plot, check_plot)):
        if path is not None:
            check(path, overwrite)
    combined = fit(scores, ratings, CombineOptions(columns=chosen, **values))
    if output is not None:
        combined.write(output)
    show(combined_blocks(combined), output)
    if save is not None:
        combined.combination.save(save, overwrite)
        click.echo(f"wrote {save}: {combined.best} of {', '.join(combined.items.columns)}")
    if plot is not None:
        from ..report.combination_plot import plot_combination

        plot_combination(combined, plot)
        click.echo(f"wrote {plot}")
    sys.exit(0 if combined.complete else 3)


def _apply(
    saved: Path, scores: Path, ratings: Path | None, output: Path | None, overwrite: bool, columns: dict[str, str]
) -> None:
    from ..combining import Combination
    from ..combining.combination import COLUMN
    from ..files.overwrite import check_table
    from ..files.rows import require_writable
    from ..tables.combination import applied_blocks
    from ..tables.table import show

    context = click.get_current_context()
    for parameter in context.command.params:
        typed = context.get_parameter_source(str(parameter.name)) is not ParameterSource.DEFAULT
        if typed and parameter.name not in ("scores", "ratings", "applied", "output", "overwrite", "columns"):
            raise click.UsageError(f"{parameter.opts[0]} cannot be used with --apply, which fits nothing")
    if ratings is not None:
        raise click.UsageError("--apply takes no RATINGS; 'editmetrics evaluate' compares its predictions with them")
    if output is None:
        raise click.UsageError("--apply writes the table with its predictions: name it with -o predicted.csv")
    require_writable(output)
    check_table(output, [COLUMN], overwrite)
    predictions = Combination.load(saved).apply(scores, columns)
    predictions.write(output)
    show(applied_blocks(predictions), output)
    sys.exit(0 if predictions.complete else 3)
