"""The same call gives the same number in Python and on the command line, for every command that gives numbers."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

import editmetrics
from editmetrics.cli import CORE, METHODS
from editmetrics.data import find_samples

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "serve": "tests/serving/test_serving.py::test_answers_equal_the_command_lines",
    "benchmark": "tests/benchmarks/test_command.py::test_the_figures_are_those_of_python",
    "pristine": "tests/cli/test_pristine.py::test_a_model_of_photographs_is_what_python_fits",
    "lsa": "tests/cli/test_lsa.py::test_the_profile_of_any_backbone_is_shown_written_and_drawn",
    "fit": "tests/cli/test_fit.py::test_from_a_manifest_to_scores",
    "arena": "tests/cli/test_arena.py::test_options_are_pythons",
    "suite": "tests/suites/test_bad_input.py::test_both_doors_give_one_table",
    "qbench": "tests/benchmarks/qbench/test_command.py::test_tables_come_out",
}
"""Commands whose two doors are compared by a test in another place, which needs what stands beside it."""

ONE_DOOR = {
    "weights": "files, and no number",
    "data": "files, and no number",
    "export": "models for a server, and no number",
    "plugin": "a scaffold and the conformance kit, which pytest runs as well",
    "choose": "names of metrics, and no number",
    "help": "texts, and no number",
    "completion": "a script for a shell",
    "doctor": "this machine",
    "selftest": "this machine",
    "judge": "an answer in words",
    "rate": "votes of people, and no number",
    "push": "files, and no number; tests/publishing compares what leaves with plan_push",
    "demo": "a page; tests/demo compares its numbers with those of score",
    "annotate": "texts that a chat model writes",
    "explanations": "an endpoint's verdicts, on the class that its metric gives",
}
"""Commands with nothing to compare, and why."""

HERE = ("score", "report", "compare", "merge", "evaluate", "combine", "ratings", "list", "info")


def test_every_command_is_compared_or_says_why_not():
    """A new command gets a test here, or an entry in one of the tables above."""
    entered = [*HERE, *ELSEWHERE, *ONE_DOOR]
    assert sorted(entered) == sorted([*CORE, *METHODS])
    names = {name for name in globals() if name.startswith("test_")}
    for command in HERE:
        assert any(name.startswith(f"test_{command}") for name in names), command
    for place in ELSEWHERE.values():
        path, _, test = place.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), place


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(value, cell):
    """A number of Python's and the cell that the program wrote: equal, or both missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return cell in ("", None)
    return float(cell) == pytest.approx(float(value), rel=1e-12, abs=0)


@pytest.fixture
def tables(tmp_path):
    """Scores of metrics of both directions and of one that nobody knows, against three columns of ratings."""
    rng = np.random.default_rng(5)
    ids = [f"i{n}" for n in range(40)]
    mos = rng.uniform(1, 5, 40)
    columns = {
        "gmsd": 0.3 - mos / 20 + rng.normal(0, 0.02, 40), "lpips": 1 - mos / 6 + rng.normal(0, 0.05, 40),
        "psnr": 10 * mos + rng.normal(0, 5, 40), "ds_ieqa.visual_quality": mos + rng.normal(0, 1, 40),
        "mse:region=inside": -mos + rng.normal(0, 1, 40), "mine": -mos + rng.normal(0, 1, 40),
    }  # fmt: skip
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", *columns], *zip(ids, *columns.values(), strict=True)])
    with (tmp_path / "ratings.csv").open("w", newline="") as file:
        heads = ["id", "mos", "good", "system", "source", "harmony", "edit_type"]
        body = [(name, m, "yes" if m > 3 else "no", "abc"[n % 3], f"s{n // 2}", m, "kt"[n % 2])
                for n, (name, m) in enumerate(zip(ids, mos, strict=True))]  # fmt: skip
        csv.writer(file).writerows([heads, *body])
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"group_by": ["system"], "cluster": "source", "replicates": 50, "seed": 3},
        {"fit": 5, "measures": ["plcc_fitted", "rmse_fitted", "pairwise_accuracy"]},
        {"group_by": ["source"], "measures": ["pairwise_accuracy"]},
        {"lower_is_better": ["mine"], "higher_is_better": ["psnr"], "scale": (1.5, 4.5)},
        {"against": "gmsd", "replicates": 100, "measures": ["srcc", "pairwise_accuracy"]},
        {"pairs": {"gmsd": "good", "psnr": "good", "mine": "good"}, "threshold": 0.2},
        {"tie_threshold": 0.5, "rating_tie": 0.5, "measures": ["pairwise_accuracy"]},
        {"system": "source", "fit": None, "level": 0.9},
    ],
    ids=lambda options: " ".join(options) or "defaults",
)
def test_evaluate(run, tables, options):
    scores, ratings = tables / "scores.csv", tables / "ratings.csv"
    options = {"pairs": dict.fromkeys(("gmsd", "lpips", "psnr", "mse:region=inside", "mine"), "mos"), **options}
    found = editmetrics.evaluate(scores, ratings, **options)
    words = {"measures": "measure", "replicates": "bootstrap", "pairs": "pair"}
    arguments = []
    for name, value in options.items():
        flag = f"--{words.get(name, name).replace('_', '-')}"
        if name == "pairs":
            value = [f"{score}={rating}" for score, rating in value.items()]
        if name == "scale":
            arguments += [flag, *value]
        else:
            for one in value if isinstance(value, list) else ["none" if value is None else value]:
                arguments += [flag, one]
    ran = run("evaluate", scores, ratings, *arguments, "-o", tables / "found.json")
    assert ran.code == (0 if found.complete else 3), ran.err
    written = json.loads((tables / "found.json").read_text())
    assert written == json.loads(json.dumps(found._rows()))
    assert len(written) > 2
    for note in found.notes:
        assert note.split(":")[0] in " ".join(ran.out.split())


@pytest.mark.parametrize(
    "options",
    [
        {"group": "source", "rating": "mos"},
        {"rating": "harmony", "metrics": ["gmsd", "psnr"], "folds": 3, "seed": 4, "level": 0.8},
        {"rating": "mos", "fold": "edit_type", "regressors": ["ridge", "svr"], "lower_is_better": ["psnr"]},
        {"rating": "good", "on": ["id"], "higher_is_better": ["gmsd"], "baseline": False},
    ],
    ids=lambda options: " ".join(options),
)
def test_combine(run, tables, options):
    scores, ratings = tables / "scores.csv", tables / "ratings.csv"
    options = {"replicates": 100, "regressors": ["ridge"], "group": "id", **options}
    flags = {"metrics": "--metric", "regressors": "--regressor", "replicates": "--bootstrap", "fold": "--fold-column"}
    arguments = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            flag = flags.get(name, f"--{name.replace('_', '-')}")
            arguments += ["--no-baseline"] if name == "baseline" else [flag, one]
    combined = editmetrics.combine(scores, ratings, **options)
    output, saved = tables / "combined.json", tables / "combined.safetensors"
    ran = run("combine", scores, ratings, *arguments, "-o", output, "--save", saved)
    assert ran.code == 0, ran.err
    assert json.loads(output.read_text()) == json.loads(json.dumps(combined.agreement._rows()))
    for sentence in combined.answer():
        assert sentence in " ".join(ran.out.split())
    assert run("combine", scores, "--apply", saved, "-o", tables / "predicted.csv").code == 0
    applied = combined.combination.apply(scores)
    assert all(
        same(value, row["combined"]) for value, row in zip(applied.values, rows(tables / "predicted.csv"), strict=True)
    )


def test_evaluate_the_direction_of_a_table_is_that_of_the_file(tables):
    """A path, a mapping and a polars table are one table; `gmsd` is lower is better in all of them."""
    import polars

    frame = polars.read_csv(tables / "scores.csv")
    values = set()
    for scores in (tables / "scores.csv", frame, frame.to_dict(as_series=False)):
        found = editmetrics.evaluate(scores, tables / "ratings.csv", pairs={"gmsd": "mos"})
        values.add(found.value("gmsd", "pairwise_accuracy"))
    assert len(values) == 1
    assert values.pop() > 0.8  # made to agree, so the wrong way round it would be below 0.2


def test_evaluate_by_a_protocol(run, tables):
    from editmetrics.agreement.protocols import PROTOCOLS
    from editmetrics.evaluation import evaluate_protocol

    scores, ratings = tables / "scores.csv", tables / "ratings.csv"
    pairs = [("gmsd", "harmony"), ("psnr", "harmony")]
    for number, pair in enumerate(pairs):
        found = evaluate_protocol(PROTOCOLS["epaiqa"], scores, ratings, pairs=[pair])
        output = tables / f"{number}.json"
        named = ("--protocol", "epaiqa", "--pair", "=".join(pair))
        assert run("evaluate", scores, ratings, *named, "-o", output).code == 0
        assert json.loads(output.read_text()) == json.loads(json.dumps(found._rows()))
        assert all(line.value > 0.5 for line in found.lines)  # negated where lower is better


def test_score_by_default(run, folders):
    """Without metrics, with a prompt and masks that no default reads: one file from both doors, to the byte."""
    paths = folders / "source", folders / "edited"
    assert run("score", *paths, "-q", "--prompt", "make it red", "-o", folders / "program.csv").code == 0
    results = editmetrics.score(*paths, prompt="make it red", output=folders / "python.csv")
    assert (folders / "program.csv").read_bytes() == (folders / "python.csv").read_bytes()
    assert len(results.columns) == 8


def test_score_and_evaluate_of_its_results(run, folders):
    metrics = ["psnr", "mse", "gmsd", "ssim:channels=rgb"]
    samples = find_samples([folders / "source", folders / "edited"])
    results = editmetrics.score(list(samples), metrics)
    arguments = [word for metric in metrics for word in ("-m", metric)]
    output = folders / "scores.csv"
    assert run("score", folders / "source", folders / "edited", *arguments, "-q", "-o", output).code == 0
    written = {row["id"]: row for row in rows(output)}
    assert written.keys() == {sample.id for sample in results.samples}
    for metric in metrics:
        for sample, score in zip(results.samples, results[metric], strict=True):
            assert same(float(score), written[sample.id][metric])
    with (folders / "mos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "mos"], *((sample.id, n) for n, sample in enumerate(results.samples))])
    of_results = editmetrics.evaluate(results, folders / "mos.csv")
    of_file = editmetrics.evaluate(output, folders / "mos.csv")
    for one, other in zip(of_results.lines, of_file.lines, strict=True):
        assert (one.score, one.measure, one.n) == (other.score, other.measure, other.n)
        assert one.value == pytest.approx(other.value, nan_ok=False) if one.value is not None else other.value is None


def test_compare(run, tables):
    from editmetrics.agreement.bootstrap import Resampling
    from editmetrics.runs.comparison import compare
    from editmetrics.runs.read_scores import read_scores

    other = tables / "other.csv"
    other.write_text((tables / "scores.csv").read_text().replace(".1", ".2"))
    options = {"tolerance": 0.01, "resampling": Resampling(replicates=200, level=0.9, seed=4)}
    found = compare(read_scores(tables / "scores.csv"), read_scores(other), **options)
    arguments = ["--tolerance", 0.01, "--bootstrap", 200, "--level", 0.9, "--seed", 4]
    ran = run("compare", tables / "scores.csv", other, *arguments, "-o", tables / "moved.json")
    assert ran.code == 3, ran.err  # no identities are known
    found.write(tables / "again.json")
    assert (tables / "moved.json").read_bytes() == (tables / "again.json").read_bytes()


@pytest.mark.parametrize("suffix", [".md", ".tex", ".html", ".json"])
def test_report(run, tables, suffix):
    from editmetrics.report.write import ReportOptions, write_report

    one, other = tables / f"one{suffix}", tables / f"other{suffix}"
    options = {"ratings": tables / "ratings.csv", "pairs": {"gmsd": "mos", "psnr": "mos"}, "replicates": 100, "seed": 2}
    write_report(tables / "scores.csv", one, ReportOptions(**options))
    arguments = ["--ratings", tables / "ratings.csv", "--pair", "gmsd=mos", "--pair", "psnr=mos", "--bootstrap", 100]
    ran = run("report", tables / "scores.csv", "-q", *arguments, "--seed", 2, "-o", other)
    assert ran.code == 0, ran.err
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("method", ["zscore", "mean"])
@pytest.mark.parametrize("screen", ["none", "bt500", "iqr"])
def test_ratings_mos(run, tmp_path, method, screen):
    from editmetrics.agreement import mos, ratings, screening

    rng = np.random.default_rng(0)
    asked = [(s, i) for s in range(8) for i in range(20)]
    raw = [(f"s{s}", f"i{i}", int(np.clip(rng.normal(1 + i % 5, 1 + s / 3), 1, 5))) for s, i in asked]
    with (tmp_path / "raw.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["subject", "item", "value"], *raw])
    run("ratings", "mos", tmp_path / "raw.csv", "--method", method, "--screen", screen, "-o", tmp_path / "mos.csv")
    read = ratings.read_ratings(tmp_path / "raw.csv", "value")
    kept = {"none": lambda r: r, "bt500": screening.without_rejected_observers, "iqr": screening.without_outliers}
    read = kept[screen](read)
    found = {score.item: score for score in mos.opinion_scores(mos.z_scores(read) if method == "zscore" else read)}
    written = rows(tmp_path / "mos.csv")
    assert {row["id"] for row in written} == found.keys()
    for row in written:
        score = found[row["id"]]
        for name, value in (("mos", score.mos), ("mos.sd", score.sd), ("mos.low", score.low), ("mos.high", score.high)):
            assert same(value, row[name])


def test_ratings_split(run, tables):
    from editmetrics.agreement.splits import parts_of

    manifest = tables / "ratings.csv"
    assert run("ratings", "split", manifest, "--ratio", "3:1", "--seed", 7, "-o", tables / "parts").code == 0
    listed, part = parts_of(manifest, "source", (3, 1), 7)
    for number, name in enumerate(("train", "test")):
        ids = [row["id"] for row, of in zip(listed, part, strict=True) if of == number]
        assert [row["id"] for row in rows(tables / "parts" / f"ratings.{name}.csv")] == ids


def test_merge(run, folders):
    from editmetrics.scoring.shards import merge

    parts = []
    for number in (1, 2):
        ran = run("score", folders / "source", folders / "edited", "-m", "mse", "-q", "-o", folders / "s.csv",
                  "--shard", f"{number}/2")  # fmt: skip
        assert ran.code == 0, ran.err
        parts.append(folders / f"s.{number}-of-2.csv")
    assert run("merge", *parts, "-o", folders / "one.csv").code == 0
    merge(parts, folders / "other.csv")
    assert (folders / "one.csv").read_bytes() == (folders / "other.csv").read_bytes()


def test_list_and_info(run):
    from editmetrics import describe

    listed = json.loads(run("list", "--json").out)
    assert [metric["name"] for metric in listed["metrics"]] == editmetrics.list_metrics()
    assert listed["metrics"] == [describe.metric(name) for name in editmetrics.list_metrics()]


@pytest.mark.parametrize("name", ["psnr", "ds_ieqa"])
def test_info(run, name):
    from editmetrics import describe

    assert json.loads(run("info", name, "--json").out) == describe.metric(name)
