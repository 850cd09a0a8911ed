"""Two runs compared: known differences are found, noise is not, and other identities are told first."""

import io
import json
import re
import shutil

import numpy as np
import polars
import pytest
from scipy import stats

from editmetrics import Sample, score
from editmetrics.files.text import DataError
from editmetrics.runs.comparison import compare
from editmetrics.runs.identity import changes
from editmetrics.runs.read_scores import read_scores
from editmetrics.runs.scored_table import ScoresError
from editmetrics.tables.comparison import comparison_blocks
from editmetrics.tables.table import show

from ..scoring.toys import Brightness, write_images
from .tables import column, table


def moved(a, b, **options):
    (line,) = compare(a, b, **options).moved
    return line


def test_a_run_against_itself_is_the_same():
    made = table([column("x", [*np.random.default_rng(0).normal(size=20), np.inf, np.nan])])
    line = moved(made, made)
    assert (line.verdict, line.difference) == ("equal", 0)
    assert (line.better, line.worse, line.equal, line.neither) == (0, 0, 21, 1)


def test_the_last_digits_are_no_difference():
    values = np.random.default_rng(0).normal(size=20)
    a, b = table([column("x", values)]), table([column("x", values * (1 + 1e-8))])
    assert moved(a, b).equal == 20
    assert moved(a, b, tolerance=0).equal == 0


@pytest.mark.parametrize(("higher", "verdict"), [(True, "better"), (False, "worse")])
def test_a_small_shift_of_all_is_seen_as_the_paired_t_test_sees_it(higher, verdict):
    random = np.random.default_rng(0)
    before = random.normal(0, 10, 80)
    after = before + 0.5 + random.normal(0, 1, 80)
    line = moved(table([column("x", before, higher=higher)]), table([column("x", after, higher=higher)]))
    theirs = stats.ttest_rel(after, before)
    assert line.verdict == verdict
    assert line.difference == pytest.approx((after - before).mean())
    interval = theirs.confidence_interval()
    # percentile ends of 1,000 resamples vary by some 5 % of the width, and are a little narrower than Student's
    assert (line.low, line.high) == pytest.approx(interval, abs=0.12 * (interval.high - interval.low))
    assert line.better + line.worse == 80
    assert (line.better if higher else line.worse) == (after > before).sum()


def test_noise_is_called_noise():
    random = np.random.default_rng(1)
    before = random.normal(0, 10, 80)
    assert (
        moved(table([column("x", before)]), table([column("x", before + random.normal(0, 1, 80))])).verdict == "noise"
    )


def test_many_columns_are_judged_together():
    """Of twenty columns of noise one has p below .05, as is to be expected, and none is called a move."""
    random = np.random.default_rng(2)
    before = [random.normal(size=60) for _ in range(20)]
    a = table([column(f"x{number}", values) for number, values in enumerate(before)])
    b = table([column(f"x{number}", values + random.normal(size=60)) for number, values in enumerate(before)])
    lines = compare(a, b).moved
    assert min(line.p for line in lines) < 0.05
    assert {line.verdict for line in lines} == {"noise"}


def test_what_failed_and_what_is_new_is_counted_and_in_no_mean():
    a = table([column("x", [1.0, 2, 3, np.nan, np.nan, 100])])
    b = table([column("x", [2.0, 3, 4, 5, np.nan, np.nan])])
    found = compare(a, b)
    line = found.moved[0]
    assert (line.n, line.mean_a, line.mean_b, line.difference) == (3, 2, 3, 1)
    assert (line.newly_failed, line.newly_scored, line.neither) == (1, 1, 1)
    assert found.lost == {"x": ["5"]}
    assert line.verdict == "too few"  # three samples cannot say more


def test_the_largest_movers_are_named():
    values = np.arange(10.0)
    after = values.copy()
    after[3] -= 5
    after[7] += 2
    found = compare(table([column("x", values)]), table([column("x", after)]))
    assert [(m.id, m.gain) for m in found.movers] == [("3", -5), ("7", 2)]


def test_samples_are_matched_by_id_and_those_in_one_run_are_named():
    a = table([column("x", [1.0, 2, 3])])
    b = table([column("x", [30.0, 10, 99])])
    b = type(b)(**{**b.__dict__, "ids": ["2", "0", "new"]})
    found = compare(a, b)
    assert (found.moved[0].mean_a, found.moved[0].mean_b) == (2, 20)
    assert any("only in scores.csv: 1 sample (1)" in note for note in found.notes)
    assert any("only in scores.csv: 1 sample (new)" in note for note in found.notes)


def test_columns_of_other_names_meet_when_told():
    a, b = table([column("x", [1.0, 2])]), table([column("y", [2.0, 3])])
    with pytest.raises(ScoresError, match="no column of scores in common"):
        compare(a, b)
    line = moved(a, b, pairs=[("x", "y")])
    assert (line.column, line.other, line.difference) == ("x", "y", 1)
    with pytest.raises(ScoresError, match="no scores 'z'"):
        compare(a, b, pairs=[("x", "z")])


@pytest.fixture
def runs(tmp_path):
    """The same eight samples scored twice, the second time by a later version of the metric."""
    paths = write_images(tmp_path / "images", 8)
    samples = [Sample(path.stem, edited=path) for path in paths]
    for name, version in (("a", 1), ("b", 2)):
        metric = type("Brightness", (Brightness,), {"version": version})
        score(samples, [metric(offset=float(version))], output=tmp_path / f"{name}.csv")
    for name in ("a", "b"):  # the offset is in the label; the column keeps its old name here, as after a new default
        for suffix in (".csv", ".record.jsonl"):
            path = tmp_path / f"{name}{suffix}"
            text = path.read_text(encoding="utf-8")
            path.write_text(
                text.replace("brightness:offset=1.0", "brightness").replace("brightness:offset=2.0", "brightness")
            )
    return tmp_path


def test_other_identities_are_named_field_by_field(runs):
    found = compare(read_scores(runs / "a.csv"), read_scores(runs / "b.csv"))
    (change,) = found.identities
    assert set(change.fields) == {("version", "1", "2"), ("options.offset", "1.0", "2.0")}
    assert not found.comparable
    assert found.inputs == {"brightness": {"same": 8, "changed": 0, "unknown": 0}}


def test_without_a_record_it_is_not_known_whether_they_are_comparable(runs):
    (runs / "b.record.jsonl").unlink()
    found = compare(read_scores(runs / "a.csv"), read_scores(runs / "b.csv"))
    assert [change.known for change in found.identities] == [False]
    assert found.inputs["brightness"]["unknown"] == 8


def test_other_images_are_counted(runs):
    shutil.copytree(runs / "images", runs / "others")
    write_images(runs / "others", 3, size=(9, 9))
    samples = [Sample(path.stem, edited=path) for path in sorted((runs / "others").iterdir())]
    for name in ("c", "d"):
        folder = runs / "images" if name == "c" else runs / "others"
        samples = [Sample(path.stem, edited=path) for path in sorted(folder.iterdir())]
        score(samples, [Brightness()], output=runs / f"{name}.csv")
    found = compare(read_scores(runs / "c.csv"), read_scores(runs / "d.csv"))
    assert found.comparable
    assert found.inputs["brightness"] == {"same": 5, "changed": 3, "unknown": 0}


def test_files(runs):
    found = compare(read_scores(runs / "a.csv"), read_scores(runs / "b.csv"))
    found.write(runs / "moved.json")
    said = json.loads((runs / "moved.json").read_text(encoding="utf-8"))
    assert said["comparable"] is False
    assert said["moved"][0]["difference"] == pytest.approx(1)
    found.write(runs / "moved.csv")
    assert polars.read_csv(runs / "moved.csv")["better"][0] == 8
    with pytest.raises(DataError, match=r"\.csv or \.json"):
        found.write(runs / "moved.txt")


def test_changes_of_nested_identities():
    before = {"version": 1, "backbone": [{"sha256": "aa"}], "prompts": {"q": "x"}}
    after = {"version": 1, "backbone": [{"sha256": "bb"}], "prompts": {}}
    assert changes(before, after) == [("backbone.0.sha256", "aa", "bb"), ("prompts.q", "x", None)]


def test_the_table_fits_80_columns():
    from rich.console import Console

    random = np.random.default_rng(0)
    names = ["psnr", "ds_ieqa:weights=toy.content_preservation"]
    systems = ["a system with a long name"] * 20 + ["b"] * 20
    a = table([column(name, random.normal(size=40)) for name in names], systems)
    b = table([column(name, random.normal(size=40)) for name in names], systems)
    console = Console(width=80, record=True, file=io.StringIO(), highlight=False)
    show(comparison_blocks(compare(a, b)), console=console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(r" noise$", text, re.MULTILINE)) == 4
    assert "…" not in text
