"""Suites without a judge, in their benchmarks' own layouts: PIE-Bench, MagicBrush, Emu Edit."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import editmetrics
from editmetrics import Sample, create_metric
from editmetrics.data import DataError
from editmetrics.scoring.suite_results import suite_result
from editmetrics.scoring.suite_runs import SuiteRun
from editmetrics.suites import SUITES, SuiteColumn, SuiteError, TableLayout, suite_of_spec
from editmetrics.suites.pie_bench import TYPES
from editmetrics.suites.pie_bench_folders import decoded_mask
from editmetrics.suites.reading import find_suite_samples
from editmetrics.suites.rows import fields_of, notes_on_sizes
from editmetrics.tables.suites import result_blocks

from .rows import picture

PIE, MAGIC = SUITES["pie-bench"], SUITES["magicbrush"]


def table(suite, samples, *columns):
    """The first table of a suite with these of its columns, which need no network, and all that is printed."""
    suite = replace(suite, tables=(TableLayout("", columns, suite.tables[0].blocks),))
    metrics = tuple(create_metric(spec) for spec in suite.specs)
    result = suite_result(SuiteRun(suite, metrics), editmetrics.score(list(samples), list(metrics)))
    texts = [block if isinstance(block, str) else " ".join(block.notes) for block in result_blocks(result)]
    return {line.block.heading: line for line in result.tables[0].lines}, "\n".join(texts)


def column(suite, heading):
    return next(one for one in suite.tables[0].columns if one.heading == heading)


def pixels(path, size=None):
    image = Image.open(path).convert("RGB")
    return np.asarray(image if size is None else image.resize(size)).astype(float) / 255


# PIE-Bench


def encoded(mask):
    """A mask as PIE-Bench has it, by the plain definition: runs of marked pixels in the order of reading."""
    text = "".join("x" if pixel else "." for pixel in mask.ravel())
    return [number for run in re.finditer("x+", text) for number in (run.start(), len(run.group()))]


@pytest.fixture
def pie(tmp_path):
    rng = np.random.default_rng(1)
    rows = {}
    for number, name in enumerate([*TYPES][:4]):
        path = f"{name}/{number:012}.jpg"
        for folder in ("data/annotation_images", "out/annotation_images"):
            (tmp_path / folder / name).mkdir(parents=True, exist_ok=True)
        picture(512, 512, number).save(tmp_path / "data/annotation_images" / path)
        mask = np.kron(rng.random((16, 16)) < 0.3 + 0.7 * (number == 3), np.ones((32, 32))) > 0
        rows[path[-16:-4]] = {
            "image_path": path,
            "original_prompt": "a [round] bike",
            "editing_prompt": "a [square] bike",
            "editing_instruction": "make it square",
            "editing_type_id": str(number),
            "mask": encoded(mask),
        }
        edited = tmp_path / "out/annotation_images" / path
        if number == 1:  # a strip, as the scripts of methods save it
            strip = Image.new("RGB", (2048, 512), "red")
            strip.paste(picture(512, 512, 9), (1536, 0))
            strip.save(edited.with_suffix(".png"))
        elif number == 2:
            edited.write_bytes((tmp_path / "data/annotation_images" / path).read_bytes())
        else:
            picture(512, 512, 10 + number).save(edited.with_suffix(".png"))
    (tmp_path / "data/mapping_file.json").write_text(json.dumps(rows))
    return tmp_path


def test_runs_of_a_mask():
    mask = np.random.default_rng(0).random((512, 512)) < 0.5
    assert (decoded_mask(encoded(mask)) == mask).all()
    assert decoded_mask([512 * 512 - 2, 100]).sum() == 2  # cut off at the last pixel
    assert not decoded_mask([]).any()
    for wrong in ([1], [1, -2], [[1, 2]], ["1", "2"], [0.5, 2.0]):
        with pytest.raises(ValueError, match="start, length"):
            decoded_mask(wrong)


def test_pie_bench_from_its_folders(pie):
    samples = find_suite_samples([PIE], [pie / "data", pie / "out"])
    assert [sample.id for sample in samples] == [f"{number:012}" for number in range(4)]
    assert {(sample.prompt, sample.source_prompt) for sample in samples} == {("a square bike", "a round bike")}
    lines, text = table(PIE, samples, column(PIE, "PSNR"), column(PIE, "MSE"))
    squares = []
    rows = [*json.loads((pie / "data/mapping_file.json").read_text()).values()]
    for row, edited in zip(rows[:2], (picture(512, 512, 10), picture(512, 512, 9)), strict=True):
        kept = np.ones(512 * 512, bool)
        for start, length in zip(row["mask"][::2], row["mask"][1::2], strict=True):
            kept[start : start + length] = False
        kept = kept.reshape(512, 512)
        kept[[0, -1]] = kept[:, [0, -1]] = False
        source = pixels(pie / "data/annotation_images" / row["image_path"])
        squares.append((((source - np.asarray(edited) / 255) * kept[..., None]) ** 2).mean())
    psnr, mse = lines["all types"].cells
    assert psnr.value == pytest.approx(-10 * np.log10(squares).mean(), rel=1e-4)
    assert mse.value == pytest.approx(1e4 * sum(squares) / 3, rel=1e-4)  # the third is equal, the fourth has no region
    assert (psnr.n, psnr.infinite, mse.n, mse.total) == (2, 1, 3, 4)
    assert "PSNR: mean of 2 samples; MSE: mean of 3 samples" in text
    assert "1 infinite number of PSNR" in text
    assert "MSE times 10,000" in text
    assert "4 of 700 rows" in text


def test_types_are_told_by_id_or_folder_and_never_by_a_number_alone():
    rows = [
        Sample("a", edited="a.png", meta={"editing_type_id": 4}),
        Sample("a", edited="out/9_change_style_80/a.png"),
        Sample("7/1", edited="out/7/1.png"),
    ]
    types = [fields_of(PIE, row).get("type") for row in rows]
    assert types == ["4_change_attribute_content_40", "9_change_style_80", None]


def test_rows_are_counted_against_the_benchmark():
    assert sum(block.rows for block in PIE.tables[1].blocks) == PIE.tables[0].blocks[0].rows == PIE.rows
    variant = suite_of_spec("emu-edit:variant=ultraedit")
    rows = [Sample(str(number), edited="a.png", meta={"system": "mine"}) for number in range(2022)]
    (note,) = notes_on_sizes(variant, rows)
    assert note == "mine: 2,022 rows; validation split; 'test' in emu_edit_test_set_generations"


def test_problems_of_a_copy_of_pie_bench_are_named(pie, tmp_path):
    (pie / "out/annotation_images" / next(iter(TYPES)) / "000000000000.png").rename(pie / "out/stray.png")
    samples = find_suite_samples([PIE], [pie / "data", pie / "out"])
    assert samples.unmatched == {"keys": ["000000000000"]}
    both = find_suite_samples([PIE], [pie / "data", pie / "out", pie / "out/annotation_images" / [*TYPES][1]])
    assert both.unmatched["keyless"] == ["1_change_object_80/000000000001"]  # too deep a folder
    systems = {sample.meta["system"] for sample in both}
    assert systems == {"out"}
    (pie / "b").mkdir()
    (pie / "out/annotation_images").rename(pie / "b/annotation_images")
    named = find_suite_samples([PIE], [pie / "data", pie / "b/annotation_images", pie / "data/annotation_images"])
    assert {sample.meta["system"] for sample in named} == {"b", "data"}  # and not the name that both folders have
    (pie / "b/annotation_images").rename(pie / "out/annotation_images")
    with pytest.raises(DataError, match="has the name of a row"):
        find_suite_samples([PIE], [pie / "data", tmp_path / "data/annotation_images" / next(iter(TYPES))])
    with pytest.raises(SuiteError, match="leave out --masks"):
        find_suite_samples([PIE], [pie / "data", pie / "out"], masks=pie)
    (pie / "data/mapping_file.json").write_text('{"0": {"image_path": "a.jpg"}}')
    with pytest.raises(DataError, match="the row '0' lacks original_prompt, editing_prompt"):
        find_suite_samples([PIE], [pie / "data", pie / "out"])


# MagicBrush


@pytest.fixture
def magic(tmp_path):
    captions = {}
    for name, turns in (("11", 1), ("22", 3)):
        truth, out = tmp_path / "test/images" / name, tmp_path / "mine" / name
        truth.mkdir(parents=True)
        out.mkdir(parents=True)
        picture(96, 96, 0.5).save(truth / f"{name}-input.png")
        captions[name] = {f"{name}-output{turn}.png": f"caption {name} {turn}" for turn in range(1, turns + 1)}
        for turn in range(1, turns + 1):
            picture(96, 96, turn).save(truth / f"{name}-output{turn}.png")
            Image.new("L", (96, 96), 255).save(truth / f"{name}-mask{turn}.png")
            if turn == 1:
                picture(128, 128, turn + 0.1).save(out / f"{name}_1.png")
            else:
                picture(96, 96, turn + 0.2).save(out / f"{name}_inde_{turn}.png")
                picture(96, 96, turn + 0.3).save(out / f"{name}_iter_{turn}.png")
    (tmp_path / "test/local_captions.json").write_text(json.dumps(captions))
    return tmp_path


def test_magicbrush_from_its_folders(magic):
    samples = find_suite_samples([MAGIC], [magic / "test/images", magic / "mine"])
    assert {sample.id: sample.prompt for sample in samples} == {
        "11/11_1": "caption 11 1",
        "22/22_1": "caption 22 1",
        "22/22_inde_2": "caption 22 2",
        "22/22_inde_3": "caption 22 3",
        "22/22_iter_3": "caption 22 3",
    }
    sources = {sample.id: sample.source[-12:] for sample in samples}
    assert sources["22/22_inde_3"] == "-output2.png"
    assert sources["22/22_iter_3"] == "22-input.png"
    masks = [sample.mask and sample.mask[-9:] for sample in samples]
    assert masks == ["mask1.png", "mask1.png", "mask2.png", "mask3.png", None]
    lines, text = table(MAGIC, samples, column(MAGIC, "L1"), column(MAGIC, "L2"))
    truth, out = magic / "test/images", magic / "mine"
    pairs = {
        "Single-turn": [("11", "1", 1), ("22", "1", 1), ("22", "inde_2", 2), ("22", "inde_3", 3)],
        "Multi-turn": [("11", "1", 1), ("22", "iter_3", 3)],
    }
    for heading, rows in pairs.items():
        differences = [
            pixels(out / name / f"{name}_{key}.png", (96, 96)) - pixels(truth / name / f"{name}-output{turn}.png")
            for name, key, turn in rows
        ]
        l1, l2 = lines[heading].cells
        assert l1.value == pytest.approx(np.mean([abs(one).mean() for one in differences]), abs=1e-5)
        assert l2.value == pytest.approx(np.mean([(one**2).mean() for one in differences]), abs=1e-5)
    assert "turns unstated" not in lines
    assert "4 of 1,053 rows" in text


def test_magicbrush_from_a_manifest_is_one_row(magic):
    path = str(magic / "mine/11/11_1.png")
    lines, _ = table(MAGIC, [Sample("a", edited=path, reference=path)], column(MAGIC, "L1"))
    assert {heading: line.cells[0].value for heading, line in lines.items()} == {"turns unstated": 0}


def test_outputs_of_single_turns_alone_have_one_line(magic):
    for turn in (2, 3):
        (magic / f"mine/22/22_iter_{turn}.png").unlink()
    samples = find_suite_samples([MAGIC], [magic / "test/images", magic / "mine"])
    assert not samples.unmatched
    lines, _ = table(MAGIC, samples, column(MAGIC, "L1"))
    assert {heading: line.total for heading, line in lines.items()} == {"Single-turn": 4}


def test_problems_of_a_copy_of_magicbrush_are_named(magic):
    (magic / "mine/22/22_inde_2.png").unlink()
    (magic / "mine/22/22_iter_3.png").unlink()  # the last but one is not taken for it
    (magic / "mine/11").rename(magic / "mine/12")
    paths = [magic / "test", magic / "mine"]  # the folder of both, too
    samples = find_suite_samples([MAGIC], paths)
    assert [sample.id for sample in samples] == ["22/22_1", "22/22_inde_3"]
    assert samples.unmatched == {"keys": ["11/turn 1", "22/turn 2", "22/final turn"], "keyless": ["12"]}
    for wrong in ([magic / "mine", magic / "test"], [magic / "test"]):
        with pytest.raises(SuiteError, match="test is magicbrush's data; expected the benchmark's folder"):
            find_suite_samples([MAGIC], wrong)
    (magic / "test/local_captions.json").rename(magic / "flat.json")
    with pytest.raises(DataError, match=r"--prompts local_captions\.json"):
        find_suite_samples([MAGIC], paths)
    (magic / "flat.json").write_text('{"22-output1.png": "a cat"}')
    with pytest.raises(DataError, match="expected captions by session and target"):
        find_suite_samples([MAGIC], paths, prompts=magic / "flat.json")
    (magic / "test/images/22/22-output2.png").unlink()
    with pytest.raises(DataError, match="output1, output3 and not output2"):
        find_suite_samples([MAGIC], paths)


# Emu Edit


@pytest.fixture
def emu(tmp_path):
    with (tmp_path / "emu.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["instruction", "input_caption", "output_caption", "image", "edited_image", "edited"])
        for number, caption in enumerate(("a dog", "a cat", "a fish")):
            for kind, (width, phase) in {"src": (64, 1), "emu": (64, 2), "out": (80, 3)}.items():
                black = kind == "out" and number == 2
                image = Image.new("RGB", (width, width)) if black else picture(width, width, phase + number)
                image.save(tmp_path / f"{number}_{kind}.png")
            names = [f"{number}_{kind}.png" for kind in ("src", "emu", "out")]
            rows.writerow(["make it so", "a cat", caption, *names])
    return tmp_path


def test_variants_of_emu_edit_differ_in_rows_and_reference(emu):
    anybench = suite_of_spec("emu-edit:variant=anybench")
    samples = find_suite_samples([anybench], [emu / "emu.csv"])
    assert samples.samples[0].prompt == "a dog"
    lines, text = table(anybench, samples, column(anybench, "L1"))
    expected = [  # Emu Edit's edit is scaled to the output's size
        abs(pixels(emu / f"{number}_emu.png", (80, 80)) - pixels(emu / f"{number}_out.png")).mean() for number in (0, 1)
    ]
    assert lines["output visible"].cells[0].value == pytest.approx(np.mean(expected), abs=1e-5)
    assert "1 sample of 3 in no row of the table (output black: 1)" in text
    assert "3 rows; the benchmark has 3,589 (test split" in text

    icedit = suite_of_spec("emu-edit:variant=icedit")
    lines, text = table(icedit, find_suite_samples([icedit], [emu / "emu.csv"]), SuiteColumn("L1", "mae:resize=edited"))
    expected = [
        abs(pixels(emu / f"{number}_out.png", (64, 64)) - pixels(emu / f"{number}_src.png")).mean() for number in (0, 2)
    ]
    assert lines["captions different"].cells[0].value == pytest.approx(np.mean(expected), abs=1e-5)
    assert "(captions equal: 1)" in text


def test_a_prompt_that_is_an_instruction_is_refused(emu, run):
    (emu / "rows.csv").write_text("source,edited,reference,instruction\n0_src.png,0_out.png,0_emu.png,make it so\n")
    done = run("score", emu / "rows.csv", "--suite", "magicbrush", "--dry-run", "-q")
    assert "is a caption of the wanted image" in done.err
    assert "has 'instruction'" in done.err
    own = run("score", emu / "rows.csv", "--suite", "magicbrush", "--map", "prompt=instruction", "--dry-run", "-q")
    assert own.code == 0, own.err


def test_the_benchmarks_captions_come_before_a_column_called_prompt(emu):
    text = (emu / "emu.csv").read_text().replace("instruction,", "prompt,", 1)
    (emu / "laid_out.csv").write_text(text)  # as 'editmetrics data' lays rows out
    for suite in (suite_of_spec("emu-edit:variant=ultraedit"), MAGIC):
        prompts = [sample.prompt for sample in find_suite_samples([suite], [emu / "laid_out.csv"])]
        assert prompts == (["make it so"] * 3 if suite is MAGIC else ["a dog", "a cat", "a fish"])


def test_emu_edit_has_no_table_without_a_variant(emu, run):
    done = run("score", emu / "emu.csv", "--suite", "emu-edit", "-q")
    assert done.code == 2
    assert all(f"--suite emu-edit:variant={name}: " in done.err for name in SUITES["emu-edit"].variants)
    assert "variant, one of ultraedit, omnigen" in run("suite", "emu-edit:variant=mine").err
    assert "are none: it asks no judge" in run("suite", "magicbrush:variant=mine").err
    assert "weichow23/AnySD at bf39b45" in run("suite", "emu-edit:variant=anybench").out


def test_suites_of_one_run_share_columns(emu, run):
    specs = [f"emu-edit:variant={name}" for name in ("icedit", "omnigen")]
    done = run("score", emu / "emu.csv", "--suite", specs[0], "--suite", specs[1], "--dry-run", "-q")
    assert done.code == 0, done.err
