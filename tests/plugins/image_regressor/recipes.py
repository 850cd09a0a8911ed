"""Recipes small enough for tests: the published ones with tiny backbones and views, and rated pictures to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from editmetrics import Sample
from editmetrics.plugins.image_regressor.reading import FOLDER
from editmetrics.testing import toys

LAYERS = 'layers = ["conv3-8/2 norm relu", "conv3-12/2 norm relu"]'

TINY = f"""
name = "tiny"
title = "Two convolutions"
parameters = 0
fusion = "absolute"

[origin]

[[backbones]]
library = "layers"
{LAYERS}

[images]
crop = 32
views = "cover"

[body]
kind = "pooled"
settings = {{ statistics = ["mean", "deviation"] }}

[head]
hidden = [16]

[training]
epochs = 3
batch_size = 8
learning_rate = 1e-2
dtype = "float32"
"""

FROZEN = TINY.replace('"tiny"', '"frozen"').replace(LAYERS, f"{LAYERS}\nfrozen = true").replace(
    "hidden = [16]", "hidden = [16]\nstandardise = true"
)  # fmt: skip


def written(folder: Path, text: str) -> str:
    """Write a recipe into a folder under its own name; returns the path, as a preset."""
    name = next(line.split('"')[1] for line in text.splitlines() if line.startswith("name"))
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def shrunk(name: str, *changes: tuple[str, str]) -> str:
    """Return the text of a built-in recipe with `changes`, each of which occurs in it."""
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{old!r} is not in the recipe {name}")
        text = text.replace(old, new)
    return text


def hatched(sources: int, side: int = 64, first: int = 0) -> list[Sample]:
    """Return pictures hatched in both diagonals: the stronger the falling one, the better they are rated.

    A mirror image of a picture rated 100 is one rated 0, and all its statistics are the same: of brightness, gradients
    along both axes, noise, frequencies. Noise of any strength is added, too.
    """
    samples = []
    down, across = np.mgrid[:side, :side]
    falling, rising = (np.cos(np.pi / 2 * (down + sign * across))[..., None] for sign in (-1, 1))
    for index in range(first, first + sources):
        random = np.random.default_rng(index)
        picture = toys.picture(index, side, side)
        for step in range(5):
            noise = random.normal(0, random.uniform(1, 6), picture.shape)
            lines = 4.0 * (step * falling + (4 - step) * rising)
            edited = np.rint((picture + noise + lines).clip(0, 255)).astype(np.uint8)
            samples.append(Sample(f"{index}_{step}", edited=edited, source=picture, meta={"mos": 25 * step}))
    return samples
