"""Regressors from columns of scores to a rating, and what a fitted one is: arrays of numbers, which predict alone.

scikit-learn fits forests and support vectors, which the extra `combine` installs; nothing but numpy applies them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from ..agreement.measure import AgreementError, Floats
from ..mllm.baseline import Ridge, ridge, standardised
from ..wording import expected_one_of

TREES, LEAF = 200, 5
"""The trees of a forest, and the fewest items in a leaf of one."""

AT_ONCE = 1000
"""Items that are compared with support vectors at once."""


class FittedRegressor:
    """A regressor with its numbers: a dataclass of arrays."""

    name: ClassVar[str]

    def predict(self, scores: Floats) -> Floats:
        """Return predicted ratings (n,) of scores (n, p), all finite."""
        raise NotImplementedError

    def arrays(self) -> dict[str, np.ndarray]:
        """Return its numbers, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def inputs(self) -> int:
        """Return the number of columns p that it expects. Raises `ValueError` for arrays that do not fit together."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class LinearRegressor(FittedRegressor):
    """Ridge regression: intercept + weights . z, z the standardised scores (`mllm.baseline.ridge`)."""

    mean: Floats
    deviation: Floats
    weights: Floats
    intercept: Floats

    name: ClassVar[str] = "ridge"

    @classmethod
    def fit(cls, scores: Floats, ratings: Floats, seed: int) -> LinearRegressor:
        fitted = ridge(scores, ratings)
        return cls(fitted.mean, fitted.deviation, fitted.weights, np.array([fitted.intercept]))

    def predict(self, scores: Floats) -> Floats:
        return Ridge(self.mean, self.deviation, self.weights, float(self.intercept[0]), 0.0).predict(scores)

    def inputs(self) -> int:
        _expect(self.intercept.shape == (1,) and self.weights.shape == self.mean.shape == self.deviation.shape)
        return len(self.weights)


@dataclass(frozen=True, eq=False)
class SupportVectorRegressor(FittedRegressor):
    """Support vector regression with a Gaussian kernel: centre + spread (sum_i w_i exp(-|z - v_i|^2 / p) + intercept).

    z are the standardised scores; C = 1 and epsilon = 0.1 deviations of the ratings, the defaults of scikit-learn.
    Source: Drucker et al. 1996.
    """

    mean: Floats
    deviation: Floats
    vectors: Floats
    weights: Floats
    intercept: Floats
    scale: Floats

    name: ClassVar[str] = "svr"

    @classmethod
    def fit(cls, scores: Floats, ratings: Floats, seed: int) -> SupportVectorRegressor:
        from sklearn.svm import SVR

        mean, deviation = scores.mean(axis=0), scores.std(axis=0)
        deviation = np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1), deviation, np.inf)
        z = standardised(scores, mean, deviation)
        scale = np.array([ratings.mean(), ratings.std() or 1.0])
        fitted = SVR(gamma=1 / scores.shape[1]).fit(z, (ratings - scale[0]) / scale[1])
        return cls(mean, deviation, fitted.support_vectors_, fitted.dual_coef_[0], fitted.intercept_, scale)

    def predict(self, scores: Floats) -> Floats:
        z = standardised(scores, self.mean, self.deviation)
        own = (self.vectors**2).sum(axis=1)
        parts = [np.empty(0)]
        for start in range(0, len(z), AT_ONCE):
            some = z[start : start + AT_ONCE]
            squares = (some**2).sum(axis=1)[:, None] + own - 2 * some @ self.vectors.T
            parts.append(np.exp(-np.maximum(squares, 0) / z.shape[1]) @ self.weights)
        return self.scale[0] + self.scale[1] * (np.concatenate(parts) + self.intercept[0])

    def inputs(self) -> int:
        _expect(self.mean.ndim == 1 and self.mean.shape == self.deviation.shape and self.scale.shape == (2,))
        _expect(self.vectors.shape == (len(self.weights), len(self.mean)) and self.intercept.shape == (1,))
        return len(self.mean)


@dataclass(frozen=True, eq=False)
class ForestRegressor(FittedRegressor):
    """A random forest: the mean of `TREES` trees, with a third of the columns tried at each split, leaves of 5 or more.

    Nodes of all trees in one list: a node with `column` -1 is a leaf, any other goes `left` if its column is at most
    `threshold`. `roots` are the first nodes of the trees. Source: Breiman 2001.
    """

    roots: np.ndarray
    column: np.ndarray
    threshold: Floats
    left: np.ndarray
    right: np.ndarray
    value: Floats

    name: ClassVar[str] = "forest"

    @classmethod
    def fit(cls, scores: Floats, ratings: Floats, seed: int) -> ForestRegressor:
        from sklearn.ensemble import RandomForestRegressor

        fitted = RandomForestRegressor(
            TREES, min_samples_leaf=LEAF, max_features=max(1, scores.shape[1] // 3), random_state=seed, n_jobs=-1
        ).fit(scores, ratings)
        trees = [tree.tree_ for tree in fitted.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        leaf = [tree.children_left < 0 for tree in trees]
        own = [np.arange(tree.node_count) for tree in trees]
        left, right = (
            [np.where(end, node, getattr(tree, side)) + root
             for tree, end, node, root in zip(trees, leaf, own, roots, strict=True)]
            for side in ("children_left", "children_right")
        )  # fmt: skip
        column = [np.where(end, -1, tree.feature) for tree, end in zip(trees, leaf, strict=True)]
        threshold, value = [tree.threshold for tree in trees], [tree.value[:, 0, 0] for tree in trees]
        return cls(roots, *map(np.concatenate, (column, threshold, left, right, value)))

    def predict(self, scores: Floats) -> Floats:
        single = scores.astype(np.float32)  # as scikit-learn compares them
        node = np.repeat(self.roots[:, None], len(scores), axis=1)
        rows = np.arange(len(scores))
        while (inner := self.column[node] >= 0).any():
            below = single[rows, np.maximum(self.column[node], 0)] <= self.threshold[node]
            node = np.where(inner, np.where(below, self.left[node], self.right[node]), node)
        return np.asarray(self.value[node].mean(axis=0))

    def inputs(self) -> int:
        count = len(self.column)
        nodes = (self.column, self.threshold, self.left, self.right, self.value)
        _expect(self.roots.ndim == 1 and len(self.roots) > 0 and all(array.shape == (count,) for array in nodes))
        _expect(all(array.dtype.kind == "i" for array in (self.roots, self.column, self.left, self.right)))
        inner = np.flatnonzero(self.column >= 0)
        for side in (self.left[inner], self.right[inner]):  # a child behind its parent: no way is endless
            _expect(bool((side > inner).all() and (side < count).all()))
        _expect(bool((self.roots >= 0).all() and (self.roots < count).all()))
        return int(self.column.max(initial=-1)) + 1


REGRESSORS: Mapping[str, Any] = {each.name: each for each in (LinearRegressor, SupportVectorRegressor, ForestRegressor)}
"""The regressors by name, the simplest first."""


def chosen_regressors(names: tuple[str, ...]) -> tuple[list[str], str | None]:
    """Return the regressors to fit, by default all that can be, and a note on those that cannot.

    Raises `AgreementError` for an unknown name, and for one that needs scikit-learn where it is not installed.
    """
    for name in names:
        if name not in REGRESSORS:
            raise AgreementError(f"unknown regressor {name!r}; {expected_one_of(name, REGRESSORS)}")
    chosen = list(dict.fromkeys(names)) or list(REGRESSORS)
    needing = [name for name in chosen if name != LinearRegressor.name]
    if not needing or find_spec("sklearn") is not None:
        return chosen, None
    needs = f"{' and '.join(needing)} {'need' if len(needing) > 1 else 'needs'} scikit-learn, which is not installed"
    remedy = "pip install 'editmetrics[combine]'"
    if names:
        raise AgreementError(f"{needs}: {remedy}")
    return [LinearRegressor.name], f"not fitted: {needs}: {remedy}"


def fit_regressor(name: str, scores: Floats, ratings: Floats, seed: int = 0) -> FittedRegressor:
    """Return the regressor `name` fitted to scores (n, p) and ratings (n,), all finite. `seed` is the forest's.

    >>> x = np.arange(20.0)[:, None]
    >>> fit_regressor("ridge", x, 3 * x[:, 0]).predict(np.array([[3.5]])).round(1).tolist()
    [10.5]
    """
    fit: Callable[..., FittedRegressor] = REGRESSORS[name].fit
    return fit(np.asarray(scores, float), np.asarray(ratings, float), seed)


def restored_regressor(name: str, arrays: Mapping[str, np.ndarray], columns: int) -> FittedRegressor:
    """Return the regressor `name` of `arrays`, for `columns` columns. Raises `ValueError` for any others."""
    if name not in REGRESSORS:
        raise ValueError(f"its regressor is {name!r}; expected {', '.join(REGRESSORS)}")
    kind = REGRESSORS[name]
    expected = [field.name for field in fields(kind)]
    if set(arrays) != set(expected):
        raise ValueError(f"its arrays are {', '.join(sorted(arrays))}; expected {', '.join(expected)}")
    regressor: FittedRegressor = kind(**arrays)
    inputs = regressor.inputs()
    if inputs > columns or (inputs < columns and name != ForestRegressor.name):  # a forest may leave the last ones out
        raise ValueError(f"its arrays are of {inputs} columns; expected {columns}")
    if any(np.isnan(array).any() for array in arrays.values()):
        raise ValueError("its arrays hold NaN")
    return regressor


def _expect(fits: bool) -> None:
    if not fits:
        raise ValueError("its arrays do not fit together")
