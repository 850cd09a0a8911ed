"""The leaderboard of an arena: ratings with intervals and groups, tasks, and how far the judge can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.markup import escape

from ..wording import first_few, plural
from .table import Block, Cell, DataTable, TableCell, TableColumn, numbers, text

if TYPE_CHECKING:
    from ..pairs import Leaderboard, RatedSystem
    from ..pairs.judges import JudgeAgreement
    from ..pairs.votes import Rater

ABREAST = 5
"""Tasks that fit side by side in 80 characters."""

MOST_IMAGES, MOST_RATERS = 20, 10
"""Images and raters that are shown of many."""

MOST_REASONS, MOST_NAMES = 5, 4
"""Reasons for systems without a rating, and names of these that are listed for one reason."""

METHODS = {"bradley-terry": "Bradley-Terry", "davidson": "Davidson", "thurstone": "Thurstone V"}

UNFAIR = 0.05
"""A share of answers for the first position that is this far from one half is pointed out, if its interval is."""


def arena_blocks(board: Leaderboard) -> Iterator[Block]:
    """The leaderboard, the ratings of each task, and sentences on judge, order and method."""
    yield leaderboard_table(board)
    yield ""
    if board.tasks:
        yield from task_tables(board).abreast(ABREAST, 1)
        yield ""
    for note in board.notes:
        yield f"[yellow]{escape(note)}[/]"
    yield from map(escape, _judge(board))
    yield from map(escape, _order(board))
    if board.islands:
        yield f"[dim]{escape(_method(board))}[/]"


def votes_blocks(board: Leaderboard, raters: Sequence[Rater], screened: bool) -> Iterator[Block]:
    """The best and worst images, the raters who agree least with the others, and what was left out."""
    table = leaderboard_table(board, "image", "votes")
    if len(table.rows) > MOST_IMAGES:
        half = MOST_IMAGES // 2
        table = replace(table, rows=[*table.rows[:half], ["..."], *table.rows[-half:]])
    yield from (table, "")
    rows = [
        [rater.rater, rater.votes, rater.shared, "-" if rater.agreement is None else _percent(rater.agreement),
         "excluded" if screened and not rater.kept else ""] for rater in raters[:MOST_RATERS]
    ]  # fmt: skip
    headings = [*text("rater"), *numbers("votes", "shared pairs", "agreement"), *text("")]
    if rows:
        yield from (DataTable(headings, rows, title="Raters, those who agree least with the others first"), "")
    for note in board.notes:
        yield f"[yellow]{escape(note)}[/]"
    if board.islands:
        yield f"[dim]{escape(_method(board, 'Images', 'vote'))}[/]"


def leaderboard_table(board: Leaderboard, rated: str = "system", battles: str = "battles") -> DataTable:
    """A row for each system; systems of another island stand under a rule. `rated`, `battles`: headings for both."""
    columns = [
        TableColumn("rank", wrap="never"),
        TableColumn(rated, wrap="ellipsis", least=12),
        *numbers(board.unit, f"{board.level:.0%} interval".replace("%", " %")),
        TableColumn("group", wrap="fold", most=8),
        *numbers(battles, "won", "tied", "incon-\nsistent"),
    ]
    rows: list[Sequence[Cell]] = []
    previous: int | None = None
    for one in board.systems:
        if previous is not None and one.island not in (None, previous):
            rows.append(())
        previous = one.island or previous
        rows.append(_row(one, board.unit))
    return DataTable(columns, rows, notes=_reasons(board)[:MOST_REASONS], name="arena", gap=1)


def _reasons(board: Leaderboard) -> list[str]:
    """Why systems have no rating, each reason once, and why there are no intervals."""
    unrated: dict[str, list[str]] = {}
    for rated in board.systems:
        if rated.reason and rated.rating is None:
            unrated.setdefault(rated.reason, []).append(rated.system)
    reasons = [f"no rating for {first_few(names, MOST_NAMES)} ({reason})" for reason, names in unrated.items()]
    return reasons + sorted({rated.reason for rated in board.systems if rated.reason and rated.rating is not None})


def task_tables(board: Leaderboard) -> DataTable:
    """The rating of each system in each task, with half the width of its interval below."""
    rows: list[Sequence[Cell]] = []
    for rated in board.systems:
        cells: list[Cell] = [rated.system]
        for task in board.tasks.values():
            of_task = next((one for one in task.systems if one.system == rated.system), None)
            cells.append(_short(of_task, board.unit))
        rows.append(cells)
    headings = [TableColumn("system", wrap="ellipsis", least=12), *numbers(*board.tasks)]
    return DataTable(headings, rows, title=f"{board.unit} in each task, each on a scale of its own", name="tasks")


def judges_blocks(lines: Sequence[JudgeAgreement]) -> Iterator[Block]:
    """How each two judges agree on the battles of both, and how many have none in common."""
    columns = [*text("judge", "and", wrap="ellipsis"), *numbers("battles", "same", "kappa", "inconsistent")]
    rows = [
        [one.judge, one.other, one.battles, "-" if one.share is None else _percent(one.share), one.kappa,
         one.inconsistent] for one in lines if one.battles or one.inconsistent
    ]  # fmt: skip
    notes = ("kappa is Cohen's: 0 is chance; battles that either judge answered inconsistently are not among them",)
    if rows:
        yield DataTable(columns, rows, title="Agreement of the judges", notes=notes, name="judges")
    if apart := len(lines) - len(rows):
        yield f"{plural(apart, 'pair')} of judges shared no battle, and cannot be compared."


def _short(rated: RatedSystem | None, unit: str) -> Cell:
    if rated is None or rated.rating is None:
        return "-"
    small = [] if rated.low is None or rated.high is None else [f"±{_points((rated.high - rated.low) / 2, unit)}"]
    return TableCell(_points(rated.rating, unit), small)


def _row(rated: RatedSystem, unit: str) -> Sequence[Cell]:
    ranks = "-"
    if rated.rank_low is not None:
        alone = rated.rank_low == rated.rank_high
        ranks = f"{rated.rank_low}" if alone else f"{rated.rank_low}-{rated.rank_high}"
    interval = "-"
    if rated.low is not None and rated.high is not None:
        interval = f"{_points(rated.low, unit)} to {_points(rated.high, unit)}"
    decided = rated.wins + rated.losses + rated.ties
    share = (rated.wins + rated.ties / 2) / decided if decided else None
    return [
        ranks,
        rated.system,
        "-" if rated.rating is None else TableCell(_points(rated.rating, unit), mark="bold"),
        interval,
        rated.groups,
        rated.battles,
        "-" if share is None else f"{share:.0%}".replace("%", " %"),
        rated.ties,
        rated.inconsistent,
    ]


def _points(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "Elo" else f"{value:.2f}"


def _judge(board: Leaderboard) -> Iterator[str]:
    bias = board.bias
    if bias.consistency is not None:
        yield (
            f"The judge agrees with itself in {_percent(bias.consistency)} of {plural(bias.both_orders, 'battle')} "
            "asked in both orders."
        )
    if bias.share is not None and bias.low is not None and bias.high is not None and not bias.total:
        clear = bias.both_orders and (bias.low > 0.5 or bias.high < 0.5) and abs(bias.share - 0.5) >= UNFAIR
        verdict = ": the judge prefers a position" if clear else ""
        interval = f"({_percent(bias.low)} to {_percent(bias.high)})"
        answers = plural(bias.answers, "answer")
        order = "shown" if bias.both_orders else "listed"
        yield f"{_percent(bias.share)} {interval} of {answers} chose the edit {order} first{verdict}."


def _order(board: Leaderboard) -> Iterator[str]:
    triples = board.triples
    if triples.comparable:
        names = [" > ".join(board.systems[n].system for n in (*one, one[0])) for one in triples.examples]
        shown = f": {first_few(names, 2)}" if names else ""
        yield f"{triples.intransitive} of {plural(triples.comparable, 'triple')} of systems go in a circle{shown}."
    if board.check is not None and board.check < 1:
        yield f"Rank centrality, which shares no formula with these ratings, orders alike with SRCC {board.check:.3f}."


def _method(board: Leaderboard, rated: str = "Systems", battle: str = "battle") -> str:
    nu = "" if board.tie is None else f", nu = {board.tie:.3g}"
    ties = "" if board.model == "davidson" else "; a tie is half a win of each"
    one_by_one = board.clustered_by == "battle"
    drawn = f"{battle}s {'drawn one by one' if one_by_one else f'of one {board.clustered_by} drawn together'}"
    return (
        f"{METHODS[board.model]}{nu} of {plural(board.battles, battle)}{ties}. {board.level:.0%} bootstrap "
        f"intervals, {drawn}. {rated} that share a letter cannot be told apart, all pairs tested together."
    ).replace("%", " %")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
