"""One rule for what is blank: prompts without a visible sign are missing, blanks around a cell are no part of it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import polars
import pytest

from editmetrics import evaluate
from editmetrics.agreement.ratings import read_ratings
from editmetrics.data import find_samples, from_folders, from_manifest, read_prompts
from editmetrics.files.rows import read_rows
from editmetrics.sample import Sample, is_blank

BLANKS = [
    "",
    " ",
    "\n",
    "\t \r\n",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "\u3000",
    "\u2028",
    "\u2060",
    "\u3164",
    "\u2800",
]
SEEN = [".", "0", " x ", "\u200bred", "\u5929", "\u2764\ufe0f", "\u0e33", "\ufffd"]


def table(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    elif path.suffix == ".parquet":
        polars.DataFrame(rows).write_parquet(path)
    else:
        polars.DataFrame(rows).write_csv(path)
    return path


@pytest.fixture
def edits(tmp_path):
    (tmp_path / "e").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "e" / name).write_bytes(b"")
    return tmp_path / "e"


@pytest.mark.parametrize("text", BLANKS, ids=ascii)
def test_blank_prompts_are_missing_wherever_they_come_from(tmp_path, edits, text):
    assert is_blank(text)
    assert not Sample("x", edited=None, prompt=text).has("prompt")
    assert not Sample("x", edited=None, questions=(text, text)).has("questions")
    assert from_folders(None, edits, prompt=text).unmatched == {"without_prompt": ["a", "b"]}
    assert from_folders(None, edits, prompts={"a": text, "b": "red"}).unmatched == {"without_prompt": ["a"]}
    rows = [{"id": "a", "edited": "a.png", "prompt": text}, {"id": "b", "edited": "b.png", "prompt": "red"}]
    for kind in (".csv", ".jsonl", ".parquet"):
        path = table(tmp_path / f"m{kind}", rows)
        assert from_manifest(path).unmatched == {"without_prompt": ["a"]}
        assert [sample.prompt for sample in from_manifest(path)] == [None, "red"]
        if kind != ".parquet":
            assert read_prompts(path) == {"b": "red"}
    (tmp_path / "p.json").write_text(json.dumps({"a": text, "b": "red"}))
    assert read_prompts(tmp_path / "p.json") == {"b": "red"}
    (edits / "a.txt").write_text(text, encoding="utf-8")
    (edits / "b.txt").write_text("red", encoding="utf-8")
    assert [sample.prompt for sample in find_samples([edits])] == [None, "red"]


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_what_can_be_seen_is_a_prompt(tmp_path, edits, text):
    assert not is_blank(text)
    assert Sample("x", edited=None, prompt=text).has("prompt")
    assert all(sample.has("prompt") for sample in from_folders(None, edits, prompt=text))
    (sample,) = from_manifest(table(tmp_path / "m.jsonl", [{"edited": "a.png", "prompt": text}]))
    assert sample.prompt == text.strip(" \u200b")


def test_all_letters_and_numbers_of_unicode_can_be_seen():
    fillers = {"\u115f", "\u1160", "\u3164", "\uffa0"}  # letters by their category, and drawn as nothing
    letters = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] in "LN"]
    assert {letter for letter in letters if is_blank(letter)} == fillers


@pytest.mark.parametrize("value", [None, float("nan")])
def test_nan_is_nothing(value):
    sample = Sample("x", edited="a.png", source=value, prompt=value, mask=value)
    assert [sample.has(name) for name in ("edited", "source", "prompt", "mask")] == [True, False, False, False]


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    "around", [" {} ", "{} ", " {}", "{}\t", "\u00a0{}", "{}\u200b", "\ufeff{}", "\n{}\n"], ids=ascii
)
def test_blanks_around_a_cell_are_no_part_of_it(tmp_path, kind, around):
    names = ["001", "a b", "é"]
    rows = [{around.format("id"): around.format(name), "edited": "x.png", "note": " "} for name in names]
    path = table(tmp_path / f"t{kind}", rows)
    assert [row.cells for row in read_rows(path)] == [{"id": n, "edited": "x.png", "note": None} for n in names]
    assert [sample.id for sample in from_manifest(path)] == names


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_ids_with_blanks_meet(tmp_path, kind):
    scores = table(tmp_path / "s.csv", [{"id": f"{n:03}", "psnr": float(n)} for n in range(5)])
    ratings = table(tmp_path / f"r{kind}", [{"id": f" {n:03} ", "mos": float(n)} for n in range(5)])
    found = evaluate(scores, ratings, pairs={"psnr": "mos"})
    assert any("5 of 5 rated items" in note for note in found.notes)
    raw = table(tmp_path / f"raw{kind}", [{"subject": s, "item": i, "x": 3} for s in (" s", "s2") for i in ("i ", "j")])
    assert (read_ratings(raw, "x").subjects, read_ratings(raw, "x").items) == (("s", "s2"), ("i", "j"))


def test_names_of_prompts_and_images_with_blanks_meet(tmp_path, edits):
    (tmp_path / "p.json").write_text(json.dumps({" a ": "red", "b.png\u00a0": "blue"}))
    (tmp_path / "p.txt").write_text(" a \tred\nb.png\u00a0\tblue\n", encoding="utf-8")
    for name in ("p.json", "p.txt"):
        assert [sample.prompt for sample in from_folders(None, edits, prompts=tmp_path / name)] == ["red", "blue"]
