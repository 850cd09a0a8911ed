"""Which metrics, together, predict people: regressors cross-validated by source, and what each column adds to them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..agreement.bootstrap import Resampling
from ..agreement.columns import Tabular
from ..agreement.correlation import srcc
from ..agreement.measure import AgreementError, Floats, defined
from ..agreement.result import Agreement, Line
from ..agreement.significance import Comparison
from ..files.tabular import Tabular as ShownTable
from ..wording import plural
from .combination import Combination, FittedFacts
from .inputs import CombinedItems, read_items
from .measuring import OVER_FOLDS, FoldMeasures
from .options import CombineOptions
from .regressors import chosen_regressors, fit_regressor
from .statistics import BASELINE, image_table

if TYPE_CHECKING:
    import polars

logger = logging.getLogger(__name__)

SHUFFLES, SHUFFLED_ITEMS = 10, 10_000
"""A column is shuffled ten times, or less often where there are many items: their loss is as sure then."""

MANY = 2000
"""From this number of items, whose fits take seconds each, log lines tell how far they are."""

ALIKE = 0.8
"""From this SRCC on, up or down, two columns rank images alike."""


@dataclass(frozen=True)
class ColumnImportance:
    """The worth of one column to the combination.

    - `alone`: the deciding measure of the column by itself, turned so that higher is better; None where undefined.
    - `shuffled`: by how much that of the combination falls when the column's held-out values are shuffled.
    - `left_out`: by how much it falls when the combination is fitted without the column, with a paired test; None for
      a single column, and where it cannot be tested.
    - `alike`: the column that ranks the images most alike, from SRCC .8 on, and that SRCC.
    """

    column: str
    alone: float | None
    shuffled: float
    left_out: Comparison | None
    alike: tuple[str, float] | None

    @property
    def loss(self) -> float:
        """The loss without it; 0 where there is none to tell."""
        return self.left_out.difference if self.left_out else 0.0

    @property
    def needed(self) -> bool:
        """Whether the combination is worse without it, by more than chance."""
        return self.left_out is not None and self.left_out.low > 0

    @property
    def harmful(self) -> bool:
        """Whether the combination is better without it, by more than chance."""
        return self.left_out is not None and self.left_out.high < 0


@dataclass(frozen=True, eq=False, repr=False)
class Combined(ShownTable):
    """The result of `combine`.

    - `agreement`: a line for each regressor, each single column and the baseline, by each measure: the mean within the
      folds, of predictions for items whose group was held out; paired tests of the best regressor.
    - `items`: what was combined. `measure`: the name of the deciding one: `srcc`, or `auc` for labels.
    - `best`: the regressor that agrees best, in hindsight; `single`: the column that does.
    - `importance`: of each column for `best`. `predicted`: the held-out predictions (n,) of each regressor.
    - `combination`: `best`, fitted to all items, to be saved and applied.
    """

    agreement: Agreement
    items: CombinedItems
    measure: str
    best: str
    single: str
    importance: Sequence[ColumnImportance]
    predicted: Mapping[str, Floats]
    combination: Combination

    def __repr__(self) -> str:
        line = self.line(self.best)
        return (
            f"Combined({self.best} of {plural(len(self.items.columns), 'column')}: {self.measure} "
            f"{line.value:.3f} with {self.items.rating}, {self.single} alone {self.line(self.single).value:.3f})"
        )

    def line(self, name: str, measure: str | None = None) -> Line:
        """Return the line of a regressor, a column or the baseline, by the deciding measure if none is named."""
        return self.agreement.line(name, measure or self.measure, group=OVER_FOLDS)

    def test(self, against: str) -> Comparison | None:
        """Return the paired test of `best` against a column or the baseline; None if there is none."""
        return next((test for test in self.agreement.comparisons if test.against == against), None)

    def answer(self) -> list[str]:
        """Return in plain sentences which columns, together, predict the ratings."""
        from .answer import sentences

        return list(sentences(self))

    @property
    def complete(self) -> bool:
        """Whether every number that was asked for has a value."""
        return self.agreement.complete

    def table(self) -> polars.DataFrame:
        """Return all lines and tests."""
        return self.agreement.table()

    def overview(self) -> polars.DataFrame:
        """Return the lines without what stands beside them."""
        return self.agreement.table().select("score", "rating", "measure", "value", "low", "high", "n")

    def write(self, path: str | Path) -> None:
        """Write lines and tests as .json or .csv."""
        self.agreement.write(path)


def combine(scores: Tabular, ratings: Tabular, options: CombineOptions | None = None, **changes: object) -> Combined:
    """Return how well columns of scores, together, predict ratings of images whose source they have not seen.

    - scores, ratings: as for `evaluate`: a table on disk, a mapping of columns, a polars table, or `Results`.
    - options: `CombineOptions`; each may also be a keyword: `combine(scores, ratings, folds=10)`.

    Every regressor predicts each fold after fitting on the others; a group, by default a source, is never parted. An
    item that lacks a score is left out and counted; nothing is filled in. Measures are means within folds, with
    intervals by resampling groups; what is fitted is not fitted again in resamples. Raises `AgreementError` for tables
    and columns that cannot be used, and for too few items. Source: regressors over two metrics as in EPAIQA, Table 3.

    >>> rng = np.random.default_rng(0)
    >>> sharp, faithful = rng.normal(size=(2, 60))
    >>> scores = {"id": list(range(60)), "sharp": sharp, "faithful": faithful}
    >>> combined = combine(scores, {"id": list(range(60)), "mos": sharp + faithful}, regressors=["ridge"])
    >>> combined.line("ridge").value > 0.99 > combined.line("sharp").value
    True
    """
    chosen = (options or CombineOptions()).changed(**changes)
    names, not_fitted = chosen_regressors(tuple(chosen.regressors))
    items = read_items(scores, ratings, chosen)
    _tell(items, f"fitting {', '.join(names)} to {plural(len(items), 'item')}, then the best without each column")
    measures = FoldMeasures(items, Resampling(chosen.replicates, chosen.level, chosen.seed))
    notes = [*items.notes, *filter(None, [not_fitted])]
    predicted = {name: _held_out(name, items.scores, items, chosen.seed) for name in names}
    singles = {column: _turned(items, index) for index, column in enumerate(items.columns)}
    statistics, note = image_table(items) if chosen.baseline else (np.empty((len(items), 0)), None)
    notes += [note] if note else []
    baseline = {BASELINE: _held_out("ridge", statistics, items, chosen.seed)} if statistics.shape[1] else {}
    lines = [line for name, values in {**predicted, **baseline}.items() for line in measures.lines(name, values, True)]
    lines += [line for name in singles for line in _lines_of_column(items, measures, name, singles[name])]
    value = {name: measures.value(values) for name, values in {**predicted, **singles}.items()}
    best, single = (max(group, key=lambda name: value[name]) for group in (predicted, singles))
    _tell(items, "held-out agreement: " + ", ".join(f"{name} {value[name]:.3f}" for name in names))
    if not np.isfinite(value[best]):
        raise AgreementError(next(line.note or "" for line in lines if line.score == best))
    importance = list(_importance(best, items, measures, predicted[best], singles, chosen.seed))
    tests = [measures.test(best, predicted[best], name, v) for name, v in {single: singles[single], **baseline}.items()]
    tests += [one.left_out for one in importance if one.left_out]
    notes += [test for test in tests if isinstance(test, str)] + _notes_on_choice(items, names, best)
    agreement = Agreement(
        lines, [], [test for test in tests if isinstance(test, Comparison)], notes,
        {"replicates": chosen.replicates, "level": chosen.level, "seed": chosen.seed, "cluster": items.grouped_by},
        requested=[OVER_FOLDS],
    )  # fmt: skip
    fitted = _fitted(best, items, lines, chosen.seed)
    return Combined(agreement, items, measures.deciding.name, best, single, importance, predicted, fitted)


def _tell(items: CombinedItems, doing: str) -> None:
    """Log what is done, where it takes long."""
    if len(items) >= MANY:
        logger.info(doing)


def held_out(regressor: str, scores: Floats, ratings: Floats, fold: np.ndarray, seed: int = 0) -> Floats:
    """Return the prediction (n,) for each item by a regressor that is fitted to the items of the other folds.

    `scores` (n, p), `ratings` (n,), `fold` (n,) integers from 0; NaN for items with a score that is.
    """
    predicted = np.full(len(ratings), np.nan)
    usable = ~np.isnan(scores).any(axis=1)
    for number in range(int(fold.max()) + 1):
        train, test = usable & (fold != number), usable & (fold == number)
        if train.sum() > 1 and test.any():
            predicted[test] = fit_regressor(regressor, scores[train], ratings[train], seed).predict(scores[test])
    return predicted


def _held_out(regressor: str, scores: Floats, items: CombinedItems, seed: int) -> Floats:
    return held_out(regressor, scores, items.ratings, items.fold, seed)


def _turned(items: CombinedItems, index: int) -> Floats:
    """A column, negated where lower is better; where that is not known, as it agrees with the ratings."""
    values = items.scores[:, index]
    better = items.better.get(items.columns[index])
    if better is None:
        better = (defined(srcc, values, items.ratings) or 0.0) >= 0
    return values if better else -values


def _lines_of_column(items: CombinedItems, measures: FoldMeasures, name: str, values: Floats) -> Iterator[Line]:
    """The lines of a single column; a note where its sign was turned."""
    turned = bool((values != items.scores[:, items.columns.index(name)]).any())
    for line in measures.lines(name, values, False):
        yield replace(
            line, note="; ".join(filter(None, ["of the negated score" if turned else None, line.note])) or None
        )


def _importance(
    best: str, items: CombinedItems, measures: FoldMeasures, predicted: Floats, singles: Mapping[str, Floats], seed: int
) -> Iterator[ColumnImportance]:
    """Each column by itself, shuffled, and left out."""
    whole = measures.value(predicted)
    shuffled = _shuffled(best, items, measures, seed)
    for index, column in enumerate(items.columns):
        alone = measures.value(singles[column])
        left_out = None
        if len(items.columns) > 1:
            _tell(items, f"{best} without {column}, {index + 1} of {len(items.columns)}")
            without = _held_out(best, np.delete(items.scores, index, axis=1), items, seed)
            test = measures.test(best, predicted, f"{best} without {column}", without)
            left_out = test if isinstance(test, Comparison) else None
        yield ColumnImportance(
            column,
            alone if np.isfinite(alone) else None,
            float(whole - shuffled[index]),
            left_out,
            _alike(items, index),
        )


def _shuffled(best: str, items: CombinedItems, measures: FoldMeasures, seed: int) -> Floats:
    """The deciding measure (p,) when a column's held-out values are shuffled within their fold: the mean of several."""
    rng = np.random.default_rng(seed)
    times = max(1, min(SHUFFLES, SHUFFLED_ITEMS // len(items)))
    predicted = np.empty((len(items.columns), times, len(items)))
    for number in range(items.folds):
        train, test = items.fold != number, np.flatnonzero(items.fold == number)
        fitted = fit_regressor(best, items.scores[train], items.ratings[train], seed)
        for index in range(len(items.columns)):
            for each in range(times):
                scores = items.scores[test]
                scores[:, index] = rng.permutation(scores[:, index])
                predicted[index, each, test] = fitted.predict(scores)
    values = np.array([[measures.value(each) for each in column] for column in predicted])
    return np.asarray(np.where(np.isfinite(values), values, 0).mean(axis=1))  # constant predictions rank nothing


def _alike(items: CombinedItems, index: int) -> tuple[str, float] | None:
    """The other column with the strongest rank correlation, if it is strong."""
    pairs = [
        (name, defined(srcc, items.scores[:, index], items.scores[:, other]) or 0.0)
        for other, name in enumerate(items.columns)
        if other != index
    ]
    name, value = max(pairs, key=lambda pair: abs(pair[1]), default=("", 0.0))
    return (name, value) if abs(value) >= ALIKE else None


def _notes_on_choice(items: CombinedItems, names: Sequence[str], best: str) -> list[str]:
    notes = []
    if len(names) > 1:
        notes.append(f"{best} is the best of {len(names)} regressors, and the single metric the best of "
                     f"{len(items.columns)}, chosen on these very items")  # fmt: skip
    if unknown := [name for name in items.columns if name not in items.better]:
        notes.append(f"of unknown direction, taken as they agree with the ratings: {', '.join(unknown)} "
                     "(--lower-is-better NAME)")  # fmt: skip
    return notes


def _fitted(best: str, items: CombinedItems, lines: Sequence[Line], seed: int) -> Combination:
    """The best regressor, fitted to all items."""
    facts = FittedFacts(
        rating=items.rating, items=len(items), groups=items.groups, group=items.grouped_by,
        low=items.scores.min(axis=0).tolist(), high=items.scores.max(axis=0).tolist(), identities=items.identities,
        agreement={line.measure: [line.value, line.low, line.high] for line in lines if line.score == best}, seed=seed,
    )  # fmt: skip
    return Combination(fit_regressor(best, items.scores, items.ratings, seed), items.columns, facts)
