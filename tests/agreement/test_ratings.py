"""Raw ratings to MOS: against closed forms, scipy, numpy's percentiles, and BT.500 worked by hand."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement.mos import opinion_scores, reliability, votes, z_scores
from editmetrics.agreement.ratings import Ratings, RatingsError, rating_column, read_ratings
from editmetrics.agreement.screening import screen_observers, without_outliers, without_rejected_observers


def study(seed=0, items=60, subjects=14, share=0.8):
    """Ratings 1 to 5 of an incomplete design: each subject rated about `share` of the items."""
    rng = np.random.default_rng(seed)
    quality = rng.uniform(1.5, 4.5, items)
    rows = [
        (f"s{s}", f"i{i}", float(np.clip(np.rint(quality[i] + rng.normal(0, 0.8)), 1, 5)))
        for i in range(items)
        for s in range(subjects)
        if rng.random() < share
    ]
    return Ratings.from_columns(*zip(*rows, strict=True)), rows


def by(rows, key):
    groups = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


# ------------------------------------------------------------------ z-scores and MOS


def test_z_scores_are_scipys_subject_by_subject():
    ratings, rows = study()
    scores = z_scores(ratings)
    for name, own in by(rows, 0).items():
        expected = 100 * (stats.zscore([value for *_, value in own], ddof=1) + 3) / 6
        index = scores.subjects.index(name)
        np.testing.assert_allclose(scores.value[scores.subject == index], expected, rtol=1e-12)


def test_mos_by_hand():
    """ann: 1, 2, 3 -> z = -1, 0, 1; bob: 5, 3, 1 -> 1, 0, -1; z' = 100 (z + 3) / 6 cancels to 50 on all items."""
    ratings = Ratings.from_columns(["ann"] * 3 + ["bob"] * 3, ["x", "y", "z"] * 2, [1, 2, 3, 5, 3, 1])
    scores = z_scores(ratings)
    np.testing.assert_allclose(scores.value, [100 / 3, 50, 200 / 3, 200 / 3, 50, 100 / 3], rtol=1e-14)
    assert [round(score.mos, 10) for score in opinion_scores(scores)] == [50, 50, 50]


def test_a_subject_without_spread_is_left_out_with_the_reason_and_changes_nothing_else():
    rows = [
        ("ann", "x", 1),
        ("ann", "y", 2),
        ("flat", "x", 0.1),
        ("flat", "y", 0.1),
        ("flat", "z", 0.1),
        ("one", "z", 4),
    ]
    scores = z_scores(Ratings.from_columns(*zip(*rows, strict=True)))
    assert [(e.ratings, e.names) for e in scores.excluded] == [(1, ("one",)), (3, ("flat",))]
    assert "only rating" in scores.excluded[0].reason
    assert "alike" in scores.excluded[1].reason
    of_x, of_y, of_z = opinion_scores(scores)
    assert of_x.mos == pytest.approx(100 * (3 - math.sqrt(0.5)) / 6)
    assert of_y.mos == pytest.approx(100 * (3 + math.sqrt(0.5)) / 6)
    assert (of_z.mos, of_z.count, of_z.low) == (None, 0, None)


def test_the_interval_is_scipys():
    ratings, rows = study()
    found = {score.item: score for score in opinion_scores(ratings)}
    for item, given in by(rows, 1).items():
        values = [value for *_, value in given]
        score = found[item]
        assert (score.count, score.mos) == (len(values), pytest.approx(np.mean(values)))
        assert score.sd == pytest.approx(np.std(values, ddof=1))
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (score.low, score.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_one_rating_has_a_mos_and_no_interval():
    (score,) = opinion_scores(Ratings.from_columns(["ann"], ["x"], [4]))
    assert (score.mos, score.count, score.sd, score.low, score.high) == (4, 1, None, None, None)


# ------------------------------------------------------------------ screening

PEAK = [3] + [-1] * 7 + [1] * 4
"""Of 12 ratings: mean 0, m2 = 20/12, m4 = 92/12, kurtosis 2.76, S^2 = 20/11, so 3 >= 2 S = 2.697."""


def bt500_study(extra=()):
    """20 items on which `bad` is the 3 of PEAK, every other one mirrored, then 20 on which `harsh` is the -3."""
    rows = []
    for item in range(40):
        sign = (1 if item % 2 else -1) if item < 20 else -1
        names = ["bad", "harsh", *(f"s{k}" for k in range(10))]
        if item >= 20:
            names[:2] = ["harsh", "bad"]
        rows += [(name, f"i{item}", 4 + sign * value) for name, value in zip(names, PEAK, strict=True)]
    return Ratings.from_columns(*zip(*rows, *extra, strict=True))


def test_bt500_rejects_who_strays_both_ways_and_keeps_who_is_harsh():
    found = {observer.subject: observer for observer in screen_observers(bt500_study())}
    assert (found["bad"].above, found["bad"].below, found["bad"].rejected) == (10, 10, True)
    assert (found["harsh"].above, found["harsh"].below, found["harsh"].rejected) == (0, 20, False)
    assert not any(found[f"s{k}"].above or found[f"s{k}"].below for k in range(10))
    kept = without_rejected_observers(bt500_study())
    assert (len(kept), kept.excluded[0].names, kept.excluded[0].ratings) == (11 * 40, ("bad",), 40)


@pytest.mark.parametrize(("items", "rejected"), [(400, False), (399, True)])
def test_bt500_needs_more_than_five_percent(items, rejected):
    """`bad` strays on 20 of `items` items (10 each way); of 400 that is 5 %, which is not more."""
    calm = [("bad", f"c{i}", 3.0) for i in range(items - 40)] + [("s0", f"c{i}", 3.5) for i in range(items - 40)]
    base = bt500_study()
    rows = [(base.subjects[s], base.items[i], v) for s, i, v in zip(base.subject, base.item, base.value, strict=True)]
    found = {o.subject: o for o in screen_observers(Ratings.from_columns(*zip(*rows, *calm, strict=True)))}
    assert found["bad"].rejected is rejected


def test_bt500_asks_for_sqrt_20_deviations_where_ratings_are_peaked():
    """11 alike and one apart: kurtosis 10.1 and (n - 1) / sqrt(n) = 3.2 deviations: beyond 2, not beyond 4.47."""
    rows = [(f"s{k}", f"i{i}", 3 + (k == 0) * (1 if i % 2 else -1)) for i in range(10) for k in range(12)]
    assert not any(o.above or o.below for o in screen_observers(Ratings.from_columns(*zip(*rows, strict=True))))
    rows = [(f"s{k}", f"i{i}", 3 + (k == 0) * (1 if i % 2 else -1)) for i in range(10) for k in range(30)]
    (first, *_) = screen_observers(Ratings.from_columns(*zip(*rows, strict=True)))  # of 30, one is 5.3 deviations apart
    assert (first.above, first.below, first.rejected) == (5, 5, True)


def test_bt500_deviation_is_over_n_minus_1():
    """3 twice, -1 seven times, 0 twice, 1: kurtosis 3.02, S^2 = 26/11, 2 S = 3.07 > 3; over n it would be 2.94."""
    rows = [(f"s{k}", f"i{i}", 4 + v) for i in range(10) for k, v in enumerate([3, 3, *[-1] * 7, 0, 0, 1])]
    assert not any(o.above or o.below for o in screen_observers(Ratings.from_columns(*zip(*rows, strict=True))))


@pytest.mark.parametrize("value", [3, 0.1])
def test_bt500_items_that_all_rate_alike_count_for_nobody(value):
    rows = [(f"s{k}", f"i{i}", value) for i in range(10) for k in range(12)]
    assert not any(
        o.above or o.below or o.rejected for o in screen_observers(Ratings.from_columns(*zip(*rows, strict=True)))
    )


@pytest.mark.parametrize("whisker", [0, 1.5, 3])
def test_outliers_are_those_of_numpys_quartiles(whisker):
    ratings, rows = study(items=200, share=0.7)
    kept = without_outliers(ratings, whisker)
    expected = []
    for item, given in by(rows, 1).items():
        q1, q3 = np.percentile([value for *_, value in given], [25, 75])
        reach = whisker * (q3 - q1)
        expected += [(who, item, value) for who, _, value in given if q1 - reach <= value <= q3 + reach]
    assert 0 < len(expected) < len(rows) or whisker == 3
    got = [(kept.subjects[s], kept.items[i], v) for s, i, v in zip(kept.subject, kept.item, kept.value, strict=True)]
    assert sorted(got) == sorted(expected)
    assert sum(e.ratings for e in kept.excluded) == len(rows) - len(expected)


def test_what_was_rated_beside_an_outlier_goes_with_it():
    """EPAIQA 3.1: the completion that was given with an overall rating left out is no vote."""
    overall = Ratings.from_columns("abcdefgh", ["x"] * 8, [3, 3, 4, 4, 3, 4, 3, 1])
    completion = Ratings.from_columns("abcdefgh", ["x"] * 8, list("22222333"))
    kept = completion.kept_in(without_outliers(overall), "its overall rating was left out")
    assert (len(kept), kept.excluded[0].names) == (7, ("h on x",))


# ------------------------------------------------------------------ votes, reliability


def test_votes_and_ties():
    rows = [("x", "yes"), ("x", "no"), ("x", "yes"), ("y", "yes"), ("y", "no"), ("z", "no")]
    found = votes(Ratings.from_columns([f"s{k}" for k in range(6)], *zip(*rows, strict=True)))
    assert [(v.item, v.label, v.count, v.share) for v in found] == [
        ("x", "yes", 3, 2 / 3),
        ("y", None, 2, 1 / 2),
        ("z", "no", 1, 1),
    ]


def test_reliability_leaves_the_subject_out_of_the_mean():
    ratings, rows = study(seed=3)
    of_item = by(rows, 1)
    for found in reliability(ratings):
        own, others = [], []
        for who, item, value in rows:
            rest = [v for other, _, v in of_item[item] if other != who]
            if who == found.subject and rest:
                own.append(value)
                others.append(np.mean(rest))
        assert found.srcc == pytest.approx(stats.spearmanr(own, others).statistic, abs=1e-12)


def test_reliability_of_subjects_who_say_too_little():
    rows = [(s, f"i{k}", k) for s in ("a", "b") for k in range(4)] + [("flat", f"i{k}", 3) for k in range(4)]
    rows += [("few", "i0", 1), ("few", "i1", 2), ("alone", "z0", 1), ("alone", "z1", 2), ("alone", "z2", 3)]
    found = {r.subject: r for r in reliability(Ratings.from_columns(*zip(*rows, strict=True)))}
    assert found["a"].srcc == pytest.approx(1)
    assert [found[name].srcc for name in ("flat", "few", "alone")] == [None] * 3
    assert all(found[name].reason for name in ("flat", "few", "alone"))


# ------------------------------------------------------------------ files


def written(path, rows, header=("subject", "item", "value")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_cells_without_a_rating_are_counted_by_reason(tmp_path):
    rows = [("a", "x", "4"), ("a", "y", ""), ("b", "x", "good"), ("b", "y", "nan"), ("c", "x", "9"), ("c", "y", "inf")]
    ratings = read_ratings(written(tmp_path / "r.csv", rows), "value", scale=(1, 5))
    assert len(ratings) == 1
    assert [(e.reason, e.names) for e in ratings.excluded] == [
        ("the cell is empty", ("a on y (line 3)",)),
        ("the cell holds no number", ("b on x (line 4)",)),
        ("the rating is NaN or infinite", ("b on y (line 5)", "c on y (line 7)")),
        ("the rating lies outside the scale from 1 to 5", ("c on x (line 6)",)),
    ]


def test_repeats_are_refused_or_averaged(tmp_path):
    path = written(tmp_path / "r.csv", [("a", "x", 4), ("a", "y", 1), ("a", "x", 2)])
    with pytest.raises(RatingsError, match="'a' on 'x'"):
        read_ratings(path, "value")
    ratings = read_ratings(path, "value", repeats="mean")
    assert ratings.value.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (("subject", "item", "mos"), [("a", "x", 1)], "no column 'value'"),
        (("who", "item", "value"), [("a", "x", 1)], "no column 'subject'"),
        (("subject", "item", "value"), [("", "x", 1)], "line 2: column 'subject' is empty"),
        (("subject", "item", "value"), [("a", "x", "")], "no rating is left"),
        (("subject", "item", "value"), [("a", "x")], "line 2: has 2 cells"),
        (("subject", "item", "value"), [], "no rows"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, header, rows, said):
    with pytest.raises(RatingsError, match=said):
        read_ratings(written(tmp_path / "r.csv", rows, header), "value")


def test_the_rating_column_is_found_or_asked_for(tmp_path):
    assert rating_column(written(tmp_path / "a.csv", [("a", "x", 1)], ("subject", "item", "opinion"))) == "opinion"
    assert (
        rating_column(written(tmp_path / "b.csv", [("a", "x", 1, 2)], ("subject", "item", "value", "time"))) == "value"
    )
    with pytest.raises(RatingsError, match="q, h"):
        rating_column(written(tmp_path / "c.csv", [("a", "x", 1, 2)], ("subject", "item", "q", "h")))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_rating_that_is_no_number_is_refused(value):
    with pytest.raises(RatingsError, match="NaN or infinite"):
        Ratings.from_columns(["a"], ["x"], [value])
