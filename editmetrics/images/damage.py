"""Damage that Pillow reads over: what else a JPEG, WebP, PNG or TIFF file tells of whether it is whole.

Pillow drops the warnings of libjpeg-turbo, and does not check whether a complete picture has used up its data. Of
the formats read here these four can tell. BMP, PPM and uncompressed TIFF hold no redundancy, so that bytes that were
overwritten in them look like any other pixels; neither Pillow's JPEG 2000 and AVIF nor HEIC decoders tell of it either.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np

_LEFT_OVER = 16
"""So many bytes of an image's data may stay unread: encoders fill up their last word (libwebp 2, libvpx 4)."""

_TEXT_BYTES = 1 << 20  # as in Pillow, whose own limits are variables that anybody may change
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # PNG's colour types
_OF_NO_PIXEL = re.compile("unknown JFIF revision|bad ICC marker|[Uu]nknown Adobe color transform")
_UNUSUAL = "Could not determine subsampling"
_JPEG_TABLES, _COMPRESSION, _STRIPS, _TILES = 347, 259, (273, 279), (324, 325)  # TIFF tags


class DamageError(ValueError):
    """A file is damaged; the message is what was noticed."""


# ---------------------------------------------------------------------- JPEG


def jpeg_pixels(data: bytes, mode: str) -> np.ndarray | None:
    """The pixels (H, W, 3) of a JPEG of Pillow's `mode` "RGB" or "L", or None where Pillow is to decode a whole file.

    Decoded by libjpeg-turbo, which Pillow has too, so the pixels are the same; but here its warnings are errors. Raises
    `DamageError` for them. Pillow decodes inks, and the few kinds of subsampling that the TurboJPEG interface lacks.
    """
    if mode not in ("RGB", "L"):
        check_jpeg(data)
        return None
    try:
        pixels = _turbo(data, "GRAY" if mode == "L" else "RGB")
    except DamageError as damage:
        if not _OF_NO_PIXEL.search(str(damage)):
            raise
        check_jpeg(data)
        return None
    return None if pixels is None else np.repeat(pixels, 3, axis=2) if mode == "L" else pixels


def check_jpeg(data: bytes) -> None:
    """Raise `DamageError` when libjpeg-turbo warns of the compressed data; its picture is thrown away."""
    try:
        _turbo(data, "GRAY", min_factor=8)
    except DamageError as damage:
        if "color conversion" in str(damage):
            check = "CMYK"
        elif _OF_NO_PIXEL.search(str(damage)):
            data, check = _without_metadata(data), "GRAY"
        else:
            raise
        _turbo(data, check, min_factor=8)


def _turbo(data: bytes, colours: str, **options: int) -> np.ndarray | None:
    """Decode with libjpeg-turbo, with its warnings as errors; None for files that its interface cannot decode."""
    import simplejpeg  # type: ignore[import-untyped]

    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, colours, strict=True, **options)
    except ValueError as error:
        if _UNUSUAL in str(error):
            return None
        raise DamageError(f"{error} (libjpeg-turbo)") from error
    return pixels


def _without_metadata(data: bytes) -> bytes:
    """A JPEG without the application segments at its beginning, whose damage leaves the picture intact."""
    kept, at = [data[:2]], 2
    while data[at : at + 1] == b"\xff" and data[at + 1] in range(0xE0, 0xF0):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b"".join([*kept, data[at:]])


def check_jpeg_in_tiff(data: bytes, tags: Any) -> None:
    """Raise `DamageError` when a strip or tile of a JPEG-compressed TIFF is damaged; `tags` are Pillow's `tag_v2`."""
    if tags.get(_COMPRESSION) != 7:
        return
    tables = bytes(tags.get(_JPEG_TABLES, b""))
    starts, lengths = next((pair for pair in (_STRIPS, _TILES) if pair[0] in tags), _STRIPS)
    for start, length in zip(tags[starts], tags[lengths], strict=True):
        strip = data[start : start + length]
        check_jpeg(tables[:-2] + strip[2:] if tables else strip)


# ---------------------------------------------------------------------- WebP


def check_webp(data: bytes) -> None:
    """Raise `DamageError` when the first picture is complete before its data are used up.

    A damaged block puts the entropy decoder out of step, so that it needs more data than there are, which libwebp
    notices, or fewer: then the picture is complete even without the last bytes.
    """
    from PIL.WebPImagePlugin import WebPImageFile

    for stream in _shortened(data):
        try:
            WebPImageFile(BytesIO(stream)).load()
        except MemoryError:
            raise
        except Exception:  # noqa: S112  it needed the bytes that are missing, as it should
            continue
        raise DamageError(f"its picture is complete before the last {_LEFT_OVER} bytes of its data")


def _shortened(data: bytes) -> Iterator[bytes]:
    """Each stream of the first picture, as a WebP file of its own that lacks its last bytes."""
    alpha = b""
    for kind, body in _riff_chunks(data, 12):
        if kind == b"ANMF":
            yield from _shortened(bytes(12) + body[16:])
            return
        if kind == b"ALPH":
            alpha = body
        if kind in (b"VP8 ", b"VP8L"):
            yield _webp(kind, body[:-_LEFT_OVER])
            if alpha and alpha[0] & 3 == 1:  # compressed losslessly, without the header that gives the size
                width, height = struct.unpack("<HH", body[6:10])
                header = (width & 0x3FFF) - 1 | ((height & 0x3FFF) - 1) << 14
                yield _webp(b"VP8L", b"\x2f" + struct.pack("<I", header) + alpha[1:-_LEFT_OVER])
            return


def _riff_chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _webp(kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


# ---------------------------------------------------------------------- PNG


def check_png(data: bytes) -> None:
    """Raise `DamageError` for a chunk whose checksum is wrong, and for one whose text is a decompression bomb."""
    for kind, body, checksum in _png_chunks(data):
        if zlib.crc32(kind + body) != checksum:
            raise DamageError(f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        if kind in (b"zTXt", b"iCCP", b"iTXt"):
            _check_text(kind, body)


def check_png_rows(data: bytes) -> None:
    """Raise `DamageError` when the compressed data of a PNG hold fewer rows than its header says."""
    header = next(body for kind, body, _ in _png_chunks(data) if kind == b"IHDR")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    bits = depth * _CHANNELS[colour]
    missing = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in _passes(width, height, interlaced))
    inflate = zlib.decompressobj()
    for kind, body, _ in _png_chunks(data):
        while kind == b"IDAT" and body and missing > 0:
            missing -= len(inflate.decompress(body, 1 << 18))
            body = inflate.unconsumed_tail
    missing -= len(inflate.flush()) if missing > 0 else 0
    if missing > 0:
        raise DamageError("its compressed data end before the last row")


def _passes(width: int, height: int, interlaced: int) -> list[tuple[int, int]]:
    """The columns and rows of each pass; a pass without columns has no rows."""
    if not interlaced:
        return [(width, height)]
    sizes = [(-(-(width - left) // step_x), -(-(height - top) // step_y)) for left, top, step_x, step_y in _ADAM7]
    return [(columns, rows) for columns, rows in sizes if columns > 0 and rows > 0]


def _check_text(kind: bytes, body: bytes) -> None:
    packed = body.partition(b"\0")[2]
    if kind == b"iTXt":
        if packed[:1] != b"\1":
            return
        packed = b"\0" + packed[2:].split(b"\0", 2)[-1]
    inflate = zlib.decompressobj()
    try:
        inflate.decompress(packed[1:], _TEXT_BYTES)
    except zlib.error as error:
        raise DamageError(f"its {kind.decode()} chunk cannot be inflated: {error}") from error
    if inflate.unconsumed_tail and not inflate.eof:
        raise DamageError(f"its {kind.decode()} chunk inflates to more than {_TEXT_BYTES} bytes")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """The kind, body and checksum of each chunk that is there completely, up to the end of the image."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if at + 12 + length > len(data):
            return
        yield kind, body, int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        if kind == b"IEND":
            return
        at += 12 + length
