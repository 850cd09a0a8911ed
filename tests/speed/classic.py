"""How fast the classic metrics are beside piq, torchmetrics, and pyiqa and scikit-image where they are installed.

    python tests/speed/classic.py [--device cuda] [--sizes 512 1024] [--batches 1 16] [--threads 1]

For each metric, all libraries compute the same thing: their values are compared first, and one that differs by more
than 1e-4 (psnr: 1e-3 dB) is listed as such and not timed. Runs alternate between the libraries, so that a busy machine
is busy for all; the table has the median milliseconds per pair, and in brackets how many times ours that is.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from editmetrics.plugins.fsim import fsim
from editmetrics.plugins.gmsd import gmsd
from editmetrics.plugins.ms_ssim import ms_ssim
from editmetrics.plugins.psnr import psnr
from editmetrics.plugins.ssim import ssim

Call = Callable[[torch.Tensor, torch.Tensor], object]
LARGEST_BATCH = 2**24  # pixels; above it the others' temporaries do not fit into a small machine


def ours() -> dict[str, Call]:
    return {
        "psnr": psnr,
        "ssim (luma)": ssim,
        "ssim": ssim,
        "ssim (padded)": partial(ssim, padding="reflect"),
        "ms_ssim": partial(ms_ssim, convention="piq"),
        "fsim": partial(fsim, convention="piq"),
        "fsimc": partial(fsim, convention="piq", chromatic=True),
        "gmsd": gmsd,
    }


def piq_metrics() -> dict[str, Call]:
    import piq

    return {
        "psnr": partial(piq.psnr, reduction="none"),
        "ssim (luma)": partial(piq.ssim, downsample=False, reduction="none"),
        "ssim": partial(piq.ssim, downsample=False, reduction="none"),
        "ms_ssim": partial(piq.multi_scale_ssim, reduction="none"),
        "fsim": partial(piq.fsim, chromatic=False, reduction="none"),
        "fsimc": partial(piq.fsim, reduction="none"),
        "gmsd": partial(piq.gmsd, reduction="none"),
    }


def torchmetrics_metrics() -> dict[str, Call]:
    from torchmetrics.functional import image

    similarity = {"data_range": 1.0, "reduction": "none"}
    return {
        "psnr": partial(image.peak_signal_noise_ratio, data_range=1.0, dim=(1, 2, 3), reduction="none"),
        "ssim (padded)": partial(image.structural_similarity_index_measure, **similarity),
        "ms_ssim": partial(image.multiscale_structural_similarity_index_measure, **similarity),
    }


def skimage_metrics() -> dict[str, Call]:
    import numpy as np
    from skimage import metrics

    def each(function, x, y, **options):
        pairs = zip(x.permute(0, 2, 3, 1).numpy(), y.permute(0, 2, 3, 1).numpy(), strict=True)
        return torch.tensor(np.array([function(*pair, data_range=1.0, **options) for pair in pairs]))

    window = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity = partial(each, metrics.structural_similarity, **window)
    return {
        "psnr": partial(each, metrics.peak_signal_noise_ratio),
        "ssim (luma)": similarity,
        "ssim": similarity,
    }


def pyiqa_metrics(device: str) -> dict[str, Call]:
    import pyiqa

    create = partial(pyiqa.create_metric, device=device)
    return {
        "psnr": create("psnr"),
        "ssim": create("ssimc"),
        "ms_ssim": create("ms_ssim", test_y_channel=False),
        "fsimc": create("fsim"),
        "gmsd": create("gmsd"),
    }


def libraries(device: str) -> dict[str, dict[str, Call]]:
    found = {"editmetrics": ours()}
    makers = {"piq": piq_metrics, "torchmetrics": torchmetrics_metrics, "pyiqa": partial(pyiqa_metrics, device)}
    if device == "cpu":
        makers["skimage"] = skimage_metrics
    for name, make in makers.items():
        try:
            found[name] = make()
        except ImportError:
            print(f"{name} is not installed")
    return found


def pair(size: int, batch: int, device: str, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth shapes and the same with noise: random pixels alone would be like no photograph."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, channels, 24, 24, generator=generator)
    source = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    edited = (source + 0.05 * torch.randn(source.shape, generator=generator)).clamp(0, 1)
    return source.to(device), edited.to(device)


def agrees(metric: str, value: object, expected: torch.Tensor) -> bool:
    got = torch.as_tensor(value, dtype=torch.float64).flatten().cpu()
    return bool((got - expected.double().cpu()).abs().max() <= (1e-3 if metric == "psnr" else 1e-4))


def milliseconds(call: Call, images: tuple[torch.Tensor, torch.Tensor]) -> float:
    start = time.perf_counter()
    call(*images)
    if images[0].is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3 / len(images[0])


def row(metric: str, found: dict[str, dict[str, Call]], size: int, batch: int, device: str, seconds: float) -> str:
    images = pair(size, batch, device, channels=1 if "luma" in metric else 3)
    expected = found["editmetrics"][metric](*images)
    timed: dict[str, list[float]] = {}
    said: dict[str, str] = {}
    for name, metrics in found.items():
        if metric not in metrics:
            said[name] = "-"
        elif not agrees(metric, metrics[metric](*images), expected):
            said[name] = "differs"
        else:
            timed[name] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(timed["editmetrics"]) < 3:
        for name, times in timed.items():
            times.append(milliseconds(found[name][metric], images))
    medians = {name: statistics.median(times) for name, times in timed.items()}
    for name, median in medians.items():
        said[name] = f"{median:.2f} ({median / medians['editmetrics']:.1f}x)"
    return f"{metric:13} {size:5} {batch:3}  " + "  ".join(f"{said[name]:>16}" for name in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--metrics", nargs="+", default=list(ours()))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=3, help="for each row of the table")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = libraries(options.device)
    print(f"torch {torch.__version__}, {options.device}, {options.threads} threads; milliseconds per pair")
    print(f"{'metric':13} {'size':>5} {'n':>3}  " + "  ".join(f"{name:>16}" for name in found))
    with torch.inference_mode():
        for metric in options.metrics:
            for size in options.sizes:
                for batch in options.batches:
                    if size * size * batch <= LARGEST_BATCH:
                        print(row(metric, found, size, batch, options.device, options.seconds), flush=True)


if __name__ == "__main__":
    main()
