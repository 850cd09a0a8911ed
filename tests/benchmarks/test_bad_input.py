"""What is wrong with a copy is found before anything is scored, and all of it is said at once."""

import csv
import json
import os

import openpyxl
import pytest

from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.load import damage, load


def rewrite(path, change):
    """`change` the rows of a csv (a list of dictionaries, as it were in memory) and write them back."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), list(reader.fieldnames)
    change(rows)
    names += [name for row in rows for name in row if name not in names]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(names)))
        writer.writeheader()
        writer.writerows(rows)


def spoiled_ntire(folder):
    """One of everything that can be wrong with a table and its images."""

    def change(rows):
        rows[1]["visual_quality"] = "170"
        rows[2]["editing_fidelity"] = "good"
        rows[4]["distribution"] = "inside"
        rows[5]["split"] = ""
        rows[7]["edited"] = "../../secret.png"
        rows[8]["source"] = "https://example.org/a.png"
        rows[10]["prompt"] = ""
        rows[11]["content_preservation"] = ""
        rows.append(dict(rows[13]))

    rewrite(folder / "ratings.csv", change)
    for number, spoil in (
        (14, lambda path: path.unlink()),
        (16, lambda path: path.write_bytes(b"")),
        (17, lambda path: path.write_bytes(path.read_bytes()[:-40])),
        (19, lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")),
        (20, lambda path: path.write_text("<html>not found</html>")),
    ):
        spoil(folder / "edited" / f"{number:04}.png")
    return folder


EXPECTED = (
    "line 3: visual_quality is '170'; expected a number from 0 to 100",
    "line 4: editing_fidelity is 'good'; expected a number from 0 to 100",
    "line 6: distribution is 'inside'; expected in, out",
    "line 7: split is empty",
    "line 9: ../../secret.png lies outside of",
    "line 10: https://example.org/a.png is a URL",
    "line 12: prompt is empty",
    "line 13: content_preservation is empty",
    "line 15: the id '0013' occurs 2 times (again in ratings.csv, line 29)",
    "edited/0014.png: does not exist",
    "edited/0016.png: is empty: its download was interrupted",
    "edited/0017.png: is damaged",
    "edited/0019.png: is a Git LFS pointer",
    "edited/0020.png: is damaged",
)


def test_everything_that_is_wrong_is_listed_at_once(copy_of):
    copy = load("ntire-x-aigc-2", spoiled_ntire(copy_of("ntire-x-aigc-2")))
    with pytest.raises(BenchmarkError) as refused:
        copy.chosen()
    for said in EXPECTED:
        assert said in str(refused.value)
    assert len(copy.problems) == len(EXPECTED)
    assert "--partial" in str(refused.value)


def test_partial_leaves_out_just_the_rows_that_are_spoiled(copy_of, copies):
    copy = load("ntire-x-aigc-2", spoiled_ntire(copy_of("ntire-x-aigc-2")))
    part = copy.chosen("all", partial=True)
    kept = {sample.id for sample in part.samples}
    spoiled = {f"{n:04}" for n in (1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20)}
    assert kept == {sample.id for sample in load("ntire-x-aigc-2", copies["ntire-x-aigc-2"]).samples} - spoiled
    assert "15 of 28 rows left out because of problems" in part.caveat  # the doubled row counts twice


def test_nothing_is_scored_when_something_is_wrong(copy_of, run, tmp_path):
    folder = spoiled_ntire(copy_of("ntire-x-aigc-2"))
    ran = run("benchmark", "ntire-x-aigc-2", folder, "-m", "psnr", "-o", tmp_path / "s.csv",
              "--problems", tmp_path / "p.csv")  # fmt: skip
    assert ran.code == 2
    assert all(said in ran.err for said in EXPECTED)
    assert not (tmp_path / "s.csv").exists()
    assert not (tmp_path / "s.record.jsonl").exists()
    with (tmp_path / "p.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(EXPECTED)


def test_unknown_and_missing_columns_stop_even_a_partial_run(copy_of):
    folder = copy_of("hpe-bench")
    path = folder / "ratings.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("attribute_preservation", "preservation", 1), encoding="utf-8")
    copy = load("hpe-bench", folder)
    said = [str(problem) for problem in copy.problems]
    assert any("has no column attribute_preservation" in line for line in said)
    assert any("has the unknown column preservation" in line for line in said)
    with pytest.raises(BenchmarkError, match="cannot be used"):
        copy.chosen(partial=True)


def test_an_unknown_column_is_said_along_with_all_else(copy_of):
    folder = copy_of("agiqa-3k")

    def change(rows):
        rows[0]["mos"] = "3"
        rows[1]["mos_quality"] = "5.01"
        rows[2]["name"] = "sdxl_normal_001.jpg"

    rewrite(folder / "data.csv", change)
    said = [str(problem) for problem in load("agiqa-3k", folder).problems]
    assert any("unknown column mos; known are" in line for line in said)
    assert any("mos_quality is '5.01'; expected a number from 0 to 5" in line for line in said)
    assert any(line.startswith("sdxl_normal_001: is not named MODEL_VARIANT_NNN.jpg") for line in said)
    assert any("AGIQA-3K/sdxl_normal_001.jpg: does not exist" in line for line in said)


def test_one_image_under_two_names(copy_of):
    folder = copy_of("ntire-x-aigc-2")

    def change(rows):
        rows[5]["edited"] = "./edited/0004.png"

    rewrite(folder / "ratings.csv", change)
    copy = load("ntire-x-aigc-2", folder)
    assert [(p.kind, p.row) for p in copy.problems] == [("twice", "0004"), ("twice", "0005")]
    assert copy.report().count("edited/0004.png: is judged more than once, as 0004, 0005") == 1


def test_a_link_out_of_the_folder_is_not_followed(copy_of, tmp_path):
    folder = copy_of("ntire-x-aigc-2")
    outside = tmp_path / "outside.png"
    (folder / "edited" / "0001.png").rename(outside)
    os.symlink(outside, folder / "edited" / "0001.png")
    copy = load("ntire-x-aigc-2", folder)
    assert [(p.kind, p.row) for p in copy.problems] == [("path", "0001")]
    assert "lies outside of" in copy.problems[0].message


@pytest.mark.parametrize(
    "image",
    ["/etc/passwd/001.png", "../DALLE3/001.png", "DALLE3/../../x/001.png", "DALLE3/1.png", "DALLE3.png", None, 7],
)
def test_evalmi_takes_images_of_its_own_form_only(copy_of, image):
    folder = copy_of("evalmi-50k")
    path = folder / "data" / "test_AIGI_mos1_fold_2.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0]) | {"image": image}
    path.write_text("\n".join([json.dumps(first), *lines[1:]]), encoding="utf-8")
    (problem,) = [p for p in load("evalmi-50k", folder, images=False).problems if "expected MODEL/NNN.png" in p.message]
    assert problem.location == "test_AIGI_mos1_fold_2.jsonl, line 1"


def workbook(folder, change):
    path = folder / "MOS&QA" / "AIGI2025_MOS_yn.xlsx"
    book = openpyxl.load_workbook(path)
    change(book.worksheets[0])
    book.save(path)


def test_what_can_be_wrong_in_evalmis_workbook(copy_of):
    folder = copy_of("evalmi-50k")

    def change(sheet):
        sheet["B2"], sheet["C3"], sheet["D4"], sheet["E5"] = -1, "n/a", 2, "maybe"
        sheet["A6"] = "GPT-Image/001.png"
        sheet["A7"] = sheet["A8"].value
        sheet["B9"] = None
        sheet["B10"] = float(sheet["B10"].value) + 1
        sheet["I1"] = "comment"

    workbook(folder, change)
    said = "\n".join(str(problem) for problem in load("evalmi-50k", folder).problems)
    for expected in (
        "row 2: MOS1 is -1; expected a number from 0 to 100",
        "row 3: MOS2 is 'n/a'; expected a number from 0 to 100",
        "row 4: Y/N is 2; expected 0, 1",
        "row 5: YN_1 is 'maybe'; expected 0, 1",
        "row 6: GPT-Image/001.png has an unknown model or prompt",
        "GPT-Image/001.png: does not exist",
        "row 7: the image 'omnigen/001' occurs 2 times (again in AIGI2025_MOS_yn.xlsx, row 8)",
        "row 9: MOS1 is empty",
        "perception of PixArt-sigma/001 is",
        "has the unknown column comment",
    ):
        assert expected in said


def test_folds_that_contradict_each_other(copy_of):
    folder = copy_of("evalmi-50k")
    data = folder / "data"
    in_train = (data / "train_AIGI_mos1_fold_2.jsonl").read_text(encoding="utf-8").splitlines()[0]
    with (data / "test_AIGI_mos1_fold_2.jsonl").open("a", encoding="utf-8") as file:
        file.write(in_train + "\n")
    answers = data / "test_AIGI_qa_fold_2.jsonl"
    answers.write_text(answers.read_text(encoding="utf-8").replace('"No"', '"Cannot say"', 1), encoding="utf-8")
    unknown = data / "test_AIGI_mos2_fold_3.jsonl"
    unknown.write_text(unknown.read_text(encoding="utf-8").replace('"mos"', '"score"'), encoding="utf-8")
    said = "\n".join(str(problem) for problem in load("evalmi-50k", folder, images=False).problems)
    name = json.loads(in_train)["image"].removesuffix(".png")
    assert f"{name} is in both parts of fold 2" in said
    assert f"{name} is already tested in fold 2" in said
    assert "the answer is 'Cannot say'; expected yes or no" in said
    assert "test_AIGI_mos2_fold_3.jsonl: has no column mos" in said
    assert "test_AIGI_mos2_fold_3.jsonl: has the unknown column score" in said


def test_half_a_download_of_evalmi(copy_of):
    folder = copy_of("evalmi-50k")
    path = folder / "MOS&QA" / "AIGI2025_MOS_yn.xlsx"
    path.write_bytes(path.read_bytes()[:2000])
    fold = folder / "data" / "test_AIGI_mos1_fold_4.jsonl"
    fold.write_bytes(fold.read_bytes()[:-30])
    copy = load("evalmi-50k", folder)
    said = [str(problem) for problem in copy.problems]
    assert any("cannot be read as an Excel workbook" in line and "download complete?" in line for line in said)
    assert any(line.startswith("test_AIGI_mos1_fold_4.jsonl, line 24: is not JSON") for line in said)


def test_a_broken_line_of_the_prompts_moves_no_other(copy_of, copies):
    folder = copy_of("evalmi-50k")
    tasks = folder / "prompts" / "prompt_tasks.jsonl"
    lines = tasks.read_text(encoding="utf-8").splitlines()
    tasks.write_text("\n".join([lines[0], '{"tag": "OC', *lines[2:]]) + "\n", encoding="utf-8")
    path = folder / "MOS&QA" / "question.xlsx"
    book = openpyxl.load_workbook(path)
    book.worksheets[0]["A3"] = book.worksheets[0]["B3"] = None  # prompt 2
    book.save(path)
    copy = load("evalmi-50k", folder, images=False)
    assert [str(p)[:36] for p in copy.problems] == ["prompt_tasks.jsonl, line 2: is not J"]
    whole = {s.id: s for s in load("evalmi-50k", copies["evalmi-50k"], images=False).samples}
    for sample in copy.samples:
        same = whole[sample.id]
        known = sample.meta["prompt_id"] != "002"
        assert (sample.questions, sample.meta.get("task")) == (
            (same.questions, same.meta["task"]) if known else (None, None)
        )
        assert sample.prompt == same.prompt  # the folds say it, too


def test_half_a_download_of_ebench(copy_of):
    folder = copy_of("ebench-18k")
    (folder / "data" / "test_c.json").unlink()
    path = folder / "data" / "test_e.json"
    path.write_bytes(path.read_bytes()[:-50])
    said = [str(problem) for problem in load("ebench-18k", folder).problems]
    assert any("has no test_c.json, though it has other files of the part" in line for line in said)
    assert any(line.startswith("test_e.json, line 51: is not JSON") for line in said)


def test_ebench_files_that_are_swapped_or_sorted(copy_of):
    folder = copy_of("ebench-18k")
    data = folder / "data"
    lines = (data / "test_c.json").read_text(encoding="utf-8").splitlines()
    (data / "test_c.json").write_text("\n".join(sorted(lines, reverse=True)), encoding="utf-8")
    (data / "test_e.json").write_text((data / "test_v.json").read_text(encoding="utf-8"), encoding="utf-8")
    said = [str(problem) for problem in load("ebench-18k", folder).problems]
    assert any("test_c.json: has the edits of test_v.json in a different order" in line for line in said)
    assert sum("the query does not ask for an edit's 'editing correspondence'" in line for line in said) == 51


def test_responses_that_are_none(copy_of):
    folder = copy_of("ebench-18k")
    for letter, line, response in (("v", 0, "101"), ("e", 1, "The quality score is high"), ("yn", 2, "Perhaps")):
        path = folder / "data" / f"test_{letter}.json"
        rows = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        rows[line]["response"] = response
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said = "\n".join(str(problem) for problem in load("ebench-18k", folder).problems)
    assert "test_v.json, line 1: response is '101'; expected 'The quality score is XX.XX'" in said
    assert "test_e.json, line 2: response is 'high'; expected a number from 0 to 100" in said
    assert "test_yn.json, line 3: response is 'Perhaps'; expected no, yes" in said


def test_real_images_and_edits_contradict_themselves(copy_of):
    folder = copy_of("hpe-bench")

    def change(rows):
        edits = [row for row in rows if row["authentic"] == "0"]
        reals = [row for row in rows if row["authentic"] == "1"]
        reals[0]["system"], reals[1]["authentic"] = "EDICT", "2"
        edits[0]["system"], edits[1]["system"], edits[2]["source"] = "", "Photoshop", ""

    rewrite(folder / "ratings.csv", change)
    said = "\n".join(str(problem) for problem in load("hpe-bench", folder).problems)
    for expected in (
        "is real (authentic is 1) and names an editing model",
        "authentic is '2'; expected 0, 1",
        "system is empty",
        "system is 'Photoshop'; expected IP2P, MagicBrush",
        "source is empty",
    ):
        assert expected in said


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(BenchmarkError, match=r"does not exist; expected the folder of EvalMi-50K: .*docs/benchmarks"):
        load("evalmi-50k", tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="is a file"):
        load("evalmi-50k", tmp_path / "file")
    for name in ("evalmi-50k", "ebench-18k", "agiqa-3k", "hpe-bench"):
        copy = load(name, tmp_path)
        assert [problem.kind for problem in copy.problems] == ["file"]
        with pytest.raises(BenchmarkError, match="cannot be used"):
            copy.chosen(partial=True)


def test_whole_files_of_every_kind_are_not_taken_for_damaged(tmp_path):
    from PIL import Image

    picture = Image.effect_noise((40, 30), 60).convert("RGB")
    for suffix in ("png", "jpg", "webp", "bmp", "tif"):
        path = tmp_path / f"a.{suffix}"
        picture.save(path)
        assert damage(str(path)) is None
        whole = path.read_bytes()
        path.write_bytes(whole + b"\0" * 16)  # some programs leave a tail
        assert damage(str(path)) is None
        path.write_bytes(whole[: len(whole) // 2])
        assert damage(str(path)) is not None
