"""Layer-sensitivity analysis (section III-C): which layer tells real from edited images and still says much.

Statistics of each layer are gathered in one pass over the data. They are sums and counts, so that memory depends on the
layers and not on the data (but for a few dimensions that are kept for resampling), and the order of the images changes
nothing but rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .criterion import Criterion, LSAError, Sensitivity, entropy
from .profile import LayerProfile
from .resampling import KeptStates, shares_of_layers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

REAL, EDITED = 0, 1
LEAST = 2
"""So many images of a class it takes, for a variance to be one."""

FINER = 8
"""Values are counted in bins this many times finer than those of the equations, which are then put together of them."""

FINEST = -1000
"""Bins are never narrower than 2 to this power."""

DIGITS = 50
"""Nor than a value's own size by 2 to this power: that is the rounding of float64."""

COARSE = 0.5
"""A rounding error of this share of the standard deviation of the images distorts a histogram."""

ROUNDING = 1e-5
"""Activations that differ by less than this share of themselves differ by the rounding of float32 sums."""


class LayerStatistics:
    """Statistics of hidden states, layer by layer, of real and of edited images as they come.

    - `criterion`: how they are judged.
    - `rounding`: the relative precision of the states, such as 2^-7 of bfloat16 (`torch.finfo(dtype).eps`).

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
        self, layers: int, size: int, criterion: Criterion | None = None, *, rounding: float = 2.0**-23
    ) -> None:
        self.criterion = Criterion() if criterion is None else criterion
        self.rounding = rounding
        self.counts = np.zeros(2, np.int64)
        self._mean = np.zeros((2, layers, size))
        self._squares = np.zeros((2, layers, size))  # sums of squared deviations from the mean
        self._low = np.full((layers, size), np.inf)
        self._high = np.full((layers, size), -np.inf)
        self._exponent = np.full((layers, size), FINEST)
        self._first = np.zeros((layers, size))  # the bin of the lowest value, counted from 0; whole numbers
        self._fine = FINER * max(self.criterion.bins, self.criterion.entropy_bins)  # the most fine bins of a dimension
        # bin b is at b modulo the number of bins, so that a lower lowest value moves nothing
        self._histogram = np.zeros((2, layers, size, self._fine), np.int32)
        self._kept = KeptStates(layers, size) if self.criterion.resamples else None

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
        if self._kept is not None:
            self._kept.add(values, kind)
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
        sensitivity = Sensitivity(self.criterion, *map(int, self.counts))
        numbers = np.array([self._numbers(layer, sensitivity) for layer in range(len(self._low))]).T
        shares = np.zeros(0)
        if self._kept is not None:
            shares = shares_of_layers(self._kept, numbers, self._low, self._high, sensitivity)
        kl, ldr, entropies = numbers
        real, edited = sensitivity.images
        return LayerProfile(kl, ldr, entropies, real, edited, shares, self._rounded(sensitivity))

    def _numbers(self, layer: int, sensitivity: Sensitivity) -> tuple[float, float, float]:
        """D_KL, LDR and entropy of a layer, each averaged over the dimensions."""
        means, variances = self._mean[:, layer], self._squares[:, layer] / self.counts[:, None]
        counts, coarse = (self._counted(layer, bins) for bins in (self.criterion.bins, self.criterion.entropy_bins))
        kl, ldr = sensitivity.kl(counts, means, variances), sensitivity.ldr(means, variances)
        return float(kl.mean()), float(ldr.mean()), float(entropy(coarse.sum(0)).mean())

    def _rounded(self, sensitivity: Sensitivity) -> Floats:
        """(layers,): the share of dimensions whose values are rounded by `COARSE` standard deviations or more."""
        deviation = np.sqrt(sensitivity.overall(self._mean, self._squares / self.counts[:, None, None]))
        size = abs(self._mean).max(0)
        shares: Floats = (self.rounding * size > COARSE * deviation).mean(1)
        return shares

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
        fits = np.frexp((self._high - self._low) / self._fine)[1] - 1  # a bin of 2^fits is too narrow, or just enough
        size = np.maximum(abs(self._low), abs(self._high))
        digits = np.where(size > 0, np.frexp(size)[1] - DIGITS, FINEST)
        exponent = np.maximum(self._exponent, np.where(self._high > self._low, np.maximum(fits, digits), digits))
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
