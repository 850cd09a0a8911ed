"""The maximum mean discrepancy of two sets of features (Gretton et al., JMLR 2012), and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..bases.set_metric import SetEstimate

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Kernel = Callable[["Tensor", "Tensor"], "Tensor"]
"""From two blocks of features, (n, D) and (m, D), to the kernel of each pair, (n, m)."""

RESAMPLES = 500
BLOCK = 2048
"""Rows of a block: kernels of all pairs of many images would not fit into memory."""


def cubic(first: Tensor, second: Tensor) -> Tensor:
    """Kernel of KID: (x . y / D + 1)^3."""
    return (first @ second.T / first.shape[1] + 1) ** 3


def gaussian(first: Tensor, second: Tensor) -> Tensor:
    """Kernel of CMMD: exp(-|x - y|^2 / (2 * 10^2))."""
    squares = first.square().sum(1)[:, None] + second.square().sum(1) - 2 * first @ second.T
    return (-squares / 200).exp()


def discrepancy(
    name: str,
    kernel: Kernel,
    sets: tuple[np.ndarray, np.ndarray],
    *,
    unbiased: bool = True,
    scale: float = 1.0,
    device: str = "cpu",
) -> SetEstimate:
    """Return the squared discrepancy of two sets of features, (n, D) and (m, D), with a 95 % interval.

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y), times `scale`; unbiased leaves out pairs of an image with itself.
    The interval is a bootstrap over the first set, whose resamples leave out such pairs, too.

    >>> import numpy as np
    >>> zeros, ones = np.zeros((10, 2), np.float32), np.ones((10, 2), np.float32)
    >>> discrepancy("kid", cubic, (zeros, ones)).values  # 1 + 2^3 - 2 * 1
    {'kid': 7.0}
    """
    import numpy as np
    import torch

    first, second = (torch.from_numpy(features).to(device, torch.float64) for features in sets)
    count, others = len(first), len(second)
    random = np.random.default_rng(0)
    drawn = random.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    weights = torch.from_numpy(drawn).to(device, torch.float64)
    total, diagonal = first.new_zeros(()), first.new_zeros(())
    crossed, resampled = first.new_zeros(count), first.new_zeros(RESAMPLES)
    for rows in _blocks(count):
        inside = kernel(first[rows], first)
        own = inside[torch.arange(len(inside)), torch.arange(rows.start, rows.stop)]
        total, diagonal = total + inside.sum(), diagonal + own.sum()
        inside[torch.arange(len(inside)), torch.arange(rows.start, rows.stop)] = 0
        resampled += ((weights @ inside.T) * weights[:, rows]).sum(1)
        crossed[rows] = torch.stack([kernel(first[rows], second[part]).sum(1) for part in _blocks(others)]).sum(0)
    across = 2 * crossed.sum() / (count * others)
    within = (total - diagonal) / (count * (count - 1)) if unbiased else total / count**2
    value = float(within + _within(kernel, second, unbiased) - across) * scale
    pairs = count**2 - weights.square().sum(1)
    replicates = resampled / pairs - 2 * (weights @ crossed) / (count * others)
    error = float(replicates.std()) * scale
    return SetEstimate({name: value}, {name: error}, {name: (value - 1.96 * error, value + 1.96 * error)})


def _within(kernel: Kernel, features: Tensor, unbiased: bool) -> Tensor:
    count = len(features)
    total, diagonal = features.new_zeros(()), features.new_zeros(())
    for rows in _blocks(count):
        inside = kernel(features[rows], features)
        total, diagonal = total + inside.sum(), diagonal + inside.diagonal(rows.start).sum()
    return (total - diagonal) / (count * (count - 1)) if unbiased else total / count**2


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
