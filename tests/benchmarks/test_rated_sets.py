"""Data sets of rated images: lines of the public files become samples, and what is wrong with a copy is named."""

import json
import struct

import numpy as np
import pytest

from editmetrics.agreement import krcc, pairwise_accuracy, srcc
from editmetrics.agreement.pairwise import calibrated_tie_threshold
from editmetrics.agreement.protocols import PROTOCOLS
from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.catalogue import benchmark
from editmetrics.benchmarks.load import load
from editmetrics.benchmarks.richhf_18k.small_copy import record
from editmetrics.files.text import DataError
from editmetrics.files.tfrecord import masked_crc32c, read_examples


def problems(name, folder):
    return [str(problem) for problem in load(name, folder, images=False).problems]


def test_a_record_of_tensorflow_is_read(tmp_path):
    """The Example of TensorFlow's tutorial on records, as it prints it: 0, 4, b"goat" and 0.9876."""
    data = (
        b"\nR\n\x14\n\x08feature2\x12\x08\n\x06\n\x04goat\n\x14\n\x08feature3\x12\x08\x12\x06\n\x04[\xd3|?"
        b"\n\x11\n\x08feature0\x12\x05\x1a\x03\n\x01\x00\n\x11\n\x08feature1\x12\x05\x1a\x03\n\x01\x04"
    )
    length = struct.pack("<Q", len(data))
    whole = length + struct.pack("<I", masked_crc32c(length)) + data + b"\0\0\0\0"
    path = tmp_path / "a.tfrecord"
    path.write_bytes(2 * whole)
    one, other = read_examples(path)
    assert one == other
    assert (one["feature0"], one["feature1"], one["feature2"]) == ([0], [4], [b"goat"])
    assert one["feature3"] == [pytest.approx(0.9876, abs=1e-7)]
    for spoiled, message in (
        (whole[:-1], "record 1: is cut off"),
        (whole + whole[:5], "record 2: its length is damaged"),
        (b"\1" + whole[1:], "record 1: its length is damaged"),
        (whole[:12] + b"\xff" * len(data) + whole[-4:], "record 1: is not an Example"),
    ):
        path.write_bytes(spoiled)
        with pytest.raises(DataError, match=message):
            list(read_examples(path))


def test_tifa_as_published(tmp_path):
    """Two entries of the public file; a mean that is none of its scores is a problem."""
    entry = {
        "text_id": "coco_325049", "image_path": "coco_325049_mini_dalle.jpg",
        "text": "A group of planes near a large wall of windows.", "human_scores": [3, 4], "human_avg": 3.5,
    }  # fmt: skip
    other = {**entry, "image_path": "coco_325049_stable_diffusion_v2_1.jpg", "clipscore_vitb32": 33.5}
    path = tmp_path / "human_annotations.json"
    path.write_text(json.dumps({"coco_325049_mini_dalle": entry, "coco_325049_stable_diffusion_v2_1": other}))
    copy = load("tifa-v1", tmp_path, images=False)
    assert copy.problems == []
    first, second = copy.samples
    assert first.meta == {"system": "mini_dalle", "origin": "coco", "faithfulness": 3.5}
    assert (second.meta["system"], second.prompt) == ("stable_diffusion_v2_1", entry["text"])
    assert "system vq_diffusion: 0 of 160 images" in copy.missing
    path.write_text(json.dumps({"coco_1_midjourney": {**entry, "text_id": "coco_1", "human_avg": 4.5}, "x": 3}))
    said = "\n".join(problems("tifa-v1", tmp_path))
    assert "human_avg is 4.5, and human_scores are [3, 4]" in said
    assert "system is 'midjourney'; expected mini_dalle" in said
    assert "x: is a int; expected an object" in said
    path.write_text("[1]")
    assert "is a list; expected an object with an entry for each name" in problems("tifa-v1", tmp_path)[0]


def test_aigciqa_knows_a_model_by_its_place(tmp_path):
    """The first and the last line of the public file, and lines that do not belong there."""
    path = tmp_path / "AIGCIQA2023.csv"
    heading = (",name,prompt,style,class,quality_mos,authenticity_mos,correspondence_mos,quality_std,authenticity_std,"
               "correspondence_std\n")  # fmt: skip
    first = "0,0.png,a corgi,Basic,Animals,60.16417843,47.24654087,59.98587335,0.885226373,1.260743306,1.35627198\n"
    last = ("2399,2399.png,An aerial view of Ha Long Bay without any boats,Linguistic Structures,World Knowledge,"
            "64.88076605,59.44764954,64.64534206,1.054092553,1.190974833,1.078769062\n")  # fmt: skip
    path.write_text(heading + first + last)
    copy = load("aigciqa2023", tmp_path, images=False)
    assert copy.problems == []
    assert [sample.meta["system"] for sample in copy.samples] == ["model 1", "model 6"]
    assert copy.samples[1].meta["correspondence"] == 64.64534206
    path.write_text(heading + first.replace("0.png", "2400.png") + last.replace("64.88076605", "101"))
    said = problems("aigciqa2023", tmp_path)
    assert any("is not named N.png with N from 0 to 2399" in line for line in said)
    assert any("quality_mos is '101'; expected a number from 0 to 100" in line for line in said)


def test_agiqa_1k_leaves_out_what_its_table_contradicts(copy_of):
    import openpyxl

    folder = copy_of("agiqa-1k")
    path = folder / "AIGC_MOS_Zscore.xlsx"
    book = openpyxl.load_workbook(path)
    for rating in (0.4414155439958131, 2.084115711537598):
        book.active.append(["dreamStudio_8_9_1_1.jpg", "alien, wearing shirt, wild, realistic style", rating])
    book.save(path)
    copy = load("agiqa-1k", folder)
    assert copy.problems == []
    (note,) = copy.notes
    assert note.startswith("dreamStudio_8_9_1_1.jpg: is named twice")
    assert {s.meta["system"] for s in copy.samples} == {"deepai", "dreamStudio"}
    assert copy.samples[0].meta["style"] == "anime style"
    book.active.append(["sdxl_0_0_0_0.jpg", "a bird", 3])
    book.save(path)
    assert any("has another model or prompt; expected deepai" in line for line in problems("agiqa-1k", folder))


def test_aigiqa_20k_has_splits_and_models(copy_of):
    folder = copy_of("aigiqa-20k")
    copy = load("aigiqa-20k", folder)
    assert copy.splits == {"train": 6, "val": 6, "test": 6}
    assert {s.meta["system"] for s in copy.samples} == {"DALLE2", "midjourney_v5"}
    assert "split train: 6 of 14,000 images" in copy.missing
    test = folder / "info_test.csv"
    heading, *rows = test.read_text().splitlines()
    test.write_text("\n".join([f"{heading},std", *(f"{row},1" for row in rows)]).replace("DALLE2_0006", "DALLE2_0000"))
    assert any("the image 'DALLE2_0000' occurs 2 times" in line for line in problems("aigiqa-20k", folder))


def test_genai_bench_counts_an_image_for_each_skill(copies, copy_of):
    copy = load("genai-bench-1600", copies["genai-bench-1600"])
    assert {s.id: s.meta.get("skills") for s in copy.samples if s.meta["system"] == "DALLE_3"} == {
        "DALLE_3/00000": "basic; counting", "DALLE_3/00001": "counting", "DALLE_3/00002": "basic; counting",
    }  # fmt: skip
    ratings = np.array([s.meta["alignment"] for s in copy.samples])
    table = {
        "rating.alignment": ratings, "score.alignment": ratings + np.arange(18) % 4,
        "system": [s.meta["system"] for s in copy.samples], "skills": [s.meta["skills"] for s in copy.samples],
    }  # fmt: skip
    lines = {(line.group, line.measure): line for line in PROTOCOLS["genai-bench-1600"].run(table)}
    assert lines["all", "srcc"].value == srcc(table["score.alignment"], ratings)
    assert (lines["skills=basic", "krcc"].n, lines["skills=counting", "krcc"].n) == (12, 18)
    basic = np.array(["basic" in text for text in table["skills"]])
    assert lines["skills=basic", "krcc"].value == krcc(table["score.alignment"][basic], ratings[basic])
    threshold = calibrated_tie_threshold(table["score.alignment"], ratings)
    expected = pairwise_accuracy(table["score.alignment"], ratings, tie_threshold=threshold)
    assert lines["all", "pairwise_accuracy"].value == expected
    folder = copy_of("genai-bench-1600")
    (folder / "genai_skills.json").unlink()
    assert any(line.startswith("skills: genai_skills.json") for line in load("genai-bench-1600", folder).missing)
    path = folder / "genai_image.json"
    prompts = json.loads(path.read_text())
    prompts["00001"]["models"] |= {"DALLE_3": [5, 6, 5], "SDXL_Base": [], "Imagen": [3, 3, 3]}
    path.write_text(json.dumps(prompts | {"x": {}}))
    said = "\n".join(problems("genai-bench-1600", folder))
    assert "a rating is 6; expected a number from 1 to 5" in said
    assert "human_alignment is empty" in said
    assert "system is 'Imagen'; expected DALLE_3" in said
    assert "prompt x: cannot be read" in said


def test_evalmuse_takes_means_of_annotators(copy_of):
    folder = copy_of("evalmuse-40k")
    copy = load("evalmuse-40k", folder)
    rows = json.loads((folder / "train_list.json").read_text())
    for row, sample in zip(rows, copy.samples, strict=True):
        assert sample.meta["alignment"] == pytest.approx(np.mean(row["total_score"]))
        assert sample.id == row["img_path"].removesuffix(".png")
        assert sample.meta["system"] == row["img_path"].split("/")[0]
    rows[0]["total_score"], rows[1]["total_score"], rows[2]["img_path"] = [4, 9], "good", "../x.png"
    (folder / "train_list.json").write_text(json.dumps(rows))
    said = "\n".join(problems("evalmuse-40k", folder))
    assert "total_score is 9; expected a number from 1 to 5" in said
    assert "total_score is 'good'" in said
    assert "../x.png lies outside" in said


def test_richhf_joins_prompts_and_says_what_it_lacks(copy_of):
    folder = copy_of("richhf-18k")
    copy = load("richhf-18k", folder)
    assert copy.splits == {"train": 3, "dev": 3, "test": 3}
    assert all(sample.prompt for sample in copy.samples)
    (folder / "prompts.csv").unlink()
    assert any(line.startswith("prompts: prompts.csv does not exist") for line in load("richhf-18k", folder).missing)
    features = {"filename": b"test/x.png", "artifact_score": 0.5, "aesthetics_score": 7.0, "overall_score": 0.5}
    (folder / "test.tfrecord").write_bytes(record(features))
    said = "\n".join(problems("richhf-18k", folder))
    assert "test.tfrecord, record 1: misalignment_score is empty" in said
    assert "aesthetics_score is 7.0; expected a number from 0 to 5" in said
    (folder / "dev.tfrecord").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert any("dev.tfrecord, record 1: its length is damaged" in line for line in problems("richhf-18k", folder))


@pytest.mark.parametrize("naming", ["v_score,e_score,p_score", "visual_quality,editing_alignment,content_preservation"])
def test_reasonedit_knows_the_namings_of_its_program(copy_of, naming):
    path = copy_of("reasonedit-22k") / "test.csv"
    path.write_text(path.read_text().replace("v_score,e_score,p_score", f"{naming},cot", 1).replace("\n", ",x\n")
                    .replace("cot,x", "cot", 1))  # fmt: skip
    copy = load("reasonedit-22k", path.parent)
    assert copy.problems == []
    assert all(0 <= s.meta["content_preservation"] <= 1 for s in copy.samples)
    path.write_text(path.read_text().replace(naming, "a,b,c"))
    assert any("has no column v_score, e_score, p_score" in line for line in problems("reasonedit-22k", path.parent))


@pytest.mark.parametrize("name", ["aigiqa-20k", "evalmuse-40k", "genai-bench-1600", "richhf-18k", "tifa-v1"])
def test_an_empty_folder_says_which_file_it_needs(tmp_path, name):
    (line,) = problems(name, tmp_path)
    assert "has no " in line


def test_other_names_are_known():
    with pytest.raises(BenchmarkError, match=r"use genai-bench-1600 \("):
        benchmark("GenAI-Bench")
