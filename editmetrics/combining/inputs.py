"""The rated items of a combination: their scores as a matrix, and everything that leaves an item out, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..agreement.bootstrap import cluster_codes
from ..agreement.columns import Table, Tabular, named_tables, read_table
from ..agreement.join import join
from ..agreement.measure import FEWEST, AgreementError, Floats
from ..agreement.pairing import RatedItems
from ..agreement.splits import SplitError, split
from ..evaluation.directions import directions
from ..files.headings import MOS_NAMES, headed
from ..runs.read_record import read_record
from ..runs.read_scores import score_columns
from ..wording import first_few, plural
from .options import CombineOptions

MANY = 0.05
"""Share of the items above which a note says that one column alone costs them."""

LARGEST = float(np.finfo(np.float32).max)
"""Forests compare scores in single precision."""


@dataclass(frozen=True, eq=False)
class CombinedItems:
    """The n rated items that have every score.

    - `columns`: the p score columns. `scores` (n, p), `ratings` (n,): finite. `labels`: whether ratings are yes or no.
    - `better`: whether higher is better, for each column whose direction is known.
    - `fold`, `cluster`: (n,) integers from 0. `grouped_by`: the column behind `cluster`; None if each item is alone.
    - `images`: (edited, source) of each item, as the tables name them; None without a column `edited`.
    - `identities`: of each column, from the record beside the table; empty without one.
    - `excluded`: the number of rated items that are left out. `notes`: remarks for the reader.
    """

    columns: Sequence[str]
    rating: str
    scores: Floats
    ratings: Floats
    labels: bool
    better: Mapping[str, bool]
    ids: np.ndarray
    fold: np.ndarray
    cluster: np.ndarray
    grouped_by: str | None
    images: Sequence[tuple[str | None, str | None]] | None
    folder: Path | None
    identities: Mapping[str, Any]
    excluded: int
    notes: Sequence[str]

    def __len__(self) -> int:
        return len(self.ratings)

    @property
    def folds(self) -> int:
        return int(self.fold.max()) + 1

    @property
    def groups(self) -> int:
        return len(np.unique(self.cluster))


def read_items(scores: Tabular, ratings: Tabular, options: CombineOptions) -> CombinedItems:
    """Join both tables, choose columns, leave out items with a missing cell, and deal the rest to folds.

    Raises `AgreementError` for tables, columns or items that cannot be used.
    """
    tables = named_tables(
        read_table(scores, "the table of scores"), read_table(ratings, "the table of ratings"),
        options.columns, options.on,
    )  # fmt: skip
    items = RatedItems(*tables, join(*tables, options.on))
    notes = [*(f"rows of {t.name} that cannot be read: {first_few(t.broken)}" for t in tables if t.broken)]
    notes += items.joined.notes(*tables)
    rating = _rating(tables[1], options.rating)
    record = read_record(Path(scores)) if isinstance(scores, (str, Path)) else None
    columns = [name for name in score_columns(tables[0], record, options.metrics, notes) if name != rating]
    if not columns:
        raise AgreementError(f"{tables[0].name} has no column of scores beside {rating}")
    values, rated, excluded = _complete(items, columns, rating, notes)
    kept = np.flatnonzero(~excluded)
    _require_differences(rating, rated[kept], columns, values[kept], notes)
    groups, grouped_by = _groups(items, options.group, kept, notes)
    fold = _folds(items, options, kept, groups, notes)
    for number in range(int(fold.max()) + 1):
        if same := _only(rated[kept][fold == number]):
            count = plural(int((fold == number).sum()), "item")
            raise AgreementError(
                f"{rating} is {same} for all {count} of a fold, so nothing can be ranked there; use fewer --folds, or "
                "another --seed"
            )
    known = record.columns if record else {}
    return CombinedItems(
        columns=columns,
        rating=rating,
        scores=values[kept],
        ratings=rated[kept],
        labels=items.are_labels(rating, None),
        better=directions(scores, columns, lower=options.lower_is_better, higher=options.higher_is_better),
        ids=items.joined.ids[kept],
        fold=fold,
        cluster=np.asarray(cluster_codes(groups, len(kept))),
        grouped_by=grouped_by,
        images=_images(items, kept),
        folder=Path(scores).resolve().parent if isinstance(scores, (str, Path)) else None,
        identities={n: record.identities[known[n].key] for n in columns if record and n in known},
        excluded=int((~np.isnan(rated)).sum()) - len(kept),
        notes=notes,
    )


def _rating(table: Table, chosen: str | None) -> str:
    """The rating column: the chosen one, the only one, or the only one with a heading of MOS."""
    if chosen is not None:
        table.column(chosen)
        return chosen
    rated = table.measured()
    named = rated if len(rated) == 1 else headed(rated, MOS_NAMES)
    if len(named) != 1:
        names = ", ".join(rated) or "no column of numbers or labels"
        raise AgreementError(f"{table.name} has {names}; choose the rating with --rating (rating= in Python)")
    return named[0]


def _complete(
    items: RatedItems, columns: Sequence[str], rating: str, notes: list[str]
) -> tuple[Floats, Floats, np.ndarray]:
    """Scores (rated, p), ratings (rated,), and which items lack one of them; notes count the reasons of each column."""
    values = np.empty((len(items), len(columns)))
    lacking = np.zeros(values.shape, bool)
    for index, column in enumerate(columns):
        values[:, index], rated, reasons = items.numbers(column, rating, None, None)
        lacking[:, index] = np.isnan(values[:, index]) & ~np.isnan(rated)
        for reason in dict.fromkeys(reasons[lacking[:, index]].tolist()):
            left_out = items.joined.ids[lacking[:, index] & (reasons == reason)]
            notes.append(f"{column}: {len(left_out)} left out, {reason}: {first_few(left_out)}")
    count, usable = int((~np.isnan(rated)).sum()), ~lacking.any(axis=1) & ~np.isnan(rated)
    if usable.sum() < 2 * FEWEST:
        raise AgreementError(
            f"{plural(int(usable.sum()), 'item')} of {count} with a rating have all of {', '.join(columns)}; a "
            f"cross-validation requires {2 * FEWEST} or more" + "".join(f"; {note}" for note in notes)
        )
    if lacking.any():
        share = f"{lacking.any(axis=1).sum() / count:.0%}"
        notes.append(f"{share} of the rated items lack a score and are left out; nothing is filled in")
    alone = (lacking & (lacking.sum(axis=1) == 1)[:, None]).sum(axis=0)
    for column, more in zip(columns, alone.tolist(), strict=True):
        if more > MANY * count:
            notes.append(f"without {column}, {plural(more, 'more item')} could be used (--metric chooses columns)")
    return values, rated, ~usable


def _require_differences(rating: str, rated: Floats, columns: Sequence[str], values: Floats, notes: list[str]) -> None:
    """Raise `AgreementError` where all ratings or all columns are constant; notes name single columns that are."""
    if same := _only(rated):
        raise AgreementError(f"{rating} is {same} for all {len(rated)} items; expected ratings that differ")
    constant = {name: same for name, column in zip(columns, values.T, strict=True) if (same := _only(column))}
    texts = [f"{name} is {same} for all items, which predicts nothing" for name, same in constant.items()]
    if len(constant) == len(columns):
        raise AgreementError("; ".join(texts) + "; expected scores that differ")
    notes += texts
    for name, column in zip(columns, values.T, strict=True):
        if (largest := np.abs(column).max()) > LARGEST:
            raise AgreementError(f"{name} has a score of size {largest:.3g}; expected {LARGEST:.3g} at most")


def _only(values: Floats) -> str | None:
    """The value that all of `values` have, as text; None where they differ."""
    return f"{values[0]:.6g}" if (values == values[0]).all() else None


def _groups(items: RatedItems, group: str | None, kept: np.ndarray, notes: list[str]) -> tuple[np.ndarray, str | None]:
    """The group of each kept item as text, and its column: `group`, else `source`, else each item is its own."""
    if group is None and not items.has("source"):
        notes.append("each item is a group of its own: if images share sources, name that column with --group")
        return np.array([f"{row}" for row in kept]), None
    column = group or "source"
    texts = items.texts(column)[kept]
    if missing := [name for name, text in zip(items.joined.ids[kept], texts, strict=True) if text is None]:
        raise AgreementError(
            f"{plural(len(missing), 'rated item')} without {column} ({first_few(missing)}); fill in the column, or "
            "name another one with --group"
        )
    return texts.astype(str), column


def _folds(
    items: RatedItems, options: CombineOptions, kept: np.ndarray, groups: np.ndarray, notes: list[str]
) -> np.ndarray:
    """The fold of each kept item. Raises `AgreementError` unless each fold has enough items."""
    if options.fold is None:
        try:
            fold = split(groups.tolist(), (1,) * options.folds, options.seed)
        except SplitError as error:
            raise AgreementError(f"{error}; use fewer --folds, or another --group") from error
    else:
        texts = items.texts(options.fold)[kept]
        if missing := [name for name, text in zip(items.joined.ids[kept], texts, strict=True) if text is None]:
            raise AgreementError(
                f"{plural(len(missing), 'rated item')} without {options.fold} ({first_few(missing)}); fill in the "
                "column, or leave out --fold-column"
            )
        names, fold = np.unique(texts.astype(str), return_inverse=True)
        if len(names) == 1:
            raise AgreementError(f"the column {options.fold!r} names one fold, {str(names[0])!r}; expected two or more")
        if shared := sum(len(set(fold[groups == group])) > 1 for group in np.unique(groups)):
            notes.append(f"{plural(shared, 'group')} in several folds of {options.fold!r}: agreement is overstated")
    fewest = int(np.bincount(fold).min())
    if fewest < FEWEST:
        raise AgreementError(f"a fold has {plural(fewest, 'item')}; a correlation requires {FEWEST}; use fewer --folds")
    return np.asarray(fold)


def _images(items: RatedItems, kept: np.ndarray) -> list[tuple[str | None, str | None]] | None:
    if not items.has("edited"):
        return None
    edited = items.texts("edited")[kept].tolist()
    source = items.texts("source")[kept].tolist() if items.has("source") else [None] * len(kept)
    return list(zip(edited, source, strict=True))
