"""The gallery: one photograph changed in many ways and the example edits, with what metrics say. A hook of mkdocs.

The pictures and the numbers are made when the site is built, so that both are those of the code.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from editmetrics import Score, create_metric

EXAMPLES = Path(__file__).parent / "examples"
METRICS = ("psnr", "ssim", "ms_ssim", "fsim", "gmsd", "vif")
PHOTOGRAPH = "cat"


def on_files(files: Any, config: Any) -> Any:
    """Add the changed photographs to the site's files."""
    from mkdocs.structure.files import File

    for name, image in changed().items():
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        files.append(File.generated(config, f"gallery/{file_name(name)}", content=buffer.getvalue()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put the cards in the place of their marks."""
    if page.file.src_uri != "gallery.md":
        return markdown
    original = photograph(PHOTOGRAPH)
    images = changed()
    changes = cards({name: (original, image) for name, image in images.items()}, lambda name: [file_name(name)])
    prompts = {row["name"]: row["prompt"] for row in csv.DictReader((EXAMPLES / "prompts.csv").open(encoding="utf-8"))}
    pairs = {prompt: (photograph(name), photograph(name, "edited")) for name, prompt in prompts.items()}
    names = {prompt: name for name, prompt in prompts.items()}
    edits = cards(pairs, lambda prompt: [f"../examples/{kind}/{names[prompt]}.jpg" for kind in ("source", "edited")])
    return markdown.replace("<!-- changes -->", changes).replace("<!-- edits -->", edits)


def photograph(name: str, kind: str = "source") -> Image.Image:
    """One of the example photographs, or its edit."""
    return Image.open(EXAMPLES / kind / f"{name}.jpg").convert("RGB")


def changed() -> dict[str, Image.Image]:
    """The photograph after each change, by what was done to it."""
    photo = photograph(PHOTOGRAPH)
    return {name: change(photo) for name, change in CHANGES.items()}


def noisy(photo: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 15, (photo.height, photo.width, 3))
    return Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).round().astype(np.uint8))


def compressed(photo: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=8)
    return Image.open(buffer).convert("RGB")


def zoomed(photo: Image.Image) -> Image.Image:
    box = (8, 5, photo.width - 8, photo.height - 5)
    return photo.resize(photo.size, Image.Resampling.BICUBIC, box=box)


def recoloured(photo: Image.Image) -> Image.Image:
    hue, saturation, value = photo.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda level: (level + 110) % 256), saturation, value)).convert("RGB")


def painted_over(photo: Image.Image) -> Image.Image:
    photo = photo.copy()
    ImageDraw.Draw(photo).rectangle((150, 60, 230, 140), fill=(120, 110, 100))
    return photo


def pixelated(photo: Image.Image) -> Image.Image:
    return photo.resize((64, 42), Image.Resampling.BOX).resize(photo.size, Image.Resampling.NEAREST)


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "Nothing": lambda photo: photo,
    "Brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.25),
    "More contrast": lambda photo: ImageEnhance.Contrast(photo).enhance(1.4),
    "Greyscale": lambda photo: photo.convert("L").convert("RGB"),
    "Another hue": recoloured,
    "Blurred": lambda photo: photo.filter(ImageFilter.GaussianBlur(2)),
    "Noise": noisy,
    "Compressed": compressed,
    "Pixelated": pixelated,
    "Shifted by 3 pixels": lambda photo: ImageChops.offset(photo, 3, 0),
    "Zoomed in by 4%": zoomed,
    "Mirrored": lambda photo: photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "Painted over": painted_over,
    "Another photograph": lambda photo: photograph("coffee").resize(photo.size, Image.Resampling.BICUBIC),
}
"""What is done to the photograph, by name."""


def file_name(change: str) -> str:
    return f"{change.lower().replace(' ', '_').replace('%', '')}.jpg"


def cards(pairs: Mapping[str, tuple[Any, Any]], pictures: Callable[[str], list[str]]) -> str:
    """A card for each pair: its pictures, its name and its scores, each with a bar for the rank among the pairs."""
    metrics = {name: create_metric(name, device="cpu") for name in METRICS}
    scores = {name: {title: metric(*pair) for title, pair in pairs.items()} for name, metric in metrics.items()}
    lines = ['<div class="gallery">']
    for title in pairs:
        images = "".join(f'<img src="{path}" alt="" loading="lazy">' for path in pictures(title))
        rows = "".join(row(name, scores[name], title) for name in metrics)
        lines.append(f"<figure><div>{images}</div><figcaption>{title}</figcaption><dl>{rows}</dl></figure>")
    return "\n".join([*lines, "</div>"])


def row(metric: str, scores: Mapping[str, Score], title: str) -> str:
    """One score of a card: the name of the metric, the number, and the share of pairs that are not closer."""
    dimension = create_metric(metric).primary()
    sign = 1 if dimension.higher_is_better else -1
    value = float(scores[title])
    others = [float(score) for name, score in scores.items() if name != title]
    share = sum(sign * value >= sign * other for other in others) / len(others)
    arrow = "↑" if sign > 0 else "↓"
    number = "∞" if value == float("inf") else f"{value:.3g}"
    return f'<dt>{metric} {arrow}</dt><dd style="--share:{share:.2f}">{number}</dd>'
