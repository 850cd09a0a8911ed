"""How fast image regressors train: a head on kept features, and a whole ResNet-50 beside a plain loop of timm.

    python -m tests.speed.regressors             # both: some ten minutes of two cores
    python -m tests.speed.regressors --head      # 10,000 images' features, a head

The features are random numbers of the size that `probe` keeps of a square image. The epoch is of few images, and a
ratio: ours, with reading, scaling, drawing views, the loop's checks and records, to a loop of timm's parts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from editmetrics.mllm.loop import train
from editmetrics.mllm.recipe import Recipe, TrainingRun
from editmetrics.plugins.image_regressor.fit import start_backbone
from editmetrics.plugins.image_regressor.learner import ImageLesson, ImageLessons, RegressorLearner, Targets
from editmetrics.plugins.image_regressor.method import Presets
from editmetrics.plugins.image_regressor.network import RegressorNetwork
from editmetrics.plugins.image_regressor.reading import adapted, named_recipe
from editmetrics.plugins.image_regressor.store import KeptFeatures
from editmetrics.plugins.image_regressor.views import scaled_image
from editmetrics.testing import toys

QUALITY = Targets(("visual_quality",), frozenset())


def head_seconds(images: int) -> float:
    """Return the seconds that the preset `probe` trains on features that are there, without validation."""
    method, recipe = Presets()["probe"]
    rule = named_recipe("probe")
    network = RegressorNetwork(rule)
    kept = KeptFeatures(network, ["0" * 64])
    random = np.random.default_rng(0)
    ratings = random.uniform(0, 1, images)
    kept.shapes = [(network.body.width,)]
    with kept.cache as cache:
        for start in range(0, images, 500):
            rows = random.standard_normal((500, 1, network.body.width), dtype=np.float32)
            cache.put({str(start + row): each for row, each in enumerate(rows)})
        kept._held = cache.get(map(str, range(images)))
    lessons = ImageLessons(
        [lambda row=row: ImageLesson(str(row), (ratings[row],), key=str(row)) for row in range(images)],
        [(rating,) for rating in ratings],
    )
    learner = RegressorLearner(network, QUALITY, method, kept)
    for backbone in network.backbones:
        backbone.requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(learner, lessons, TrainingRun(recipe, Path(folder)), collate=learner.collate)
        return time.perf_counter() - start


def epoch_ratio(images: int, batch: int, repeats: int) -> tuple[float, float]:
    """Return the seconds of an epoch of a ResNet-50 with a linear head: ours, and a plain loop of timm's."""
    from PIL import Image

    folder = Path(tempfile.mkdtemp())
    files = []
    for index in range(images):
        files.append(folder / f"{index}.jpg")
        Image.fromarray(toys.picture(index, 512, 512)).save(files[-1], quality=90)
    ratings = np.random.default_rng(0).uniform(0, 1, images)
    ours, theirs = [], []
    for repeat in range(repeats):
        ours.append(_ours(files, ratings, batch, folder / f"run{repeat}"))
        theirs.append(_plain(files, ratings, batch))
    return min(ours), min(theirs)


def _ours(files: list[Path], ratings: np.ndarray, batch: int, folder: Path) -> float:
    recipe = adapted(named_recipe("stair_iqa"), backbone="resnet50")
    from dataclasses import replace

    recipe = replace(
        recipe, backbones=(replace(recipe.backbones[0], stages=(4,)),), images=replace(recipe.images, size=0, crop=224),
        body=replace(recipe.body, kind="pooled", settings={}), head=replace(recipe.head, hidden=()),
    )  # fmt: skip
    backbone = start_backbone(recipe.backbones[0], recipe, "random").module
    network = RegressorNetwork(recipe, backbones=[backbone])
    lessons = ImageLessons(
        [
            lambda row=row: ImageLesson(str(row), (ratings[row],), (scaled_image(files[row], recipe.images),))
            for row in range(len(files))
        ],
        [(rating,) for rating in ratings],
    )
    learner = RegressorLearner(network, QUALITY, Presets()["stair_iqa"][0], None)
    settings = Recipe(epochs=1, batch_size=batch, dtype="float32", evaluate_every=1000)
    start = time.perf_counter()
    train(learner, lessons, TrainingRun(settings, folder), collate=learner.collate)
    return time.perf_counter() - start


def _plain(files: list[Path], ratings: np.ndarray, batch: int) -> float:
    import timm
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision import transforms

    normalised = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    chain = transforms.Compose([transforms.RandomCrop(224), transforms.ToTensor(), normalised])

    class Images(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, float]:
            return chain(Image.open(files[row]).convert("RGB")), ratings[row]

    model = timm.create_model("resnet50", pretrained=False, num_classes=1).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    start = time.perf_counter()
    for images, targets in DataLoader(Images(), batch_size=batch, shuffle=True, drop_last=True):
        loss = (model(images)[:, 0] - targets.float()).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--head", action="store_true", help="the head alone")
    parser.add_argument("--images", type=int, default=10_000, help="rated images of the head")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["EDITMETRICS_HOME"] = home
        seconds = head_seconds(arguments.images)
        epochs = Presets()["probe"][1].epochs
        print(f"head of probe, {arguments.images:,} images, {epochs:g} epochs: {seconds:.1f} s")
        if not arguments.head:
            ours, theirs = epoch_ratio(32, 8, 2)
            print(f"ResNet-50, an epoch of 32 images: ours {ours:.1f} s, timm {theirs:.1f} s: {ours / theirs:.2f}x")


if __name__ == "__main__":
    main()
