"""Printed numbers go through the code that prints and ranks ours, and come out as the papers have them."""

import csv
from pathlib import Path

import pytest

from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.catalogue import BENCHMARKS, published
from editmetrics.benchmarks.comparison.layout import comparison_tables
from editmetrics.benchmarks.comparison.paper_table import TABLE_FOLDERS, paper_tables
from editmetrics.benchmarks.comparison.redo import TableRequest, in_print
from editmetrics.benchmarks.comparison.result import compare, only, ranks
from editmetrics.learned_metric import LearnedMetric
from editmetrics.registry import MissingPackageError, create_metric

TABLES = [(name, table.table) for name in TABLE_FOLDERS for table in paper_tables(name)]


def table_of(name, title):
    (table,) = [table for table in paper_tables(name) if table.table == title]
    return table


def shown(name, title):
    """The cells of a table, by the method, as they stand in a written file."""
    rows = {}
    for table in comparison_tables(compare(table_of(name, title), None)):
        for row in table.cells():
            if len(row) > 2:
                rows.setdefault(row[0].text, []).extend(row[2:])
    return rows


PRINTED = {
    ("evalmi-50k", "Table 2"): """
        NIQE: 0.3818 0.3885 0.2589 0.2430 0.2505 0.1643
        CLIPScore: 0.2031 0.2561 0.1369 0.2607 0.3072 0.1772
        HPSv2: 0.6404 0.6751 0.4556 0.5336 0.5525 0.3747
        InternLM-XComposer (7B): 0.3918 0.3569 0.3018 0.1728 0.1659 0.1401
        HyperIQA (fine-tuned): 0.5872 0.6768 0.4335 0.5348 0.5447 0.3742""",
    ("hpe-bench", "Table II"): """
        MSE: 0.0268 0.0191 0.2215 0.2264 0.1528 0.0060 0.4996 0.3414 0.5415
        AHIQ (fine-tuned): 0.7528 0.6367 0.7575 0.5328 0.3928 0.5827 0.8824 0.6578 0.8805
        HPE-LSA: 0.8687 0.7340 0.8852 0.8591 0.7243 0.8714 0.8870 0.7668 0.8959""",
    ("epaiqa-15k", "Table 1"): """
        TOPIQ-NR: 0.416 0.410 0.443 0.408 0.250 0.223 0.418 0.425 0.376 0.351
        EPAIQA-Stage2 (7B): 0.718 0.750 0.564 0.667 0.695 0.738 0.716 0.723 0.703 0.740""",
    ("epaiqa-15k", "Table 4"): """
        Qwen2-VL (7B): 0.452 0.507 0.482 0.423""",
    ("q-bench-portrait", "Table 6"): """
        Random guess: 25.00 25.00 - - 50.00 50.00 - -
        DeepSeek-VL (7B): 46.71 32.68 0.70 0.00 65.18 66.44 46.52 37.92""",
}  # fmt: skip
"""Rows of the papers' tables, as they are printed."""


@pytest.mark.parametrize(("name", "title"), PRINTED)
def test_rows_come_out_as_they_are_printed(name, title):
    rows = shown(name, title)
    for line in PRINTED[name, title].strip().splitlines():
        method, _, numbers = line.strip().rpartition(": ")
        assert [cell.text for cell in rows[method]] == numbers.split()


@pytest.mark.parametrize(("name", "title"), TABLES)
def test_no_printed_digit_is_lost(name, title):
    table = table_of(name, title)
    for (_, column), value in table.values.items():
        text = table.text(column.measure, value)
        share = str(table.decimals.get(column.measure, table.decimals.get("*"))).endswith("%")
        assert float(text) / (100 if share else 1) == pytest.approx(value, abs=1e-9)


FIRST_TWO_OF_TABLE_5 = {
    "evalmi-50k": ("LMM4LMM", "LMM4LMM (trained on EvalMuse-40K)"),
    "evalmuse-40k": ("LMM4LMM (trained on EvalMuse-40K)", "FGA-BLIP2"),
    "genai-bench-1600": ("LMM4LMM", "LMM4LMM (trained on EvalMuse-40K)"),
    "tifa-v1": ("LMM4LMM", "FGA-BLIP2"),
    "richhf-18k": ("LMM4LMM", "LMM4LMM (trained on EvalMuse-40K)"),
    "agiqa-3k": ("LMM4LMM", "LMM4LMM (trained on EvalMuse-40K)"),
    "aigciqa2023": ("LMM4LMM", "FGA-BLIP2"),
    "t2i-compbench": ("LMM4LMM", "FGA-BLIP2"),
}
"""The cells in bold of LMM4LMM's Table 5, which are the best and the second of each column."""


def test_the_best_of_lmm4lmms_table_5_are_those_in_bold():
    result = compare(table_of("evalmi-50k", "Table 5"), None)
    for column in result.table.columns:
        ranks = result.printed_ranks(column)
        assert (
            tuple(sorted((name for name in ranks if ranks[name] < 3), key=ranks.get))
            == (FIRST_TWO_OF_TABLE_5[column.data])
        )


MISMARKED = {
    ("Table 3", "source=AGIs"), ("Table 3", "dimension=AIGC"), ("Table 5", "source=SDIs"), ("Table 5", "source=AGIs"),
    ("Table 5", "source=AGIs, dimension=Tech"), ("Table 5", "source=AGIs, dimension=Aes"),
    ("Table 5", "source=CGIs, dimension=Tech"),
}  # fmt: skip
"""Columns in which Q-Bench-Portrait underlines a cell that is third, or first, by its own numbers."""


def test_the_runners_up_of_q_bench_portrait_are_those_underlined():
    file = Path(__file__).with_name("qbench_portrait_underlined.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        underlined = {(row["table"], row["group"], row["method"]) for row in csv.DictReader(lines)}
    seconds = set()
    for table in paper_tables("q-bench-portrait"):
        rows = shown("q-bench-portrait", table.table)
        for index, column in enumerate(table.columns):
            marked = [name for name, cells in rows.items() if cells[index].mark == "second"]
            seconds |= {(table.table, column.group, name) for name in marked}
    off = {(title, group) for title, group, method in underlined if (title, group, method) not in seconds}
    assert off == MISMARKED


def test_tables_3_and_5_of_q_bench_portrait_agree():
    third, fifth = (table_of("q-bench-portrait", title).values for title in ("Table 3", "Table 5"))
    of_third = {(method, column.group): value for (method, column), value in third.items()}
    repeated = [(method, column.group) for method, column in fifth if "dimension" not in column.group]
    assert len(repeated) == 4 * 26
    of_fifth = {(method, column.group): value for (method, column), value in fifth.items()}
    assert all(of_fifth[key] == of_third[key] for key in repeated)


def test_the_cross_table_repeats_what_other_data_sets_have_of_it():
    table = table_of("evalmi-50k", "Table 5")
    compared = 0
    for (method, column), value in table.values.items():
        if column.data not in BENCHMARKS:
            continue
        rows = [row for row in published(column.data) if (row.table, row.paper) == (table.table, table.paper)]
        for row in rows:
            if (row.method, row.measure) == (method, column.measure):
                assert row.value == value
                compared += 1
    assert compared == 6 * 18


@pytest.mark.parametrize(("name", "title"), TABLES)
def test_every_method_is_computed_by_something_that_exists(name, title):
    for method in table_of(name, title).methods:
        spec = method.metric or method.train
        try:
            metric = create_metric(spec) if spec else None
        except MissingPackageError:  # of a bridge, which the row then says
            continue
        assert not method.train or isinstance(metric, LearnedMetric), method.name
        preset = method.settings.get("preset")
        assert preset is None or preset in metric.presets(), method.name


def test_equal_numbers_share_the_better_rank_and_errors_are_better_when_lower():
    values = {"a": 0.5, "b": 0.7, "c": 0.5, "d": None, "e": 0.1}
    assert ranks(values, "srcc") == {"a": 2, "b": 1, "c": 2, "e": 4}
    assert ranks(values, "rmse") == {"a": 2, "b": 4, "c": 2, "e": 1}


def test_a_kind_of_methods_leaves_the_papers_own_in_print():
    kept = only(table_of("evalmi-50k", "Table 2"), ["classic"])
    assert [method.kind for method in kept.methods] == ["classic"] * 7 + ["mllm"]
    assert kept.methods[-1].reason == "left out: only classic"
    assert compare(kept, None).printed_ranks(kept.columns[0])["NIQE"] > 8  # among all methods of the paper
    assert only(table_of("evalmi-50k", "Table 3"), ["classic"]) is None


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(BenchmarkError, match="Did you mean 'Table 2'"):
        in_print("evalmi-50k", TableRequest(tables=["Table 22"]))
    with pytest.raises(BenchmarkError, match="Did you mean 'BRISQUE'"):
        in_print("evalmi-50k", TableRequest(rows={"BRISK": "brisque"}))
    with pytest.raises(BenchmarkError, match="no paper's comparison table on ebench-18k"):
        in_print("ebench-18k", TableRequest())


def test_a_printed_table_is_shown_without_a_copy(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ran = run("benchmark", "q-bench-portrait", "--table", "--only-table", "Table 3")
    assert ran.code == 0, ran.err
    assert "All numbers are printed in Q-Bench-Portrait (2026), Table 3; none is computed here." in ran.out
