"""Inception score: how sure a classifier is of each image of a set, and how many classes the set has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bases.set_metric import SetEstimate
from ..sample import Dimension
from .inception import InceptionMetric, Mode

if TYPE_CHECKING:
    import numpy as np

SPLITS = 10


class InceptionScore(InceptionMetric):
    """Inception score of a set of images, from 1 to 1,008; higher is better. It needs no reference set.

    exp(mean KL(p(y | x) || p(y))), where p(y | x) are Inception-v3's probabilities of 1,008 classes (without the bias
    of its last layer, as in the original code) and p(y) is their mean; the mean of 10 parts of the set, as in the
    paper, and a 95 % interval of it. It is a score of ImageNet's classes: of portraits or of edits of one photograph it
    says little. Few images bound it, since a part of n images cannot score above n.

    Options:
        mode: How images are resized: legacy_tensorflow, as the original graph and torch-fidelity do; clean, with
            antialiasing, as clean-fid does; or legacy_pytorch, as pytorch-fid does.

    Source: Salimans et al., Improved techniques for training GANs, NeurIPS 2016, arXiv:1606.03498, section 4.

    >>> sorted(InceptionScore().required())
    ['edited']
    """

    name, version = "inception_score", 1
    title = "quality and variety (Inception score)"
    needs = several = frozenset({"edited"})
    dimensions = (Dimension("inception_score", low=1, high=1008, primary=True, description="quality and variety"),)
    paper = "Salimans et al., Improved techniques for training GANs, NeurIPS 2016, arXiv:1606.03498"
    minimum = 100

    def __init__(self, *, mode: Mode = "legacy_tensorflow", cache: bool = True) -> None:
        super().__init__(mode=mode, cache=cache)

    def reduce(self, features: np.ndarray, reference: np.ndarray) -> SetEstimate:
        import numpy as np
        from scipy.stats import t

        weights = self.module.fc.weight.detach().float().cpu().numpy()
        scores = inception_scores(features.astype(np.float64) @ weights.T.astype(np.float64))
        error = float(np.std(scores, ddof=1)) / SPLITS**0.5
        value, reach = float(np.mean(scores)), float(t.ppf(0.975, SPLITS - 1)) * error
        ends = (max(1.0, value - reach), value + reach)
        return SetEstimate({"inception_score": value}, {"inception_score": error}, {"inception_score": ends})


def inception_scores(logits: np.ndarray, parts: int = SPLITS) -> np.ndarray:
    """Return the Inception score of each of `parts` parts of a set, of its logits (n, classes).

    Part i holds the rows i, i + parts, ...

    >>> import numpy as np
    >>> logits = np.where(np.eye(4, dtype=bool), 100.0, 0.0)  # four images, each surely of a class of its own
    >>> inception_scores(logits, 1).round(6)
    array([4.])
    """
    import numpy as np
    from scipy.special import log_softmax, logsumexp

    scores = []
    for part in range(parts):
        logs = log_softmax(logits[part::parts], 1)
        marginal = logsumexp(logs, 0) - np.log(len(logs))
        scores.append(np.exp((np.exp(logs) * (logs - marginal)).sum(1).mean()))
    return np.array(scores)
