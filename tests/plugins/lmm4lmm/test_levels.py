"""Equation 2, at every interval's edge and next to it."""

import numpy as np
import pytest

from editmetrics.plugins.lmm4lmm.prompts import LevelError, edges, level

EVALMI = {  # lowest and highest MOS of EvalMi-50K, and the edges that follow from them, to three decimals
    "perception": ((15.953, 73.305), (27.424, 38.894, 50.364, 61.835)),
    "correspondence": ((22.056, 70.247), (31.694, 41.333, 50.971, 60.609)),
}


@pytest.mark.parametrize(("ends", "expected"), EVALMI.values(), ids=EVALMI)
def test_the_edges_of_evalmi_50k(ends, expected):
    assert edges(*ends) == pytest.approx(expected, abs=1e-3)  # three decimals are what is published


@pytest.mark.parametrize("ends", [(0, 100), (1, 5), (-3.5, 7.25), (15.953, 73.305)])
def test_an_edge_belongs_to_the_level_below_it(ends):
    for below, edge in enumerate(edges(*ends), 1):
        around = (np.nextafter(edge, -np.inf), edge, np.nextafter(edge, np.inf))
        assert [level(score, *ends) for score in around] == [below, below, below + 1]


@pytest.mark.parametrize("ends", [(0, 100), (1, 5), (15.953, 73.305)])
def test_the_lowest_rating_is_bad_and_the_highest_excellent(ends):
    low, high = ends
    assert [level(low, *ends), level(np.nextafter(low, high), *ends), level(high, *ends)] == [1, 1, 5]
    assert [level(low - 10, *ends), level(high + 10, *ends)] == [1, 5]  # beyond the training ratings


def test_levels_are_five_equal_parts():
    """Against counting on a fine grid without the edges themselves."""
    scores = np.linspace(0, 100, 1001)[1:]
    assert np.bincount([level(score, 0, 100) for score in scores])[1:].tolist() == [200] * 5


@pytest.mark.parametrize("ends", [(5, 5), (6, 5)])
def test_no_interval_is_an_error(ends):
    with pytest.raises(LevelError, match="not intervals"):
        level(5, *ends)
