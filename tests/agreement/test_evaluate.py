"""`evaluate`: joins, exclusions and directions on small tables; every kind of line against scipy on real ratings."""

import csv
import json
import math

import numpy as np
import polars
import pytest
from scipy import stats

from editmetrics.agreement import AgreementError, evaluate, fit_logistic
from editmetrics.agreement.measures import MEASURES
from editmetrics.agreement.result import SYSTEM_LEVEL, average_over
from editmetrics.data import DataError

IDS = [f"i{index}" for index in range(8)]
PSNR = [20.0, 25.0, 30.0, 28.0, 22.0, 35.0, 31.0, 24.0]
MOS = [40.0, 50.0, 75.0, 60.0, 30.0, 90.0, 80.0, 55.0]
SRCC = stats.spearmanr(PSNR, MOS).statistic


def table(**columns):
    return {"id": IDS, **columns}


def changed(values, **changes):
    """The values with some replaced: changed(PSNR, i3=None)."""
    return [changes.get(name, value) for name, value in zip(IDS, values, strict=True)]


# ---------------------------------------------------------------- joining


def test_rows_are_joined_by_id_whatever_their_order():
    order = np.random.default_rng(0).permutation(8)
    ratings = {"id": [IDS[i] for i in order], "mos": [MOS[i] for i in order]}
    found = evaluate(table(psnr=PSNR), ratings)
    assert found.value("psnr", "srcc") == pytest.approx(SRCC)
    assert "joined by id: 8 of 8" in found.notes[0]


def test_by_id_and_system_where_ids_repeat():
    ids, systems = ["a", "b", "c", "d"] * 2, ["x"] * 4 + ["y"] * 4
    scores = {"id": ids, "system": systems, "psnr": PSNR}
    ratings = {"id": ids[::-1], "system": systems[::-1], "mos": MOS[::-1]}
    found = evaluate(scores, ratings)
    assert "joined by id and system" in found.notes[0]
    assert found.value("psnr", "srcc") == pytest.approx(SRCC)


@pytest.mark.parametrize(
    ("ours", "theirs", "how"),
    [
        ("out/{}.png", "out/{}.png", "edited"),
        ("out/{}.png", "./out/{}.png", "edited"),
        ("/data/run3/out/{}.png", "out/{}.png", "the last 2 parts of edited"),
        ("out\\{}.png", "{}.png", "the file name of edited"),
    ],
)
def test_by_the_path_of_the_edited_image(ours, theirs, how):
    scores = {"edited": [ours.format(name) for name in IDS], "psnr": PSNR}
    ratings = {"edited": [theirs.format(name) for name in IDS[::-1]], "mos": MOS[::-1]}
    found = evaluate(scores, ratings)
    assert f"joined by {how}:" in found.notes[0]
    assert found.value("psnr", "srcc") == pytest.approx(SRCC)


def test_by_the_columns_asked_for():
    scores = {"name": IDS, "run": ["1"] * 8, "psnr": PSNR}
    ratings = {"name": IDS[::-1], "run": [1] * 8, "mos": MOS[::-1]}  # a number and its text are one name
    assert evaluate(scores, ratings, pairs={"psnr": "mos"}, on=["name", "run"]).value("psnr", "srcc") == pytest.approx(
        SRCC
    )
    with pytest.raises(AgreementError, match=r"share no column to join by: .*--on SCORES_COLUMN=RATINGS_COLUMN"):
        evaluate({"key": IDS, "psnr": PSNR}, {"key": IDS, "mos": MOS})
    with pytest.raises(AgreementError, match="the table of ratings has no column 'file'"):
        evaluate({**scores, "file": IDS}, ratings, on=["file"])


def test_names_that_are_there_twice_are_an_error_that_names_them():
    twice = changed(IDS, i4="i1", i5="i1", i6="i2")
    with pytest.raises(AgreementError, match="the table of ratings names 2 items more than once by id: i1, i2"):
        evaluate(table(psnr=PSNR), {"id": twice, "mos": MOS})
    with pytest.raises(AgreementError, match="the table of scores names 2 items more than once by id"):
        evaluate({"id": twice, "psnr": PSNR}, table(mos=MOS))


def test_names_that_nowhere_match_are_an_error_that_shows_both():
    with pytest.raises(
        AgreementError,
        match="no id of the table of ratings is in the table of scores: i0, i1, i2 and 5 more against x0",
    ):
        evaluate({"id": [f"x{i}" for i in range(8)], "psnr": PSNR}, table(mos=MOS))


def test_names_that_do_not_match_are_counted_and_named():
    scores = {"id": [*IDS[:6], "extra"], "psnr": [*PSNR[:6], 1.0]}
    found = evaluate(scores, table(mos=MOS))
    line = found.line("psnr", "srcc")
    assert (line.n, line.excluded) == (6, 2)
    assert line.value == pytest.approx(stats.spearmanr(PSNR[:6], MOS[:6]).statistic)
    assert "rated items without a row in the table of scores: 2 (i6, i7)" in found.notes
    assert "rows of the table of scores without a rating: 1 (extra)" in found.notes


# ---------------------------------------------------------------- what is left out


@pytest.mark.parametrize(
    ("cell", "reason"),
    [(None, "no score"), ("", "no score"), (math.nan, "score is not a number"), ("failed", "score is not a number"),
     (math.inf, "infinite score"), ("-inf", "infinite score")],
)  # fmt: skip
def test_scores_that_are_no_numbers_are_left_out_and_counted(cell, reason):
    found = evaluate(table(psnr=changed(PSNR, i3=cell)), table(mos=MOS))
    rest = [index for index in range(8) if index != 3]
    expected = stats.spearmanr(np.array(PSNR)[rest], np.array(MOS)[rest]).statistic
    for line in found.lines:
        assert (line.n, line.excluded) == (7, 1)
    assert found.value("psnr", "srcc") == pytest.approx(expected)
    assert found.pairs[0].excluded == {reason: 1}
    assert f"psnr with mos: 1 left out, {reason}: i3" in found.notes


@pytest.mark.parametrize(
    ("cell", "reason"),
    [(None, "no rating"), ("n/a", "rating is not a number"), (math.inf, "infinite rating"),
     (101.0, "rating out of the scale 0 to 100"), (-0.1, "rating out of the scale 0 to 100")],
)  # fmt: skip
def test_ratings_that_are_none_or_out_of_scale_too(cell, reason):
    found = evaluate(table(psnr=PSNR), table(mos=changed(MOS, i3=cell)), scale=(0, 100))
    assert (found.line("psnr", "srcc").n, found.line("psnr", "srcc").excluded) == (7, 1)
    assert found.pairs[0].excluded == {reason: 1}


def test_no_line_holds_nan_and_what_has_no_value_has_a_reason():
    ratings = table(mos=MOS, kind=["a"] * 5 + ["b"] * 3)
    found = evaluate(
        table(flat=[1.0] * 8, few=changed([None] * 8, i0=1.0, i1=2.0), psnr=changed(PSNR, i5=3.0, i6=3.0, i7=3.0)),
        ratings,
        group_by=["kind"],
        replicates=50,
    )
    for line in found.lines:
        assert line.value is None or math.isfinite(line.value)
        assert line.value is not None or line.note
    assert found.line("flat", "srcc").note == "srcc is undefined: all scores are 1"
    assert "n = 2;" in found.line("few", "srcc").note
    assert found.line("psnr", "srcc", group="kind=b").note == "srcc is undefined: all scores are 3"
    average = found.line("psnr", "srcc", group=average_over("kind"))
    assert (average.n, average.excluded, average.groups) == (5, 3, 1)
    assert "1 of 2 groups are left out" in average.note
    assert average.value == pytest.approx(stats.spearmanr(PSNR[:5], MOS[:5]).statistic)
    with pytest.raises(AgreementError, match="all scores are 1"):
        found.value("flat", "srcc")


# ---------------------------------------------------------------- which columns, which way


def test_equal_names_meet_and_so_do_dimensions():
    scores = table(**{"quality": MOS, "judge.quality": PSNR, "judge.alignment": PSNR, "seed": PSNR})
    ratings = table(quality=MOS, alignment=MOS[::-1])
    found = evaluate(scores, ratings)
    assert [(pair.score, pair.rating) for pair in found.pairs] == [
        ("quality", "quality"), ("judge.quality", "quality"), ("judge.alignment", "alignment"),
    ]  # fmt: skip


def test_with_one_rating_all_scores_meet_it_but_the_rating_itself():
    found = evaluate(table(psnr=PSNR, ssim=PSNR, mos=MOS, prompt=["p"] * 8, **{"x.explanation": IDS}), table(mos=MOS))
    assert [(pair.score, pair.rating) for pair in found.pairs] == [("psnr", "mos"), ("ssim", "mos")]


def test_pairs_say_which_meets_which():
    found = evaluate(table(psnr=PSNR, ssim=MOS), table(a=MOS, b=MOS[::-1]), pairs=[("psnr", "a"), ("psnr", "b")])
    assert found.value("psnr", "srcc", "a") == pytest.approx(SRCC)
    assert found.value("psnr", "srcc", "b") == pytest.approx(stats.spearmanr(PSNR, MOS[::-1]).statistic)
    with pytest.raises(AgreementError, match="2 lines"):
        found.line("psnr", "srcc")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pairs": {"nope": "a"}}, "the table of scores has no column 'nope'; it has id, psnr"),
        ({"pairs": {"psnr": "nope"}}, "the table of ratings has no column 'nope'"),
        ({}, "--pair psnr=a"),
        ({"pairs": {"psnr": "a"}, "measures": ["r2"]}, "unknown measure 'r2'; expected one of srcc"),
        ({"pairs": {"psnr": "a"}, "group_by": ["kind"]}, "column 'kind'"),
        ({"pairs": {"psnr": "a"}, "lower_is_better": ["lpips"]}, "'lpips' is not a score"),
        ({"pairs": {"psnr": "a"}, "against": "ssim"}, "'ssim' is not a score"),
        ({"pairs": {"psnr": "a"}, "fit": 3}, "expected 4, 5 or None"),
        ({"pairs": {"psnr": "a"}, "level": 95}, "between 0 and 1"),
        ({"pairs": {"psnr": "a"}, "scale": (5, 1)}, "lowest rating first"),
        ({"pairs": {"psnr": "a"}, "replicates": -1}, "-1 replicates"),
    ],
)
def test_what_is_called_wrongly_is_an_error_that_says_what_there_is(arguments, said):
    with pytest.raises(AgreementError, match=said):
        evaluate(table(psnr=PSNR), table(a=MOS, b=MOS), **arguments)


def test_direction_is_open():
    lpips = [-value for value in PSNR]
    known = evaluate(table(lpips=lpips), table(mos=MOS), lower_is_better=["lpips"])
    assert known.value("lpips", "srcc") == pytest.approx(-SRCC)  # the sign is that of the numbers
    assert known.value("lpips", "plcc_fitted") > 0.8  # the curve goes down, and says so
    assert "decreasing curve" in known.line("lpips", "plcc_fitted").note
    higher = evaluate(table(mine=PSNR), table(mos=MOS))
    assert known.value("lpips", "pairwise_accuracy") == higher.value("mine", "pairwise_accuracy")
    assert not any("taken as" in note for note in known.notes)
    assert any("taken as higher is better: mine" in note for note in higher.notes)


@pytest.mark.parametrize("name", ["lpips", "gmsd", "mse:region=inside", "lpips:net=vgg"])
def test_the_direction_of_a_known_metric_is_looked_up_by_the_function_itself(name):
    """Pairwise accuracy of three concordant items of four, by hand: 5 of 6 pairs; the wrong way round it is 1 of 6."""
    scores, ratings = {"id": list("abcd"), name: [4.0, 3.0, 1.0, 2.0]}, {"id": list("abcd"), "mos": [1, 2, 3, 4]}
    found = evaluate(scores, ratings)
    assert found.value(name, "pairwise_accuracy") == pytest.approx(5 / 6)
    assert not any("taken as" in note for note in found.notes)
    turned = evaluate(scores, ratings, higher_is_better=[name])  # what the caller says is stronger
    assert turned.value(name, "pairwise_accuracy") == pytest.approx(1 / 6)


def test_the_dimension_of_a_run_says_its_direction_whether_or_not_the_metric_is_installed():
    from editmetrics import Dimension, Metric, Sample, Score
    from editmetrics.scoring import score

    class Distance(Metric):
        name, version, needs = "distance_of_mine", 1, frozenset({"prompt"})
        dimensions = (Dimension("distance_of_mine", low=0, high=9, higher_is_better=False, primary=True),)

        def prepare(self, sample):
            return float(sample.prompt)

        def score_batch(self, batch):
            return [Score({"distance_of_mine": value}) for value in batch]

    black = np.zeros((4, 4, 3), np.uint8)
    results = score([Sample(i, edited=black, prompt=p) for i, p in zip("abcd", "4312", strict=True)], Distance())
    found = evaluate(results, {"id": list("abcd"), "mos": [1, 2, 3, 4]})
    assert found.value("distance_of_mine", "pairwise_accuracy") == pytest.approx(5 / 6)
    assert not found.pairs[0].higher_is_better


def test_without_a_curve_there_are_no_fitted_measures_unless_they_are_asked_for():
    found = evaluate(table(psnr=PSNR), table(mos=MOS), fit=None)
    assert {line.measure for line in found.lines} == {"srcc", "krcc", "plcc", "pairwise_accuracy"}
    found = evaluate(table(psnr=PSNR), table(mos=MOS), fit=None, measures=["rmse_fitted"])
    assert found.line("psnr", "rmse_fitted").note == "no curve was requested"


def test_a_score_that_goes_the_other_way_than_it_claims_has_no_curve():
    found = evaluate(table(psnr=[-value for value in PSNR]), table(mos=MOS), higher_is_better=["psnr"])
    line = found.line("psnr", "plcc_fitted")
    assert line.value is None
    assert "no increasing curve" in line.note
    assert found.value("psnr", "pairwise_accuracy") < 0.2


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("yes", "no", "positive"), [("Yes", "no", None), (1, 0, None), (True, False, None), ("fake", "real", "fake")]
)
def test_labels_are_known_by_their_words(yes, no, positive):
    labels = [yes if mos > 45 else no for mos in MOS]
    found = evaluate(table(psnr=PSNR), table(edited_well=labels), positive=positive)
    assert {line.measure for line in found.lines} == {
        "auc", "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "f1_positive",
    }  # fmt: skip
    assert found.value("psnr", "auc") == 1.0  # 20 and 22 are the two below 45
    assert found.value("psnr", "accuracy") == 1.0
    assert "positive from 23, chosen on these items" in found.line("psnr", "accuracy").note


def test_a_threshold_that_is_given_is_used_and_of_a_lower_better_score_from_above():
    labels = [mos > 45 for mos in MOS]
    given = evaluate(table(psnr=PSNR), table(label=labels), threshold=29)
    assert given.value("psnr", "recall") == pytest.approx(3 / 6)  # 30, 35 and 31 of six
    assert given.line("psnr", "recall").note == "positive from 29"
    lower = evaluate(table(err=[-v for v in PSNR]), table(label=labels), threshold=-29, lower_is_better=["err"])
    assert lower.value("err", "recall") == pytest.approx(3 / 6)
    assert lower.value("err", "auc") == 1.0
    best = evaluate(table(err=[-v for v in PSNR]), table(label=labels), lower_is_better=["err"])
    assert best.line("err", "recall").note.startswith("positive up to -23, chosen")
    assert best.value("err", "accuracy") == 1.0


def test_answers_are_labels_already():
    answers = ["yes", "no", "yes", "yes", "yes", "no", "yes", "no"]
    labels = ["yes", "yes", "yes", "no", "no", "no", "yes", "no"]
    found = evaluate(table(answer=answers), table(label=labels))
    assert found.value("answer", "accuracy") == pytest.approx(np.mean(np.array(answers) == labels))


# ---------------------------------------------------------------- files and other tables


def test_csv_jsonl_parquet_polars_and_columns_are_the_same(tmp_path):
    frame = polars.DataFrame(table(psnr=changed(PSNR, i3=None)))
    frame.write_csv(tmp_path / "s.csv")
    frame.write_ndjson(tmp_path / "s.jsonl")
    frame.write_parquet(tmp_path / "s.parquet")
    (tmp_path / "r.csv").write_text("id,mos\n" + "\n".join(f"{i},{m}" for i, m in zip(IDS, MOS, strict=True)))
    wanted = evaluate(frame, table(mos=MOS)).lines
    for name in ("s.csv", "s.jsonl", "s.parquet"):
        assert evaluate(tmp_path / name, str(tmp_path / "r.csv")).lines == wanted


def test_the_results_of_a_run_are_scores(tmp_path):
    from PIL import Image

    from editmetrics import Sample, score

    rng = np.random.default_rng(0)
    samples = []
    for index, name in enumerate(IDS[:4]):
        source = rng.integers(0, 255, size=(16, 16, 3), dtype=np.uint8)
        edited = np.clip(source + (index + 1) * rng.normal(size=source.shape), 0, 255).astype(np.uint8)
        for kind, pixels in (("source", source), ("edited", edited)):
            Image.fromarray(pixels).save(tmp_path / f"{kind}_{name}.png")
        samples.append(Sample(name, edited=tmp_path / f"edited_{name}.png", source=tmp_path / f"source_{name}.png"))
    results = score(samples, ["psnr", "mse"])
    found = evaluate(results, {"id": IDS[:4], "mos": [4, 3, 2, 1]}, lower_is_better=["mse"])
    assert (found.value("psnr", "srcc"), found.value("mse", "srcc")) == (1.0, -1.0)


def test_a_broken_row_costs_itself_and_is_named(tmp_path):
    (tmp_path / "s.csv").write_text("id,psnr\ni0,1\ni1,2,3\ni2,3\ni3,4\n")
    found = evaluate(tmp_path / "s.csv", {"id": IDS[:4], "mos": MOS[:4]})
    assert (found.line("psnr", "srcc").n, found.line("psnr", "srcc").excluded) == (3, 1)
    assert any("cannot be read: 1" in note and "line 3" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("id,psnr\n", AgreementError, "no rows"),
        ("id,psnr\ni0,good\ni1,bad\ni2,ugly\n", AgreementError, "no column of numbers"),
    ],
)
def test_files_without_scores_are_an_error_that_names_them(tmp_path, content, error, said):
    (tmp_path / "s.csv").write_text(content)
    with pytest.raises(error, match=said) as raised:
        evaluate(tmp_path / "s.csv", table(mos=MOS))
    assert "s.csv" in str(raised.value)
    with pytest.raises(DataError, match=r"nothing\.csv"):
        evaluate(tmp_path / "nothing.csv", table(mos=MOS))
    with pytest.raises(AgreementError, match="expected a path"):
        evaluate(17, table(mos=MOS))
    with pytest.raises(AgreementError, match="differ in length"):
        evaluate({"id": IDS, "psnr": PSNR[:3]}, table(mos=MOS))


def test_what_is_written_is_what_was_found(tmp_path):
    found = evaluate(
        table(psnr=PSNR, ssim=MOS),
        table(mos=MOS, kind=list("aaaabbbb")),
        group_by=["kind"],
        replicates=20,
        pairs=[("psnr", "mos"), ("ssim", "mos")],
        against="psnr",
    )
    found.write(tmp_path / "a.json")
    found.write(tmp_path / "a.csv")
    rows = json.loads((tmp_path / "a.json").read_text())
    with (tmp_path / "a.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert len(rows) == len(read) == len(found.lines) + 1 == len(found.table())
    assert [*rows[0]][:9] == ["score", "rating", "group", "measure", "value", "low", "high", "n", "excluded"]
    for row, line, text in zip(rows, found.lines, read, strict=False):
        assert row["value"] == line.value == (float(text["value"]) if text["value"] else None)
    assert rows[-1]["measure"] == "srcc minus that of psnr"
    assert rows[-1]["value"] == pytest.approx(1 - SRCC)
    for path, said in ((tmp_path / "a.txt", ".csv or .json"), (tmp_path / "a.csv" / "b.csv", "a.csv")):
        with pytest.raises(DataError, match=said):
            found.write(path)


# ---------------------------------------------------------------- real ratings


@pytest.fixture(scope="module")
def real(rated):
    """Alignment as a score of quality, with every 50th missing."""
    score = [None if index % 50 == 7 else value for index, value in enumerate(rated["alignment"])]
    keys = {"system": rated["system"].tolist(), "source": rated["source"].tolist()}
    return evaluate(
        {**keys, "aligned": score},
        {**keys, "quality": rated["quality"].tolist()},
        on=["system", "source"],
        pairs={"aligned": "quality"},
        measures=[
            name for name in MEASURES if name in ("srcc", "krcc", "plcc", "rmse", "plcc_fitted", "pairwise_accuracy")
        ],
        group_by=["system"],
        cluster="source",
        replicates=200,
    )


SCIPY = {
    "srcc": lambda x, y: stats.spearmanr(x, y).statistic,
    "krcc": lambda x, y: stats.kendalltau(x, y).statistic,
    "plcc": lambda x, y: stats.pearsonr(x, y).statistic,
    "rmse": lambda x, y: np.sqrt(np.mean((x - y) ** 2)),
}


@pytest.mark.parametrize("measure", SCIPY)
def test_every_kind_of_line_is_scipys(real, rated, measure):
    kept = np.arange(3672) % 50 != 7
    x, y, system = (rated[name][kept] for name in ("alignment", "quality", "system"))
    value = SCIPY[measure]
    systems = np.unique(system)
    of_groups = [value(x[system == name], y[system == name]) for name in systems]
    means = [np.array([values[system == name].mean() for name in systems]) for values in (x, y)]
    assert real.value("aligned", measure) == pytest.approx(value(x, y), abs=1e-12)
    assert real.value("aligned", measure, group="system=m05") == pytest.approx(of_groups[5], abs=1e-12)
    assert real.value("aligned", measure, group=average_over("system")) == pytest.approx(np.mean(of_groups), abs=1e-12)
    assert real.value("aligned", measure, group=SYSTEM_LEVEL) == pytest.approx(value(*means), abs=1e-12)
    line = real.line("aligned", measure, group=SYSTEM_LEVEL)
    assert (line.n, line.groups) == (int(kept.sum()), 17)


def test_every_line_counts_every_rated_item(real):
    for line in real.lines:
        assert line.n + line.excluded == (216 if "=" in line.group else 3672), line
    assert len({line.group for line in real.lines}) == 1 + 1 + 1 + 17


def test_intervals_hold_their_values_or_say_that_they_are_biased(real):
    for line in real.lines:
        assert line.low < line.high
        assert line.low < line.value < line.high or "biased" in line.note, line
    plain = [line for line in real.lines if "biased" not in (line.note or "")]
    assert len(plain) > 0.8 * len(real.lines)


def test_a_group_is_resampled_with_its_own_clusters():
    rng = np.random.default_rng(0)
    x = np.append(rng.normal(size=40), np.repeat(rng.normal(size=10), 4))
    y = x + rng.normal(size=80)
    ids, kind = [str(i) for i in range(80)], ["alone"] * 40 + ["copies"] * 40
    ratings = {"id": ids, "mos": y, "kind": kind, "of": [*ids[:40], *np.repeat(range(1000, 1010), 4)]}
    options = {"pairs": {"x": "mos"}, "measures": ["plcc"], "group_by": ["kind"], "replicates": 400}
    scores = {"id": ids, "x": x}
    wide, narrow = (evaluate(scores, ratings, cluster=cluster, **options) for cluster in ("of", None))
    for group, least, most in (("kind=alone", 0.85, 1.15), ("kind=copies", 1.3, 3.0)):
        clustered, single = (found.line("x", "plcc", group=group) for found in (wide, narrow))
        assert least < (clustered.high - clustered.low) / (single.high - single.low) < most


def test_items_without_a_system_are_in_none():
    systems = ["a", "a", "b", "b", "c", "c", None, None]
    found = evaluate(table(psnr=PSNR), table(mos=MOS, system=systems), measures=["plcc"], replicates=30)
    line = found.line("psnr", "plcc", group=SYSTEM_LEVEL)
    means = [[np.mean(values[i : i + 2]) for i in (0, 2, 4)] for values in (PSNR, MOS)]
    assert line.value == pytest.approx(stats.pearsonr(*means).statistic)
    assert (line.n, line.excluded, line.groups) == (6, 2, 3)


def test_means_of_systems_that_resampling_makes_noisier_are_noted_as_biased():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.linspace(0, 1, 10), 30)
    columns = {"id": [str(i) for i in range(300)], "system": [f"m{i // 30}" for i in range(300)]}
    scores = {**columns, "x": truth + 2 * rng.normal(size=300)}
    found = evaluate(scores, {**columns, "mos": truth}, pairs={"x": "mos"}, measures=["plcc"], replicates=400)
    line = found.line("x", "plcc", group=SYSTEM_LEVEL)
    assert "biased: resamples average 0." in line.note
    assert float(line.note.partition("average ")[2].partition(",")[0]) < line.value - 0.02
    assert found.line("x", "plcc").note is None


def test_the_interval_of_all_items_resamples_sources(real, rated):
    """Against replicates made by hand, of the same sources drawn by another generator."""
    kept = np.arange(3672) % 50 != 7
    x, y, source = (rated[name][kept] for name in ("alignment", "quality", "source"))
    rows = [np.flatnonzero(source == name) for name in np.unique(source)]
    rng = np.random.default_rng(5)
    by_hand = []
    for _ in range(300):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        by_hand.append(stats.spearmanr(x[drawn], y[drawn]).statistic)
    line = real.line("aligned", "srcc")
    low, high = np.quantile(by_hand, [0.025, 0.975])
    # both ends are off by up to a third of the half width with 200 and 300 replicates
    assert line.low == pytest.approx(low, abs=(high - low) / 6)
    assert line.high == pytest.approx(high, abs=(high - low) / 6)


def test_the_curve_is_that_of_all_items(real, rated):
    kept = np.arange(3672) % 50 != 7
    fit = fit_logistic(rated["alignment"][kept], rated["quality"][kept])
    pair = real.pairs[0]
    assert pair.fit is not None
    assert pair.fit.parameters == pytest.approx(fit.parameters)
    predicted = fit(rated["alignment"][kept])
    expected = stats.pearsonr(predicted, rated["quality"][kept]).statistic
    assert real.value("aligned", "plcc_fitted") == pytest.approx(expected)


def test_a_paired_test_takes_the_items_that_both_have(rated):
    keys = {"id": [f"{a}/{b}" for a, b in zip(rated["system"], rated["source"], strict=True)]}
    alignment, preservation = rated["alignment"].tolist(), rated["preservation"].tolist()
    alignment[0], preservation[1], preservation[9] = None, None, None
    found = evaluate(
        {**keys, "alignment": alignment, "distortion": [None if v is None else -v for v in preservation]},
        {**keys, "quality": rated["quality"].tolist(), "source": rated["source"].tolist()},
        pairs=[("alignment", "quality"), ("distortion", "quality")],
        lower_is_better=["distortion"],
        against="distortion",
        cluster="source",
        replicates=100,
    )
    (test,) = found.comparisons
    assert (test.n, test.excluded) == (3669, 3)
    x, y, z = (np.delete(rated[name], [0, 1, 9]) for name in ("alignment", "quality", "preservation"))
    expected = stats.spearmanr(x, y).statistic - stats.spearmanr(z, y).statistic
    assert test.difference == pytest.approx(expected, abs=1e-12)
    assert test.low < test.difference < test.high
    assert found.settings["cluster"] == "source"


def test_shared_sources_without_clusters_are_noted(rated):
    columns = {"id": [str(i) for i in range(3672)], "source": rated["source"].tolist()}
    scores, ratings = {**columns, "a": rated["alignment"].tolist()}, {**columns, "q": rated["quality"].tolist()}
    found = evaluate(scores, ratings, measures=["plcc"], replicates=20, pairs={"a": "q"})
    assert any("--cluster source" in note for note in found.notes)
    found = evaluate(scores, ratings, measures=["plcc"], replicates=20, pairs={"a": "q"}, cluster="source")
    assert not any("--cluster source" in note for note in found.notes)
    ratings["source"][3] = None
    with pytest.raises(AgreementError, match=r"1 rated item without source \(3\)"):
        evaluate({"id": scores["id"], "a": scores["a"]}, ratings, pairs={"a": "q"}, cluster="source")


def test_agreement_within_pairs_of_edits_is_the_part_of_pairs_that_is_ordered_alike():
    """50 sources with an edit by each of two systems, of which a score orders 37 as people do: 0.74."""
    rng = np.random.default_rng(3)
    mos = rng.uniform(0, 100, size=(50, 2))
    right = np.arange(50) < 37
    scores = np.where(right[:, None], mos, mos[:, ::-1]) + rng.uniform(0, 1000, size=(50, 1))  # only pairs tell
    ids = [f"{source}/{system}" for source in range(50) for system in "ab"]
    sources = [f"s{index // 2}" for index in range(100)]
    columns = {"id": ids, "mos": mos.ravel(), "source": sources}
    found = evaluate({"id": ids, "mine": scores.ravel()}, columns, group_by=["source"], cluster="source",
                     measures=["pairwise_accuracy", "srcc", "krcc"], replicates=400)  # fmt: skip
    line = found.line("mine", "pairwise_accuracy", group=average_over("source"))
    assert (line.value, line.n, line.excluded, line.groups) == (0.74, 100, 0, 50)
    for measure in ("srcc", "krcc"):
        none = found.line("mine", measure, group=average_over("source"))
        assert (none.value, none.groups) == (None, 0)
        assert f"50 of 50 groups are left out (n = 2; {measure} requires at least 3 items)" in none.note
    assert {line.measure for line in found.without_value} == {"srcc", "krcc"}
    # each source is drawn as a whole, and counts as often as it is drawn: a binomial share of 50
    spread = (line.high - line.low) / (2 * 1.96)
    assert spread == pytest.approx(np.sqrt(0.74 * 0.26 / 50), rel=0.15)  # 400 replicates tell a quantile to 10 %


def test_groups_of_one_two_and_more_are_each_measured_by_what_their_size_allows():
    groups = ["one"] + ["two"] * 2 + ["tied"] * 2 + ["half"] * 2 + ["three"] * 3
    ids = [f"i{index}" for index in range(len(groups))]
    mos = [5, 1, 2, 4, 4, 3, 3, 1, 2, 3]
    scores = [5, 10, 20, 7, 7, 8, 9, 1, 3, 2]
    found = evaluate({"id": ids, "mine": scores}, {"id": ids, "mos": mos, "of": groups}, group_by=["of"],
                     measures=["pairwise_accuracy", "srcc", "mae"], tie_threshold=0)  # fmt: skip
    by_group = {name: found.line("mine", "pairwise_accuracy", group=f"of={name}") for name in dict.fromkeys(groups)}
    assert by_group["one"].value is None
    assert "requires at least 2 items" in by_group["one"].note
    # a pair that both tie is right, one that people alone tie is wrong; of three items two pairs of three are right
    assert {name: line.value for name, line in by_group.items() if line.value is not None} == {
        "two": 1.0, "tied": 1.0, "half": 0.0, "three": pytest.approx(2 / 3),
    }  # fmt: skip
    average = found.line("mine", "pairwise_accuracy", group=average_over("of"))
    assert (average.value, average.groups, average.n) == (pytest.approx((1 + 1 + 0 + 2 / 3) / 4), 4, 9)
    assert "1 of 5 groups are left out (n = 1; pairwise_accuracy requires at least 2 items)" in average.note
    note = found.line("mine", "srcc", group=average_over("of")).note
    assert "4 of 5 groups are left out (3 n = 2; srcc requires at least 3 items, 1 n = 1;" in note
    error = found.line("mine", "mae", group=average_over("of"))
    assert (error.value, error.groups) == (pytest.approx(np.mean([0, (9 + 18) / 2, 3, 5.5, (0 + 1 + 1) / 3])), 5)


def test_labels_of_groups_of_two():
    groups = [f"g{index // 2}" for index in range(6)]
    ids = [f"i{index}" for index in range(6)]
    labels, scores = ["yes", "no", "yes", "no", "no", "no"], [0.9, 0.1, 0.2, 0.8, 0.3, 0.4]
    found = evaluate({"id": ids, "mine": scores}, {"id": ids, "good": labels, "of": groups}, group_by=["of"],
                     measures=["auc", "accuracy"], threshold=0.5)  # fmt: skip
    auc = found.line("mine", "auc", group=average_over("of"))
    assert (auc.value, auc.groups) == (0.5, 2)  # one pair right, one wrong; a group without a positive is left out
    assert found.value("mine", "accuracy", group=average_over("of")) == pytest.approx((1 + 0 + 1) / 3)


def test_a_measure_that_suits_no_rating_is_named_as_a_number_that_was_asked_for_and_is_not_there():
    found = evaluate(table(mine=PSNR), table(mos=MOS), measures=["auc", "srcc"])
    assert [line.measure for line in found.lines] == ["srcc"]
    assert found.unanswered == ["auc"]
    assert any("auc suits none of the ratings" in note for note in found.notes)


def test_two_systems_have_a_pairwise_accuracy_and_no_correlation():
    found = evaluate(table(mine=PSNR), table(mos=MOS, system=list("abababab")))
    line = found.line("mine", "pairwise_accuracy", group=SYSTEM_LEVEL)
    means = [[np.mean(values[start::2]) for start in (0, 1)] for values in (PSNR, MOS)]
    assert line.value == float(np.sign(np.diff(means[0])[0]) == np.sign(np.diff(means[1])[0]))
    assert found.line("mine", "srcc", group=SYSTEM_LEVEL).value is None
