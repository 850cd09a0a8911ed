"""Colours by their profile: a photograph in Display P3 is the photograph, converted by Little CMS or by arithmetic."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from editmetrics.images import ImageError, colour_profile, decoder, read_image
from editmetrics.sample import Sample
from editmetrics.scoring.decode import Opened

from .files import encoded, grey_profile, photo, rgb_profile

WIDE = {"Display P3": rgb_profile("Display P3"), "Adobe RGB": rgb_profile("Adobe RGB", gamma=563 / 256)}


def in_space(profile: bytes, image: Image.Image | None = None) -> Image.Image:
    """A photograph as it looks, in the colours of `profile`."""
    return ImageCms.profileToProfile(
        image or photo(),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    shares = [image / 255.0 if image.dtype == np.uint8 else image.astype(float) for image in (one, other)]
    return -10 * np.log10(np.mean((shares[0] - shares[1]) ** 2))


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF", "MPO"])
def test_the_same_appearance_in_another_space_becomes_the_same_colours(name, file_format):
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100},
        "MPO": {"quality": 100},
    }
    profile = WIDE[name]
    data = encoded(in_space(profile), file_format, icc_profile=profile, **options.get(file_format, {}))
    plain = np.asarray(photo())
    assert psnr(read_image(data), plain) < 30
    # 8 bits in the other space: at least the 55 dB that rounding leaves, less what the lossy formats cost
    assert psnr(read_image(data, profile="convert"), plain) > (54 if file_format in ("PNG", "TIFF", "WEBP") else 39)
    assert colour_profile(data) == profile


@pytest.mark.parametrize("profile", [*WIDE.values(), rgb_profile("Display P3", table=1024)])
@pytest.mark.parametrize("how", ["RGB", "RGBA"])
def test_16_bits_are_converted_as_8_bits_are(profile, how):
    samples = np.asarray(in_space(profile)).astype(np.uint16) * 257
    if how == "RGBA":
        samples = np.dstack([samples, np.full(samples.shape[:2], 65535, np.uint16)])
    buffer = io.BytesIO()
    extra = ["unassalpha"] if how == "RGBA" else None
    tifffile.imwrite(buffer, samples, photometric="rgb", extrasamples=extra, iccprofile=profile)
    wide = read_image(buffer.getvalue(), profile="convert")
    eight = read_image(encoded(in_space(profile), "PNG", icc_profile=profile), profile="convert")
    assert wide.dtype == np.float32
    assert np.abs(wide * 255 - eight).max() < 1.1  # half a level is rounded, half is what lcms's 8-bit tables round
    assert len(np.unique(wide)) > 256


def test_grey_images_have_grey_profiles_or_those_of_colours():
    grey = np.arange(256, dtype=np.uint8)[None]
    linear = encoded(Image.fromarray(grey), "PNG", icc_profile=grey_profile(1.0))
    share = grey / 255
    expected = 255 * np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
    read = read_image(linear, profile="convert")
    assert np.abs(read[..., 0] - expected).max() <= 1
    assert (np.ptp(read, axis=2) == 0).all()
    coloured = encoded(Image.fromarray(grey), "PNG", icc_profile=rgb_profile("Display P3"))
    assert np.abs(read_image(coloured, profile="convert")[..., 0].astype(int) - grey).max() <= 1  # the curve is sRGB's
    wide = io.BytesIO()
    tifffile.imwrite(wide, grey.astype(np.uint16) * 257, iccprofile=grey_profile(1.0))
    np.testing.assert_allclose(read_image(wide.getvalue(), profile="convert")[..., 0], expected / 255, atol=2e-6)


def test_transparency_is_kept_while_colours_are_converted():
    profile = WIDE["Display P3"]
    image = in_space(profile, photo((40, 30)))
    image.putalpha(128)
    white = np.full((30, 40, 3), 255.0)
    expected = 128 / 255 * np.asarray(photo((40, 30))) + (1 - 128 / 255) * white
    read = read_image(encoded(image, "PNG", icc_profile=profile), profile="convert")
    assert np.abs(read - expected).mean() < 0.5


def test_palettes_and_turned_images_are_converted(tmp_path):
    profile = WIDE["Display P3"]
    exif = Image.Exif()
    exif[0x0112] = 6
    image = in_space(profile)
    turned = read_image(encoded(image, "PNG", icc_profile=profile, exif=exif), profile="convert")
    assert psnr(turned, np.rot90(np.asarray(photo()), -1)) > 54
    palette = image.quantize(256)
    plain = np.asarray(palette.convert("RGB"))
    direct = read_image(encoded(Image.fromarray(plain), "PNG", icc_profile=profile), profile="convert")
    np.testing.assert_array_equal(read_image(encoded(palette, "PNG", icc_profile=profile), profile="convert"), direct)


def test_a_pil_image_is_converted_by_the_profile_that_it_carries():
    profile = WIDE["Adobe RGB"]
    opened = Image.open(io.BytesIO(encoded(in_space(profile), "PNG", icc_profile=profile)))
    for image in (opened, opened.convert("RGB")):
        assert psnr(read_image(image, profile="convert"), np.asarray(photo())) > 54


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF"])
def test_without_a_profile_nothing_is_converted(file_format):
    data = encoded(photo(), file_format)
    np.testing.assert_array_equal(read_image(data, profile="convert"), read_image(data))


@pytest.mark.parametrize(
    ("profile", "mode", "message"),
    [
        (b"junk", "RGB", "damaged"),
        (rgb_profile("Display P3")[:200], "RGB", "damaged"),
        (rgb_profile("Display P3")[:128] + bytes(60), "RGB", "cannot be converted|damaged"),
        (grey_profile(2.2), "RGB", "is of GRAY colours, and its pixels are RGB"),
        (rgb_profile("Display P3"), "CMYK", "is of RGB colours, and its pixels are CMYK"),
    ],
)
def test_a_profile_that_cannot_be_used_is_the_reason(profile, mode, message):
    data = encoded(photo((20, 20)).convert(mode), "JPEG", icc_profile=profile)
    assert read_image(data).shape == (20, 20, 3)
    with pytest.raises(ImageError, match=rf"^cat\.jpg: its colour profile .*({message}).*do without converting"):
        read_image(data, name="cat.jpg", profile="convert")


def test_a_16_bit_profile_that_is_a_table_or_broken_is_refused():
    profile = bytearray(rgb_profile("Display P3"))
    profile[profile.index(b"cprt")] = ord("A")  # a tag of a table instead of the copyright
    at = profile.index(b"Aprt")
    profile[at : at + 4] = b"A2B0"
    broken = rgb_profile("Display P3").replace(b"rTRC", b"xTRC")
    for data, message in ((bytes(profile), "is a table"), (broken, "damaged")):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, np.zeros((4, 4, 3), np.uint16), photometric="rgb", iccprofile=data)
        with pytest.raises(ImageError, match=message):
            read_image(buffer.getvalue(), profile="convert")


def test_the_identity_tells_whether_profiles_are_converted():
    assert decoder() == decoder("ignore") != decoder("convert")
    assert "colour profiles ignored" in decoder()
    assert "relative colorimetric" in decoder("convert")
    assert ImageCms.core.littlecms_version in decoder("convert")


# ---------------------------------------------------------------------- notes on pairs


def pair(source: bytes | None, edited: bytes | None) -> Sample:
    image = photo((20, 20))
    images = (encoded(image, "PNG", icc_profile=profile) for profile in (edited, source))
    return Sample("cat", **dict(zip(("edited", "source"), images, strict=True)))


def test_a_pair_with_different_profiles_is_noted():
    sample = pair(WIDE["Display P3"], None)
    note = Opened(sample, ("source", "edited")).note(("source", "edited"))
    assert note is not None
    assert "source has the profile Display P3, edited has no profile (sRGB assumed)" in note
    assert Opened(sample, ("source", "edited"), profile="convert").note(("source", "edited")) is None
    assert Opened(sample, ("source", "edited")).note(("edited",)) is None


@pytest.mark.parametrize(
    ("source", "edited"),
    [
        (None, None),
        (WIDE["Display P3"], WIDE["Display P3"]),
        (WIDE["Display P3"], rgb_profile("Display P3", table=4096)),  # another program's Display P3
        (rgb_profile("sRGB"), None),
        (rgb_profile("sRGB"), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    ],
)
def test_a_pair_with_the_same_colours_is_not_noted(source, edited):
    assert Opened(pair(source, edited), ("source", "edited")).note(("source", "edited")) is None


def test_other_pairs_that_differ():
    for source, edited in ((WIDE["Display P3"], WIDE["Adobe RGB"]), (None, b"junk"), (None, grey_profile(1.0))):
        assert Opened(pair(source, edited), ("source", "edited")).note(("source", "edited"))


def test_images_in_memory_masks_and_damaged_files_in_a_note():
    p3 = WIDE["Display P3"]
    image = Image.open(io.BytesIO(encoded(photo((20, 20)), "PNG", icc_profile=p3)))
    fields = ("source", "edited", "mask")
    array = np.asarray(photo((20, 20)))
    assert "source has the profile" in str(Opened(Sample("a", edited=array, source=image), fields).note(fields))
    mask = encoded(Image.new("L", (20, 20)), "PNG", icc_profile=p3)
    assert Opened(Sample("a", edited=array, source=array, mask=mask), fields).note(fields) is None
    assert Opened(Sample("a", edited=b"no image", source=image), fields).note(fields) is None


def test_the_fields_are_decoded_as_the_profile_says():
    sample = pair(WIDE["Display P3"], None)
    ignored, converted = (
        Opened(sample, ("source",), profile=how).decoded(("source",)) for how in ("ignore", "convert")
    )
    assert (ignored.source != converted.source).any()
    np.testing.assert_array_equal(converted.source, read_image(sample.source, profile="convert"))


def test_a_name_with_control_characters_is_made_harmless():
    profile = rgb_profile("Display P3").replace(b"Display P3", b"\x1b]0;P3\x07 ab")
    assert "\x1b" not in str(Opened(pair(profile, None), ("source", "edited")).note(("source", "edited")))
