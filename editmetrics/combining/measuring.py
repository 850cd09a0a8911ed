"""The agreement of held-out predictions, fold by fold: a measure's mean over folds, its interval, and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..agreement.bootstrap import Resampling, bootstrap_interval
from ..agreement.correlation import plcc, rmse, srcc
from ..agreement.labels import auc
from ..agreement.measure import AgreementError, Counts, Floats, Measure, UndefinedError
from ..agreement.result import Line, average_over
from ..agreement.significance import Comparison, paired_test
from .inputs import CombinedItems

OVER_FOLDS = average_over("fold")


def within_folds(measure: Measure, fold: np.ndarray) -> Measure:
    """Return the mean of `measure` within each fold of items `fold` (n,), integers from 0.

    Predictions of different folds come from different fits, whose offsets a measure across folds would see: without any
    signal, it would find those of a fold below the others where its own ratings lie above. A resample that leaves a
    fold without a value takes the mean of the others.

    >>> from editmetrics.agreement import srcc
    >>> within_folds(srcc, np.array([0, 0, 0, 1, 1, 1]))([1, 2, 3, 3, 2, 1], [1, 2, 3, 1, 2, 3])
    0.0
    """
    rows = [np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]

    def mean(scores: Floats, ratings: Floats, counts: Counts) -> Floats:
        each = np.stack([measure.resampled(scores[part], ratings[part], counts[:, part]) for part in rows])
        defined = ~np.isnan(each)
        total = np.where(defined, each, 0).sum(axis=0)
        return np.divide(total, defined.sum(axis=0), out=np.full(len(counts), np.nan), where=defined.any(axis=0))

    mean.__name__ = measure.name
    return Measure(mean, measure.fewest)


class FoldMeasures:
    """Lines and tests of predictions (n,) for `items`; a prediction that is NaN is left out and counted."""

    def __init__(self, items: CombinedItems, resampling: Resampling) -> None:
        self.items, self.resampling = items, resampling
        self.deciding = auc if items.labels else srcc
        """The measure by which predictions are ranked and tested."""

    def lines(self, name: str, predicted: Floats, on_the_scale: bool) -> list[Line]:
        """Return a line for each measure; the error is measured of predictions that are `on_the_scale` of ratings."""
        measures = [self.deciding] if self.items.labels else [srcc, plcc, *([rmse] if on_the_scale else [])]
        return [self._line(name, measure, predicted) for measure in measures]

    def value(self, predicted: Floats) -> float:
        """Return the deciding measure; minus infinity where it is undefined."""
        value = self._line("", self.deciding, predicted, interval=False).value
        return -np.inf if value is None else value

    def _line(self, name: str, measure: Measure, predicted: Floats, interval: bool = True) -> Line:
        items, used = self.items, ~np.isnan(predicted)
        line = Line(
            name, items.rating, OVER_FOLDS, measure.name, None, None, None,
            n=int(used.sum()), excluded=items.excluded + int((~used).sum()), groups=items.folds,
        )  # fmt: skip
        try:
            over = self._over(measure, used)
            for number in range(items.folds):
                part = used & (items.fold == number)
                measure(predicted[part], items.ratings[part])  # a mean is of all folds, or there is none
            value = over(predicted[used], items.ratings[used])
        except UndefinedError as error:
            return replace(line, note=str(error))
        low = high = note = None
        if interval:
            try:
                low, high = bootstrap_interval(
                    over, predicted[used], items.ratings[used],
                    clusters=items.cluster[used], resampling=self.resampling,
                )  # fmt: skip
            except AgreementError as error:
                note = f"no interval: {error}"
        return replace(line, value=value, low=low, high=high, note=note)

    def test(self, name: str, predicted: Floats, against: str, other: Floats) -> Comparison | str:
        """Return the paired test of two predictions, higher is better, or why there is none."""
        items = self.items
        used = ~np.isnan(predicted) & ~np.isnan(other)
        try:
            return paired_test(
                predicted[used], other[used], items.ratings[used],
                measure=self._over(self.deciding, used), names=(name, against, items.rating),
                clusters=items.cluster[used], resampling=self.resampling,
            )  # fmt: skip
        except UndefinedError as error:
            return f"{name} cannot be tested against {against}: {error}"

    def _over(self, measure: Measure, used: np.ndarray) -> Measure:
        """The measure within folds, of the items that are `used`. Raises `UndefinedError` if a fold has none."""
        fold: Sequence[int] = self.items.fold[used]
        if len(set(fold)) < self.items.folds:
            raise UndefinedError("a fold has no items")
        return within_folds(measure, np.asarray(fold))
