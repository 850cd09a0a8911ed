"""Tables as other people write them: their headings are understood and said, or refused with the choice named."""

from __future__ import annotations

import json

import pytest

from editmetrics import score
from editmetrics.data import DataError, find_samples, from_manifest, from_rows, read_prompts
from editmetrics.files.headings import SAMPLE, by_last_parts, read_as
from tests.cli.conftest import EXAMPLES

MANIFESTS = {
    "magicbrush.csv": "img_id,source_img,target_img,mask_img,instruction\n1,s/1.png,t/1.png,m/1.png,make it red\n",
    "pix2pix.jsonl": json.dumps(
        {"original_image": "s/1.png", "edited_image": "t/1.png", "edit_prompt": "make it red", "mask-path": "m/1.png"}
    ),
    "excel.csv": "Source Image;Output;Mask Image;Edit Instruction\r\ns/1.png;t/1.png;m/1.png;make it red\r\n",
    "study.tsv": "before\tafter\tMask\tPrompt\ns/1.png\tt/1.png\tm/1.png\tmake it red\n",
    "camel.csv": "src,editedImage,maskPath,editInstruction\ns/1.png,t/1.png,m/1.png,make it red\n",
    "pairs.csv": "input,image_name,mask,text\ns/1.png,t/1.png,m/1.png,make it red\n",
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_of_other_people(tmp_path, name, caplog):
    path = tmp_path / name
    path.write_text(MANIFESTS[name], newline="")
    (sample,) = samples = from_manifest(path)
    fields = [str(getattr(sample, field)).removeprefix(f"{tmp_path}/") for field in ("source", "edited", "mask")]
    assert (*fields, sample.prompt, sample.id) == ("s/1.png", "t/1.png", "m/1.png", "make it red", "t/1")
    assert all(f"{heading!r} as {column}" in caplog.text for column, heading in samples.headings.items())


def test_what_was_understood_is_said_once(tmp_path, caplog):
    path = tmp_path / "m.csv"
    path.write_text("Image,Instruction\na.png,red\n")
    for _ in range(3):
        from_manifest(path)
    assert (
        caplog.text.count("read 'Image' as edited, 'Instruction' as prompt (--map edited=COLUMN chooses another)") == 1
    )


def test_a_column_with_its_own_name_is_never_replaced(tmp_path, caplog):
    path = tmp_path / "m.csv"
    path.write_text("edited,image,prompt,instruction,model,system\na.png,b.png,red,blue,x,y\n")
    (sample,) = from_manifest(path)
    assert (sample.edited, sample.prompt) == (f"{tmp_path}/a.png", "red")
    assert sample.meta == {"image": "b.png", "instruction": "blue", "model": "x", "system": "y"}
    assert not caplog.text


def test_cells_must_fit_what_a_heading_promises():
    """`edit` may hold an instruction, `text` a file, `input` a number."""
    cells = {"edit": ["make it red"], "output": ["a.png"], "text": ["a.txt"], "input": ["3"], "caption": ["a cat"]}
    assert read_as("t", cells, SAMPLE) == {"edited": "output", "prompt": "caption"}


def test_target_is_the_edited_image_only_where_no_other_is():
    assert read_as("t", {"src": ["a.png"], "target": ["b.png"]}, SAMPLE) == {"edited": "target", "source": "src"}
    both = {"src": ["a.png"], "target": ["b.png"], "output": ["c.png"]}
    assert read_as("t", both, SAMPLE) == {"edited": "output", "source": "src", "reference": "target"}


def test_two_headings_that_are_as_good_are_refused_and_chosen(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("file,image,instruction,edit_prompt\na.png,b.png,red,blue\n")
    with pytest.raises(DataError) as caught:
        from_manifest(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path} has 2 problems:"
    assert (
        "'file' and 'image' may both be edited; choose one: --map edited=file (columns={'edited': 'file'}" in lines[1]
    )
    assert "'instruction' and 'edit_prompt' may both be prompt" in lines[2]
    (sample,) = from_manifest(path, columns={"edited": "image", "prompt": "edit_prompt"})
    assert (sample.edited, sample.prompt) == (f"{tmp_path}/b.png", "blue")


def test_columns_choose_even_against_a_name_and_for_any_other(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("edited,source,prompt,Score\na.png,b.png,red,4\n")
    (sample,) = from_manifest(path, columns={"edited": "source", "source": "edited", "mos": "Score"})
    assert (sample.edited, sample.source) == (f"{tmp_path}/b.png", f"{tmp_path}/a.png")
    assert sample.meta == {"Score": "4", "mos": "4"}
    with pytest.raises(DataError, match=r"no column 'Prompts' to read as prompt; .* Did you mean 'prompt'\?"):
        from_manifest(path, columns={"prompt": "Prompts"})


def test_rows_and_prompts_know_the_same_headings(tmp_path):
    (sample,) = from_rows([{"Image": "a.png", "edit_instruction": "red", "model": "x"}])
    assert (sample.edited, sample.prompt, sample.meta["system"], sample.id) == ("a.png", "red", "x", "a")
    (sample,) = from_rows([{"pic": b"\x89PNG", "task": "red"}], {"edited": "pic", "prompt": "task"})
    assert (sample.edited, sample.prompt) == (b"\x89PNG", "red")
    (tmp_path / "p.csv").write_text("Image;Edit Instruction;task\ncat.jpg;red;blue\n")
    assert read_prompts(tmp_path / "p.csv") == {"cat": "red"}
    assert read_prompts(tmp_path / "p.csv", {"prompt": "task"}) == {"cat": "blue"}


def test_prompts_report_all_that_is_wrong(tmp_path):
    (tmp_path / "p.csv").write_text("name,prompt\na,red,x\nb,red\nb,blue\nc,blue,y\n")
    with pytest.raises(DataError) as caught:
        read_prompts(tmp_path / "p.csv")
    starts = ["line 2: has 3 cells", "line 5: has 3 cells", "two prompts for b"]
    assert [
        line.strip().startswith(start) for line, start in zip(str(caught.value).splitlines()[1:], starts, strict=True)
    ] == [True] * 3


def test_prompts_of_paths_match_the_names_of_images(caplog):
    folders = [EXAMPLES / "source", EXAMPLES / "edited"]
    prompts = {"data/src/cat.jpg": "red", "data/src/coins.jpg": "blue", "data/src/none.jpg": "x"}
    samples = {sample.id: sample.prompt for sample in find_samples(folders, prompts=prompts)}
    assert (samples["cat"], samples["coins"], samples["brick"]) == ("red", "blue", None)
    assert "by the last parts of their names: 'data/src/cat' is 'cat'" in caplog.text
    assert by_last_parts(["a/cat", "b/cat"], {"cat"}) is None
    with pytest.raises(DataError, match="none of the prompts belongs to an image"):
        find_samples(folders, prompts={"a/cat": "red", "b/cat": "blue"})
    with pytest.raises(DataError, match=r"columns are named .* where no table is read"):
        find_samples(folders, columns={"prompt": "x"})


HEADERS = {
    "source,edited,id": {},
    "original,edited,id": {"source": "original"},
    "was,now,id": {"source": "was", "edited": "now"},
}


def test_a_renamed_column_changes_no_number_and_is_recorded(tmp_path):
    """The later runs take the score of the first, whose table had the usual headings."""
    runs, scores = [], []
    for header, headings in HEADERS.items():
        (tmp_path / "m.csv").write_text(f"{header}\n{EXAMPLES}/source/cat.jpg,{EXAMPLES}/edited/cat.jpg,cat\n")
        columns = headings if "now" in header else None
        score(tmp_path / "m.csv", metrics="mae", root=EXAMPLES, columns=columns, output=tmp_path / "s.csv")
        lines = [json.loads(line) for line in (tmp_path / "s.record.jsonl").read_text().splitlines()]
        runs = [line for line in lines if line.get("kind") == "run"]
        scores.append(len(lines) - len(runs))
    assert [line.get("columns_read_as", {}) for line in runs] == list(HEADERS.values())
    assert scores == [scores[0]] * 3
