"""The pictures of a report: source, edited and their difference, small enough to be carried inside one file."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..images import ImageError, eight_bits, is_url, read_image

if TYPE_CHECKING:
    from .scored import ScoredTable

AMPLIFIED = 4
"""The difference is shown so many times stronger: white is a difference of 64 of 255 levels or more."""

QUALITY, LARGER_QUALITY = 60, 78
SPEED = 2
"""Of the WebP encoder, 0 (fast) to 6: 4, its default, takes twice as long for a few per cent."""

KINDS = ("source", "edited", "difference")


@dataclass(frozen=True)
class Pictures:
    """`small` and `large`: from (row, kind) to a WebP picture in base64; `why`: why there is none, in words.

    The source of several rows is kept once: `shared` says from (row, "source") to the row that has it.
    """

    small: dict[tuple[int, str], str] = field(default_factory=dict)
    large: dict[tuple[int, str], str] = field(default_factory=dict)
    why: dict[tuple[int, str], str] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes, as they stand in a page."""
        return sum(len(text) for pictures in (self.small, self.large) for text in pictures.values())


class Places:
    """Where the images of a table may lie: below the current folder, the table's own, and those named as roots.

    A table is a file that somebody may have sent; what it names elsewhere on this machine is not put into a report.
    `trusted` are image files that the caller named itself.
    """

    def __init__(self, table: Path, roots: Sequence[Path] = (), trusted: Collection[str] = ()) -> None:
        self.bases = [Path.cwd(), table.resolve().parent, *(root.resolve() for root in roots)]
        self.trusted = frozenset(trusted)
        self._parents: dict[str, str] = {}
        self.outside: set[str] = set()

    def find(self, name: str) -> Path:
        """The file of an image. Raises `ImageError` when it is not there, or lies elsewhere."""
        if is_url(name) or "\0" in name:
            raise ImageError(f"{name} is no path of a file")
        found = [base / name for base in self.bases if os.path.lexists(base / name)]
        if not found:
            raise ImageError(f"{name} is neither below the current folder nor the table's; --root FOLDER names another")
        for path in found:
            real = self._real(path)
            if name in self.trusted or any(real.is_relative_to(base) for base in self.bases):
                return path
        self.outside.add(str(self._real(found[0]).parent))
        raise ImageError(f"{name} lies outside of the current folder and the table's; --root FOLDER allows that one")

    def _real(self, path: Path) -> Path:
        parent = str(path.parent)
        if parent not in self._parents:
            self._parents[parent] = os.path.realpath(parent)
        joined = os.path.join(self._parents[parent], path.name)
        return Path(os.path.realpath(joined) if os.path.islink(joined) or path.name == os.pardir else joined)


def take_pictures(
    table: ScoredTable,
    rows: Sequence[int],
    places: Places,
    *,
    thumbnail: int,
    larger: int,
    enlarged: Collection[int],
    workers: int,
    on_row: Callable[[int], None] | None = None,
) -> Pictures:
    """Pictures of `rows`, at most `thumbnail` pixels wide and high; and larger ones of the rows in `enlarged`.

    All edits of one source are one piece of work, so that it is decoded once. `on_row` is called, in this thread, with
    how many more rows are done.
    """
    by_source: dict[str, list[int]] = {}
    for row in rows:
        by_source.setdefault(table.sources[row] or f"\0{row}", []).append(row)
    found = Pictures()
    big = frozenset(enlarged)

    def work(of_source: list[int]) -> tuple[Pictures, int]:
        return _of_one_source(table, of_source, places, thumbnail, larger, big), len(of_source)

    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        for part, count in pool.map(work, by_source.values()):
            found.small.update(part.small)
            found.large.update(part.large)
            found.why.update(part.why)
            found.shared.update(part.shared)
            if on_row is not None:
                on_row(count)
    return found


def _of_one_source(
    table: ScoredTable, rows: Sequence[int], places: Places, thumbnail: int, larger: int, enlarged: frozenset[int]
) -> Pictures:
    found = Pictures()
    first = rows[0]
    source = _read(table.sources[first], places, found.why, (first, "source"))
    if source is not None:
        found.small[first, "source"] = encoded(source, thumbnail, QUALITY)
        if any(row in enlarged for row in rows):
            found.large[first, "source"] = encoded(source, larger, LARGER_QUALITY)
    for row in rows:
        found.shared[row] = first
        edited = _read(table.edits[row], places, found.why, (row, "edited"))
        if edited is not None:
            _put(found, row, "edited", edited, thumbnail, larger, enlarged)
        if source is not None and edited is not None:
            difference, why = amplified_difference(source, edited)
            _put(found, row, "difference", difference, thumbnail, larger, enlarged)
            if why:
                found.why[row, "difference"] = why
        else:
            lacking = "source" if source is None else "edited image"
            found.why[row, "difference"] = f"there is no {lacking} to compare"
    return found


def _put(
    found: Pictures, row: int, kind: str, pixels: np.ndarray, thumbnail: int, larger: int, enlarged: frozenset[int]
) -> None:
    found.small[row, kind] = encoded(pixels, thumbnail, QUALITY)
    if row in enlarged:
        found.large[row, kind] = encoded(pixels, larger, LARGER_QUALITY)


def _read(name: str | None, places: Places, why: dict[tuple[int, str], str], key: tuple[int, str]) -> np.ndarray | None:
    if not name:
        why[key] = f"the table names no {key[1]} image"
        return None
    try:
        return eight_bits(read_image(places.find(name), name=name))
    except ImageError as error:
        why[key] = str(error)
        return None


def amplified_difference(source: np.ndarray, edited: np.ndarray) -> tuple[np.ndarray, str | None]:
    """The largest absolute difference of the three channels, times 4, as grey (H, W) uint8; a note if one was scaled.

    >>> one, other = np.zeros((1, 2, 3), np.uint8), np.array([[[0, 3, 0], [200, 0, 0]]], np.uint8)
    >>> amplified_difference(one, other)[0].tolist()
    [[12, 255]]
    """
    from PIL import Image, ImageChops

    one, other = Image.fromarray(source), Image.fromarray(edited)
    why = None
    if one.size != other.size:
        sizes = [f"{image.width} x {image.height}" for image in (other, one)]
        why = f"sizes differ: the edited image, {sizes[0]}, was scaled to {sizes[1]}"
        other = other.resize(one.size, Image.Resampling.BICUBIC)
    red, green, blue = ImageChops.difference(one, other).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return np.asarray(largest.point([min(AMPLIFIED * level, 255) for level in range(256)])), why


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
    table: ScoredTable, rows: Sequence[int], places: Places, folder: Path
) -> Mapping[tuple[int, str], str]:
    """From (row, kind) to the path of its file, relative to the report's folder and quoted as a URL."""
    from urllib.parse import quote

    found = {}
    for row in rows:
        for kind, name in (("source", table.sources[row]), ("edited", table.edits[row])):
            if not name:
                continue
            try:
                path = places.find(name)
            except ImageError:
                continue
            relative = os.path.relpath(path, folder)
            if not os.path.isabs(relative):  # on Windows another drive has no relative path
                found[row, kind] = quote(os.fsencode("./" + relative.replace(os.sep, "/")))
    return found
