"""What lies in a folder and cannot be used is named, and costs nothing else: kinds of images, loops, closed doors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from editmetrics.data import DataError, find_samples, from_files, from_folders
from editmetrics.images import image_name
from editmetrics.sample import UnusableText

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
OTHERS = {
    "b.psd": (b"", "Photoshop"),
    "c.svg": (b"", "SVG"),
    "d.CR2": (b"", "camera raw"),
    "e.exr": (b"", "OpenEXR"),
    "deep/f": (b"8BPS\0\1", "Photoshop"),
    "g": (PNG, "PNG without its suffix"),
    "h.part": (b"\xff\xd8\xff\xe0", "JPEG without its suffix"),
}
"""Files that look like images by suffix or content, and the kind that is said of each."""


@pytest.fixture
def folders(tmp_path):
    for side in ("s", "e"):
        (tmp_path / side).mkdir()
        for name in ("a.png", "z.png", "notes.md", "prompts.csv"):
            (tmp_path / side / name).write_bytes(b"")
    return tmp_path / "s", tmp_path / "e"


@pytest.mark.parametrize("side", ["s", "e"])
@pytest.mark.parametrize("name", OTHERS)
def test_images_of_other_kinds_are_named_and_strict_refuses(folders, side, name):
    source, edited = folders
    path = source.parent / side / name
    path.parent.mkdir(exist_ok=True)
    content, kind = OTHERS[name]
    path.write_bytes(content)
    found = find_samples([source, edited])
    assert [sample.id for sample in found] == ["a", "z"]
    assert found.unmatched == {"unusable": [f"{path}: {kind}"]}
    assert found.problems() == [f"files and folders that cannot be read here (1): {path}: {kind}"]
    with pytest.raises(DataError, match="not everything is matched"):
        found.require_complete()


def test_one_folder_alone_and_masks_and_references_name_them_too(folders):
    source, edited = folders
    (edited / "b.psd").write_bytes(b"")
    (source / "a.psd").write_bytes(b"")
    (source / "a.png").unlink()
    assert find_samples([edited]).unmatched == {"unusable": [f"{edited / 'b.psd'}: Photoshop"]}
    said = "a (a.psd is there and cannot be read: Photoshop)"
    for option, missing in (("masks", "without_mask"), ("references", "without_reference")):
        unmatched = find_samples([edited], **{option: source}).unmatched
        assert unmatched[missing] == [said]
        assert f"{source / 'a.psd'}: Photoshop" in unmatched["unusable"]


@pytest.mark.parametrize(("side", "kind"), [("s", "edited"), ("e", "sources")])
@pytest.mark.parametrize("name", ["only.psd", "only.svg", "only", "only.part"])
def test_a_partner_that_cannot_be_read_is_said(folders, side, kind, name):
    source, edited = folders
    here, other = (source, edited) if side == "s" else (edited, source)
    (other / "only.png").write_bytes(b"")
    (here / name).write_bytes(PNG)
    unmatched = from_folders(source, edited).unmatched
    assert len(unmatched[kind]) == 1
    assert unmatched[kind][0].startswith(f"only ({name} is there and cannot be read: ")


def test_a_folder_of_nothing_else_says_what_is_there(folders):
    source, edited = folders
    for name in ("a.png", "z.png"):
        (edited / name).rename((edited / name).with_suffix(".psd"))
    with pytest.raises(DataError, match=r"holds no image .*; what is there cannot be read: .*\.psd: Photoshop"):
        from_folders(source, edited)
    with pytest.raises(DataError, match=r"a\.psd \(an image that cannot be read here: Photoshop\)"):
        find_samples([edited / "a.psd"])


def test_names_are_the_same_wherever_a_kind_can_be_read():
    suffixes = (".heic", ".AVIF", ".jp2", ".gif", ".png")
    assert {image_name(f"x/cat{suffix}") for suffix in suffixes} == {"x/cat"}
    assert image_name("cat.v2") == "cat.v2"


@pytest.mark.parametrize("name", ["loop", "loop.png", "loop.txt", "deep/loop"])
@pytest.mark.parametrize("option", ["source", "edited", "masks", "references"])
def test_a_link_to_itself_is_one_name_and_no_end(folders, name, option):
    source, edited = folders
    folder = {"source": source, "edited": edited}.get(option, source.parent / option)
    link = folder / name
    link.parent.mkdir(parents=True, exist_ok=True)
    (folder / "a.png").write_bytes(b"")
    link.symlink_to(link.name)
    more = {option: folder} if option in ("masks", "references") else {}
    found = find_samples([source, edited], **more)
    assert [sample.id for sample in found] == ["a", "z"]
    assert found.unmatched["unusable"] == [f"{link}: too many levels of symbolic links"]


def test_two_links_in_a_circle_and_one_to_nowhere(folders):
    source, edited = folders
    (edited / "one").symlink_to("two")
    (edited / "two").symlink_to("one")
    (edited / "gone").symlink_to("nowhere")
    found = from_folders(source, edited)
    assert [line.split(":")[0] for line in found.unmatched["unusable"]] == [str(edited / "one"), str(edited / "two")]


def test_a_folder_that_may_not_be_entered_costs_itself(folders, monkeypatch):
    source, edited = folders
    (edited / "closed").mkdir()
    (edited / "closed" / "b.png").write_bytes(b"")
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)  # for root, no door is closed
    found = from_folders(source, edited)
    assert [sample.id for sample in found] == ["a", "z"]
    assert found.unmatched == {"unusable": [f"{edited / 'closed'}: permission denied"]}


def test_a_loop_in_the_place_of_a_folder_is_said(tmp_path, folders):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match=r"loop is a broken symbolic link"):
        find_samples([tmp_path / "loop", folders[1]])
    with pytest.raises(DataError, match=r"loop cannot be listed: Too many levels"):
        from_folders(folders[0], folders[1], masks=tmp_path / "loop")


def test_a_text_beside_an_image_that_is_none_costs_its_prompt(folders):
    source, edited = folders
    (edited / "a.txt").write_bytes(b"caf\xe9")
    (edited / "z.txt").write_bytes(b"make it red")
    found = from_folders(source, edited)
    a, z = found
    assert isinstance(a.prompt, UnusableText)
    assert z.prompt == "make it red"
    assert found.unmatched == {"unreadable": [f"{edited / 'a.txt'}, line 1: is not UTF-8 text; save the file as UTF-8"]}


def test_of_two_files_the_unusable_prompt_is_said(folders):
    source, edited = folders
    for texts, said in (
        ({"a": 3, "b": 4}, ["prompts['a']: its prompt is 3; expected text in UTF-8"]),
        ({"a": "x"}, []),
    ):
        found = find_samples([source / "a.png", edited / "a.png"], prompts=None)
        assert not found.unmatched
        found = from_files(source / "a.png", edited / "a.png", prompts=texts)
        assert found.unmatched.get("unreadable", []) == said


@pytest.mark.parametrize("both", [True, False])
def test_ambiguity_is_the_reason_where_it_is(folders, both):
    source, edited = folders
    for folder in (source, edited) if both else (edited,):
        for name in ("a.jpg", "z.jpg"):
            (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"several files of one folder: .*a \(.*a\.jpg, .*a\.png\)"):
        from_folders(source, edited)


def test_masks_that_are_all_ambiguous_say_so(folders):
    source, edited = folders
    (source / "a.jpg").write_bytes(b"")
    (source / "z.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"ambiguous names are not used: a \("):
        from_folders(None, edited, masks=source)


def test_a_url_keeps_both_slashes():
    with pytest.raises(DataError, match=r"https://example\.org/a\.png is a URL"):
        find_samples([Path("https://example.org/a.png")])


def test_names_that_are_no_text_can_be_written_wherever_they_stand(tmp_path):
    def written(folder: str, *files: str) -> Path:
        (tmp_path / folder).mkdir()
        for name in files:
            (tmp_path / folder / os.fsdecode(name.encode("latin-1"))).write_bytes(b"")
        return tmp_path / folder

    source = written("s", "x.png", "é.png", "ä.png", "ä.jpg", "ö.psd")
    systems = [written(os.fsdecode(name), "x.png", "é.png", "ü.png") for name in (b"caf\xe9", b"caf\xe8")]
    found = from_folders(source, systems, masks=written("m", "x.png", "ß.png"))
    assert len(found.unmatched) >= 4
    texts = [text for sample in found for text in (sample.id, sample.meta["system"])]
    for text in [*texts, *found.problems(), *(line for lines in found.unmatched.values() for line in lines)]:
        text.encode("utf-8")
    assert len({sample.meta["system"] for sample in found}) == 2
    assert len(found) == 4  # x and the first file, from two systems; no other two are one name
    with pytest.raises(DataError) as caught:
        found.require_complete()
    str(caught.value).encode("utf-8")
