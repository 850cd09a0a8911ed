"""The papers' protocols: their published tables recomputed, and the same figures by scipy on other data."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from editmetrics.agreement.measure import AgreementError
from editmetrics.agreement.protocols import PROTOCOLS
from editmetrics.benchmarks.ntire_x_aigc_2.protocol import final_score
from editmetrics.evaluation import evaluate_protocol

DATA = Path(__file__).parent / "data"


def rows_of(name):
    with open(DATA / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def figures(lines):
    found = {(line.rating, line.group, line.measure): line for line in lines}
    assert len(found) == len(lines)
    return found


def scored(seed, count, dimensions, **columns):
    """A joined table with noisy scores of random ratings."""
    rng = np.random.default_rng(seed)
    table = dict(columns)
    for dimension in dimensions:
        table[f"rating.{dimension}"] = rng.uniform(20, 80, count)
        table[f"score.{dimension}"] = table[f"rating.{dimension}"] + rng.normal(0, 15, count)
    return table


# ------------------------------------------------------------------ NTIRE X-AIGC track 2

TABLES = rows_of("ds_ieqa_tables.csv")
ENDS = {"1": 1e-4, "2": 1e-3}
"""Half a unit of the last digit printed, of the columns and once more of the final score."""

OTHERWISE = {"EditScore"}
"""Rows whose final score does not follow from their columns: EditScore's 0.4558 should be 0.4550."""


@pytest.mark.parametrize("row", TABLES, ids=lambda row: f"table {row['table']} {row['method']}")
def test_the_final_scores_that_ds_ieqa_prints(row):
    inside, outside = ([float(v) for k, v in row.items() if k.startswith(f"{subset}.")] for subset in ("in", "out"))
    follows = abs(final_score(inside, outside) - float(row["final"])) <= ENDS[row["table"]]
    assert follows is (row["method"] not in OTHERWISE)


NTIRE = PROTOCOLS["ntire-x-aigc-2"]


def ntire_table():
    return scored(0, 90, NTIRE.dimensions, split=["in"] * 60 + ["out"] * 30)


def test_ntire_is_equations_6_and_7():
    table = ntire_table()
    expected = {}
    for subset in ("in", "out"):
        rows = np.array(table["split"]) == subset
        expected[subset] = np.mean(
            [
                (stats.spearmanr(x, y).statistic + stats.pearsonr(x, y).statistic) / 2
                for x, y in ((table[f"score.{d}"][rows], table[f"rating.{d}"][rows]) for d in NTIRE.dimensions)
            ]
        )
    found = figures(NTIRE.run(table))
    assert found["all", "split=in", "S_in"].value == pytest.approx(expected["in"], abs=1e-12)
    assert found["all", "split=out", "S_out"].value == pytest.approx(expected["out"], abs=1e-12)
    final = found["all", "all", "final score"]
    assert final.value == pytest.approx(0.7 * expected["in"] + 0.3 * expected["out"], abs=1e-12)
    assert (final.n, final.excluded) == (270, 0)


def test_a_lower_is_better_metric_is_negated():
    table = ntire_table()
    negated = table | {name: -values for name, values in table.items() if name.startswith("score.")}
    one, other = NTIRE.run(table), NTIRE.run(negated, higher_is_better=False)
    assert [line.value for line in one] == [line.value for line in other]


def test_what_is_not_scored_is_counted_and_a_constant_has_no_figure():
    table = ntire_table()
    table["score.visual_quality"][:4] = np.nan
    table["score.visual_quality"][4] = np.inf
    table["rating.visual_quality"][5] = np.nan
    table["score.editing_fidelity"][60:] = 1.0
    found = figures(NTIRE.run(table))
    line = found["visual_quality", "split=in", "srcc"]
    assert (line.n, line.excluded) == (54, 5)
    for rating, group, measure in (
        ("editing_fidelity", "split=out", "srcc"),
        ("editing_fidelity", "split=out", "(srcc + plcc) / 2"),
        ("all", "split=out", "S_out"),
        ("all", "all", "final score"),
    ):
        assert found[rating, group, measure].value is None
        assert "all scores are 1" in found[rating, group, measure].note
    assert found["all", "split=in", "S_in"].value is not None


# ------------------------------------------------------------------ HPE-Bench

HPE = PROTOCOLS["hpe-bench"]
TABLE_1 = rows_of("hpe_bench_table_1.csv")
SYSTEMS = list(dict.fromkeys(row["system"] for row in TABLE_1 if row["system"] != "Overall"))
SWAPPED = {"LLaVA-NeXT (8B)"}
"""Its columns Acc and F1 are swapped in all systems; its overall 62.10 is neither mean."""

BASELINES = [m for m in dict.fromkeys(row["method"] for row in TABLE_1) if m not in ("Random Choice", "Ours")]


def published(method):
    """Acc and F1 by system, in percent, unswapped."""
    found = {row["system"]: (float(row["acc"]), float(row["f1"])) for row in TABLE_1 if row["method"] == method}
    return {s: pair[::-1] for s, pair in found.items()} if method in SWAPPED else found


@pytest.mark.parametrize("method", BASELINES)
def test_table_i_is_40_edits_a_model_and_40_real_images(method):
    """With F1 = 2R / (1 + R), R is a multiple of 1/40 for each model, and 2 Acc - R one and the same for all of them.

    Images with these counts are made up here; the protocol must then give the whole printed row, its overall included.
    """
    rates = {s: (acc / 100, f1 / (200 - f1)) for s, (acc, f1) in published(method).items() if s in SYSTEMS}
    (negatives,) = {round(40 * (2 * acc - r)) for acc, r in rates.values()}
    system, rating, score = [], [], []
    for name, (_, r) in rates.items():
        hits = round(40 * r)
        assert 40 * r == pytest.approx(hits, abs=0.01)
        system += [name] * 40
        rating += [0] * 40
        score += [0.1] * hits + [0.9] * (40 - hits)
    system += [None] * 40
    rating += [1] * 40
    score += [0.9] * negatives + [0.1] * (40 - negatives)
    found = figures(HPE.run({"system": system, "rating.authentic": rating, "score.authentic": score}))
    rounding = 0.011  # of percentages with two digits, and of sums of them
    for name, (acc, f1) in published(method).items():
        if name == "Overall" and method in SWAPPED:
            continue
        group = "average over system" if name == "Overall" else f"system={name}"
        assert 100 * found["authentic", group, "Table I Acc"].value == pytest.approx(acc, abs=rounding)
        assert 100 * found["authentic", group, "Table I F1"].value == pytest.approx(f1, abs=rounding)
    assert found["authentic", "all", "specificity"].value == negatives / 40


def test_the_papers_own_row_is_f1_and_recall():
    """Its "Acc" is the F1 of its "F1" read as recall, but for ACE++: 93.33 belongs to a recall of 87.50, not 90.00."""
    own = {row["system"]: (float(row["acc"]), float(row["f1"])) for row in TABLE_1 if row["method"] == "Ours"}
    wrong = [s for s in SYSTEMS if abs(200 * own[s][1] / (100 + own[s][1]) - own[s][0]) > 0.01]
    assert wrong == ["ACE++"]
    assert own["Overall"] == tuple(round(float(np.mean([own[s][k] for s in SYSTEMS])), 2) for k in (0, 1))


def test_detection_counts_by_hand():
    """Model a: 3 of 4 edits found, b: 1 of 2; of 4 real images 1 is taken for edited and 1 has no score."""
    table = {
        "system": ["a"] * 4 + ["b"] * 2 + [None] * 4,
        "rating.authentic": [0] * 6 + [1] * 4,
        "score.authentic": [0.1, 0.2, 0.49, 0.5, 0.3, 0.7, 0.9, 0.8, 0.4, None],
    }
    found = figures(HPE.run(table))
    of_a = {measure: line.value for (_, group, measure), line in found.items() if group == "system=a"}
    assert of_a["recall"] == 3 / 4
    assert of_a["specificity"] == pytest.approx(2 / 3)
    assert of_a["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert of_a["f1_positive"] == of_a["Table I F1"] == pytest.approx(2 * 0.75 / 1.75)
    assert of_a["balanced_accuracy"] == of_a["Table I Acc"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found["authentic", "all", "recall"].value == pytest.approx(4 / 6)
    assert found["authentic", "average over system", "recall"].value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert (found["authentic", "system=a", "recall"].n, found["authentic", "system=a", "recall"].excluded) == (7, 1)


TABLE_3 = rows_of("hpe_bench_table_3.csv")
MODELS = [row for row in TABLE_3 if "to human" not in row["system"]]
SUMMARY = {row["system"]: row for row in TABLE_3 if "to human" in row["system"]}
COMPARED = [c for c, cell in SUMMARY["SRCC to human"].items() if cell and c != "system" and "rank" not in c]


@pytest.mark.parametrize("column", COMPARED)
def test_table_iii_is_srcc_and_rmse_of_model_means(column):
    """SRCC is printed without its sign, which is negative for LPIPS, and for PickScore and Qwen3-VL on alignment.

    The paper cuts off after its last digit, 0.46569 to 0.465 and 3.7209 to 3.720; so the tolerances are a whole digit.
    """
    dimension = column.partition(".")[0]
    table = {
        "system": [row["system"] for row in MODELS],
        f"rating.{dimension}": [float(row[f"{dimension}.human"]) for row in MODELS],
        f"score.{dimension}": [float(row[column]) for row in MODELS],
    }
    found = figures(HPE.run(table))
    correlation, error = found[dimension, "system level", "srcc"], found[dimension, "system level", "rmse"]
    assert abs(correlation.value) == pytest.approx(float(SUMMARY["SRCC to human"][column]), abs=1e-3)
    assert error.value == pytest.approx(float(SUMMARY["RMSE to human"][column]), abs=1e-2)
    assert (correlation.value < 0) is (column.rpartition(".")[2] in ("pickscore", "lpips") or column == NEGATIVE)
    assert correlation.groups == 17


NEGATIVE = "editing_alignment.qwen3_vl"


def test_ranks_of_models_are_compared_by_srcc_and_rmse():
    """The ranks that Table III prints give its 0.956 and 1.455; ours are ranks of the mean of the three dimensions."""
    human, ours = ([float(row[f"overall_rank.{who}"]) for row in MODELS] for who in ("human", "ours"))
    same = {
        f"{kind}.{d}": ranks for d in list(HPE.dimensions)[1:] for kind, ranks in (("rating", human), ("score", ours))
    }
    found = figures(HPE.run(same | {"system": [row["system"] for row in MODELS]}))
    assert found["overall rank", "system level", "srcc"].value == pytest.approx(0.956, abs=5e-4)
    assert found["overall rank", "system level", "rmse"].value == pytest.approx(1.455, abs=5e-4)


# ------------------------------------------------------------------ EvalMi-50K and EPAIQA

EVALMI = PROTOCOLS["evalmi-50k"]


def test_evalmi_figures_are_scipys():
    rng = np.random.default_rng(4)
    count = 240
    columns = {
        "system": [f"m{k}" for k in rng.integers(0, 6, count)],
        "task": [f"t{k}" for k in rng.integers(0, 3, count)],
        "fold": [str(k) for k in rng.integers(0, 5, count)],
    }
    table = scored(5, count, ("perception", "correspondence"), **columns)
    found = figures(EVALMI.run(table))
    x, y = table["score.perception"], table["rating.perception"]
    assert found["perception", "all", "srcc"].value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert found["perception", "all", "plcc"].value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert found["perception", "all", "krcc"].value == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    folds = np.array(columns["fold"])
    by_fold = [stats.kendalltau(x[folds == f], y[folds == f]).statistic for f in set(folds)]
    assert found["perception", "average over fold", "krcc"].value == pytest.approx(np.mean(by_fold), abs=1e-12)
    task = np.array(columns["task"]) == "t1"
    assert found["perception", "task=t1", "srcc"].value == pytest.approx(stats.spearmanr(x[task], y[task]).statistic)
    means = [[v[np.array(columns["system"]) == f"m{k}"].mean() for k in range(6)] for v in (x, y)]
    assert found["perception", "system level", "srcc"].value == pytest.approx(stats.spearmanr(*means).statistic)
    rmse = np.sqrt(np.mean(np.subtract(*map(np.array, means)) ** 2))
    assert found["perception", "system level", "rmse"].value == pytest.approx(rmse)


def test_evalmi_answers():
    table = {
        "task": ["a", "a", "a", "b", "b", "b", "b"],
        "rating.answer": ["Yes", "No", "No", "Yes", "Yes", None, "No"],
        "score.answer": ["yes", " no ", "Yes", "Yes", None, "Yes", "No"],
    }
    found = figures(EVALMI.run(table))
    assert found["answer", "all", "accuracy"].value == pytest.approx(4 / 5)
    assert (found["answer", "all", "accuracy"].n, found["answer", "all", "accuracy"].excluded) == (5, 1)
    assert found["answer", "task=a", "accuracy"].value == pytest.approx(2 / 3)


def test_epaiqa_overall_quality_is_compared_where_the_prompt_is_completed():
    epaiqa = PROTOCOLS["epaiqa"]
    kinds, completion = ["style", "semantic"] * 40, [3, 3, 3, 2] * 20
    table = scored(6, 80, epaiqa.dimensions, edit_type=kinds, prompt_completion=completion)
    found = figures(epaiqa.run(table))
    done, style = np.array(completion) == 3, np.array(kinds) == "style"
    for dimension, within in (("harmony", np.ones(80, bool)), ("overall_quality", done)):
        x, y = table[f"score.{dimension}"], table[f"rating.{dimension}"]
        for group, rows in (("all", within), ("edit_type=style", within & style)):
            assert found[dimension, group, "srcc"].value == pytest.approx(stats.spearmanr(x[rows], y[rows]).statistic)
            assert found[dimension, group, "plcc"].value == pytest.approx(stats.pearsonr(x[rows], y[rows]).statistic)
            assert found[dimension, group, "plcc"].n == rows.sum()


# ------------------------------------------------------------------ tables and files


def test_two_files_and_two_metrics():
    """Real ratings of 3,672 edits: alignment and, negated, preservation as scores of quality."""
    rows = rows_of("lmm4edit.csv")
    ids = [f"{row['system']}/{row['source']}" for row in rows]
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in ("quality", "alignment", "preservation")}
    ratings = {"id": ids, "harmony": numbers["quality"], "edit_type": [row["answer"] for row in rows]}
    scores = {"id": ids[::-1], "one.harmony": numbers["alignment"][::-1], "two.harmony": -numbers["preservation"][::-1]}
    found = evaluate_protocol(PROTOCOLS["epaiqa"], scores, ratings, lower_is_better=["two.harmony"])
    for metric, name in (("one", "alignment"), ("two", "preservation")):
        expected = stats.spearmanr(numbers[name], numbers["quality"]).statistic
        assert found.value(metric, "srcc") == pytest.approx(expected, abs=1e-12)
        assert found.line(metric, "srcc").n == 3672
    assert any("two is lower is better" in note for note in found.notes)


def test_one_score_may_meet_every_dimension():
    table = ntire_table()
    ids = [str(k) for k in range(90)]
    ratings = {"id": ids, "split": table["split"], **{d: table[f"rating.{d}"] for d in NTIRE.dimensions}}
    pairs = [("lpips", dimension) for dimension in NTIRE.dimensions]
    found = evaluate_protocol(NTIRE, {"id": ids, "lpips": table["score.visual_quality"]}, ratings, pairs=pairs)
    assert found.line("lpips", "final score").value is not None


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("ntire-x-aigc-2", {"rating.visual_quality": [1], "score.visual_quality": [1]}, "requires the column 'split'"),
        ("ntire-x-aigc-2", {"split": ["in"]}, "each D of visual_quality"),
        ("epaiqa", {"edit_type": ["a"], "rating.harmony": [1]}, "no column 'score.harmony'"),
        (
            "epaiqa",
            {"edit_type": ["a", "b"], "rating.harmony": [1], "score.harmony": [1]},
            "expected equal ones",
        ),
        ("epaiqa", {"edit_type": ["a"], "rating.harmony": ["good"], "score.harmony": [1]}, "'good' in row 1"),
        ("hpe-bench", {"system": ["a"], "rating.authentic": [2], "score.authentic": [1]}, "holds 2"),
        ("hpe-bench", {"system": ["a"], "rating.authentic": [0], "score.authentic": [7]}, "expected probabilities"),
        ("hpe-bench", {"system": [None], "rating.authentic": [0], "score.authentic": [1]}, "name no editing model"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(name, table, said):
    with pytest.raises(AgreementError, match=said):
        PROTOCOLS[name].run(table)


def test_an_unknown_split_is_refused():
    with pytest.raises(AgreementError, match="holds in, test; expected 'in' and 'out'"):
        NTIRE.run(ntire_table() | {"split": ["in"] * 60 + ["test"] * 30})


def test_columns_that_meet_nothing_are_refused():
    with pytest.raises(AgreementError, match="--pair id=harmony"):
        evaluate_protocol(PROTOCOLS["epaiqa"], {"id": ["a"], "m": [1]}, {"id": ["a"], "harmony": [1]})
    with pytest.raises(AgreementError, match="name its ratings harmony"):
        evaluate_protocol(PROTOCOLS["epaiqa"], {"id": ["a"], "m": [1]}, {"id": ["a"], "mos": [1]})


def test_the_table_shows_every_figure_and_why_one_is_missing():
    import io

    from rich.console import Console

    from editmetrics.tables.agreement import protocol_blocks
    from editmetrics.tables.table import show

    table = ntire_table()
    ids = [str(k) for k in range(90)]
    ratings = {"id": ids, "split": table["split"], **{d: table[f"rating.{d}"] for d in NTIRE.dimensions}}
    scores = {"id": ids, **{f"one.{d}": table[f"score.{d}"] for d in NTIRE.dimensions}}
    for constant in (False, True):
        if constant:
            scores["one.visual_quality"] = [1.0] * 90
        found = evaluate_protocol(NTIRE, scores, ratings)
        console = Console(file=io.StringIO(), width=120)
        show(protocol_blocks(found), console=console)
        said = console.file.getvalue()
        for line in found.lines:
            assert line.value is None or f"{line.value:.4g}" in said
        assert ("all scores are 1" in said) is constant
