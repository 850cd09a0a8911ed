"""`editmetrics ratings rank`: people's votes on pairs, or rankings, to a score for each image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..command_line import (
    SectionedCommand,
    file_option,
    level_option,
    map_option,
    name_value_pairs,
    overwrite_option,
    resamples_option,
    seed_option,
)


@click.command("rank", cls=SectionedCommand)
@click.argument("raw", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@file_option("-o", "--output", text="Write one row per image to this file (.csv, .jsonl or .parquet).")
@map_option
@click.option(
    "--model",
    type=click.Choice(["bradley-terry", "davidson", "thurstone"]),
    default="bradley-terry",
    help="Model of the scores: Elo points, with ties as half wins or modelled, or case V in standard deviations.",
)
@click.option(
    "--screen",
    type=click.Choice(["none", "chance"]),
    default="none",
    help="Exclude raters who agree with the majority of the others no more often than chance.",
)
@file_option(
    "--subjects", "raters_output", text="Write one row per rater to this file: votes, and agreement with others."
)
@resamples_option(0, 1000, "Number of bootstrap resamples for intervals, raters drawn whole; 0 for none.")
@level_option
@seed_option()
@overwrite_option()
def rank_votes(
    raw: Path,
    output: Path | None,
    columns: tuple[str, ...],
    model: Any,
    screen: str,
    raters_output: Path | None,
    replicates: int,
    level: float,
    seed: int,
    overwrite: bool,
) -> None:
    """Turn RAW, a table of people's votes on pairs of images, or of rankings, into one score per image.

    Votes have 'item_a', 'item_b', 'winner' and 'rater'; rankings 'group', 'item', 'rank' and 'rater'. OUTPUT has 'id',
    'rating' with 'low' and 'high', and 'group': scores are comparable within a group of images that met, directly or
    over others, and each group has a mean of its own: 'editmetrics evaluate scores.csv OUTPUT --group-by group'.

    Exit codes: 0 every image has a score; 2 usage error; 3 some have none.
    """
    from ..agreement.bootstrap import Resampling
    from ..files.overwrite import check_table
    from ..files.rows import require_writable, write_rows
    from ..pairs import RankingOptions, rank
    from ..pairs.votes import read_votes
    from ..tables.arena import votes_blocks
    from ..tables.table import show

    for path, known_by in ((output, ["id", "rating"]), (raters_output, ["rater", "agreement"])):
        if path is not None:
            require_writable(path)
            check_table(path, known_by, overwrite)
    votes = read_votes(raw, name_value_pairs("--map", columns, "NAME=COLUMN"))
    raters = votes.raters()
    if not raters and (raters_output is not None or screen == "chance"):
        raise click.UsageError(f"{raw} has no column rater, which --subjects and --screen require: --map rater=COLUMN")
    used = votes.screened() if screen == "chance" else votes
    board = rank(used.battles(), RankingOptions(model, Resampling(replicates, level, seed)))
    if output is not None:
        write_rows([_row(rated) for rated in board.systems], output)
    if raters_output is not None:
        write_rows([{**vars(rater), "agreement": rater.agreement} for rater in raters], raters_output)
    show(votes_blocks(board, raters, screen == "chance"))
    for path in filter(None, (output, raters_output)):
        click.echo(f"wrote {path}")
    if output is None:
        click.echo("Nothing was written; add -o ranked.csv to write one row per image.")
    sys.exit(0 if all(rated.rating is not None for rated in board.systems) else 3)


def _row(rated: Any) -> dict[str, Any]:
    from ..agreement.columns import BESIDE_RATING

    values = (rated.system, rated.rating, rated.low, rated.high, rated.island, rated.battles, rated.wins, rated.losses)
    names = ("id", "rating", *BESIDE_RATING)
    return {**dict(zip(names, (*values, rated.ties), strict=True)), "problem": rated.reason or None}
