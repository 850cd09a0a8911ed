"""The images of a question: of one field, all of a field, or the frames of a clip; how they are scaled and encoded."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..sample import Sample, SampleError, images_of
from ..wording import plural
from .definition import Show
from .rows import path_of

if TYPE_CHECKING:
    from ..judge import Image


@dataclass(frozen=True)
class ShowEach(Show):
    """All images of a field, in their order.

    - `caption`: the text before each, in which {number} counts from 1; "" for none.
    - `least`: how many there have to be.
    """

    caption: str = ""
    least: int = 1


@dataclass(frozen=True)
class ShowFrames(Show):
    """The sources as frames of a clip, in order, and the edited image as the one of them that is missing.

    The column `frame` of a row has the number of the edited frame; the sources are the others, in their order. Without
    it the sources' names have their numbers: `7-3.png` is the third frame of clip 7.

    - `captions`: the texts before a source and before the edited image, in which {number} is the frame's.
    - `frames`: how many there are in all.
    """

    captions: tuple[str, str] = ("", "")
    frames: int = 4


FRAME = "frame"
"""The column with the number of the edited frame."""


def arranged(show: Show, sample: Sample) -> list[tuple[str, Any]]:
    """Return the images that a question shows here, each with the text before it; "" for none.

    Raises `SampleError` where the sample has none, or another number of them than the question shows.

    >>> from editmetrics.judge import Encoding
    >>> both = Sample("both", edited="7-2.png", source=["7-1.png", "7-3.png"])
    >>> arranged(ShowEach("source", Encoding(), caption="Image {number}:"), both)
    [('Image 1:', '7-1.png'), ('Image 2:', '7-3.png')]
    >>> arranged(ShowFrames("source", Encoding(), captions=("{number}:", "{number}, made:"), frames=3), both)
    [('1:', '7-1.png'), ('2, made:', '7-2.png'), ('3:', '7-3.png')]
    """
    images = images_of(getattr(sample, show.role))
    if not images:
        raise SampleError(f"the question shows the {show.role} image, which this sample does not have", "skipped")
    if isinstance(show, ShowFrames):
        return _in_order(show, sample, images)
    if isinstance(show, ShowEach):
        if len(images) < show.least:
            raise SampleError(
                f"the question shows at least {plural(show.least, f'{show.role} image')}, and this sample has "
                f'{len(images)}; give a list of them, in a csv as JSON: ["a.png", "b.png"]',
                "skipped",
            )
        return [(show.caption.format(number=number), image) for number, image in enumerate(images, 1)]
    if len(images) > 1:
        raise SampleError(f"the question shows one {show.role} image, and this sample has {len(images)}", "skipped")
    return [("", images[0])]


def _in_order(show: ShowFrames, sample: Sample, sources: tuple[Any, ...]) -> list[tuple[str, Any]]:
    numbers = _frames(show, sample, sources)
    (edited,) = {*range(1, show.frames + 1)} - {*numbers}
    shown = [(number, show.captions[0], image) for number, image in zip(numbers, sources, strict=True)]
    shown = sorted([*shown, (edited, show.captions[1], sample.edited)], key=lambda one: one[0])
    return [(caption.format(number=number), image) for number, caption, image in shown]


def _frames(show: ShowFrames, sample: Sample, sources: tuple[Any, ...]) -> list[int]:
    """Return the number of each source among the frames. Raises `SampleError`."""
    frames = range(1, show.frames + 1)
    text = str(sample.meta.get(FRAME, "")).strip().removesuffix(".0")
    if text not in ("", "None", "nan"):
        numbers = [number for number in frames if str(number) != text]
    else:
        numbers = numbers_of_frames([os.path.basename(path_of(image)) for image in sources])
    if not len(sources) == len({*numbers}) == show.frames - 1 or not {*numbers} <= {*frames}:
        raise SampleError(
            f"the question shows {plural(show.frames - 1, 'source')} as frames of a clip; expected as many, whose "
            f"names have their numbers (7-3.png is frame 3 of clip 7), or the column {FRAME} with that of the edited, "
            f"1 to {show.frames}; got {', '.join(path_of(image) or 'an image in memory' for image in sources)}",
            "skipped",
        )
    return numbers


def numbers_of_frames(names: Sequence[str]) -> list[int]:
    """Return the number of each frame of a clip by its file's name; names without one are left out.

    >>> numbers_of_frames(["7-1.png", "7-3.png", "cat.png"])
    [1, 3]
    """
    matches = [re.search(r"\d+-(\d+)", name) for name in names]
    return [int(match.group(1)) for match in matches if match]


def rendered(show: Show, content: Any, sample: Sample) -> Image:
    """Return an image of a sample as a question shows it, encoded. Raises `ImageError`."""
    from ..bases.full_reference import same_size
    from ..images import eight_bits, read_image
    from ..judge import Image

    if show.size == "thumbnail":
        content = thumbnail(content, show.most or 0)
    if show.size == "area":
        content = within_area(content, show.most or 0)
    if show.size == "source":
        source, content = (eight_bits(read_image(image)) for image in (sample.source, content))
        content = same_size(source, content, "edited")[1]
    return Image(show.encoding.encode(content))


def within_area(image: Any, most: int, multiple: int = 16) -> Any:
    """Return an image scaled to at most `most` pixels, and sides that are multiples of 16, by Pillow's bicubic filter.

    >>> within_area("docs/examples/source/cat.jpg", 32 * 32).size  # 384 x 255
    (32, 16)
    """
    from PIL import Image as PillowImage

    from ..images import eight_bits, read_image

    opened = PillowImage.fromarray(eight_bits(read_image(image)))
    width, height = opened.size
    if width * height > most:
        ratio = math.sqrt(most / (width * height))
        width, height = int(width * ratio), int(height * ratio)
    width, height = width // multiple * multiple, height // multiple * multiple
    if not (width and height):
        raise SampleError(f"an image of {opened.size[0]} x {opened.size[1]} pixels has no size in steps of {multiple}")
    return opened.resize((width, height))


def thumbnail(image: Any, most: int) -> Any:
    """Return an image scaled down as a script does that opens a file with Pillow and calls its `thumbnail`.

    Of a JPEG, Pillow's decoder makes a smaller image then, so that the file is decoded here and not beforehand; its
    transparency is dropped, not laid on white. An image that is not in a file is scaled as it is.
    """
    from PIL import Image as PillowImage

    from ..images import eight_bits, read_image
    from ..images.opening import as_image_errors, open_image
    from ..images.read import read_bytes

    pixels = read_image(image)  # refuses what is damaged or no image
    if isinstance(image, (str, os.PathLike, bytes)):
        name = getattr(image, "path", "the image") if isinstance(image, bytes) else os.fsdecode(image)
        opened: Any = open_image(image if isinstance(image, bytes) else read_bytes(image), name)
    else:
        name, opened = "the image", PillowImage.fromarray(eight_bits(pixels))
    with as_image_errors(f"{name} cannot be decoded", name):
        if opened.mode in ("RGBA", "P"):
            opened = opened.convert("RGB")
        opened.thumbnail((most, most))
        return opened.convert("RGB")
