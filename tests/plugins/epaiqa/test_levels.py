"""Levels at every edge, against Q-Align's equal partition of the scale, written out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editmetrics.mllm.levels import LEVELS
from editmetrics.plugins.epaiqa.levels import completion_of, level_of
from editmetrics.sample import EditMetricsError

EDGES = {1.8: "poor", 2.6: "fair", 3.4: "good", 4.2: "excellent"}
"""Section 4.2 on a scale of 1 to 5: each interval is closed on its left."""


@pytest.mark.parametrize(("edge", "above"), EDGES.items())
def test_an_edge_belongs_to_the_level_above_it(edge, above):
    below = LEVELS[LEVELS.index(above) - 1]
    assert level_of(edge) == above
    assert level_of(edge + 1e-6) == above
    assert level_of(edge - 1e-6) == below


def test_the_ends_of_the_scale():
    assert (level_of(1), level_of(5)) == ("bad", "excellent")


@given(st.integers(0, 400))
def test_hundredths_of_a_point_are_where_exact_arithmetic_puts_them(hundredths):
    rating = 1 + hundredths / 100
    exact = Fraction(5 * hundredths, 400)
    assert level_of(rating) == LEVELS[min(math.floor(exact), 4)]


@given(st.integers(0, 1000), st.sampled_from([(0, 100), (0, 10), (-3, 7)]))
def test_other_scales_are_cut_in_five_equal_parts(thousandths, scale):
    low, high = scale
    rating = low + (high - low) * thousandths / 1000
    assert level_of(rating, low, high) == LEVELS[min(thousandths // 200, 4)]


@pytest.mark.parametrize("rating", [0.999, 5.001, math.nan, math.inf])
def test_what_is_outside_the_scale_is_refused(rating):
    with pytest.raises(EditMetricsError, match="outside the label scale 1 to 5"):
        level_of(rating)


def test_completions_are_votes():
    assert [completion_of(rating) for rating in (1, 2.0, 3)] == [1, 2, 3]
    for rating in (0, 2.5, 4, math.nan):
        with pytest.raises(EditMetricsError, match="1, 2 or 3"):
            completion_of(rating)
