"""A score is the number of its primary dimension wherever Python, numpy and JSON want one; without a number, none of
them gets one."""

import copy
import json
import math
import operator
import pickle
import statistics

import numpy as np
import pytest

from editmetrics import Score
from editmetrics.sample import NotScoredError

SCORE, LARGER = Score({"psnr": 31.25, "other": -2}), Score({"psnr": 40})
UNSCORED = Score({"other": 1.0}, "failed", "it is broken")


@pytest.mark.parametrize(
    "use",
    [
        lambda x: f"{x:.2f}", lambda x: f"{x:>9.3g}", round, lambda x: round(x, 1), abs, operator.neg,
        lambda x: (x > 30, x >= 31.25, x < 31.25, x <= 3, x == 31.25, x != 31.25, x == 3),
        lambda x: (x + 1, 1 + x, x - 1, 1 - x, x * 2, 2 * x, x / 2, 2 / x, x + x, sum([x, x])),
        lambda x: json.dumps({"score": [x]}), lambda x: np.array([x, x]).tolist(), lambda x: np.float32(x).item(),
        lambda x: np.mean([x, 1.0]), lambda x: statistics.stdev([x, 1.0, 3.0]), lambda x: statistics.mean([x, x]),
        math.sqrt, lambda x: max(x, 2), lambda x: sorted([x, 3, 40]), float, int,
    ],
)  # fmt: skip
def test_a_score_is_used_as_its_primary_number_is(use):
    assert use(SCORE) == use(31.25)
    with pytest.raises((NotScoredError, TypeError)):
        print(use(UNSCORED))


def test_scores_are_sorted_and_compared_by_their_primary_numbers_and_equal_if_everything_is():
    assert sorted([LARGER, SCORE]) == [SCORE, LARGER]
    assert max([SCORE, LARGER]) is LARGER
    assert Score({"psnr": 31.25}) != SCORE
    assert not Score({"psnr": 31.25}) == SCORE  # noqa: SIM201 - both operators
    assert Score({"psnr": 31.25}).with_note("dark") != Score({"psnr": 31.25})
    for compared in (
        lambda: UNSCORED < 1,
        lambda: SCORE < UNSCORED,
        lambda: sorted([SCORE, UNSCORED]),
        lambda: sum([UNSCORED]),
    ):
        with pytest.raises(NotScoredError, match="no number: failed: it is broken"):
            compared()
    assert UNSCORED != 1.0
    assert Score({"psnr": 0.0})  # a score of 0 is there


def test_a_score_is_a_mapping_and_survives_copies():
    assert (dict(SCORE), SCORE["other"], len(SCORE), "psnr" in SCORE) == ({"psnr": 31.25, "other": -2.0}, -2.0, 2, True)
    for score in (
        SCORE,
        UNSCORED,
        Score({"psnr": math.inf}, details={"a": [1]}, explanation="b", uncertainty={"psnr": 1}),
    ):
        for twin in (pickle.loads(pickle.dumps(score)), copy.copy(score), copy.deepcopy(score)):
            assert twin == score
            assert (twin.status, twin.details, twin.ok) == (score.status, score.details, score.ok)
    assert type(SCORE)({"psnr": 40}) == LARGER
    assert type(SCORE)({}, "failed", "why") == Score.unscored("failed", "why")
    assert (repr(SCORE), f"{SCORE}", str(SCORE)) == ("Score(psnr=31.25, other=-2)",) * 3
    assert f"{UNSCORED}" == "Score(other=1, failed: it is broken)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(SCORE)
