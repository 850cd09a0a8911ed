"""`editmetrics evaluate`: scores and human ratings in; how well they agree out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


@click.command()
@click.argument("scores", type=click.Path(path_type=Path))
@click.argument("ratings", type=click.Path(path_type=Path))
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="SCORE=RATING",
    help="Which score column meets which rating column; as often as wanted. Default: equal names, or the only rating.",
)
@click.option(
    "--on", multiple=True, metavar="COLUMN", help="Join by this column. Default: id, else id and system, else edited."
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="srcc, plcc, ...; default: those that suit the ratings.",
)
@click.option(
    "--group-by", multiple=True, metavar="COLUMN", help="Measure each group of this column, and their average."
)
@click.option("--system", metavar="COLUMN", help="The column of the system level. Default: system, where there is one.")
@click.option(
    "--cluster", metavar="COLUMN", help="Resample items of one value together: source, for edits of one image."
)
@click.option(
    "--bootstrap",
    "replicates",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Replicates of the intervals; 0 for none.",
)
@click.option(
    "--level", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True, help="Of the intervals."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the resampling.")
@click.option(
    "--fit",
    type=click.Choice(["4", "5", "none"]),
    default="4",
    show_default=True,
    help="Parameters of the logistic curve from scores to ratings.",
)
@click.option("--lower-is-better", multiple=True, metavar="SCORE", help="Of a score this program does not know.")
@click.option("--higher-is-better", multiple=True, metavar="SCORE", help="The same, the other way.")
@click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="Leave out and count ratings outside of it.")
@click.option(
    "--protocol", metavar="NAME", help="A paper's protocol instead: its columns, its figures. See docs/agreement.md."
)
@click.option("--against", metavar="SCORE", help="Test whether each other score agrees better than this one.")
@click.option("--positive", metavar="WORD", help="The rating that is the positive label. Yes, true and 1 are known.")
@click.option("--threshold", type=float, help="Scores from here on are positive. Default: the best balanced accuracy.")
@click.option("--tie-threshold", type=float, help="Scores this close are a tie, in pairs. Default: calibrated.")
@click.option(
    "--rating-tie", type=float, default=0.0, show_default=True, help="Ratings this close are a tie, in pairs."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every number here (.json or .csv), with its interval, n and what was left out.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw scores against ratings, and rankings of systems (.png, .svg or .pdf).",
)
@click.option("--overwrite", is_flag=True, help="Replace what stands under these names, whatever it is.")
def evaluate(
    scores: Path,
    ratings: Path,
    output: Path | None,
    plot: Path | None,
    protocol: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """How well do scores agree with human ratings?

    \b
    SCORES   csv, jsonl or parquet with a row for each image, of this program or not
    RATINGS  the same with what people said: MOS, or labels such as yes and no

    \b
    editmetrics evaluate scores.parquet ratings.csv
    editmetrics evaluate scores.csv ratings.csv --group-by system --cluster source --bootstrap 1000 -o agreement.json

    Correlations have the sign of the numbers: of a score that is lower for better images (marked with a down arrow),
    a negative one agrees.

    \b
    Exit codes: 0 every number that was asked for has a value; 3 some have none; 2 called wrongly; 1 aborted.
    """
    from ..agreement.result import check_output
    from ..evaluation import evaluate as evaluated
    from ..report.agreement_plots import check_plot, plot_agreement
    from ..tables.agreement import agreement_blocks
    from ..tables.terminal import show

    if output is not None:
        check_output(output, overwrite)
    if protocol is not None:
        _run_protocol(protocol, scores, ratings, output, options)
        return
    if plot is not None:
        check_plot(plot, overwrite)
    found = evaluated(
        scores,
        ratings,
        pairs=[pair(text) for text in options.pop("pairs")],
        fit={"4": 4, "5": 5}.get(options.pop("fit")),  # type: ignore[arg-type]
        **options,
    )
    if output is not None:
        found.write(output)
    show(agreement_blocks(found, output is not None), output)
    if plot is not None:
        plot_agreement(found, plot)
        click.echo(f"wrote {plot}")
    sys.exit(0 if found.complete else 3)


def _run_protocol(name: str, scores: Path, ratings: Path, output: Path | None, options: dict[str, Any]) -> None:
    from ..agreement.protocols import PROTOCOLS
    from ..evaluation import evaluate_protocol
    from ..tables.agreement import protocol_blocks
    from ..tables.terminal import show

    given = click.get_current_context().get_parameter_source
    own = ("pairs", "on", "lower_is_better", "higher_is_better")
    other = [key for key in ("plot", *options) if key not in own and given(key) is not ParameterSource.DEFAULT]
    if other:
        raise click.UsageError(f"--{other[0].replace('_', '-')} is not for a protocol, which has its own figures")
    if name not in PROTOCOLS:
        raise click.UsageError(f"there is no protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    found = evaluate_protocol(
        PROTOCOLS[name],
        scores,
        ratings,
        pairs=[pair(text) for text in options["pairs"]],
        on=options["on"],
        lower_is_better=options["lower_is_better"],
        higher_is_better=options["higher_is_better"],
    )
    if output is not None:
        found.write(output)
    show(protocol_blocks(found), output)
    sys.exit(3 if any(line.value is None for line in found.lines) else 0)


def pair(text: str) -> tuple[str, str]:
    """The two columns of SCORE=RATING."""
    score, found, rating = text.rpartition("=")
    if not found or not score or not rating:
        raise click.UsageError(f"--pair {text}: expected SCORE=RATING, such as --pair psnr=mos_quality")
    return score, rating
