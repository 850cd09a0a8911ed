"""Models of natural photographs of one's own: the statistics of a folder, in place of the authors'."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ...bases.no_reference import NoReference, ParametersError
from ...files.writing import make_folder, replacing
from ...machine import side_by_side
from ...sample import Sample
from ...wording import plural
from .gaussian_model import complete

if TYPE_CHECKING:
    import numpy as np

TOGETHER = 16
"""Photographs between two reports of progress."""


class PristineMetric(NoReference):
    """A metric that compares statistics of blocks with those of natural photographs, which may be one's own.

    - `FEATURES`: the number of statistics of a block.
    - `SHARPNESS`: the authors' share of the sharpest block of a photograph, over which a block counts.
    """

    FEATURES: ClassVar[int]
    SHARPNESS: ClassVar[float]

    @abstractmethod
    def pristine_features(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features (blocks, F) and sharpness (blocks,) of a prepared photograph (H, W, 3)."""

    @abstractmethod
    def model_of(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters that `check_parameters` takes, of the features of all counted blocks (n, F)."""


def fit_pristine(
    metric: PristineMetric,
    photographs: Sequence[Sample],
    sharpness: float | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> dict[str, np.ndarray]:
    """Return the model of natural photographs for `metric`, of the edited images of samples.

    Blocks count that are sharper than the share `sharpness` of the sharpest one of their photograph, by default the
    authors' share, and that are not flat. `on_images` is called with the number of photographs since its last call.

    Raises `SampleError` for a photograph that the metric cannot score, and `ParametersError` where there are not more
    blocks than features.

    >>> from editmetrics.plugins.niqe import NIQE
    >>> from editmetrics.testing.toys import picture
    >>> photographs = [Sample(str(seed), edited=picture(seed, 288, 384)) for seed in range(4)]
    >>> sorted(fit_pristine(NIQE(), photographs, sharpness=0.0))
    ['covariance', 'mean']
    """
    import numpy as np

    share = metric.SHARPNESS if sharpness is None else sharpness
    kept: list[np.ndarray] = []

    def sharp_blocks(sample: Sample) -> np.ndarray:
        features, sharp = metric.pristine_features(metric.prepare(sample)["edited"])
        return complete(features[sharp > share * sharp.max()])

    for start in range(0, len(photographs), TOGETHER):
        group = photographs[start : start + TOGETHER]
        kept += side_by_side(sharp_blocks, group)
        on_images(len(group))
    counted = np.concatenate(kept) if kept else np.empty((0, metric.FEATURES))
    if len(counted) <= metric.FEATURES:
        raise ParametersError(
            f"{plural(len(photographs), 'photograph')} have {plural(len(counted), 'sharp block')}; a model for "
            f"{metric.name} needs more than {metric.FEATURES}: add photographs"
        )
    return metric.model_of(counted)


def write_parameters(arrays: dict[str, np.ndarray], file: Path) -> None:
    """Write parameters to a .safetensors file, which the option `parameters` of a metric names."""
    import numpy as np
    from safetensors.numpy import save_file

    make_folder(file)
    with replacing(file) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
