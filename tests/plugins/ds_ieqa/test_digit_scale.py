"""Ratings as three digits and back, on scales that people use."""

import numpy as np
import pytest

from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.prompts import NAMES, START_DEFINITIONS, answer, answer_start, chat
from editmetrics.sample import EditMetricsError

SCALES = [(0, 100), (1, 5), (0, 10), (0, 1), (-3, 3), (13.89, 70.94)]


@pytest.mark.parametrize(("low", "high"), SCALES)
def test_a_rating_comes_back_within_half_a_step_and_in_order(low, high):
    scale = DigitScale(low, high)
    ratings = np.linspace(low, high, 2000)
    digits = [scale.digits(rating) for rating in ratings]
    assert all(0 <= digit <= 9 for three in digits for digit in three)
    back = np.array([scale.rating(a + b / 10 + c / 100) for a, b, c in digits])
    step = 0.01 if scale.as_it_is else (high - low) / 999
    assert np.abs(back - ratings).max() <= step / 2 + 1e-9  # two decimals, rounded
    assert (np.diff(back) >= -1e-12).all()


def test_the_ends_of_a_scale_are_the_ends_of_the_pattern():
    assert DigitScale(0, 100).digits(0) == (0, 0, 0)
    assert DigitScale(0, 100).digits(100) == (9, 9, 9)
    assert DigitScale(0, 10).digits(10) == (9, 9, 9)  # 10.00 has a digit too many
    assert DigitScale(1, 5).digits(5) == (5, 0, 0)
    assert DigitScale(0, 100).ends == ("0.00", "9.99")
    assert DigitScale(1, 5).ends == ("1.00", "5.00")


@pytest.mark.parametrize("rating", [-0.1, 100.1, float("inf"), float("nan")])
def test_a_rating_outside_the_scale_is_refused(rating):
    with pytest.raises(EditMetricsError, match="outside the label scale 0 to 100"):
        DigitScale(0, 100).digits(rating)


@pytest.mark.parametrize("ends", [(1, 1), (5, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_scale_needs_two_ends(ends):
    with pytest.raises(EditMetricsError, match="label scale"):
        DigitScale(*ends)


@pytest.mark.parametrize("dimension", NAMES)
def test_both_images_stand_before_all_that_differs_between_definitions_and_dimensions(dimension):
    image = object()
    ((role, parts),) = chat(image, "make it red", dimension, START_DEFINITIONS[dimension], DigitScale(0, 100))
    assert role == "user"
    assert [part is image for part in parts] == [False, True, False, True, False]
    assert "make it red" in parts[0]
    assert START_DEFINITIONS[dimension] in parts[4]
    assert f"[{answer_start(dimension)}X.XX" in parts[4]
    assert answer(dimension, (4, 0, 1)) == f"{NAMES[dimension]} score: 4.01"
