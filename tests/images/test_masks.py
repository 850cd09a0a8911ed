"""A mask says where the image was edited, or why it cannot be understood; dim white is never read as "nowhere"."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics.images import ImageError, read_mask

from .files import encoded

REGION = np.zeros((12, 16), dtype=bool)
REGION[3:8, 4:11] = True


def marked(value, dtype) -> np.ndarray:
    return (REGION * value).astype(dtype)


DIM = [
    *[(value, np.uint8) for value in (1, 2, 3, 17, 100, 127)],
    *[(value, np.uint16) for value in (1, 2, 100, 255, 32767)],
    *[
        (value, dtype)
        for value in (2, 17, 100)
        for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64)
    ],
    *[(value, dtype) for value in (0.004, 0.2, 0.49, 2, 100) for dtype in (np.float16, np.float32, np.float64)],
]


@pytest.mark.parametrize(("value", "dtype"), DIM)
def test_a_region_marked_with_what_is_not_white_is_refused(value, dtype):
    with pytest.raises(ImageError, match=r"^masks/cat\.png .*(a mask is white|expected \[0, 1\])") as caught:
        read_mask(marked(value, dtype), name="masks/cat.png")
    share = value / 65535 if dtype is np.uint16 else dtype(value)
    assert f"{share:g}" in str(caught.value)  # what was found


@pytest.mark.parametrize("value", [1, 2, 100, 127])
@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_a_dim_mask_in_a_file_is_refused(value, file_format):
    options = {"lossless": True} if file_format == "WEBP" else {}
    with pytest.raises(ImageError, match="marks nothing with white, and is not black"):
        read_mask(encoded(Image.fromarray(marked(value, np.uint8)), file_format, **options))


def test_a_dim_mask_of_16_bits_or_of_a_palette_is_refused():
    wide = encoded(Image.fromarray(marked(255, np.uint16)), "PNG")
    palette = Image.fromarray(marked(1, np.uint8), "P")
    palette.putpalette([0, 0, 0, 60, 60, 60])
    for data in (wide, encoded(palette, "PNG"), encoded(palette, "GIF"), palette):
        with pytest.raises(ImageError, match="marks nothing with white"):
            read_mask(data)


@pytest.mark.parametrize("classes", [3, 20])
def test_class_numbers_are_refused_and_named(classes):
    labels = np.arange(classes).repeat(4).reshape(2, -1)
    for dtype in (np.uint8, np.int32, np.int64):
        with pytest.raises(ImageError, match="0, 1, 2" if classes == 3 else "0 to 19"):
            read_mask(labels.astype(dtype))


UNDERSTOOD = [
    (1, bool),
    (255, np.uint8),
    (128, np.uint8),
    (65535, np.uint16),
    (65535, ">u2"),
    *[(value, dtype) for value in (1, 255, 65535) for dtype in (np.int32, np.int64, np.uint32, np.uint64, ">i4")],
    *[(value, np.int16) for value in (1, 255)],
    (1, np.int8),
    *[(value, dtype) for value in (0.5, 1, 255) for dtype in (np.float16, np.float32, np.float64, ">f4")],
]


@pytest.mark.parametrize(("value", "dtype"), UNDERSTOOD)
def test_what_can_mean_one_thing_only_is_understood(value, dtype):
    np.testing.assert_array_equal(read_mask(marked(value, dtype)), REGION)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.int64, torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(12, 16), (1, 12, 16)])
def test_tensors_of_zero_and_one(dtype, shape):
    np.testing.assert_array_equal(read_mask(torch.tensor(REGION).to(dtype).reshape(shape)), REGION)


def test_three_equal_channels_are_one_mask():
    np.testing.assert_array_equal(read_mask(np.dstack([marked(1, np.int64)] * 3)), REGION)
    np.testing.assert_array_equal(read_mask(torch.tensor(REGION).long().expand(3, 12, 16)), REGION)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int8, np.int64, np.float32, np.float64])
def test_a_black_mask_means_that_nothing_was_edited(dtype):
    assert not read_mask(np.zeros((5, 6), dtype)).any()


def test_a_mask_that_is_all_white_marks_everything():
    for value, dtype in ((True, bool), (255, np.uint8), (1, np.int64), (255, np.int32), (1, np.float32)):
        assert read_mask(np.full((5, 6), value, dtype)).all()


@pytest.mark.parametrize("values", [[0, -1], [0, 255, 256], [0, 1, 255], [-5, 5]])
def test_other_integers_are_refused(values):
    with pytest.raises(ImageError, match=r"int64 with the values .*give it as bool"):
        read_mask(np.array([values]))


@pytest.mark.parametrize("values", [[0, np.nan], [0, np.inf], [-1.0, 1], [0, 128.0, 255]])
def test_other_floats_are_refused(values):
    with pytest.raises(ImageError):
        read_mask(np.array([values]))


def test_greys_between_black_and_white_still_fall_to_the_nearer():
    ramp = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(read_mask(ramp), ramp >= 128)
