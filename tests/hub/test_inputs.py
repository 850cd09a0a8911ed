"""`editmetrics data`: the inputs of benchmarks, from a hub on this machine that has small ones of the same shape."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from editmetrics.data import DataError
from editmetrics.files.notes import note_once
from editmetrics.suites import SUITES
from editmetrics.suites.inputs import INPUTS, InputRow, input_rows
from editmetrics.suites.layout import lay_out
from editmetrics.suites.reading import find_suite_samples
from editmetrics.suites.rows import check_rows, fields_of
from tests.cli.conftest import run

from .server import Repository

__all__ = ["run"]
IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})


def picture(shade, kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 20, 30)).save(buffer, kind)
    return buffer.getvalue()


def parquet(rows, *images):
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema_overrides=dict.fromkeys(images, IMAGE)).write_parquet(buffer)
    return buffer.getvalue()


def gedit():
    """Four rows, two of which share a key, with the data set's own columns."""
    keys = [("color_alter", "en", "0a"), ("subject-remove", "en", "0b"), ("subject-remove", "en", "0b"),
            ("ps_human", "cn", "0c")]  # fmt: skip
    rows = [
        {"task_type": task, "key": key, "instruction": f"edit {n}", "instruction_language": language,
         "input_image": {"bytes": picture(n), "path": "x.png"}, "input_image_raw": {"bytes": picture(99), "path": None},
         "Intersection_exist": n < 2}
        for n, (task, language, key) in enumerate(keys)
    ]  # fmt: skip
    return {"data/train-00000-of-00001.parquet": parquet(rows, "input_image", "input_image_raw")}


def imgedit():
    table = {"1082": {"id": "animal/1.jpg", "prompt": "Remove it.", "edit_type": "remove"},
             "7": {"id": "daily object/1.jpg", "prompt": "Add one.", "edit_type": "add"}}  # fmt: skip
    files = {"Benchmark/singleturn/singleturn.json": json.dumps(table).encode(),
             "Benchmark/singleturn/animal/1.jpg": picture(1, "JPEG"), "Benchmark/hard/animal/1.jpg": picture(2, "JPEG"),
             "Benchmark/singleturn/daily object/1.jpg": picture(3, "JPEG")}  # fmt: skip
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {"Benchmark.tar": buffer.getvalue(), "Singleturn/part1.parquet": b"the training set"}


def kris():
    one = {"3": {"ori_img": "a.jpg", "gt_img": "", "ins_en": "Paint it.", "explain_en": "It is red."}}
    two = {"5": {"ori_img": ["a.jpg", "b.jpg"], "gt_img": "c.jpg", "ins_en": "Join.", "explain_en": "Both."}}
    return {
        "KRIS_Bench/color_change/annotation.json": json.dumps(one).encode(),
        "KRIS_Bench/color_change/a.jpg": picture(1, "JPEG"),
        "KRIS_Bench/temporal_prediction/annotation.json": json.dumps(two).encode(),
        **{f"KRIS_Bench/temporal_prediction/{name}.jpg": picture(n, "JPEG") for n, name in enumerate("abc", 2)},
    }


def rise():
    rows = [
        {"index": "temporal_reasoning_1", "category": "temporal_reasoning", "instruction": "Later?", "image": "t/1.png",
         "reference": "an old cat", "reference_img": None, "subtask": "life"},
        {"index": "spatial_reasoning_2", "category": "spatial_reasoning", "instruction": "Turn it.", "image": "s/2.png",
         "reference": None, "reference_img": "s/2_gt.png", "subtask": "view"},
    ]  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for n, name in enumerate(("t/1.png", "s/2.png", "s/2_gt.png")):
            archive.writestr(f"data/{name}", picture(n))
    return {"data_total.json": json.dumps(rows).encode(), "data.zip": buffer.getvalue()}


def emu_edit():
    rows = [{"idx": n, "task": "add", "instruction": "Add it.", "input_caption": "a", "output_caption": "b",
             "hash": "x", "image": {"bytes": picture(n), "path": None}} for n in range(2)]  # fmt: skip
    return {"data/test-00000-of-00001.parquet": parquet(rows, "image"), "data/validation-00000-of-00001.parquet": b""}


def omnicontext():
    rows = [{"key": key, "task_type": "multi_object", "instruction": f"Join {key}.", "instruction_language": "en",
             "input_images": [{"bytes": picture(n), "path": None} for n in range(1, count)]}
            for key, count in (("0a", 3), ("0b", 2))]  # fmt: skip
    return {"data/train-00000-of-00001.parquet": parquet_of_lists(rows)}


def parquet_of_lists(rows):
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema_overrides={"input_images": pl.List(IMAGE)}).write_parquet(buffer)
    return buffer.getvalue()


SHAPES = {
    "gedit": gedit, "imgedit": imgedit, "kris": kris, "rise": rise, "emu-edit": emu_edit, "omnicontext": omnicontext,
}  # fmt: skip


@pytest.fixture(autouse=True)
def published_inputs(hub):
    note_once.cache_clear()
    for name, files in SHAPES.items():
        hub.repositories[f"datasets/{INPUTS[name].repository}"] = Repository(files(), licence="cc-by-nc-4.0")


def laid_out(run, name, folder):
    ran = run("data", name, folder)
    assert ran.code == 0, ran.err
    return ran, pl.read_csv(folder / "manifest.csv", infer_schema=False)


EXPECTED = {
    "gedit": (["color_alter/en/0a", "subject-remove/en/0b", "subject-remove/en/0b_2", "ps_human/cn/0c"], "edit 0", 0),
    "imgedit": (["1082", "7"], "Remove it.", 1),
    "kris": (["color_change/3", "temporal_prediction/5"], "Paint it.", 1),
    "rise": (["temporal_reasoning/temporal_reasoning_1", "spatial_reasoning/spatial_reasoning_2"], "Later?", 0),
    "emu-edit": (["0", "1"], None, 0),
    "omnicontext": (["multi_object/0a", "multi_object/0b"], "Join 0a.", 1),
}


@pytest.mark.parametrize("name", SHAPES)
def test_inputs_and_outputs_meet_in_the_suite(name, run, tmp_path):
    ran, table = laid_out(run, name, tmp_path / name)
    ids, prompt, shade = EXPECTED[name]
    assert table["id"].to_list() == ids
    assert prompt is None or table["prompt"][0] == prompt
    assert "licence: cc-by-nc-4.0" in ran.err
    printed = " ".join(ran.out.replace("\\\n", " ").split())
    assert f"editmetrics score {tmp_path / name}/manifest.csv my_model/ --suite {name}" in printed
    assert f"where the benchmark has {INPUTS[name].rows:,}" in printed
    source = table["source"][0]
    first = tmp_path / name / (json.loads(source)[0] if source.startswith("[") else source)
    assert Image.open(first).convert("RGB").getpixel((3, 3))[0] == pytest.approx(shade, abs=3)
    for output in table["save_as"]:
        path = tmp_path / "out" / output
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(200))
    suite = SUITES[name]
    samples = find_suite_samples([suite], [tmp_path / name / "manifest.csv", tmp_path / "out"])
    assert [sample.id for sample in samples] == ids
    assert samples.unmatched == {}
    check_rows(suite, samples.samples)
    assert all(sample.has("prompt") and sample.has("source") for sample in samples)
    assert all(fields_of(suite, sample) for sample in samples) or not suite.fields


def test_pairs_of_a_benchmark_of_judges_are_complete(run, hub, tmp_path):
    def stored(shade):
        return {"bytes": picture(shade), "path": None}

    made = [{"prompt": "a cat", "left_image": stored(1), "right_image": stored(2), "vote_type": "leftvote"}]
    edited = [{"instruct_prompt": "red", "source_prompt": "x", "target_prompt": "y", "vote_type": "tievote",
               "source_image": stored(3), "left_output_image": stored(4), "right_output_image": stored(5)}]  # fmt: skip
    files = {
        "image_generation/test_v1-00000-of-00001.parquet": parquet(made),
        "image_edition/test_v1-00000-of-00001.parquet": parquet(edited),
        "video_generation/test_v1-00000-of-00001.parquet": b"not asked for",
    }
    hub.repositories["datasets/TIGER-Lab/GenAI-Bench"] = Repository(files, licence="mit")
    ran, table = laid_out(run, "genai-bench", tmp_path / "g")
    assert "manifest.csv --suite genai-bench" in " ".join(ran.out.replace("\\\n", " ").split())
    assert table["id"].to_list() == ["image_generation/0000", "image_edition/0000"]
    samples = find_suite_samples([SUITES["genai-bench"]], [tmp_path / "g" / "manifest.csv"]).samples
    check_rows(SUITES["genai-bench"], samples)
    assert [sample.prompt for sample in samples] == ["a cat", "red"]
    shades = [[Image.open(path).getpixel((0, 0))[0] for path in (s.edited, s.rival)] for s in samples]
    assert shades == [[1, 2], [4, 5]]
    assert [sample.has("source") for sample in samples] == [False, True]


def test_bytes_stay_as_they_are_and_columns_keep_their_names(run, tmp_path):
    _, table = laid_out(run, "kris", tmp_path / "k")
    assert json.loads(table["source"][1]) == [f"source/temporal_prediction/5_{n}.jpg" for n in (1, 2)]
    files = kris()
    for path, name in [("source/temporal_prediction/5_2", "b"), ("reference/temporal_prediction/5", "c")]:
        assert (tmp_path / "k" / f"{path}.jpg").read_bytes() == files[f"KRIS_Bench/temporal_prediction/{name}.jpg"]
    assert table["reference"].to_list() == [None, "reference/temporal_prediction/5.jpg"]
    assert table["explain_en"].to_list() == ["It is red.", "Both."]
    _, table = laid_out(run, "rise", tmp_path / "r")
    assert table["reference_text"].to_list() == ["an old cat", None]
    samples = find_suite_samples([], [tmp_path / "r" / "manifest.csv"], columns={"edited": "source"})
    assert [fields_of(SUITES["rise"], sample)["reference_img"] for sample in samples] == ["no", "yes"]
    origin = json.loads((tmp_path / "r" / "origin.json").read_text())
    assert (origin["suite"], origin["licence"], origin["rows"]) == ("rise", "cc-by-nc-4.0", 2)


def test_a_dry_run_downloads_nothing_and_a_second_run_nothing_again(run, hub, tmp_path):
    ran = run("data", "gedit", "--dry-run", "--json")
    described = json.loads(ran.out)
    assert (described["licence"], described["files"]) == ("cc-by-nc-4.0", 1)
    assert not hub.downloads(".parquet")
    laid_out(run, "gedit", tmp_path / "g")
    (tmp_path / "g" / "source" / "ps_human" / "cn" / "0c.png").unlink()
    (tmp_path / "g" / "source" / "color_alter" / "en" / "0a.png").write_bytes(b"half")
    (tmp_path / "g" / "manifest.csv").unlink()  # as if it had been stopped
    laid_out(run, "gedit", tmp_path / "g")
    assert (tmp_path / "g" / "source" / "ps_human" / "cn" / "0c.png").read_bytes() == picture(3)
    assert (tmp_path / "g" / "source" / "color_alter" / "en" / "0a.png").read_bytes() == picture(0)
    assert len(hub.downloads(".parquet")) == 1


def test_a_folder_keeps_the_inputs_that_it_has(run, tmp_path):
    laid_out(run, "gedit", tmp_path / "g")
    ran = run("data", "kris", tmp_path / "g")
    assert ran.code == 2
    assert "has the inputs of gedit" in ran.err
    assert run("data", "kris", tmp_path / "g", "--overwrite").code == 0


def test_a_copy_of_ones_own_is_read_without_the_hub(run, hub, tmp_path):
    for name, data in kris().items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(data)
    asked = len(hub.requests)
    ran = run("data", "kris", tmp_path / "k", "--from", tmp_path / "copy", "--json")
    assert (json.loads(ran.out)["rows"], len(hub.requests)) == (2, asked)
    (tmp_path / "copy" / "KRIS_Bench" / "color_change" / "a.jpg").unlink()
    ran = run("data", "kris", tmp_path / "k2", "--from", tmp_path / "copy")
    assert ran.code == 2
    assert "names the image a.jpg, which" in ran.err


def test_prompts_of_text_to_image_benchmarks_are_read_from_a_copy(run, tmp_path):
    lines = '{"prompt_id": 0, "prompt": "A sign", "text": ["hi"]}\n'
    categories = ("en", "en_long", "zh", "zh_long")
    files = {
        "WISE/data_verified/merge.json": '[{"Prompt": "A cake", "Explanation": "round", "prompt_id": 7}]',
        "WISE/data/merge.json": "[]",
        "GenEval2/geneval2_data.jsonl": '{"prompt": "two cats"}\n{"prompt": "a dog"}\n',
        "X-Omni/textbench/text_prompts.jsonl": lines,
        "X-Omni/textbench/text_prompts_zh.jsonl": lines,
        **{
            f"UniGenBench/data/test_prompts_{name}.csv": f'index,prompt_{name[:2]}\n7,"A ""cup"""\n'
            for name in categories
        },
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    expected = {
        "wise": ("WISE", ["7.png"], ["A cake"]),
        "geneval2": ("GenEval2", ["000.png", "001.png"], ["two cats", "a dog"]),
        "longtext": ("X-Omni", ["en/0.png", "zh/0.png"], ["A sign", "A sign"]),
        "unigenbench": ("UniGenBench", [f"{name}/7.png" for name in categories], ['A "cup"'] * 4),
    }
    for name, (copy, outputs, prompts) in expected.items():
        assert f"--from {copy}" in run("data", name, tmp_path / name).err
        assert run("data", name, tmp_path / name, "--from", tmp_path / copy).code == 0
        table = pl.read_csv(tmp_path / name / "manifest.csv", infer_schema=False)
        assert (table["save_as"].to_list(), table["prompt"].to_list()) == (outputs, prompts)


def test_what_cannot_be_had_says_how_to_get_it(run, tmp_path):
    assert "archive with a password" in run("data", "magicbrush", tmp_path / "m").err
    assert "the authors of pie-bench hand its data out by a form" in run("data", "pie-bench", tmp_path / "p").err
    assert "Did you mean 'gedit' or 'imgedit'?" in run("data", "gedti", tmp_path / "g").err
    assert "missing the folder to write" in run("data", "gedit").err
    ran = run("data")
    assert ran.code == 0
    assert "stepfun-ai/GEdit-Bench" in ran.out
    assert "{task}/{number}" not in ran.out  # pairs of a benchmark of judges have no outputs
    assert {one["name"] for one in json.loads(run("data", "--json").out)} == INPUTS.keys()


def test_another_split_is_another_number_of_rows(run, hub, tmp_path):
    ran = run("data", "emu-edit", tmp_path / "e", "--split", "tset")
    assert "expected one of test, validation" in ran.err


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", ".x", "a/..", "a\\b", "con:", "x" * 201])
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(DataError, match="is not a path inside a folder"):
        lay_out([InputRow(name, {}, {})], tmp_path / "f", {"suite": "x"})
    assert not list(tmp_path.rglob("*.csv"))


def test_files_of_another_shape_are_refused(tmp_path):
    (tmp_path / "annotation.json").write_text("{}")
    (tmp_path / "t.parquet").write_bytes(parquet([{"key": "a", "instruction": "x"}]))
    with pytest.raises(DataError, match="no column input_image, instruction_language, task_type"):
        list(input_rows(INPUTS["gedit"], tmp_path))
    with pytest.raises(DataError, match=r"holds no data_total\.json"):
        list(input_rows(INPUTS["rise"], tmp_path))
    (tmp_path / "data_total.json").write_text('[{"index": 1}]')
    with pytest.raises(DataError, match="the rows are not as those of PhoenixZ/RISEBench"):
        list(input_rows(INPUTS["rise"], tmp_path))
    (tmp_path / "a.png").write_bytes(b"text")
    (tmp_path / "data_total.json").write_text('[{"index": 1, "category": "c", "image": "a.png"}]')
    with pytest.raises(DataError, match="is not an image"):
        lay_out(input_rows(INPUTS["rise"], tmp_path), Path(tmp_path / "f"), {"suite": "rise"})
