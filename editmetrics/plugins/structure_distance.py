"""Structure distance: how much the layout of an image changed, regardless of colours and textures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.pixels import check_shapes, same_outside
from ..late_checks import require
from ..sample import Dimension, SampleError
from .dino import IMAGE_SIZE, DINOMetric, Model, last_keys, normalized

if TYPE_CHECKING:
    from torch import Tensor

PREPROCESSING = "RGB in [0, 1], to 224 x 224 (antialiased bilinear), ImageNet's normalisation"


def structure_distance(
    source: Tensor, edited: Tensor, network: Any, mask: Tensor | None = None, *, levels: float = 1.0
) -> Tensor:
    """Mean squared difference of the self-similarities of two images' DINO keys, without unit; lower is closer.

    S_ij = cos(k_i, k_j) for the keys of all tokens i, j in the last layer of DINO's ViT-B/8, and the distance is

    mean over i, j of (S_ij(source) - S_ij(edited))²

    With a mask, the mean is over pairs of patches, weighted by the product of the shares of the patches that the mask
    covers; the class token, which stands for the whole image, is left out. Attention reaches across the whole image:
    the edited image first gets the source's pixels outside the mask (see `pixels.same_outside`).

    `source`, `edited`: (N, 3, H, W), RGB in [0, 1]. `network`: as `StructureDistance.read_network` gives it. `mask`:
    (N, 1, H, W), bool or weights of at least 0. `levels`: factor of the pixels before normalisation (PIE-Bench: 255).
    Returns (N,), in [0, 4]. Raises `SampleError` for an empty mask, and for keys that are not finite or have no
    direction. Differentiable.

    Source: Tumanyan et al., Splicing ViT features for semantic appearance transfer, CVPR 2022 (as a loss).

    >>> import torch
    >>> from editmetrics.testing import offline_weights
    >>> with offline_weights(["dino-vit-b-8"]):
    ...     network = StructureDistance().read_network()
    >>> image = torch.rand(1, 3, 64, 64)
    >>> structure_distance(image, image, network)
    tensor([0.])
    """
    import torch
    import torch.nn.functional as F

    from ..mllm.states import require_direction

    check_shapes(source, edited, mask)
    edited = same_outside(source, edited, mask)

    def seen(images: Tensor) -> Tensor:
        size = (IMAGE_SIZE, IMAGE_SIZE)
        return normalized(levels * F.interpolate(images, size=size, mode="bilinear", antialias=True))

    raw_keys = last_keys(network, torch.cat([seen(source), seen(edited)]))
    keys = F.normalize(require_direction(raw_keys, "a key of the network"), dim=-1)
    of_source, of_edited = (keys @ keys.mT).chunk(2)
    difference = (of_source - of_edited).square()
    if mask is None:
        return difference.mean((1, 2))
    side = round((keys.shape[1] - 1) ** 0.5)
    covered = F.adaptive_avg_pool2d(mask.to(source.dtype), (side, side)).flatten(1)
    area = covered.sum(1)
    require(~(area <= 0), lambda: SampleError("the region is empty", "skipped"))  # NaN makes the distance NaN
    pairs = covered[:, :, None] * covered[:, None, :]
    return (difference[:, 1:, 1:] * pairs).sum((1, 2)) / area.square()


class StructureDistance(DINOMetric, FullReference):
    """Structure distance of the edited image from the source, a mean square in [0, 4]; lower is closer.

    mean over i, j of (S_ij(source) - S_ij(edited))², where S_ij is the cosine of the keys of tokens i and j in the last
    layer of DINO's ViT-B/8: which parts of an image are alike, whatever their colours. 0 for identical images; papers
    print it times 1000. Images are scaled to 224 x 224 pixels, which changes the shape of those that are not square.

    With a region, the mean is over pairs of patches of 8 x 8 pixels in it, weighted by how much of them it covers, so
    that the size of the mask does not matter. The attention that made the keys has seen the whole image: outside the
    region both have the source's pixels, so that nothing of the edited image there has a say, and a region that is the
    same in both is at 0.

    Options:
        variant: none, or pie-bench: PIE-Bench's script, which normalises pixels in 0 to 255 as if they were in 0 to 1,
            and paints what lies outside a region black instead of leaving it out.

    Source: Tumanyan et al., Splicing ViT features for semantic appearance transfer, CVPR 2022, arXiv:2201.00424; as a
    measure of edits: Ju et al., PnP Inversion, ICLR 2024, arXiv:2310.01506.

    >>> StructureDistance().checkpoints()
    ('dino-vit-b-8',)
    """

    name, version = "structure_distance", 2
    title = "distance of structure (DINO)"
    model_name: Model = "ViT-B-8"
    dimensions = (Dimension("structure_distance", low=0, high=4, higher_is_better=False, primary=True),)
    paper = "Tumanyan et al., Splicing ViT features for semantic appearance transfer, CVPR 2022, arXiv:2201.00424"

    def __init__(self, *, variant: Literal["none", "pie-bench"] = "none", **shared: Any) -> None:
        super().__init__(**shared)
        self.variant = variant
        self.black_outside = variant == "pie-bench"

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "preprocessing": PREPROCESSING}

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        levels = 255.0 if self.variant == "pie-bench" else 1.0
        return structure_distance(source, edited, self.module, mask, levels=levels)
