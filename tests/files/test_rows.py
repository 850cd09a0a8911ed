"""What a table may hold and what it may not: other separators, encodings and kinds; long cells, NUL, doubled keys."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
import sys

import pytest

from editmetrics.agreement.ratings import RatingsError, read_ratings
from editmetrics.data import DataError, from_manifest, read_prompts
from editmetrics.files.rows import read_rows
from editmetrics.files.text import DEEPEST, parse_json
from editmetrics.files.text import number_in as number
from editmetrics.images import Unreadable

SEPARATED = {
    "semicolons": "id;mos\nx;3.5\n",
    "decimal commas": "id;mos\nx;3,5\n",
    "tabs": "id\tmos\nx\t3.5\n",
    "bars": "id|mos\nx|3.5\n",
    "quotes": '"id";"mos"\n"x";"3,5"\n',
    "old line ends": "id;mos\rx;3.5\r",
    "declared": "sep=;\nid;mos\nx;3,5\n",
    "declared tabs": "sep=\t\r\nid\tmos\r\nx\t3,5\r\n",
    "declared colons": "SEP=:\nid:mos\nx:3.5\n",
    "declared commas": "sep=,\nid,mos\nx,3.5\n",
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", SEPARATED)
def test_a_csv_of_any_program_has_the_same_rows(tmp_path, kind, encoding, packed):
    data = SEPARATED[kind].encode(encoding)
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert [row.cells for row in read_rows(path)] == [{"id": "x", "mos": "3.5"}]


def test_lines_are_counted_with_the_line_that_declares_the_separator(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\nid;mos\nx;3;4\n")
    (row,) = read_rows(tmp_path / "t.csv")
    assert (row.location, row.problem) == ("line 3", "has 3 cells where the first line names 2 columns")


def test_decimal_commas_are_read_where_they_can_be_nothing_else(tmp_path, caplog):
    path = tmp_path / "t.csv"
    path.write_text("id;mos;big;name;mixed;n\nx;3,5;1.234,5;1,5 m;3.5;1\ny;-0,25;2,000;b;3,5;2\nz;;n/a;c;1;3\n")
    rows = [row.cells for row in read_rows(path)]
    assert [row["mos"] for row in rows] == ["3.5", "-0.25", None]
    assert [row["big"] for row in rows] == ["1234.5", "2.000", "n/a"]
    assert [row["name"] for row in rows] == ["1,5 m", "b", "c"]
    assert [row["mixed"] for row in rows] == ["3.5", "3,5", "1"]
    assert [row["n"] for row in rows] == ["1", "2", "3"]
    assert f"{path}: its cells are separated by semicolons, and its numbers have decimal commas" in caplog.text


def test_a_comma_that_may_part_thousands_is_left_and_said(tmp_path, caplog):
    path = tmp_path / "t.csv"
    path.write_text("id;mos\nx;1,234\ny;2,500\n")
    assert [row.cells["mos"] for row in read_rows(path)] == ["1,234", "2,500"]
    assert "'1,234' in column 'mos' may be a decimal or thousands" in caplog.text
    path.write_text('id,mos\nx,"3,5"\n')  # separated by commas: "3,5" is a text that somebody quoted
    assert [row.cells["mos"] for row in read_rows(path)] == ["3,5"]


def test_a_table_of_one_column_and_one_with_semicolons_in_it_are_read(tmp_path):
    for text, columns in {"edited\na.png\n": ["edited"], '"a;b",c;d,e\n1,2,3\n': ["a;b", "c;d", "e"]}.items():
        (tmp_path / "t.csv").write_text(text)
        assert [list(row.cells) for row in read_rows(tmp_path / "t.csv")] == [columns]
    (tmp_path / "t.tsv").write_text("id, of an item\tmos\nx, y\t3\n")
    assert [row.cells for row in read_rows(tmp_path / "t.tsv")] == [{"id, of an item": "x, y", "mos": "3"}]


def test_json_and_packed_json_lines_are_tables(tmp_path):
    rows = [{"id": "x", "mos": 3.5}, {"id": "y", "mos": None}]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    for name in ("t.json", "t.jsonl.gz"):
        assert [row.cells for row in read_rows(tmp_path / name)] == rows
    (tmp_path / "t.jsonl.gz").write_bytes((tmp_path / "t.jsonl.gz").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"cannot be unpacked: .*; is its download complete"):
        list(read_rows(tmp_path / "t.jsonl.gz"))
    (tmp_path / "t.json").write_text("3")
    with pytest.raises(DataError, match="expected a list of objects"):
        list(read_rows(tmp_path / "t.json"))


def test_a_workbook_is_a_table(tmp_path, caplog):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    for line in (
        [],
        ["id", "mos", "when", "ok"],
        ["x ", 3.5, datetime.date(2026, 1, 2), True],
        [],
        [7, None, None, "  "],
    ):
        sheet.append(line)
    sheet["F4"] = "a remark at the side"
    book.create_sheet("Notes")
    book.save(path)
    rows = list(read_rows(path))
    assert [row.location for row in rows] == ["row 3", "row 4", "row 5"]
    assert not any(row.problem for row in rows)
    assert rows[0].cells == {"id": "x", "mos": 3.5, "when": "2026-01-02T00:00:00", "ok": True}
    assert rows[2].cells == {"id": 7, "mos": None, "when": None, "ok": None}
    assert "of 2 sheets, the first is read: 'Sheet'" in caplog.text
    assert "to the right of the columns" in caplog.text
    sheet["B2"] = "id"
    book.save(path)
    with pytest.raises(DataError, match="has the column id more than once"):
        list(read_rows(path))
    path.write_bytes(b"PK no book")
    with pytest.raises(DataError, match="cannot be read as an Excel workbook"):
        list(read_rows(path))


def test_a_workbook_without_openpyxl_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"pip install 'editmetrics\[excel\]'; or save it as csv"):
        list(read_rows(tmp_path / "t.xlsx"))
    with pytest.raises(DataError, match=r"t\.ods is of an unknown kind; .*save it as \.csv or \.xlsx"):
        list(read_rows(tmp_path / "t.ods"))


@pytest.mark.parametrize(
    "text", ['{"a": "red", "a": "blue"}', '{"a": 1, "a": 1}', '{"b": {"a": 1, "a": 2}}', '[{"a": null, "\\u0061": 1}]']
)
def test_a_doubled_key_is_an_error_that_names_it(tmp_path, text):
    with pytest.raises(ValueError, match="has the key 'a' twice"):
        parse_json(text)
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(DataError, match=r"p\.json has the key 'a' twice"):
        read_prompts(tmp_path / "p.json")


def test_a_doubled_key_costs_its_row(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "x", "edited": "a.png", "id": "y"}\n{"id": "z", "edited": "a.png"}\n')
    assert from_manifest(path).unmatched == {
        "unreadable": [f"{path}, line 1: has the key 'id' twice; keep one of them"]
    }
    assert isinstance(from_manifest(path).samples[0].edited, Unreadable)
    path.write_text('{"subject": "s", "item": "i", "x": 1, "x": 5}\n')
    with pytest.raises(RatingsError, match="line 1: has the key 'x' twice"):
        read_ratings(path, "x")
    path.write_text('{"name": "a", "prompt": "red", "prompt": "blue"}\n')
    with pytest.raises(DataError, match="line 1: has the key 'prompt' twice"):
        read_prompts(path)
    path.write_text('{"edited": "a.png", "edited": "b.png"}\n')
    with pytest.raises(DataError, match="no column 'edited'; its columns are none; line 1 has the key 'edited' twice"):
        from_manifest(path)
    path.write_text('{"id": "x", " id": "y", "edited": "a.png"}\n')
    assert "has the column 'id' more than once" in from_manifest(path).unmatched["unreadable"][0]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 100_000])
def test_what_is_nested_deeply_is_said_with_its_place(tmp_path, opening, closing, depth):
    deep = opening * depth + "1" + closing * depth
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"edited": "a.png", "x": {deep}}}\n{{"edited": "b.png", "questions": ["a"]}}\n')
    assert from_manifest(path).unmatched["unreadable"] == [f"{path}, line 1: is not JSON: it is nested too deeply"]
    (tmp_path / "p.json").write_text(f'{{"a": {deep}}}')
    with pytest.raises(DataError, match=r"p\.json is not JSON: it is nested too deeply"):
        read_prompts(tmp_path / "p.json")
    if opening == "[":
        (tmp_path / "m.csv").write_text(f"edited,questions\na.png,{deep}\n")
        assert "line 2: its questions" in from_manifest(tmp_path / "m.csv").unmatched["unreadable"][0]


def test_what_is_nested_as_deep_as_may_be_is_read():
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert json.dumps(parse_json(deep)) == deep


@pytest.mark.parametrize("length", [131_072, 131_073, 400_000])
def test_a_long_cell_is_a_cell(tmp_path, length):
    long = "x" * length
    path = tmp_path / "m.csv"
    path.write_text(f'edited,prompt\na.png,{long}\nb.png,"{long}"\nc.png,red\n')
    assert [sample.prompt for sample in from_manifest(path)] == [long, long, "red"]
    (tmp_path / "p.csv").write_text(f"name,prompt\na,{long}\n")
    assert read_prompts(tmp_path / "p.csv") == {"a": long}
    assert csv.field_size_limit() >= 131_072


def test_a_nul_is_a_sign_of_a_text_and_none_of_a_path(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes("edited,prompt,x\na.png,r\0ed,\ue000\nb\0.png,blue,y\nc.png,red,\n".encode())
    a, b, c = from_manifest(path)
    assert (a.prompt, a.meta, c.prompt) == ("r\0ed", {"x": "\ue000"}, "red")
    assert b.edited.reason == f"{path}, line 3: 'b\\x00.png' is not a path; expected text"
    path.write_bytes(b"edited,x\0y\na.png,red\n")
    assert from_manifest(path).samples[0].meta == {"x\0y": "red"}


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"], ids=ascii)
def test_only_line_ends_end_lines(tmp_path, sign):
    prompt = f"one{sign}two"
    (tmp_path / "p.txt").write_text(f"a\t{prompt}\r\nb\tred\rc\tblue\n", encoding="utf-8", newline="")
    (tmp_path / "p.csv").write_text(f"name,prompt\na,{prompt}\nb,red\nc,blue\n", encoding="utf-8")
    rows = [{"name": "a", "prompt": prompt}, {"name": "b", "prompt": "red"}, {"name": "c", "prompt": "blue"}]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name in ("p.txt", "p.csv", "p.jsonl"):
        assert read_prompts(tmp_path / name) == {"a": prompt, "b": "red", "c": "blue"}


@pytest.mark.parametrize("half", ["\\ud800", "\\uDC00", "\\ude00\\ud83d"])
def test_half_a_character_is_no_text(tmp_path, half):
    (tmp_path / "p.json").write_text(f'{{"a": "x{half}"}}')
    with pytest.raises(DataError, match="holds half a character"):
        read_prompts(tmp_path / "p.json")
    (tmp_path / "m.jsonl").write_text(f'{{"id": "a", "edited": "a.png", "x": {{"y": ["{half}"]}}}}\n')
    (sample,) = from_manifest(tmp_path / "m.jsonl")
    assert "is not UTF-8 text" in sample.edited.reason
    json.dumps(sample.meta, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("3.5", 3.5), (" 3 ", 3.0), ("1e3", 1000.0), (7, 7.0), (True, 1.0), ("1_0", None), ("1_000.5", None),
     ("3,5", None), ("", None), (None, None), ("0x10", None), ([], None), (10**400, None)],
)  # fmt: skip
def test_numbers(cell, value):
    assert number(cell) == value
