"""Images are paired by patterns of their names: never by order, and never where two sources could be meant."""

import itertools
import re

import pytest

from editmetrics.data import DataError, find_samples, from_folders
from editmetrics.data.pairing import PairBy, Pattern, suggested
from tests.data.test_folders import files, paired


def test_a_suffix(tmp_path):
    source = files(tmp_path / "s", "cat.png", "a/dog.png", "old.png")
    edited = files(tmp_path / "e", "cat_edited.jpg", "a/dog_edited.jpg", "cow_edited.jpg", "notes.jpg")
    found = from_folders(source, edited, pair_by="{id}_edited", prompts={"cat": "blue", "a/dog_edited": "red"})
    assert paired(found) == {"a/dog": ("dog.png", "dog_edited.jpg"), "cat": ("cat.png", "cat_edited.jpg")}
    assert {sample.id: sample.prompt for sample in found} == {"a/dog": "red", "cat": "blue"}
    assert found.unmatched == {"sources": ["old"], "edited": ["cow_edited"], "foreign": ["notes"]}


def test_several_edits_of_a_source_have_an_id_each_and_keep_what_the_name_says(tmp_path):
    source = files(tmp_path / "s", "cat.png", "cat_big.png")
    names = ("cat_1.png", "cat_2.png", "cat_10.png", "cat_big_1.png", "cat_big_x.png")
    found = from_folders(source, files(tmp_path / "e", *names), pair_by="{id}_{n}")
    assert paired(found) == {
        "cat_1": ("cat.png", "cat_1.png"),
        "cat_10": ("cat.png", "cat_10.png"),
        "cat_2": ("cat.png", "cat_2.png"),
        "cat_big_1": ("cat_big.png", "cat_big_1.png"),
    }
    assert [sample.meta for sample in found] == [{"n": "1"}, {"n": "10"}, {"n": "2"}, {"n": "1"}]
    assert found.unmatched == {"foreign": ["cat_big_x"]}


def test_what_can_be_read_in_two_ways_is_not_guessed(tmp_path):
    source = files(tmp_path / "s", "cat.png", "cat_big.png")
    found = from_folders(source, files(tmp_path / "e", "cat_red.png", "cat_big_red.png"), pair_by="{id}_{variant}")
    assert paired(found) == {"cat_red": ("cat.png", "cat_red.png")}
    (line,) = found.unmatched["ambiguous"]
    assert line == "cat_big_red (read as id cat, variant big_red or as id cat_big, variant red)"


def test_two_edits_that_would_have_one_id_are_not_used(tmp_path):
    source = files(tmp_path / "s", "a.png", "a_b.png")
    found = from_folders(source, files(tmp_path / "e", "a/b_c.png", "a_b/c.png", "a/d.png"), pair_by="{id}/{variant}")
    assert [sample.id for sample in found] == ["a_d"]
    assert len(found.unmatched["ambiguous"]) == 1


@pytest.mark.parametrize("name", ["{system}/{id}", "{id}@{system}"])
def test_systems_are_read_from_names(tmp_path, name):
    source = files(tmp_path / "s", "cat.png", "dog.png")
    made = [("x", "cat"), ("x", "dog"), ("y", "cat")]
    edited = files(tmp_path / "e", *(name.format(system=system, id=id_) + ".png" for system, id_ in made))
    found = from_folders(source, edited, pair_by=name, prompts={"cat": "blue", "x/dog": "red"})
    assert [(sample.id, sample.meta["system"], sample.prompt) for sample in found] == [
        ("x/cat", "x", "blue"),
        ("x/dog", "x", "red"),
        ("y/cat", "y", "blue"),
    ]
    assert found.unmatched == {"sources": ["y/dog"]}
    with pytest.raises(DataError, match="expected one edited folder"):
        from_folders(source, [edited, source], pair_by=name)


def test_several_edited_folders_are_systems_as_without_a_pattern(tmp_path):
    source = files(tmp_path / "s", "cat_src.png")
    edited = [files(tmp_path / name, "cat_edit.png", f"{name}_src.png") for name in "ab"]
    found = from_folders(source, edited, pair_by="{id}_src,{id}_edit")
    assert paired(found) == {f"{name}/cat": ("cat_src.png", "cat_edit.png") for name in "ab"}
    assert found.unmatched == {"foreign": ["a/a_src", "b/b_src"]}


def test_one_folder_holds_both(tmp_path):
    both = files(tmp_path / "both", "cat.png", "cat_edited.png", "dog_edited.png", "cow.png", "cat_edited_edited.png")
    found = find_samples([both], pair_by="{id}_edited")
    assert paired(found) == {"cat": ("cat.png", "cat_edited.png")}
    assert found.unmatched == {"sources": ["cow"], "edited": ["cat_edited_edited", "dog_edited"]}
    numbered = files(tmp_path / "n", "img_1.png", "img_1_1.png", "img_2.png", "img_2_1.png", "img_2_2.png")
    assert paired(find_samples([numbered], pair_by="{id}_{n}")) == {
        f"img_{a}_{b}": (f"img_{a}.png", f"img_{a}_{b}.png") for a, b in ((1, 1), (2, 1), (2, 2))
    }
    pairs = files(tmp_path / "pairs", "a_src.png", "a_edit.png", "b_src.png", "x.png")
    found = find_samples([pairs], pair_by="{id}_src,{id}_edit")
    assert paired(found) == {"a": ("a_src.png", "a_edit.png")}
    assert found.unmatched == {"sources": ["b"], "foreign": ["x"]}


def test_files_of_one_name_are_ambiguous_with_a_pattern_too(tmp_path):
    source = files(tmp_path / "s", "cat.png", "cat.jpg", "dog.png")
    edited = files(tmp_path / "e", "cat_e.png", "dog_e.png", "dog_e.jpg")
    with pytest.raises(DataError, match=r"no image is paired by.*more than one meaning are not used: cat \(.*dog_e \("):
        from_folders(source, edited, pair_by="{id}_e")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("edited", "expected a pattern with {id}"),
        ("{name}_edited", "expected a pattern with {id}"),
        ("{id}_{", "expected a pattern with {id}"),
        ("{id}_{prompt}", "{prompt} cannot be a field"),
        ("{id}_{}", "{} cannot be a field"),
        ("{id}_{n},{id}_edit", "a source has no field but {id}, not {n}"),
    ],
)
def test_patterns_that_cannot_be_used(text, problem):
    with pytest.raises(DataError, match=re.escape(problem)):
        PairBy.parse(text)


def test_a_pattern_reads_what_it_writes():
    """Filled in, read back: the fields are among the readings, and each reading gives the name again."""
    for text in ("{id}_{n}", "{id}{n}x", "{system}/{id}-{a}", "{id}/{id}_{n}", "x{id}.{a}.{b}"):
        pattern = Pattern.parse(text)
        for id_, word, number in itertools.product(("cat", "a/b_7", "x.y"), ("m", "m.k_1"), ("3", "42")):
            fields = {name: {"id": id_, "n": number}.get(name, word) for name in pattern.fields}
            readings = pattern.readings(text.format(**fields))
            glued = text == "{id}{n}x" and id_[-1].isdigit()  # a number is read whole
            assert (fields in readings) != glued
            assert all(text.format(**reading) == text.format(**fields) for reading in readings)


@pytest.mark.parametrize(
    ("sources", "edits", "pattern"),
    [
        (["cat", "dog"], ["cat_edited", "dog_edited"], "{id}_edited"),
        (["cat", "dog"], ["edited-cat", "edited-dog"], "edited-{id}"),
        (["my_cat_src", "dog_src"], ["my_cat_edit", "dog_edit"], "{id}_src,{id}_edit"),
        (["cat"], ["cat_edited"], "{id}_edited"),
        (["my_cat_src"], ["my_cat_edit"], "{id}_src,{id}_edit"),
        (["cat", "dog"], ["cat_1", "cat_2"], "{id}_{n}"),
        (["cat", "dog"], ["cat/0001", "cat/0002", "dog/0001"], "{id}/{n}"),
        (["cat", "dog"], ["model_a/cat", "model_b/cat", "model_b/dog"], "{system}/{id}"),
        (["cat", "dog"], ["cat/red", "dog/blue"], "{id}/{variant}"),
        (["cat", "dog"], ["cat_edited", "cow_edited"], None),
        (["1", "2"], ["01", "02"], None),
        (["cat", "cat_big"], ["cat_red", "cat_big_red"], "{id}_red"),
        (["cat", "cat_big"], ["cat_red", "cat_big_blue"], None),
    ],
)
def test_the_pattern_that_would_pair_all_names_is_suggested(tmp_path, sources, edits, pattern):
    assert suggested(sources, edits) == pattern
    folders = files(tmp_path / "s", *(f"{name}.png" for name in sources)), tmp_path / "e"
    files(folders[1], *(f"{name}.png" for name in edits))
    with pytest.raises(DataError) as caught:
        from_folders(*folders)
    if pattern is not None:
        assert str(caught.value).endswith(f". --pair-by '{pattern}' would pair all of them")
        assert len(from_folders(*folders, pair_by=pattern)) == len(edits)
    else:
        assert "would pair" not in str(caught.value)


def test_one_folder_with_both_is_recognised():
    names = ["cat", "cat_edited", "dog", "dog_edited"]
    assert suggested(names, names, one_folder=True) == "{id}_edited"
    assert suggested([*names, "cow"], [*names, "cow"], one_folder=True) is None


def test_a_pattern_is_for_folders(tmp_path):
    image = files(tmp_path, "cat.png") / "cat.png"
    with pytest.raises(DataError, match="is for images in folders"):
        find_samples([image, image], pair_by="{id}_e")
