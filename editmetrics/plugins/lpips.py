"""LPIPS: the distance between two images in the features of a network, weighted as people judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import FullReference
from ..bases.network import HasNetwork
from ..bases.pixels import check_pair, check_shapes, region_mean, same_outside
from ..options import with_variant
from ..sample import Dimension

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

Net = Literal["alex", "vgg", "squeeze"]

CHECKPOINTS: dict[Net, str] = {"alex": "lpips-alexnet", "vgg": "lpips-vgg16", "squeeze": "lpips-squeezenet"}
SMALLEST: dict[Net, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Smallest side, in pixels, that leaves a position in the network's last layer."""


def lpips(source: Tensor, edited: Tensor, network: Any, mask: Tensor | None = None) -> Tensor:
    """Learned perceptual image patch similarity, a distance without unit; lower is closer, 0 is identical.

    d = sum over layers l of mean over positions (h, w) of w_l · (f_l(source) - f_l(edited))²

    where f_l are the features of layer l, scaled to unit length at each position, and w_l the learned weights of its
    channels. With a mask, the mean over positions is weighted by the share of each position's cell that the mask
    covers. A position sees some way beyond its cell, which normalised convolution cannot undo: the edited image first
    gets the source's pixels outside the mask, which are then the surroundings of both (see `pixels.same_outside`).

    `source`, `edited`: (N, 3, H, W), RGB in [0, 1], with H and W at least 31 for alex, 16 for vgg, 17 for squeeze.
    `network`: an `lpips.LPIPS`, as `LPIPS.read_network` gives it. `mask`: (N, 1, H, W), bool or weights of at least 0.
    Returns (N,), one value per pair. Raises `SampleError` for smaller images and for an empty mask. Differentiable.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018, eq. 1.

    >>> import torch
    >>> from editmetrics.testing import offline_weights
    >>> with offline_weights(["lpips-squeezenet"]):
    ...     network = LPIPS(net="squeeze").read_network()
    >>> lpips(torch.zeros(2, 3, 32, 32), torch.zeros(2, 3, 32, 32), network)
    tensor([0., 0.])
    """
    import torch.nn.functional as F
    from lpips import normalize_tensor

    check_pair("lpips", source, SMALLEST[network.pnet_type], f"the least that the {network.pnet_type} network can see")
    check_shapes(source, edited, mask)
    edited = same_outside(source, edited, mask)
    features = zip(*(network.net(network.scaling_layer(2 * images - 1)) for images in (source, edited)), strict=True)
    distance = source.new_zeros(len(source))
    for weigh, (of_source, of_edited) in zip(network.lins, features, strict=True):
        difference = weigh((normalize_tensor(of_source) - normalize_tensor(of_edited)) ** 2)
        covered = None if mask is None else F.adaptive_avg_pool2d(mask.to(source.dtype), difference.shape[-2:])
        distance = distance + region_mean(difference, covered)
    return distance


class LPIPS(HasNetwork, FullReference):
    """Learned perceptual image patch similarity of the edited image to the source, a distance; lower is closer.

    The squared difference of a network's features, scaled to unit length, weighted per channel as people judge patches,
    averaged over positions and summed over layers; 0 for identical images. With a region, each layer's average is
    weighted by the mask, pooled to that layer's size. Features see beyond it: outside the region both images have the
    source's pixels, so that nothing of the edited image there has a say, and a region that is the same in both is at 0.
    Where a region is narrower than what features see (up to 195 pixels), that lowers its distance: noise in a band of
    48 pixels, by alex, to about three quarters of the same noise everywhere, by vgg and squeeze to nine tenths or more.

    Version 0.1 of the authors' weights. Equals `lpips.LPIPS(net=...)` of the package, given images in [-1, 1].

    Options:
        net: The network: alex (the authors' choice for a metric), vgg (their choice for a loss) or squeeze.
        variant: none, or pie-bench: PIE-Bench's script, which uses net=squeeze, paints what lies outside a region black
            and takes the mean over all positions, so that the number depends on the mask's size.

    Source: Zhang et al., CVPR 2018, arXiv:1801.03924; code and weights, https://github.com/richzhang/PerceptualSimilarity

    >>> LPIPS(net="vgg").checkpoints()
    ('lpips-vgg16',)
    """

    name, version = "lpips", 2
    title = "learned perceptual distance"
    dimensions = (Dimension("lpips", low=0, higher_is_better=False, primary=True, description="perceptual distance"),)
    paper = "Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018"
    licence = "BSD-2-Clause (code and heads); the backbones' terms are in 'editmetrics weights list'"
    requires = ("lpips", "torchvision")

    def __init__(self, *, net: Net = "alex", variant: Literal["none", "pie-bench"] = "none", **shared: Any) -> None:
        super().__init__(**shared)
        self.net, self.variant = net, variant
        self.black_outside = variant == "pie-bench"
        self._net: Net = with_variant(self, {"pie-bench": {"net": "squeeze"}})["net"]

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINTS[self._net],)

    def identity(self) -> dict[str, Any]:
        from .. import weights

        return {
            **super().identity(),
            "heads": {f"lpips/weights/v0.1/{self._net}.pth": weights.sha256(_heads_file(self._net))},
        }

    def network_name(self) -> str:
        return f"lpips {self._net}"

    def network(self) -> Any:
        import warnings

        import torch
        from lpips import LPIPS as Network  # noqa: N811

        with warnings.catch_warnings(), torch.device("meta"):
            warnings.filterwarnings("ignore", "The parameter 'pretrained'|Arguments other than a weight enum")
            return Network(net=self._net, pretrained=False, pnet_rand=True, verbose=False)

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return torchvision's features, the package's weights of channels, and the scaling of pixels."""
        from .. import weights

        heads = weights.load_state_dict(_heads_file(self._net))
        return {
            **{f"net.{name}": tensor for name, tensor in sliced_features(network.net, files[0]).items()},
            **heads,  # the same modules stand in a list as well:
            **{name.replace("lin", "lins.", 1): tensor for name, tensor in heads.items()},
            **{name: tensor for name, tensor in network.state_dict().items() if name.startswith("scaling_layer.")},
        }

    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        return lpips(source, edited, self.module, mask)


def sliced_features(network: Any, file: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's `features` for a network that cuts them into slices whose layers keep their numbers.

    "features.3.weight" becomes "slice2.3.weight", say. A tensor without a layer in `network` keeps its name.
    """
    slices = {name.partition(".")[2]: name for name in network.state_dict()}
    features = {name.removeprefix("features."): tensor for name, tensor in file.items() if name.startswith("features.")}
    return {slices.get(name, name): tensor for name, tensor in features.items()}


def _heads_file(net: Net) -> Path:
    """Locate the weights of the layers' channels in the installed lpips package, without importing it."""
    import importlib.util
    from pathlib import Path

    from .. import weights

    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise weights.WeightsError(
            "the package lpips, which brings the weights of the layers, is missing: pip install lpips"
        )
    return Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
