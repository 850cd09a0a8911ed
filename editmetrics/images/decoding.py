"""From the bytes of an image file, or a PIL image, to an array (H, W, 3).

In this order: the first frame; turned as its EXIF says; colours converted to sRGB by their profile, if that is asked
for; palettes, CMYK, YCbCr and greyscale converted to RGB; what is transparent composited on white; 16-bit samples kept
as float32 in [0, 1], all others as uint8. The formats are those of `editmetrics.images.kinds`; no other decoder is ever
reached.
"""

from __future__ import annotations

import re
import struct
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .damage import DamageError, jpeg_pixels
from .kinds import FORMATS_IN_WORDS
from .opening import (
    ImageError,
    as_image_errors,
    check_whole,
    cropped,
    layout_of,
    load,
    load_opened,
    open_image,
    profile_of,
)
from .profiles import Profile, conversion, converted, converted_floats

if TYPE_CHECKING:
    from PIL import Image, ImageFile

_ORIENTATION = 274  # EXIF tag
_LOADING = threading.Lock()
_STRIP_BYTES = 1 << 18
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR = 258, 262, 284  # TIFF tags


def decoder(profile: Profile = "ignore") -> str:
    """The decoders and the conventions by which files become pixels: a part of every number's identity.

    >>> decoder().startswith("Pillow")
    True
    """
    import simplejpeg  # type: ignore[import-untyped]
    from PIL import __version__, features

    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    colours = "colour profiles ignored" if profile == "ignore" else conversion()
    return (
        f"Pillow {__version__}, JPEG {jpeg}, simplejpeg {simplejpeg.__version__}; EXIF applied, in memory to "
        f"images as opened; alpha on white; 16-bit kept; {colours}; mask: BT.601 luma at least half"
    )


def decode(data: bytes, name: str, *, opaque: bool = False, profile: Profile = "ignore") -> np.ndarray:
    """The pixels (H, W, 3) of an image file's bytes, uint8, or float32 in [0, 1] for 16-bit files.

    Raises `ImageError`, naming `name`, when they are empty, no image, damaged, cut short or too many pixels; and, with
    `opaque`, for transparency. Raises `UnavailableError` when this machine has too little memory for them.
    """
    if not data:
        raise ImageError(f"{name} is empty; expected an image ({FORMATS_IN_WORDS})")
    with as_image_errors(f"{name} is damaged and cannot be decoded", name):
        image = open_image(data, name)
        pixels = _jpeg(image, data, profile) if image.format == "JPEG" else None
        if pixels is None:
            pixels = _wide_colour(image, data, name, opaque, profile)
        if pixels is None:
            load(image)
            pixels = _pixels(image, name, opaque, profile, upright=_orientation_stands(image))
        check_whole(image, data)
        return pixels


def profile_in(data: bytes, name: str) -> bytes | None:
    """The ICC profile of an image file's bytes, or None. Raises `ImageError` if they are not an image."""
    with as_image_errors(f"{name} is damaged", name):
        return profile_of(open_image(data, name))


def pil_pixels(image: Image.Image, name: str, *, opaque: bool = False, profile: Profile = "ignore") -> np.ndarray:
    """The pixels (H, W, 3) of a PIL image, as `decode` gives those of a file. The image itself is not changed.

    Its EXIF orientation is applied while it is the image that Pillow opened. What `convert`, `resize`, `crop`, `rotate`
    and their kind return keeps the tag of the original or loses it, whether its pixels were turned or not: such an
    image is taken as it is.
    """
    from PIL import ImageFile

    with as_image_errors(f"{name} cannot be decoded", name):
        as_opened = isinstance(image, ImageFile.ImageFile)
        with _LOADING:  # two samples may share one image that is not loaded yet
            if isinstance(image, ImageFile.ImageFile):
                load_opened(image)
            else:
                image.load()
        return _pixels(image, name, opaque, profile, upright=as_opened and _orientation_stands(image))


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


def _jpeg(image: ImageFile.ImageFile, data: bytes, profile: Profile) -> np.ndarray | None:
    """The pixels of a JPEG, turned upright; None where Pillow has to make them."""
    pixels = jpeg_pixels(data, image.mode)
    if pixels is None or (profile == "convert" and profile_of(image)):
        return None
    if pixels.shape[:2] != image.size[::-1]:
        raise DamageError(f"its size is {image.size} or {pixels.shape[1::-1]}")
    return _turned(pixels, image)


def _pixels(image: Image.Image, name: str, opaque: bool, profile: Profile, *, upright: bool) -> np.ndarray:
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = _grey_beyond_8_bits(image, name, opaque)
        if profile == "convert":
            grey = converted_floats(grey, profile_of(image))
        return _turned(grey, image) if upright else grey
    if upright:
        image = _turned_upright(image)
    if profile == "convert":
        image = converted(image, profile_of(image))
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
    """`np.array(image)`, made in strips that stay in the cache.

    At once, it would copy the whole image twice over, and getting that memory is what threads wait for.
    """
    width, height = image.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIP_BYTES // (3 * width))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(cropped(image, (0, top, width, bottom)))
    return pixels


def _grey_beyond_8_bits(image: Image.Image, name: str, opaque: bool) -> np.ndarray:
    samples = np.array(image)
    tiff: Any = getattr(image, "tag_v2", {})
    white = 65535
    if image.mode == "F":
        white = 1
    elif tiff.get(_BITS_PER_SAMPLE) == (12,):
        white = 4095
    if not (samples.min() >= 0 and samples.max() <= white):  # "not" catches NaN
        values = f"{samples.dtype.name} samples from {samples.min():g} to {samples.max():g}"
        raise ImageError(f"{name} has {values}; expected 0 (black) to {white} (white)")
    grey = samples.astype(np.float32) / white
    if tiff.get(_PHOTOMETRIC) == 0:  # white is zero, which Pillow honours for 8 bits only
        grey = 1 - grey
    if isinstance(colour := image.info.get("transparency"), int):
        transparent = samples == colour
        _check_opaque(opaque, not transparent.any(), name)
        grey[transparent] = 1
    return np.repeat(grey[..., None], 3, axis=2)


def _wide_colour(
    image: ImageFile.ImageFile, data: bytes, name: str, opaque: bool, profile: Profile
) -> np.ndarray | None:
    """The pixels of an image with 16-bit colour in float32, or None if it is of another kind."""
    layout = layout_of(image)
    tiff: Any = getattr(image, "tag_v2", {})
    if tiff.get(_PLANAR) == 2 and 16 in tiff[_BITS_PER_SAMPLE]:
        raise ImageError(f"{name} keeps 16-bit channels in separate planes, which cannot be read; save it interleaved")
    if image.format == "PPM":
        samples = _wide_ppm(image, data, name)
    elif layout == "LA;16B" or re.fullmatch(r"RGB[AX]?;16[BLN]", layout):
        samples = _two_bytes(image, data, name, layout)
    else:
        return None
    if samples is None:
        return None
    if colour := image.info.get("transparency"):
        samples = np.dstack([samples, np.where((samples == colour).all(axis=2), 0, 65535).astype(np.uint16)])
    if profile == "convert" and (icc := profile_of(image)):
        floats = samples / np.float32(65535)
        samples = np.dstack([converted_floats(floats[..., :3], icc), floats[..., 3:]])
    return on_white(samples, name, opaque=opaque)


def _two_bytes(image: ImageFile.ImageFile, data: bytes, name: str, layout: str) -> np.ndarray:
    """The samples of 16-bit colour, uint16.

    Pillow has no such mode and keeps the high byte of each sample. Reading the same file in the other byte order gives
    the low byte; grey with alpha is read as RGBA, whose four bytes it is.
    """
    if layout == "LA;16B":
        halves = _decoded_as(image, "RGBA").astype(np.uint16)
        return halves[..., [0, 0, 0, 2]] << 8 | halves[..., [1, 1, 1, 3]]
    native = "L" if sys.byteorder == "little" else "B"
    other_order = layout[:-1] + {"L": "B", "B": "L"}[layout[-1].replace("N", native)]
    low = _decoded_as(open_image(data, name), other_order)
    return _decoded_as(image, layout).astype(np.uint16) << 8 | low


def _wide_ppm(image: ImageFile.ImageFile, data: bytes, name: str) -> np.ndarray | None:
    """The samples of a PPM or PGM of more than 8 bits, as shares of white; Pillow keeps 8 of them, or rounds."""
    tile = image.tile[0]
    most = tile.args[-1] if isinstance(tile.args, tuple) else 0
    if not isinstance(most, int) or most <= 255 or data[:2] == b"P2":
        return None
    if data[:2] == b"P3":
        raise ImageError(f"{name} is a PPM of more than 8 bits written as text; save it as binary (P6) or PNG")
    (width, height), channels = image.size, 3 if image.mode == "RGB" else 1
    if len(data) < tile.offset + 2 * channels * width * height:
        raise DamageError("it is cut short")
    samples = np.frombuffer(data, ">u2", channels * width * height, tile.offset).reshape(height, width, channels)
    if samples.max() > most:
        raise DamageError(f"it has samples of {samples.max()}, and white is {most}")
    return np.repeat(samples / np.float32(most), 3 // channels, axis=2)


def _decoded_as(image: ImageFile.ImageFile, layout: str) -> np.ndarray:
    def told(arguments: Any) -> Any:
        return (layout, *arguments[1:]) if isinstance(arguments, tuple) else layout

    image.tile = [tile._replace(args=told(tile.args)) for tile in image.tile]
    load(image)
    return np.array(_turned_upright(image))


def _check_opaque(expected: bool, is_opaque: bool, name: str) -> None:
    if expected and not is_opaque:
        raise ImageError(f"{name} has transparent pixels; save it without transparency, as white on black")


def _turned_upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    orientation = _orientation(image)
    return image.transpose(turns[orientation]) if orientation in turns else image


_TURNS: dict[Any, Callable[[np.ndarray], np.ndarray]] = {  # for arrays
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


def _turned(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """The pixels turned as the EXIF orientation of their image says."""
    orientation = _orientation(image)
    return np.ascontiguousarray(_TURNS[orientation](pixels)) if orientation in _TURNS else pixels


def _orientation(image: Image.Image) -> Any:
    """The EXIF orientation; None in a damaged EXIF block."""
    try:
        return image.getexif().get(_ORIENTATION)
    except (SyntaxError, struct.error, ValueError, KeyError, TypeError):
        return None


def _orientation_stands(image: Image.Image) -> bool:
    """Whether the decoder leaves it to us to turn the image: those of HEIC and JPEG XL turn it themselves.

    A JPEG inside a JPEG XL is unpacked as it was.
    """
    return image.format != "HEIF" and (image.format != "JXL" or bool(getattr(image, "jpeg", False)))
