"""What predicts ratings without looking at what an image shows: the least that a trained metric should beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from editmetrics import Sample
from editmetrics.images import eight_bits, read_image
from editmetrics.images.statistics import image_statistics, pair_statistics
from editmetrics.mllm.baseline import ridge


def ratings(samples: Sequence[Sample], dimension: str) -> np.ndarray:
    return np.array([float(sample.meta[dimension]) for sample in samples])


def by_statistics(train: Sequence[Sample], test: Sequence[Sample], dimension: str) -> np.ndarray:
    """Ratings of `test` by ridge regression on image statistics of `train`, and on those of what was changed."""
    return ridge(_statistics(train), ratings(train, dimension)).predict(_statistics(test))


def srcc(predicted: Sequence[float], samples: Sequence[Sample], dimension: str) -> float:
    return float(spearmanr(predicted, ratings(samples, dimension))[0])


def mean_error(predicted: Sequence[float], samples: Sequence[Sample], dimension: str) -> float:
    return float(np.abs(np.asarray(predicted) - ratings(samples, dimension)).mean())


def _statistics(samples: Sequence[Sample]) -> np.ndarray:
    rows = []
    for sample in samples:
        edited = eight_bits(read_image(sample.edited))
        row = image_statistics(edited)
        if sample.source is not None:
            row = np.concatenate([row, pair_statistics(eight_bits(read_image(sample.source)), edited)])
        rows.append(row)
    return np.stack(rows)
