"""Photographs and edits of them, on which metrics are compared with other libraries."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageFilter


@cache
def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Source and edited image (H, W, 3), uint8, by the name of the edit; light and strong.

    200 x 252, 201 x 251 (odd) and 400 x 420 pixels, which some metrics halve.
    """
    rng = np.random.default_rng(0)
    astronaut, cat = skimage.data.astronaut()[:200, 100:352], skimage.data.chelsea()[40:241, 80:331]
    coffee = skimage.data.coffee()[:400, :420]
    return {
        "noise": (astronaut, _levels(astronaut + rng.normal(0, 20, astronaut.shape))),
        "blur": (astronaut, np.array(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(2)))),
        "jpeg": (cat, _jpeg(cat, quality=10)),
        "shift": (coffee, np.roll(coffee, 3, axis=1)),
        "recolour": (coffee, coffee[..., ::-1].copy()),
        "pasted": (cat, _pasted(cat, astronaut)),
        "brighter": (cat, _levels(cat * 1.1 + 10)),
    }


EDITS = ("noise", "blur", "jpeg", "shift", "recolour", "pasted", "brighter")


def as_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 as (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous() / 255


def tensors(edit: str) -> tuple[torch.Tensor, torch.Tensor]:
    source, edited = pairs()[edit]
    return as_tensor(source), as_tensor(edited)


def _levels(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def _pasted(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    edited = image.copy()
    edited[60:160, 60:180] = other[60:160, 60:180]
    return edited
