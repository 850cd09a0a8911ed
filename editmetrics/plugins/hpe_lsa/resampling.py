"""How sure is the chosen layer? The analysis on bootstrap samples of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .criterion import Sensitivity, entropy
from .profile import min_max

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KEPT = 128
"""Dimensions of each layer whose values are kept; all would be the hidden states of all images."""

ROOM = 1 << 24
"""The most numbers in a table of images by dimension and bin."""


class KeptStates:
    """Some dimensions of the hidden states of all images, in float32: 18 KB an image for 36 layers.

    >>> kept = KeptStates(layers=2, size=1)
    >>> kept.add(np.zeros((5, 2, 1)), kind=0)
    >>> kept.values(layer=1, kind=0).shape
    (5, 1)
    """

    def __init__(self, layers: int, size: int) -> None:
        random = np.random.default_rng(0)
        self.dimensions = np.sort(random.permutation(size)[:KEPT])
        self._states: tuple[list[NDArray[np.float32]], ...] = ([], [])
        self._layers = layers

    def add(self, values: Floats, kind: int) -> None:
        """States (images, layers, size) of a class: 0 for real, 1 for edited."""
        self._states[kind].append(values[..., self.dimensions].astype(np.float32))

    def values(self, layer: int, kind: int) -> Floats:
        """(images, dimensions) of a layer, counted from 0."""
        return np.concatenate([states[:, layer] for states in self._states[kind]]).astype(np.float64)


def shares_of_layers(kept: KeptStates, numbers: Floats, low: Floats, high: Floats, sensitivity: Sensitivity) -> Floats:
    """(layers,): the share of bootstrap samples (`Criterion.resamples`) in which each layer has the largest S(l).

    Images are drawn with replacement, real and edited ones apart. The kept dimensions tell how D_KL, LDR and the
    entropy vary from sample to sample; this variation, about a mean of 0, is added to the `numbers` (3, layers) of all
    dimensions. `low` and `high` (layers, size) are the range of the bins, the same in each sample.
    """
    random = np.random.default_rng(0)
    layers, resamples = numbers.shape[1], sensitivity.criterion.resamples
    weights = [
        random.multinomial(count, np.full(count, 1 / count), resamples).astype(float) for count in sensitivity.images
    ]
    samples = np.stack(
        [
            resampled_numbers([kept.values(layer, kind) for kind in (0, 1)], weights, low[layer, kept.dimensions],
                     high[layer, kept.dimensions], sensitivity)
            for layer in range(layers)
        ],
        axis=-1,
    )  # fmt: skip
    drawn = numbers[:, None] + samples - samples.mean(1, keepdims=True)
    chosen = min_max(drawn).sum(0).argmax(-1)
    shares: Floats = np.bincount(chosen, minlength=layers) / resamples
    return shares


def resampled_numbers(
    values: list[Floats], weights: list[Floats], low: Floats, high: Floats, sensitivity: Sensitivity
) -> Floats:
    """(3, resamples): D_KL, LDR and entropy of a layer, averaged over its dimensions.

    `values`: (images, dimensions) of real and of edited images. `weights`: (resamples, images) of each, how often a
    resample has an image. `low`, `high`: (dimensions,), the range of the bins.
    """
    criterion, dimensions = sensitivity.criterion, len(low)
    together = max(1, ROOM // (sum(map(len, values)) * criterion.bins))
    total = np.zeros((3, len(weights[0])))
    for start in range(0, dimensions, together):
        part = slice(start, start + together)
        states = [(kind[:, part] - low[part]) / np.where(high > low, high - low, 1.0)[part] for kind in values]
        counts, coarse = (_counts(states, weights, bins) for bins in (criterion.bins, criterion.entropy_bins))
        sizes = [weight.sum(1, keepdims=True) for weight in weights]
        means = np.stack([weight @ kind / size for weight, kind, size in zip(weights, states, sizes, strict=True)])
        squares = np.stack([weight @ kind**2 / size for weight, kind, size in zip(weights, states, sizes, strict=True)])
        variances = np.maximum(squares - means**2, 0.0)
        total += [
            sensitivity.kl(counts, means, variances).sum(-1),
            sensitivity.ldr(means, variances).sum(-1),
            entropy(coarse.sum(0)).sum(-1),
        ]
    return total / dimensions


def _counts(states: list[Floats], weights: list[Floats], bins: int) -> Floats:
    """(2, resamples, dimensions, bins): the images of each resample in each of `bins` bins of [0, 1]."""
    counts = []
    for kind, weight in zip(states, weights, strict=True):
        column = np.clip(np.floor(kind * bins), 0, bins - 1).astype(np.int64)
        inside = (column[..., None] == np.arange(bins)).astype(np.float32).reshape(len(column), -1)
        counts.append((weight.astype(np.float32) @ inside).reshape(len(weight), kind.shape[1], bins))
    return np.stack(counts).astype(np.float64)
