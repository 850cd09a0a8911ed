"""Checks of the forms in which images come: paths, bytes, PIL images, arrays and tensors, and every mode of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .subject import Subject

if TYPE_CHECKING:
    from PIL import Image


def input_kinds(subject: Subject) -> Iterator[str]:
    """An image gives one score as a path, a string, bytes, a PIL image, an array or a tensor."""
    import torch
    from PIL import Image

    expected = subject.scores[:1]
    sample = subject.samples[0]
    names = [name for name in subject.required_images if name != "mask"]
    kinds: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            array = getattr(sample, name)
            image, path = Image.fromarray(array), Path(folder, f"{name}.png")
            image.save(path, compress_level=1)
            tensor = torch.from_numpy(array.transpose(2, 0, 1).copy())
            forms = {"a Path": path, "a string": str(path), "bytes": path.read_bytes(), "a PIL image": image}
            forms |= {"an array": array, "a uint8 tensor": tensor, "a float tensor": tensor / 255}
            for kind, form in forms.items():
                kinds.setdefault(kind, {})[name] = form
        for kind, images in kinds.items():
            for difference in subject.differences(expected, subject.metric.score([replace(sample, **images)])):
                yield f"images as {kind}: {difference} as arrays; read images with editmetrics.images.read_image"


def image_modes(subject: Subject) -> Iterator[str]:
    """Grey, 16-bit, palette, transparent, CMYK and EXIF-rotated files score as the pixels that `read_image` gives."""
    from ..images import read_image

    subject.require_scores()
    sample = subject.samples[0]
    with tempfile.TemporaryDirectory() as folder:
        for mode, path in _files(sample.edited, Path(folder)).items():
            files, pixels = replace(sample, edited=path), replace(sample, edited=read_image(path))
            (expected,) = subject.metric.score([pixels])
            if not expected.ok:
                yield f"{mode}: the pixels of such a file have no score: {expected}"
                continue
            for difference in subject.differences([expected], subject.metric.score([files])):
                yield f"{mode}: {difference} for its pixels; read images with editmetrics.images.read_image"


def _files(picture: np.ndarray, folder: Path) -> dict[str, Path]:
    """Write `picture` in files of every mode."""
    from PIL import Image

    image = Image.fromarray(picture)
    grey = image.convert("L")
    transparent = image.convert("RGBA")
    transparent.putalpha(grey)
    rotated = Image.Exif()
    rotated[0x0112] = 6  # Orientation: shown, the stored image is turned by 90 degrees
    images: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "8-bit grey": (grey, "grey.png", {}),
        "16-bit grey": (Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "grey16.png", {}),
        "palette": (image.quantize(64, Image.Quantize.FASTOCTREE), "palette.png", {}),
        "RGB with alpha": (transparent, "alpha.png", {}),
        "CMYK": (image.convert("CMYK"), "cmyk.jpg", {}),
        "EXIF-rotated": (image.transpose(Image.Transpose.ROTATE_90), "rotated.jpg", {"exif": rotated}),
    }
    paths = {}
    for mode, (stored, name, more) in images.items():
        paths[mode] = folder / name
        stored.save(paths[mode], **more)
    return paths
