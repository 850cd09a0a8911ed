"""FID beside torch-fidelity and clean-fid: features of two folders, and the statistic of 10,000 features each.

    python -m tests.speed.sets                                  # 48 images of 64 x 64 in each folder
    python -m tests.speed.sets --images 10000 --rounds 1        # all of it, which takes hours of a core

All have the same random Inception and one thread of torch. Features are those of each tool's own pipeline: files,
decoding, resizing, network. clean-fid downloads a network in TorchScript; a trace of ours, frozen, takes its place.
Processor time, that of workers included, in turns: a busy machine moves it less than the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from editmetrics.data import ImageSet
from editmetrics.plugins.fid import FID
from editmetrics.plugins.frechet import frechet_distance, frechet_estimate
from editmetrics.plugins.inception_network import inception

BATCH = 16
Call = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--features", type=int, default=10_000, help="rows of each set, for the statistic")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folders = pictures(Path(name), arguments)
        network = random_inception()
        torch.save(network.state_dict(), Path(name, "weights.pth"))
        makers = {"torch-fidelity": torch_fidelity_features, "clean-fid": clean_fid_features}
        seen = {
            "editmetrics, clean": our_features(network, "clean"),
            "editmetrics, legacy_tensorflow": our_features(network, "legacy_tensorflow"),
            **installed(makers, network, Path(name, "weights.pth")),
        }
        calls = {tool: lambda see=see: [see(folder) for folder in folders] for tool, see in seen.items()}
        times = in_turns(calls, arguments.rounds)
    images = 2 * arguments.images
    sets = [np.random.default_rng(seed).random((arguments.features, 2048), np.float32) for seed in (0, 1)]
    summed = in_turns(statistic_calls(*sets), 1)
    print(f"\n| {arguments.size} pixels | s for 1,000 images | s for the statistic of {arguments.features:,} | all |")
    print("|---|---|---|---|")
    for tool, seconds in times.items():
        each, statistic = seconds / images, summed.get(tool.partition(",")[0], float("nan"))
        print(f"| {tool} | {1000 * each:.1f} | {statistic:.1f} | {2 * arguments.features * each + statistic:.0f} |")
    print(f"editmetrics without its interval: {summed['editmetrics without an interval']:.1f} s")


def pictures(folder: Path, arguments: argparse.Namespace) -> list[Path]:
    """Two folders of PNG files."""
    random = np.random.default_rng(0)
    folders = [folder / name for name in ("real", "generated")]
    for one in folders:
        one.mkdir()
        for index in range(arguments.images):
            pixels = random.integers(0, 256, (arguments.size, arguments.size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(one / f"{index}.png")
    return folders


def random_inception() -> torch.nn.Module:
    """Inception with random filters through which images neither fade nor explode."""
    torch.manual_seed(0)
    network = inception().eval().requires_grad_(False)
    for tensor in network.state_dict().values():
        if tensor.ndim == 4:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
    return network


def our_features(network: torch.nn.Module, mode: Any) -> Callable[[Path], Any]:
    metric = FID(mode=mode, cache=False).to("cpu")
    metric.use(inception().to(memory_format=torch.channels_last))  # as FID.read_network has it
    metric.load()
    metric.module.load_state_dict(network.state_dict())
    return lambda folder: metric.features_of(ImageSet.of(folder))


def torch_fidelity_features(network: torch.nn.Module, weights: Path) -> Callable[[Path], Any]:
    from torch_fidelity.utils import create_feature_extractor, extract_featuresdict_from_input_id

    options = {"cuda": False, "verbose": False, "cache": False, "batch_size": BATCH}
    extractor = create_feature_extractor(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights), **options
    )
    return lambda folder: extract_featuresdict_from_input_id(1, extractor, input1=str(folder), **options)


def clean_fid_features(network: torch.nn.Module, weights: Path) -> Callable[[Path], Any]:
    from cleanfid.fid import get_folder_features

    traced = torch.jit.freeze(torch.jit.trace(network, torch.zeros(BATCH, 3, 299, 299)))
    options = {"num_workers": 2, "batch_size": BATCH, "device": torch.device("cpu"), "mode": "clean", "verbose": False}
    return lambda folder: get_folder_features(str(folder), lambda images: traced((images - 128) / 128), **options)


def installed(makers: dict[str, Callable[..., Any]], *arguments: Any) -> dict[str, Any]:
    """What each of `makers` makes, without those whose library is not installed."""
    made = {}
    for name, make in makers.items():
        try:
            made[name] = make(*arguments)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return made


def statistic_calls(features: np.ndarray, reference: np.ndarray) -> dict[str, Call]:
    """The distance of two sets of features by each tool; ours with its interval and without."""

    def torch_fidelity() -> Call:
        from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

        sets = [torch.from_numpy(one) for one in (features, reference)]
        return lambda: fid_statistics_to_metric(*map(fid_features_to_statistics, sets), False)

    def clean_fid() -> Call:
        from cleanfid.fid import fid_from_feats

        return lambda: fid_from_feats(features, reference)

    return {
        "editmetrics": lambda: frechet_estimate("fid", features, reference),
        "editmetrics without an interval": lambda: frechet_distance(features, reference),
        **installed({"torch-fidelity": torch_fidelity, "clean-fid": clean_fid}),
    }


def in_turns(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """The median processor seconds of each call, in turns; a library that fails has none, and says why."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            if name not in times:
                continue
            before = processor_seconds()
            try:
                with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), torch.inference_mode():
                    call()
            except Exception as error:
                print(f"{name} fails here: {type(error).__name__}: {error}")
                del times[name]
                continue
            times[name].append(processor_seconds() - before)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def processor_seconds() -> float:
    """Those of this process and of its workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
