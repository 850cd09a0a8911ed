"""How fast image regressors train: a head on kept features, and a whole ResNet-50 beside a plain loop of timm.

    python -m tests.speed.regressors                 # all three: some fifteen minutes of one core
    python -m tests.speed.regressors --only head     # the head of `probe` on features of 10,000 images
    python -m tests.speed.regressors --only fit      # the whole command on 10,000 files whose features are kept
    python -m tests.speed.regressors --only epoch    # an epoch of a ResNet-50, beside timm

Features are random numbers of the size that `probe` keeps of a square image; files are one picture of 512 pixels, each
with a comment of its own. The epoch is of few images, and a ratio: ours, with reading, views, checks and records of the
loop, to a loop of timm's parts, in turns. Seconds are those of the processor: they hold on a busy machine.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from editmetrics import create_metric
from editmetrics.mllm.loop import train
from editmetrics.mllm.recipe import Recipe, TrainingRun
from editmetrics.plugins.image_regressor.fit import start_backbone
from editmetrics.plugins.image_regressor.learner import ImageLesson, ImageLessons, RegressorLearner, Targets
from editmetrics.plugins.image_regressor.method import Presets
from editmetrics.plugins.image_regressor.network import RegressorNetwork
from editmetrics.plugins.image_regressor.reading import named_recipe
from editmetrics.plugins.image_regressor.store import KeptFeatures
from editmetrics.plugins.image_regressor.views import scaled_image
from editmetrics.testing import toys

QUALITY = Targets(("visual_quality",), frozenset())


def head_seconds(images: int) -> float:
    """Return the seconds that the preset `probe` trains on features that are there, without validation."""
    method, recipe = Presets()["probe"]
    network = RegressorNetwork(named_recipe("probe"))
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
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        train(learner, lessons, TrainingRun(recipe, Path(folder)), collate=learner.collate)
        return time.process_time() - start


def fit_seconds(images: int) -> float:
    """Return the seconds of the whole `fit` of the preset `probe` on files whose features are kept."""
    folder = Path(tempfile.mkdtemp())
    table = _rated_files(folder, images)
    random = np.random.default_rng(0)

    def drawn(self: KeptFeatures, several: Sequence[object]) -> list[np.ndarray]:
        self.shapes = [(self.network.body.width,)]
        return [random.standard_normal((1, self.network.body.width), dtype=np.float32) for _ in several]

    def fit(name: str, **settings: object) -> float:
        start = time.process_time()
        create_metric("image_regressor", device="cpu").fit(
            table, targets={"visual_quality": "mos"}, group=None, output_dir=folder / name, preset="probe",
            pretrained="random", **settings,
        )  # fmt: skip
        return time.process_time() - start

    with mock.patch.object(KeptFeatures, "_compute", drawn):  # in place of ResNet-50, whose features these are
        fit("first", epochs=0.1, baseline=False)
        return fit("second")


def _rated_files(folder: Path, images: int) -> Path:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(toys.picture(0, 512, 512)).save(file, "JPEG", quality=90)
    start, rest = file.getvalue()[:2], file.getvalue()[2:]
    random = np.random.default_rng(0)
    with (folder / "rated.csv").open("w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        rows.writerow(["id", "edited", "mos"])
        for index in range(images):
            comment = b"%08d" % index
            (folder / f"{index}.jpg").write_bytes(start + b"\xff\xfe\x00\x0a" + comment + rest)
            rows.writerow([index, f"{index}.jpg", f"{random.uniform(0, 100):.3f}"])
    return folder / "rated.csv"


def epoch_seconds(images: int, batch: int, repeats: int) -> list[tuple[float, float]]:
    """Return the seconds of epochs of a ResNet-50 with a linear head: ours, and a plain loop of timm's, in turns."""
    from PIL import Image

    folder = Path(tempfile.mkdtemp())
    files = []
    for index in range(images):
        files.append(folder / f"{index}.jpg")
        Image.fromarray(toys.picture(index, 512, 512)).save(files[-1], quality=90)
    ratings = np.random.default_rng(0).uniform(0, 1, images)
    return [
        (_ours(files, ratings, batch, folder / f"run{repeat}"), _plain(files, ratings, batch))
        for repeat in range(repeats)
    ]


def _ours(files: list[Path], ratings: np.ndarray, batch: int, folder: Path) -> float:
    recipe = named_recipe("stair_iqa")
    recipe = replace(
        recipe, backbones=(replace(recipe.backbones[0], stages=(4,)),), images=replace(recipe.images, size=0, crop=224),
        body=replace(recipe.body, kind="pooled", settings={}), head=replace(recipe.head, hidden=()),
    )  # fmt: skip
    network = RegressorNetwork(recipe, backbones=[start_backbone(recipe.backbones[0], recipe, "random").module])
    lessons = ImageLessons(
        [
            lambda row=row: ImageLesson(str(row), (ratings[row],), (scaled_image(files[row], recipe.images),))
            for row in range(len(files))
        ],
        [(rating,) for rating in ratings],
    )
    learner = RegressorLearner(network, QUALITY, Presets()["stair_iqa"][0], None)
    settings = Recipe(epochs=1, batch_size=batch, dtype="float32", evaluate_every=1000)
    start = time.process_time()
    train(learner, lessons, TrainingRun(settings, folder), collate=learner.collate)
    return time.process_time() - start


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
    start = time.process_time()
    for images, targets in DataLoader(Images(), batch_size=batch, shuffle=True, drop_last=True):
        loss = (model(images)[:, 0] - targets.float()).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.process_time() - start


def main() -> None:
    """Measure, and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=("head", "fit", "epoch"), default=("head", "fit", "epoch"))
    parser.add_argument("--images", type=int, default=10_000, help="rated images of head and fit")
    parser.add_argument("--epoch-images", type=int, default=32, help="images of an epoch")
    parser.add_argument("--repeats", type=int, default=3, help="epochs of each side")
    arguments = parser.parse_args()
    epochs = Presets()["probe"][1].epochs
    print(f"{torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as home:
        os.environ["EDITMETRICS_HOME"] = home
        if "head" in arguments.only:
            seconds = head_seconds(arguments.images)
            print(f"head of probe, {arguments.images:,} images, {epochs:g} epochs: {seconds:.1f} s", flush=True)
        if "fit" in arguments.only:
            seconds = fit_seconds(arguments.images)
            print(f"fit of probe, {arguments.images:,} files, features kept: {seconds:.1f} s", flush=True)
        if "epoch" in arguments.only:
            pairs = epoch_seconds(arguments.epoch_images, 8, arguments.repeats)
            ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(plain / own for own, plain in pairs)
            print(f"ResNet-50, {arguments.epoch_images} images: {ours:.1f} s, timm {theirs:.1f} s: {ratio:.2f}x")


if __name__ == "__main__":
    main()
