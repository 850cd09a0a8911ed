"""The Fréchet distance of two sets of features, taken as Gaussians, and how sure it is."""

from __future__ import annotations

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
    return Reference(reference, device).distance(features)


class Reference:
    """A reference set of a Fréchet distance, for many sets: its mean and a factor of its covariance are made once."""

    def __init__(self, features: np.ndarray, device: str = "cpu") -> None:
        self.device = device
        self.mean, centred = _centred(features, device)
        self.trace = float(centred.square().sum())
        self.factor = centred.T if len(centred) < centred.shape[1] else _factor(centred.T @ centred)

    def distance(self, features: np.ndarray) -> float:
        """Return the distance of a set of features to the reference set."""
        mean, centred = _centred(features, self.device)
        crossed = centred @ self.factor  # tr (S1 S2)^(1/2) is the sum of its singular values
        gram = crossed @ crossed.T if len(crossed) < crossed.shape[1] else crossed.T @ crossed
        import torch

        overlap = float(torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().sum())
        distance = float((mean - self.mean).square().sum()) + self.trace + float(centred.square().sum()) - 2 * overlap
        return max(0.0, distance)  # 0 is the least; below it is rounding


def frechet_estimate(name: str, features: np.ndarray, reference: np.ndarray, device: str = "cpu") -> SetEstimate:
    """Return the distance with a 95 % interval by a jackknife over random halves of `features`, and a note on its bias.

    A half leaves out as many images as it keeps, so that the spread of its distances is the standard error of the
    whole's (Shao and Wu, 1989). They lie higher, since a distance of few images is biased by about c / n: by how much
    estimates the bias of the whole.
    """
    import numpy as np
    from scipy.stats import t

    compared = Reference(reference, device)
    value = compared.distance(features)
    random = np.random.default_rng(0)
    count = len(features)
    distances = [compared.distance(features[random.permutation(count)[: count // 2]]) for _ in range(HALVES)]
    error = float(np.std(distances, ddof=1)) * float(np.sqrt((count // 2) / (count - count // 2)))
    reach = float(t.ppf(0.975, HALVES - 1)) * error
    notes = []
    bias = float(np.mean(distances)) - value
    if bias > 0.02 * value:
        notes.append(f"few images bias it upwards: these {count:,} by about {bias:.2g}; compare only sets of as many")
    return SetEstimate({name: value}, {name: error}, {name: (max(0.0, value - reach), value + reach)}, notes)


def _centred(features: np.ndarray, device: str) -> tuple[Tensor, Tensor]:
    import numpy as np
    import torch

    rows = torch.from_numpy(np.asarray(features)).to(device, torch.float64)
    mean = rows.mean(0)
    return mean, (rows - mean) / (len(rows) - 1) ** 0.5


def _factor(covariance: Tensor) -> Any:
    import torch

    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()


def sums_device(device: str | None) -> str:
    """Return the device for sums in float64: the metric's own if that is a CUDA GPU; others have no float64."""
    return device if device and device.startswith("cuda") else "cpu"
