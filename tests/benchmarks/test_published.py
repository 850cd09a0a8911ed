"""The published numbers are those of the papers: what can be recomputed is, and tables that repeat each other agree."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from editmetrics.agreement.protocols import PROTOCOLS
from editmetrics.benchmarks.catalogue import BENCHMARKS, benchmark, published
from editmetrics.benchmarks.epaiqa_15k import reader as epaiqa_15k
from editmetrics.benchmarks.evalmi_50k import reader as evalmi_50k
from editmetrics.benchmarks.hpe_bench import reader as hpe_bench
from editmetrics.benchmarks.ntire_x_aigc_2.protocol import final_score

DATA = Path(__file__).parents[1] / "agreement" / "data"


def value(name, method, rating, group, measure):
    (row,) = [
        row
        for row in published(name)
        if (row.method, row.rating, row.group, row.measure) == (method, rating, group, measure)
    ]
    return row.value


@pytest.mark.parametrize("name", BENCHMARKS)
def test_published_numbers_are_of_what_the_data_set_rates(name):
    rows = published(name)
    bench = benchmark(name)
    keys = [(row.table, row.method, row.rating, row.group, row.measure) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row.rating for row in rows} <= {*bench.ratings, "all", "overall rank"}
    columns = {row.group.partition("=")[0] for row in rows if "=" in row.group}
    assert columns <= set(PROTOCOLS[bench.protocol].columns)
    assert all(-1 <= row.value <= 1 for row in rows if row.measure != "rmse")
    assert all(row.paper and row.table for row in rows)
    assert {*bench.methods} <= {row.method for row in rows}


def test_names_of_groups_are_those_of_the_readers():
    tasks = {row.group for row in published("evalmi-50k")} - {"all"}
    assert tasks <= {f"task={name}" for name in evalmi_50k.PROMPTS_OF_TASK}
    types = {row.group for row in published("epaiqa-15k")} - {"all"}
    assert types == {f"edit_type={name}" for name in epaiqa_15k.EDIT_TYPES.values()}
    systems = {row.group for row in published("hpe-bench") if row.group.startswith("system=")}
    assert systems == {f"system={name}" for name in hpe_bench.SYSTEMS}


OVERALL_OF_TABLE_3 = {
    "LLaVA-1.5 (7B)": (0.337, 0.389),
    "LLaVA-NeXT (8B)": (0.433, 0.457),
    "mPLUG-Owl3 (7B)": (0.392, 0.474),
    "MiniCPM-V2.6 (8B)": (0.373, 0.592),
    "Qwen2-VL (7B)": (0.376, 0.590),
    "DeepSeek-VL (7B)": (0.261, 0.236),
    "CogAgent (18B)": (0.386, 0.358),
}
"""SRCC of perception and correspondence, column "Overall" of LMM4LMM's Table 3."""


@pytest.mark.parametrize("method", OVERALL_OF_TABLE_3)
def test_tables_2_and_3_of_lmm4lmm_agree(method):
    for rating, printed in zip(("perception", "correspondence"), OVERALL_OF_TABLE_3[method], strict=True):
        assert value("evalmi-50k", method, rating, "all", "srcc") == pytest.approx(printed, abs=0.00051)


ABLATION = {"perception": (0.886, 0.909, 0.714), "correspondence": (0.897, 0.916, 0.733)}
"""SRCC, PLCC and KRCC of LMM4LMM's Table 6, row (5): the full model."""


@pytest.mark.parametrize("rating", ABLATION)
def test_tables_2_and_6_of_lmm4lmm_agree(rating):
    for measure, printed in zip(("srcc", "plcc", "krcc"), ABLATION[rating], strict=True):
        assert value("evalmi-50k", "LMM4LMM", rating, "all", measure) == pytest.approx(printed, abs=0.00051)


def test_tables_5_and_6_of_lmm4lmm_agree_on_agiqa_3k():
    assert value("agiqa-3k", "LMM4LMM", "alignment", "all", "srcc") == pytest.approx(0.801, abs=0.0005)
    assert value("agiqa-3k", "LMM4LMM", "alignment", "all", "plcc") == pytest.approx(0.821, abs=0.00051)


SUSPECT = ("Two Class", "Counting", "Colors", "Position", "Shapes", "Texture")


def test_cells_that_the_paper_prints_twice_are_noted():
    """Table 3 gives Qwen2.5-VL the accuracies of another model in six tasks."""
    noted = [row for row in published("evalmi-50k") if row.note]
    assert [row.group for row in noted] == [f"task={task}" for task in SUSPECT]
    for row in noted:
        assert row.value == value("evalmi-50k", "DeepseekVL2 (1B)", "answer", row.group, "accuracy")


@pytest.mark.parametrize("method", [row.method for row in published("ntire-x-aigc-2") if row.rating == "all"])
def test_final_scores_follow_from_their_columns(method):
    means = [
        [value("ntire-x-aigc-2", method, rating, f"split={subset}", "(srcc + plcc) / 2")
         for rating in PROTOCOLS["ntire-x-aigc-2"].dimensions]
        for subset in ("in", "out")
    ]  # fmt: skip
    printed = value("ntire-x-aigc-2", method, "all", "all", "final score")
    follows = final_score(*means) == pytest.approx(printed, abs=1e-3)
    assert follows
    noted = [row for row in published("ntire-x-aigc-2") if row.note]
    assert [row.method for row in noted] == ["EditScore"]


BASELINES = {r.method for r in published("hpe-bench") if r.table == "Table I"} - {"HPE-LSA", "Random Choice"}


@pytest.mark.parametrize("method", sorted(BASELINES))
def test_table_i_of_hpe_bench_is_of_40_edits_and_one_true_negative_rate(method):
    """F1 = 2R / (1 + R) with a recall R in steps of 1/40; Acc = (R + TNR) / 2 with one TNR for all models."""
    rates = set()
    for system in hpe_bench.SYSTEMS:
        acc, f1 = (value("hpe-bench", method, "authentic", f"system={system}", f"Table I {m}") for m in ("Acc", "F1"))
        recall = f1 / (2 - f1)
        assert recall * 40 == pytest.approx(round(recall * 40), abs=0.01)
        rates.add(round((2 * acc - recall) * 40))
    assert len(rates) == 1
    if not method.startswith("LLaVA-NeXT"):  # whose overall is that of neither column
        for measure in ("Table I Acc", "Table I F1"):
            single = [value("hpe-bench", method, "authentic", f"system={s}", measure) for s in hpe_bench.SYSTEMS]
            overall = value("hpe-bench", method, "authentic", "average over system", measure)
            assert sum(single) / len(single) == pytest.approx(overall, abs=2e-4)


def test_the_papers_own_row_of_table_i_holds_f1_and_recall():
    for system in hpe_bench.SYSTEMS:
        f1, recall = (
            value("hpe-bench", "HPE-LSA", "authentic", f"system={system}", m) for m in ("f1_positive", "recall")
        )
        if system != "ACE++":  # noted
            assert f1 == pytest.approx(2 * recall / (1 + recall), abs=1e-4)


def test_table_iii_of_hpe_bench_follows_from_its_rows():
    with (DATA / "hpe_bench_table_3.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for rating in hpe_bench.QUALITY:
        pairs = [
            (float(row[f"{rating}.human"]), float(row[f"{rating}.ours"])) for row in rows if row[f"{rating}.human"]
        ]
        rmse = (sum((one - other) ** 2 for one, other in pairs) / len(pairs)) ** 0.5
        printed = value("hpe-bench", "HPE-LSA", rating, "system level", "rmse")
        assert printed == pytest.approx(rmse, abs=0.0011)


STAGES = {
    ("EPAIQA-Stage2 (7B)", "harmony"): "0.718/0.750 0.564/0.667 0.695/0.738 0.716/0.723 0.703/0.740",  # Table 6
    ("EPAIQA-Stage3 (7B)", "overall_quality"): "0.572/0.589 0.716/0.735 0.525/0.553 0.615/0.622 0.631/0.659",  # Table 7
}


@pytest.mark.parametrize(("method", "rating"), STAGES)
def test_epaiqas_ablations_repeat_the_rows_of_its_first_tables(method, rating):
    groups = [f"edit_type={name}" for name in dict.fromkeys(epaiqa_15k.EDIT_TYPES.values())] + ["all"]
    for group, printed in zip(groups, STAGES[method, rating].split(), strict=True):
        both = [value("epaiqa-15k", method, rating, group, measure) for measure in ("srcc", "plcc")]
        assert both == [float(number) for number in printed.split("/")]
