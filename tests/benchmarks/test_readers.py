"""Copies in every layout become samples with ratings; what a complete copy has is counted."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest

from editmetrics.agreement.protocols import PROTOCOLS
from editmetrics.benchmarks.agiqa_3k import reader as agiqa_3k
from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.catalogue import BENCHMARKS, benchmark
from editmetrics.benchmarks.ebench_18k import reader as ebench_18k
from editmetrics.benchmarks.evalmi_50k import reader as evalmi_50k
from editmetrics.benchmarks.hpe_bench import reader as hpe_bench
from editmetrics.benchmarks.load import load
from editmetrics.benchmarks.show import copy_blocks
from editmetrics.benchmarks.small_copies import write_copy
from editmetrics.images import read_image
from editmetrics.sample import Sample
from tests.worlds.edits import edits

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_data_set_fits_its_protocol_and_has_a_page(name):
    bench = benchmark(name)
    protocol = PROTOCOLS[bench.protocol]
    assert bench.name == name
    assert set(bench.ratings) == set(protocol.dimensions)
    assert set(bench.pairing.values()) <= set(bench.ratings)
    assert set(bench.protocol_columns) <= set(protocol.columns)
    page = (ROOT / bench.page).read_text(encoding="utf-8")
    assert all(f"`{rating}`" in page for rating in bench.ratings)


def test_an_unknown_data_set_is_answered_with_the_nearest():
    with pytest.raises(BenchmarkError, match=r"Did you mean 'evalmi-50k'"):
        benchmark("evalmi50k")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_synthetic_copy_is_sound_and_its_images_are_read(copies, name):
    copy = load(name, copies[name])
    assert copy.problems == []
    assert copy.complete is (copy.benchmark.size == 0)  # of which nothing says how large they are
    assert len({sample.id for sample in copy.samples}) == len(copy.samples)
    for sample in copy.samples[:3]:
        assert read_image(sample.edited).shape == (64, 64, 3)
    rated = [sample for sample in copy.samples if set(copy.benchmark.ratings) & set(sample.meta)]
    assert len(rated) == len(copy.samples)


def test_evalmi_says_the_same_from_the_workbook_and_from_the_folds(copies, copy_of):
    both = {s.id: s for s in load("evalmi-50k", copies["evalmi-50k"]).samples}
    folder = copy_of("evalmi-50k")
    for path in (folder / "MOS&QA").iterdir():
        path.unlink()
    (folder / "MOS&QA").rmdir()
    folds = {s.id: s for s in load("evalmi-50k", folder).samples}
    assert both.keys() == folds.keys()
    assert len(both) == 3 * 24
    for name, sample in folds.items():
        other = both[name]
        assert (sample.prompt, sample.meta) == (other.prompt, other.meta)
        assert sample.questions is None  # the question is only in the workbook
        assert len(other.questions) == 1
    assert {s.meta["fold"] for s in both.values()} == {"2", "3", "4"}  # of prompt 1, 2 and 3


def test_evalmi_notes_a_prompt_that_two_files_word_differently(copy_of):
    """As prompt 1371 of the authors' own copy, which stays complete: the workbook's wording is used."""
    folder = copy_of("evalmi-50k")
    file = folder / "prompts" / "prompt_tasks.jsonl"
    first, second, *others = [json.loads(line) for line in file.read_text().splitlines()]
    prompt = first["prompt"]
    first["prompt"], second["prompt"] = f"no {prompt}", second["prompt"].replace(" ", "  ")  # spaces are no difference
    file.write_text("".join(json.dumps(row) + "\n" for row in (first, second, *others)))
    copy = load("evalmi-50k", folder)
    assert copy.problems == []
    (note,) = copy.notes
    assert (
        note == f"prompt 1: is {prompt!r} in question.xlsx, which is used, and {f'no {prompt}'!r} in prompt_tasks.jsonl"
    )
    assert {sample.prompt for sample in copy.samples if sample.meta["prompt_id"] == "001"} == {prompt}
    assert any(note in block for block in copy_blocks(copy) if isinstance(block, str))


def test_evalmi_without_folds_has_no_splits(copy_of):
    folder = copy_of("evalmi-50k")
    for path in (folder / "data").iterdir():
        path.unlink()
    copy = load("evalmi-50k", folder)
    assert copy.problems == []
    assert copy.splits == {}
    with pytest.raises(BenchmarkError, match="no fold '1'; expected one of all"):
        copy.chosen("1", partial=True)


def whole_evalmi():
    """A sample for each of the 50,400 images, their tasks in runs."""
    tasks = [task for task, count in evalmi_50k.PROMPTS_OF_TASK.items() for _ in range(count)]
    assert len(tasks) == 2100
    said = {"perception": 50.0, "correspondence": 50.0, "answer": "yes"}
    return [
        Sample(f"{system}/{n:03}", edited="x.png", meta={"system": system, "task": task, **said})
        for system in evalmi_50k.SYSTEMS
        for n, task in enumerate(tasks, 1)
    ]


def test_a_whole_evalmi_lacks_nothing_and_one_image_less_is_said():
    samples = whole_evalmi()
    assert len(samples) == evalmi_50k.BENCHMARK.size == 50_400
    assert evalmi_50k.BENCHMARK.missing(samples) == []
    assert evalmi_50k.BENCHMARK.missing(samples[1:]) == ["system playground: 2,099 of 2,100 images"]
    unrated = [replace(samples[0], meta={"system": "playground", "task": "Single Class"}), *samples[1:]]
    assert "perception: 50,399 of 50,400 images have one" in evalmi_50k.BENCHMARK.missing(unrated)
    moved = [replace(samples[0], meta={**samples[0].meta, "task": "OCR"}), *samples[1:]]
    assert evalmi_50k.BENCHMARK.missing(moved) == [
        "task Single Class: 2,159 of 2,160 images",
        "task OCR: 1,201 of 1,200 images",
    ]


@pytest.mark.parametrize(
    ("tag", "task"),
    [
        ("single_class", "Single Class"),
        ("Linguistic Structures + detail", "Linguistic Structure"),
        ("time and light + detail", "Time & Light"),
        ("color_attr + detail", "Complex"),
        ("human + emotion", "Complex"),
        ("counting + color + shapes + scene", "Complex"),
        ("counting + color + shapes + texture + details", "Complex"),
        ("view + World Knowledge", "Complex"),
        ("detail", None),
        ("shape", None),
    ],
)
def test_tags_as_they_stand_in_the_public_file(tag, task):
    assert evalmi_50k.task(tag) == task


def test_there_are_20_tasks_and_24_models():
    assert len(set(evalmi_50k.TASKS.values())) == len(evalmi_50k.PROMPTS_OF_TASK) == 20
    assert len(set(evalmi_50k.SYSTEMS)) == 24


def test_ebench_reads_all_of_the_real_ratings(real_ebench):
    copy = load("ebench-18k", real_ebench, images=False)
    assert copy.complete, copy.report()
    assert len(copy.samples) == 3_672
    assert copy.splits == {"test": 3_672}
    of = {name: np.array([s.meta[name] for s in copy.samples]) for name in ebench_18k.RATINGS}
    # statistics of the public files, computed apart from this reader
    for name, mean, low, high in (
        ("visual_quality", 49.73, 13.89, 70.94),
        ("editing_alignment", 49.44, 32.20, 79.11),
        ("attribute_preservation", 50.23, 21.41, 71.73),
    ):
        values = of[name].astype(float)
        assert (round(values.mean(), 2), values.min(), values.max()) == (mean, low, high)
    assert (of["answer"] == "yes").sum() == 1_606
    assert {sum(s.meta["task"] == task for s in copy.samples) for task in ebench_18k.HIGH} == {136}
    assert {sum(s.meta["task"] == task for s in copy.samples) for task in ebench_18k.LOW} == {238}


def test_ebench_says_which_edits_are_missing(real_ebench, tmp_path):
    (tmp_path / "data").mkdir()
    for path in (real_ebench / "data").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if "/model03/" not in line][:-1]
        (tmp_path / "data" / path.name).write_text("\n".join(kept), encoding="utf-8")
    copy = load("ebench-18k", tmp_path, images=False)
    assert copy.problems == []
    assert list(copy.missing) == ["test, system model03: 0 of 216 edits", "test, system model16: 215 of 216 edits"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("name", ["hpe-bench", "epaiqa-15k", "ntire-x-aigc-2"])
def test_our_layout_is_read_from_every_kind_of_table(copies, copy_of, name, suffix):
    folder = copy_of(name)
    table = polars.read_csv(folder / "ratings.csv", infer_schema=False)
    (folder / "ratings.csv").unlink()
    if suffix == ".parquet":
        table.write_parquet(folder / f"ratings{suffix}")
    else:
        table.write_ndjson(folder / f"ratings{suffix}")
    copy, other = load(name, folder), load(name, copies[name])
    assert copy.problems == []
    assert [(s.id, s.prompt, s.meta) for s in copy.samples] == [(s.id, s.prompt, s.meta) for s in other.samples]


def test_hpe_counts_edits_of_each_model_and_wants_real_images(copies):
    samples = load("hpe-bench", copies["hpe-bench"]).samples
    assert {s.meta["paradigm"] for s in samples if "system" in s.meta} == {"instruction", "description"}
    edits = [s for s in samples if s.meta["authentic"] == "0"]
    whole = [replace(s, id=f"{s.id}_{n}") for s in edits[:17] for n in range(100)]
    assert hpe_bench.BENCHMARK.missing(whole) == ["real images: none, and detection needs them"]
    real = next(s for s in samples if s.meta["authentic"] == "1")
    assert hpe_bench.BENCHMARK.missing([*whole, real]) == []
    assert len(whole) == hpe_bench.BENCHMARK.size


def test_epaiqa_names_the_types_of_its_tables(copy_of):
    folder = copy_of("epaiqa-15k")
    path = folder / "ratings.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",style change,", ",1,").replace(",semantic change,", ",4,"), encoding="utf-8")
    types = {s.meta["edit_type"] for s in load("epaiqa-15k", folder).samples}
    assert types == {"style change", "object enhancement", "object operation", "semantic change"}


def test_agiqa_takes_model_and_variant_from_the_name(copies):
    copy = load("agiqa-3k", copies["agiqa-3k"])
    assert {s.meta["system"] for s in copy.samples} == set(agiqa_3k.SYSTEMS)
    assert {s.meta["variant"] for s in copy.samples} == {"normal"}
    assert list(copy.missing) == ["18 of 2,982 images"]


def test_the_public_header_of_agiqa_is_read(tmp_path):
    """The first lines of the public data.csv."""
    (tmp_path / "data.csv").write_text(
        "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align\n"
        "AttnGAN_normal_000.jpg,statue of a man,,,,0.965602553,0.223270101,0.40889324,0.615607722\n"
        'sd1.5_lowcorr_061.jpg,"a yellow rendition of venom, sci-fi style",,,sci-fi style,0.6,0.4,0,0.28\n',
        encoding="utf-8",
    )
    copy = load("agiqa-3k", tmp_path, images=False)
    assert copy.problems == []
    one, other = copy.samples
    assert (one.meta["perception"], one.meta["alignment"]) == (0.965602553, 0.40889324)
    assert (other.meta["system"], other.meta["variant"], other.meta["alignment"]) == ("sd1.5", "lowcorr", 0.0)


def test_what_is_written_as_a_manifest_is_what_was_read(copies, tmp_path):
    from editmetrics.data import from_manifest

    copy = load("ntire-x-aigc-2", copies["ntire-x-aigc-2"])
    part = copy.chosen("train", partial=True)
    path = copies["ntire-x-aigc-2"] / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in part.rows(path.parent.resolve())), encoding="utf-8")
    found = from_manifest(path)
    assert found.unmatched == {}
    assert [(s.id, s.prompt, dict(s.meta)) for s in found] == [(s.id, s.prompt, dict(s.meta)) for s in part.samples]
    assert all(Path(s.edited).samefile(other.edited) for s, other in zip(found, part.samples, strict=True))
    path.unlink()


@pytest.mark.slow
def test_a_workbook_of_50400_rows(tmp_path):
    """The whole of the table at its real size, without images."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["ImageName", "MOS1", "MOS2", "Y/N", "YN_1", "YN_2", "YN_3", "YN_4"])
    for sample in whole_evalmi():
        sheet.append([f"{sample.id}.png", 50.5, 49.5, 1, None, None, None, None])
    book.save(tmp_path / "AIGI2025_MOS_yn.xlsx")
    tags = {task: tag for tag, task in reversed(evalmi_50k.TASKS.items())}
    with (tmp_path / "prompt_tasks.jsonl").open("w", encoding="utf-8") as file:
        for task, count in evalmi_50k.PROMPTS_OF_TASK.items():
            file.writelines(json.dumps({"tag": tags[task], "prompt": f"a {task}"}) + "\n" for _ in range(count))
    copy = load("evalmi-50k", tmp_path, images=False)
    assert copy.complete, copy.report()


def test_write_copy_is_the_same_every_time(tmp_path):
    one, other = (write_copy("agiqa-3k", tmp_path / name, edits, each=1) for name in "ab")
    assert (one / "data.csv").read_bytes() == (other / "data.csv").read_bytes()
    with (one / "data.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(agiqa_3k.SYSTEMS)
