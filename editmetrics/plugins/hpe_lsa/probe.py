"""A yardstick beside S(l): what a linear probe reads of each layer, cross-validated by source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...agreement.correlation import srcc
from ...agreement.labels import auc
from ...agreement.measure import UndefinedError
from ...agreement.splits import split
from ...mllm.groups import keys_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...sample import Sample

    Floats = NDArray[np.float64]

FOLDS, LEAST = 5, 3
SHOWN = 512
"""Dimensions of a layer that a probe sees; a larger state is projected on so many random directions."""

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridge penalties, as a share of the number of training items; the errors on left-out groups choose among them."""


class Probe:
    """The states of items in all layers, what is to be read of them, and how well ridge regression reads it.

    - `add(states, targets, groups)`: states (items, layers, size), numbers to predict (items, targets), and for each
      item the group that stays on one side of a split, such as its source.
    - `auc()` and `srcc()`: (layers,), of predictions for held-out groups; the mean over targets. Empty with fewer than
      three groups, or where it is undefined.

    >>> probe, random = Probe(), np.random.default_rng(0)
    >>> states = random.normal(size=(60, 2, 3))
    >>> probe.add(states, (states[:, 1, :1] > 0).astype(float), [str(n) for n in range(60)])
    >>> bool(probe.auc()[0] < 0.7), bool(probe.auc()[1] > 0.95)  # the second layer knows it
    (True, True)
    """

    def __init__(self) -> None:
        self._states: list[NDArray[np.float32]] = []
        self._targets: list[Floats] = []
        self._groups: list[str] = []
        self._directions: NDArray[np.float32] | None = None

    def add(self, states: NDArray[np.floating], targets: Floats, groups: Sequence[str]) -> None:
        """More items, in any order."""
        if states.shape[-1] > SHOWN:
            if self._directions is None:
                random = np.random.default_rng(0)
                directions = random.standard_normal((states.shape[-1], SHOWN), np.float32)
                self._directions = directions / np.float32(SHOWN**0.5)
            states = states.astype(np.float32) @ self._directions
        self._states.append(states.astype(np.float32))
        self._targets.append(np.asarray(targets, np.float64))
        self._groups += groups

    def auc(self) -> Floats:
        """(layers,): area under the ROC curve of the predictions of labels 0 and 1."""
        return self._measured(lambda predicted, wanted: float(auc(predicted, wanted)))

    def srcc(self) -> Floats:
        """(layers,): Spearman's correlation of the predictions with ratings."""
        return self._measured(lambda predicted, wanted: float(srcc(predicted, wanted)))

    def _measured(self, measure: object) -> Floats:
        count = min(FOLDS, len(set(self._groups)))
        if count < LEAST:
            return np.zeros(0)
        targets, states = np.concatenate(self._targets), np.concatenate(self._states)
        part = split(self._groups, (1.0,) * count, 0)
        try:
            return np.array([
                np.mean([measure(*pair) for pair in zip(predicted.T, targets.T, strict=True)])  # type: ignore[operator]
                for predicted in (
                    held_out_predictions(states[:, n], targets, part, self._groups) for n in range(states.shape[1])
                )
            ])  # fmt: skip
        except UndefinedError:
            return np.zeros(0)


def held_out_predictions(
    states: NDArray[np.floating], targets: Floats, part: NDArray[np.integer], groups: Sequence[str]
) -> Floats:
    """Predict `targets` (items, targets) from `states` (items, size), each `part` by ridge regression on the rest."""
    predicted, group = np.empty_like(targets), np.unique(groups, return_inverse=True)[1]
    for number in np.unique(part):
        test = part == number
        predicted[test] = ridge(
            states[~test].astype(np.float64), targets[~test], states[test].astype(np.float64), group[~test]
        )
    return predicted


def ridge(states: Floats, targets: Floats, others: Floats, groups: NDArray[np.integer]) -> Floats:
    """Predictions for `others` by ridge regression on standardised states, for each target with the best penalty.

    It is the one with the least squared error on groups that are left out, which follows from the residuals r of all:
    (I - H)^-1 r within a group, with the group's block H of the matrix that maps targets to predictions.
    """
    middle, deviation = states.mean(0), states.std(0)
    deviation = np.where(deviation > 1e-9 * (abs(middle) + 1e-30), deviation, np.inf)
    x, test, mean = (states - middle) / deviation, (others - middle) / deviation, targets.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x)
    z, test = x @ vectors, test @ vectors
    inner = z.T @ (targets - mean)
    of_group = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    best, errors = np.zeros((len(others), targets.shape[1])), np.full(targets.shape[1], np.inf)
    for penalty in PENALTIES:
        shrunk = 1 / (np.maximum(values, 0.0) + penalty * len(x))
        residuals, error = targets - mean - z @ (shrunk[:, None] * inner), np.zeros(targets.shape[1])
        for members in of_group:
            block = np.eye(len(members)) - z[members] * shrunk @ z[members].T - 1 / len(x)
            error += (np.linalg.solve(block, residuals[members]) ** 2).sum(0)
        best = np.where(error < errors, test @ (shrunk[:, None] * inner), best)
        errors = np.minimum(error, errors)
    return best + mean


def groups_by_source(samples: Sequence[Sample]) -> list[str]:
    """The source of each sample, compared by content; a sample without one is its own group."""
    with_source = [sample for sample in samples if sample.source is not None]
    keys = dict(zip((id(sample) for sample in with_source), keys_of(with_source, "source"), strict=True))
    return [keys.get(id(sample)) or f"sample {sample.id}" for sample in samples]
