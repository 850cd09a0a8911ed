"""Layer-sensitivity analysis (section III-C): which layer tells real from edited images and still says much.

Statistics of each layer are gathered in one pass over the data. They are sums and counts, so that memory depends on the
layers and not on the data, and the order of the images changes nothing but rounding.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...sample import EditMetricsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

REAL, EDITED = 0, 1
LEAST = 2
"""So many images of a class it takes, for a variance to be one."""

FINEST = -24
"""Bins are never narrower than 2 to this power: what differs by less is the same activation."""

ROUNDING = 1e-5
"""Activations that differ by less than this share of themselves differ by the rounding of float32 sums."""

Divergence = Literal["histogram", "gaussian"]


class LSAError(EditMetricsError, ValueError):
    """Layers cannot be compared: which one or which class, and why."""


@dataclass(frozen=True)
class LayerProfile:
    """What layer-sensitivity analysis found: three numbers for each layer, and the layer that they choose.

    - `kl`, `ldr`, `entropy`: (layers,), equations 2 to 4, each averaged over the dimensions of the hidden state.
    - `real`, `edited`: the images that they are from.

    >>> profile = LayerProfile(np.array([0.1, 0.5, 0.2]), np.array([0.0, 0.3, 0.3]), np.array([1.0, 2.0, 2.5]), 9, 9)
    >>> profile.chosen
    2
    """

    kl: Floats
    ldr: Floats
    entropy: Floats
    real: int
    edited: int

    @property
    def normalised(self) -> Floats:
        """(3, layers), in [0, 1]: kl, ldr and entropy min-max normalised over the layers; 0 where all are equal."""
        return np.stack([_min_max(values) for values in (self.kl, self.ldr, self.entropy)])

    @property
    def total(self) -> Floats:
        """(layers,), in [0, 3]: the criterion S(l), the sum of the three."""
        return self.normalised.sum(0)

    @property
    def chosen(self) -> int:
        """L_opt, from 1 to the number of layers: the one with the largest sum, the lowest of several."""
        return int(self.total.argmax()) + 1

    def write(self, file: str | Path) -> None:
        """Write a csv with a row for each layer."""
        with Path(file).open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["layer", *COLUMNS, *(f"{name}_normalised" for name in COLUMNS), "sum", "chosen"])
            for layer in range(1, len(self.kl) + 1):
                found = [values[layer - 1] for values in (self.kl, self.ldr, self.entropy, *self.normalised)]
                rows.writerow([layer, *map(float, found), float(self.total[layer - 1]), int(layer == self.chosen)])


COLUMNS = ("kl", "ldr", "entropy")


class LayerStatistics:
    """Statistics of hidden states, layer by layer, of real and of edited images as they come.

    - `bins`: the most bins of a dimension's histogram. Real and edited images share them. Their width is a power of
      two, the smallest with which `bins` bins hold all values: so bins only ever merge in pairs, and a histogram that
      grew with the data is the one that a second pass over it would give.
    - `smoothing`: added to each bin's probability before the divergence, so that an empty one is not infinitely far.
    - `divergence`: equation 2 on the "histogram"s, or in closed form on a "gaussian" with the same mean and variance.
    - `epsilon`: of equation 3.

    >>> statistics = LayerStatistics(layers=1, size=1)
    >>> statistics.add(np.array([[[0.0]], [[1.0]], [[0.0]], [[1.0]]]), edited=False)
    >>> statistics.add(np.array([[[2.0]], [[3.0]], [[2.0]], [[3.0]]]), edited=True)
    >>> profile = statistics.profile()
    >>> float(profile.ldr[0].round(3)), float(np.exp(profile.entropy[0]).round(3))  # 4 / (1/4 + 1/4), four values
    (8.0, 4.0)
    """

    def __init__(
        self,
        layers: int,
        size: int,
        *,
        bins: int = 32,
        smoothing: float = 1e-6,
        divergence: Divergence = "histogram",
        epsilon: float = 1e-6,
    ) -> None:
        if bins < 2 or smoothing <= 0 or epsilon <= 0:
            raise LSAError(
                f"{bins} bins, smoothing {smoothing:g}, epsilon {epsilon:g}; expected 2 or more, and above 0"
            )
        self.bins, self.smoothing, self.divergence, self.epsilon = bins, smoothing, divergence, epsilon
        self.counts = np.zeros(2, np.int64)
        self._mean = np.zeros((2, layers, size))
        self._squares = np.zeros((2, layers, size))  # sums of squared deviations from the mean
        self._low = np.full((layers, size), np.inf)
        self._high = np.full((layers, size), -np.inf)
        self._exponent = np.full((layers, size), FINEST)
        self._first = np.zeros((layers, size), np.int64)  # the bin that the histogram begins with, counted from 0
        self._histogram = np.zeros((2, layers, size, bins), np.int32)

    def add(self, states: ArrayLike, *, edited: bool) -> None:
        """More images of a class: their hidden states (images, layers, size)."""
        values = np.asarray(states, np.float64)
        if values.shape[1:] != self._low.shape:
            raise LSAError(f"states are {values.shape}; expected (images, {', '.join(map(str, self._low.shape))})")
        finite = np.isfinite(values).all(axis=(0, 2))
        if not finite.all():
            raise LSAError(f"layer {int(np.argmin(finite)) + 1} gives activations that are no numbers; try float32")
        if not len(values):
            return
        kind = EDITED if edited else REAL
        self._add_moments(kind, values)
        self._make_room(values)
        place = np.floor(np.ldexp(values, -self._exponent)).astype(np.int64) - self._first
        each = np.arange(self._low.size).reshape(self._low.shape) * self.bins
        np.add.at(self._histogram[kind].reshape(-1), (each + place).reshape(-1), 1)

    def profile(self) -> LayerProfile:
        """The three numbers of each layer, and with them the chosen layer.

        Raises `LSAError` for fewer than two images of a class, and for a layer that gives all images the same state.
        """
        for kind, name in ((REAL, "real"), (EDITED, "edited")):
            if self.counts[kind] < LEAST:
                raise LSAError(
                    f"there are {self.counts[kind]} {name} images; layers are compared by how they tell real from "
                    f"edited ones, which takes {LEAST} or more of each"
                )
        size = np.maximum(abs(self._low), abs(self._high))
        constant = (self._high - self._low <= ROUNDING * size).all(axis=1)
        if constant.any():
            raise LSAError(
                f"layer {int(np.argmax(constant)) + 1} gives all images the same state: what is read of it does not "
                "depend on the image; read another token (pooling), or look at the weights"
            )
        return LayerProfile(
            self._kl().mean(1), self._ldr().mean(1), self._entropy().mean(1), *(int(count) for count in self.counts)
        )

    # ------------------------------------------------------------------ equations 2 to 4, each (layers, size)

    def _kl(self) -> Floats:
        if self.divergence == "gaussian":
            (m, n), (v, w) = self._mean, self._variance() + self.epsilon
            gaussian: Floats = 0.5 * (np.log(w / v) + (v + (m - n) ** 2) / w - 1)
            return gaussian
        p, q = (self._histogram[kind] / self.counts[kind] + self.smoothing for kind in (REAL, EDITED))
        p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
        histogram: Floats = (p * np.log(p / q)).sum(-1)
        return histogram

    def _ldr(self) -> Floats:
        between = (self._mean[REAL] - self._mean[EDITED]) ** 2
        ratio: Floats = between / (self._variance().sum(0) + self.epsilon)
        return ratio

    def _entropy(self) -> Floats:
        p = self._histogram.sum(0) / self.counts.sum()
        entropy: Floats = -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
        return entropy

    def _variance(self) -> Floats:
        return self._squares / self.counts[:, None, None]

    # ------------------------------------------------------------------ streaming

    def _add_moments(self, kind: int, values: Floats) -> None:
        """Chan, Golub and LeVeque (1983): mean and squared deviations of two sets together, from those of each."""
        before, more = self.counts[kind], len(values)
        mean = values.mean(0)
        shift = mean - self._mean[kind]
        self._squares[kind] += ((values - mean) ** 2).sum(0) + shift**2 * (before * more / (before + more))
        self._mean[kind] += shift * (more / (before + more))
        self.counts[kind] += more

    def _make_room(self, values: Floats) -> None:
        """Widen the bins where the range of `values` and of all before does not fit, and move the counts."""
        self._low, self._high = np.minimum(self._low, values.min(0)), np.maximum(self._high, values.max(0))
        exponent = self._exponent
        while True:
            first, last = (np.floor(np.ldexp(end, -exponent)) for end in (self._low, self._high))
            narrow = last - first >= self.bins
            if not narrow.any():
                break
            exponent = exponent + narrow
        moved = (exponent != self._exponent) | (first != self._first)
        if moved.any() and self._histogram.any():
            self._move(moved, exponent - self._exponent, first.astype(np.int64))
        self._exponent, self._first = exponent, first.astype(np.int64)

    def _move(self, where: NDArray[np.bool_], wider: NDArray[np.int64], first: NDArray[np.int64]) -> None:
        """The counts of the dimensions `where` in bins 2^wider as wide, of which `first` is the first one."""
        old = self._first[where][:, None] + np.arange(self.bins)
        place = np.right_shift(old, np.minimum(wider[where], 62)[:, None]) - first[where][:, None]
        rows = np.arange(len(place))[:, None]
        for kind in (REAL, EDITED):
            counts = self._histogram[kind][where]
            merged = np.zeros_like(counts)
            np.add.at(merged, (rows, np.clip(place, 0, self.bins - 1)), counts)  # outside of it there are no counts
            self._histogram[kind][where] = merged


def _min_max(values: Floats) -> Floats:
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)
