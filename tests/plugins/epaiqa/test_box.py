"""Boxes in every form, garbage included; overlaps against torchvision's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torchvision.ops import box_iou

from editmetrics.plugins.epaiqa.box import ROUNDING, Box, given_box, mask_box, read_box
from editmetrics.sample import SampleError


@st.composite
def boxes(draw):
    """Boxes inside the image."""
    left, right = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    top, bottom = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    assume(right - left > 1e-3 and bottom - top > 1e-3)
    return Box((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


FORMS = [
    "(0.50, 0.25, 0.40, 0.30)", "[0.5,0.25,0.4,0.3]", "<0.5, 0.25, 0.4, 0.3>", "⟨0.5, 0.25, 0.4, 0.3⟩",
    "{.5, .25, .4, .3}", "0.5, 0.25, 0.4, 0.3", "0.5,0.25,0.4,0.3.", "(50%, 25%, 40%, 30%)", "(50.0 %, 25%, 40%, 30%)",
    "The four coefficients representing the editing area are: (0.50, 0.25, 0.40, 0.30).",
    "The four coefficients representing the editing area are: 0.50, 0.25, 0.40, 0.30",
    "  (0.5,\n0.25, 0.4, 0.3) is where, I think: (0.5,\n0.25, 0.4, 0.3)",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_every_form_of_a_box(text):
    box = read_box(text)
    assert [box.x, box.y, box.w, box.h] == pytest.approx([0.5, 0.25, 0.4, 0.3])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no box"), ("somewhere", "no box"), ("(0.5, 0.25, 0.4)", "no box"),
        ("(0.5, 0.25, 0.4, 0.3, 0.1)", "no box"),
        ("(a, b, c, d)", "no box"), ("(nan, inf, 0.4, 0.3)", "no box"), ("(0.5 0.25 0.4 0.3)", "no box"),
        ("(0.5, 0.25, 0.4, 0.3", "no box"), ("(0.5, 0.25, 0.4, 0.3]", "no box"),
        ("(0.5, 0.5, 0.2, 0.2) or (0.4, 0.4, 0.2, 0.2)", "2 different boxes"),
        ("(0.5, 25%, 0.4, 0.3)", "some numbers"), ("(320, 160, 64, 64)", "from 0 to 1"),
        ("(-0.5, 0.5, 0.1, 0.1)", "from 0"),
        ("(0.5, 0.5, 0.0, 0.2)", "no area"), ("(0.95, 0.5, 0.3, 0.2)", "outside the image"),
        ("(0.5, 0.02, 0.3, 0.2)", "outside the image"), ("(150%, 50%, 10%, 10%)", "from 0 to 1"),
    ],
)  # fmt: skip
def test_what_is_no_box_is_refused_with_a_reason(text, said):
    with pytest.raises(SampleError, match=said) as caught:
        read_box(text)
    assert caught.value.status == "unparseable"


@given(boxes())
def test_a_written_box_is_read_back_to_two_decimals(box):
    written = box.written()
    if "0.00)" in written or ", 0.00," in written[6:]:  # a side that rounds to nothing
        return
    read = read_box(f"The four coefficients representing the editing area are: {written}.")
    assert [read.x, read.y, read.w, read.h] == pytest.approx([box.x, box.y, box.w, box.h], abs=0.005 + 1e-9)


@given(st.text(max_size=60) | st.text(alphabet="0123456789.,()[]<>%- \n", max_size=60))
def test_garbage_is_a_box_inside_the_image_or_refused(text):
    try:
        box = read_box(text)
    except SampleError as error:
        assert error.status == "unparseable"  # noqa: PT017 - either outcome is right
        return
    assert box.left >= -ROUNDING - 1e-6
    assert box.right <= 1 + ROUNDING + 1e-6
    assert box.w > 0


@given(*(st.floats(allow_nan=True, allow_infinity=True) for _ in range(4)))
def test_no_four_numbers_make_a_box_outside_the_image(x, y, w, h):
    try:
        box = Box(x, y, w, h)
    except SampleError:
        return
    assert (box.x, box.y, box.w, box.h) == (x, y, w, h)  # as they were: nothing is clamped
    assert min(box.left, box.top) >= -ROUNDING - 1e-6
    assert max(box.right, box.bottom) <= 1 + ROUNDING + 1e-6


@given(boxes(), st.integers(1, 300), st.integers(1, 300))
def test_a_box_is_cut_out_inside_the_image_and_never_empty(box, height, width):
    left, top, right, bottom = box.pixels(height, width)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert abs(left - box.left * width) <= 1  # to the nearest pixel, or the last one
    assert abs(bottom - box.bottom * height) <= 1


@given(boxes(), boxes())
def test_overlaps_are_those_of_torchvision(one, other):
    corners = [torch.tensor([[b.left, b.top, b.right, b.bottom]], dtype=torch.float64) for b in (one, other)]
    assert one.iou(other) == pytest.approx(float(box_iou(*corners)), abs=1e-9)
    assert one.iou(one) == pytest.approx(1)


def test_regions_of_a_manifest():
    wanted = Box(0.5, 0.5, 0.2, 0.4)
    for region in ("0.5,0.5,0.2,0.4", "(0.5, 0.5, 0.2, 0.4)", [0.5, 0.5, 0.2, 0.4], np.array([0.5, 0.5, 0.2, 0.4])):
        assert given_box(region) == wanted
    for region in ("left", [1, 2], ["a", "b", "c", "d"], 7, {"x": 1}, "0.9,0.5,0.4,0.4", [0.9, 0.5, 0.4, 0.4]):
        with pytest.raises(SampleError):
            given_box(region)


def test_the_box_of_a_mask():
    white = np.zeros((10, 20), bool)
    white[2:5, 4:12] = True
    assert mask_box(white).pixels(10, 20) == (4, 2, 12, 5)
    with pytest.raises(SampleError, match="no white"):
        mask_box(np.zeros((4, 4), bool))
