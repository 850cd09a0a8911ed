"""What the rest of the process did changes no pixel and no refusal, and no metric changes another's pixels."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile, ImageOps, JpegImagePlugin

from editmetrics.images import ImageError, Unreadable, eight_bits, read_bytes, read_image, read_mask, to_tensor
from editmetrics.sample import Sample, UnavailableError
from editmetrics.scoring.decode import Opened

from .files import encoded, photo

FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "TIFF LZW", "GIF", "GIF of two", "PPM", "JPEG2000", "AVIF"]


def as_file(file_format: str) -> bytes:
    options = {
        "TIFF LZW": {"compression": "tiff_lzw"},
        "GIF of two": {"save_all": True, "append_images": [Image.new("RGB", (96, 64))], "disposal": 2},
    }
    return encoded(photo((96, 64)), file_format.split()[0], **options.get(file_format, {}))


# ---------------------------------------------------------------------- Pillow's variables


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("truncated", [True, False])
@pytest.mark.parametrize("limit", [1, None])
def test_pillows_variables_change_nothing(file_format, truncated, limit, monkeypatch):
    data = as_file(file_format)
    expected = read_image(data)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_image(data), expected)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(ImageError):
            read_image(data[: int(share * len(data))])


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP"])
def test_an_image_opened_elsewhere_is_loaded_strictly(file_format, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = as_file(file_format)
    try:
        image = Image.open(io.BytesIO(data[: int(0.7 * len(data))]))
    except OSError:
        assert file_format == "WEBP"  # which reads all of a file to open it
    else:
        with pytest.raises(ImageError):
            read_image(image)


@pytest.mark.parametrize("kind", ["zTXt", "iCCP", "iTXt"])
@pytest.mark.parametrize("truncated", [True, False])
def test_a_text_that_is_a_bomb_is_refused(kind, truncated, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated)
    packed = zlib.compress(bytes(20_000_000))
    body = kind.encode() + {"zTXt": b"a\0\0", "iCCP": b"a\0\0", "iTXt": b"a\0\1\0\0\0"}[kind] + packed
    data = as_file("PNG")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    with pytest.raises(ImageError):
        read_image(data[:33] + chunk + data[33:])


def test_openers_that_other_code_registered_are_not_asked(monkeypatch):
    def wrong(*_):
        raise AssertionError("not our decoder")

    data, other = as_file("JPEG"), as_file("PNG")
    expected = read_image(data)
    monkeypatch.setitem(Image.OPEN, "JPEG", (wrong, lambda _: True))
    monkeypatch.setitem(Image.OPEN, "PNG", (wrong, lambda _: True))
    np.testing.assert_array_equal(read_image(data), expected)
    assert read_image(other).shape == (64, 96, 3)


# ---------------------------------------------------------------------- the limit on pixels


def test_the_limit_on_pixels_is_a_variable_of_the_environment(monkeypatch):
    data = encoded(Image.new("RGB", (20, 20)), "PNG")
    monkeypatch.setenv("EDITMETRICS_MAX_PIXELS", "400")
    assert read_image(data).shape == (20, 20, 3)
    for file_format in FORMATS:
        with pytest.raises(ImageError, match=r"claims 96 x 64 pixels, more than the 400 .*set EDITMETRICS_MAX_PIXELS"):
            read_image(as_file(file_format))


def test_the_limit_can_be_raised(monkeypatch):
    data = encoded(Image.new("1", (12_000, 12_000)), "PNG")
    with pytest.raises(ImageError, match="12000 x 12000 pixels, more than the 89478485"):
        read_image(data)
    monkeypatch.setenv("EDITMETRICS_MAX_PIXELS", "150000000")
    assert read_image(data).shape == (12_000, 12_000, 3)


@pytest.mark.parametrize("text", ["many", "0", "-5", "1e9", "٥"])
def test_a_limit_that_is_no_number_is_no_fact_of_the_image(text, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_MAX_PIXELS", text)
    with pytest.raises(UnavailableError, match=r"EDITMETRICS_MAX_PIXELS is .*expected a number of pixels"):
        read_image(as_file("PNG"))


# ---------------------------------------------------------------------- memory


LITTLE_MEMORY = """
import pickle, resource, sys
from editmetrics.images import read_image
files = pickle.load(sys.stdin.buffer)
for small, _ in files.values():
    read_image(small)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40_000_000,) * 2)
for name, (_, large) in files.items():
    try:
        read_image(large)
        print(name, "read")
    except Exception as error:
        print(name, type(error).__name__)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_too_little_memory_is_not_damage():
    files = {}
    for file_format in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "JPEG2000", "BMP"):
        small, large = (Image.new("L" if size > 40 else "RGB", (size, size)) for size in (40, 6000))
        options = {"TIFF": {"compression": "tiff_lzw"}, "WEBP": {"method": 0}}.get(file_format, {})
        files[file_format] = (encoded(small, file_format), encoded(large, file_format, **options))
    result = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY], input=pickle.dumps(files), capture_output=True, timeout=120, check=True
    )
    assert result.stdout.decode().split() == [word for name in files for word in (name, "UnavailableError")]


def test_memory_that_numpy_lacks_and_open_files_are_of_this_machine(tmp_path, monkeypatch):
    huge = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (3_000_000, 3_000_000, 1))
    with pytest.raises(UnavailableError, match="too little memory"):
        read_image(huge, name="cat")
    (tmp_path / "cat.png").write_bytes(as_file("PNG"))

    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(UnavailableError, match=r"cat\.png cannot be read on this machine now: .*Too many open files"):
        read_bytes(tmp_path / "cat.png")


def test_an_image_that_this_machine_could_not_read_says_so_when_it_is_used(monkeypatch):
    monkeypatch.setenv("EDITMETRICS_MAX_PIXELS", "none")
    sample = Opened(Sample("cat", edited=as_file("PNG")), ("edited",)).decoded(("edited",))
    assert isinstance(sample.edited, Unreadable)
    with pytest.raises(UnavailableError, match="EDITMETRICS_MAX_PIXELS"):
        read_image(sample.edited)


# ---------------------------------------------------------------------- read-only


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "PIL", "array", "float array", "grey array", "tensor"])
def test_pixels_are_read_only(kind):
    array = np.asarray(photo((20, 20))).copy()
    image = {
        "PIL": lambda: Image.fromarray(array),
        "array": lambda: array,
        "float array": lambda: array / 255,
        "grey array": lambda: array[..., 0],
        "tensor": lambda: torch.tensor(array).permute(2, 0, 1),
    }.get(kind, lambda: as_file(kind))()
    pixels = read_image(image)
    with pytest.raises(ValueError, match="read-only"):
        pixels[:] = 0
    assert array.flags.writeable  # an array of the user stays his
    assert array.any()


def test_masks_are_read_only():
    mask = np.eye(4, dtype=bool)
    for given in (mask, Image.fromarray(mask), mask * np.uint8(255)):
        with pytest.raises(ValueError, match="read-only"):
            read_mask(given)[:] = False
    mask[0, 1] = True


def test_a_tensor_of_read_only_pixels_is_one_of_its_own():
    pixels = read_image(as_file("PNG"))
    before = pixels.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of tensors that share read-only memory
        to_tensor(pixels).zero_()
    eight_bits(pixels)[:] = 0
    np.testing.assert_array_equal(pixels, before)


def test_a_metric_that_writes_cannot_change_what_the_next_one_sees():
    opened = Opened(Sample("cat", edited=as_file("PNG")), ("edited",))
    first = opened.decoded(("edited",)).edited
    with pytest.raises(ValueError, match="read-only"):
        read_image(first)[:] = 0
    np.testing.assert_array_equal(read_image(first), read_image(as_file("PNG")))


# ---------------------------------------------------------------------- EXIF in memory


def phone_photo() -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = 6
    return Image.open(io.BytesIO(encoded(photo((60, 40)), "JPEG", quality=95, exif=exif)))


DERIVED = {
    "convert": lambda image: image.convert("RGB"),
    "copy": lambda image: image.copy(),
    "resize": lambda image: image.resize((64, 64)),
    "crop": lambda image: image.crop((0, 0, 32, 32)),
    "rotate": lambda image: image.rotate(-90, expand=True),
    "transpose": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "fit": lambda image: ImageOps.fit(image, (32, 32)),
    "grayscale": ImageOps.grayscale,
    "autocontrast": ImageOps.autocontrast,
    "exif_transpose": ImageOps.exif_transpose,
    "pad": lambda image: ImageOps.pad(image, (64, 64)),
}


@pytest.mark.parametrize("how", DERIVED)
def test_an_image_made_from_another_is_taken_as_it_is(how):
    made = DERIVED[how](phone_photo())
    np.testing.assert_array_equal(read_image(made), np.asarray(made.convert("RGB")))


def test_an_image_as_it_was_opened_is_turned():
    upright = np.asarray(ImageOps.exif_transpose(phone_photo()))
    untouched, loaded = phone_photo(), phone_photo()
    loaded.load()
    for image in (untouched, loaded, untouched):
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        np.testing.assert_array_equal(read_image(image), upright)
    ImageOps.exif_transpose(loaded, in_place=True)
    np.testing.assert_array_equal(read_image(loaded), upright)  # and not turned twice


def test_what_is_changed_in_place_without_turning_is_still_turned():
    image = phone_photo()
    image.paste((255, 0, 0), (0, 0, 10, 10))
    assert read_image(image).shape == (60, 40, 3)
    np.testing.assert_array_equal(read_image(image)[5, -5], (255, 0, 0))
