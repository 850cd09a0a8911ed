"""The pictures of a report: source, edited and their difference, small enough for one file to hold them all."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..files.text import parse_json
from ..images import ImageError, eight_bits, is_url, read_image

if TYPE_CHECKING:
    from ..runs.scored_table import ScoredTable

AMPLIFIED = 4
"""Factor of a difference: white stands for 64 of 255 levels or more."""

QUALITY, LARGER_QUALITY = 60, 78
SPEED = 2
"""Method of the WebP encoder, 0 (fast) to 6; its default, 4, takes twice as long and saves a few per cent."""

KINDS = ("source", "edited", "difference")


@dataclass(frozen=True)
class ReportPictures:
    """`small` and `large`: from (row, kind) to a WebP picture in base64; `reasons`: why one is missing, or differs.

    The source of several rows is kept once: `shared` maps each row to the row with its source.
    """

    small: dict[tuple[int, str], str] = field(default_factory=dict)
    large: dict[tuple[int, str], str] = field(default_factory=dict)
    reasons: dict[tuple[int, str], str] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return sum(len(text) for pictures in (self.small, self.large) for text in pictures.values())


class ImagePlaces:
    """The folders that images may be read from: the current one, the table's own, and the roots, with their subfolders.

    A table may come from a stranger: a report holds no other file that it names, unless the caller named it, too
    (`trusted`).
    """

    def __init__(self, table: Path, roots: Sequence[Path] = (), trusted: Collection[str] = ()) -> None:
        self.bases = [Path.cwd(), table.resolve().parent, *(root.resolve() for root in roots)]
        self.trusted = frozenset(trusted)
        self._parents: dict[str, str] = {}
        self.outside: set[str] = set()

    def find(self, name: str) -> Path:
        """The file of an image. Raises `ImageError` when it does not exist, or is elsewhere."""
        if is_url(name) or "\0" in name:
            raise ImageError(f"{name} is not a path of a file")
        paths = [base / name for base in self.bases if os.path.lexists(base / name)]
        if not paths:
            raise ImageError(f"{name} is neither below the current folder nor the table's; --root FOLDER names another")
        for path in paths:
            real = self._real(path)
            if name in self.trusted or any(real.is_relative_to(base) for base in self.bases):
                return path
        self.outside.add(str(self._real(paths[0]).parent))
        raise ImageError(f"{name} is outside the current folder and the table's; --root FOLDER allows that one")

    def _real(self, path: Path) -> Path:
        parent = str(path.parent)
        if parent not in self._parents:
            self._parents[parent] = os.path.realpath(parent)
        joined = os.path.join(self._parents[parent], path.name)
        return Path(os.path.realpath(joined) if os.path.islink(joined) or path.name == os.pardir else joined)


def take_pictures(
    table: ScoredTable,
    rows: Sequence[int],
    places: ImagePlaces,
    *,
    thumbnail: int,
    larger: int,
    enlarged: Collection[int],
    workers: int,
    on_row: Callable[[int], None] | None = None,
) -> ReportPictures:
    """Pictures of `rows`, at most `thumbnail` pixels wide and high; and larger ones of the rows in `enlarged`.

    All edits of one source are one task, so that it is decoded once. `on_row` is called in this thread with the number
    of rows that were finished since.
    """
    by_source: dict[str, list[int]] = {}
    for row in rows:
        by_source.setdefault(table.sources[row] or f"\0{row}", []).append(row)
    pictures = ReportPictures()
    sizes = _Sizes(thumbnail, larger, frozenset(enlarged))

    def work(edits: list[int]) -> tuple[ReportPictures, int]:
        return _pictures_of_source(table, edits, places, sizes), len(edits)

    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        for part, count in pool.map(work, by_source.values()):
            for name, texts in vars(part).items():
                getattr(pictures, name).update(texts)
            if on_row is not None:
                on_row(count)
    return pictures


class _Sizes(NamedTuple):
    """The pixels of thumbnails and of larger pictures, and the rows that have larger ones."""

    thumbnail: int
    larger: int
    enlarged: frozenset[int]


def _pictures_of_source(table: ScoredTable, rows: Sequence[int], places: ImagePlaces, sizes: _Sizes) -> ReportPictures:
    pictures = ReportPictures()

    def put(row: int, kind: str, pixels: np.ndarray, large: bool) -> None:
        pictures.small[row, kind] = encoded(pixels, sizes.thumbnail, QUALITY)
        if large:
            pictures.large[row, kind] = encoded(pixels, sizes.larger, LARGER_QUALITY)

    first = rows[0]
    several = len(listed(table.sources[first])) if len(listed(table.sources[first])) > 1 else 0
    source = _read(table.sources[first], places, pictures.reasons, (first, "source"))
    if source is not None:
        put(first, "source", source, not sizes.enlarged.isdisjoint(rows))
    for row in rows:
        pictures.shared[row] = first
        edited = _read(table.edits[row], places, pictures.reasons, (row, "edited"))
        if edited is not None:
            put(row, "edited", edited, row in sizes.enlarged)
        if several:
            pictures.reasons[row, "difference"] = f"{several} sources have no difference to one edited image"
        elif source is not None and edited is not None:
            difference, note = amplified_difference(source, edited)
            put(row, "difference", difference, row in sizes.enlarged)
            if note:
                pictures.reasons[row, "difference"] = note
        else:
            lacking = "source" if source is None else "edited image"
            pictures.reasons[row, "difference"] = f"there is no {lacking} to compare"
    return pictures


def _read(
    name: str | None, places: ImagePlaces, reasons: dict[tuple[int, str], str], key: tuple[int, str]
) -> np.ndarray | None:
    if not name:
        reasons[key] = f"the table names no {key[1]} image"
        return None
    try:
        return side_by_side([eight_bits(read_image(places.find(one), name=one)) for one in listed(name)])
    except ImageError as error:
        reasons[key] = str(error)
        return None


def listed(name: str | None) -> list[str]:
    """The paths in a cell: those of several images stand in it as JSON, as in a manifest.

    >>> listed("a.png"), listed('["a.png", "b.png"]'), listed(None)
    (['a.png'], ['a.png', 'b.png'], [])
    """
    if not name:
        return []
    if name.startswith("[") and name.endswith("]"):
        with suppress(ValueError):  # a file may be called so
            paths = parse_json(name)
            if isinstance(paths, list) and paths and all(isinstance(path, str) for path in paths):
                return paths
    return [name]


def side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """One image as it is; several in a row from left to right, as high as the lowest, on white between them.

    >>> side_by_side([np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)]).shape
    (4, 9, 3)
    """
    from PIL import Image

    if len(images) == 1:
        return images[0]
    height = min(image.shape[0] for image in images)
    gap = np.full((height, max(1, height // 50), 3), 255, np.uint8)
    row: list[np.ndarray] = []
    for pixels in images:
        width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
        row += [gap, np.asarray(Image.fromarray(pixels).resize((width, height)))]
    return np.concatenate(row[1:], axis=1)


def amplified_difference(source: np.ndarray, edited: np.ndarray) -> tuple[np.ndarray, str | None]:
    """The largest absolute difference of the three channels, times 4, as grey (H, W) uint8; a note if one was scaled.

    >>> one, other = np.zeros((1, 2, 3), np.uint8), np.array([[[0, 3, 0], [200, 0, 0]]], np.uint8)
    >>> amplified_difference(one, other)[0].tolist()
    [[12, 255]]
    """
    from PIL import Image, ImageChops

    one, other = Image.fromarray(source), Image.fromarray(edited)
    note = None
    if one.size != other.size:
        sizes = [f"{image.width} x {image.height}" for image in (other, one)]
        note = f"sizes differ: the edited image, {sizes[0]}, was scaled to {sizes[1]}"
        other = other.resize(one.size, Image.Resampling.BICUBIC)
    red, green, blue = ImageChops.difference(one, other).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return np.asarray(largest.point([min(AMPLIFIED * level, 255) for level in range(256)])), note


def encoded(pixels: np.ndarray, longest: int, quality: int) -> str:
    """Pixels (H, W, 3) or (H, W) as a WebP picture of at most `longest` pixels on a side, in base64."""
    from PIL import Image

    image = Image.fromarray(pixels)
    factor = longest / max(image.size)
    if factor < 1:
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        image = image.resize(size, Image.Resampling.HAMMING)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=quality, method=SPEED)
    return base64.b64encode(data.getvalue()).decode("ascii")


def relative_links(
    table: ScoredTable, rows: Sequence[int], places: ImagePlaces, folder: Path
) -> Mapping[tuple[int, str], str]:
    """Map (row, kind) to the path of its file, relative to the report's folder and quoted as a URL."""
    from urllib.parse import quote

    links = {}
    for row in rows:
        for kind, name in (("source", table.sources[row]), ("edited", table.edits[row])):
            if len(listed(name)) != 1:
                continue
            try:
                path = places.find(str(name))
            except ImageError:
                continue
            relative = os.path.relpath(path, folder)
            if not os.path.isabs(relative):  # on Windows another drive has no relative path
                links[row, kind] = quote(os.fsencode("./" + relative.replace(os.sep, "/")))
    return links
