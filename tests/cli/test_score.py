"""`editmetrics score` as a person uses it: what it prints, what it writes, and how it ends."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from editmetrics.builtin import BUILTIN, CLASSIC
from editmetrics.registry import create_metric
from editmetrics.tables.table import number

from .conftest import EXAMPLES

QUICK = ("-m", "mse", "-m", "psnr")


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_first_command_of_the_readme(run):
    ran = run("score", EXAMPLES / "source", EXAMPLES / "edited", "--prompts", EXAMPLES / "prompts.csv")
    assert ran.code == 0, ran.err
    for name in BUILTIN:
        assert (f"{name} " in ran.out) == (name in CLASSIC), name
    assert "cat" in ran.out


def test_the_table_holds_every_pair_and_its_values_are_the_metrics_own(run, folders):
    output = folders / "scores.csv"
    assert run("score", folders / "source", folders / "edited", *QUICK, "-o", output).code == 0
    psnr = create_metric("psnr")
    for row in rows(output):
        # the engine adds up with one thread, a call with all: the same float32 sum in another order
        assert float(row["psnr"]) == pytest.approx(float(psnr(row["source"], row["edited"])), rel=1e-5)
        assert row["problems"] == ""


def test_one_corrupt_file_is_one_failed_row_and_exit_code_3(run, folders):
    broken = sorted((folders / "edited").iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:500])
    output = folders / "scores.csv"
    ran = run("score", folders / "source", folders / "edited", *QUICK, "-o", output)
    assert ran.code == 3
    found = rows(output)
    assert [bool(row["psnr"]) for row in found] == [True, False, True]
    assert broken.name in found[1]["problems"]
    assert "1 failed" in ran.out
    assert broken.name in ran.out


def test_the_same_command_goes_on(run, folders):
    output = folders / "scores.csv"
    command = ("score", folders / "source", folders / "edited", *QUICK, "-o", output)
    run(*command)
    before = output.read_bytes()
    again = run(*command)
    assert "6 scores reused" in again.out
    assert output.read_bytes() == before
    assert "reused" not in run(*command, "--overwrite").out


def test_retry_scores_the_failed_ones_again(run, folders):
    edited = sorted((folders / "edited").iterdir())[0]
    whole = edited.read_bytes()
    edited.write_bytes(b"")
    command = ("score", folders / "source", folders / "edited", *QUICK, "-o", folders / "scores.csv")
    assert run(*command).code == 3
    assert "6 scores reused" in run(*command).out
    assert "4 scores reused" in run(*command, "--retry", "failed").out
    edited.write_bytes(whole)
    assert run(*command).code == 0


def test_several_systems_are_compared(run, folders):
    worse = folders / "worse"
    worse.mkdir()
    for path in (folders / "source").iterdir():
        Image.new("RGB", Image.open(path).size, "red").save(worse / f"{path.stem}.png")
    output = folders / "scores.jsonl"
    ran = run("score", folders / "source", folders / "edited", worse, *QUICK, "-o", output)
    assert ran.code == 0
    found = [json.loads(line) for line in output.read_text().splitlines()]
    assert {row["system"] for row in found} == {"edited", "worse"}
    assert len({row["id"] for row in found}) == 6
    for name in ("mse", "psnr"):
        for system in ("edited", "worse"):
            mean = np.mean([row[name] for row in found if row["system"] == system])
            assert f"{system} {number(mean)}" in " ".join(ran.out.split())


def test_sizes_that_differ_are_refused_unless_told(run, folders):
    path = sorted((folders / "edited").iterdir())[0]
    Image.open(path).resize((200, 200)).save(path)
    command = ("score", folders / "source", folders / "edited", *QUICK)
    refused = run(*command)
    assert refused.code == 3
    assert "200 x 200" in refused.out
    assert run(*command, "--resize", "edited").code == 0


def test_region_of_a_mask(run, folders):
    masks = folders / "masks"
    masks.mkdir()
    for path in (folders / "source").iterdir():
        width, height = Image.open(path).size
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2] = 255
        Image.fromarray(mask).save(masks / f"{path.stem}.png")
    output = folders / "scores.csv"
    ran = run(
        "score", folders / "source", folders / "edited", "--masks", masks, "-o", output,
        "-m", "mse", "-m", "mse:region=inside", "-m", "mse:region=outside",
    )  # fmt: skip
    assert ran.code == 0
    for row in rows(output):
        whole, inside, outside = (float(row[f"mse{part}"]) for part in ("", ":region=inside", ":region=outside"))
        height = Image.open(row["source"]).size[1]
        share = (height // 2) / height
        assert share * inside + (1 - share) * outside == pytest.approx(whole, rel=1e-4)  # three float32 means


def test_a_single_pair(run, folders):
    source, edited = (sorted((folders / name).iterdir())[0] for name in ("source", "edited"))
    ran = run("score", source, edited, "-m", "psnr")
    assert ran.code == 0
    assert f"{float(create_metric('psnr')(source, edited)):.4g}" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["source", "edited", "-m", "psnnr"], "Did you mean 'psnr'"),
        (["source", "edited", "-m", "psnr:chanels=y"], "Did you mean 'channels'"),
        (["source", "edited", "-m", "psnr:channels=z"], "rgb | y"),
        (["source", "edited", "-m", "clip_score"], "prompt"),
        (["edited", "-m", "psnr"], "source"),
        (["edited"], "-m"),
        (["source", "edited", "--metrics", "psnr"], "No such option"),
        (["nowhere", "edited"], "nowhere"),
        (["source", "edited", "-m", "psnr", "-o", "scores.txt"], ".csv"),
        (["source", "edited", "-m", "psnr:region=inside"], "mask"),
    ],
)
def test_called_wrongly_it_says_how_and_ends_with_2(run, folders, monkeypatch, arguments, said):
    monkeypatch.chdir(folders)
    ran = run("score", *arguments)
    assert ran.code == 2, ran
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_device_is_where_it_computes(run, folders, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_DEVICE", "meta")  # tensors without numbers: nothing can be scored there
    output = folders / "scores.csv"
    command = ("score", folders / "source", folders / "edited", "-m", "psnr", "-o", output)
    assert run(*command).code == 3
    assert run(*command, "--device", "cpu", "--overwrite").code == 0
    first = json.loads(output.with_suffix(".record.jsonl").read_text().splitlines()[0])
    assert [metric["device"] for metric in first["metrics"]] == ["cpu"]


def test_doing_nothing_is_a_system_that_is_never_best(run, folders):
    """One name for the only folder of edits, one row for each source, and no comparison with it."""
    output = folders / "scores.csv"
    ran = run("score", folders / "source", folders / "edited", *QUICK, "--with-source-as-system", "-o", output)
    assert ran.code == 0
    systems = [row["system"] for row in rows(output)]
    assert systems == ["edited"] * 3 + ["(do nothing)"] * 3
    assert {(row["mse"], row["source"] == row["edited"]) for row in rows(output)[3:]} == {("0.0", True)}
    assert "These measure how little changed, not whether the instruction was followed." in ran.out
    assert "better" not in ran.out
    alone = run("score", "--images", folders / "edited", *QUICK, "--with-source-as-system")
    assert alone.code == 2
    assert "3 samples without a source" in alone.err


def test_orphans_are_listed_and_strict_refuses_them(run, folders):
    lonely = folders / "edited" / "lonely.png"
    Image.new("RGB", (64, 64)).save(lonely)
    command = ("score", folders / "source", folders / "edited", "-m", "mse")
    ran = run(*command)
    assert ran.code == 0
    assert "lonely" in ran.err
    strict = run(*command, "--strict")
    assert strict.code == 2
    assert "lonely" in strict.err


def test_progress_is_on_standard_error_and_can_be_silenced(run, folders):
    command = ("score", folders / "source", folders / "edited", "-m", "mse")
    assert "scored 3 of 3" in run(*command).err
    assert run(*command, "-q").err == ""


def test_few_pairs_are_shown_one_by_one_when_nothing_is_written(run, folders):
    stems = [path.stem for path in (folders / "source").iterdir()]
    assert all(stem in run("score", folders / "source", folders / "edited", "-m", "mse", "-q").out for stem in stems)


def test_ctrl_c_leaves_a_run_that_can_go_on(folders):
    """The real program, interrupted by a real signal when its record holds twelve scores."""
    for index in range(20):
        for name in ("source", "edited"):
            first = sorted((folders / name).iterdir())[0]
            (folders / name / f"copy{index}{first.suffix}").write_bytes(first.read_bytes())
    output = folders / "scores.csv"
    command = [sys.executable, "-m", "editmetrics", "score", folders / "source", folders / "edited"]
    command = [
        *map(str, command),
        "-m",
        "fsim",
        "-m",
        "ms_ssim",
        "-o",
        str(output),
        "--workers",
        "1",
        "--device",
        "cpu",
    ]
    record = output.with_suffix(".record.jsonl")
    stopped = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *command[3:]], capture_output=True, text=True, timeout=300
    )
    assert stopped.returncode == 1, stopped.stderr
    assert "resumes" in stopped.stderr
    kept = sum('"kind": "score"' in line for line in record.read_text().splitlines())
    assert 0 < kept < 46
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert f"{kept} scores reused" in again.stdout
    assert len(rows(output)) == 23


INTERRUPTED = """
import os, signal
from editmetrics.cli import main
from editmetrics.scoring.record import Record

write, count = Record.write, 0

def counting(self, *given):
    global count
    write(self, *given)
    count += 1
    if count == 12:
        os.kill(os.getpid(), signal.SIGINT)

Record.write = counting
main()
"""


def test_shards_are_merged_into_what_one_command_writes(run, folders):
    command = ("score", folders / "source", folders / "edited", *QUICK)
    output = folders / "scores.csv"
    for index in (1, 2):
        assert run(*command, "-o", output, "--shard", f"{index}/2").code == 0
    parts = [folders / f"scores.{index}-of-2.csv" for index in (1, 2)]
    ran = run("merge", *parts, "-o", output)
    assert (ran.code, ran.out) == (0, f"wrote {output}: 3 samples from 2 parts\n")
    assert run(*command, "-o", folders / "whole.csv").code == 0
    assert output.read_bytes() == (folders / "whole.csv").read_bytes()
    refused = run(*command, "--shard", "1/2")
    assert (refused.code, "requires -o" in refused.err) == (2, True)


def test_generated_images_are_named_by_images(run, tmp_path, folders):
    """Without sources: the same as the folder alone."""
    command = ("-m", "lmm4lmm:weights=toy", "--prompt", "make the square red", "--device", "cpu")
    plain = run("score", folders / "edited", *command, "-o", tmp_path / "plain.csv")
    named = run("score", "--images", folders / "edited", *command, "-o", tmp_path / "named.csv")
    assert (plain.code, named.code) == (0, 0), named.err
    assert rows(tmp_path / "plain.csv") == rows(tmp_path / "named.csv")
    assert len(rows(tmp_path / "named.csv")) == 3
    for paths in ((), (folders / "edited", "--images", folders / "edited")):
        ran = run("score", *paths, *command)
        assert (ran.code, "expected either PATHS or --images" in ran.err) == (2, True)


def test_one_pair_loads_neither_reports_nor_agreement_nor_ray(tmp_path):
    for name in ("source.png", "edited.png"):
        Image.new("RGB", (8, 8), "white" if name == "source.png" else "gray").save(tmp_path / name)
    code = """
import sys
from editmetrics.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
loaded = [name for name in sys.modules if name.split(".")[0] in ("editmetrics", "ray", "matplotlib", "transformers")]
print("LOADED", *loaded)
"""
    command = [sys.executable, "-c", code, "score", "source.png", "edited.png", "-m", "psnr", "-o", "x.csv"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.partition("LOADED ")[2].split())
    assert "editmetrics.plugins.psnr" in loaded
    unwanted = (
        "scoring.ray_engine",
        "scoring.shards",
        "report",
        "runs",
        "agreement",
        "evaluation",
        "benchmarks",
        "suites",
        "judge",
        "mllm",
        "serving",
    )
    assert not {name for name in loaded if name.startswith(tuple(f"editmetrics.{part}" for part in unwanted))}
    assert not loaded & {
        "editmetrics.scoring.ray_engine",
        "editmetrics.scoring.shards",
        "ray",
        "matplotlib",
        "transformers",
    }


def test_names_that_differ_are_paired_by_the_pattern_that_the_error_names(run, folders):
    for image in (folders / "edited").iterdir():
        image.rename(image.with_stem(f"{image.stem}_edited"))
    command = ("score", folders / "source", folders / "edited", "-m", "psnr", "-q")
    refused = run(*command)
    assert refused.code == 2
    (pattern,) = re.findall("--pair-by '(.*)' would pair all", refused.err)
    ran = run(*command, "--pair-by", pattern, "-o", folders / "s.csv")
    assert ran.code == 0, ran.err
    names = sorted(image.stem for image in (folders / "source").iterdir())
    assert [row["id"] for row in rows(folders / "s.csv")] == names
    from editmetrics import score

    results = score(folders / "source", folders / "edited", metrics=["psnr"], pair_by=pattern)
    assert [row["psnr"] for row in rows(folders / "s.csv")] == [str(float(one)) for one in results["psnr"]]
    assert "give the folder as PATHS" in run("score", "--images", folders / "edited", "--pair-by", pattern).err
