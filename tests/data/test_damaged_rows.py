"""A damaged row of a manifest keeps what can be read of it, and the reason names its file and line for every metric."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars
import pytest
from PIL import Image

from editmetrics import create_metric, score
from editmetrics.data import DataError, from_folders, from_manifest, read_prompts
from editmetrics.images import Unreadable
from editmetrics.sample import Sample, UnusableText

COLUMNS = "id,source,edited,mask,reference,prompt"
DAMAGED = {
    "too few": b"x,a.png",
    "one": b"x",
    "all but one": b"x,a.png,a.png,a.png,a.png",
    "too many": b"x,a.png,a.png,a.png,a.png,red,blue",
    "far too many": b"x" + b",a.png" * 20,
    "no UTF-8": b"x,a.png,a.png,a.png,a.png,caf\xe9",
    "no UTF-8 in a path": b"x,\xe9.png,a.png,a.png,a.png,red",
    "no edited image": b"x,a.png,,a.png,a.png,red",
    "blanks for an edited image": b"x,a.png,  ,a.png,a.png,red",
}
BROKEN_LINES = {
    "cut": b'{"id": "x", "edited": "a.png", "sou',
    "a list": b'["a.png"]',
    "a text": b'"a.png"',
    "deep": b'{"id": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "doubled": b'{"id": "x", "source": "a.png", "edited": "a.png", "edited": "b.png"}',
    "no UTF-8": b'{"id": "x", "source": "a.png", "edited": "\xe9.png"}',
    "half a character": b'{"id": "x", "source": "a.png", "edited": "a.png", "prompt": "\\ud83d"}',
}


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def reasons(path: Path) -> list[str]:
    """What metrics that need a source, a mask, a reference or nothing else say of the second sample."""
    samples = list(from_manifest(path))
    found = []
    for spec in ("mae", "psnr:region=inside"):
        results = score(samples, spec)
        assert results[spec][0].ok, results[spec][0]
        found.append(f"{results[spec][1].status}: {results[spec][1].reason}")
    return found


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
def test_lines_of_csv(images, line):
    path = images / "m.csv"
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(images / "m.png")
    path.write_bytes(f"{COLUMNS}\ngood,a.png,a.png,m.png,a.png,red\n".encode() + line + b"\n")
    for reason in reasons(path):
        assert reason.startswith(f"failed: {path}, line 3: ")
    problem = from_manifest(path).unmatched["unreadable"]
    assert len(problem) == 1
    assert problem[0].startswith(f"{path}, line 3: ")


@pytest.mark.parametrize("line", BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_lines_of_jsonl(images, line):
    path = images / "m.jsonl"
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(images / "m.png")
    good = {"id": "good", "source": "a.png", "edited": "a.png", "mask": "m.png", "prompt": "red"}
    path.write_bytes(json.dumps(good).encode() + b"\n" + line)
    for reason in reasons(path):
        assert reason.startswith(f"failed: {path}, line 2: ")


def test_a_damaged_row_has_every_field_that_the_manifest_has_or_the_reason(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(f"{COLUMNS}\nx,a.png\n")
    (sample,) = from_manifest(path)
    reason = f"{path}, line 2: has 2 cells where the first line names 6 columns"
    for name in ("source", "edited", "mask", "reference"):
        assert getattr(sample, name) == Unreadable(reason)
    assert isinstance(sample.prompt, UnusableText)
    assert sample.prompt.reason == reason
    path.write_text("edited,prompt,system\na.png,red,mine,more\n")
    (sample,) = from_manifest(path)
    assert (sample.prompt, sample.meta, sample.source) == ("red", {"system": "mine"}, None)


@pytest.mark.parametrize("cell", [3, math.nan, True, ["red"], {"a": 1}, 1e400])
@pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
def test_a_prompt_that_is_no_text_costs_its_prompt_alone(images, cell, kind):
    row = {"id": "x", "source": "a.png", "edited": "b.png", "prompt": cell}
    path = images / f"m{kind}"
    if kind == ".jsonl":
        path.write_text(json.dumps(row))
    else:
        polars.DataFrame([row]).write_parquet(path)
    (sample,) = from_manifest(path)
    place = "line 1" if kind == ".jsonl" else "row 1"
    assert create_metric("mae")(sample)["mae"] == 0
    assert not sample.has("prompt")
    assert sample.prompt.reason.startswith(f"{path}, {place}: its prompt is ")
    assert from_manifest(path).unmatched == {"unreadable": [sample.prompt.reason]}


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "list.json"])
@pytest.mark.parametrize("cell", ["NaN", "3", "true"])
def test_a_prompt_of_a_file_that_is_no_text_costs_its_prompt_alone(images, name, cell):
    text = {
        "p.jsonl": f'{{"name": "a", "prompt": {cell}}}\n{{"name": "b", "prompt": "red"}}',
        "p.json": f'{{"a": {cell}, "b": "red"}}',
        "list.json": f'[{{"name": "a", "prompt": {cell}}}, {{"name": "b", "prompt": "red"}}]',
    }[name]
    (images / name).write_text(text)
    a, b = from_folders(None, images, prompts=images / name)
    assert (a.has("prompt"), b.prompt) == (False, "red")
    assert a.prompt.reason.startswith(f"{images / name}, ")
    again = from_folders(None, images, prompts=read_prompts(images / name))
    assert again.unmatched["unreadable"] == [a.prompt.reason]


@pytest.mark.parametrize("cell", [math.nan, 3, "half \ud83d"])
def test_a_prompt_of_a_mapping_that_is_no_text_costs_its_prompt_alone(images, cell):
    found = from_folders(None, images, prompts={"a": cell, "b": "red"})
    assert [sample.has("prompt") for sample in found] == [False, True]
    assert "prompts['a']" in found.unmatched["unreadable"][0]
    found.unmatched["unreadable"][0].encode("utf-8")


@pytest.mark.parametrize("cell", [math.nan, None, "", " "])
@pytest.mark.parametrize("name", ["id", "system"])
def test_an_empty_cell_of_pandas_names_nothing(tmp_path, name, cell):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"edited": "a.png", name: cell}))
    (sample,) = from_manifest(path)
    assert (sample.id, sample.meta.get("system")) == ("a", None)


@pytest.mark.parametrize(
    ("text", "says", "says_not"),
    [
        ("../x.jpg", "write all paths relative to a folder that holds every image", "name a root that holds it"),
        ("sub/../../x.jpg", "write all paths relative to a folder", "name a root that holds it"),
        ("/etc/x.jpg", "or name a root that holds it", "relative to"),
        ("link/x.jpg", "where a symbolic link leads; put a copy", "name a root"),
        ("sub\\x.jpg", "folders are separated by /, as in sub/x.jpg", "outside"),
        ("C:\\cats\\x.jpg", "folders are separated by /, as in C:/cats/x.jpg", "outside"),
    ],
)
def test_a_path_that_cannot_be_used_says_what_helps(tmp_path, text, says, says_not):
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    (folder / "m.jsonl").write_text(json.dumps({"edited": text, "source": text}))
    found = from_manifest(folder / "m.jsonl")
    reason = found.samples[0].edited.reason
    assert reason.startswith(f"{folder / 'm.jsonl'}, line 1: {text} ")
    assert says in reason
    assert says_not not in reason
    assert found.unmatched["unreadable"] == [reason]  # one row, said once


def test_a_backslash_in_a_name_that_is_there_is_no_problem(tmp_path):
    (tmp_path / "a\\b.png").write_bytes(b"")
    (tmp_path / "m.csv").write_text("edited\na\\b.png\n")
    assert from_manifest(tmp_path / "m.csv").samples[0].edited == str(tmp_path / "a\\b.png")


def test_strict_counts_rows_and_not_images(tmp_path):
    (tmp_path / "m.csv").write_text(f"{COLUMNS}\nx,../a.png,../b.png,../c.png,,red\ny,a.png\n")
    with pytest.raises(DataError, match=r"rows that cannot be used \(2\)"):
        from_manifest(tmp_path / "m.csv").require_complete()
    assert isinstance(from_manifest(tmp_path / "m.csv").samples[0], Sample)
