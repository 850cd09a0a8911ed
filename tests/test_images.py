"""What files, bytes, PIL images, arrays and tensors turn into, against values worked out by hand from each format."""

from __future__ import annotations

import functools
import io
import os
import pickle
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image

from editmetrics.images import ImageError, Unreadable, decoder, read_bytes, read_image, read_mask, to_tensor

RNG = np.random.default_rng(7)
PHOTO = "docs/examples/source/cat.jpg"


def encoded(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: np.ndarray, depth: int, colour: int, *extra: bytes, size: tuple[int, int] | None = None) -> bytes:
    """A PNG written from its specification, since Pillow writes no 16-bit colour: no filter, not interlaced."""
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if depth < 8:
        bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        lines = [np.packbits(row.astype(np.uint8).ravel()).tobytes() for row in bits]
    else:
        lines = [row.astype(">u2" if depth == 16 else np.uint8).tobytes() for row in rows]
    header = struct.pack(">IIBBBBB", *(size or (width, height)), depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")])


def composited(colour: np.ndarray, alpha: np.ndarray, white: int) -> np.ndarray:
    """The closed form, in float64."""
    share = alpha[..., None] / white
    return colour / white * share + (1 - share)


# ---------------------------------------------------------------------- 8 bits


@pytest.mark.parametrize(
    ("file_format", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})],
)
def test_lossless_files_give_back_their_pixels(file_format, options):
    pixels = RNG.integers(0, 256, (37, 41, 3), dtype=np.uint8)
    read = read_image(encoded(Image.fromarray(pixels), file_format, **options))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


def test_a_jpeg_is_close_to_what_was_saved():
    photo = np.array(Image.open(PHOTO))
    read = read_image(encoded(Image.fromarray(photo), "JPEG", quality=100, subsampling=0))
    assert np.abs(read.astype(int) - photo).max() <= 4  # rounding to integers in YCbCr and in the DCT


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (300_000, 1), (641, 479), (512, 512)])
def test_every_row_of_large_and_odd_sizes(size):
    pixels = RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    read = read_image(encoded(Image.fromarray(pixels), "BMP"))
    np.testing.assert_array_equal(read, pixels)
    assert read.flags.c_contiguous


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "bytearray", "memoryview", "PIL"])
def test_every_kind_of_image_gives_the_same_pixels(kind, tmp_path):
    pixels = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    given = {
        "path": path,
        "text": str(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "PIL": Image.open(path),
    }[kind]
    np.testing.assert_array_equal(read_image(given), pixels)


def test_greyscale_and_one_bit_repeat_in_all_channels():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(grey), "PNG")), np.dstack([grey] * 3))
    bits = grey % 3 == 0
    np.testing.assert_array_equal(
        read_image(encoded(Image.fromarray(bits), "PNG")), np.dstack([bits * np.uint8(255)] * 3)
    )


def test_cmyk_is_what_the_inks_leave_of_white():
    inks = RNG.integers(0, 256, (8, 8, 4), dtype=np.uint8)
    read = read_image(encoded(Image.fromarray(inks, "CMYK"), "TIFF"))
    cyan_to_yellow, black = inks[..., :3].astype(float), inks[..., 3:].astype(float)
    expected = 255 * (1 - cyan_to_yellow / 255) * (1 - black / 255)
    assert np.abs(read - expected).max() <= 1  # Pillow rounds twice


def test_palette():
    indices = np.array([[0, 1, 2]], dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    np.testing.assert_array_equal(
        read_image(encoded(image, "PNG")), np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]])
    )


# ---------------------------------------------------------------------- transparency


def test_alpha_is_composited_on_white():
    colour, alpha = (grid.ravel() for grid in np.meshgrid(np.arange(256), np.arange(256)))
    samples = np.stack([colour, 255 - colour, colour // 2, alpha], axis=1).reshape(256, 256, 4).astype(np.uint8)
    expected = np.rint(255 * composited(samples[..., :3], samples[..., 3], 255))  # 255 is odd: there are no ties
    for given in (encoded(Image.fromarray(samples), "PNG"), Image.fromarray(samples), samples):
        np.testing.assert_array_equal(read_image(given), expected)


def test_grey_with_alpha_is_composited_on_white():
    samples = RNG.integers(0, 256, (16, 16, 2), dtype=np.uint8)
    expected = np.rint(255 * composited(np.dstack([samples[..., 0]] * 3), samples[..., 1], 255))
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(samples, "LA"), "PNG")), expected)


@pytest.mark.parametrize("alphas", [bytes([255, 128, 0]), bytes([255, 0, 255])])
def test_palette_with_transparency(alphas):
    palette = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    data = png(np.array([[0, 1, 2]]), 8, 3, chunk(b"PLTE", bytes(palette.ravel().tolist())), chunk(b"tRNS", alphas))
    expected = np.rint(255 * composited(palette[None], np.frombuffer(alphas, np.uint8)[None], 255))
    np.testing.assert_array_equal(read_image(data), expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_grey_that_stands_for_transparent(depth):
    levels = 2**depth - 1
    samples = np.array([[0, 1, levels, 1, 0, min(2, levels)]])
    read = read_image(png(samples, depth, 0, chunk(b"tRNS", struct.pack(">H", 1))))
    white = 1.0 if depth == 16 else 255
    expected = np.where(samples == 1, white, np.rint(255 * samples / levels) if depth < 16 else samples / levels)
    np.testing.assert_allclose(read[..., 0], expected, atol=1e-7)  # float32 rounding at 16 bits, exact at 8


@pytest.mark.parametrize("depth", [8, 16])
def test_a_colour_that_stands_for_transparent(depth):
    levels = 2**depth - 1
    samples = np.array([[[1, 2, 3], [3, 2, 1], [1, 2, levels]]])
    read = read_image(png(samples, depth, 2, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    white = 255 if depth == 8 else 1
    expected = samples * (white / levels)
    expected[0, 0] = white
    np.testing.assert_allclose(read, expected, atol=1e-7)


# ---------------------------------------------------------------------- more than 8 bits


def test_16_bit_grey_keeps_every_level(tmp_path):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    tifffile.imwrite(tmp_path / "ramp.tif", ramp)
    tifffile.imwrite(tmp_path / "big-endian.tif", ramp, byteorder=">")
    for name in ("ramp.png", "ramp.tif", "big-endian.tif"):
        read = read_image(tmp_path / name)
        assert read.dtype == np.float32
        assert len(np.unique(read)) == 65536
        # one float32 division rounds by half a unit in the last place, 6e-8 at 1
        np.testing.assert_allclose(read, np.dstack([ramp / 65535] * 3), rtol=0, atol=6e-8)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_colour_png_keeps_both_bytes(colour, channels):
    samples = RNG.integers(0, 65536, (12, 13, channels))
    read = read_image(png(samples, 16, colour))
    rgb = samples[..., :3] if channels > 2 else samples[..., [0, 0, 0]]
    alpha = samples[..., -1] if channels in (2, 4) else np.full(samples.shape[:2], 65535)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, composited(rgb, alpha, 65535), rtol=0, atol=2e-7)  # three float32 roundings


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"byteorder": ">", "compression": "zlib"}, {"tile": (16, 16)}],
)
def test_16_bit_colour_tiff_keeps_both_bytes(channels, options):
    samples = RNG.integers(0, 65536, (40, 37, channels), dtype=np.uint16)
    buffer = io.BytesIO()
    extra = ["unassalpha"] if channels == 4 else None
    tifffile.imwrite(buffer, samples, photometric="rgb", extrasamples=extra, **options)
    alpha = samples[..., 3] if channels == 4 else np.full(samples.shape[:2], 65535)
    expected = composited(samples[..., :3], alpha, 65535)
    np.testing.assert_allclose(read_image(buffer.getvalue()), expected, rtol=0, atol=2e-7)


def test_16_bit_planes_are_refused_rather_than_misread():
    buffer = io.BytesIO()
    samples = RNG.integers(0, 65536, (3, 20, 20), dtype=np.uint16)
    tifffile.imwrite(buffer, samples, photometric="rgb", planarconfig="separate")
    with pytest.raises(ImageError, match="separate planes"):
        read_image(buffer.getvalue())


def test_tiff_in_which_white_is_zero():
    for dtype, white in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1)):
        samples = (np.array([[0, 0.2, 1]]) * white).astype(dtype)
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, samples, photometric="miniswhite")
        read = read_image(buffer.getvalue())
        np.testing.assert_allclose(read[..., 0] / (255 if dtype == np.uint8 else 1), 1 - samples / white, atol=1e-7)


def test_12_bit_tiff_is_white_at_4095():
    samples = np.array([[0, 1365, 2730, 4095]])
    packed = np.packbits(((samples[..., None] >> np.arange(11, -1, -1)) & 1).astype(np.uint8)).tobytes()
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(packed)}  # after TIFF 6.0
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + directory + bytes(4)
    np.testing.assert_allclose(read_image(data)[..., 0], samples / 4095, atol=6e-8)


@pytest.mark.parametrize(
    ("values", "message"),
    [([[0, 1.5]], r"from 0 to 1\.5; expected 0 \(black\) to 1"), ([[-0.1, 1]], "from -0.1"), ([[np.nan, 1]], "nan")],
)
def test_float_tiff_must_lie_between_black_and_white(values, message):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.array([[0, 0.25]], np.float32))
    np.testing.assert_array_equal(read_image(buffer.getvalue())[..., 0], [[0, 0.25]])
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.array(values, np.float32))
    with pytest.raises(ImageError, match=message):
        read_image(buffer.getvalue())


def test_32_bit_integers_are_taken_for_16_bit_ones_and_never_clipped():
    np.testing.assert_allclose(read_image(Image.fromarray(np.array([[0, 65535]], np.int32)))[..., 0], [[0, 1]])
    with pytest.raises(ImageError, match="from 0 to 65536"):
        read_image(Image.fromarray(np.array([[0, 65536]], np.int32)))


# ---------------------------------------------------------------------- EXIF, frames


TURNED_BACK = {  # what each EXIF orientation asks for, in numpy
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", TURNED_BACK)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "PIL"])
def test_exif_orientation_is_applied_once(orientation, file_format):
    pixels = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(Image.fromarray(pixels), "PNG" if file_format == "PIL" else file_format, exif=exif, **options)
    given = Image.open(io.BytesIO(data)) if file_format == "PIL" else data
    for _ in range(2):  # a PIL image is not changed by being read
        np.testing.assert_array_equal(read_image(given), TURNED_BACK[orientation](pixels))


def test_exif_orientation_of_a_jpeg():
    photo = Image.open(PHOTO)
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = read_image(encoded(photo, "JPEG", quality=95))
    np.testing.assert_array_equal(read_image(encoded(photo, "JPEG", quality=95, exif=exif)), np.rot90(plain, -1))


def test_exif_orientation_of_16_bit_colour():
    samples = RNG.integers(0, 65536, (4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = 8
    read = read_image(png(samples, 16, 2, chunk(b"eXIf", exif.tobytes()[6:])))
    np.testing.assert_allclose(read, np.rot90(samples / 65535, 1), atol=1e-7)


def test_damaged_exif_says_nothing():
    data = encoded(Image.open(PHOTO), "JPEG", exif=b"Exif\x00\x00 this is no TIFF header")
    assert read_image(data).shape == (255, 384, 3)


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP", "PNG", "MPO"])
def test_the_first_frame_is_read(file_format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime")]
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert np.abs(read_image(data).astype(int) - (255, 0, 0)).max() <= 2  # MPO is JPEG


# ---------------------------------------------------------------------- arrays and tensors


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_array_of_rgb_is_not_copied(dtype):
    array = np.zeros((4, 5, 3), dtype)
    assert np.shares_memory(read_image(array), array)


def test_other_arrays():
    grey = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_array_equal(read_image(grey), np.dstack([grey] * 3))
    np.testing.assert_array_equal(read_image(grey[..., None]), np.dstack([grey] * 3))
    assert read_image(np.full((2, 2, 3), 0.5)).dtype == np.float32
    np.testing.assert_allclose(read_image(np.full((2, 2, 3), 13107, np.uint16)), 0.2, atol=1e-7)
    np.testing.assert_allclose(read_image(np.full((2, 2, 4), 0.5)), 0.5 * 0.5 + 0.5)


def test_tensors():
    import torch

    values = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(read_image(values.requires_grad_()), values.detach().permute(1, 2, 0).numpy())
    assert read_image(values.double()).dtype == np.float32
    assert read_image((values * 255).byte()).dtype == np.uint8
    assert read_image(values[:1]).shape == (5, 7, 3)
    assert read_image(values.bfloat16()).dtype == np.float32


def test_to_tensor_shares_memory_and_is_the_inverse_of_reading_a_tensor():
    import torch

    array = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    tensor = to_tensor(array)
    array[0, 0, 0] ^= 255
    assert tensor[0, 0, 0] == array[0, 0, 0]
    np.testing.assert_array_equal(read_image(tensor), array)
    assert to_tensor(np.zeros((4, 6), bool)).dtype == torch.bool
    np.testing.assert_array_equal(to_tensor(array[::-1, ::-1]).permute(1, 2, 0), array[::-1, ::-1])


def test_a_read_only_array_stays_as_it_is():
    array = np.zeros((4, 6, 3), dtype=np.uint8)
    array.flags.writeable = False
    to_tensor(array).fill_(255)
    assert not array.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: np.zeros((2, 4, 4, 3), np.uint8), "one image at a time"),
        (lambda: np.zeros((3, 40, 40), np.uint8), r"\(3, 40, 40\); expected \(H, W, 3\)"),
        (lambda: np.zeros((0, 4, 3), np.uint8), "shape"),
        (lambda: np.zeros((4, 4, 3), np.int64), "int64; expected uint8"),
        (lambda: np.full((4, 4, 3), 255.0), r"from 255 to 255; expected \[0, 1\]"),
        (lambda: np.full((4, 4, 3), np.nan), "NaN"),
        (lambda: __import__("torch").full((3, 4, 4), -1.0), r"from -1 to -1; expected \[0, 1\]"),
        (lambda: __import__("torch").full((3, 4, 4), float("nan")), "NaN"),
        (lambda: __import__("torch").zeros(1, 3, 4, 4), "one image at a time"),
        (lambda: __import__("torch").zeros(4, 4, 3), r"expected \(3, H, W\)"),
        (lambda: __import__("torch").zeros(3, 4, 4).long(), "int64"),
        (lambda: 7, "type int"),
        (lambda: None, "NoneType"),
        (lambda: Unreadable("row 3 leaves the folder"), "^row 3 leaves the folder$"),
    ],
)
def test_what_is_no_image(make, message):
    with pytest.raises(ImageError, match=message):
        read_image(make())


# ---------------------------------------------------------------------- files that cannot be read


@functools.cache
def bad_files() -> dict[str, tuple[bytes, str]]:
    photo = Image.open(PHOTO)
    plain = {form: encoded(photo, form) for form in ("PNG", "JPEG", "WEBP", "BMP", "TIFF")}
    cut = {f"cut-{form}": (data[: len(data) // 2], "damaged|starts as|decoded") for form, data in plain.items()}
    heads = {f"head-{form}": (data[:20], "decoded|damaged|not an image") for form, data in plain.items()}
    broken = bytearray(plain["PNG"])
    broken[len(broken) // 2] ^= 255
    return {
        **cut,
        **heads,
        "empty": (b"", "is empty"),
        "text": (b"<html>404 not found</html>", r"is not an image that can be read \(PNG, JPEG, WebP, BMP, TIFF, "),
        "bit-flipped": (bytes(broken), "damaged"),
        "eps": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
            "is a file of the kind EPS, which cannot be read",
        ),
        "psd": (b"8BPS\0\1" + bytes(40), "is a file of the kind Photoshop, which cannot be read"),
        "bomb": (png(np.zeros((1, 1), int), 8, 0, size=(20000, 20000)), "20000 x 20000 pixels"),
        "just-over": (png(np.zeros((1, 1), int), 8, 0, size=(10000, 9000)), "10000 x 9000 pixels"),
        "text-bomb": (
            png(np.zeros((1, 1), int), 8, 0, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))),
            "decoded|damaged",
        ),
    }


@pytest.mark.parametrize("name", bad_files())
def test_a_file_that_cannot_be_read_is_one_error_that_names_it(name, tmp_path):
    data, message = bad_files()[name]
    path = tmp_path / f"{name}.png"
    path.write_bytes(data)
    for given, called in ((path, path.name), (data, "the edited image of row 3")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ImageError, match=message) as caught:
                read_image(given, name=None if given is path else called)
        assert called in str(caught.value)
        assert "\n" not in str(caught.value)


def test_paths_that_are_no_readable_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder.png").mkdir()
    for given, message in {
        tmp_path / "missing.png": "missing.png does not exist",
        tmp_path / "folder.png": "folder.png is a folder",
        tmp_path / "pipe.png": "pipe.png is not a regular file",
        tmp_path / "loop.png": "loop.png.* cannot be opened",
        tmp_path / ("x" * 300): "cannot be opened",
        "a\0b.png": "cannot be opened",
        "https://example.org/cat.png": "is a URL, and URLs are not opened; download it first",
        "data:image/png;base64,AAAA": "is a URL",
    }.items():
        for read in (read_image, read_bytes, read_mask):
            with pytest.raises(ImageError, match=message):
                read(given)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(b"")
    path.chmod(0)
    with pytest.raises(ImageError, match=r"secret.png may not be read"):
        read_image(path)


def test_permission_is_reported(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=r"secret.png may not be read"):
        read_bytes(tmp_path / "secret.png")


def test_the_error_can_be_sent_between_processes():
    error = pickle.loads(pickle.dumps(ImageError("cat.png is empty")))
    assert (type(error), str(error), error.status) == (ImageError, "cat.png is empty", "failed")


def test_threads_read_the_same_pil_image(tmp_path):
    pixels = RNG.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "shared.png")
    shared = Image.open(tmp_path / "shared.png")
    barrier = threading.Barrier(8)

    def read(_):
        barrier.wait()
        return read_image(shared)

    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(read, range(8)):
            np.testing.assert_array_equal(result, pixels)


# ---------------------------------------------------------------------- masks


def test_mask_thresholds_at_half():
    grey = np.arange(256, dtype=np.uint8)[None]
    for given in (grey, encoded(Image.fromarray(grey), "PNG"), Image.fromarray(grey), grey / 255):
        np.testing.assert_array_equal(read_mask(given), grey >= 128)
    ramp = np.arange(65536, dtype=np.uint16)[None]
    np.testing.assert_array_equal(read_mask(encoded(Image.fromarray(ramp), "PNG")), ramp >= 32768)


def test_a_mask_of_bool_passes_through():
    import torch

    mask = np.eye(4, dtype=bool)
    assert np.shares_memory(read_mask(mask), mask)
    for given in (torch.tensor(mask), torch.tensor(mask)[None], torch.tensor(mask).float(), Image.fromarray(mask)):
        np.testing.assert_array_equal(read_mask(given), mask)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.eye(4, dtype=np.uint8), r"its values are 0, 1 of 255; a mask is white \(255;"),
        (np.full((4, 4, 3), (255, 0, 0), np.uint8), "coloured"),
        (np.full((4, 4, 4), 120, np.uint8), "transparent"),
        (Image.new("RGBA", (4, 4), (255, 255, 255, 0)), "transparent"),
        (png(np.eye(4, dtype=int), 16, 0, chunk(b"tRNS", struct.pack(">H", 1))), "transparent"),
        (np.zeros((4, 4, 3), bool), r"\(4, 4, 3\); a mask of bool is \(H, W\)"),
        (Unreadable("no mask"), "^no mask$"),
    ],
)
def test_masks_that_would_be_misread_are_refused(mask, message):
    with pytest.raises(ImageError, match=message):
        read_mask(mask)


def test_masks_that_mark_nothing_or_all_are_fine():
    assert not read_mask(np.zeros((4, 4), np.uint8)).any()
    assert read_mask(Image.new("RGBA", (4, 4), "white")).all()


def test_the_decoder_is_identified():
    import PIL

    assert f"Pillow {PIL.__version__}" in decoder()
