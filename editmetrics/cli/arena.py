"""`editmetrics arena`: two edits of one source at a time in, judged or to be judged; ratings of systems out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from ..command_line import (
    SectionedCommand,
    config_option,
    device_option,
    file_option,
    level_option,
    map_option,
    metrics_option,
    name_value_pairs,
    opened_trackers,
    overwrite_option,
    quiet_option,
    resamples_option,
    retry_option,
    score_with_progress,
    seed_option,
    track_option,
)

if TYPE_CHECKING:
    from ..metric import Metric
    from ..pairs import Battles, Leaderboard, RankingOptions
    from ..scoring import Results
    from ..scoring.arena import ArenaRun
    from ..tracking import Tracker

Files: TypeAlias = "tuple[Path | None, Path | None]"
"""A leaderboard's file and its picture."""


@click.command(cls=SectionedCommand)
@config_option
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@metrics_option("Judge of pairs, such as pair_judge, or metric of single images. Repeatable.")
@click.option(
    "--battles",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Log of battles (.csv, .jsonl, ...), or a folder of GenArena's logs; replaces PATHS and -m.",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    show_default="the file NAME.txt beside an image",
    help="File of instructions by image name: csv, jsonl, json or txt.",
)
@map_option
@click.option(
    "--task", metavar="COLUMN", show_default="task, edit_type or category", help="Column of the kind of edit."
)
@click.option("--by-task", is_flag=True, help="Rate systems in each task, too.")
@click.option(
    "--ask",
    type=click.Choice(["all", "sampled", "adaptive"]),
    default="all",
    help="Pairs to ask about: all, a balanced random part, or those that tell most about the ratings.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="PAIRS",
    help="Number of pairs to ask about at most. A judge answers two requests for each pair and round.",
)
@click.option(
    "--tie-threshold",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Largest difference of two scores of single images that counts as a tie.",
)
@file_option(
    "--log",
    text="Write each pair to this file (.csv, .jsonl or .parquet), with a record beside it. The same command resumes.",
)
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
@seed_option("Random seed for the bootstrap, and for sampled pairs.")
@file_option("-o", "--output", text="Write the leaderboard to this file (.json or .csv), in full.")
@file_option("--plot", text="Draw the win matrix and the ratings (.png, .svg or .pdf).")
@click.option("--dry-run", is_flag=True, help="Show the pairs, downloads and requests to judges, and exit.")
@overwrite_option()
@device_option
@retry_option
@track_option
@quiet_option
def arena(
    paths: tuple[Path, ...],
    battles: Path | None,
    by_task: bool,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    columns: tuple[str, ...],
    model: Any,
    inconsistent: str,
    anchor: str | None,
    replicates: int,
    level: float,
    seed: int,
    trackers: tuple[str, ...],
    **asked: Any,
) -> None:
    """Rank systems by battles of two edits of one source.

    \b
    editmetrics arena sources/ model_a/ model_b/ --prompts prompts.csv \\
        -m pair_judge:model=gpt-5 --log battles.csv      ask a judge about pairs
    editmetrics arena sources/ model_a/ model_b/ -m ssim    compare scores
    editmetrics arena --battles votes.csv              rank by a log of votes
    editmetrics arena --battles pk_logs/ --by-task     rank by GenArena's logs

    A log has a row for each battle: 'system_a', 'system_b', 'winner' and, if known, 'source', 'task', 'judge' and
    'id'. The layouts of GenArena and LMArena are understood. --battles also reads what --log writes.

    Exit codes: 0 success; 2 usage error; 3 some systems have no rating that can be compared with the others, or some
    pairs no score; 4 this machine could not ask (no key, endpoint down).
    """
    from ..pairs import read_battles

    options = ranking_options(model, inconsistent, anchor, replicates, level, seed)
    mapped = name_value_pairs("--map", columns, "NAME=COLUMN")
    opened = click.get_current_context().with_resource(opened_trackers(trackers))
    if battles is not None:
        _only_a_log(asked, paths)
        check_outputs(output, plot, overwrite)
        log = read_battles(battles, mapped)
        complete = show_leaderboard(log, options, by_task, output, plot, opened).complete
        _show_agreement(log)
        sys.exit(0 if complete else 3)
    if not paths or not asked["metrics"]:
        raise click.UsageError("name a log, --battles FILE, or folders and a metric: sources/ a/ b/ -m pair_judge")
    metrics = _created(asked["metrics"], asked["device"])
    files = _files_by_judge([metric.label for metric in metrics], output, plot)
    for board, picture in files.values():
        check_outputs(board, picture, overwrite)
    ran = _run(paths, mapped, seed, overwrite, metrics, asked)
    if ran is not None:
        sys.exit(_show_run(ran, options, by_task, files, opened))


def _only_a_log(asked: dict[str, Any], paths: tuple[Path, ...]) -> None:
    """Raise `UsageError` for options that do not go with a log of battles."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    misplaced = [name for name in asked if context.get_parameter_source(name) is not default and name != "quiet"]
    if paths or misplaced:
        names = [f"--{name.replace('_', '-')}" for name in misplaced] + [str(path) for path in paths]
        raise click.UsageError(f"--battles is a log of battles that were judged; leave out {', '.join(names)}")


def _run(
    paths: tuple[Path, ...],
    columns: dict[str, str],
    seed: int,
    overwrite: bool,
    metrics: list[Metric],
    asked: dict[str, Any],
) -> ArenaRun | None:
    """Find the samples, and ask or score; `asked` are the other options. Of a dry run there is no result."""
    from ..data import find_samples
    from ..scoring.arena import ArenaOptions, arena, arena_plan

    samples = find_samples(paths, prompts=asked["prompts"], columns=columns or None)
    for problem in samples.problems():
        click.echo(f"not matched: {problem}", err=True)
    options = ArenaOptions(asked["ask"], asked["budget"], seed, asked["tie_threshold"], asked["task"])
    if asked["dry_run"]:
        from ..command_line.dry_run import preview_arena

        preview_arena(arena_plan(list(samples), metrics, options), metrics, asked["log"])
        return None
    first = overwrite

    def compute(rows: Any, created: Any) -> Results:
        nonlocal first
        starts, first = first, False
        more = {"output": asked["log"], "retry": asked["retry"], "overwrite": starts}
        return score_with_progress(rows, created, quiet=asked["quiet"], **more)

    return arena(list(samples), metrics, options, run=compute)


def _created(specs: tuple[str, ...], device: str | None) -> list[Metric]:
    from ..registry import create_metric

    return [create_metric(spec, device=device) for spec in specs]


def _show_run(
    ran: ArenaRun,
    options: RankingOptions,
    by_task: bool,
    files: Mapping[str, Files],
    trackers: Sequence[Tracker],
) -> int:
    """Show the leaderboard of each judge, and how the judges agree; returns the exit code."""
    from ..tables.results import problem_lines
    from ..tables.table import show

    show(problem_lines(ran.results))
    judges = [*ran.by_judge()]
    complete = ran.results.all_scored and bool(judges)
    for label, battles in judges:
        if len(judges) > 1:
            click.echo(f"\n{label}")
        board = show_leaderboard(battles, options, by_task, *files[label], trackers, label if len(judges) > 1 else "")
        complete = board.complete and complete
    if ran.battles is not None:
        _show_agreement(ran.battles)
    return 4 if ran.results.unavailable else 0 if complete else 3


def _files_by_judge(labels: Sequence[str], output: Path | None, plot: Path | None) -> dict[str, Files]:
    """The files of each judge, leaderboard and picture: with its name, where there are several judges.

    Raises `UsageError` where two judges would have one file.
    """
    if len(labels) == 1:
        return {labels[0]: (output, plot)}
    names = {label: "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in label) for label in labels}
    if len(set(names.values())) < len(names) and (output or plot):
        raise click.UsageError(f"the files of {' and '.join(names)} would have one name; name them: -m NAME=METRIC")

    def named(path: Path | None, name: str) -> Path | None:
        return path and path.with_name(f"{path.stem}.{name}{path.suffix}")

    return {label: (named(output, name), named(plot, name)) for label, name in names.items()}


def _show_agreement(battles: Battles) -> None:
    from ..pairs.judges import judge_agreement
    from ..tables.arena import judges_blocks
    from ..tables.table import show

    if lines := judge_agreement(battles):
        show(["", *judges_blocks(lines)])


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
    battles: Battles,
    options: RankingOptions,
    by_task: bool,
    output: Path | None,
    plot: Path | None,
    trackers: Sequence[Tracker] = (),
    judge: str = "",
) -> Leaderboard:
    """Rank, print, write, draw and log."""
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
    for tracker in trackers:
        from ..tracking import leaderboard_values

        tracker.log(leaderboard_values(board, judge))
    return board
