"""Metrics without torch that count what they are asked, and folders of small images."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from editmetrics import Dimension, Metric, Sample, Score
from editmetrics.images import read_image

_LOCK = threading.Lock()


class Brightness(Metric):
    """Mean of the edited image, in grey levels. Keeps the sizes of its batches in `batches`, across instances."""

    name, version = "brightness", 1
    needs = frozenset({"edited"})
    dimensions = (Dimension("brightness", low=0, high=255, primary=True),)
    concurrent = False
    batches: ClassVar[list[int]] = []

    def __init__(self, *, offset: float = 0.0) -> None:
        self.offset = offset

    def prepare(self, sample):
        return read_image(sample.edited)

    def score_batch(self, batch):
        with _LOCK:
            type(self).batches.append(len(batch))
        return [Score({"brightness": item.mean() + self.offset}) for item in batch]


class InlineBrightness(Brightness):
    """The same, scored in the worker threads."""

    name = "inline_brightness"
    dimensions = (Dimension("brightness", low=0, high=255, primary=True),)
    concurrent = True
    batches: ClassVar[list[int]] = []


class Captioned(Metric):
    """Two dimensions of a prompt, one of which some prompts have not; with explanation and uncertainty."""

    name, version = "captioned", 3
    needs = frozenset({"edited", "prompt"})
    dimensions = (
        Dimension("length", low=0, higher_is_better=True, primary=True),
        Dimension("vowels", low=0, higher_is_better=False),
    )
    calls = 0

    def prepare(self, sample):
        return sample.prompt

    def score_batch(self, batch):
        type(self).calls += len(batch)
        return [self._one(prompt) for prompt in batch]

    def _one(self, prompt):
        if "refuse" in prompt:
            return Score.unscored("refused", "would rather not", details={"answer": "no"})
        if "half" in prompt:
            return Score({"length": len(prompt)}, status="unparseable", reason="no vowels told")
        vowels = sum(letter in "aeiou" for letter in prompt)
        return Score(
            {"length": len(prompt), "vowels": vowels}, explanation=f"read {prompt!r}", uncertainty={"vowels": 0.5}
        )


def write_images(folder: Path, count: int, size: tuple[int, int] = (8, 6)) -> list[Path]:
    """`count` PNG files 00.png, 01.png, ... each of one grey level."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:02d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(np.full((size[1], size[0], 3), 10 * index, np.uint8)).save(path)
    return paths


def samples_of(paths: list[Path], **fields) -> list[Sample]:
    return [Sample(path.stem, edited=path, **fields) for path in paths]
