"""What a cell must look like to be a number, and options that are NaN."""

import csv
import math

import numpy as np
import pytest

from editmetrics import evaluate
from editmetrics.agreement import AgreementError
from editmetrics.agreement.bootstrap import Resampling, percentile_interval
from editmetrics.agreement.ratings import RatingsError, read_ratings
from editmetrics.agreement.screening import without_outliers
from editmetrics.files.text import number_in
from editmetrics.runs.comparison import compare
from editmetrics.runs.read_scores import read_scores
from editmetrics.runs.scored_table import ScoresError


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("10", 10.0), ("+1.5", 1.5), (" -2e-3 ", -0.002), (".5", 0.5), ("5.", 5.0), ("inf", math.inf), (7, 7.0),
        ("-Infinity", -math.inf), (np.float32(0.5), 0.5),
        ("1_0", None), ("1,000", None), ("1.000,5", None), ("1 000", None), ("\u0661\u0660", None), ("0x10", None),
        ("1e", None), ("12%", None), ("", None), ("--1", None), (10**400, None), (None, None),
    ],
)  # fmt: skip
def test_a_number_is_written_as_tables_write_it(cell, value):
    assert number_in(cell) == value


def test_nan_is_read_as_what_it_says():
    assert math.isnan(number_in("NaN"))


@pytest.mark.parametrize("cell", ["1_0", "1,000", "\u0661\u0660", "1 0"])
def test_a_cell_that_only_python_takes_for_a_number_costs_its_row(tmp_path, cell):
    scores = {"id": list("abcde"), "mine": ["1", "2", "3", "4", cell]}
    found = evaluate(scores, {"id": list("abcde"), "mos": [1, 2, 3, 4, 5]}, measures=["srcc"])
    assert (found.line("mine", "srcc").n, found.line("mine", "srcc").excluded) == (4, 1)
    assert any("score is not a number: e" in note for note in found.notes)
    with (tmp_path / "raw.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["subject", "item", "value"], ["s", "a", "1"], ["s", "b", cell]])
    ratings = read_ratings(tmp_path / "raw.csv", "value")
    assert ratings.value.tolist() == [1.0]
    assert ratings.excluded[0].reason == "the cell holds no number"


@pytest.mark.parametrize("option", [{"threshold": math.nan}, {"level": math.nan}, {"scale": (math.nan, 5.0)},
                                    {"tie_threshold": math.nan}, {"rating_tie": math.nan}])  # fmt: skip
def test_an_option_that_is_nan_is_refused(option):
    scores = {"id": list("abcd"), "mine": [1, 2, 3, 4]}
    ratings = {"id": list("abcd"), "mos": [1, 0, 1, 0] if "threshold" in option else [1, 2, 3, 4]}
    with pytest.raises(AgreementError, match="nan"):
        evaluate(scores, ratings, **option)


def test_a_level_a_whisker_and_a_tolerance_that_are_nan_are_refused(tmp_path):
    with pytest.raises(AgreementError, match="level"):
        percentile_interval(np.arange(5.0), math.nan)
    (tmp_path / "raw.csv").write_text("subject,item,value\ns,a,1\nt,a,2\n")
    with pytest.raises(RatingsError, match="whisker"):
        without_outliers(read_ratings(tmp_path / "raw.csv", "value"), math.nan)
    (tmp_path / "a.csv").write_text("id,psnr\na,1\nb,2\n")
    table = read_scores(tmp_path / "a.csv")
    for options in ({"tolerance": math.nan}, {"resampling": Resampling(level=math.nan)}):
        with pytest.raises(ScoresError, match="nan"):
            compare(table, table, **options)
