"""One row, one sample: what is broken costs its own row and is said, with its place."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import polars
import pytest

from editmetrics.data import DataError, from_manifest
from editmetrics.images import ImageError, Unreadable, read_image

ROWS = [
    {
        "id": "007",
        "edited": "e/cat.png",
        "source": "s/cat.jpg",
        "prompt": 'make it "red",\nplease',
        "system": "a",
        "mos": "3.50",
    },
    {"id": "8", "edited": "e/dög.png", "source": "s/dög.jpg", "prompt": "天空を赤く", "system": "b", "mos": "4"},
]


def written(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        polars.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".CSV"])
def test_formats_say_the_same(tmp_path, suffix):
    path = written((tmp_path / "m").with_suffix(suffix.lower()), ROWS)
    found = from_manifest(path.rename(tmp_path / f"m{suffix}"))
    assert [sample.id for sample in found] == ["007", "8"]
    for sample, row in zip(found, ROWS, strict=True):
        assert Path(sample.edited) == tmp_path / row["edited"]
        assert Path(sample.source) == tmp_path / row["source"]
        assert (sample.prompt, sample.reference, sample.mask, sample.questions) == (row["prompt"], None, None, None)
        assert sample.meta == {"system": row["system"], "mos": row["mos"]}
    assert not found.unmatched


def test_all_fields_of_a_sample(tmp_path):
    row = {
        "edited": "a.png",
        "reference": "r.png",
        "mask": "m.png",
        "source_prompt": "a dog",
        "questions": ["Is it red?", "Is it a cat?"],
        "mos": 3.5,
    }
    (sample,) = from_manifest(written(tmp_path / "m.jsonl", [row]))
    assert (Path(sample.reference).name, Path(sample.mask).name) == ("r.png", "m.png")
    assert sample.questions == ("Is it red?", "Is it a cat?")
    assert sample.source_prompt == "a dog"
    assert sample.meta == {"mos": 3.5}
    for text, expected in {'["Is it red?", "No?"]': ("Is it red?", "No?"), "Is it red?": ("Is it red?",)}.items():
        (sample,) = from_manifest(written(tmp_path / "m.csv", [{"edited": "a.png", "questions": text}]))
        assert sample.questions == expected


def test_paths_are_relative_to_root(tmp_path):
    (tmp_path / "images").mkdir()
    path = written(tmp_path / "m.csv", [{"edited": "a.png", "source": str(tmp_path / "images" / "s.png")}])
    (sample,) = from_manifest(path, root=tmp_path / "images")
    assert Path(sample.edited) == tmp_path / "images" / "a.png"
    assert Path(sample.source) == tmp_path / "images" / "s.png"
    with pytest.raises(DataError, match="is not a folder"):
        from_manifest(path, root=tmp_path / "nowhere")


def test_paths_may_not_leave_the_folder(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"")
    folder = tmp_path / "data"
    (folder / "in").mkdir(parents=True)
    (folder / "way-out").symlink_to(outside, target_is_directory=True)
    (folder / "in" / "link.png").symlink_to(outside / "secret.png")
    (folder / "in" / "fine.png").symlink_to(folder / "real.png")
    escapes = [
        "../outside/secret.png",
        "in/../../outside/secret.png",
        "way-out/secret.png",
        "in/link.png",
        str(outside / "secret.png"),
        "/etc/passwd",
        "..",
        ".",
        "in/..",
        "../data-of-another/x.png",
    ]
    fine = ["a.png", "in/fine.png", "in/../a.png", str(folder / "a.png")]
    found = from_manifest(
        written(folder / "m.jsonl", [{"id": n, "edited": path} for n, path in enumerate([*escapes, *fine])])
    )
    for path, sample in zip([*escapes, *fine], found, strict=True):
        assert isinstance(sample.edited, Unreadable) == (path in escapes), path
    with pytest.raises(ImageError, match=r"m\.jsonl, line 1: \.\./outside/secret\.png lies outside of .*data"):
        read_image(found.samples[0].edited)
    assert len(found.unmatched["unreadable"]) == len(escapes)


def test_only_the_image_that_leaves_the_folder_is_lost(tmp_path):
    (sample,) = from_manifest(written(tmp_path / "m.jsonl", [{"edited": "a.png", "source": "../s.png"}]))
    assert isinstance(sample.source, Unreadable)
    assert Path(sample.edited) == tmp_path / "a.png"


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        ("https://example.org/a.png", "is a URL, and URLs are not opened"),
        ("file:///etc/passwd", "is a URL"),
        ("a\0b.png", "is not a path"),
        (3, "3 is not a path; expected text"),
        ({"bytes": "x"}, "is not a path"),
        (None, "names no edited image"),
        ("", "names no edited image"),
    ],
)
def test_a_row_whose_image_cannot_be_used_is_kept(tmp_path, edited, message):
    found = from_manifest(
        written(tmp_path / "m.jsonl", [{"id": "bad", "edited": edited}, {"id": "good", "edited": "a.png"}])
    )
    assert [sample.id for sample in found] == ["bad", "good"]
    with pytest.raises(ImageError, match=f"m.jsonl, line 1: .*{message}"):
        read_image(found.samples[0].edited)
    with pytest.raises(DataError, match=r"rows that cannot be used \(1\)"):
        found.require_complete()


@pytest.mark.parametrize(
    "cells",
    [
        {"prompt": 3},
        {"prompt": math.nan},
        {"prompt": ["red"]},
        {"source_prompt": 3},
        {"questions": 3},
        {"questions": [1]},
        {"questions": "[1"},
    ],
)
def test_a_text_that_is_none_costs_its_field(tmp_path, cells):
    row = {"edited": "a.png", "source": "s.png", **cells}
    found = from_manifest(written(tmp_path / "m.jsonl", [{"edited": "b.png", "prompt": "red"}, row]))
    (name,) = cells
    sample = found.samples[1]
    assert sample.id == "a"
    assert (sample.edited, sample.source) == (str(tmp_path / "a.png"), str(tmp_path / "s.png"))
    assert not sample.has(name)
    assert getattr(sample, name).reason.startswith(f"{tmp_path / 'm.jsonl'}, line 2: its {name}")
    assert found.unmatched["unreadable"] == [getattr(sample, name).reason]
    with pytest.raises(DataError, match="line 2"):
        found.require_complete()


def test_broken_lines_of_csv_cost_themselves(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(
        b"id,edited,prompt\n"
        b"one,1.png,red\n"
        b"two,2.png\n"
        b"three,3.png,red,blue\n"
        b"\n"
        b'four,4.png,"two\nlines"\n'
        b"f\xe9,5.png,caf\xe9\n"
        b"six,6.png,red\n"
    )
    found = from_manifest(path)
    assert [sample.id for sample in found] == ["one", "two", "three", "four", "f\ufffd", "six"]
    reasons = {s.id: s.edited.reason for s in found if isinstance(s.edited, Unreadable)}
    assert reasons == {
        "two": f"{path}, line 3: has 2 cells where the first line names 3 columns",
        "three": f"{path}, line 4: has 4 cells where the first line names 3 columns",
        "f\ufffd": f"{path}, line 8: is not UTF-8 text; save the file as UTF-8",
    }
    assert found.samples[3].prompt == "two\nlines"


def test_broken_lines_of_jsonl_cost_themselves(tmp_path):
    path = tmp_path / "m.jsonl"
    lines = [
        b'{"edited": "1.png"}',
        b'{"edited": ',
        b"[1]",
        b"",
        b'{"edited": "caf\xe9.png"}',
        b'{"edited": "\\ud800.png"}',
    ]
    path.write_bytes(b"\r\n".join([*lines, b"[" * 100_000, b'{"edited": "2.png", "prompt": "red"}']))
    found = from_manifest(path)
    assert [sample.id for sample in found] == ["1", "line 2", "line 3", "line 5", "line 6", "line 7", "2"]
    assert [isinstance(sample.edited, Unreadable) for sample in found] == [False, True, True, True, True, True, False]
    for sample in found:
        sample.id.encode("utf-8")


def test_broken_rows_without_an_id_are_called_by_their_place(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("edited,prompt\n1.png,red\n1.png\n1.png\n")
    assert [sample.id for sample in from_manifest(path)] == ["1", "line 3", "line 4"]


def test_ids_are_made_from_the_edited_image(tmp_path):
    found = from_manifest(
        written(tmp_path / "m.csv", [{"edited": "e/cat.png"}, {"edited": str(tmp_path / "e/dog.jpg")}])
    )
    assert [sample.id for sample in found] == ["e/cat", "e/dog"]
    rows = [{"edited": "cat.png", "system": "a"}, {"edited": "cat.jpg", "system": "b"}]
    assert [sample.id for sample in from_manifest(written(tmp_path / "m.csv", rows))] == ["a/cat", "b/cat"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"id": "x", "edited": "a.png"}, {"id": "y", "edited": "b.png"}, {"id": "x", "edited": "c.png"}],
            "line 2 and line 4 are both called 'x'",
        ),
        (
            [{"edited": "a.png", "prompt": "red"}, {"edited": "a.png", "prompt": "blue"}],
            "line 2 and line 3 are both called 'a'",
        ),
        ([{"id": "x", "image": "red"}], "has no column 'edited'; its columns are id, image.*--map edited=id"),
    ],
)
def test_what_stops_a_csv(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        from_manifest(written(tmp_path / "m.csv", rows))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("m.csv", b"", "has no rows"),
        ("m.csv", b"id,edited\n", "has no rows"),
        ("m.csv", b"edited,edited\na.png,b.png\n", "column edited more than once"),
        ("m.csv", b'edited,prompt\na.png,red\nb.png,"red\nc.png,blue\nd.png,blue\n', "from line 3 on: is not csv"),
        ("m.csv", b'edited,prompt\na.png,"red" blue\n', "from line 2 on: is not csv"),
        ("m.csv", b"PK\x03\x04\x14\0\x08\0, a spreadsheet", "holds binary data"),
        ("m.csv", "edited\na.png\n".encode("utf-16-le"), "holds binary data"),
        ("m.csv", "edited\na.png\n".encode("utf-16-be"), "holds binary data"),
        ("m.csv", b"\xff\xfee\xd8", "is damaged UTF-16 text"),
        ("m.jsonl", b"\n\n", "has no rows"),
        ("m.jsonl", b'{"picture of": "a.png"}\n', "its columns are picture of"),
        ("m.parquet", b"PAR1 this is none", "cannot be read as parquet"),
        ("m.parquet", b"", "cannot be read as parquet"),
        ("m.xls", b"edited\ta\n", r"of an unknown kind; expected \.csv, .*; save it as \.csv or \.xlsx"),
    ],
)
def test_what_stops_a_manifest(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        from_manifest(tmp_path / name)
    assert name in str(caught.value)


def test_a_missing_manifest(tmp_path):
    with pytest.raises(DataError, match=r"m\.csv cannot be read: No such file"):
        from_manifest(tmp_path / "m.csv")


def test_rows_without_a_prompt_are_listed_where_others_have_one(tmp_path):
    rows = [{"edited": "a.png", "prompt": "red"}, {"edited": "b.png", "prompt": ""}]
    assert from_manifest(written(tmp_path / "m.csv", rows)).unmatched == {"without_prompt": ["b"]}
    assert not from_manifest(written(tmp_path / "m.csv", [{"edited": "b.png", "prompt": ""}])).unmatched
