"""PieAPP: the error of an image as people's preferences between distorted images have it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le

from ..bases.full_reference import FullReference
from ..bases.network import HasNetwork
from ..bases.pixels import check_pair, check_shapes, same_outside
from ..late_checks import require
from ..sample import Dimension, SampleError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Colours = Literal["bgr", "rgb"]

PATCH = 64
"""Side of the patches, in pixels."""

FEATURES, HIDDEN = 64, 512
"""Channels of the first layers, which double after every second pooling, and the width of the layers that judge."""

TOGETHER = 64
"""Number of patches that are computed at once."""

GROUP = 10
"""Number of patches, along a side, of the pieces in which the authors' script takes an image."""


def pieapp(
    source: Tensor,
    edited: Tensor,
    network: Any,
    mask: Tensor | None = None,
    *,
    stride: int = 6,
    colours: Colours = "bgr",
) -> Tensor:
    """Perceptual image error, without unit; lower is closer, about 0 for identical images.

        sum of w d / sum of w

    over patches of 64 x 64 pixels, `stride` pixels apart, where the network gives an error d and a weight w to the
    differences of its features of both. With a mask, w is multiplied by the share of the patch that it covers, and the
    edited image first has the source's pixels outside.

    `colours`: the order of the channels that the network sees: `bgr`, that of the authors, who read images by OpenCV.

    `source`, `edited`: (N, 3, H, W), RGB in [0, 1], of at least 64 x 64 pixels. `network`: as `PieAPP.read_network`
    gives it. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns (N,). Raises `SampleError` for smaller images
    and for a mask that no patch covers. Differentiable.

    Source: Prashnani, Cai, Mostofi, Sen, "PieAPP: Perceptual image-error assessment through pairwise preference", CVPR
    2018; patches as in the authors' script.

    >>> import torch
    >>> class Differences:  # of means, in the place of a network
    ...     def features(self, patches): return patches.mean((2, 3)), patches.mean((2, 3))
    ...     def judge(self, first, second): return -first.mean(1), 1 + 0 * second.mean(1)
    >>> pieapp(torch.zeros(1, 3, 80, 80), torch.ones(1, 3, 80, 80), Differences())
    tensor([255.])
    """
    import torch

    check_pair("pieapp", source, PATCH, "the size of its patches")
    check_shapes(source, edited, mask)
    edited = same_outside(source, edited, mask)
    x, y = (255 * (image.flip(1) if colours == "bgr" else image) for image in (source, edited))
    rows, columns = (starts(side, stride) for side in source.shape[-2:])
    corners = list(product(rows, columns))
    error, total = source.new_zeros(len(source)), source.new_zeros(len(source))
    for first in range(0, len(corners), TOGETHER):
        some = corners[first : first + TOGETHER]
        of_source, of_edited = (network.features(_patches(image, some)) for image in (x, y))
        errors, weights = network.judge(*(s - e for s, e in zip(of_source, of_edited, strict=True)))
        weights = weights.view(len(some), -1)
        if mask is not None:
            weights = weights * _patches(mask.to(source.dtype), some).mean((1, 2, 3)).view(len(some), -1)
        error, total = error + (errors.view(len(some), -1) * weights).sum(0), total + weights.sum(0)
    unseen = "the region lies in no patch that pieapp looks at, in the last pixels of a side"
    require(total != 0, lambda: SampleError(unseen, "skipped"))
    return error / torch.where(total == 0, 1.0, total)


def starts(side: int, stride: int) -> list[int]:
    """Where patches begin along a side of an image, in pixels, as in the authors' script.

    It takes pieces of ten patches, of which the last may begin at the last patch that fits; one before it then loses a
    patch. So most images have a row of pixels at the end that no patch sees.

    >>> starts(64 + 20, 6), starts(64 + 57, 6)
    ([0, 6, 12, 18], [0, 6, 12, 18, 24, 30, 36, 42, 48, 57])
    """
    marks = [*range(0, side - PATCH, stride), side - PATCH]
    corners: list[int] = []
    for first in range(0, len(marks), GROUP):
        end = side if first + GROUP >= len(marks) else marks[first + GROUP] + PATCH - stride
        corners += range(marks[first], end - PATCH + 1, stride)
    return corners


def _patches(images: Tensor, corners: list[tuple[int, int]]) -> Tensor:
    """The patches at `corners` of (N, C, H, W), one corner after the other: (corners x N, C, 64, 64)."""
    import torch

    return torch.cat([images[..., row : row + PATCH, column : column + PATCH] for row, column in corners])


def build_network() -> Module:
    """Build the authors' network: `features` of patches at all scales and at the last, and what it makes of two."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    widths = [FEATURES * factor for factor in (1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8)]
    joined = sum(width * (PATCH >> scale) ** 2 for scale, width in enumerate(widths[2::2], 1))
    last = widths[-1] * (PATCH >> 5) ** 2

    class PatchNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number, (inputs, outputs) in enumerate(zip((3, *widths), widths, strict=False), 1):
                setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.fc1_score, self.fc2_score = nn.Linear(joined, HIDDEN), nn.Linear(HIDDEN, 1)
            self.fc1_weight, self.fc2_weight = nn.Linear(last, HIDDEN), nn.Linear(HIDDEN, 1)
            self.ref_score_subtract = nn.Linear(1, 1)

        def features(self, patches: Tensor) -> tuple[Tensor, Tensor]:
            scales, maps = [], patches
            for number in range(1, len(widths) + 1):
                maps = F.relu(getattr(self, f"conv{number}")(maps))
                if number % 2 == 0:
                    maps = F.max_pool2d(maps, 2)
                elif number > 1:
                    scales.append(maps.flatten(1))
            return torch.cat(scales, 1), scales[-1]

        def judge(self, joined: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
            """Return the error and the weight of each patch, from the differences of features."""
            errors = self.ref_score_subtract(0.01 * self.fc2_score(F.relu(self.fc1_score(joined))))
            return errors, self.fc2_weight(F.relu(self.fc1_weight(last))) + 1e-6

    with torch.device("meta"):
        return PatchNetwork()


class PieAPP(HasNetwork, FullReference):
    """Perceptual error of the edited image against the source (PieAPP v0.1), usually 0 to 5; lower is closer.

    A network compares patches of 64 x 64 pixels and weighs them; it was trained on which of two distorted images people
    prefer, given the reference. With a region, a patch counts by the share of it that the mask covers, and both images
    have the source's pixels outside.

    Options:
        stride: Pixels between patches: 6 (the authors' "dense", for accuracy) or 27 ("sparse", and piq's and pyiqa's),
            or another number.
        colours: The order of the channels that the network sees: bgr (the authors', who read images by OpenCV, and
            pyiqa's) or rgb (piq's).

    Source: Prashnani, Cai, Mostofi, Sen, CVPR 2018, arXiv:1806.02067; code and weights,
    https://github.com/prashnani/PerceptualImageError (non-commercial use only)

    >>> PieAPP().checkpoints()
    ('pieapp',)
    """

    name, version = "pieapp", 1
    title = "error by people's preferences"
    dimensions = (Dimension("pieapp", higher_is_better=False, primary=True, description="perceptual error"),)
    paper = (
        "Prashnani, Cai, Mostofi, Sen, PieAPP: Perceptual image-error assessment through pairwise preference, CVPR "
        "2018, arXiv:1806.02067"
    )
    licence = "Apache-2.0; the weights are for non-commercial use only"

    def __init__(self, *, stride: Annotated[int, Ge(1), Le(64)] = 6, colours: Colours = "bgr", **shared: Any) -> None:
        super().__init__(**shared)
        self.stride, self.colours = stride, colours

    def checkpoints(self) -> tuple[str, ...]:
        return ("pieapp",)

    def network_name(self) -> str:
        return self.name

    def network(self) -> Any:
        return build_network()

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the file's tensors; the weight of the one-to-one layer is published as a vector."""
        tensors = dict(files[0])
        tensors["ref_score_subtract.weight"] = tensors["ref_score_subtract.weight"].reshape(1, 1)
        return tensors

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return pieapp(source, edited, self.module, mask, stride=self.stride, colours=self.colours)
