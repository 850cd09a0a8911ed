"""Reading a table and its record: what is missing is said, and a number that was changed is noticed."""

import json
import shutil

import numpy as np
import polars
import pytest

from editmetrics import Dimension, Sample, score
from editmetrics.report.write import ReportOptions, write_report
from editmetrics.runs.read_record import read_record
from editmetrics.runs.read_scores import MISSING, read_scores
from editmetrics.runs.scored_table import ScoresError

from ..scoring.toys import Brightness, Captioned, write_images
from .conftest import SYSTEMS


def by_name(table):
    return {column.name: column for column in table.columns}


def test_statuses_reasons_and_what_was_said_come_from_the_record(run_folder):
    table = read_scores(run_folder / "scores.csv")
    assert [column.name for column in table.columns] == ["psnr", "mse", "captioned.length", "captioned.vowels"]
    found = by_name(table)
    refused = table.ids.index(f"{SYSTEMS[0]}/4")
    assert (found["captioned.length"].statuses[refused], found["captioned.length"].reasons[refused]) == (
        "refused", "would rather not"
    )  # fmt: skip
    half = table.ids.index(f"{SYSTEMS[0]}/2")
    assert found["captioned.length"].statuses[half] == "ok"
    assert found["captioned.vowels"].statuses[half] == "unparseable"
    assert found["psnr"].values[half] == np.inf
    assert table.explanations["captioned"][0].startswith("read ")
    assert table.details["captioned"][refused] == {"answer": "no"}
    assert found["captioned.vowels"].uncertainty[0] == 0.5
    assert table.identity_of(found["psnr"])["metric"] == "psnr"
    assert not found["mse"].higher_is_better
    assert (table.clustered_by, len(set(table.clusters))) == ("source", 6)
    assert list(table.other) == ["edit_type"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_all_formats_say_the_same(tmp_path, run_folder, suffix):
    table = read_scores(run_folder / "scores.csv")
    frame = polars.read_csv(run_folder / "scores.csv")
    path = tmp_path / f"scores{suffix}"
    if suffix == ".parquet":
        frame.write_parquet(path)
    else:
        rows = [{k: "inf" if v == np.inf else v for k, v in row.items() if v is not None} for row in frame.to_dicts()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shutil.copy(run_folder / "scores.record.jsonl", tmp_path / "scores.record.jsonl")
    other = read_scores(path)
    for one, two in zip(table.columns, other.columns, strict=True):
        np.testing.assert_array_equal(one.values, two.values)
        assert one.statuses.tolist() == two.statuses.tolist()


def test_without_the_record_it_says_so_and_reads_the_problems(tmp_path, run_folder):
    shutil.copy(run_folder / "scores.csv", tmp_path / "scores.csv")
    table = read_scores(tmp_path / "scores.csv")
    assert "no record beside scores.csv" in table.notes[0]
    assert table.record is None
    found = by_name(table)
    assert set(found) == {"psnr", "mse"}  # what this program knows; the rest is named, to be asked for
    assert any("captioned.length" in note and "--metric" in note for note in table.notes)
    failed = table.ids.index(f"{SYSTEMS[1]}/1")
    assert found["psnr"].statuses[failed] == "failed"
    assert "1 60.png" in found["psnr"].reasons[failed]
    assert table.identity_of(found["psnr"]) is None


def test_reasons_with_semicolons_are_told_apart(tmp_path):
    path = tmp_path / "scores.csv"
    problems = "psnr: failed: broken; a: b; mse: refused: said: no; really"
    path.write_text(f'id,psnr,mse,ssim,problems\na,,,,"{problems}"\nb,1,2,3,\n', encoding="utf-8")
    found = by_name(read_scores(path))
    assert (found["psnr"].statuses[0], found["psnr"].reasons[0]) == ("failed", "broken; a: b")
    assert (found["mse"].statuses[0], found["mse"].reasons[0]) == ("refused", "said: no; really")
    assert found["ssim"].statuses[0] == MISSING
    assert found["ssim"].unscored(np.arange(2)) == {MISSING: 1}


def test_a_number_that_was_changed_is_noticed(tmp_path, run_folder):
    frame = polars.read_csv(run_folder / "scores.csv")
    frame[0, "psnr"] = 99.0
    frame.write_csv(tmp_path / "scores.csv")
    shutil.copy(run_folder / "scores.record.jsonl", tmp_path / "scores.record.jsonl")
    (note,) = [note for note in read_scores(tmp_path / "scores.csv").notes if "from the record" in note]
    assert note.startswith("psnr: 1 number of the table differs")
    assert frame["id"][0] in note


def test_the_newest_line_of_a_record_counts_and_an_unfinished_one_does_not(tmp_path):
    paths = write_images(tmp_path / "images", 2)
    samples = [Sample(path.stem, edited=path, prompt="refuse") for path in paths]
    output = tmp_path / "scores.csv"
    score(samples, [Captioned()], output=output)
    samples = [Sample(path.stem, edited=path, prompt="a word") for path in paths]
    score(samples, [Captioned()], output=output)
    with (tmp_path / "scores.record.jsonl").open("ab") as file:
        file.write(b'{"kind": "score", "id": "00", "val')
    record = read_record(output)
    assert not record.broken
    assert len(record.runs) == 2
    table = read_scores(output)
    assert table.columns[0].statuses.tolist() == ["ok", "ok"]
    assert not any("from the record" in note for note in table.notes)


def test_a_damaged_record_is_said_to_be_so(tmp_path, run_folder):
    shutil.copy(run_folder / "scores.csv", tmp_path / "scores.csv")
    lines = (run_folder / "scores.record.jsonl").read_bytes().split(b"\n")
    lines[3] = b"{broken"
    lines[4] = b'{"kind": "score", "id": []}'
    lines.insert(
        1, b'{"kind": "run", "metrics": [{"label": "x", "identity": [], "dimensions": ["x"]}], "identities": {}}'
    )
    lines.insert(1, b'{"kind": "run", "metrics": [], "identities": {"x": {"version": NaN}}}')
    (tmp_path / "scores.record.jsonl").write_bytes(b"\n".join(lines))
    notes = read_scores(tmp_path / "scores.csv").notes
    assert (
        write_report(tmp_path / "scores.csv", tmp_path / "report.html", ReportOptions(roots=[run_folder])).missing == 1
    )
    assert any("3 lines of scores.record.jsonl cannot be read" in note for note in notes)


def test_a_metric_that_is_not_installed_keeps_the_direction_that_it_was_recorded_with(tmp_path):
    class Distance(Brightness):
        name = "distance"
        dimensions = (Dimension("brightness", low=0, higher_is_better=False, primary=True),)

    samples = [Sample(name, edited=np.zeros((4, 4, 3), np.uint8)) for name in "ab"]
    score(samples, Distance(), output=tmp_path / "scores.csv")
    table = read_scores(tmp_path / "scores.csv")
    assert list(table.columns[0].values) == [0, 0]
    assert not table.columns[0].higher_is_better
    assert not any("assumed" in note for note in table.notes)


def test_foreign_tables(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("file,my_score\na.png,1\nb.png,2\n", encoding="utf-8")
    table = read_scores(path, lower_is_better=["my_score"])
    assert [column.name for column in table.columns] == ["my_score"]
    assert not table.columns[0].higher_is_better
    assert list(table.ids) == ["a.png", "b.png"]
    assert any("assumed higher is better: my_score" in note for note in read_scores(path).notes)
    with pytest.raises(ScoresError, match="'other' is not a column of scores"):
        read_scores(path, lower_is_better=["other"])
    path.write_text("file,words\na.png,hello\n", encoding="utf-8")
    with pytest.raises(ScoresError, match="no column of scores"):
        read_scores(path)


def test_one_picture_under_many_paths_is_paired_by_its_id(tmp_path):
    path = tmp_path / "scores.csv"
    lines = ["id,system,source,psnr", *(f"{s}/{n},{s},{s}/{n}.png,1" for s in ("a", "b") for n in range(4))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_scores(path)
    assert table.clustered_by == "sample"
    assert table.clusters.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
