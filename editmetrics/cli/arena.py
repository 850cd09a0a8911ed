"""`editmetrics arena`: battles of two edits of one source in; ratings of systems out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from ..pairs import Battles, Leaderboard, RankingOptions


@click.command(cls=SectionedCommand)
@click.option(
    "--battles",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Log of battles (.csv, .jsonl, ...), or a folder of GenArena's logs.",
)
@map_option
@click.option("--by-task", is_flag=True, help="Rate systems in each task, too.")
@click.option(
    "--model",
    type=click.Choice(["bradley-terry", "davidson", "thurstone"]),
    default="bradley-terry",
    help="Model of the ratings. Davidson's models ties; the others count a tie as half a win of each.",
)
@click.option(
    "--inconsistent",
    type=click.Choice(["leave-out", "tie"]),
    default="leave-out",
    help="Leave out battles whose answer changed with the order of the edits, or count them as ties.",
)
@click.option("--anchor", metavar="SYSTEM=RATING", show_default="mean 1000", help="Rating that fixes the scale.")
@resamples_option(0, 1000, "Number of bootstrap resamples for intervals and groups; 0 for none.")
@level_option
@seed_option()
@file_option("-o", "--output", text="Write the leaderboard to this file (.json or .csv), in full.")
@file_option("--plot", text="Draw the win matrix and the ratings (.png, .svg or .pdf).")
@overwrite_option()
def arena(
    battles: Path | None,
    columns: tuple[str, ...],
    by_task: bool,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    **ranking: Any,
) -> None:
    """Rank systems by battles of two edits of one source.

    \b
    editmetrics arena --battles votes.csv              rank by a log of votes
    editmetrics arena --battles pk_logs/ --by-task     rank by GenArena's logs

    A log has a row for each battle: 'system_a', 'system_b', 'winner' and, if known, 'source', 'task', 'judge' and
    'id'. The layouts of GenArena and LMArena are understood.

    Exit codes: 0 success; 2 usage error; 3 some systems have no rating that can be compared with the others.
    """
    from ..pairs import read_battles

    if battles is None:
        raise click.UsageError("name a log of battles: --battles FILE")
    options = ranking_options(**ranking)
    check_outputs(output, plot, overwrite)
    log = read_battles(battles, name_value_pairs("--map", columns, "NAME=COLUMN"))
    sys.exit(0 if show_leaderboard(log, options, by_task, output, plot).complete else 3)


def ranking_options(
    model: Any, inconsistent: str, anchor: str | None, replicates: int, level: float, seed: int
) -> RankingOptions:
    """The options of a ranking, as the command line has them; `UsageError` for an anchor without a number."""
    from ..agreement.bootstrap import Resampling
    from ..pairs import RankingOptions

    fixed = None
    if anchor is not None:
        name, _, value = anchor.rpartition("=")
        try:
            fixed = name.strip(), float(value)
        except ValueError:
            fixed = "", 0.0
        if not fixed[0]:
            raise click.UsageError(f"--anchor {anchor}: expected SYSTEM=RATING, such as --anchor ours=1000")
    how: Any = inconsistent.replace("-", " ")
    return RankingOptions(model, Resampling(replicates, level, seed), fixed, how)


def check_outputs(output: Path | None, plot: Path | None, overwrite: bool) -> None:
    """Raise `DataError` for an output that cannot be written, before anything is computed."""
    from ..pairs.leaderboard import check_leaderboard
    from ..report.agreement_plots import check_plot

    if output is not None:
        check_leaderboard(output, overwrite)
    if plot is not None:
        check_plot(plot, overwrite)


def show_leaderboard(
    battles: Battles, options: RankingOptions, by_task: bool, output: Path | None, plot: Path | None
) -> Leaderboard:
    """Rank, print, write and draw."""
    from ..pairs import rank
    from ..report.arena_plot import plot_arena
    from ..tables.arena import arena_blocks
    from ..tables.table import show

    board = rank(battles, options, by_task=by_task)
    if output is not None:
        board.write(output)
    show(arena_blocks(board), output)
    if plot is not None:
        plot_arena(board, plot)
        click.echo(f"wrote {plot}")
    return board
