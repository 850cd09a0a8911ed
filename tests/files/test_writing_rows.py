"""What is written can be read, and is a whole file or none."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars
import pytest

from editmetrics.data import DataError, from_manifest
from editmetrics.files.rows import read_rows, write_frame, write_rows
from editmetrics.files.writing import replacing

KINDS = [".csv", ".jsonl", ".parquet"]


def strict_json(path: Path) -> list[dict]:
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_jsonl_is_json_also_for_infinities_and_nan(tmp_path):
    path = tmp_path / "t.jsonl"
    inner = {"low": -math.inf, "all": [math.inf, 1.5], "none": math.nan}
    write_rows([{"id": "a", "x": math.inf, "y": math.nan, "z": inner}, {"id": "b", "x": 1.0}], path)
    assert strict_json(path) == [
        {"id": "a", "x": "inf", "z": {"low": "-inf", "all": ["inf", 1.5], "none": None}},
        {"id": "b", "x": 1.0},
    ]
    write_frame(polars.DataFrame({"id": ["a", "b"], "x": [math.inf, 1.0]}), tmp_path / "scores.jsonl")
    ours = [{name: row[name] for name in ("id", "x")} for row in strict_json(path)]
    assert strict_json(tmp_path / "scores.jsonl") == ours  # as `score` writes it


@pytest.mark.parametrize("kind", KINDS)
def test_nan_is_an_empty_cell_and_an_infinity_a_number(tmp_path, kind):
    path = tmp_path / f"t{kind}"
    write_rows([{"id": "a", "x": math.nan}, {"id": "b", "x": -math.inf}, {"id": "c", "x": np.float32(0.5)}], path)
    values = [row.cells.get("x") for row in read_rows(path)]
    assert [value if value is None else float(value) for value in values] == [None, -math.inf, 0.5]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [os.fsdecode(b"caf\xe9.png"), "half \ud83d", "\udc00", "a\udfff\ud800b"], ids=ascii)
def test_what_is_no_text_is_written_as_an_escape(tmp_path, kind, text):
    path = tmp_path / f"t{kind}"
    write_rows([{"id": text, "edited": "a.png", text: 1}], path)
    (row,) = read_rows(path)
    expected = text.encode("utf-8", "backslashreplace").decode()
    assert row.problem is None
    assert row.cells["id"] == expected
    assert list(row.cells) == ["id", "edited", expected]


@pytest.mark.parametrize("kind", KINDS)
def test_lists_come_back_as_lists(tmp_path, kind):
    rows = [{"edited": "a.png", "questions": ["Is it red?", 'A "cat", or\na dog?']}, {"edited": "b.png"}]
    write_rows(rows, tmp_path / f"m{kind}")
    found = from_manifest(tmp_path / f"m{kind}")
    assert [sample.questions for sample in found] == [tuple(rows[0]["questions"]), None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "x"], ["1", "x"]),
        ([1, 2.5], [1.0, 2.5]),
        ([10**30, 1], [1e30, 1.0]),
        ([{"a": 1}, {"b": 2}], ['{"a": 1}', '{"b": 2}']),
        ([[1], "x"], ["[1]", "x"]),
        ([True, "x"], ["true", "x"]),
        ([Path("x"), None], ["x", None]),
    ],
)
def test_a_column_of_several_kinds_is_written(tmp_path, values, expected):
    write_rows([{"x": value, "n": 0} for value in values], tmp_path / "t.parquet")
    assert polars.read_parquet(tmp_path / "t.parquet")["x"].to_list() == expected


@contextmanager
def no_room(size: int):
    """Files can grow to `size` bytes and no further, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 8192])
def test_a_full_disk_leaves_what_was_there(tmp_path, kind, size):
    path = tmp_path / f"t{kind}"
    write_rows([{"id": "before"}], path)
    before = path.read_bytes()
    many = [{"id": f"{n} {hash(n * 7919) % 99991}"} for n in range(20_000)]
    with no_room(size), pytest.raises(OSError, match="File too large") as caught:
        write_rows(many, path)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_only_at_the_end_leaves_what_was_there(tmp_path, monkeypatch, code):
    path = tmp_path / "t.csv"
    path.write_text("before")

    def full(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        write_rows([{"id": "x"}], path)
    assert caught.value.filename == str(path)
    assert path.read_text() == "before"


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), OSError(errno.EIO, "broken")])
def test_other_errors_pass_and_leave_what_was_there(tmp_path, error):
    (tmp_path / "t.csv").write_text("before")

    def fails():
        with replacing(tmp_path / "t.csv") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)) as caught:
        fails()
    assert caught.value is error
    assert (os.listdir(tmp_path), (tmp_path / "t.csv").read_text()) == (["t.csv"], "before")


def test_where_no_file_can_be_made(tmp_path):
    write_rows([{"id": "x"}], tmp_path / "new" / "t.csv")  # a folder is made
    assert (tmp_path / "new" / "t.csv").read_text() == "id\nx\n"
    with pytest.raises(DataError, match=r"t\.csv"):
        write_rows([{"id": "x"}], tmp_path / "new" / "t.csv" / "below a file" / "t.csv")
    with pytest.raises(FileNotFoundError) as caught:
        replacing(tmp_path / "none" / "t.html").__enter__()
    assert caught.value.filename == str(tmp_path / "none" / "t.html")


@pytest.mark.parametrize("name", ["x" * 250, "ä" * 125])
def test_a_name_as_long_as_names_can_be(tmp_path, name):
    write_rows([{"id": "x"}], tmp_path / f"{name}.csv")
    assert (tmp_path / f"{name}.csv").read_text() == "id\nx\n"
