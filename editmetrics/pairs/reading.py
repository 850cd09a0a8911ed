"""Read logs of battles: tables of this project's and other people's, GenArena's folders of logs, LMArena's votes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.headings import TASK_COLUMNS, Known, read_as
from ..files.rows import Row, read_rows
from ..files.text import DataError
from .battles import Battle, BattleOutcome, Battles, Orders, battles_of

COLUMNS = {
    "system_a": Known("any", (("model_a", "left", "left_model", "a", "system_1", "model_1", "system", "model"),)),
    "system_b": Known(
        "any", (("model_b", "right", "right_model", "b", "system_2", "model_2", "rival_system", "rival_model"),)
    ),
    "winner": Known("any", (("final_winner", "outcome", "preference", "result", "vote", "verdict"),)),
    "source": Known("any", (("source_image", "input_image", "sample_index", "item"),)),
    "task": Known("any", ((*TASK_COLUMNS[1:], "subset"),)),
    "judge": Known("any", (("judge_model", "rater", "annotator", "subject"),)),
    "id": Known("any", (("battle_id", "question_id"),)),
    "is_consistent": Known("any", (("consistent",),)),
}
"""The columns of a log, and the headings that they are known by."""

WINS = frozenset({"model_a", "system_a", "a", "left", "first", "win", "edited", "image_a", "a>b"})
LOSSES = frozenset({"model_b", "system_b", "b", "right", "second", "loss", "rival", "image_b", "b>a", "a<b"})
TIES = frozenset({"tie", "draw", "equal", "same", "tie (bothbad)", "bothbad", "both_bad", "tie (both good)",
                  "bothgood", "both_good", "a=b"})  # fmt: skip
POSITIONS = frozenset({"model_a", "system_a", "a", "left", "first", "image_a", "model_b", "system_b", "b", "right",
                       "second", "image_b"})  # fmt: skip
"""Words that name a winner by where it was shown."""

ONE_HOT: dict[str, BattleOutcome] = {"winner_model_a": "win", "winner_model_b": "loss", "winner_tie": "tie"}
"""The columns of LMArena's votes as they were published for a competition: 1 in one of them."""

PUBLISHED = {
    "system_a": "model_a", "system_b": "model_b", "winner": "final_winner", "source": "sample_index",
    "id": "question_id", "judge": "rater",
}  # fmt: skip
OWN = {"system_a": "system", "system_b": "rival_system"}
"""Headings of the published layouts, and of the tables that `editmetrics arena` writes; they need no note."""

OUTCOME_SUFFIX, ORDERS_SUFFIX = ".outcome", ".orders"
"""`JUDGE.outcome` and `JUDGE.orders` are the columns of a judge in the tables that `editmetrics arena` writes."""


@dataclass(frozen=True)
class Log:
    """The rows of a log: its file, the name of its folder among several, and its headings."""

    path: Path
    part: str | None
    rows: Sequence[Row]
    headings: Mapping[str, str]
    judges: Sequence[str]


def read_battles(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> Battles:
    """Read a log of battles, or all `.jsonl` logs below a folder.

    A row names two systems (`system_a`, `system_b`), the `winner` and, as far as they are known, `source`, `task`,
    `judge` and `id`; headings such as `model_a` and `question_id` are understood. The winner is a system's name, or
    "model_a", "b", "left", "win", "tie", "tie (bothbad)", "inconsistent", ...; a `preference` is a number from -1 to 1
    for the first system. Rows that say none of these are left out and counted. Only a log that names winners by their
    position ("model_a", "left") tells of a preference for a position.

    - GenArena: `model_a`, `model_b`, `sample_index`, `final_winner`, `is_consistent`. A tie of answers that were not
      consistent is `inconsistent` here; GenArena logs failures as such ties, too, and does not tell which.
    - LMArena: `model_a`, `model_b`, `winner`, or a 1 in `winner_model_a`, `winner_model_b` or `winner_tie`.
    - tables of `editmetrics arena`: one battle for each judge of a row, from the columns `JUDGE.outcome`.

    `columns` names headings to read as other columns, such as `{"system_a": "ours"}`.

    Raises `DataError` for a file that is no such log, `ArenaError` where no battle is left.
    """
    logs = [*_logs(Path(path), columns)]
    left_out: Counter[str] = Counter()
    battles = [battle for log in logs for battle in _battles(log, left_out)]
    return battles_of(battles, positions=all(map(_has_positions, logs)), left_out=left_out)


def _has_positions(log: Log) -> bool:
    """Whether winners are named by their position in one order; a log of names may list its winners first."""
    if "is_consistent" in log.headings or log.judges:
        return False
    if "winner" not in log.headings:
        return True  # a 1 in winner_model_a or winner_model_b
    return names_positions(_text(row.cells.get(log.headings["winner"])) for row in log.rows)


def names_positions(winners: Iterable[str | None]) -> bool:
    """Return whether some winner is named by where it was shown.

    >>> names_positions(["Left", "tie", None]), names_positions(["ours", "tie"])
    (True, False)
    """
    return any(winner is not None and winner.casefold() in POSITIONS for winner in winners)


def _logs(path: Path, columns: Mapping[str, str] | None) -> Iterator[Log]:
    if not path.exists():
        raise DataError(f"{path} does not exist; expected a log of battles (.csv, .jsonl, ...), or a folder of logs")
    files = [path]
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*.jsonl")) if "raw_outputs" not in file.parts]
        if not files:
            raise DataError(f"{path} holds no .jsonl file; expected the logs of battles of GenArena, or of one kind")
    for file in files:
        yield _log(file, _part(file, path) if path.is_dir() else None, columns)


def _part(file: Path, folder: Path) -> str | None:
    """The part of an arena that a log is of: in GenArena's PART/pk_logs/EXPERIMENT, the PART."""
    parts = file.absolute().parent.parts
    if "pk_logs" in parts:
        return parts[parts.index("pk_logs") - 1]
    inside = file.parent.relative_to(folder).as_posix()
    return None if inside == "." else inside


def _log(path: Path, part: str | None, columns: Mapping[str, str] | None) -> Log:
    rows = list(read_rows(path))
    names = dict.fromkeys(name for row in rows for name in row.cells)
    judges = [name for name in names if name.endswith(OUTCOME_SUFFIX) and name != OUTCOME_SUFFIX]
    cells = {name: [row.cells.get(name) for row in rows] for name in names}
    layout = PUBLISHED | (OWN if judges else {})
    published = {name: head for name, head in layout.items() if head in cells and name not in cells}
    headings = read_as(str(path), cells, COLUMNS, {**published, **(columns or {})})
    headings |= {name: name for name in COLUMNS if name in cells and name not in headings}
    known_winner = "winner" in headings or judges or ONE_HOT.keys() <= cells.keys()
    if missing := [name for name in ("system_a", "system_b") if name not in headings]:
        raise DataError(
            f"{path} is not a log of battles: no column {' and '.join(missing)} among {', '.join(names) or 'none'}; "
            f"name it with --map {missing[0]}=COLUMN"
        )
    if not known_winner:
        raise DataError(f"{path} has no column winner; name it with --map winner=COLUMN")
    return Log(path, part, rows, headings, judges)


def _battles(log: Log, left_out: Counter[str]) -> Iterator[Battle]:
    twice = "is_consistent" in log.headings
    for row in log.rows:
        if row.problem is not None:
            left_out["the row cannot be read"] += 1
            continue
        text = {name: _text(row.cells.get(heading)) for name, heading in log.headings.items()}
        first, second = text.get("system_a"), text.get("system_b")
        if first is None or second is None:
            left_out["a system without a name"] += 1
            continue
        for judge, winner in _winners(log, row, text):
            outcome = outcome_of_winner(winner, first, second, log.headings.get("winner") == "preference")
            if outcome is None:
                left_out["no winner" if winner is None else f"the winner is {winner!r}"] += 1
                continue
            if twice:
                consistent = (text["is_consistent"] or "").casefold() in ("true", "1")
                outcome = outcome if consistent or outcome != "tie" else "inconsistent"
            source, name = _named(log, text.get("source")), _named(log, text.get("id"))
            if "sample_index" in row.cells and name is None:
                name = source  # one battle of two systems for each sample
            task = text.get("task") or log.part
            orders = orders_in(row.cells.get(f"{judge}{ORDERS_SUFFIX}")) if log.judges else None
            yield Battle(first, second, outcome, source, task, judge, name, orders, twice)


def _winners(log: Log, row: Row, text: Mapping[str, str | None]) -> Iterator[tuple[str | None, str | None]]:
    """Yield each judge of a row, and who won by it."""
    for column in log.judges:
        if (outcome := _text(row.cells.get(column))) is not None:  # what has no answer is no battle
            yield column.removesuffix(OUTCOME_SUFFIX), outcome
    if log.judges:
        return
    if "winner" in log.headings:
        yield text.get("judge"), text["winner"]
        return
    chosen = [outcome for column, outcome in ONE_HOT.items() if _text(row.cells.get(column)) in ("1", "1.0")]
    yield text.get("judge"), chosen[0] if len(chosen) == 1 else None


def outcome_of_winner(winner: str | None, first: str, second: str, is_preference: bool = False) -> BattleOutcome | None:
    """Return the outcome for `first` that a cell states; None where it states none.

    >>> outcome_of_winner("Left", "ours", "theirs"), outcome_of_winner("theirs", "ours", "theirs")
    ('win', 'loss')
    """
    if winner is None:
        return None
    if winner in (first, second):
        return "win" if winner == first else "loss"
    if is_preference:
        return _of_number(winner)
    word = winner.casefold()
    if word == "inconsistent":
        return "inconsistent"
    return "win" if word in WINS else "loss" if word in LOSSES else "tie" if word in TIES else None


def _of_number(text: str) -> BattleOutcome | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not -1 <= value <= 1:
        return None
    return "tie" if value == 0 else "win" if value > 0 else "loss"


def orders_in(cell: Any) -> Orders | None:
    """Return the answers in both orders that a cell such as "1, -1" holds; None where it holds none."""
    parts = str(cell or "").split(",")
    if len(parts) != 2 or not all(part.strip() in ("-1", "0", "1") for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _named(log: Log, name: str | None) -> str | None:
    """A name that is of its part of the arena alone."""
    return name if name is None or log.part is None else f"{log.part}/{name}"


def _text(cell: Any) -> str | None:
    return None if cell is None or cell == "" else str(cell)


def rankings_as_battles(rankings: Iterable[Sequence[Sequence[str]]], **more: Any) -> Iterator[Battle]:
    """Yield the battles of rankings: each system against each below it, and ties of those at one place.

    A ranking is a list of places from the best on, each with the systems there. A ranking of K systems gives K(K-1)/2
    battles, which are not independent: name their `source` or `judge`, so that they are resampled together.

    >>> [(one.first, one.second, one.outcome) for one in rankings_as_battles([[["a"], ["b", "c"]]])]
    [('a', 'b', 'win'), ('a', 'c', 'win'), ('b', 'c', 'tie')]
    """
    for places in rankings:
        listed = [(level, system) for level, systems in enumerate(places) for system in systems]
        for index, (level, system) in enumerate(listed):
            for below, other in listed[index + 1 :]:
                yield Battle(system, other, "tie" if below == level else "win", **more)
