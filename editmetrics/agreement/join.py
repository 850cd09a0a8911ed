"""Match scores with ratings: rows joined by `id`, by `id` and `system`, or by the path of the edited image.

Names are compared as they stand first; if that matches nothing, as names of files, and by their last parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np

from ..files.headings import by_last_parts
from ..images import image_name
from ..wording import first_few, plural
from .columns import Table
from .measure import AgreementError

Key: TypeAlias = "tuple[str, ...]"
Keys: TypeAlias = "Sequence[Key | None]"
On: TypeAlias = "str | tuple[str, str]"
Way: TypeAlias = "Sequence[tuple[str, str]]"

PATHS = [("edited", "edited")]
WAYS: Sequence[Way] = (
    [("id", "id")], [("id", "id"), ("system", "system")], PATHS, [("edited", "id")], [("id", "edited")],
)  # fmt: skip
"""The columns of the scores and of the ratings that rows may be joined by, in the order in which they are tried."""


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


def on_pairs(on: Sequence[On]) -> list[tuple[str, str]]:
    """Return the column of the scores and that of the ratings, for each of `on`: a name, "scores=ratings", or a pair.

    >>> on_pairs(["id", "image=Image"])
    [('id', 'id'), ('image', 'Image')]
    """
    pairs = []
    for one in on:
        left, equals, right = one.partition("=") if isinstance(one, str) else (one[0], "=", one[1])
        pairs.append((left.strip(), right.strip() if equals else left.strip()))
    return pairs


def join(scores: Table, ratings: Table, on: Sequence[On] = ()) -> Join:
    """Join by the columns `on`, else by the first of these that names rows uniquely and matches any: `id`; `id` and
    `system`; `edited`, whose leading folders may differ; the id of one table and the path `edited` of the other.

    If nothing matches as it stands, names are compared without the suffix of an image, then by their last parts
    (`sources/cat.jpg` is `cat`), and an id without its `system/`, where this leaves names unique; `how` says so.

    Raises `AgreementError` when a name occurs twice in one table, or when nothing matches.
    """
    for of_scores, of_ratings in on_pairs(on):
        scores.column(of_scores)
        ratings.column(of_ratings)
    ways = [on_pairs(on)] if on else [way for way in WAYS if _both(scores, ratings, way)]
    if not ways:
        raise AgreementError(
            f"{scores.name} and {ratings.name} share no column to join by: expected id or edited in both; name others "
            "with --on SCORES_COLUMN=RATINGS_COLUMN (on= in Python)"
        )
    problems: dict[str, None] = {}
    for exact in (True, False):
        for way in ways:
            for left, right, how in _keys_of(scores, ratings, way, exact, bool(on)):
                problem = _twice(scores, left, how) or _twice(ratings, right, how)
                if not problem and not (set(left) & set(right)) - {None}:
                    names = f"{first_few(_names(right))} against {first_few(_names(left))}"
                    problem = f"no {how} of {ratings.name} is in {scores.name}: {names}"
                if not problem:
                    return _joined(left, right, how)
                if exact:
                    problems[problem] = None
    raise AgreementError(
        f"scores and ratings cannot be joined: {'; '.join(problems)}{_remedy_for_systems(scores, ratings)}"
    )


def _keys_of(scores: Table, ratings: Table, way: Way, exact: bool, chosen: bool) -> Iterator[tuple[Keys, Keys, str]]:
    """The names of the rows of both tables by the columns of `way`, and what they are: as they stand, or loosely."""
    left, right = (_keys(table, [pair[side] for pair in way]) for side, table in enumerate((scores, ratings)))
    how = " and ".join(one if one == other else f"{one} = {other}" for one, other in way)
    if way == PATHS:
        left, right = ([_path(key) for key in keys] for keys in (left, right))
    if exact:
        if way == PATHS and not chosen and not set(left) & set(right):
            depth = min(len(PurePosixPath(key[0]).parts) for key in [*left, *right] if key)
            left, right = ([_last_parts(key, depth) for key in keys] for keys in (left, right))
            how = f"the last {depth} parts of edited" if depth > 1 else "the file name of edited"
        yield left, right, how
        return
    left, right = ([_file_name(key, way) for key in keys] for keys in (left, right))
    yield left, right, f"{how}, without suffixes" + (" and the system in ids" if len(way) > 1 else "")
    if len(way) == 1:
        known_left, known_right = ({key[0] for key in keys if key} for keys in (left, right))
        for names, known, side in ((known_right, known_left, 1), (known_left, known_right, 0)):
            if matched := by_last_parts(names, known):
                keys = [None if key is None else (matched.get(key[0], key[0]),) for key in (left, right)[side]]
                yield (left, keys, f"the last parts of {how}") if side else (keys, right, f"the last parts of {how}")


def _remedy_for_systems(scores: Table, ratings: Table) -> str:
    """Advise on ids such as `model_a/cat` where the ratings name `cat`; "" if this is not the trouble."""
    if "id" not in scores or "id" not in ratings:
        return ""
    ids, rated = ({image_name(text) for text in table.texts("id") if text} for table in (scores, ratings))
    longer = sorted(name for name in ids if "/" in name and name not in rated and name.partition("/")[2] in rated)
    if not longer:
        return ""
    return (
        f". The ids of the scores begin with the system ({first_few(longer, 2)}), those of the ratings do not: give "
        "the ratings a column system (--map system=COLUMN) or ids with it, or, if they are of one system, evaluate "
        "its scores alone"
    )


def _joined(left: Sequence[Key | None], right: Sequence[Key | None], how: str) -> Join:
    row_of = {key: row for row, key in enumerate(left) if key is not None}
    score_row = np.array([-1 if key is None else row_of.get(key, -1) for key in right], dtype=np.int64)
    met = set(score_row.tolist())
    unrated = [name for row, name in enumerate(_names(left)) if row not in met]
    return Join(score_row, np.array(_names(right), dtype=object), how, unrated)


def _both(scores: Table, ratings: Table, way: Way) -> bool:
    return all(left in scores and right in ratings for left, right in way)


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


def _file_name(key: Key | None, way: Way) -> Key | None:
    """The key without the suffix of an image; of an id beside its system, without `system/`."""
    if key is None:
        return None
    names = [image_name(text) for text in key]
    if ("id", "id") in way and ("system", "system") in way:
        ids, systems = way.index(("id", "id")), way.index(("system", "system"))
        names[ids] = names[ids].removeprefix(f"{key[systems]}/")
        names[systems] = key[systems]
    return tuple(names)


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
        f"{table.name} names {plural(len(twice), 'item')} more than once by {how}: {first_few(_names(twice))}; "
        "'editmetrics ratings mos' averages the ratings of several people, and --on names columns that tell rows apart"
    )
