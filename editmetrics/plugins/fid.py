"""FID, the Fréchet Inception distance: how far a set of images is from a reference set."""

from __future__ import annotations

from ..sample import Dimension
from .frechet import FrechetMetric
from .inception import InceptionMetric, Mode


class FID(InceptionMetric, FrechetMetric):
    """Fréchet Inception distance between two sets of images; 0 is the best.

    |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), of means and covariances of the 2,048 features of
    Inception-v3's last pooling. Nothing is paired: it says how a system's images are distributed, and nothing of one.

    It is biased upwards, the more so the fewer images there are: compare only sets of as many images. Papers use 10,000
    to 50,000. A note says how large the bias is about. The 95 % interval is over other sets of as many images of the
    same system, with the reference set as it is (a jackknife over random halves).

    Options:
        mode: How images are resized: clean, with antialiasing and without rounding, as clean-fid does;
            legacy_pytorch, as pytorch-fid does; or legacy_tensorflow, as the original graph and torch-fidelity do.

    Source: Heusel et al., NeurIPS 2017, arXiv:1706.08500, equation 6; resizing: Parmar et al., CVPR 2022,
    arXiv:2104.11222.

    >>> FID().label, FID(mode="legacy_tensorflow").label
    ('fid', 'fid:mode=legacy_tensorflow')
    """

    name, version = "fid", 1
    title = "distance of sets (Fréchet Inception)"
    dimensions = (Dimension("fid", low=0, higher_is_better=False, primary=True, description="distance of two sets"),)
    paper = "Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash equilibrium, 2017"

    def __init__(self, *, mode: Mode = "clean", cache: bool = True) -> None:
        super().__init__(mode=mode, cache=cache)
