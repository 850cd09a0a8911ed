"""Match scores with ratings: rows joined by `id`, by `id` and `system`, or by the path of the edited image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np

from ..wording import first_few
from .columns import Table
from .measure import AgreementError

Key: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True, eq=False)
class Join:
    """The row of the scores that matches each row of the ratings.

    - `score_row`: (ratings,) row of the scores, -1 for an unmatched rating.
    - `ids`: (ratings,) text that names each row in messages and pictures.
    - `how`: the columns joined by, in words. `unrated`: the names of the rows of the scores without a rating.
    """

    score_row: np.ndarray
    ids: np.ndarray
    how: str
    unrated: Sequence[str]

    def notes(self, scores: Table, ratings: Table) -> list[str]:
        """Return how rows were joined, and which are unmatched."""
        notes = [f"joined by {self.how}: {int((self.score_row >= 0).sum())} of {len(ratings)} rated items"]
        unscored = self.ids[self.score_row < 0]
        if len(unscored):
            notes.append(f"rated items without a row in {scores.name}: {len(unscored)} ({first_few(unscored)})")
        if self.unrated:
            notes.append(f"rows of {scores.name} without a rating: {len(self.unrated)} ({first_few(self.unrated)})")
        return notes


def join(scores: Table, ratings: Table, on: Sequence[str] = ()) -> Join:
    """Join by the columns `on`, else by the first of these that names rows uniquely and matches any: `id`; `id` and
    `system`; `edited`, whose leading folders may differ.

    Raises `AgreementError` when a name occurs twice in one table, or when nothing matches.
    """
    if on:
        for table in (scores, ratings):
            for column in on:
                table.column(column)
    ways = (
        [tuple(on)] if on else [way for way in (("id",), ("id", "system"), ("edited",)) if _both(scores, ratings, way)]
    )
    if not ways:
        raise AgreementError(
            f"{scores.name} and {ratings.name} share no column to join by: expected id or edited in both; "
            "name another with --on (on= in Python)"
        )
    problems = []
    for way in ways:
        by_path = way == ("edited",)
        left, right = (
            [_path(key) for key in _keys(table, way)] if by_path else _keys(table, way) for table in (scores, ratings)
        )
        how = " and ".join(way)
        if by_path and not on and not set(left) & set(right):
            depth = min(len(PurePosixPath(key[0]).parts) for key in [*left, *right] if key)
            left, right = ([_last_parts(key, depth) for key in keys] for keys in (left, right))
            how = f"the last {depth} parts of edited" if depth > 1 else "the file name of edited"
        problem = _twice(scores, left, how) or _twice(ratings, right, how)
        if not problem and not (set(left) & set(right)) - {None}:
            names = f"{first_few(_names(right))} against {first_few(_names(left))}"
            problem = f"no {how} of {ratings.name} is in {scores.name}: {names}"
        if not problem:
            return _joined(left, right, how)
        problems.append(problem)
    raise AgreementError("scores and ratings cannot be joined: " + "; ".join(problems))


def _joined(left: Sequence[Key | None], right: Sequence[Key | None], how: str) -> Join:
    row_of = {key: row for row, key in enumerate(left) if key is not None}
    score_row = np.array([-1 if key is None else row_of.get(key, -1) for key in right], dtype=np.int64)
    met = set(score_row.tolist())
    unrated = [name for row, name in enumerate(_names(left)) if row not in met]
    return Join(score_row, np.array(_names(right), dtype=object), how, unrated)


def _both(scores: Table, ratings: Table, way: Sequence[str]) -> bool:
    return all(column in table for table in (scores, ratings) for column in way)


def _keys(table: Table, way: Sequence[str]) -> list[Key | None]:
    """The name of each row; None for a row with an empty column."""
    columns = [table.texts(column) for column in way]
    keys = []
    for cells in zip(*columns, strict=True):
        named = tuple(cell for cell in cells if cell is not None)
        keys.append(named if len(named) == len(cells) else None)
    return keys


def _path(key: Key | None) -> Key | None:
    return key if key is None else (str(PurePosixPath(key[0].replace("\\", "/"))),)


def _last_parts(key: Key | None, depth: int) -> Key | None:
    return key if key is None else ("/".join(PurePosixPath(key[0]).parts[-depth:]),)


def _names(keys: Sequence[Key | None]) -> list[str]:
    return ["(no name)" if key is None else "/".join(key) for key in keys]


def _twice(table: Table, keys: Sequence[Key | None], how: str) -> str | None:
    counted = Counter(key for key in keys if key is not None)
    twice = [key for key, count in counted.items() if count > 1]
    if not twice:
        return None
    return (
        f"{table.name} names {len(twice)} items more than once by {how}: {first_few(_names(twice))}; 'editmetrics "
        "ratings mos' averages the ratings of several people, and --on names the columns that tell rows apart"
    )
