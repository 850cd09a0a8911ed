"""Combinations of score columns: against scikit-learn, against closed forms, and on data made to deceive them."""

import csv

import numpy as np
import pytest
from PIL import Image

from editmetrics.agreement import AgreementError, UndefinedError, srcc
from editmetrics.combining import CombineOptions, combine, cross_validation, regressors
from editmetrics.combining.measuring import within_folds

QUICK = {"replicates": 100, "regressors": ["ridge"], "baseline": False}


def made(count=80, edits=2, seed=0):
    """Scores and ratings: the rating is the sum of two columns; a third copies the first, a fourth is noise."""
    rng = np.random.default_rng(seed)
    one, two, noise = rng.normal(size=(3, count))
    ids = [f"i{number}" for number in range(count)]
    scores = {"id": ids, "source": [f"s{number // edits}" for number in range(count)], "lpips": -one, "psnr": two,
              "gmsd": -one - rng.normal(size=count) / 100, "mad": noise}  # fmt: skip
    return scores, {"id": ids, "mos": 50 + 10 * (one + two) + rng.normal(size=count)}


def test_fitted_regressors_predict_as_scikit_learn_does(monkeypatch):
    """The same fit, predicted by our arrays: to rounding, forests exactly but for the order of sums."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.svm import SVR

    from editmetrics.mllm.baseline import ridge

    monkeypatch.setattr(regressors, "TREES", 7)
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(3, 2, (60, 4)), rng.normal(50, 10, 60), rng.normal(3, 2, (9, 4))
    z, z_new = (x - x.mean(axis=0)) / x.std(axis=0), (new - x.mean(axis=0)) / x.std(axis=0)
    scale = y.std()
    theirs = {
        "ridge": Ridge(ridge(x, y).penalty).fit(z, y).predict(z_new),
        "svr": y.mean() + scale * SVR(gamma=1 / 4).fit(z, (y - y.mean()) / scale).predict(z_new),
        "forest": RandomForestRegressor(7, min_samples_leaf=5, max_features=1, random_state=3).fit(x, y).predict(new),
    }
    assert theirs.keys() == regressors.REGRESSORS.keys()
    for name, expected in theirs.items():
        np.testing.assert_allclose(regressors.fit_regressor(name, x, y, 3).predict(new), expected, rtol=1e-9)


@pytest.mark.parametrize("many", [80, 81])
def test_fits_that_take_long_are_told_one_by_one(monkeypatch, caplog, many):
    monkeypatch.setattr(cross_validation, "MANY", many)
    with caplog.at_level("INFO", "editmetrics"):
        combined = combine(*made(80), **QUICK)
    told = [
        "fitting ridge to 80 items, then the best without each column",
        f"held-out agreement: ridge {combined.line('ridge').value:.3f}",
        *(f"ridge without {name}, {number} of 4" for number, name in enumerate(combined.items.columns, 1)),
    ]
    assert caplog.messages == (told if many <= 80 else [])


def test_what_is_needed_is_told_from_twins_and_noise():
    """A sum of two columns: one alone reaches SRCC (6/pi) asin(sqrt(1/2) / 2) = .69, for normal values."""
    combined = combine(*made(400, 4), **QUICK)
    assert combined.line("ridge").value > 0.98
    assert combined.line("psnr").value == pytest.approx(6 / np.pi * np.arcsin(np.sqrt(0.5) / 2), abs=0.08)  # n = 400
    parts = {one.column: one for one in combined.importance}
    assert {name for name, one in parts.items() if one.needed} == {"psnr"}
    assert parts["psnr"].left_out.difference == pytest.approx(0.3, abs=0.08)
    assert parts["lpips"].alike[0] == "gmsd"
    assert parts["mad"].alike is None
    assert parts["lpips"].shuffled > 0.1 > abs(parts["mad"].shuffled)
    answer = " ".join(combined.answer())
    assert "images whose source was held out" in answer
    assert f"Needed, with what SRCC loses without it: psnr ({parts['psnr'].loss:.2f})" in answer
    assert "gmsd and lpips rank images alike (SRCC 1.00)" in answer
    assert combined.line("lpips").note == "of the negated score"
    assert combined.test(combined.single).low > 0.2


def test_a_source_is_never_learned_by_heart(monkeypatch):
    """Ratings that only the source decides, and a score that tells sources apart: nothing can be known of new ones."""
    monkeypatch.setattr(regressors, "TREES", 20)
    rng = np.random.default_rng(4)
    source = np.repeat(np.arange(30), 8)
    mos = rng.normal(size=30)[source] + rng.normal(size=240) / 10
    scores = {"id": range(240), "source": source.tolist(), "a": source + rng.normal(size=240) / 50}
    options = {**QUICK, "regressors": ["forest"]}
    ratings = {"id": range(240), "mos": mos}
    assert combine(scores, ratings, **options, group="id").line("forest").value > 0.7
    assert combine(scores, ratings, **options).line("forest").value < 0.4


def test_measures_are_taken_within_folds():
    """Predicting the mean of the others is worth nothing, and would look like disagreement across folds."""
    fold = np.repeat(np.arange(5), 20)
    ratings = np.random.default_rng(0).normal(size=100)
    constant = np.array([ratings[fold != own].mean() for own in fold])
    assert srcc(constant, ratings) < -0.1
    with pytest.raises(UndefinedError):
        within_folds(srcc, fold)(constant, ratings)
    shifted = ratings + 100 * fold
    assert within_folds(srcc, fold)(shifted, ratings) == 1


def test_edits_of_one_source_are_one_piece_of_evidence():
    """Four edits that are all but copies: the interval is as wide as that of the sources, twice that of the edits."""
    rng = np.random.default_rng(2)
    source = np.repeat(np.arange(60), 4)
    sharp = rng.normal(size=60)[source]
    ratings = {"id": range(240), "mos": sharp + rng.normal(size=60)[source] + rng.normal(size=240) / 100}
    scores = {"id": range(240), "source": source.tolist(), "a": sharp + rng.normal(size=240) / 100}
    lines = [combine(scores, ratings, **QUICK, group=group).line("a") for group in ("source", "id")]
    of_sources, of_edits = (line.high - line.low for line in lines)
    assert of_sources > 1.5 * of_edits


def test_what_lacks_a_score_is_left_out_and_counted():
    scores, ratings = made(40)
    scores["psnr"] = [np.inf if row == 3 else value for row, value in enumerate(scores["psnr"])]
    scores["mad"] = [None if row < 6 else value for row, value in enumerate(scores["mad"])]
    ratings["mos"][7] = np.nan
    combined = combine(scores, ratings, **QUICK)
    assert {line.n + line.excluded for line in combined.agreement.lines} == {39}
    assert combined.line("ridge").n == 33
    notes = "\n".join(combined.agreement.notes)
    assert "psnr: 1 left out, infinite score: i3" in notes
    assert "mad: 6 left out, no score" in notes
    assert "without mad, 5 more items could be used" in notes
    kept = [row for row in range(40) if row > 5 and row != 7]
    alone = {name: [cells[row] for row in kept] for name, cells in scores.items()}
    assert combine(alone, ratings, **QUICK).line("ridge").value == combined.line("ridge").value


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"fold": "source"}, "a fold has 2 items"),
        ({"source": ["s"] * 40}, {}, "1 group cannot be split into 5 parts"),
        ({"source": [None] * 40}, {}, "40 rated items without source"),
        ({"psnr": [None] * 38 + [1, 2]}, {}, "2 items of 40 with a rating have all of lpips, psnr"),
        ({"fold": ["a"] * 40}, {"fold": "fold"}, "names one fold, 'a'"),
        ({"fold": ["a", "b", None, "b"] * 10}, {"fold": "fold"}, "10 rated items without fold .i2, "),
        ({"mad": [2] * 40}, {"metrics": ["mad"]}, "mad is 2 for all items, which predicts nothing; expected scores"),
        ({"mad": [1e300] * 39 + [2]}, {}, "mad has a score of size 1e.300; expected 3.4e.38 at most"),
        ({}, {"metrics": ["lpisp"]}, "has no column 'lpisp'"),
        ({}, {"rating": "quality"}, "has no column 'quality'"),
        ({}, {"regressors": ["tree"]}, "unknown regressor 'tree'; expected one of ridge"),
        ({}, {"seeds": 1}, "unknown option 'seeds' of combine. Did you mean 'seed'?"),
        ({}, {"folds": 1}, "folds is 1"),
        ({}, {"replicates": 5}, "replicates is 5"),
        ({}, {"level": 2}, "level is 2"),
    ],
)
def test_what_cannot_be_used_is_refused(change, options, message):
    scores, ratings = made(40)
    with pytest.raises(AgreementError, match=message.replace("?", r"\?")):
        combine({**scores, **change}, ratings, **{**QUICK, **options})


def test_ratings_that_rank_nothing_are_refused():
    scores, ratings = made(40)
    with pytest.raises(AgreementError, match="mos is 3 for all 40 items; expected ratings that differ"):
        combine(scores, {**ratings, "mos": [3] * 40}, **QUICK)
    parted = {**scores, "part": ["a"] * 20 + ["b"] * 20}
    labels = {"id": ratings["id"], "real": ["yes"] * 20 + ["yes", "no"] * 10}
    with pytest.raises(AgreementError, match="real is 1 for all 20 items of a fold, so nothing can be ranked there"):
        combine(parted, labels, **QUICK, fold="part")


def test_a_constant_column_is_named():
    scores, ratings = made(40)
    combined = combine({**scores, "fid": [7] * 40}, ratings, **QUICK, metrics=["lpips", "fid"])
    assert "fid is 7 for all items, which predicts nothing" in combined.agreement.notes


def test_one_metric_ranks_as_itself():
    combined = combine(*made(40), **QUICK, metrics=["psnr"])
    value = combined.line("psnr").value
    assert f"It ranks images as psnr, the best single metric, does ({value:.2f})." in combined.answer()


def test_one_of_several_ratings_is_chosen():
    scores, ratings = made(40)
    ratings = {**ratings, "harmony": -ratings["mos"]}
    assert combine(scores, ratings, **QUICK).items.rating == "mos"
    assert combine(scores, ratings, **QUICK, rating="harmony").items.rating == "harmony"
    ratings["nature"] = ratings.pop("mos")
    with pytest.raises(AgreementError, match="has harmony, nature; choose the rating"):
        combine(scores, ratings, **QUICK)


def test_labels_are_ranked_by_auc():
    scores, ratings = made(200)
    labels = {"id": ratings["id"], "real": ["yes" if value > 50 else "no" for value in ratings["mos"]]}
    combined = combine(scores, labels, **QUICK)
    assert {line.measure for line in combined.agreement.lines} == {"auc"}
    assert combined.line("ridge").value > 0.97 > combined.line("psnr").value


def test_without_scikit_learn_there_is_ridge(monkeypatch):
    monkeypatch.setattr(regressors, "find_spec", lambda name: None)
    combined = combine(*made(40), **{**QUICK, "regressors": ()})
    assert list(combined.predicted) == ["ridge"]
    assert any("svr and forest need scikit-learn" in note for note in combined.agreement.notes)
    with pytest.raises(AgreementError, match=r"editmetrics\[combine\]"):
        combine(*made(40), **{**QUICK, "regressors": ["svr"]})


def test_image_statistics_may_be_the_better_judge(tmp_path, monkeypatch):
    """Ratings of brightness: the baseline sees it, the metrics are noise. One image is missing."""
    rng = np.random.default_rng(0)
    grey = rng.uniform(20, 230, 40)
    for number, level in enumerate(grey[:-1]):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(tmp_path / f"{number}.png")
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        rows = [(number, f"{number}.png", rng.normal(), rng.normal()) for number in range(40)]
        csv.writer(file).writerows([("id", "edited", "psnr", "lpips"), *rows])
    ratings = {"id": [str(number) for number in range(40)], "mos": grey}
    combined = combine(tmp_path / "scores.csv", ratings, CombineOptions(replicates=100, regressors=["ridge"]))
    line = combined.line("image statistics")
    assert (line.n, line.excluded) == (39, 1)
    assert line.value > 0.95
    assert combined.test("image statistics").n == 39
    assert "do not use it" in " ".join(combined.answer())
    assert "image statistics: 1 images cannot be read: 39" in combined.agreement.notes
    without = combine(tmp_path / "scores.csv", ratings, **QUICK)
    assert not any(one.score == "image statistics" for one in without.agreement.lines)


def test_published_folds_are_taken():
    scores, ratings = made(40)
    scores["part"] = [f"fold {number % 2}" for number in range(40)]
    combined = combine(scores, ratings, **QUICK, fold="part", group="part")
    assert combined.items.folds == combined.line("ridge").groups == 2
    notes = combine(scores, ratings, **QUICK, fold="part").agreement.notes
    assert "20 groups in several folds of 'part': agreement is overstated" in notes
