"""Gaussian models of features: of a set of photographs, and the distance of an image's blocks from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def mean_and_covariance(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (F,) and covariance (F, F) of features (rows, F), as MATLAB's nanmean and nancov.

    The mean of a feature is over the rows that have it, the covariance over the rows that have all of them, which must
    be two.

    >>> import numpy as np
    >>> mean, covariance = mean_and_covariance(np.array([[0.0, 0.0], [2.0, 4.0], [7.0, np.nan]]))
    >>> mean.tolist(), covariance.tolist()
    ([3.0, 2.0], [[2.0, 4.0], [4.0, 8.0]])
    """
    import numpy as np

    return np.nanmean(features, 0), np.cov(complete(features), rowvar=False)


def complete(features: np.ndarray) -> np.ndarray:
    """Return the rows of features (rows, F) without NaN."""
    import numpy as np

    return features[~np.isnan(features).any(1)]


def distance(mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray) -> float:
    """Return sqrt((m - m')ᵀ ((C + C') / 2)⁻¹ (m - m')), with the pseudoinverse.

    >>> import numpy as np
    >>> distance(np.zeros(2), np.eye(2), np.array([3.0, 4.0]), np.eye(2))
    5.0
    """
    import numpy as np

    apart = mean - other_mean
    return float(np.sqrt(max(apart @ inverse_of_mean(covariance, other_covariance) @ apart, 0.0)))


def inverse_of_mean(covariance: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the pseudoinverse of the mean of two covariances (F, F)."""
    import numpy as np

    pooled = (covariance + other) / 2
    inverse: np.ndarray = np.linalg.pinv(pooled, rcond=len(pooled) * np.finfo(np.float64).eps, hermitian=True)
    return inverse
