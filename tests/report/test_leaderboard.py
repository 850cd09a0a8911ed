"""`leaderboard.json`: what its schema promises, and numbers that are those of the table."""

import csv
import json
import shutil

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from editmetrics.files.text import DataError
from editmetrics.report.leaderboard_json import SCHEMA_FILE
from editmetrics.report.write import ReportError, ReportOptions, check_replaceable, write_report

from .conftest import SYSTEMS


def written(scores, path, **options):
    """The leaderboard of a table, valid by its schema, and the same when it is written again."""
    write_report(scores, path, ReportOptions(format="json", **options))
    first = path.read_bytes()
    write_report(scores, path, ReportOptions(format="json", **options))
    assert path.read_bytes() == first

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(first, parse_constant=refuse)
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    return document


@pytest.fixture(scope="module")
def board(run_folder, tmp_path_factory):
    return written(run_folder / "scores.csv", tmp_path_factory.mktemp("board") / "leaderboard.json")


@pytest.fixture(scope="module")
def rows(run_folder):
    with (run_folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_numbers_of_each_system_are_those_of_its_rows(board, rows):
    assert [row["system"] for row in board["systems"]] == list(SYSTEMS)
    for row in board["systems"]:
        own = [line for line in rows if line["system"] == row["system"]]
        assert row["samples"] == len(own) == 6
        for column in ("psnr", "mse"):
            values = np.array([float(line[column]) for line in own if line[column]])
            score = row["scores"][column]
            assert score["mean"] == pytest.approx(values[np.isfinite(values)].mean())
            assert (score["n"], score["infinite"]) == (len(values), np.isinf(values).sum())
            assert score["n"] + sum(score["missing"].values()) == 6
    first, second = (row["scores"]["psnr"] for row in board["systems"])
    assert (first["infinite"], first["missing"]) == (1, {})
    assert second["missing"] == {"failed": 1}  # the corrupt file


def test_what_produced_a_number_stands_beside_it(board, run_folder):
    lines = [json.loads(line) for line in (run_folder / "scores.record.jsonl").read_text("utf-8").splitlines()]
    run = lines[0]
    assert board["identities"] == run["identities"]
    assert board["runs"] == [{name: run[name] for name in ("started", "python", "platform", "versions")}]
    for metric in board["metrics"]:
        assert board["identities"][metric["identity"]]["metric"] == metric["metric"]
    digests = [row["scores"]["psnr"]["inputs_sha256"] for row in board["systems"]]
    assert len(set(digests)) == 2  # the two systems made other images


def test_other_images_have_another_digest_and_other_prompts_another_task(board, run_folder, tmp_path):
    for name in ("scores.csv", "scores.record.jsonl"):
        shutil.copy(run_folder / name, tmp_path)
    record = tmp_path / "scores.record.jsonl"
    inputs = next(line["inputs"] for line in map(json.loads, record.open()) if line["kind"] == "score")
    record.write_text(record.read_text().replace(inputs, "f" * 32))
    table = tmp_path / "scores.csv"
    table.write_text(table.read_text().replace("`code`", "`other`"))
    changed = written(table, tmp_path / "leaderboard.json")
    before, after = (one["systems"][0]["scores"]["psnr"]["inputs_sha256"] for one in (board, changed))
    assert before != after
    assert changed["data"]["tasks"] == board["data"]["tasks"] == 6
    assert changed["data"]["tasks_sha256"] != board["data"]["tasks_sha256"]


def test_groups_have_rows_of_their_own(board):
    assert [(one["column"], one["value"]) for one in board["groups"]] == [
        ("edit_type", "object <b>"), ("edit_type", "colour"),
    ]  # fmt: skip
    for one in board["groups"]:
        assert [row["samples"] for row in one["systems"]] == [3, 3]
    counts = [one["systems"][0]["scores"]["psnr"]["n"] for one in board["groups"]]
    assert sum(counts) == board["systems"][0]["scores"]["psnr"]["n"]
    whole, parts = board["systems"][0], [one["systems"][0] for one in board["groups"]]
    assert whole["scores"]["mse"]["inputs_sha256"] not in {part["scores"]["mse"]["inputs_sha256"] for part in parts}


def test_without_systems_record_or_ratings_it_says_null(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("id,psnr,mine\na,30,1\nb,,2\nc,inf,3\n")
    board = written(scores, tmp_path / "leaderboard.json")
    (row,) = board["systems"]
    assert (row["system"], row["ranked"], row["samples"]) == (None, False, 3)
    psnr = {"mean": 30.0, "low": None, "high": None, "n": 2, "infinite": 1, "missing": {"missing": 1}}
    assert row["scores"]["psnr"] == {**psnr, "ahead": False, "inputs_sha256": None}
    assert (board["agreement"], board["identities"], board["runs"]) == (None, {}, [])
    assert "no record beside scores.csv" in board["notes"][0]


def test_ratings_add_the_agreement(tmp_path):
    lines = [f"a{n},{n % 2},{n},{n * n}" for n in range(12)]
    (tmp_path / "scores.csv").write_text("\n".join(["id,system,psnr,x", *lines]))
    (tmp_path / "mos.csv").write_text("\n".join(["id,mos", *(f"a{n},{n / 3}" for n in range(12))]))
    board = written(
        tmp_path / "scores.csv", tmp_path / "b.json", ratings=tmp_path / "mos.csv", pairs=[("psnr", "mos")],
        replicates=100,
    )  # fmt: skip
    (srcc,) = [line for line in board["agreement"]["lines"] if line["measure"] == "srcc" and line["group"] == "all"]
    assert srcc["value"] == pytest.approx(1)
    assert board["intervals"]["replicates"] == 100


def test_a_set_of_images_is_a_row_with_its_own_interval(tmp_path):
    (tmp_path / "sets.csv").write_text("id,fid,fid.low,fid.high,problems\na,3.5,3,4,\nb,,,,fid: failed: too few\n")
    board = written(tmp_path / "sets.csv", tmp_path / "b.json", metrics=["fid"])
    one, other = board["systems"]
    assert [one["system"], other["system"]] == ["a", "b"]
    assert [one["scores"]["fid"][name] for name in ("mean", "low", "high", "n")] == [3.5, 3, 4, 1]
    assert (other["scores"]["fid"]["mean"], other["scores"]["fid"]["missing"]) == (None, {"failed": 1})
    assert board["intervals"] is None
    with pytest.raises(ReportError, match=r"leaderboard\.json"):
        write_report(tmp_path / "sets.csv", tmp_path / "report.html", ReportOptions(metrics=["fid"]))


def test_nan_in_a_record_of_other_hands_is_null(tmp_path):
    metric = {"label": "x", "identity": "k", "dimensions": ["x"], "higher_is_better": {"x": True}}
    run = {"kind": "run", "metrics": [metric], "identities": {"k": {"version": float("nan"), "eps": float("inf")}}}
    (tmp_path / "s.record.jsonl").write_text(json.dumps({**run, "suites": ["gedit", 3]}) + "\n")
    (tmp_path / "s.csv").write_text("id,x\na,1\n")
    board = written(tmp_path / "s.csv", tmp_path / "b.json")
    assert board["identities"] == {"k": {"version": None, "eps": "inf"}}
    assert (board["suites"], board["suite_tables"]) == (["gedit"], None)


def test_another_json_file_is_not_replaced(tmp_path, board):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DataError, match="report of editmetrics as json"):
        check_replaceable(tmp_path / "other.json")
