"""The Fréchet distance of two sets of features, taken as Gaussians, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..bases.set_metric import SetEstimate, SetMetric

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

HALVES = 20
"""Random halves of a set that its interval is made of."""


class FrechetMetric(SetMetric):
    """A Fréchet distance between the features of two sets; a subclass gives the features."""

    def reduce(self, features: np.ndarray, reference: np.ndarray) -> SetEstimate:
        return frechet_estimate(self.primary().name, features, reference, sums_device(self.device))


def frechet_distance(features: np.ndarray, reference: np.ndarray, device: str = "cpu") -> float:
    """Return the squared Fréchet distance of two sets of features, (n, D) and (m, D), taken as Gaussians.

    |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), with covariances over n - 1, in float64.

    >>> import numpy as np
    >>> points = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> round(frechet_distance(points + 3, points), 6)  # a shift by 3 in two directions
    18.0
    """
    (distance,) = distances(features, reference, device=device)
    return distance


def distances(
    features: np.ndarray, reference: np.ndarray, parts: Iterable[np.ndarray] = (), *, device: str = "cpu"
) -> list[float]:
    """Return the distance of `features` to the reference set, and that of each part of them, given by its rows.

    The reference's covariance is factored once, S_2 = F F', and all features are multiplied by F once: the trace of
    (S_1 S_2)^(1/2) is the sum of the singular values of F's product with the centred features.
    """
    rows, other = _rows(features, device), _rows(reference, device)
    mean, trace = _mean_and_trace(other)
    other = (other - mean) / (len(other) - 1) ** 0.5
    crossed = rows @ (other.T if len(other) < other.shape[1] else _factor(other.T @ other))
    results = []
    every: list[Any] = [slice(None), *parts]
    for part in every:
        own_mean, own_trace = _mean_and_trace(rows[part])
        distance = float((own_mean - mean).square().sum()) + own_trace + trace - 2 * _overlap(crossed[part])
        results.append(max(0.0, distance))  # 0 is the least; below it is rounding
    return results


def frechet_estimate(name: str, features: np.ndarray, reference: np.ndarray, device: str = "cpu") -> SetEstimate:
    """Return the distance with a 95 % interval by a jackknife over random halves of `features`, and a note on its bias.

    A half leaves out as many images as it keeps, so that the spread of its distances is the standard error of the
    whole's (Shao and Wu, 1989). They lie higher, since a distance of few images is biased by about c / n: by how much
    estimates the bias of the whole.
    """
    import numpy as np
    from scipy.stats import t

    random = np.random.default_rng(0)
    count = len(features)
    halves = (random.permutation(count)[: count // 2] for _ in range(HALVES))
    value, *of_halves = distances(features, reference, halves, device=device)
    error = float(np.std(of_halves, ddof=1)) * float(np.sqrt((count // 2) / (count - count // 2)))
    reach = float(t.ppf(0.975, HALVES - 1)) * error
    notes = []
    bias = float(np.mean(of_halves)) - value
    if bias > 0.02 * value:
        notes.append(f"few images bias it upwards: these {count:,} by about {bias:.2g}; compare only sets of as many")
    return SetEstimate({name: value}, {name: error}, {name: (max(0.0, value - reach), value + reach)}, notes)


def _rows(features: np.ndarray, device: str) -> Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(features)).to(device, torch.float64)


def _mean_and_trace(rows: Tensor) -> tuple[Tensor, float]:
    """The mean of the rows, and the trace of their covariance."""
    mean = rows.mean(0)
    return mean, float((rows - mean).square().sum()) / (len(rows) - 1)


def _overlap(crossed: Tensor) -> float:
    """The sum of the singular values of the rows, centred and divided by the root of n - 1."""
    import torch

    centred = (crossed - crossed.mean(0)) / (len(crossed) - 1) ** 0.5
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    return float(torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().sum())


def _factor(covariance: Tensor) -> Any:
    import torch

    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()


def sums_device(device: str | None) -> str:
    """Return the device for sums in float64: the metric's own if that is a CUDA GPU; others have no float64."""
    return device if device and device.startswith("cuda") else "cpu"
