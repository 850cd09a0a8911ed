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

from ...files.writing import replacing
from ...sample import EditMetricsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

REAL, EDITED = 0, 1
LEAST = 2
"""So many images of a class it takes, for a variance to be one."""

FINER = 8
"""Values are counted in bins this many times finer than those of the equations, which are then put together of them."""

FINEST = -24
"""Bins are never narrower than 2 to this power: what differs by less is the same activation."""

ROUNDING = 1e-5
"""Activations that differ by less than this share of themselves differ by the rounding of float32 sums."""

Divergence = Literal["histogram", "gaussian"]


class LSAError(EditMetricsError, ValueError):
    """Layers cannot be compared: which one or which class, and why."""


@dataclass(frozen=True)
class LayerProfile:
    """Result of layer-sensitivity analysis: three numbers for each layer, and the layer that they select.

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
        """Write a csv with a row for each layer, in one stroke."""
        with replacing(Path(file)) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["layer", *COLUMNS, *(f"{name}_normalised" for name in COLUMNS), "sum", "chosen"])
            for layer in range(1, len(self.kl) + 1):
                columns = [values[layer - 1] for values in (self.kl, self.ldr, self.entropy, *self.normalised)]
                rows.writerow([layer, *map(float, columns), float(self.total[layer - 1]), int(layer == self.chosen)])


COLUMNS = ("kl", "ldr", "entropy")


class LayerStatistics:
    """Statistics of hidden states, layer by layer, of real and of edited images as they come.

    - `bins`: of the histograms of equation 2, all equally wide, from the lowest to the highest value of a dimension in
      real and edited images. `entropy_bins`: the same of equation 4.
    - `smoothing`: added to each bin's probability before the divergence, so that an empty one is not infinitely far.
    - `divergence`: equation 2 on the "histogram"s, or in closed form on a "gaussian" with the same mean and variance.
      `symmetric`: the mean of both directions, and not that of real from edited images alone.
    - `epsilon`: of equation 3.

    Since the range is known only at the end, values are counted in bins `FINER` times finer, whose width is a power of
    two: so they only ever merge in pairs while the range grows, and are the counts that a second pass would give. Each
    goes to the bin of an equation that its centre lies in; an edge is off by at most 1 / FINER of a bin.

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
        entropy_bins: int = 10,
        smoothing: float = 1e-6,
        divergence: Divergence = "histogram",
        symmetric: bool = False,
        epsilon: float = 1e-6,
    ) -> None:
        if min(bins, entropy_bins) < 2 or smoothing <= 0 or epsilon <= 0:
            raise LSAError(
                f"{bins} and {entropy_bins} bins, smoothing {smoothing:g}, epsilon {epsilon:g}; expected 2 or more, "
                "and above 0"
            )
        self.bins, self.entropy_bins, self.smoothing, self.epsilon = bins, entropy_bins, smoothing, epsilon
        self.divergence, self.symmetric = divergence, symmetric
        self.counts = np.zeros(2, np.int64)
        self._mean = np.zeros((2, layers, size))
        self._squares = np.zeros((2, layers, size))  # sums of squared deviations from the mean
        self._low = np.full((layers, size), np.inf)
        self._high = np.full((layers, size), -np.inf)
        self._exponent = np.full((layers, size), FINEST)
        self._first = np.zeros((layers, size))  # the bin of the lowest value, counted from 0; whole numbers
        self._fine = FINER * max(bins, entropy_bins)  # the most fine bins of a dimension
        # bin b is at b modulo the number of bins, so that a lower lowest value moves nothing
        self._histogram = np.zeros((2, layers, size, self._fine), np.int32)

    def add(self, states: ArrayLike, *, edited: bool) -> None:
        """More images of a class: their hidden states (images, layers, size)."""
        values = np.asarray(states, np.float64)
        if values.shape[1:] != self._low.shape:
            raise LSAError(f"states are {values.shape}; expected (images, {', '.join(map(str, self._low.shape))})")
        finite = np.isfinite(values).all(axis=(0, 2))
        if not finite.all():
            raise LSAError(f"layer {int(np.argmin(finite)) + 1} gives activations that are not finite; try float32")
        if not len(values):
            return
        kind = EDITED if edited else REAL
        self._make_room(values)
        self._add_moments(kind, values)
        counts = self._histogram[kind].reshape(-1)
        begin = np.arange(self._low.size).reshape(self._low.shape) * self._fine
        narrow = np.ldexp(1.0, -self._exponent)
        for image in values:  # one count a dimension, so no index repeats
            counts[begin + self._column(np.floor(image * narrow) - self._first, self._first)] += 1

    def profile(self) -> LayerProfile:
        """The three numbers of each layer, and with them the chosen layer.

        Raises `LSAError` for fewer than two images of a class, and for a layer that gives all images the same state.
        """
        for kind, name in ((REAL, "real"), (EDITED, "edited")):
            if self.counts[kind] < LEAST:
                raise LSAError(
                    f"number of {name} images: {self.counts[kind]}; layers are compared by how they tell real from "
                    f"edited images, which requires at least {LEAST} of each"
                )
        size = np.maximum(abs(self._low), abs(self._high))
        constant = (self._high - self._low <= ROUNDING * size).all(axis=1)
        if constant.any():
            raise LSAError(
                f"layer {int(np.argmax(constant)) + 1} gives all images the same state: what is read of it does not "
                "depend on the image; read another token (pooling), or look at the weights"
            )
        layers = range(len(self._low))
        kl, ldr, entropy = (
            np.array([measure(layer).mean() for layer in layers]) for measure in (self._kl, self._ldr, self._entropy)
        )
        return LayerProfile(kl, ldr, entropy, *(int(count) for count in self.counts))

    # ------------------------------------------------------------------ equations 2 to 4, each (size,) of a layer

    def _kl(self, layer: int) -> Floats:
        one = self._divergence(layer, REAL, EDITED)
        return (one + self._divergence(layer, EDITED, REAL)) / 2 if self.symmetric else one

    def _divergence(self, layer: int, first: int, second: int) -> Floats:
        if self.divergence == "gaussian":
            means, variances = self._mean[:, layer], self._variance(layer) + self.epsilon
            m, n, v, w = means[first], means[second], variances[first], variances[second]
            gaussian: Floats = 0.5 * (np.log(w / v) + (v + (m - n) ** 2) / w - 1)
            return gaussian
        counts = self._counted(layer, self.bins)
        p, q = (counts[kind] / self.counts[kind] + self.smoothing for kind in (first, second))
        p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
        histogram: Floats = (p * np.log(p / q)).sum(-1)
        return histogram

    def _ldr(self, layer: int) -> Floats:
        between = (self._mean[REAL, layer] - self._mean[EDITED, layer]) ** 2
        ratio: Floats = between / (self._variance(layer).sum(0) + self.epsilon)
        return ratio

    def _entropy(self, layer: int) -> Floats:
        p = self._counted(layer, self.entropy_bins).sum(0) / self.counts.sum()
        entropy: Floats = -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
        return entropy

    def _variance(self, layer: int) -> Floats:
        return self._squares[:, layer] / self.counts[:, None]

    def _counted(self, layer: int, bins: int) -> Floats:
        """(2, size, bins): the images of each class in `bins` equal bins over a dimension's range."""
        low, high = self._low[layer][:, None], self._high[layer][:, None]
        first = self._first[layer][:, None]
        fine = first + (np.arange(self._fine) - first) % self._fine  # the bin of each column
        share = (np.ldexp(fine + 0.5, self._exponent[layer][:, None]) - low) / np.where(high > low, high - low, 1.0)
        column = np.clip(np.floor(share * bins), 0, bins - 1).astype(np.int64)
        target = (column + np.arange(len(column))[:, None] * bins).reshape(-1)
        real, edited = self._histogram[:, layer].reshape(2, -1)
        return np.stack(
            [np.bincount(target, counts, len(column) * bins).reshape(-1, bins) for counts in (real, edited)]
        )

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
        """Widen the bins where the range of `values` and of all before does not fit, and merge the counts."""
        self._low, self._high = np.minimum(self._low, values.min(0)), np.maximum(self._high, values.max(0))
        exponent = self._exponent
        while True:
            first, last = (np.floor(np.ldexp(end, -exponent)) for end in (self._low, self._high))
            narrow = last - first >= self._fine
            if not narrow.any():
                break
            exponent = exponent + narrow
        wider = exponent - self._exponent
        if self.counts.any():
            for layer in map(int, np.flatnonzero(wider.any(1))):
                self._merge(layer, np.flatnonzero(wider[layer]), wider[layer], first[layer])
        self._exponent, self._first = exponent, first

    def _merge(self, layer: int, where: NDArray[np.int64], wider: NDArray[np.int64], first: Floats) -> None:
        """The counts of a layer's dimensions `where` in bins 2^wider as wide, of which `first` is the new lowest."""
        old, first, wider = self._first[layer, where], first[where], wider[where]
        for kind in (REAL, EDITED):
            counts = self._histogram[kind, layer, where]
            row, column = counts.nonzero()
            fine = old[row] + (column - old[row]) % self._fine
            position = np.floor(np.ldexp(fine, -wider[row])) - first[row]
            target = row * self._fine + self._column(position, first[row])
            merged = np.bincount(target, counts[row, column], counts.size)
            self._histogram[kind, layer, where] = merged.reshape(counts.shape)

    def _column(self, position: Floats, first: Floats) -> NDArray[np.int64]:
        """The column of the bin that is `position` bins above the bin `first`."""
        column = position.astype(np.int64) + (first % self._fine).astype(np.int64)
        return np.where(column < self._fine, column, column - self._fine)


def _min_max(values: Floats) -> Floats:
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)
