"""Images are paired by name and by nothing else; what finds no partner is listed."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from editmetrics.data import DataError, SampleSet, from_files, from_folders


def files(folder: Path, *names: str, text: str = "") -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def paired(found: SampleSet) -> dict[str, tuple[str, str]]:
    return {sample.id: (Path(sample.source).name, Path(sample.edited).name) for sample in found}


def test_numbers_are_not_paired_by_their_order(tmp_path):
    """Sorted, img1, img10, img11, img2 ... against img01, img02 ... would pair different photographs."""
    source = files(tmp_path / "source", *(f"img{n}.png" for n in range(1, 12)))
    edited = files(tmp_path / "edited", *(f"img{n:02}.png" for n in range(1, 12)))
    found = from_folders(source, edited)
    assert paired(found) == {"img10": ("img10.png", "img10.png"), "img11": ("img11.png", "img11.png")}
    assert found.unmatched == {
        "sources": [f"img{n}" for n in range(1, 10)],
        "edited": [f"img{n:02}" for n in range(1, 10)],
    }


def test_one_missing_file_shifts_nothing(tmp_path):
    source = files(tmp_path / "source", "a.png", "b.png", "c.png")
    found = from_folders(source, files(tmp_path / "edited", "a.png", "c.png", "d.png"))
    assert paired(found) == {"a": ("a.png", "a.png"), "c": ("c.png", "c.png")}
    assert found.unmatched == {"sources": ["b"], "edited": ["d"]}
    assert found.problems() == [
        "source images without an edited image (1): b",
        "edited images without a source image (1): d",
    ]
    with pytest.raises(DataError, match="not everything is matched") as caught:
        found.require_complete()
    assert ": b" in str(caught.value)
    assert ": d" in str(caught.value)


def test_a_complete_set_has_no_problems(tmp_path):
    found = from_folders(files(tmp_path / "s", "a.png"), files(tmp_path / "e", "a.png"))
    assert found.problems() == []
    found.require_complete()


def test_require_complete_lists_every_name():
    names = [f"n{index}" for index in range(10)]
    found = SampleSet([], {"sources": names})
    assert found.problems()[0].endswith("n0, n1, n2 and 7 more")
    with pytest.raises(DataError, match=r"n0, n1, n2, n3, n4, n5, n6, n7, n8, n9$"):
        found.require_complete()


def test_names_are_paths_without_suffix(tmp_path):
    source = files(tmp_path / "s", "x/a.jpg", "y/a.JPEG", "a.v2.png", "z/deep/er/b.tif")
    edited = files(tmp_path / "e", "x/a.png", "y/a.webp", "a.v2.PNG", "z/deep/er/b.bmp")
    assert paired(from_folders(source, edited)) == {
        "a.v2": ("a.v2.png", "a.v2.PNG"),
        "x/a": ("a.jpg", "a.png"),
        "y/a": ("a.JPEG", "a.webp"),
        "z/deep/er/b": ("b.tif", "b.bmp"),
    }


def test_case_is_not_ignored(tmp_path):
    found = from_folders(files(tmp_path / "s", "Cat.png", "dog.png"), files(tmp_path / "e", "cat.png", "dog.png"))
    assert paired(found) == {"dog": ("dog.png", "dog.png")}
    assert found.unmatched == {"sources": ["Cat"], "edited": ["cat"]}


@pytest.mark.parametrize("name", ["café", "Ångström", "ながい", "한국어"])
def test_unicode_names_meet_in_either_form(tmp_path, name):
    composed, decomposed = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    source = files(tmp_path / "s", f"{composed}.png", "x.png")
    edited = files(tmp_path / "e", f"{decomposed}.png", "x.png")
    found = from_folders(source, edited, prompts={decomposed: "brighter", "x": "darker"})
    assert [sample.id for sample in found] == sorted([composed, "x"])
    assert {sample.id: sample.prompt for sample in found} == {composed: "brighter", "x": "darker"}
    assert not found.unmatched


def test_both_forms_of_a_unicode_name_in_one_folder_are_ambiguous(tmp_path):
    source = files(tmp_path / "s", "\u00e9.png", "e\u0301.png", "x.png")
    found = from_folders(source, files(tmp_path / "e", "\u00e9.png", "x.png"))
    assert [sample.id for sample in found] == ["x"]
    assert len(found.unmatched["ambiguous"]) == 1


def test_two_files_of_one_name_are_not_paired_but_listed(tmp_path):
    source = files(tmp_path / "s", "a.png", "a.jpg", "b.png", "c.png")
    edited = files(tmp_path / "e", "a.png", "b.png", "b.webp", "c.png")
    found = from_folders(source, edited)
    assert paired(found) == {"c": ("c.png", "c.png")}
    assert found.unmatched == {
        "ambiguous": [
            f"a ({source / 'a.jpg'}, {source / 'a.png'})",
            f"b ({edited / 'b.png'}, {edited / 'b.webp'})",
        ]
    }


def test_other_files_are_left_alone(tmp_path):
    source = files(tmp_path / "s", "a.png", ".b.png", ".cache/c.png", "notes.md", ".d.heic", "Thumbs.db")
    found = from_folders(source, files(tmp_path / "e", "a.png", "a.json"))
    assert paired(found) == {"a": ("a.png", "a.png")}
    assert not found.unmatched


def test_several_systems(tmp_path):
    source = files(tmp_path / "s", "a.png", "b.png")
    one, two = files(tmp_path / "one", "a.png", "b.png"), files(tmp_path / "two", "a.png")
    found = from_folders(source, [one, two])
    assert [(sample.id, sample.meta["system"]) for sample in found] == [
        ("one/a", "one"),
        ("one/b", "one"),
        ("two/a", "two"),
    ]
    assert found.unmatched == {"sources": ["two/b"]}


def test_systems_of_one_name_are_told_apart_by_their_parents(tmp_path):
    source = files(tmp_path / "s", "a.png")
    folders = [files(tmp_path / run / "out", "a.png") for run in ("x", "y")]
    assert [sample.meta["system"] for sample in from_folders(source, folders)] == ["x/out", "y/out"]
    assert [sample.id for sample in from_folders(source, folders, systems=["X", "Y"])] == ["X/a", "Y/a"]
    with pytest.raises(DataError, match="given twice"):
        from_folders(source, [folders[0], str(folders[0])])
    with pytest.raises(DataError, match="as many different systems"):
        from_folders(source, folders, systems=["X", "X"])


def test_one_folder_has_no_system_unless_asked(tmp_path):
    source, edited = files(tmp_path / "s", "a.png"), files(tmp_path / "e", "a.png")
    assert from_folders(source, edited).samples[0].meta == {}
    sample = from_folders(source, edited, systems=["mine"]).samples[0]
    assert (sample.id, sample.meta) == ("mine/a", {"system": "mine"})


def test_without_sources(tmp_path):
    found = from_folders(None, files(tmp_path / "e", "b.png", "a.png"))
    assert [(sample.id, sample.source) for sample in found] == [("a", None), ("b", None)]
    assert not found.unmatched


def test_masks_and_references_by_name_or_id(tmp_path):
    source = files(tmp_path / "s", "a.png", "b.png")
    systems = [files(tmp_path / "one", "a.png", "b.png"), files(tmp_path / "two", "a.png", "b.png")]
    masks = files(tmp_path / "masks", "a.png", "two/a.png", "z.png")
    references = files(tmp_path / "refs", "a.jpg", "b.jpg")
    found = from_folders(source, systems, masks=masks, references=references)
    mask_of = {sample.id: sample.mask and Path(sample.mask).relative_to(masks).as_posix() for sample in found}
    assert mask_of == {"one/a": "a.png", "one/b": None, "two/a": "two/a.png", "two/b": None}
    assert {Path(sample.reference).name for sample in found} == {"a.jpg", "b.jpg"}
    assert found.unmatched == {"without_mask": ["one/b", "two/b"], "masks": ["z"]}


def test_prompts_beside_the_images(tmp_path):
    source, edited = files(tmp_path / "s", "a.png", "b.png", "c.png"), files(tmp_path / "e", "a.png", "b.png", "c.png")
    (source / "a.txt").write_text("\ufeffmake it red\n", encoding="utf-8")
    (edited / "b.txt").write_text("make it blue")
    found = from_folders(source, edited)
    assert {sample.id: sample.prompt for sample in found} == {"a": "make it red", "b": "make it blue", "c": None}
    assert found.unmatched == {"without_prompt": ["c"]}
    (edited / "a.txt").write_text("make it green")
    with pytest.raises(DataError, match=r"a\.txt and .*a\.txt differ"):
        from_folders(source, edited)
    assert {sample.prompt for sample in from_folders(source, edited, prompt="one for all")} == {"one for all"}


def test_prompts_that_name_nothing(tmp_path):
    source, edited = files(tmp_path / "s", "a.png", "b.png"), files(tmp_path / "e", "a.png", "b.png")
    found = from_folders(source, edited, prompts={"a.jpg": "red", "c": "blue"})
    assert found.unmatched == {"without_prompt": ["b"], "prompts": ["c"]}
    with pytest.raises(DataError, match="they are called 'x', 'y', the images 'a', 'b'"):
        from_folders(source, edited, prompts={"x": "red", "y": "blue"})
    with pytest.raises(DataError, match="both given"):
        from_folders(source, edited, prompts={"a": "red"}, prompt="red")


def test_symbolic_links_are_followed_but_never_in_circles(tmp_path):
    source = files(tmp_path / "s", "in/a.png")
    (source / "in" / "back").symlink_to(source, target_is_directory=True)
    (source / "in" / "itself").symlink_to(source / "in", target_is_directory=True)
    (source / "b.png").symlink_to(source / "in" / "a.png")
    (source / "more").symlink_to(files(tmp_path / "elsewhere", "c.png"), target_is_directory=True)
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    found = from_folders(tmp_path / "link", source)
    assert [sample.id for sample in found] == ["b", "in/a", "more/c"]


def test_a_folder_inside_another_is_not_part_of_it(tmp_path):
    source = files(tmp_path, "a.png", "edits/a.png", "masks/a.png")
    found = from_folders(source, source / "edits", masks=source / "masks")
    assert paired(found) == {"a": ("a.png", "a.png")}
    assert found.samples[0].source != found.samples[0].edited
    assert not found.unmatched


def test_nothing_paired_says_how_names_are_matched(tmp_path):
    source = files(tmp_path / "s", "cat.png", "dog.png", "eel.png")
    edited = files(tmp_path / "e", "cat_edited.png", "cow_edited.png")
    with pytest.raises(DataError, match="path inside the folder without the suffix") as caught:
        from_folders(source, edited)
    for name in ("'cat', 'dog'", "'cat_edited', 'cow_edited'", str(source), str(edited)):
        assert name in str(caught.value)


def test_nothing_paired_because_all_names_are_ambiguous_says_so(tmp_path):
    source = files(tmp_path / "s", "cat.png", "cat.jpg")
    edited = files(tmp_path / "e", "cat.png", "cat.jpg")
    with pytest.raises(DataError, match=r"the name of several files of one folder: cat \(.*; remove or rename all but"):
        from_folders(source, edited)


@pytest.mark.parametrize("kind", ["empty", "missing", "file"])
def test_a_folder_without_images(tmp_path, kind):
    source = files(tmp_path / "s", "a.png")
    other = tmp_path / "other"
    if kind == "empty":
        files(other, "readme.md")
    elif kind == "file":
        other.write_text("")
    message = "holds no image" if kind == "empty" else "cannot be listed"
    for arguments in ((other, source), (source, other)):
        with pytest.raises(DataError, match=f"{other}.* {message}"):
            from_folders(*arguments)


def test_a_name_in_no_encoding_can_be_written(tmp_path):
    source, edited = files(tmp_path / "s", "x.png"), files(tmp_path / "e", "x.png")
    for folder in (source, edited):
        (Path(folder) / "caf\udce9.png").write_text("")  # the byte 0xE9, which is Latin-1 and not UTF-8
    found = from_folders(source, edited)
    assert len(found) == 2
    for sample in found:
        sample.id.encode("utf-8")


def test_two_files_of_different_names(tmp_path):
    files(tmp_path, "before.png", "after.jpg", "mask.png", "masks/before.png")
    sample = from_files(
        tmp_path / "before.png", tmp_path / "after.jpg", prompt="red", masks=tmp_path / "mask.png"
    ).samples[0]
    assert (sample.id, sample.prompt, Path(sample.mask).name) == ("after", "red", "mask.png")
    assert (sample.source, sample.edited) == (tmp_path / "before.png", tmp_path / "after.jpg")
    found = from_files(
        tmp_path / "before.png", tmp_path / "after.jpg", masks=tmp_path / "masks", prompts={"before": "red", "x": "y"}
    )
    assert found.samples[0].mask == tmp_path / "masks" / "before.png"
    assert (found.samples[0].prompt, found.unmatched) == ("red", {})
