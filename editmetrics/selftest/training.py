"""A training of a few steps on toy data: its losses are finite and repeat, its checkpoint scores."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .rows import CheckFailed, Report

STEPS, RATED = 3, 16
AGREE = 1e-4
"""Relative: two runs of one training on one device differ by the order of sums alone."""


def check_training(report: Report, device: str) -> None:
    """Add a row: a learned metric is trained twice on toy pictures, on a device."""
    report.attempt("training", f"lmm4lmm, {STEPS} steps, twice", _train_twice(device), device, "float32")


def _train_twice(device: str) -> Callable[[], Mapping[str, float]]:
    def train() -> Mapping[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            first, second = (_losses(Path(folder) / name, device) for name in ("first", "second"))
        if len(set(first)) < 2 or not all(math.isfinite(loss) for loss in first):
            raise CheckFailed(f"the losses are {first}; expected finite numbers that a step changes")
        if len(first) != len(second) or not all(
            math.isclose(a, b, rel_tol=AGREE) for a, b in zip(first, second, strict=True)
        ):
            raise CheckFailed(f"the losses of two equal trainings are {first} and {second}")
        return {"first loss": first[0], "last loss": first[-1]}

    return train


def _losses(folder: Path, device: str) -> list[float]:
    """The losses of a short training; its checkpoint is loaded, and must score."""
    import csv

    from PIL import Image

    from ..registry import create_metric
    from ..testing import toys

    folder.mkdir()
    with open(folder / "ratings.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "edited", "prompt", "perception"])
        for seed in range(RATED):
            picture = toys.picture(seed, 64, 64)
            Image.fromarray(picture).save(folder / f"{seed}.png")
            table.writerow([f"s{seed}", f"{seed}.png", f"disc {seed}", round(float(picture.mean()) / 2.55, 2)])
    metric: Any = create_metric("lmm4lmm", backbone="toy-internvl", device=device)
    trained = metric.fit(
        folder / "ratings.csv", targets={"perception": "perception"}, output_dir=folder / "run", preset="toy",
        level_steps=STEPS, steps=STEPS, evaluate_every=STEPS, dropout=0.0, baseline=False,
    )  # fmt: skip
    (score,) = trained.score([toys.sample(0, 64, 64)])
    if score.status != "ok":
        raise CheckFailed(f"the trained checkpoint does not score: {score.status}: {score.reason}")
    lines = [json.loads(line) for line in (folder / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    return [float(line["loss"]) for line in lines if line.get("loss") is not None]
