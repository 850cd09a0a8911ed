"""`editmetrics compare`: two tables of scores in; what moved, and whether it is more than noise, out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..runs.scored_table import ScoredTable


@click.command()
@click.argument("a", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("b", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--metric", "metrics", multiple=True, metavar="COLUMN", help="Only these columns. Default: all that both have."
)
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="A=B",
    help="Compare column A of the first with column B of the second; as often as wanted. Default: equal names.",
)
@click.option(
    "--on", multiple=True, metavar="COLUMN", help="Match by this column. Default: id, else id and system, else edited."
)
@click.option("--lower-is-better", multiple=True, metavar="COLUMN", help="Of a score this program does not know.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    help="Relative difference up to which two scores are the same.",
)
@click.option(
    "--movers", type=click.IntRange(min=0), default=5, show_default=True, help="Samples named for each column."
)
@click.option(
    "--bootstrap", "replicates", type=click.IntRange(min=100), default=1000, show_default=True, help="Resamples."
)
@click.option(
    "--level", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True, help="Of the intervals."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the resampling.")
@click.option("--fail-on-worse", is_flag=True, help="Exit with 5 when anything got worse by more than noise.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every number here: .json, or the lines of the table as .csv.",
)
@click.option("--overwrite", is_flag=True, help="Replace what stands under these names, whatever it is.")
def compare(
    a: Path,
    b: Path,
    metrics: tuple[str, ...],
    pairs: tuple[str, ...],
    on: tuple[str, ...],
    lower_is_better: tuple[str, ...],
    tolerance: float,
    movers: int,
    replicates: int,
    level: float,
    seed: int,
    fail_on_worse: bool,
    output: Path | None,
    overwrite: bool,
) -> None:
    """What moved from run A to run B, and is it more than noise?

    \b
    A, B   csv, jsonl or parquet, as `editmetrics score -o` writes them; their records are read where they lie beside

    \b
    editmetrics compare before.parquet after.parquet
    editmetrics compare a.csv b.csv --metric ssim -o moved.json

    \b
    Exit codes: 0 compared; 3 compared, but the identities differ or are not known, a sample has lost its score, or no
    sample has one in both;
    5 something got worse by more than noise, with --fail-on-worse; 2 usage error; 1 aborted.
    """
    from ..runs.comparison import check_output
    from ..runs.comparison import compare as compare_runs
    from ..runs.means import Resampling
    from ..tables.comparison import comparison_blocks
    from ..tables.terminal import show

    if output is not None:
        check_output(output, overwrite)
    tables = [_read(path, () if pairs else metrics, lower_is_better) for path in (a, b)]
    meeting = [*_pairs(pairs, *tables), *((name, name) for name in metrics if pairs)]
    comparison = compare_runs(
        *tables,
        pairs=meeting,
        on=on,
        tolerance=tolerance,
        movers=movers,
        resampling=Resampling(replicates, level, seed),
    )
    if output is not None:
        comparison.write(output)
    show(comparison_blocks(comparison), output)
    if fail_on_worse and comparison.worse:
        sys.exit(5)
    sys.exit(0 if comparison.comparable and not comparison.lost and not comparison.without_value else 3)


def _read(path: Path, metrics: Sequence[str], lower_is_better: Sequence[str]) -> ScoredTable:
    from ..runs.read_scores import read_scores

    table = read_scores(path, metrics=metrics)
    here = [name for name in lower_is_better if name in {column.name for column in table.columns}]
    return read_scores(path, metrics=metrics, lower_is_better=here) if here else table


def _pairs(texts: Sequence[str], a: ScoredTable, b: ScoredTable) -> Iterator[tuple[str, str]]:
    """A=B, where the names of columns may hold a "=", too: it is split where both sides are columns."""
    of_a, of_b = ({column.name for column in table.columns} for table in (a, b))
    for text in texts:
        splits = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == "="]
        fitting = [(one, other) for one, other in splits if one in of_a and other in of_b]
        if not fitting:
            raise click.UsageError(
                f"--pair {text}: expected A=B, a column of {a.path} ({', '.join(sorted(of_a))}) and one of {b.path} "
                f"({', '.join(sorted(of_b))})"
            )
        yield fitting[0]
