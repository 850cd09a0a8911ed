"""From the bytes of an image file to a Pillow image that is decoded strictly: whole, of bounded size, by one decoder.

What other code did to Pillow in this process (`LOAD_TRUNCATED_IMAGES`, `MAX_IMAGE_PIXELS`, openers of its own) changes
nothing here.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..sample import SampleError, UnavailableError
from .damage import check_jpeg, check_jpeg_in_tiff, check_png, check_png_rows, check_webp
from .kinds import FORMATS_IN_WORDS, HEAD_BYTES, announced_size, kind_of
from .profiles import ProfileError

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MOST_PIXELS = "EDITMETRICS_MAX_PIXELS"
DEFAULT_PIXELS = 89_478_485
"""As many pixels as take a quarter of a GiB as RGB: Pillow's own default."""

_PLUGINS = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
    "JXL": ("pillow_jxl.JpegXLImagePlugin", "JXLImageFile"),
}
"""The decoders that are ever reached, by Pillow's names of the formats."""

_TELLING = ("JPEG", "MPO", "PNG", "WEBP", "TIFF")  # formats that tell of damage which Pillow reads over
_BYTE_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_BYTES_A_PIXEL = 12  # RGBA in the decoder, in Pillow and in ours
_NO_MEMORY = re.compile("out of memory|insufficient memory|memory allocation failure|unable to allocate", re.IGNORECASE)


class ImageError(SampleError):
    """An image cannot be read, or is not an image; the message names it and says what was expected."""


@contextmanager
def as_image_errors(problem: str, name: str) -> Iterator[None]:
    """Turn any error of a decoder into an `ImageError` that begins with `problem`, except for too little memory."""
    try:
        yield
    except (ImageError, UnavailableError):
        raise
    except Exception as error:  # damaged data makes the decoders raise anything
        if isinstance(error, ProfileError):
            raise ImageError(f"{name}: {error}; repair or remove it, or do without converting profiles") from error
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            raise UnavailableError(
                f"{name}: this machine has too little memory to decode it ({words(error)}); free some, or score fewer "
                "samples at a time"
            ) from error
        raise ImageError(f"{problem}: {words(error)}") from error


def open_image(data: bytes, name: str) -> ImageFile.ImageFile:
    """The image of `data`, not decoded yet, by the one decoder of its kind.

    `Image.open` would ask whatever other code has registered, and warn of large images through filters that all
    threads share.
    """
    kind = kind_of(data[:HEAD_BYTES])
    if kind is None or not kind.format:
        kind_in_words = f"is a file of the kind {kind.name}, which" if kind else "is not an image that"
        raise ImageError(f"{name} {kind_in_words} {'cannot' if kind else 'can'} be read ({FORMATS_IN_WORDS})")
    if not kind.readable:
        raise ImageError(f"{name} is a file of the kind {kind.name}, which cannot be read here; {kind.remedy}")
    size = None
    try:
        size = announced_size(data, kind.format)
        _check_size(size, name)
        image = _plugin(kind.format)(BytesIO(data))
    except (MemoryError, ImportError, ImageError, UnavailableError):
        raise
    except Exception as error:
        _reserve(size)
        raise ImageError(f"{name} starts as {kind.name} and cannot be decoded: {words(error)}") from error
    _scale_transparent_grey(image)
    _check_size(image.size, name)
    return image


def _check_size(size: tuple[int, int] | None, name: str) -> None:
    limit = most_pixels()
    if size is not None and size[0] * size[1] > limit:
        raise ImageError(
            f"{name} claims {size[0]} x {size[1]} pixels, more than the {limit} that are decoded (a guard against "
            f"decompression bombs); make it smaller, or set {MOST_PIXELS} and score it again (--retry failed)"
        )


def most_pixels() -> int:
    """The most pixels that an image may have: the environment variable EDITMETRICS_MAX_PIXELS, or `DEFAULT_PIXELS`.

    Pillow's own limit is a variable of the process, which other code raises, lowers or removes; it is not asked.
    """
    text = os.environ.get(MOST_PIXELS, "").strip()
    if not text:
        return DEFAULT_PIXELS
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UnavailableError(f"{MOST_PIXELS} is {text!r}; expected a number of pixels, such as {2 * DEFAULT_PIXELS}")
    return int(text)


@functools.cache
def _plugin(file_format: str) -> Callable[[BytesIO], ImageFile.ImageFile]:
    """Pillow's class for a format, less its look at `PIL.Image.MAX_IMAGE_PIXELS`: the limit here is our own."""
    from PIL import Image

    module, name = _PLUGINS[file_format]
    plugin: type[ImageFile.ImageFile] = getattr(import_module(module), name)
    looks = {"WEBP": "_open", "GIF": "_seek"}.get(file_format)
    if looks is None:
        return plugin
    unlimited = ModuleType("PIL.Image")
    vars(unlimited).update(vars(Image), _decompression_bomb_check=lambda *_, **__: None)
    method = _with_variables(getattr(plugin, looks), Image=unlimited)
    return type(name, (plugin,), {looks: method})


def load(image: ImageFile.ImageFile) -> None:
    """`image.load()`, whatever other code has set `PIL.ImageFile.LOAD_TRUNCATED_IMAGES` and `MAX_IMAGE_PIXELS` to.

    These variables belong to the process: to set them back would take them from that code. So Pillow's function runs
    with variables of its own. Decoders that do without that function are strict always.
    """
    from PIL import Image, ImageFile, Jpeg2KImagePlugin, TiffImagePlugin

    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tile and image._im is None:
        image.im = Image.core.new(
            image.mode, getattr(image, "_tile_size", image.size)
        )  # otherwise it asks for the limit before it reserves memory
    function = type(image).load
    if function is Jpeg2KImagePlugin.Jpeg2KImageFile.load or not getattr(image, "use_load_libtiff", True):
        function = ImageFile.ImageFile.load  # which is what these call
    try:
        _strict(function)(image)
    except Exception:
        _reserve(image.size)
        raise


def _reserve(size: tuple[int, int] | None) -> None:
    """Raise `MemoryError` when there is too little memory for such an image: libwebp and libavif do not tell."""
    if size is not None:
        np.empty((size[1], size[0], _BYTES_A_PIXEL), np.uint8)


@functools.cache
def _strict(function: Any) -> Callable[[ImageFile.ImageFile], Any]:
    """A function that loads images, less its look at `PIL.ImageFile.LOAD_TRUNCATED_IMAGES`."""
    from PIL import ImageFile

    if not isinstance(function, FunctionType):
        return function
    if function is ImageFile.ImageFile.load:
        return _with_variables(function, LOAD_TRUNCATED_IMAGES=False)
    strict = ModuleType("PIL.ImageFile")
    vars(strict).update(vars(ImageFile), LOAD_TRUNCATED_IMAGES=False)
    return _with_variables(function, ImageFile=strict)


def _with_variables(function: Any, **variables: Any) -> Any:
    """A copy of a function in which some of the variables of its module are others."""
    copy = FunctionType(
        function.__code__,
        {**function.__globals__, **variables},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def load_opened(image: ImageFile.ImageFile) -> None:
    """Load an image that the caller opened, unless it is loaded already, as strictly as a file."""
    data = _bytes_behind(image)
    load(image)
    if image.format in ("JPEG", "MPO") and data:
        check_jpeg(data)
    elif data:
        check_whole(image, data)


def _bytes_behind(image: ImageFile.ImageFile) -> bytes:
    """The file whose first picture an image still has to load, if it is of a format that tells of damage; else b""."""
    file: Any = image.fp
    if image.format not in _TELLING or file is None or file.closed or not file.seekable() or image.tell() != 0:
        return b""
    at = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(at)
    kind = kind_of(data[:HEAD_BYTES])  # some decoders put their own file in the place of the one that was opened
    return data if kind is not None and kind.format == image.format.replace("MPO", "JPEG") else b""


def check_whole(image: ImageFile.ImageFile, data: bytes) -> None:
    """Raise `DamageError` for the damage that Pillow reads over, of an image that is decoded. JPEGs were checked."""
    if image.format == "PNG":
        check_png(data)
        if image.info.get("interlace") or image.mode not in _BYTE_MODES or _last_row_is_zero(image):
            check_png_rows(data)
    elif image.format == "WEBP":
        check_webp(data)
    elif image.format == "TIFF":
        check_jpeg_in_tiff(data, image.tag_v2)  # type: ignore[attr-defined]


def _last_row_is_zero(image: Image.Image) -> bool:
    """Whether the last row is as Pillow leaves the rows that the data did not reach."""
    width, height = image.size
    return cropped(image, (0, height - 1, width, height)).getbbox(alpha_only=False) is None


def cropped(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """`image.crop(box)`, which asks for the limit on pixels of the process."""
    return image._new(image.im.crop(box))


def layout_of(image: ImageFile.ImageFile) -> str:
    """How the samples stand in the file, in Pillow's words: "RGB;16B" is RGB of 16 bits, the high byte first."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _scale_transparent_grey(image: ImageFile.ImageFile) -> None:
    """Pillow scales 2-bit and 4-bit grey to 8 bits, but not the grey that stands for transparent."""
    levels = {"L;2": 3, "L;4": 15}.get(layout_of(image))
    colour = image.info.get("transparency")
    if levels and isinstance(colour, int) and colour <= levels:
        image.info["transparency"] = colour * 255 // levels


def words(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def profile_of(image: Image.Image) -> bytes | None:
    """The ICC profile of an image that Pillow opened, or None."""
    profile = image.info.get("icc_profile")
    return bytes(profile) if profile else None
