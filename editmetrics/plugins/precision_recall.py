"""Precision and recall of a set of images: how many look real, and how much of what is real they cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from ..bases.set_metric import SetEstimate, SetMetric
from ..sample import Dimension
from .dino import normalized
from .inception import bicubic

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SIZE = 224
BLOCK = 1024
"""Rows of a block of distances."""


class PrecisionRecall(SetMetric):
    """Precision and recall of a set of images against a reference set, from 0 to 1; 1 is the best.

    Precision is the share of generated images whose features lie within a ball around a reference image that reaches to
    its k-th nearest neighbour among the reference images; recall is the share of reference images within such balls of
    the generated ones. Features are the 4,096 of VGG-16's second fully connected layer, after its ReLU. Both depend on
    the numbers of images: compare sets of equal sizes. The 95 % intervals are Wilson's, with the balls as they are.

    Options:
        k: The neighbour that a ball reaches to; the paper's is 3.

    Source: Kynkäänniemi et al., NeurIPS 2019, arXiv:1904.06991, section 2. The authors resize for TensorFlow's VGG-16;
    here images are scaled to 224 x 224 with antialiasing, for torchvision's.

    >>> [dimension.name for dimension in PrecisionRecall.dimensions]
    ['precision', 'recall']
    """

    name, version = "precision_recall", 1
    title = "precision and recall of a set"
    dimensions = (
        Dimension("precision", low=0, high=1, primary=True, description="share of images that look real"),
        Dimension("recall", low=0, high=1, description="share of what is real that they cover"),
    )
    paper = "Kynkäänniemi et al., Improved precision and recall metric for assessing generative models, NeurIPS 2019"
    licence = "BSD-3-Clause (torchvision); the terms of the weights are in 'editmetrics weights list'"
    preprocessing = "float RGB to 224 x 224 (Pillow's antialiased bicubic, each channel), ImageNet's mean and deviation"

    def __init__(self, *, k: Annotated[int, Ge(1)] = 3, cache: bool = True) -> None:
        super().__init__(cache=cache)
        self.k = k

    def checkpoints(self) -> tuple[str, ...]:
        return ("lpips-vgg16",)

    def network_name(self) -> str:
        return "torchvision vgg16 to its second fully connected layer"

    def network(self) -> Any:
        from torchvision.models import vgg16

        network = vgg16()
        del network.classifier[5:]
        return network

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        (tensors,) = files
        return {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.6.")}

    def see(self, pixels: np.ndarray) -> Tensor:
        import numpy as np
        import torch

        scaled = pixels.astype(np.float32) if pixels.dtype == np.uint8 else pixels * np.float32(255)
        return normalized(torch.from_numpy(bicubic(scaled, SIZE) / 255)[None])[0]

    def reduce(self, features: np.ndarray, reference: np.ndarray) -> SetEstimate:
        from scipy.stats import binomtest

        inside = {"precision": covered(features, reference, self.k), "recall": covered(reference, features, self.k)}
        values = {name: float(flags.mean()) for name, flags in inside.items()}
        ends = {}
        for name, flags in inside.items():
            interval = binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
            ends[name] = (interval.low, interval.high)
        return SetEstimate(values, {}, ends)


def covered(points: np.ndarray, centres: np.ndarray, k: int = 3) -> np.ndarray:
    """Return whether each point (n, D) lies in a ball around one of `centres` (m, D): (n,), bool.

    A ball reaches to the k-th nearest other centre.

    >>> import numpy as np
    >>> centres = np.array([[0.0], [1.0], [2.0]], np.float32)
    >>> covered(np.array([[2.9], [3.1]], np.float32), centres, k=1)
    array([ True, False])
    """
    import numpy as np
    import torch

    rows, balls = (torch.from_numpy(np.asarray(features, np.float64)) for features in (points, centres))
    if len(balls) <= k:
        raise ValueError(f"{len(balls)} centres have no {k}-th neighbour each")
    own = [torch.cdist(part, balls).kthvalue(k + 1, dim=1).values for part in balls.split(BLOCK)]
    radii = torch.cat(own)  # the nearest centre to each is itself
    return torch.cat([(torch.cdist(part, balls) <= radii).any(1) for part in rows.split(BLOCK)]).numpy()
