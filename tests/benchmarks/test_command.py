"""`editmetrics benchmark` as a person uses it: what it prints, what it writes, and how it ends."""

import csv
import json

import pytest

from editmetrics.benchmarks.catalogue import BENCHMARKS
from editmetrics.benchmarks.load import load


def test_the_list_names_every_data_set(run):
    ran = run("benchmark")
    assert ran.code == 0
    assert all(name in ran.out for name in BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_data_set_says_how_to_get_it_and_its_terms(run, name):
    ran = run("benchmark", name)
    assert ran.code == 0
    assert "to get it" in ran.out
    assert "terms" in ran.out
    assert f"docs/benchmarks/{name}.md" in ran.out


def test_a_copy_is_described(run, copies):
    ran = run("benchmark", "evalmi-50k", copies["evalmi-50k"])
    assert ran.code == 3
    assert "72; a complete copy has 50,400 images" in ran.out
    assert "24 values, 3 each" in ran.out
    assert "not a complete copy: nothing is wrong, every image exists and is complete." in ran.out
    assert "system playground: 3 of 2,100 images" in ran.out


def test_a_sound_copy_of_unknown_size_is_not_called_complete(run, copies):
    ran = run("benchmark", "ntire-x-aigc-2", copies["ntire-x-aigc-2"])
    assert ran.code == 0
    assert "how many samples a complete copy has is not stated: every image exists and is complete." in ran.out
    assert "test 18, train 9" in ran.out


def test_an_incomplete_copy_is_not_scored_as_if_it_were_whole(run, copies, tmp_path):
    ran = run("benchmark", "agiqa-3k", copies["agiqa-3k"], "-m", "psnr", "-o", tmp_path / "s.csv")
    assert ran.code == 2
    assert "not a complete copy of AGIQA-3K" in ran.err
    assert "18 of 2,982 images" in ran.err
    assert not (tmp_path / "s.csv").exists()


def scores_of(real_ebench, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "ds_ieqa.visual_quality", "mine"])
        for number, sample in enumerate(load("ebench-18k", real_ebench, images=False).samples):
            writer.writerow([sample.id, sample.meta["visual_quality"] + number % 7, number % 100])
    return path


def test_scores_of_the_whole_are_not_called_a_part(run, real_ebench, tmp_path):
    scores = scores_of(real_ebench, tmp_path / "s.csv")
    ran = run("benchmark", "ebench-18k", real_ebench, "--scores", scores, "--figures", tmp_path / "f.csv")
    assert ran.code == 0, ran.err
    assert "All that the paper evaluates." in ran.out
    assert "part" not in ran.out
    assert "No published rows" in ran.out
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == {""}
    (line,) = [r for r in rows if (r["score"], r["rating"], r["group"], r["measure"]) ==
               ("ds_ieqa", "visual_quality", "all", "srcc")]  # fmt: skip
    assert int(line["n"]) == 3672
    assert float(line["value"]) > 0.98


def test_the_figures_are_those_of_python(run, real_ebench, tmp_path):
    """With a metric that is lower is better, whose direction each door has to know."""
    from editmetrics.benchmarks.evaluation import evaluate, read_scores

    part = load("ebench-18k", real_ebench, images=False).chosen()
    scores = tmp_path / "scores.csv"
    with scores.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["id", "gmsd"], *((s.id, 100 - s.meta["visual_quality"] + n % 9) for n, s in enumerate(part.samples))]
        )
    ran = run("benchmark", "ebench-18k", real_ebench, "--scores", scores, "--figures", tmp_path / "figures.csv")
    assert ran.code in (0, 3), ran.err
    found = evaluate(part, read_scores(scores)).rows()
    assert found[0]["value"] > 0.5  # negated
    with (tmp_path / "figures.csv").open(newline="", encoding="utf-8") as file:
        for row, wanted in zip(csv.DictReader(file), found, strict=True):
            for name, cell in row.items():
                assert cell == ("" if wanted.get(name) is None else str(wanted[name])), name


def test_a_limit_is_marked_wherever_a_number_stands(run, real_ebench, tmp_path):
    scores = scores_of(real_ebench, tmp_path / "s.csv")
    ran = run(
        "benchmark", "ebench-18k", real_ebench, "--scores", scores, "--limit", 200, "--figures", tmp_path / "f.jsonl"
    )
    assert ran.code == 0, ran.out
    assert "A part, not the benchmark: 200 of 3,672 samples." in ran.out
    assert "All that the paper evaluates" not in ran.out
    titles = [line for line in ran.out.splitlines() if line.startswith(("visual_quality", "editing_a", "attribute_"))]
    assert len(titles) > 6
    assert all("(a part: 200 of 3,672 samples)" in title for title in titles)
    rows = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row.get("part") for row in rows} == {"200 of 3,672 samples"}


def test_psnr_runs_on_the_edits_and_resumes(run, copies, tmp_path):
    arguments = ("benchmark", "ntire-x-aigc-2", copies["ntire-x-aigc-2"], "-m", "psnr", "-o", tmp_path / "s.csv")
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "YuFans" in first.out
    assert first.out.count("published, Table 1 ") == 8
    row = next(line for line in first.out.splitlines() if line.startswith("psnr ") and "this run" in line)
    again = run(*arguments)
    assert again.out == first.out
    assert "18 scores reused from the record of an earlier run" in again.err
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "visual_quality" not in rows[0]  # no rating stands beside the scores
    read = run("benchmark", "ntire-x-aigc-2", copies["ntire-x-aigc-2"], "--scores", tmp_path / "s.csv")
    assert row in read.out
    run_line = json.loads((tmp_path / "s.record.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert run_line["benchmark"] == "ntire-x-aigc-2"


def test_lmm4lmm_on_evalmi_50k(run, copies, tmp_path):
    ran = run("benchmark", "evalmi-50k", copies["evalmi-50k"], "-m", "lmm4lmm:weights=toy,explain=false", "--partial",
              "-o", tmp_path / "s.csv", "--figures", tmp_path / "f.csv")  # fmt: skip
    assert ran.code == 0, ran.err
    assert "perception, average over fold (3); published: Table 2 (a part: of an incomplete copy)" in ran.out
    assert "correspondence, system level (24)" in ran.out
    assert "0.8863" in ran.out  # LMM4LMM's own, of Table 2
    with (tmp_path / "f.csv").open(newline="") as file:
        found = {(r["rating"], r["group"], r["measure"]): r for r in csv.DictReader(file) if not r["published"]}
    for rating, least in (("perception", 0.8), ("correspondence", 0.8)):  # the toy has learned such images
        assert float(found[rating, "average over fold", "srcc"]["value"]) > least
        assert int(found[rating, "all", "srcc"]["n"]) == 72


def test_ds_ieqa_on_the_challenge(run, copies, tmp_path):
    ran = run("benchmark", "ntire-x-aigc-2", copies["ntire-x-aigc-2"], "-m", "ds_ieqa:weights=toy",
              "--figures", tmp_path / "f.csv")  # fmt: skip
    assert ran.code == 0, ran.err
    with (tmp_path / "f.csv").open(newline="") as file:
        (ours,) = [r for r in csv.DictReader(file) if r["measure"] == "final score" and not r["published"]]
    assert float(ours["value"]) > 0.7


def test_hpe_lsa_detects_the_edits_of_hpe_bench(run, copies, tmp_path):
    ran = run("benchmark", "hpe-bench", copies["hpe-bench"], "-m", "hpe_lsa:weights=toy,dimension=authenticity",
              "--partial", "--split", "all", "--figures", tmp_path / "f.csv")  # fmt: skip
    assert ran.code == 0, ran.err
    with (tmp_path / "f.csv").open(newline="") as file:
        found = {(r["rating"], r["group"], r["measure"]): r for r in csv.DictReader(file) if not r["published"]}
    assert float(found["authentic", "all", "auc"]["value"]) > 0.8
    assert "every split; of an incomplete copy" in ran.out


def test_a_lower_is_better_metric_agrees_with_a_positive_sign(run, copies, tmp_path):
    ran = run("benchmark", "epaiqa-15k", copies["epaiqa-15k"], "-m", "psnr", "-m", "mse", "--partial", "--figures",
              tmp_path / "f.csv")  # fmt: skip
    assert ran.code in (0, 3), ran.err  # some type of edit may have too few images
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if not r["published"] and (r["group"], r["measure"]) == ("all", "srcc")]
    values = {(r["score"], r["rating"]): float(r["value"]) for r in rows}
    assert values["mse", "harmony"] == pytest.approx(values["psnr", "harmony"], abs=1e-9)
    assert "mse is lower is better and was negated" in ran.out


def test_a_manifest_to_train_on_lies_in_the_copy(run, copy_of, tmp_path):
    folder = copy_of("ntire-x-aigc-2")
    ran = run("benchmark", "ntire-x-aigc-2", folder, "--split", "all", "--manifest", folder / "train.csv")
    assert ran.code == 0, ran.err
    from editmetrics.mllm.targets import read_training_set

    targets = {"visual_quality": "visual_quality", "editing_fidelity": "editing_fidelity"}
    found = read_training_set(folder / "train.csv", targets=targets, label_scale=(1, 5), needs=("source", "edited"))
    assert len(found.train) + len(found.validation) == 27
    ran = run("benchmark", "ntire-x-aigc-2", folder, "--manifest", tmp_path / "train.csv")
    assert ran.code == 2
    assert "write it to" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evalmi50k",), "Did you mean 'evalmi-50k'"),
        (("evalmi-50k", "-m", "psnr"), "missing the folder of the data set"),
        (("agiqa-3k", "PATH", "--scores", "s.csv", "-m", "psnr"), "give one of them"),
        (("agiqa-3k", "PATH", "--limit", "3"), "--limit requires scores: name a metric with -m"),
        (("agiqa-3k", "PATH", "-o", "s.csv"), "-o requires scores"),
        (("agiqa-3k", "PATH", "-m", "psnr", "--partial", "--split", "test"), "has no splits"),
        (
            ("hpe-bench", "PATH", "-m", "psnr", "--partial", "--split", "dev"),
            "has no split 'dev'; expected one of test, train, val, all",
        ),
        (("agiqa-3k", "PATH", "-m", "psnr", "--partial"), "psnr requires source"),
        (("agiqa-3k", "PATH", "-m", "pnsr", "--partial"), "psnr"),
        (("agiqa-3k", "PATH", "--scores", "nowhere.csv", "--partial"), "nowhere.csv"),
        (("agiqa-3k", "PATH", "--figures", "f.txt", "-m", "psnr"), ".csv"),
    ],
)
def test_what_is_called_wrongly_is_told(run, copies, arguments, said):
    ran = run("benchmark", *(copies[arguments[0]] if each == "PATH" else each for each in arguments))
    assert ran.code == 2
    assert said in ran.err
