"""From the bytes of an image file, or a PIL image, to an array (H, W, 3), with Pillow.

In this order: the first frame; turned as its EXIF says; palettes, CMYK, YCbCr and greyscale converted to RGB; what is
transparent composited on white; 16-bit samples kept as float32 in [0, 1], all others as uint8. Colour profiles are not
applied. PNG, JPEG, WebP, BMP and TIFF are read; no other decoder is ever reached.
"""

from __future__ import annotations

import re
import struct
import sys
import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .sample import SampleError

if TYPE_CHECKING:
    from PIL import Image, ImageFile

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
FORMATS_IN_WORDS = "PNG, JPEG, WebP, BMP, TIFF"

_LOADING = threading.Lock()
_STRIP_BYTES = 1 << 18
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR = 258, 262, 284  # TIFF tags
_ORIENTATION = 274  # EXIF tag


class ImageError(SampleError):
    """An image cannot be read, or is none; the message names it and says what was expected."""


def decoder() -> str:
    """The decoder and the conventions by which files become pixels: a part of every number's identity.

    >>> decoder().startswith("Pillow")
    True
    """
    from PIL import __version__, features

    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return (
        f"Pillow {__version__}, JPEG {jpeg}; EXIF applied; alpha on white; 16-bit kept; colour profiles ignored; "
        "mask: BT.601 luma at least half"
    )


def decode(data: bytes, name: str, *, opaque: bool = False) -> np.ndarray:
    """The pixels (H, W, 3) of an image file's bytes, uint8, or float32 in [0, 1] for 16-bit files.

    Raises `ImageError`, naming `name`, when they are empty, no image, damaged, cut short or too many pixels; and, with
    `opaque`, for transparency.
    """
    if not data:
        raise ImageError(f"{name} is empty; expected an image ({FORMATS_IN_WORDS})")
    image = _open(data, name)
    try:
        pixels = _sixteen_bit_colour(image, data, name, opaque)
        return _pixels(image, name, opaque) if pixels is None else pixels
    except ImageError:
        raise
    except Exception as error:  # damaged data makes the decoders raise anything
        raise ImageError(f"{name} is damaged and cannot be decoded: {_words(error)}") from error


def pil_pixels(image: Image.Image, name: str, *, opaque: bool = False) -> np.ndarray:
    """The pixels (H, W, 3) of a PIL image, as `decode` gives those of a file. The image itself is not changed."""
    try:
        with _LOADING:  # two samples may share one image that is not loaded yet
            image.load()
        return _pixels(image, name, opaque)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{name} cannot be decoded: {_words(error)}") from error


def on_white(samples: np.ndarray, name: str, *, opaque: bool = False) -> np.ndarray:
    """Samples (H, W, 3) or (H, W, 4) composited on white: uint8 stays uint8, rounded to nearest; others become float32.

    With `opaque`, raises `ImageError` if any of them is transparent.
    """
    white = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    values = samples.astype(np.float32) / white
    colour = values[..., :3]
    if samples.shape[2] == 4:
        alpha = values[..., 3:]
        _check_opaque(opaque, alpha.min() == 1, name)
        colour = colour * alpha + (1 - alpha)
    return np.rint(colour * white).astype(np.uint8) if samples.dtype == np.uint8 else colour


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    """The image of `data`, not decoded yet.

    What `Image.open(..., formats=FORMATS)` does, without its warning for large images: warnings go through filters that
    all threads share, so this thread could neither silence it nor turn it into an error.
    """
    from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

    for file_format in FORMATS:
        factory, accepts = Image.OPEN[file_format]
        if accepts is None or accepts(data[:16]) is not True:
            continue
        try:
            image = factory(BytesIO(data), "")
        except Exception as error:
            raise ImageError(f"{name} starts as {file_format} and cannot be decoded: {_words(error)}") from error
        _scale_transparent_grey(image)
        width, height = image.size
        if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
            raise ImageError(
                f"{name} claims {width} x {height} pixels, more than the {Image.MAX_IMAGE_PIXELS} that are decoded "
                "(PIL.Image.MAX_IMAGE_PIXELS, against decompression bombs); make it smaller"
            )
        return image
    raise ImageError(f"{name} is not an image that can be read ({FORMATS_IN_WORDS})")


def _pixels(image: Image.Image, name: str, opaque: bool) -> np.ndarray:
    from PIL import Image

    image.load()
    image = _upright(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_beyond_8_bits(image, name, opaque)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        if alpha.getextrema() != (255, 255):
            _check_opaque(opaque, False, name)
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=alpha)
            image = white
    return _rgb_array(image if image.mode == "RGB" else image.convert("RGB"))


def _rgb_array(image: Image.Image) -> np.ndarray:
    """What `np.array(image)` gives, in strips that stay in the cache.

    At once, it would copy the whole image twice over, and getting that memory is what threads wait for.
    """
    width, height = image.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIP_BYTES // (3 * width))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says; an EXIF block that is damaged says nothing."""
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION)
    except (SyntaxError, struct.error, ValueError, KeyError, TypeError):
        return image
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _grey_beyond_8_bits(image: Image.Image, name: str, opaque: bool) -> np.ndarray:
    samples = np.array(image)
    tiff: Any = getattr(image, "tag_v2", {})
    white = 65535
    if image.mode == "F":
        white = 1
    elif tiff.get(_BITS_PER_SAMPLE) == (12,):
        white = 4095
    if not (samples.min() >= 0 and samples.max() <= white):  # "not" catches NaN
        said = f"{samples.dtype.name} samples from {samples.min():g} to {samples.max():g}"
        raise ImageError(f"{name} has {said}; expected 0 (black) to {white} (white)")
    grey = samples.astype(np.float32) / white
    if tiff.get(_PHOTOMETRIC) == 0:  # white is zero, which Pillow honours for 8 bits only
        grey = 1 - grey
    if isinstance(colour := image.info.get("transparency"), int):
        transparent = samples == colour
        _check_opaque(opaque, not transparent.any(), name)
        grey[transparent] = 1
    return np.repeat(grey[..., None], 3, axis=2)


def _sixteen_bit_colour(image: ImageFile.ImageFile, data: bytes, name: str, opaque: bool) -> np.ndarray | None:
    """The pixels of an image with 16-bit colour in float32, or None if it is of another kind.

    Pillow has no such mode and keeps the high byte of each sample. Reading the same file in the other byte order gives
    the low byte; grey with alpha is read as RGBA, whose four bytes it is.
    """
    layout = _layout(image)
    tiff: Any = getattr(image, "tag_v2", {})
    if tiff.get(_PLANAR) == 2 and 16 in tiff[_BITS_PER_SAMPLE]:
        raise ImageError(f"{name} keeps 16-bit channels in separate planes, which cannot be read; save it interleaved")
    if layout == "LA;16B":
        halves = _decoded_as(image, "RGBA").astype(np.uint16)
        samples = halves[..., [0, 0, 0, 2]] << 8 | halves[..., [1, 1, 1, 3]]
    elif re.fullmatch(r"RGB[AX]?;16[BLN]", layout):
        native = "L" if sys.byteorder == "little" else "B"
        other_order = layout[:-1] + {"L": "B", "B": "L"}[layout[-1].replace("N", native)]
        low = _decoded_as(_open(data, name), other_order)
        samples = _decoded_as(image, layout).astype(np.uint16) << 8 | low
    else:
        return None
    if colour := image.info.get("transparency"):
        samples = np.dstack([samples, np.where((samples == colour).all(axis=2), 0, 65535).astype(np.uint16)])
    return on_white(samples, name, opaque=opaque)


def _layout(image: ImageFile.ImageFile) -> str:
    """How the samples stand in the file, in Pillow's words: "RGB;16B" is RGB of 16 bits, the high byte first."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _scale_transparent_grey(image: ImageFile.ImageFile) -> None:
    """Pillow scales 2-bit and 4-bit grey to 8 bits, but not the grey that stands for transparent."""
    levels = {"L;2": 3, "L;4": 15}.get(_layout(image))
    colour = image.info.get("transparency")
    if levels and isinstance(colour, int) and colour <= levels:
        image.info["transparency"] = colour * 255 // levels


def _decoded_as(image: ImageFile.ImageFile, layout: str) -> np.ndarray:
    def told(arguments: Any) -> Any:
        return (layout, *arguments[1:]) if isinstance(arguments, tuple) else layout

    image.tile = [tile._replace(args=told(tile.args)) for tile in image.tile]
    image.load()
    return np.array(_upright(image))


def _check_opaque(expected: bool, is_opaque: bool, name: str) -> None:
    if expected and not is_opaque:
        raise ImageError(f"{name} has transparent pixels; save it without transparency, as white on black")


def _words(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
