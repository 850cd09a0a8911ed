"""Toy data, made in milliseconds and the same on every machine: pictures, edits, ladders of degradation, samples.

The pictures have what metrics look at in photographs: a spectrum that falls with frequency, edges, colours, contrast.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np

from ..sample import IMAGE_FIELDS, Sample

HEIGHT, WIDTH = 192, 208
"""The size of a toy picture: both sides over the 160 pixels that five scales of an 11-pixel window need."""

PROMPTS = ("make the disc blue", "replace the sky with clouds", "remove the box", "turn the picture into a painting")
SOURCE_PROMPT = "a disc and a box under the sky"
QUESTIONS = ("Is the disc blue?", "Is everything else unchanged?")
STRENGTHS = 4

SMALL = (12, 16)
"""Height and width of the pictures of a toy set, which has many."""


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture (height, width, 3) of uint8: coloured clouds with a disc and a box in them; another for each seed.

    >>> picture(0).shape, picture(0).dtype, bool((picture(0) == picture(1)).all())
    ((192, 208, 3), dtype('uint8'), False)
    """
    random = np.random.default_rng(seed)
    luma, *chroma = (_texture(random, height, width) for _ in range(3))
    tint = random.uniform(-0.1, 0.1, 3)
    colours = (
        0.5 + 0.17 * luma[..., None] + tint + 0.04 * np.stack([chroma[0], -chroma[0] - chroma[1], chroma[1]], axis=2)
    )
    colours[_disc(random, height, width)] += random.uniform(-0.3, 0.3, 3)
    top, left = (int(random.integers(0, max(side // 2, 1))) for side in (height, width))
    colours[top : top + height // 4, left : left + width // 3] += random.uniform(-0.3, 0.3, 3)
    return np.rint(colours.clip(0, 1) * 255).astype(np.uint8)


def edit_mask(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The region that `edit` changes with the same seed: (height, width) of bool."""
    return _disc(np.random.default_rng([seed, 1]), height, width)


def edit(image: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture edited as a model would: a disc of it recoloured, and everything slightly changed."""
    random = np.random.default_rng([seed, 2])
    edited = image.astype(np.float64) + random.normal(0, 2, image.shape)
    edited[edit_mask(seed, *image.shape[:2])] += random.uniform(20, 60, 3) * random.choice([-1, 1], 3)
    return np.rint(edited.clip(0, 255)).astype(np.uint8)


def blur(image: np.ndarray, strength: int) -> np.ndarray:
    """A Gaussian blur: standard deviation 0.7, 1.5, 3, 6 pixels for the strengths 1 to 4."""
    from PIL import Image, ImageFilter

    deviation = (0.7, 1.5, 3.0, 6.0)[strength - 1]
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(deviation)))


def noise(image: np.ndarray, strength: int) -> np.ndarray:
    """White Gaussian noise: standard deviation 6, 15, 30, 60 levels for the strengths 1 to 4."""
    random = np.random.default_rng([3, *image.shape])
    noisy = image + (6, 15, 30, 60)[strength - 1] * random.standard_normal(image.shape)
    return np.rint(noisy.clip(0, 255)).astype(np.uint8)


def jpeg(image: np.ndarray, strength: int) -> np.ndarray:
    """Compression as JPEG: quality 60, 25, 10, 3 for the strengths 1 to 4."""
    from PIL import Image

    data = BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=(60, 25, 10, 3)[strength - 1])
    return np.array(Image.open(data).convert("RGB"))


DEGRADATIONS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"blur": blur, "noise": noise, "jpeg": jpeg}


def ladder(degradation: str, image: np.ndarray) -> list[np.ndarray]:
    """`image` under "blur", "noise" or "jpeg" of rising strength, four steps.

    >>> [int(np.abs(step - picture(0).astype(int)).mean()) for step in ladder("noise", picture(0))]
    [4, 11, 23, 44]
    """
    return [DEGRADATIONS[degradation](image, strength) for strength in range(1, STRENGTHS + 1)]


def sample(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Sample:
    """A sample with every field: a picture as source and reference, two edits, the edit's mask, a prompt, questions.

    >>> [name for name in ("source", "edited", "reference", "mask", "prompt", "questions") if not sample(0).has(name)]
    []
    """
    made = _sample(seed, height, width)
    return replace(made, **{name: getattr(made, name).copy() for name in IMAGE_FIELDS})


def system(seed: int, count: int, level: float = 128.0) -> Sample:
    """A sample of sets: `count` small pictures around a mean `level`, and the same reference set for all seeds."""
    from ..data.image_sets import ImageSet

    def pictures(seed: int, level: float) -> list[np.ndarray]:
        random = np.random.default_rng([seed, 7])
        return [random.normal(level, 40, (*SMALL, 3)).clip(0, 255).astype(np.uint8) for _ in range(count)]

    reference = ImageSet(pictures(0, 128.0), "the toy reference")
    return Sample(f"toy-{seed}", edited=ImageSet(pictures(seed + 1, level), f"the toy set {seed}"), reference=reference)


def samples(count: int, height: int = HEIGHT, width: int = WIDTH, first: int = 0) -> list[Sample]:
    """Samples with every field, of the seeds `first`, `first` + 1, ..."""
    return [sample(seed, height, width) for seed in range(first, first + count)]


def write_questions(folder: str | os.PathLike[str], count: int = 8) -> Path:
    """Write questions with known answers, `questions.jsonl` and `images/`, for `editmetrics qbench --format free`.

    Every other picture is blurred, and each question asks whether its picture is. Returns the file of questions.
    """
    from PIL import Image

    (images := Path(folder, "images")).mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        blurred = bool(number % 2)
        image = blur(picture(number), STRENGTHS) if blurred else picture(number)
        Image.fromarray(image).save(images / f"{number:02}.png")
        row = {"image": f"images/{number:02}.png", "type": "TF", "question": "The image is blurred.", "answer": blurred}
        lines.append(json.dumps(row) + "\n")
    (file := Path(folder, "questions.jsonl")).write_text("".join(lines), encoding="utf-8")
    return file


@lru_cache(maxsize=64)
def _sample(seed: int, height: int, width: int) -> Sample:
    source = picture(seed, height, width)
    return Sample(
        id=f"toy-{seed}",
        edited=edit(source, seed),
        source=source,
        reference=edit(source, seed + 1000),
        rival=edit(source, seed + 2000),
        mask=edit_mask(seed, height, width),
        prompt=PROMPTS[seed % len(PROMPTS)],
        source_prompt=SOURCE_PROMPT,
        questions=QUESTIONS,
        meta={"system": "toy"},
    )


def _texture(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise whose amplitude falls as 1/f^1.3, that of smooth photographs; mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    texture = np.fft.irfft2(np.fft.rfft2(random.standard_normal((height, width))) / frequency**1.3, s=(height, width))
    return texture / max(texture.std(), 1e-12)  # one pixel has no deviation


def _disc(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    radius = random.uniform(0.15, 0.25) * min(height, width)
    row, column = (random.uniform(0.3, 0.7) * side for side in (height, width))
    rows, columns = np.ogrid[:height, :width]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
