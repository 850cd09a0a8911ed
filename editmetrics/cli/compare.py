"""`editmetrics compare`: two tables of scores in; what changed, and whether it exceeds noise, out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command_line import (
    SectionedCommand,
    columns_option,
    file_option,
    level_option,
    lower_option,
    map_option,
    name_value_pairs,
    on_option,
    overwrite_option,
    resamples_option,
    seed_option,
)

if TYPE_CHECKING:
    from ..runs.scored_table import ScoredTable


@click.command(cls=SectionedCommand)
@click.argument("a", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("b", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@columns_option("all columns that both tables have")
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="A=B",
    show_default="columns with equal names",
    help="Column of the first table and the column of the second to compare it with. Repeatable.",
)
@on_option
@map_option
@lower_option
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    help="Relative difference up to which two scores count as equal.",
)
@click.option("--movers", type=click.IntRange(min=0), default=5, help="Number of changed samples to list per column.")
@resamples_option(100, 1000)
@level_option
@seed_option()
@click.option("--fail-on-worse", is_flag=True, help="Exit with code 5 if any score got worse by more than noise.")
@file_option("-o", "--output", text="Write all numbers to this file: .json, or the lines of the table as .csv.")
@overwrite_option()
def compare(
    a: Path,
    b: Path,
    metrics: tuple[str, ...],
    pairs: tuple[str, ...],
    on: tuple[str, ...],
    columns: tuple[str, ...],
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
    """Compare run A with run B and show what changed beyond noise.

    \b
    A, B   tables written by `editmetrics score -o`; their records are read if they are beside them

    \b
    editmetrics compare before.parquet after.parquet
    editmetrics compare a.csv b.csv --metric ssim -o moved.json

    Exit codes: 0 compared; 1 aborted; 2 usage error; 3 compared, but identities differ or are unknown, a sample lost
    its score, or no sample has a score in both; 5 with --fail-on-worse, if any score got worse by more than noise.
    """
    from ..agreement.bootstrap import Resampling
    from ..runs.comparison import check_output
    from ..runs.comparison import compare as compare_runs
    from ..tables.comparison import comparison_blocks
    from ..tables.table import show

    if output is not None:
        check_output(output, overwrite)
    own = _own_columns((a, b), name_value_pairs("--map", columns, "NAME=COLUMN"))
    tables = [
        _read(path, () if pairs else metrics, lower_is_better, part) for path, part in zip((a, b), own, strict=True)
    ]
    matched = [*_pairs(pairs, *tables), *((name, name) for name in metrics if pairs)]
    comparison = compare_runs(
        *tables,
        pairs=matched,
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


def _own_columns(paths: Sequence[Path], columns: Mapping[str, str]) -> list[dict[str, str]]:
    """Return those of `columns` whose heading each file has."""
    from ..agreement.columns import own_columns, read_table

    return own_columns(columns, *(read_table(path, str(path)) for path in paths)) if columns else [{} for _ in paths]


def _read(
    path: Path, metrics: Sequence[str], lower_is_better: Sequence[str], columns: Mapping[str, str]
) -> ScoredTable:
    from ..runs.read_scores import read_scores

    table = read_scores(path, metrics=metrics, columns=columns)
    present = [name for name in lower_is_better if name in {column.name for column in table.columns}]
    if not present:
        return table
    return read_scores(path, metrics=metrics, lower_is_better=present, columns=columns)


def _pairs(texts: Sequence[str], a: ScoredTable, b: ScoredTable) -> Iterator[tuple[str, str]]:
    """Parse A=B; column names may contain "=", so that it is split where both sides are columns."""
    left, right = ({column.name for column in table.columns} for table in (a, b))
    for text in texts:
        splits = [(text[:index], text[index + 1 :]) for index, letter in enumerate(text) if letter == "="]
        matching = [(one, other) for one, other in splits if one in left and other in right]
        if not matching:
            raise click.UsageError(
                f"--pair {text}: expected A=B, a column of {a.path} ({', '.join(sorted(left))}) and one of {b.path} "
                f"({', '.join(sorted(right))})"
            )
        yield matching[0]
