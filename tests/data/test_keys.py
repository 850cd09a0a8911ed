"""A manifest of keys, and folders of images that are called after them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from editmetrics.data import DataError, find_samples
from editmetrics.files.notes import note_once
from tests.cli.conftest import EXAMPLES, run

__all__ = ["run"]

ROWS = [("bg", "en", "0a1"), ("bg", "en", "0a2"), ("tone", "cn", "0a3"), ("tone", "cn", "0a4")]


@pytest.fixture(autouse=True)
def notes_anew():
    note_once.cache_clear()


@pytest.fixture
def keys(tmp_path):
    """Four rows with a source, a key, a task and a language."""
    shutil.copy(EXAMPLES / "source" / "cat.jpg", tmp_path / "cat.jpg")
    lines = [f"{task},{language},{key},edit {key},cat.jpg" for task, language, key in ROWS]
    (tmp_path / "m.csv").write_text("\n".join(["task,language,key,instruction,source", *lines]) + "\n")
    return tmp_path / "m.csv"


def outputs(folder, *names):
    for name in names:
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked at")
    return folder


def pairs(samples):
    return {sample.id: (Path(sample.edited).name, sample.prompt) for sample in samples}


def test_an_image_belongs_to_the_row_of_its_name(keys, tmp_path):
    samples = find_samples([keys, outputs(tmp_path / "out", "0a2", "0a4", "0a1", "0a3")])
    assert pairs(samples) == {key: (f"{key}.png", f"edit {key}") for _, _, key in ROWS}
    assert [sample.id for sample in samples] == [key for _, _, key in ROWS]
    assert {sample.source for sample in samples} == {str(tmp_path / "cat.jpg")}
    assert samples.samples[2].meta["language"] == "cn"
    assert samples.unmatched == {}


def test_keys_without_image_and_images_without_key_are_named(keys, tmp_path, caplog):
    samples = find_samples([keys, outputs(tmp_path / "out", "0a1", "0a2", "other/0b7")])
    assert samples.unmatched == {"keys": ["0a3", "0a4"], "keyless": ["other/0b7"]}
    assert samples.problems()[0] == "rows of the manifest without an edited image (2): 0a3, 0a4"
    assert "has no image for any row with language cn" in caplog.text or "task tone" in caplog.text
    with pytest.raises(DataError, match="0a3, 0a4"):
        samples.require_complete()


def test_systems_are_folders(keys, tmp_path):
    one, two = outputs(tmp_path / "one", *(key for _, _, key in ROWS)), outputs(tmp_path / "two", "0a1")
    samples = find_samples([keys, one, two])
    assert [(s.id, s.meta["system"]) for s in samples][-1] == ("two/0a1", "two")
    assert samples.unmatched["keys"] == ["two/0a2", "two/0a3", "two/0a4"]


@pytest.mark.parametrize(
    ("names", "pattern", "ids"),
    [
        (["bg/en/0a1", "tone/cn/0a3"], "{task}/{language}/{key}", ["0a1", "0a3"]),
        (["bg/cn/0a1", "tone/cn/0a3"], "{task}/{language}/{key}", ["0a3"]),
        (["all/bg/en/0a1"], None, ["0a1"]),
        (["0a1_7", "0a1_8", "0a3_7"], "{id}_{seed}", ["0a1_7", "0a1_8", "0a3_7"]),
        (["cn/0a3_7", "en/0a3_8"], "{language}/{id}_{n}", ["0a3_7"]),
        (["x/0a1", "y/0a1"], "{system}/{id}", ["x/0a1", "y/0a1"]),
    ],
)
def test_patterns_of_columns_and_of_more(keys, tmp_path, names, pattern, ids):
    assert [s.id for s in find_samples([keys, outputs(tmp_path / "out", *names)], pair_by=pattern)] == ids


def test_an_image_that_may_belong_to_two_rows_belongs_to_none(tmp_path):
    (tmp_path / "m.csv").write_text("id\ncat\ncat_big\n")
    folder = outputs(tmp_path / "out", "cat_big_red", "cat_red")
    samples = find_samples([tmp_path / "m.csv", folder], pair_by="{id}_{variant}")
    assert [sample.id for sample in samples] == ["cat_red"]
    assert samples.unmatched == {"ambiguous": ["cat_big_red (row cat or cat_big)"], "keys": ["cat_big"]}


def test_rows_that_share_an_image_are_both_scored(tmp_path):
    """As two rows of GEdit-Bench do."""
    (tmp_path / "m.csv").write_text("id,edited,prompt\na,x/k.png,one\nb,x/k.png,two\n")
    assert pairs(find_samples([tmp_path / "m.csv", outputs(tmp_path / "out", "x/k")])) == {
        "a": ("k.png", "one"),
        "b": ("k.png", "two"),
    }


def test_rows_whose_names_end_alike_are_not_told_apart_by_the_last_part(tmp_path):
    (tmp_path / "m.csv").write_text("id,prompt\nen/k,one\ncn/k,two\nen/j,three\n")
    with pytest.raises(DataError, match="no image in"):
        find_samples([tmp_path / "m.csv", outputs(tmp_path / "out", "k", "j")])


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["0A1", "0A2"], "2 images have a row's name but for upper and lower case ('0A1' for '0a1'): rename them"),
        (["0a1.png", "0a2.png"], "but for a second suffix"),
        (["0a1_edit", "0a2_edit"], "--pair-by '{id}_edit' would match them"),
        (["0", "1", "2"], "names are never matched by their order"),
        (["museum_1", "museum_2"], "the rows are called '0a1', '0a2', the images 'museum_1', 'museum_2'"),
    ],
)
def test_usual_mistakes_get_advice(keys, tmp_path, names, advice):
    with pytest.raises(DataError) as raised:
        find_samples([keys, outputs(tmp_path / "out", *names)])
    assert advice in str(raised.value)


def test_zeros_before_a_number_are_noticed_beside_names_that_match(tmp_path, caplog):
    (tmp_path / "m.csv").write_text("id\n" + "".join(f"{number:03}\n" for number in (1, 2, 100)))
    samples = find_samples([tmp_path / "m.csv", outputs(tmp_path / "out", "1", "2", "100")])
    assert [sample.id for sample in samples] == ["100"]
    assert "2 images have a row's name but for zeros before a number ('1' for '001'): rename them" in caplog.text


def test_other_things_behind_a_manifest_are_refused(keys, tmp_path):
    outputs(tmp_path / "out", "0a1")
    with pytest.raises(DataError, match="expected folders of edited images behind it"):
        find_samples([keys, tmp_path / "out" / "0a1.png"])
    with pytest.raises(DataError, match="put prompt into its columns"):
        find_samples([keys, tmp_path / "out"], prompt="x")
    (tmp_path / "plain.csv").write_text("task,words\na,b\n")
    with pytest.raises(DataError, match=r"--pair-by '\{task\}', or which column names them, --map id=task"):
        find_samples([tmp_path / "plain.csv", tmp_path / "out"])


def test_a_damaged_row_is_named(tmp_path):
    (tmp_path / "m.csv").write_text("id,prompt\na,one\nb,two,three\n")
    samples = find_samples([tmp_path / "m.csv", outputs(tmp_path / "out", "a", "b")])
    assert [sample.id for sample in samples] == ["a"]
    assert "line 3" in samples.unmatched["unreadable"][0]
    assert samples.unmatched["keyless"] == ["b"]


def test_a_run_says_who_is_missing(keys, tmp_path, run):
    (tmp_path / "out").mkdir()
    shutil.copy(EXAMPLES / "source" / "cat.jpg", tmp_path / "out" / "0a1.jpg")
    ran = run("score", keys, tmp_path / "out", "-m", "mae", "--json")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document["samples"] == 1
    assert document["unmatched"]["keys"] == ["0a2", "0a3", "0a4"]
    assert run("score", keys, tmp_path / "out", "-m", "mae", "--strict").code == 2
