"""A record that was damaged or changed by hand costs its own lines, each named with its place, and no report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from editmetrics.report.write import ReportOptions, write_report
from editmetrics.runs.read_record import read_record
from editmetrics.runs.read_scores import read_scores

RUN = {
    "kind": "run",
    "metrics": [{"label": "mse", "identity": "k", "dimensions": ["mse"]}],
    "identities": {"k": {"metric": "mse"}},
}
SCORE = {"kind": "score", "id": "a", "dimension": "mse", "identity": "k", "status": "ok", "value": 0.5, "inputs": "f"}
FAILED = {**SCORE, "status": "failed", "value": None, "reason": "damaged"}

WRONG = {
    "value true": ({"value": True}, "its value is True; expected a number"),
    "value a text": ({"value": "0.5"}, "its value is '0.5'; expected a number"),
    "value a list": ({"value": [0.5]}, "its value is [0.5]; expected a number"),
    "value NaN": ({"value": float("nan")}, "its value is not a finite number or an infinity"),
    "value too large": ({"value": 10**400}, "its value is not a finite number or an infinity"),
    "value of one that failed": ({"status": "failed"}, "its status is 'failed', and its value 0.5"),
    "no value of one that is ok": ({"value": None}, "its status is 'ok', and its value None"),
    "uncertainty a text": ({"uncertainty": "1"}, "its uncertainty is '1'; expected a number"),
    "uncertainty false": ({"uncertainty": False}, "its uncertainty is False; expected a number"),
    "status of no kind": ({"status": "great"}, "its status is 'great'; expected ok, refused"),
    "status a number": ({"status": 1}, "its status is 1; expected text"),
    "explanation a number": ({"explanation": 5}, "its explanation is 5; expected text"),
    "explanation a list": ({"explanation": ["x"]}, "its explanation is ['x']; expected text"),
    "reason a number": ({"reason": 5}, "its reason is 5; expected text"),
    "inputs an object": ({"inputs": {}}, "its inputs is {}; expected text"),
    "details a text": ({"details": "x"}, "its details are 'x'; expected an object"),
    "id a number": ({"id": 5}, "its id is 5; expected text"),
    "id a list": ({"id": ["a"]}, "its id is ['a']; expected text"),
    "identity an object": ({"identity": {}}, "its identity is {}; expected text"),
    "dimension null": ({"dimension": None}, "its dimension is None; expected text"),
    "kind a number": ({"kind": 5}, "its kind is 5; expected text"),
    "kind a list": ({"kind": [["score"]]}, "its kind is [['score']]; expected text"),
}
BROKEN = {
    "kind nested deep": ('{"kind": ' + "[" * 5000 + "]" * 5000 + "}", "it is nested too deeply"),
    "details nested deep": (
        '{"kind": "score", "details": ' + '{"a":' * 500 + "1" + "}" * 501,
        "it is nested too deeply",
    ),
    "a doubled key": ('{"kind": "score", "value": 1, "value": 2}', "has the key 'value' twice"),
    "no object": ("[1]", "not an object; expected {...}"),
    "no JSON": ('{"kind": ', "Expecting value"),
    "no id": ('{"kind": "score"}', "has no 'id'"),
    "no UTF-8": ('{"kind": "\udcff"}', "utf-8"),
    "metrics a text": ('{"kind": "run", "metrics": "x", "identities": {}}', "its metrics are not a list of objects"),
    "metrics of lists": ('{"kind": "run", "metrics": [[]], "identities": {}}', "its metrics are not a list of objects"),
    "dimensions a text": (
        '{"kind": "run", "metrics": [{"label": "a", "identity": "b", "dimensions": "cd"}], "identities": {}}',
        "is not text",
    ),
    "identities a list": ('{"kind": "run", "metrics": [], "identities": []}', "an identity is not an object"),
    "an identity of a list": (
        '{"kind": "run", "metrics": [], "identities": {"a": []}}',
        "an identity is not an object",
    ),
}


def files(folder: Path, *lines: object, value: float = 0.5) -> Path:
    table = folder / "s.csv"
    table.write_text(f"id,edited,mse,problems\na,a.png,{value},\nb,b.png,0.25,\n")
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "s.record.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
    return table


@pytest.mark.parametrize("what", WRONG)
def test_what_no_run_writes_is_named_with_its_line(tmp_path, what):
    changed, message = WRONG[what]
    table = files(tmp_path, RUN, SCORE, {**SCORE, **changed})
    record = read_record(table)
    (broken,) = record.broken
    assert broken.startswith(f"line 3: {message}")
    assert record.entries["a", "k", "mse"].line == 2
    assert f"1 line of s.record.jsonl cannot be read: {broken}" in read_scores(table).notes


@pytest.mark.parametrize("what", BROKEN)
def test_a_line_that_is_none_is_named(tmp_path, what):
    line, message = BROKEN[what]
    table = files(tmp_path, RUN, line, SCORE)
    (broken,) = read_record(table).broken
    assert broken.startswith("line 2: ")
    assert message in broken
    write_report(read_scores(table), tmp_path / "r.html", ReportOptions(title="r"))
    assert "cannot be read" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_what_runs_write_is_read(tmp_path):
    more = {"uncertainty": 0.1, "explanation": "so", "details": {"a": [1, None]}}
    infinite = {**SCORE, "id": "b", "value": "inf"}
    record = read_record(files(tmp_path, RUN, {**SCORE, **more}, infinite, {**FAILED, "id": "c"}))
    assert record.broken == []
    assert record.entries["a", "k", "mse"] == ("ok", 0.5, 2, None, 0.1, "f", "so", {"a": [1, None]})
    assert record.entries["b", "k", "mse"].value == float("inf")
    assert record.entries["c", "k", "mse"][:4] == ("failed", None, 4, "damaged")


@pytest.mark.parametrize("value", [-5, -0.5, 1e9, "inf", "-inf"])
@pytest.mark.parametrize("where", ["record", "table", "both"])
def test_a_number_outside_the_range_of_its_metric_is_said(tmp_path, value, where):
    recorded = {**SCORE, "value": value if where != "table" else 0.5}
    table = files(tmp_path, RUN, recorded, value=value if where != "record" else 0.5)
    (note,) = [note for note in read_scores(table).notes if "range" in note]
    assert note.startswith("mse: 1 number outside its range, 0 to 1 (a, line 2 of the record)")


def test_numbers_inside_their_range_and_options_that_may_move_it_are_not_said(tmp_path):
    for text in ("id,mse\na,0\nb,1\n", "id,psnr\na,inf\nb,3\n", "id,mse:region=inside\na,5\nb,6\n"):
        (tmp_path / "s.csv").write_text(text)
        assert not [note for note in read_scores(tmp_path / "s.csv").notes if "range" in note]


@pytest.mark.parametrize("name", [" a", "a ", "a\u00a0", "\ufeffa"])
def test_ids_with_blanks_meet_their_lines(tmp_path, name):
    table = files(tmp_path, RUN, {**FAILED, "id": name})
    table.write_text(f"id,mse\n{name},\nb,0.25\n", encoding="utf-8")
    assert read_scores(table).columns[0].reasons[0] == "damaged"


def test_texts_of_a_record_can_be_written(tmp_path):
    lines = [{**SCORE, "explanation": "half \ud800"}, {**FAILED, "id": "b", "reason": "caf\udce9.png is damaged"}]
    table = files(tmp_path, RUN, *lines)
    for entry in read_record(table).entries.values():
        f"{entry.explanation}{entry.reason}".encode()
    write_report(read_scores(table), tmp_path / "r.html", ReportOptions(title="r"))
