"""Raw ratings of people, one for each subject and item: the table, its reader, and what it leaves out."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..files.headings import RATINGS, read_as
from ..files.text import number_in
from ..wording import plural
from .raw_table import RatingsError, read_raw_table


@dataclass(frozen=True)
class Exclusion:
    """Ratings that were left out: the reason, their number, and the subjects or items."""

    reason: str
    ratings: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Ratings:
    """Raw ratings as three columns: `subjects[subject[k]]` gave `items[item[k]]` the rating `value[k]`.

    - `subjects`, `items`: their names, in order of appearance, those without a rating left among them.
    - `subject`, `item`: (N,) integers; `value`: (N,) floats, or texts when people chose labels.
    - `excluded`: what was left out on the way here.

    >>> ratings = Ratings.from_columns(["ann", "bob", "ann"], ["cat", "cat", "dog"], [4, 5, 2])
    >>> len(ratings), ratings.subjects, ratings.items
    (3, ('ann', 'bob'), ('cat', 'dog'))
    """

    subjects: tuple[str, ...]
    items: tuple[str, ...]
    subject: np.ndarray
    item: np.ndarray
    value: np.ndarray
    excluded: tuple[Exclusion, ...] = ()

    @classmethod
    def from_columns(cls, subjects: Iterable[str], items: Iterable[str], values: Iterable[Any]) -> Ratings:
        """Return ratings from three columns of equal length. Raises `RatingsError` for numbers that are not finite."""
        value = np.asarray(list(values))
        if value.dtype.kind in "biuf":
            value = value.astype(float)
            if not np.isfinite(value).all():
                raise RatingsError("a rating is NaN or infinite; leave it out, or leave its cell empty")
        subject_names, subject = _numbered(subjects)
        item_names, item = _numbered(items)
        if not len(subject) == len(item) == len(value):
            raise RatingsError(
                f"the lengths of subjects, items and values are {len(subject)}, {len(item)} and {len(value)}; "
                "expected equal ones"
            )
        return cls(subject_names, item_names, subject, item, value)

    def __len__(self) -> int:
        return len(self.value)

    def without(self, dropped: np.ndarray, reason: str, names: Sequence[str]) -> Ratings:
        """Return these ratings without those where `dropped` (N,) is True, which are noted under `reason`."""
        if not dropped.any():
            return self
        kept = ~dropped
        note = Exclusion(reason, int(dropped.sum()), tuple(names))
        return replace(
            self,
            subject=self.subject[kept],
            item=self.item[kept],
            value=self.value[kept],
            excluded=(*self.excluded, note),
        )

    def kept_in(self, other: Ratings, reason: str) -> Ratings:
        """Return these ratings whose subject and item still have a rating in `other`.

        EPAIQA (section 3.1) drops a rating of prompt completion with the overall rating that it was given beside.
        """
        left = {(other.subjects[s], other.items[i]) for s, i in zip(other.subject, other.item, strict=True)}
        pairs = [(self.subjects[s], self.items[i]) for s, i in zip(self.subject, self.item, strict=True)]
        dropped = np.array([pair not in left for pair in pairs], bool)
        names = [" on ".join(pair) for pair, gone in zip(pairs, dropped, strict=True) if gone]
        return self.without(dropped, reason, names)


def read_ratings(
    path: str | os.PathLike[str],
    rating: str,
    *,
    subject: str = "subject",
    item: str = "item",
    scale: tuple[float, float] | None = None,
    repeats: Literal["refuse", "mean"] = "refuse",
    labels: bool = False,
    raters: Sequence[str] = (),
) -> Ratings:
    """Read the ratings in the column `rating` of a table that has a row for each subject and item.

    - `subject`, `item`: the columns that name them, or others with a common heading (`rater`, `image`, `id`, ...); a
      number is read as its text. Several columns of an item are separated by commas: `system,image`.
    - `scale`: the lowest and highest possible rating; others are left out and noted.
    - `repeats`: what to do when a subject rated an item twice: refuse the file, or take the mean.
    - `labels`: ratings are labels to be voted on, and stay as they are.
    - `raters`: the columns of a table that has one for each rater; `rating` is "value" then.

    Empty cells, texts that are no number, NaN and infinities are left out, each kind noted with its lines. Raises
    `RatingsError` for a missing column, rows without subject or item, all at once; repeats; and when nothing is left.
    """
    path = Path(path)
    subjects: list[str] = []
    items: list[str] = []
    values: list[Any] = []
    left_out: dict[str, list[str]] = {}
    table = read_raw_table(path, subject, item, raters)
    rating = table.headings.get(rating, rating)
    if not any(rating in row.cells for row in table.rows):
        raise RatingsError(f"{path} has no column {rating!r}; it has {', '.join(table.columns) or 'no rows'}")
    for row in table.rows:
        value, problem = _value(row.cells.get(rating), scale, labels)
        if problem:
            left_out.setdefault(problem, []).append(f"{row.subject} on {row.item} ({row.location})")
            continue
        subjects.append(row.subject)
        items.append(row.item)
        values.append(value)
    if not values:
        raise RatingsError(f"{path}: no rating is left in the column {rating!r}: {_counted(left_out)}")
    excluded = tuple(Exclusion(reason, len(names), tuple(names)) for reason, names in left_out.items())
    return replace(_once_each(Ratings.from_columns(subjects, items, values), path, repeats), excluded=excluded)


def rating_column(
    path: str | os.PathLike[str], subject: str = "subject", item: str = "item", raters: Sequence[str] = ()
) -> str:
    """Return the default column of ratings: `value`, or one with another common heading (`rating`, `score`, `mos`), or
    the only one besides subject and item, or the only one of numbers.
    """
    table = read_raw_table(path, subject, item, raters)
    if "value" in table.columns:
        return "value"
    cells = {name: [row.cells.get(name) for row in table.rows] for name in table.columns}
    if heading := read_as(os.fspath(path), cells, {"value": RATINGS["value"]}).get("value"):
        return heading
    for columns in (table.columns, table.rating_columns()):
        if len(columns) == 1:
            return columns[0]
    raise RatingsError(
        f"{os.fspath(path)} has the columns {', '.join(table.columns) or 'no others'}; name those of ratings: "
        f"{' '.join(f'--rating {name}' for name in table.rating_columns()) or '--rating COLUMN'}"
    )


def _numbered(names: Iterable[Hashable]) -> tuple[tuple[str, ...], np.ndarray]:
    """Distinct names in order of appearance, and the index of each name among them."""
    index_of: dict[Hashable, int] = {}
    numbers = [index_of.setdefault(name, len(index_of)) for name in names]
    return tuple(str(name) for name in index_of), np.asarray(numbers, np.int64)


def _value(cell: Any, scale: tuple[float, float] | None, labels: bool) -> tuple[Any, str | None]:
    """Return the rating in a cell, or the reason for none."""
    if cell is None or cell == "":
        return None, "the cell is empty"
    if labels:
        return str(cell), None
    value = number_in(cell)
    if value is None:
        return None, "the cell holds no number"
    if not math.isfinite(value):
        return None, "the rating is NaN or infinite"
    if scale and not scale[0] <= value <= scale[1]:
        return None, f"the rating lies outside the scale from {scale[0]:g} to {scale[1]:g}"
    return value, None


def _once_each(ratings: Ratings, path: Path, repeats: str) -> Ratings:
    """One rating for each subject and item; several are refused, or replaced by their mean."""
    keys = ratings.subject * len(ratings.items) + ratings.item
    distinct, first, pair = np.unique(keys, return_index=True, return_inverse=True)
    if len(distinct) == len(keys):
        return ratings
    if repeats == "refuse" or ratings.value.dtype.kind != "f":
        twice = int(np.flatnonzero(np.bincount(pair) > 1)[0])
        rater, rated = ratings.subjects[ratings.subject[first[twice]]], ratings.items[ratings.item[first[twice]]]
        raise RatingsError(
            f"{path}: {plural(len(keys) - len(distinct), 'rating')} of a subject and item beside another one, such as "
            f"{rater!r} on {rated!r}; remove them, take the mean of a subject's ratings of an item (--repeats mean; "
            "not for labels), or name all columns that tell items apart (--item system,image)"
        )
    order = np.argsort(first)
    mean = (np.bincount(pair, ratings.value) / np.bincount(pair))[order]
    rows = first[order]
    return replace(ratings, subject=ratings.subject[rows], item=ratings.item[rows], value=mean)


def _counted(reasons: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{len(names)} times {reason}" for reason, names in reasons.items()) or "no rows"
