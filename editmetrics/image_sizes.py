"""The size that a file announces, for the formats whose decoders reserve memory for it as soon as they are asked."""

from __future__ import annotations

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # JPEG XL's, width to height


def announced_size(data: bytes, file_format: str) -> tuple[int, int] | None:
    """The width and height in the header of a WebP or JPEG XL file; None of other formats.

    Raises `ValueError` when the header holds none.
    """
    if file_format == "WEBP":
        return _webp_size(data)
    return _jxl_size(_codestream(data)) if file_format == "JXL" else None


def _webp_size(data: bytes) -> tuple[int, int]:
    """After Google's container specification and RFC 6386, section 9.1."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) == 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8 " and len(body) == 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ValueError("its header holds no size")


def _codestream(data: bytes) -> bytes:
    """The beginning of a JPEG XL image, bare or in the boxes of its container."""
    if data[:2] == b"\xff\x0a":
        return data[:32]
    at = 0
    while at + 8 <= len(data):
        length, kind, begin = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:
            length, begin = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        if kind in (b"jxlc", b"jxlp"):
            begin += 4 if kind == b"jxlp" else 0
            return data[begin : begin + 32]
        if length < 8:
            break
        at += length
    raise ValueError("it holds no image")


def _jxl_size(codestream: bytes) -> tuple[int, int]:
    """After ISO/IEC 18181-1, SizeHeader: fields from the lowest bit on."""
    if codestream[:2] != b"\xff\x0a" or len(codestream) < 12:
        raise ValueError("its header holds no size")
    bits, at = int.from_bytes(codestream[2:], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & (1 << count) - 1
        at += count
        return value

    def side(small: int) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    if not ratio:
        return side(small), height
    numerator, denominator = _RATIOS[ratio - 1]
    return height * numerator // denominator, height
