"""Files that were damaged are failed rows; files that are whole, however odd, are read."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from editmetrics.images import ImageError, read_image

from .files import ARITHMETIC_JPEG, cut_out, encoded, photo, zeroed

COPIES = 20
BLOCK = 2048


def as_file(kind: str) -> bytes:
    image = photo((512, 512))
    return {
        "baseline": lambda: encoded(image, "JPEG", quality=92),
        "4:4:4": lambda: encoded(image, "JPEG", quality=92, subsampling=0),
        "progressive": lambda: encoded(image, "JPEG", quality=92, progressive=True),
        "grey JPEG": lambda: encoded(image.convert("L"), "JPEG", quality=95),
        "CMYK JPEG": lambda: encoded(image.convert("CMYK"), "JPEG", quality=92),
        "MPO": lambda: encoded(image, "MPO", save_all=True, append_images=[image.rotate(180)], quality=92),
        "lossy WebP": lambda: encoded(image, "WEBP", quality=92),
        "lossless WebP": lambda: encoded(image, "WEBP", lossless=True),
        "WebP with alpha": lambda: encoded(with_alpha(image), "WEBP", quality=92),
        "animated WebP": lambda: encoded(image, "WEBP", save_all=True, append_images=[Image.new("RGB", (512, 512))]),
        "PNG": lambda: encoded(image, "PNG"),
        "LZW TIFF": lambda: encoded(image, "TIFF", compression="tiff_lzw"),
        "JPEG in TIFF": lambda: encoded(image, "TIFF", compression="jpeg"),
        "GIF": lambda: encoded(image, "GIF"),
    }[kind]()


def with_alpha(image: Image.Image) -> Image.Image:
    image.putalpha(image.convert("L"))  # of noise, libwebp would keep the bytes as they are, without any redundancy
    return image


@pytest.mark.parametrize("damage", [zeroed, cut_out])
@pytest.mark.parametrize(
    "kind",
    [
        "baseline",
        "4:4:4",
        "progressive",
        "grey JPEG",
        "CMYK JPEG",
        "lossy WebP",
        "lossless WebP",
        "WebP with alpha",
        "PNG",
        "LZW TIFF",
        "JPEG in TIFF",
        "GIF",
    ],
)
def test_a_block_that_is_lost_is_noticed(kind, damage):
    data = as_file(kind)
    assert read_image(data).shape == (512, 512, 3)
    rng = np.random.default_rng(11)
    noticed = 0
    for at in rng.integers(1000, len(data) - BLOCK - 100, COPIES):
        try:
            read_image(damage(data, int(at), BLOCK))
        except ImageError:
            noticed += 1
    # a scan of a progressive JPEG that refines by one bit a coefficient holds no redundancy
    assert noticed >= (COPIES - 2 if kind == "progressive" else COPIES)


def test_only_the_first_picture_counts():
    for kind in ("MPO", "animated WebP"):
        data = as_file(kind)
        read_image(data)
        with pytest.raises(ImageError):
            read_image(zeroed(data, 5000, BLOCK))


def test_the_reason_says_what_the_decoder_noticed():
    data = as_file("baseline")
    with pytest.raises(ImageError, match=r"cat\.jpg is damaged .*premature end of data segment \(libjpeg-turbo\)"):
        read_image(zeroed(data, len(data) // 2, BLOCK), name="cat.jpg")
    data = as_file("lossy WebP")
    with pytest.raises(ImageError, match=r"cat\.webp is damaged .*complete before the last 16 bytes"):
        read_image(zeroed(data, len(data) // 2, BLOCK), name="cat.webp")


def test_a_jpeg_that_was_cut_and_closed_is_damaged():
    data = as_file("baseline")
    for share in (0.1, 0.5, 0.9, 0.99):
        with pytest.raises(ImageError, match="premature end"):
            read_image(data[: int(share * len(data))] + b"\xff\xd9")


def png_with(lines: bytes, height: int, *, interlaced: bool = False, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of 32 pixels a row with these filtered lines, whatever its header asks for."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 32, height, depth, colour, 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_of(rows: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose data hold so many rows, and end as they should."""
    line = b"\0" + bytes([200]) * (32 * depth * {0: 1, 2: 3}[colour] // 8)
    return png_with(line * rows, height, depth=depth, colour=colour)


@pytest.mark.parametrize("rows", [0, 1, 16, 31])
@pytest.mark.parametrize(("depth", "colour"), [(8, 2), (16, 2), (8, 0), (16, 0), (1, 0)])
def test_a_png_that_holds_too_few_rows_is_damaged(rows, depth, colour):
    assert read_image(png_of(32, 32, depth=depth, colour=colour)).shape == (32, 32, 3)
    with pytest.raises(ImageError, match="end before the last row" if rows else "cut|truncated"):
        read_image(png_of(rows, 32, depth=depth, colour=colour))


@pytest.mark.parametrize("missing", [1, 20, 30])
def test_an_interlaced_png_that_holds_too_few_rows_is_damaged(missing):
    passes = [(4, 4), (4, 4), (8, 4), (8, 8), (16, 8), (16, 16), (32, 16)]  # columns and rows of 32 x 32, Adam7
    lines = [b"\0" + bytes([200]) * 3 * columns for columns, rows in passes for _ in range(rows)]
    assert (read_image(png_with(b"".join(lines), 32, interlaced=True)) == 200).all()
    with pytest.raises(ImageError, match="end before the last row"):
        read_image(png_with(b"".join(lines[:-missing]), 32, interlaced=True))


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 17), (64, 64)])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
def test_whole_pngs_of_every_size_are_read(size, mode):
    black = Image.new("RGB", size).convert(mode)
    for options in ({}, {"compress_level": 0}):
        assert not read_image(encoded(black, "PNG", **options)).any()


def test_a_wrong_checksum_of_a_png_is_damage():
    data = bytearray(encoded(photo((64, 64)), "PNG"))
    data[-16] ^= 1  # of IDAT, which stands before the 12 bytes of IEND
    with pytest.raises(ImageError, match="checksum of its IDAT chunk"):
        read_image(bytes(data))


def whole_jpegs() -> dict[str, bytes]:
    data = encoded(photo((97, 61)), "JPEG", quality=90)
    exif = Image.Exif()
    exif[0x010E] = "a photograph"

    def with_segment(marker: int, body: bytes) -> bytes:
        return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]

    return {
        "trailing bytes": data + b"appended by some camera" * 50,
        "a second JPEG": data + encoded(photo((20, 20)), "JPEG"),
        "zeros": data + bytes(5000),
        "filled up": data[:-2] + b"\xff\xff\xff" + data[-2:],
        "EXIF": encoded(photo((97, 61)), "JPEG", quality=90, exif=exif),
        "comment": with_segment(0xFE, b"made by hand"),
        "unknown segment": with_segment(0xEB, b"anything" * 20),
        "JFIF 3": data.replace(b"JFIF\0\1\1", b"JFIF\0\3\1"),
        "half a profile": with_segment(0xE2, b"ICC_PROFILE\0\5\2abcd"),
        "restarts": encoded(photo((97, 61)), "JPEG", quality=90, restart_marker_rows=1),
        "optimised": encoded(photo((97, 61)), "JPEG", optimize=True),
        "progressive": encoded(photo((97, 61)), "JPEG", progressive=True),
        "4:2:2": encoded(photo((97, 61)), "JPEG", subsampling=1),
        "4:1:1": encoded(photo((97, 61)), "JPEG", subsampling="4:1:1"),
        "grey": encoded(photo((97, 61)).convert("L"), "JPEG"),
        "CMYK": encoded(photo((97, 61)).convert("CMYK"), "JPEG"),
        "RGB": encoded(photo((97, 61)), "JPEG", keep_rgb=True),
        "one pixel": encoded(photo((1, 1)), "JPEG"),
        "flat": encoded(Image.new("RGB", (97, 61), "white"), "JPEG", progressive=True),
        "worst": encoded(photo((97, 61)), "JPEG", quality=1),
        "best": encoded(photo((97, 61)), "JPEG", quality=100),
        "arithmetic": ARITHMETIC_JPEG,
    }


@pytest.mark.parametrize("kind", whole_jpegs())
def test_whole_jpegs_are_read_with_the_pixels_of_pillow(kind):
    data = whole_jpegs()[kind]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(read_image(data), expected)


@pytest.mark.parametrize("options", [{"quality": 1}, {"quality": 75}, {"quality": 100}, {"lossless": True}])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (97, 61), (3, 400)])
@pytest.mark.parametrize("content", ["photo", "flat", "alpha", "animated"])
def test_whole_webps_are_read_with_the_pixels_of_pillow(content, size, options):
    image = Image.new("RGB", size, (200, 10, 10)) if content == "flat" else photo(size)
    if content == "alpha":
        image = with_alpha(image)
    if content == "animated":
        options = {**options, "save_all": True, "append_images": [Image.new("RGB", size)]}
    data = encoded(image, "WEBP", **options)
    expected = Image.open(io.BytesIO(data))
    if content == "alpha":
        white = Image.new("RGBA", size, "white")
        white.alpha_composite(expected)
        np.testing.assert_allclose(read_image(data), np.asarray(white.convert("RGB")), atol=1)  # rounds otherwise
    else:
        np.testing.assert_array_equal(read_image(data), np.asarray(expected.convert("RGB")))


def test_bytes_behind_a_webp_or_png_are_no_damage():
    for file_format in ("WEBP", "PNG"):
        data = encoded(photo((40, 40)), file_format)
        np.testing.assert_array_equal(read_image(data + b"behind" * 30), read_image(data))


def test_tiled_jpeg_in_tiff_is_checked_tile_by_tile():
    imagecodecs = pytest.importorskip("imagecodecs")
    del imagecodecs
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.asarray(photo((256, 256))), compression="jpeg", tile=(64, 64), photometric="rgb")
    assert read_image(buffer.getvalue()).shape == (256, 256, 3)
    with pytest.raises(ImageError):
        read_image(zeroed(buffer.getvalue(), len(buffer.getvalue()) // 2, 500))


@pytest.mark.parametrize("kind", ["baseline", "progressive", "lossy WebP", "lossless WebP", "PNG", "JPEG in TIFF"])
def test_an_image_that_was_opened_and_not_loaded_is_checked_like_a_file(kind, tmp_path):
    data = as_file(kind)
    for name, content in {"whole": data, "damaged": zeroed(data, len(data) // 2, BLOCK)}.items():
        path = tmp_path / name
        path.write_bytes(content)
        for opened in (path, io.BytesIO(content)):
            with Image.open(opened) as image:
                if name == "whole":
                    np.testing.assert_array_equal(read_image(image), read_image(data))
                    continue
                with pytest.raises(ImageError):
                    read_image(image)
