"""Every format that Pillow reads here, those of plugins, and images that are only named."""

from __future__ import annotations

import io
import os
import struct

import numpy as np
import pytest
from PIL import Image

from editmetrics.images import SUFFIXES, ImageError, read_image, unreadable_kind
from editmetrics.images.kinds import KINDS, announced_size, decoder_of, kind_of
from editmetrics.sample import Sample
from editmetrics.scoring.decode import Opened

from .files import encoded, photo


@pytest.mark.parametrize(
    ("file_format", "options", "worst"),
    [
        ("PPM", {}, 0),
        ("JPEG2000", {}, 0),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 4),  # rounded in YCbCr
        ("GIF", {}, 120),  # 256 colours
    ],
)
def test_more_formats_are_read(file_format, options, worst):
    image = photo((50, 30))
    pixels = read_image(encoded(image, file_format, **options))
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(image)).max() <= worst


def test_the_first_frame_of_a_gif_is_read():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2, loop=0)
    assert (read_image(data) == (255, 0, 0)).all()


def test_a_transparent_gif_is_composited_on_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(read_image(encoded(image, "GIF", transparency=1)), [[[10, 20, 30], [255] * 3]])


@pytest.mark.parametrize("kind", ["P1", "P2", "P3", "P4", "P5", "P6"])
def test_every_portable_anymap(kind):
    grey = np.array([[0, 1, 1], [1, 0, 1]])
    text = "\n".join(" ".join(str(v) for v in row) for row in (grey.repeat(3, axis=1) if kind == "P3" else grey))
    binary = {
        "P4": np.packbits(grey, axis=1).tobytes(),
        "P5": (grey * 255).astype(np.uint8).tobytes(),
        "P6": (grey.repeat(3, axis=1) * 255).astype(np.uint8).tobytes(),
    }.get(kind)
    most = {"P1": "", "P4": "", "P2": " 1", "P3": " 1"}.get(kind, " 255")
    data = f"{kind}\n# made by hand\n3 2{most}\n".encode() + (text.encode() if binary is None else binary)
    expected = 255 * (1 - grey if kind in ("P1", "P4") else grey)  # in bitmaps, 1 is black
    np.testing.assert_array_equal(read_image(data), np.dstack([expected] * 3))


@pytest.mark.parametrize("most", [256, 1023, 4095, 65535])
def test_anymaps_of_more_than_8_bits_keep_every_level(most):
    samples = np.random.default_rng(5).integers(0, most + 1, (7, 5, 3)).astype(">u2")
    colour = read_image(b"P6 5 7 %d\n" % most + samples.tobytes())
    grey = read_image(b"P5\n5 7\n%d\n" % most + samples[..., 0].tobytes())
    np.testing.assert_allclose(colour, samples / most, atol=6e-8)  # one float32 division
    np.testing.assert_allclose(grey[..., 0], samples[..., 0] / most, atol=6e-8)
    for cut in (1, 40):
        with pytest.raises(ImageError, match="cut short"):
            read_image(b"P6 5 7 %d\n" % most + samples.tobytes()[:-cut])


def test_an_anymap_with_samples_above_white_or_wide_text_is_refused():
    with pytest.raises(ImageError, match="samples of 1024, and white is 1023"):
        read_image(b"P6 1 1 1023\n" + struct.pack(">3H", 1, 2, 1024))
    with pytest.raises(ImageError, match="written as text"):
        read_image(b"P3 1 1 1023 1 2 3\n")


def test_16_bit_grey_in_jpeg_2000_keeps_every_level():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    read = read_image(encoded(Image.fromarray(ramp), "JPEG2000"))
    np.testing.assert_allclose(read[..., 0], ramp / 65535, atol=6e-8)


# ---------------------------------------------------------------------- plugins


def heic(image: Image.Image, **options) -> bytes:
    plugin = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    plugin.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def jxl(image: Image.Image, **options) -> bytes:
    pytest.importorskip("pillow_jxl")
    return encoded(image, "JXL", **options)


def test_heic_is_read_by_its_plugin(monkeypatch):
    from PIL import ImageFile

    image = photo((64, 48))
    data = heic(image, quality=95)
    assert np.abs(read_image(data).astype(int) - np.asarray(image)).mean() < 5  # colour at half the size
    for truncated in (True, False):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated)
        for share in (0.4, 0.7, 0.95):
            with pytest.raises(ImageError):
                read_image(data[: int(share * len(data))])


def test_jpeg_xl_is_read_by_its_plugin():
    image = photo((64, 48))
    data = jxl(image, lossless=True)
    np.testing.assert_array_equal(read_image(data), np.asarray(image))
    for share in (0.4, 0.7, 0.95):
        with pytest.raises(ImageError):
            read_image(data[: int(share * len(data))])


@pytest.mark.parametrize(
    "size", [(1, 1), (8, 8), (256, 128), (300, 200), (641, 480), (1920, 1080), (5000, 3), (3, 9000)]
)
def test_the_announced_size_is_that_of_the_image(size):
    image = Image.new("RGB", size, "red")
    for options in ({}, {"use_container": True}):
        assert announced_size(jxl(image, effort=1, **options), "JXL") == size
    for options in ({}, {"lossless": True}):
        assert announced_size(encoded(image, "WEBP", **options), "WEBP") == size
        assert announced_size(encoded(image.convert("RGBA"), "WEBP", exif=b"Exif\0\0", **options), "WEBP") == size


def test_a_bomb_is_refused_before_its_plugin_is_asked(monkeypatch):
    plugin = pytest.importorskip("pillow_jxl.JpegXLImagePlugin")
    data = jxl(Image.new("RGB", (400, 400)))

    def explode(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setenv("EDITMETRICS_MAX_PIXELS", "1000")
    monkeypatch.setattr(plugin, "Decoder", explode)
    with pytest.raises(ImageError, match="claims 400 x 400 pixels"):
        read_image(data)
    with pytest.raises(ImageError, match="holds no"):
        read_image(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40))


def test_the_orientation_of_heic_is_applied_once():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = photo((64, 48))
    image.info["exif"] = exif.tobytes()
    data = heic(image)
    at = data.index(b"irot") + 4  # the property that turns it by so many quarters, beside which EXIF says nothing
    upright, *turned = [read_image(data[:at] + bytes([quarters]) + data[at + 1 :]) for quarters in range(4)]
    for quarters, pixels in enumerate(turned, start=1):
        np.testing.assert_array_equal(pixels, np.rot90(upright, quarters))


def test_the_orientation_of_jpeg_xl_is_applied_once(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo((64, 48)).save(tmp_path / "turned.jpg", exif=exif)
    packed = jxl(Image.open(tmp_path / "turned.jpg"), lossless_jpeg=True)  # a JPEG inside, with its EXIF block
    np.testing.assert_array_equal(read_image(packed), read_image(tmp_path / "turned.jpg"))
    assert read_image(jxl(photo((64, 48)), exif=exif.tobytes())).shape == (48, 64, 3)  # the codestream is upright


def test_the_orientation_of_avif_is_applied_once():
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = read_image(encoded(photo((64, 48)), "AVIF"))
    np.testing.assert_array_equal(read_image(encoded(photo((64, 48)), "AVIF", exif=exif)), np.rot90(upright, -1))


def test_a_plugin_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("editmetrics.images.kinds._importable", lambda module: module == "PIL")
    with pytest.raises(ImageError, match=r"of the kind HEIC, which cannot be read here; pip install .*formats"):
        read_image(b"\0\0\0\x18ftypheic" + bytes(40))
    assert unreadable_kind("photo.HEIC") == "HEIC"


def test_the_decoder_of_a_plugin_is_part_of_the_fingerprint(monkeypatch):
    data = b"\0\0\0\x18ftypheic" + bytes(40)
    prints = set()
    for version in ("1.0", "2.0"):
        monkeypatch.setattr("editmetrics.images.kinds.version", lambda package, version=version: f"{package} {version}")
        monkeypatch.setattr("editmetrics.images.kinds._importable", lambda module: True)
        prints.add(Opened(Sample("a", edited=data), ("edited",)).fingerprint(("edited",)))
    monkeypatch.setattr("editmetrics.images.kinds._importable", lambda module: module == "PIL")
    prints.add(Opened(Sample("a", edited=data), ("edited",)).fingerprint(("edited",)))
    assert len(prints) == 3
    assert decoder_of(encoded(photo((8, 8)), "PNG")) == ""


# ---------------------------------------------------------------------- files that look like images


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.psd", "Photoshop"),
        ("a.EXR", "OpenEXR"),
        ("a.hdr", "Radiance HDR"),
        ("a.dng", "camera raw"),
        ("a.NEF", "camera raw"),
        ("a.tga", "Targa"),
        ("a.ico", "icon"),
        ("a.svg", "SVG"),
        ("a.jxr", "JPEG XR"),
        ("a.pfm", "PFM"),
        *[(f"a{suffix}", None) for suffix in (".png", ".JPG", ".gif", ".jp2", ".ppm", ".avif", ".txt", ".csv", "")],
    ],
)
def test_a_file_is_known_by_its_suffix_without_being_opened(name, kind):
    assert unreadable_kind(name) == kind  # there is no such file
    assert unreadable_kind(f"missing/{name}") == kind


def test_a_file_is_known_by_its_first_bytes_without_a_suffix(tmp_path):
    contents = {
        "photo": (encoded(photo((8, 8)), "PNG"), "PNG without its suffix"),
        "IMG_0001": (encoded(photo((8, 8)), "JPEG"), "JPEG without its suffix"),
        "cat.v2": (encoded(photo((8, 8)), "WEBP"), "WebP without its suffix"),
        "bitmap": (encoded(photo((8, 8)), "BMP"), "BMP without its suffix"),
        "layers": (b"8BPS\0\1" + bytes(40), "Photoshop"),
        "readme": (b"BMI and height of the participants", None),
        "notes.txt": (b"P1 is the first question\n", None),
        "empty": (b"", None),
        "data.json": (b"{}", None),
    }
    for name, (data, kind) in contents.items():
        (tmp_path / name).write_bytes(data)
        assert unreadable_kind(tmp_path / name) == kind, name
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "folder", "loop", "missing", "a\0b", os.fsdecode(b"\xff")):
        assert unreadable_kind(os.path.join(tmp_path, name)) is None


def test_suffixes_and_first_bytes_tell_one_kind_each():
    suffixes = [suffix for kind in KINDS for suffix in kind.suffixes.split()]
    assert len(suffixes) == len(set(suffixes))
    assert {".png", ".jpg", ".webp", ".gif", ".ppm", ".jp2"} <= SUFFIXES <= set(suffixes)
    for file_format, name in {"PNG": "PNG", "JPEG2000": "JPEG 2000", "TGA": None, "ICO": "icon", "DDS": "DDS"}.items():
        found = kind_of(encoded(photo((16, 16)), file_format)[:32])
        assert (found and found.name) == name
