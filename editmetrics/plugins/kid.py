"""KID, the kernel Inception distance: an unbiased distance of two sets of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bases.set_metric import SetEstimate
from ..sample import Dimension
from .frechet import sums_device
from .inception import InceptionMetric, Mode
from .kernel_distance import cubic, discrepancy

if TYPE_CHECKING:
    import numpy as np


class KID(InceptionMetric):
    """Kernel Inception distance between two sets of images; 0 is the expectation for sets of one distribution.

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y) with k(x, y) = (x . y / 2048 + 1)^3, over the features of
    Inception-v3's last pooling and over all pairs of different images: unbiased, so that it may be negative, and that
    sets of any sizes can be compared. It is what the mean over random subsets, which other tools print, estimates.
    Papers often print it times 1,000. The 95 % interval is a bootstrap over the generated images.

    Options:
        mode: How images are resized: clean, with antialiasing and without rounding, as clean-fid does;
            legacy_pytorch, as pytorch-fid does; or legacy_tensorflow, as the original graph and torch-fidelity do.

    Source: Bińkowski et al., ICLR 2018, arXiv:1801.01401, section 4.

    >>> KID().minimum
    10
    """

    name, version = "kid", 1
    title = "distance of sets (kernel Inception)"
    dimensions = (Dimension("kid", higher_is_better=False, primary=True, description="distance of two sets"),)
    paper = "Bińkowski et al., Demystifying MMD GANs, ICLR 2018, arXiv:1801.01401"
    minimum = 10

    def __init__(self, *, mode: Mode = "clean", cache: bool = True) -> None:
        super().__init__(mode=mode, cache=cache)

    def reduce(self, features: np.ndarray, reference: np.ndarray) -> SetEstimate:
        return discrepancy("kid", cubic, (features, reference), device=sums_device(self.device))
