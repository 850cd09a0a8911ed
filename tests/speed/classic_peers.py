"""The classic metrics of other libraries, called so that they compute what ours do: for `tests/speed/classic.py`.

Each function gives the calls of one library by the name of a case; all take (source, edited), two tensors (N, C, H, W)
in [0, 1], and give a value for each pair. What a library has not, or computes otherwise, is not there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editmetrics import weights
from editmetrics.bases.pixels import convert_channels
from editmetrics.plugins import dists, lpips
from editmetrics.plugins.fsim import fsim
from editmetrics.plugins.gmsd import gmsd
from editmetrics.plugins.mae import mae
from editmetrics.plugins.ms_ssim import ms_ssim
from editmetrics.plugins.psnr import mse, psnr
from editmetrics.plugins.ssim import ssim
from editmetrics.plugins.vif import vif

Call = Callable[[Tensor, Tensor], Any]
NETWORKS = ("lpips", "dists", "dists 256")
"""The cases that need a network's weights: random ones, the same for all libraries."""


def ours(device: str) -> dict[str, Call]:
    def y8(metric: Call, source: Tensor, edited: Tensor) -> Any:
        return metric(convert_channels(source, "y8"), convert_channels(edited, "y8"))

    calls: dict[str, Call] = {
        "mse": mse,
        "mae": mae,
        "psnr": psnr,
        "ssim luma": ssim,
        "ssim y8": partial(y8, ssim),
        "ssim": ssim,
        "ssim padded": partial(ssim, padding="reflect"),
        "ms_ssim luma": partial(ms_ssim, convention="piq"),
        "ms_ssim": partial(ms_ssim, convention="piq"),
        "ms_ssim padded": partial(ms_ssim, convention="torchmetrics"),
        "fsim": partial(fsim, convention="piq"),
        "fsimc": partial(fsim, convention="piq", chromatic=True),
        "gmsd": gmsd,
        "gmsd y8": partial(y8, gmsd),
        "vif": vif,
    }

    def with_network(load: Callable[[], Any], compare: Callable[..., Any]) -> Call:
        @cache
        def network() -> Any:
            random_weights()
            return load().to(device)

        return lambda source, edited: compare(source, edited, network())

    def scaled(source: Tensor, edited: Tensor, network: Any) -> Any:
        return dists.dists(dists.scaled(source, "piq"), dists.scaled(edited, "piq"), network)

    return calls | {
        "lpips": with_network(lpips.LPIPS().read_network, lpips.lpips),
        "dists": with_network(dists.DISTS().read_network, dists.dists),
        "dists 256": with_network(dists.DISTS().read_network, scaled),
    }


def piq_metrics(device: str) -> dict[str, Call]:
    import piq

    each = {"reduction": "none"}
    similarity = partial(piq.ssim, downsample=False, **each)
    return {
        "psnr": partial(piq.psnr, **each),
        "ssim luma": similarity,
        "ssim": similarity,
        "ms_ssim luma": partial(piq.multi_scale_ssim, **each),
        "ms_ssim": partial(piq.multi_scale_ssim, **each),
        "fsim": partial(piq.fsim, chromatic=False, **each),
        "fsimc": partial(piq.fsim, **each),
        "gmsd": partial(piq.gmsd, **each),
        "vif": lambda source, edited: piq.vif_p(edited, source, **each),
        "dists 256": later(lambda: piq.DISTS(**each).to(device)),
    }


def torchmetrics_metrics(device: str) -> dict[str, Call]:
    import torchmetrics.functional as general
    from torchmetrics.functional import image

    def pixels(metric: Call, source: Tensor, edited: Tensor) -> Any:
        return metric(edited.flatten(1).T.contiguous(), source.flatten(1).T.contiguous())

    def alexnet() -> Call:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        # The functional form reads its network anew at each call, which is not the time of the metric.
        network = LearnedPerceptualImagePatchSimilarity(net_type="alex").to(device).net
        return lambda source, edited: network(source, edited, normalize=True)

    def vgg() -> Call:
        from torchmetrics.functional.image.dists import DISTSNetwork

        return with_channels(DISTSNetwork(load_weights=False).to(device))

    options = {"data_range": 1.0, "reduction": "none"}
    multi_scale = partial(image.multiscale_structural_similarity_index_measure, **options)
    return {
        "mse": lambda x, y: pixels(partial(general.mean_squared_error, num_outputs=len(x)), x, y),
        "mae": lambda x, y: pixels(partial(general.mean_absolute_error, num_outputs=len(x)), x, y),
        "psnr": partial(image.peak_signal_noise_ratio, data_range=1.0, dim=(1, 2, 3), reduction="none"),
        "ssim padded": partial(image.structural_similarity_index_measure, **options),
        "ms_ssim padded": multi_scale,
        "vif": lambda source, edited: image.visual_information_fidelity(
            255 * edited, 255 * source, sigma_n_sq=2.0, reduction="none"
        ),
        "lpips": later(alexnet),
        "dists": later(vgg),
    }


def skimage_metrics(device: str) -> dict[str, Call]:
    import numpy as np
    from skimage import metrics

    def each(function: Callable[..., Any], source: Tensor, edited: Tensor, **options: Any) -> Tensor:
        pairs = zip(*(images.permute(0, 2, 3, 1).numpy() for images in (source, edited)), strict=True)
        return torch.tensor(np.array([function(*pair, **options) for pair in pairs]))

    window = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity = partial(each, metrics.structural_similarity, data_range=1.0, **window)
    return {
        "mse": partial(each, metrics.mean_squared_error),
        "psnr": partial(each, metrics.peak_signal_noise_ratio, data_range=1.0),
        "ssim luma": similarity,
        "ssim": similarity,
    }


def pyiqa_metrics(device: str) -> dict[str, Call]:
    import pyiqa

    def vgg() -> Call:
        from pyiqa.archs.dists_arch import DISTS

        return with_channels(DISTS(pretrained=False).to(device))

    create = partial(pyiqa.create_metric, device=device)
    return {
        "psnr": create("psnr"),
        "ssim y8": create("ssim"),
        "ssim": create("ssimc"),
        "ms_ssim": create("ms_ssim", test_y_channel=False),
        "fsimc": create("fsim"),
        "gmsd y8": create("gmsd"),
        "dists": later(vgg),
    }


def lpips_metrics(device: str) -> dict[str, Call]:
    """The package of LPIPS' authors."""
    from lpips import LPIPS

    return {"lpips": later(lambda: partial(LPIPS(net="alex", verbose=False).to(device), normalize=True))}


def libraries(device: str) -> dict[str, dict[str, Call]]:
    """Ours and those of the others that are installed, by name."""
    found = {"editmetrics": ours(device)}
    makers = {"piq": piq_metrics, "torchmetrics": torchmetrics_metrics, "pyiqa": pyiqa_metrics, "lpips": lpips_metrics}
    if device == "cpu":
        makers["skimage"] = skimage_metrics
    for name, make in makers.items():
        try:
            found[name] = make(device)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return found


def later(make: Callable[[], Call]) -> Call:
    """A call that is made at its first use, when the random weights are where libraries look for downloads."""

    @cache
    def made() -> Call:
        random_weights()
        return make()

    return lambda source, edited: made()(source, edited)


def with_channels(network: Any) -> Call:
    """A DISTS with random weights of its channels, the same for each library."""
    for name, tensor in torch.load(random_weights() / "weights.pt", weights_only=True).items():
        getattr(network, name).data = tensor.to(next(network.parameters()).device)
    return lambda source, edited: network(source, edited)


@cache
def random_weights() -> Path:
    """A folder of random backbones and channels, where torchvision and ours find them for the rest of the process."""
    from tests.random_checkpoints import write_random_checkpoint

    keep = random_weights.__dict__.setdefault("keep", [])
    keep.append(tempfile.TemporaryDirectory())
    folder = Path(keep[0].name, "hub", "checkpoints")
    for name in (lpips.CHECKPOINTS["alex"], dists.BACKBONE):
        write_random_checkpoint(name, folder)
    generator = torch.Generator().manual_seed(1)
    drawn = {name: torch.rand(1, sum(dists.CHANNELS), 1, 1, generator=generator) for name in ("alpha", "beta")}
    total = sum(tensor.sum() for tensor in drawn.values())  # what piq downloads sums up to 1 already
    drawn = {name: tensor / total for name, tensor in drawn.items()}
    for name in ("weights.pt", "dists_weights.pt"):
        torch.save(drawn, folder / name)
    os.environ["TORCH_HOME"] = keep[0].name
    for name in (lpips.CHECKPOINTS["alex"], dists.BACKBONE, dists.WEIGHTS):
        substituted = weights.substitute(name, folder)
        substituted.__enter__()
        keep.append(substituted)
    return folder
