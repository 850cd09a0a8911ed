"""`editmetrics evaluate`: scores and human ratings in; how well they agree out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from ..command_line import (
    SectionedCommand,
    file_option,
    higher_option,
    level_option,
    lower_option,
    map_option,
    name_value_pairs,
    on_option,
    overwrite_option,
    pairs_option,
    resamples_option,
    score_rating,
    seed_option,
)
from ..wording import expected_one_of

if TYPE_CHECKING:
    from ..evaluation import AgreementOptions


@click.command(cls=SectionedCommand)
@click.argument("scores", type=click.Path(path_type=Path))
@click.argument("ratings", type=click.Path(path_type=Path))
@click.option(
    "--pairs",
    "preferences",
    is_flag=True,
    help="RATINGS holds people's preferences: a row for each pair and its winner, or for each rank in a group.",
)
@pairs_option
@on_option
@map_option
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    show_default="those that suit the ratings",
    help="Measure of agreement: srcc, plcc, ... Repeatable.",
)
@click.option(
    "--group-by",
    multiple=True,
    metavar="COLUMN",
    help="Measure each group of this column, and average over the groups. Repeatable.",
)
@click.option(
    "--system", metavar="COLUMN", show_default="system, if present", help="Column that names the system of an item."
)
@click.option(
    "--cluster",
    metavar="COLUMN",
    help="Resample items with equal values in this column together; use 'source' for edits of the same image.",
)
@resamples_option(0, 0, "Number of bootstrap resamples for intervals; 0 for none.")
@level_option
@seed_option()
@click.option(
    "--fit",
    type=click.Choice(["4", "5", "none"]),
    default="4",
    help="Number of parameters of the logistic curve from scores to ratings.",
)
@lower_option
@higher_option
@click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="Exclude and count ratings outside this range.")
@click.option(
    "--protocol", metavar="NAME", help="Evaluate by a paper's protocol, with its own columns and figures; see the docs."
)
@click.option("--against", metavar="COLUMN", help="Test whether each other score agrees better than this one.")
@click.option(
    "--positive", metavar="WORD", show_default="yes, true and 1", help="Rating that counts as the positive label."
)
@click.option(
    "--threshold",
    type=float,
    show_default="the one with the best balanced accuracy",
    help="Lowest score that counts as positive.",
)
@click.option(
    "--tie-threshold",
    type=float,
    show_default="calibrated",
    help="Largest difference of two scores that counts as a tie.",
)
@click.option("--rating-tie", type=float, default=0.0, help="Largest difference of two ratings that counts as a tie.")
@file_option("-o", "--output", text="Write all numbers to this file (.json or .csv), with intervals, n and exclusions.")
@file_option("--plot", text="Plot scores against ratings, and rankings of systems (.png, .svg or .pdf).")
@overwrite_option()
def evaluate(
    scores: Path,
    ratings: Path,
    output: Path | None,
    plot: Path | None,
    protocol: str | None,
    preferences: bool,
    overwrite: bool,
    pairs: tuple[str, ...],
    columns: tuple[str, ...],
    fit: str,
    **values: Any,
) -> None:
    """Measure how well scores agree with human ratings.

    \b
    SCORES   table (csv, xlsx, jsonl, parquet, ...) with one row per image, by editmetrics or any other program
    RATINGS  table with the human ratings, one row per image: MOS, or labels such as yes and no

    \b
    editmetrics evaluate scores.parquet ratings.csv
    editmetrics evaluate scores.csv ratings.csv --group-by system --cluster source --bootstrap 1000 -o agreement.json
    editmetrics evaluate scores.csv votes.csv --pairs --against psnr

    Correlations are signed: for a score that is lower for better images (marked with a down arrow), a negative
    correlation means agreement.

    Exit codes: 0 success; 1 aborted; 2 usage error; 3 some requested numbers have no value.
    """
    from ..agreement.result import check_output
    from ..evaluation import AgreementOptions
    from ..evaluation import evaluate as measure_agreement
    from ..report.agreement_plots import check_plot, plot_agreement
    from ..tables.agreement import agreement_blocks
    from ..tables.table import show

    if output is not None:
        check_output(output, overwrite)
    curve: Literal[4, 5] | None = 4 if fit == "4" else 5 if fit == "5" else None
    chosen = name_value_pairs("--map", columns, "NAME=COLUMN")
    options = AgreementOptions(pairs=[score_rating(text) for text in pairs], columns=chosen, fit=curve, **values)
    if preferences:
        _run_preferences(scores, ratings, output, options)
        return
    if protocol is not None:
        _run_protocol(protocol, scores, ratings, output, options)
        return
    if plot is not None:
        check_plot(plot, overwrite)
    agreement = measure_agreement(scores, ratings, options)
    if output is not None:
        agreement.write(output)
    show(agreement_blocks(agreement, output is not None), output)
    if plot is not None:
        plot_agreement(agreement, plot)
        click.echo(f"wrote {plot}")
    sys.exit(0 if agreement.complete else 3)


def _run_protocol(name: str, scores: Path, ratings: Path, output: Path | None, options: AgreementOptions) -> None:
    from ..agreement.protocols import PROTOCOLS
    from ..evaluation import evaluate_protocol
    from ..tables.agreement import protocol_blocks
    from ..tables.table import show

    names = ("pairs", "on", "columns", "lower_is_better", "higher_is_better")
    _refuse_others("--protocol", {"protocol", *names})
    if name not in PROTOCOLS:
        raise click.UsageError(f"unknown protocol {name!r}; {expected_one_of(name, PROTOCOLS)}")
    agreement = evaluate_protocol(PROTOCOLS[name], scores, ratings, **{each: getattr(options, each) for each in names})
    if output is not None:
        agreement.write(output)
    show(protocol_blocks(agreement), output)
    sys.exit(3 if any(line.value is None for line in agreement.lines) else 0)


def _run_preferences(scores: Path, preferences: Path, output: Path | None, options: AgreementOptions) -> None:
    from ..evaluation.preferences import evaluate_preferences
    from ..tables.agreement import agreement_blocks
    from ..tables.table import show

    names = ("group_by", "cluster", "replicates", "level", "seed", "against", "tie_threshold", "columns")
    _refuse_others("--pairs", {"preferences", "lower_is_better", "higher_is_better", *names})
    agreement = evaluate_preferences(scores, preferences, options)
    if output is not None:
        agreement.write(output)
    show(agreement_blocks(agreement, output is not None), output)
    sys.exit(0 if agreement.complete else 3)


def _refuse_others(option: str, allowed: set[str]) -> None:
    """Raise `UsageError` for an option that does not go with `option`, which defines its own figures."""
    context = click.get_current_context()
    allowed = {"scores", "ratings", "output", "overwrite", *allowed}
    for parameter in context.params:
        if parameter not in allowed and context.get_parameter_source(parameter) is not ParameterSource.DEFAULT:
            name = next(each.opts[0] for each in context.command.params if each.name == parameter)
            raise click.UsageError(f"{name} cannot be used with {option}, which defines its own figures")
