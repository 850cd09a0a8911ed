"""DISTS: the distance between two images in structure and texture; resampled texture, such as grass, stays close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.network import HasNetwork
from ..bases.pixels import check_pair, check_shapes, region_mean, same_outside
from ..sample import Dimension
from ..transfer import constant
from .dino import normalized
from .lpips import sliced_features

if TYPE_CHECKING:
    from torch import Tensor

Scale = Literal["256", "none", "piq"]

BACKBONE, WEIGHTS = "lpips-vgg16", "dists"
STAGES = (4, 9, 16, 23, 30)
"""Where each stage of VGG-16 ends among torchvision's `features`: the last ReLU before a pooling, and that pooling."""

CHANNELS = (3, 64, 128, 256, 512, 512)
C1 = C2 = 1e-6


def dists(source: Tensor, edited: Tensor, network: Any, mask: Tensor | None = None) -> Tensor:
    """Deep image structure and texture similarity, a distance without unit in [0, 1]; lower is closer, 0 is identical.

    d = 1 - sum over stages i and channels j of alpha_ij l(x_ij, y_ij) + beta_ij s(x_ij, y_ij)

        l = (2 μx μy + c1) / (μx² + μy² + c1)        s = (2 σxy + c2) / (σx² + σy² + c2)

    where x_ij, y_ij are the channels of the images themselves (i = 0) and of five stages of VGG-16 with L2 pooling, and
    means, variances and covariance are over all positions. With a mask they are weighted by the share of each
    position's cell that the mask covers. A position sees some way beyond its cell, which normalised convolution cannot
    undo: the edited image first gets the source's pixels outside the mask (see `pixels.same_outside`).

    `source`, `edited`: (N, 3, H, W), RGB in [0, 1], of at least 16 x 16 pixels. `network`: as `DISTS.read_network`
    gives it. `mask`: (N, 1, H, W), bool or weights of at least 0. Returns (N,). Raises `SampleError` for smaller images
    and for an empty mask. Differentiable.

    Source: Ding et al., Image quality assessment: unifying structure and texture similarity, TPAMI 2022,
    with the constants of the authors' code.

    >>> import torch
    >>> class Pixels:  # the images alone, in the place of a network
    ...     alpha = beta = (torch.ones(3),)
    ...     def __call__(self, images): return [images]
    >>> dists(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16), Pixels())  # no mean alike, no structure in either
    tensor([0.5000])
    """
    import torch.nn.functional as F

    check_pair("dists", source, 16, "its network halves the size four times")
    check_shapes(source, edited, mask)
    edited = same_outside(source, edited, mask)
    similar = source.new_zeros(len(source))
    total = sum(weights.sum() for weights in (*network.alpha, *network.beta))
    stages = zip(network(source), network(edited), network.alpha, network.beta, strict=True)
    for x, y, alpha, beta in stages:
        covered = None if mask is None else F.adaptive_avg_pool2d(mask.to(x.dtype), x.shape[-2:])
        mean_x, mean_y = channel_means(x, covered), channel_means(y, covered)
        # the authors' covariance is E[xy] - E[x] E[y]; centred first, it is the same and loses no digits
        x, y = x - mean_x[..., None, None], y - mean_y[..., None, None]
        variance_x, variance_y = channel_means(x * x, covered), channel_means(y * y, covered)
        covariance = channel_means(x * y, covered)
        luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
        structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
        similar = similar + (luminance * alpha + structure * beta).sum(1) / total
    return 1 - similar


def channel_means(maps: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of each channel of (N, C, H, W) over the positions, or weighted by (N, 1, H, W): (N, C)."""
    items, channels = maps.shape[:2]
    planes = maps.reshape(items * channels, 1, *maps.shape[2:])
    repeated = None if weights is None else weights.repeat_interleave(channels, 0)
    return region_mean(planes, repeated).view(items, channels)


def build_network() -> Any:
    """Build VGG-16 with L2 pooling and weights of channels: a module from images to six feature maps."""
    import torch
    from torch import nn
    from torchvision.models import vgg16

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            features = vgg16(weights=None).features
            starts = (0, *(stage + 1 for stage in STAGES[:-1]))
            self.stages = nn.ModuleList(features[start:stop] for start, stop in zip(starts, STAGES, strict=True))
            self.alpha, self.beta = (nn.ParameterList(torch.empty(count) for count in CHANNELS) for _ in range(2))

        def forward(self, images: Tensor) -> list[Tensor]:
            maps = [images]
            state = normalized(images)
            for number, stage in enumerate(self.stages):
                state = stage(l2_pool(state) if number else state)
                maps.append(state)
            return maps

    with torch.device("meta"):
        return Network()


def l2_pool(maps: Tensor) -> Tensor:
    """Halve the size by the root of the mean of squares under a 3 x 3 Hann window, (N, C, H, W) to (N, C, ceil, ceil).

    >>> import torch
    >>> l2_pool(torch.full((1, 1, 6, 6), 3.0))[0, 0, 1, 1]
    tensor(3.)
    """
    import torch
    import torch.nn.functional as F

    row = constant((0.25, 0.5, 0.25), maps)  # numpy.hanning(5)[1:-1], which sums up to 2
    window = torch.outer(row, row).expand(maps.shape[1], 1, 3, 3)
    return (F.conv2d(maps.square(), window, stride=2, padding=1, groups=maps.shape[1]) + 1e-12).sqrt()


def scaled(images: Tensor, scale: Scale) -> Tensor:
    """Scale images (N, C, H, W) down to a shorter side of 256 pixels.

    "256" is antialiased bilinear, as the authors' script has it by Pillow; "piq" bilinear without antialiasing.
    """
    import torch.nn.functional as F

    height, width = images.shape[-2:]
    shorter = min(height, width)
    if scale == "none" or shorter <= 256:
        return images
    if scale == "piq":
        return F.interpolate(images, scale_factor=256 / shorter, recompute_scale_factor=False, mode="bilinear")
    size = (round(256 * height / shorter), round(256 * width / shorter))
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


class DISTS(HasNetwork, FullReference):
    """Deep image structure and texture similarity of the edited image to the source, a distance in [0, 1]; 0 is same.

    1 minus a weighted sum of the similarities of means (texture) and of correlations (structure) of each channel of the
    image and of five stages of VGG-16, over all positions: another patch of the same texture is close. Images whose
    shorter side is over 256 pixels are scaled down to it first, as in the paper.

    With a region, means and correlations are over the region, weighted by the mask pooled to each stage's size, so that
    the size of the mask does not matter. Features see beyond it: outside the region both images have the source's
    pixels, so that nothing of the edited image there has a say, and a region that is the same in both is at 0 to 1e-6.

    Options:
        scale: 256 (the paper's: the shorter side is scaled down to 256 pixels, antialiased bilinear), none (pyiqa's and
            torchmetrics': as they are), or piq (256, without antialiasing).

    Source: Ding, Ma, Wang, Simoncelli, TPAMI 2022, arXiv:2004.07728; weights, https://github.com/dingkeyan93/DISTS
    (MIT)

    >>> DISTS().checkpoints()
    ('lpips-vgg16', 'dists')
    """

    name, version = "dists", 2
    title = "structure and texture distance"
    dimensions = (Dimension("dists", low=0, high=1, higher_is_better=False, primary=True),)
    paper = (
        "Ding, Ma, Wang, Simoncelli, Image quality assessment: unifying structure and texture similarity, TPAMI 2022, "
        "arXiv:2004.07728"
    )
    licence = "MIT (code and weights of the channels); VGG's terms are in 'editmetrics weights list'"
    requires = ("torchvision",)

    def __init__(self, *, scale: Scale = "256", **shared: Any) -> None:
        super().__init__(**shared)
        self.scale = scale

    def checkpoints(self) -> tuple[str, ...]:
        return (BACKBONE, WEIGHTS)

    def network_name(self) -> str:
        return self.name

    def network(self) -> Any:
        return build_network()

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return torchvision's features, and the weights of channels, whose file has one row for all stages."""
        backbone, channels = files
        stages = {f"stages.{name}": tensor for name, tensor in sliced_features(network.stages, backbone).items()}
        rows = {name: channels[name].flatten().split(CHANNELS) for name in ("alpha", "beta")}
        return stages | {f"{name}.{stage}": row for name, split in rows.items() for stage, row in enumerate(split)}

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        source, edited = scaled(source, self.scale), scaled(edited, self.scale)
        if mask is not None:
            import torch.nn.functional as F

            height, width = source.shape[-2:]
            mask = F.adaptive_avg_pool2d(mask.to(source.dtype), (height, width))
        return dists(source, edited, self.module, mask)
